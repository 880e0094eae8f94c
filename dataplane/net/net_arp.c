/* net_arp.c - ARP heard: answer for our addresses, learn gateways, notice who claims what is ours.
 */
#include "net_private.h"
#include "wire_arp.h"

static void answer(struct net_in *in, const struct wire_arp *request)
{
    struct wire_arp reply = {
        .operation = ARP_REPLY, .sender = request->target, .target = request->sender};
    size_t n;

    if (!net_can_answer(in))
        return;
    n = net_eth(in->port, in->answer, request->sender_mac, ETH_ARP);
    memcpy(reply.sender_mac, in->port->cfg.mac, MAC_BYTES);
    memcpy(reply.target_mac, request->sender_mac, MAC_BYTES);
    net_answer(in, n + wire_arp_write(in->answer + n, &reply));
}

void net_arp_input(struct net_in *in)
{
    static const struct ip_addr zero4 = {
        .octets = {[10] = 0xff, [11] = 0xff}
    };
    struct wire_arp arp;
    uint32_t target, sender;
    bool probe, heard;

    if (wire_arp_parse(in->eth.payload, &arp) != WIRE_OK) {
        net_drop(in, NET_DROP_ARP_BAD);
        return;
    }
    /* RFC 5227 s1.1: a probe is a request from 0.0.0.0. */
    probe = arp.operation == ARP_REQUEST && ip_equal(&arp.sender, &zero4);
    if (mac_is_group(arp.sender_mac) || mac_is_zero(arp.sender_mac) ||
        (!probe && net_is_martian(in->port, &arp.sender))) {
        net_drop(in, NET_DROP_ARP_BAD);
        return;
    }
    target = net_own_find(in->port, &arp.target);
    sender = net_own_find(in->port, &arp.sender);
    if (mac_equal(arp.sender_mac, in->port->cfg.mac) &&
        (sender != NET_OWN_NONE || (probe && target != NET_OWN_NONE))) {
        net_drop(in, NET_DROP_OWN_ECHO);
        return;
    }
    if (sender != NET_OWN_NONE) {
        net_claim_conflict(in, &in->port->own[sender]);
        return;
    }
    heard = !probe && net_neigh_heard(in, &arp.sender, arp.sender_mac,
                                      arp.operation == ARP_REPLY && target != NET_OWN_NONE &&
                                          mac_equal(in->eth.dst, in->port->cfg.mac),
                                      true);
    if (target != NET_OWN_NONE && arp.operation == ARP_REQUEST)
        answer(in, &arp);
    else if (!heard)
        net_drop(in, NET_DROP_ARP_NOT_OURS);
}
