/* net_input.c - one frame in, one verdict out: Ethernet, VLAN, IP, then by protocol. */
#include "net_private.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"
#include "wire_sum.h"
#include "wire_tcp.h"

static void ip_drop(struct net_in *in, enum wire_check check)
{
    static const enum net_drop reasons[] = {
        [WIRE_SHORT] = NET_DROP_IP_SHORT,        [WIRE_VERSION] = NET_DROP_IP_VERSION,
        [WIRE_HEADER] = NET_DROP_IP_HEADER,      [WIRE_SUM] = NET_DROP_IP_CHECKSUM,
        [WIRE_OPTIONS] = NET_DROP_IP_OPTIONS,    [WIRE_ROUTE] = NET_DROP_IP_ROUTE,
        [WIRE_TOO_MANY] = NET_DROP_IP_EXTENSIONS};

    must_hot(check < ARRAY_LEN(reasons));
    net_drop(in, reasons[check]);
}

static void tcp_segment(struct net_in *in, struct span bytes, bool checksum_good, uint8_t ecn)
{
    struct tcp_seg *seg = &in->ret->seg;
    enum wire_check check;
    uint64_t sum;

    if (in->own->derived) {
        net_drop(in, NET_DROP_NOT_OUR_ADDRESS);
        return;
    }
    if (bytes.len < TCP_HEADER_BYTES) {
        net_drop(in, NET_DROP_TCP_SHORT);
        return;
    }
    if (!checksum_good) {
        if (in->own->v4)
            sum = wire_sum_pseudo4(in->src.octets + 12, in->dst.octets + 12, IP_TCP,
                                   (uint16_t)bytes.len);
        else
            sum = wire_sum_pseudo6(in->src.octets, in->dst.octets, IP_TCP, (uint32_t)bytes.len);
        if (wire_sum_finish(wire_sum_add(sum, bytes)) != 0) {
            net_drop(in, NET_DROP_TCP_CHECKSUM);
            return;
        }
    }
    check = wire_tcp_parse(bytes, seg);
    if (check != WIRE_OK) {
        net_drop(in, check == WIRE_OPTIONS  ? NET_DROP_TCP_OPTIONS
                     : check == WIRE_HEADER ? NET_DROP_TCP_HEADER
                                            : NET_DROP_TCP_SHORT);
        return;
    }
    if (seg->key.remote_port == 0 || seg->key.local_port == 0) {
        net_drop(in, NET_DROP_TCP_PORT);
        return;
    }
    seg->key.remote = in->src;
    seg->key.local = in->dst;
    seg->path = in->path;
    seg->ecn = ecn & 3;
    in->ret->verdict = NET_TCP;
}

/* Source and unicast destination; sets in->own.  false: dropped. */
static bool addresses_ok(struct net_in *in)
{
    uint32_t index;

    if (net_is_own(in->net, &in->src)) {
        net_drop(in, NET_DROP_OWN_SOURCE);
        return false;
    }
    index = net_own_find(in->port, &in->dst);
    if (index == NET_OWN_NONE) {
        net_drop(in, NET_DROP_NOT_OUR_ADDRESS);
        return false;
    }
    in->own = &in->port->own[index];
    if (own_state(in->own) == NET_ADDRESS_DUPLICATE) {
        net_drop(in, NET_DROP_ADDRESS_DUPLICATE);
        return false;
    }
    return true;
}

static void ip4_input(struct net_in *in, bool checksum_good)
{
    struct wire_ip4 ip;
    enum wire_check check = wire_ip4_parse(in->eth.payload, checksum_good, &ip);

    if (check != WIRE_OK) {
        ip_drop(in, check);
        return;
    }
    in->src = ip.src;
    in->dst = ip.dst;
    if (net_is_martian(in->port, &in->src)) {
        net_drop(in, NET_DROP_MARTIAN);
        return;
    }
    if (net_is_broadcast(in->port, &in->dst)) {
        net_drop(in, NET_DROP_BROADCAST);
        return;
    }
    if (in->dst.octets[12] >> 4 == 14) {
        net_drop(in, NET_DROP_MULTICAST);
        return;
    }
    if (!addresses_ok(in))
        return;
    if (mac_is_group(in->eth.dst)) /* RFC 1122 s3.3.6 */
        net_drop(in, NET_DROP_L2_GROUP);
    else if (ip.protocol != IP_TCP && ip.protocol != IP_ICMP)
        net_drop(in, NET_DROP_PROTOCOL);
    else if (wire_ip4_is_fragment(&ip))
        in->ret->verdict = NET_FRAGMENT;
    else if (ip.protocol == IP_TCP)
        tcp_segment(in, ip.payload, checksum_good, ip.tos);
    else
        net_icmp4_input(in, ip.payload);
}

