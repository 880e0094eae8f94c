/* net_icmp.c - ICMP and ICMPv6 heard: echo answered, errors about our flows handed up. */
#include "net_private.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"

/* An answer costs the packets that the caller must make of it, the whole burst at most. */
static bool echo_allowed(struct net_in *in, size_t packets)
{
    struct net *net = in->net;
    const uint64_t one = NET_SECOND_US / NET_ECHO_PER_SECOND, most = NET_ECHO_BURST * one;
    const uint64_t price = packets < NET_ECHO_BURST ? packets * one : most;
    uint64_t passed = usec_since(net->echo_at, in->now);

    net->echo_tokens_us += passed < most ? passed : most;
    if (net->echo_tokens_us > most)
        net->echo_tokens_us = most;
    net->echo_at = in->now;
    if (net->echo_tokens_us < price)
        return false;
    net->echo_tokens_us -= price;
    return true;
}

static void echo(struct net_in *in, struct span message, bool v4)
{
    size_t ip_bytes = v4 ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
    size_t packet_room = in->port->cfg.mtu - ip_bytes;
    uint8_t mac[MAC_BYTES];
    uint8_t *out = in->answer;
    size_t n;

    if (!net_can_answer(in))
        return;
    /* Larger than the MTU is what came in fragments: it goes back so. */
    if (message.len > in->answer_room - ETH_HEADER_BYTES_MAX - ip_bytes) {
        net_drop(in, NET_DROP_ECHO_SIZE);
        return;
    }
    if (!echo_allowed(in, (message.len + packet_room - 1) / packet_room)) {
        net_drop(in, NET_DROP_ECHO_RATE);
        return;
    }
    net_next_hop(in->port, &in->dst, &in->src, in->eth.src, mac); /* the source is never zero */
    n = net_eth(in->port, out, mac, v4 ? ETH_IP4 : ETH_IP6);
    if (v4) {
        uint16_t id = net_ip_id_echo(in->net, &in->dst, &in->src, wire_get32(message.ptr + 4));

        n += wire_ip4_write(out + n, &in->dst, &in->src, IP_ICMP, 0, NET_TTL, id,
                            (uint16_t)message.len);
        n += wire_icmp4_echo_reply(out + n, message);
    } else {
        n += wire_ip6_write(out + n, &in->dst, &in->src, IP_ICMP6, 0, 0, NET_TTL,
                            (uint16_t)message.len);
        n += wire_icmp6_echo_reply(out + n, message, &in->dst, &in->src);
    }
    net_answer(in, n);
}

/* RFC 1191 s7: a router that does not say what fits gets the next lower common MTU. */
static uint32_t plateau(uint32_t packet_bytes)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};

    for (size_t i = 0; i < ARRAY_LEN(plateaus); i++)
        if (plateaus[i] < packet_bytes)
            return plateaus[i];
    return NET_MTU_MIN;
}

/* too_big: mtu is what the message says. RFC 8201 s4: an MTU below the minimum or not below
 * what we have is no news. */
static void flow_error(struct net_in *in, const struct wire_icmp_flow *flow, bool hard,
                       bool too_big, uint32_t mtu)
{
    struct net_result *ret = in->ret;
    uint32_t least = ip_is_v4(&flow->src) ? NET_MTU_MIN : IP6_MINIMUM_MTU;

    /* Only the host that sent the quoted segment is told about it. */
    if (!ip_equal(&flow->src, &in->dst) || in->own->derived) {
        net_drop(in, NET_DROP_ICMP_QUOTE);
        return;
    }
    if (too_big && (mtu < least || mtu >= in->port->cfg.mtu)) {
        net_drop(in, NET_DROP_ICMP_MTU);
        return;
    }
    ret->verdict = NET_ICMP;
    ret->icmp_key = (struct tcp_key){.local = flow->src,
                                     .remote = flow->dst,
                                     .local_port = flow->src_port,
                                     .remote_port = flow->dst_port};
    ret->icmp_seq = flow->seq;
    ret->icmp_mtu = too_big ? (uint16_t)mtu : 0;
    ret->icmp_hard = hard;
}

