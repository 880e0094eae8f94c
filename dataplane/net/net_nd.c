/* net_nd.c - neighbour discovery (RFC 4861 s7, RFC 4862 s5.4) and MLD queries (RFC 3810) heard. */
#include "net_private.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"

/* An address still being probed is announced without the override flag (RFC 4429 s3.3). */
static void advertise(struct net_in *in, const struct net_own *own, const struct ip_addr *to,
                      const uint8_t mac[MAC_BYTES], uint8_t flags)
{
    uint8_t override = own_state(own) == NET_ADDRESS_VALID ? ND_OVERRIDE : 0;
    size_t n;

    if (!net_can_answer(in))
        return;
    n = net_eth(in->port, in->answer, mac, ETH_IP6);
    n += wire_ip6_write(in->answer + n, &own->ip, to, IP_ICMP6, 0, 0, 255,
                        ND_BYTES + ND_OPTION_BYTES);
    n += wire_nd_write(in->answer + n, ICMP6_NA, flags | override, &own->ip, in->port->cfg.mac,
                       &own->ip, to);
    net_answer(in, n);
}

static void solicitation(struct net_in *in, const struct wire_nd *nd)
{
    bool probe = ip6_is_unspecified(&in->src);
    uint32_t index = net_own_find(in->port, &nd->target);
    const uint8_t *mac = nd->has_source_mac ? nd->source_mac : in->eth.src;
    struct ip_addr group = ip6_solicited_node(&nd->target);
    uint8_t group_mac[MAC_BYTES];
    struct net_own *own;

    /* RFC 4861 s7.1.1; a solicitation goes to the target or to its group. */
    if (!ip_equal(&in->dst, &nd->target) && !ip_equal(&in->dst, &group)) {
        net_drop(in, ip_equal(&in->dst, &ip6_all_nodes) ? NET_DROP_ND_BAD : NET_DROP_ND_NOT_OURS);
        return;
    }
    if ((probe && (nd->has_source_mac || in->own != NULL)) || mac_is_group(mac) ||
        mac_is_zero(mac)) {
        net_drop(in, NET_DROP_ND_BAD);
        return;
    }
    if (index == NET_OWN_NONE || in->port->own[index].v4) {
        net_drop(in, NET_DROP_ND_NOT_OURS);
        return;
    }
    own = &in->port->own[index];
    if (own_state(own) == NET_ADDRESS_DUPLICATE) {
        net_drop(in, NET_DROP_ADDRESS_DUPLICATE);
        return;
    }
    if (!probe) {
        advertise(in, own, &in->src, mac, ND_SOLICITED);
        return;
    }
    if (mac_equal(in->eth.src, in->port->cfg.mac)) {
        net_drop(in, NET_DROP_OWN_ECHO);
        return;
    }
    if (own_state(own) == NET_ADDRESS_TENTATIVE) { /* two probe at once: neither may have it */
        net_claim_conflict(in, own);
        return;
    }
    ip6_multicast_mac(&ip6_all_nodes, group_mac);
    advertise(in, own, &ip6_all_nodes, group_mac, 0);
}

static void advertisement(struct net_in *in, const struct wire_nd *nd)
{
    bool solicited = (nd->flags & ND_SOLICITED) != 0;
    uint32_t index = net_own_find(in->port, &nd->target);
    const uint8_t *mac = nd->has_target_mac ? nd->target_mac : in->eth.src;

    if ((solicited && in->own == NULL) || mac_is_group(mac) || mac_is_zero(mac)) {
        net_drop(in, NET_DROP_ND_BAD);
        return;
    }
    if (index != NET_OWN_NONE) {
        if (mac_equal(mac, in->port->cfg.mac))
            net_drop(in, NET_DROP_OWN_ECHO);
        else
            net_claim_conflict(in, &in->port->own[index]);
        return;
    }
    if (!net_neigh_heard(in, &nd->target, mac, solicited, (nd->flags & ND_OVERRIDE) != 0))
        net_drop(in, NET_DROP_ND_NOT_OURS);
}

void net_nd_input(struct net_in *in, const struct wire_icmp *icmp)
{
    struct wire_nd nd;

    if (in->hop_limit != 255) {
        net_drop(in, NET_DROP_ND_HOP_LIMIT);
        return;
    }
    if (in->fragment_header) {
        net_drop(in, NET_DROP_ND_FRAGMENT);
        return;
    }
    if (icmp->type != ICMP6_NS && icmp->type != ICMP6_NA) {
        net_drop(in, NET_DROP_ND_IGNORED);
        return;
    }
    /* A target that is an IPv4 address in disguise would find our IPv4 addresses. */
    if (wire_nd_parse(icmp, &nd) != WIRE_OK || net_is_martian(in->port, &nd.target) ||
        ip_is_v4(&nd.target)) {
        net_drop(in, NET_DROP_ND_BAD);
        return;
    }
    if (icmp->type == ICMP6_NS)
        solicitation(in, &nd);
    else
        advertisement(in, &nd);
}

/* Answered by a version 2 report, which snooping switches of either version read; a version 1
 * querier will not, and ages us out to flooding. */
void net_mld_input(struct net_in *in, const struct wire_icmp *icmp, struct span message)
{
    uint64_t within_us = (uint64_t)(icmp->rest >> 16) * 1000;
    struct ip_addr group;

    if (in->hop_limit != 1 || !ip6_is_link_local(&in->src)) {
        net_drop(in, NET_DROP_ND_HOP_LIMIT);
        return;
    }
    if (icmp->code != 0 || message.len < ND_BYTES) {
        net_drop(in, NET_DROP_ND_BAD);
        return;
    }
    memcpy(group.octets, icmp->body.ptr, 16);
    if (within_us > NET_MLD_RESPONSE_MAX_US)
        within_us = NET_MLD_RESPONSE_MAX_US;
    net_claim_report(in, &group, within_us);
    in->ret->verdict = NET_LEARNED;
}