/* Which neighbour discovery may not come in (RFC 6980 s5): seen in the first fragment. */
static bool is_nd_fragment(const struct wire_ip6 *ip)
{
    return ip->protocol == IP_ICMP6 && ip->fragment_offset == 0 && ip->payload.len > 0 &&
           ip->payload.ptr[0] >= ICMP6_RS && ip->payload.ptr[0] <= ICMP6_REDIRECT;
}

static void ip6_unicast(struct net_in *in, const struct wire_ip6 *ip, bool checksum_good)
{
    if (mac_is_group(in->eth.dst))
        net_drop(in, NET_DROP_L2_GROUP);
    else if (ip->fragment && is_nd_fragment(ip))
        net_drop(in, NET_DROP_ND_FRAGMENT);
    else if (ip->fragment)
        in->ret->verdict = NET_FRAGMENT;
    else if (ip->protocol == IP_TCP)
        tcp_segment(in, ip->payload, checksum_good, ip->traffic_class);
    else if (ip->protocol == IP_ICMP6)
        net_icmp6_input(in, ip->payload);
    else
        net_drop(in, NET_DROP_PROTOCOL);
}

static void ip6_input(struct net_in *in, bool checksum_good)
{
    struct wire_ip6 ip;
    enum wire_check check = wire_ip6_parse(in->eth.payload, &ip);
    bool probe;

    if (check != WIRE_OK) {
        ip_drop(in, check);
        return;
    }
    in->src = ip.src;
    in->dst = ip.dst;
    in->hop_limit = ip.hop_limit;
    in->fragment_header = ip.fragment_header;
    /* :: may ask whether an address is free (RFC 4862 s5.4.2).  Above IP a mapped address
     * means IPv4, so on the wire it must not pass for one (RFC 4942 s2.2). */
    probe = ip6_is_unspecified(&in->src) && ip.protocol == IP_ICMP6 && !ip.fragment;
    if (!probe && (net_is_martian(in->port, &in->src) || ip_is_v4(&in->src))) {
        net_drop(in, NET_DROP_MARTIAN);
        return;
    }
    if (ip6_is_multicast(&in->dst)) {
        if (!net_is_our_group(in->port, &in->dst) || ip.fragment || ip.protocol != IP_ICMP6)
            net_drop(in, NET_DROP_MULTICAST);
        else if (net_is_own(in->net, &in->src))
            net_drop(in, NET_DROP_OWN_SOURCE);
        else
            net_icmp6_input(in, ip.payload);
        return;
    }
    if (ip_is_v4(&in->dst))
        net_drop(in, NET_DROP_NOT_OUR_ADDRESS);
    else if (addresses_ok(in))
        ip6_unicast(in, &ip, checksum_good);
}

void net_input(struct net *net, unsigned port, struct span frame, bool checksum_good,
               struct usec now, uint8_t *answer, size_t answer_room, struct net_result *ret)
{
    struct net_in in = {.net = net,
                        .port = &net->ports[port],
                        .now = now,
                        .answer = answer,
                        .answer_room = answer_room,
                        .ret = ret};

    must_hot(port < net->count);
    if (wire_eth_parse(frame, &in.eth) != WIRE_OK) {
        net_drop(&in, NET_DROP_ETH_SHORT);
        return;
    }
    if ((in.eth.tci & ETH_VLAN_ID_MASK) != in.port->cfg.vlan) {
        net_drop(&in, NET_DROP_VLAN);
        return;
    }
    if (mac_is_group(in.eth.src) || mac_is_zero(in.eth.src)) {
        net_drop(&in, NET_DROP_SOURCE_MAC);
        return;
    }
    if (!mac_is_group(in.eth.dst) && !mac_equal(in.eth.dst, in.port->cfg.mac)) {
        net_drop(&in, NET_DROP_NOT_OUR_MAC);
        return;
    }
    memcpy(in.path.mac, in.eth.src, MAC_BYTES);
    in.path.vlan = in.port->cfg.vlan;
    in.path.port = (uint8_t)port;
    ret->l3_offset = (unsigned)(in.eth.payload.ptr - frame.ptr);
    if (in.eth.type == ETH_IP4)
        ip4_input(&in, checksum_good);
    else if (in.eth.type == ETH_IP6)
        ip6_input(&in, checksum_good);
    else if (in.eth.type == ETH_ARP)
        net_arp_input(&in);
    else
        net_drop(&in, NET_DROP_ETH_TYPE);
}