void net_icmp4_input(struct net_in *in, struct span message)
{
    struct wire_icmp_flow flow;
    struct wire_icmp icmp;
    enum wire_check check = wire_icmp4_parse(message, &icmp);
    bool unreachable, too_big, hard;
    uint32_t mtu;

    if (check != WIRE_OK) {
        net_drop(in, check == WIRE_SUM ? NET_DROP_ICMP_CHECKSUM : NET_DROP_ICMP_SHORT);
        return;
    }
    if (icmp.type == ICMP4_ECHO && icmp.code == 0) {
        echo(in, message, true);
        return;
    }
    /* Not served: source quench (RFC 6633), redirects (we have no routes to change), replies. */
    if (icmp.type != ICMP4_UNREACHABLE && icmp.type != ICMP4_TIME_EXCEEDED &&
        icmp.type != ICMP4_PARAMETER) {
        net_drop(in, NET_DROP_ICMP_TYPE);
        return;
    }
    if (wire_icmp4_flow(icmp.body, &flow) != WIRE_OK) {
        net_drop(in, NET_DROP_ICMP_QUOTE);
        return;
    }
    unreachable = icmp.type == ICMP4_UNREACHABLE;
    too_big = unreachable && icmp.code == ICMP4_CODE_TOO_BIG;
    hard = unreachable && (icmp.code == ICMP4_CODE_PORT || icmp.code == ICMP4_CODE_PROTOCOL);
    mtu = icmp.rest & 0xffff;
    flow_error(in, &flow, hard, too_big, mtu != 0 ? mtu : plateau(flow.packet_bytes));
}

static void error6(struct net_in *in, const struct wire_icmp *icmp)
{
    struct wire_icmp_flow flow;
    bool hard = (icmp->type == ICMP6_UNREACHABLE && icmp->code == ICMP6_CODE_PORT) ||
                (icmp->type == ICMP6_PARAMETER && icmp->code == ICMP6_CODE_NEXT_HEADER);

    /* A quoted IPv4-mapped address would name an IPv4 flow. */
    if (wire_icmp6_flow(icmp->body, &flow) != WIRE_OK || ip_is_v4(&flow.dst)) {
        net_drop(in, NET_DROP_ICMP_QUOTE);
        return;
    }
    flow_error(in, &flow, hard, icmp->type == ICMP6_TOO_BIG, icmp->rest);
}

void net_icmp6_input(struct net_in *in, struct span message)
{
    struct wire_icmp icmp;
    enum wire_check check = wire_icmp6_parse(message, &in->src, &in->dst, &icmp);

    if (check != WIRE_OK) {
        net_drop(in, check == WIRE_SUM ? NET_DROP_ICMP_CHECKSUM : NET_DROP_ICMP_SHORT);
        return;
    }
    if (ip6_is_unspecified(&in->src) && icmp.type != ICMP6_NS) {
        net_drop(in, NET_DROP_MARTIAN);
        return;
    }
    if (icmp.type >= ICMP6_RS && icmp.type <= ICMP6_REDIRECT) {
        net_nd_input(in, &icmp);
        return;
    }
    if (icmp.type == ICMP6_MLD_QUERY) {
        net_mld_input(in, &icmp, message);
        return;
    }
    if (in->own == NULL) { /* the rest is answered or believed only when sent to us alone */
        net_drop(in, NET_DROP_MULTICAST);
        return;
    }
    if (icmp.type == ICMP6_ECHO && icmp.code == 0)
        echo(in, message, false);
    else if (icmp.type >= ICMP6_UNREACHABLE && icmp.type <= ICMP6_PARAMETER)
        error6(in, &icmp);
    else
        net_drop(in, NET_DROP_ICMP_TYPE);
}
