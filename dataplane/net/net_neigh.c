/* net_neigh.c - the gateways' MAC addresses: asked for, kept fresh, never learned from hearsay.
 *
 * RFC 4861 s7 and RFC 1122 s2.3.2 with one table for ARP and ND: a gateway is asked by
 * broadcast until it answers; an answer is good for NET_REACHABLE_US and is then checked by
 * unicast; after NET_NEIGH_UNICAST_TRIES without answer all are asked again, and after
 * NET_NEIGH_TRIES the MAC is forgotten.  The table is the configured gateways and nothing else.
 */
#include "net_private.h"
#include "wire_arp.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"

#define HOP_KNOWN (UINT64_C(1) << 48)

static uint64_t hop_of(const uint8_t mac[MAC_BYTES])
{
    return HOP_KNOWN | (uint64_t)wire_get16(mac) << 32 | wire_get32(mac + 2);
}

static bool hop_mac(const struct net_gateway *gw, uint8_t ret_mac[MAC_BYTES])
{
    uint64_t hop = atomic_load_explicit(&gw->hop, memory_order_relaxed);

    wire_put16(ret_mac, (uint16_t)(hop >> 32));
    wire_put32(ret_mac + 2, (uint32_t)hop);
    return (hop & HOP_KNOWN) != 0;
}

/* The address we ask from: in the gateway's own network, or the link-local one, or the first
 * IPv4 one. */
static uint32_t source_for(const struct net_port *port, const struct ip_addr *gateway)
{
    bool v4 = ip_is_v4(gateway);
    uint32_t fallback = NET_OWN_NONE;

    for (uint32_t i = 0; i < port->own_count; i++) {
        const struct net_own *own = &port->own[i];

        if (own->v4 != v4)
            continue;
        if (net_same_prefix(&own->ip, gateway, own->prefix, v4))
            return i;
        if (v4 ? fallback == NET_OWN_NONE : ip6_is_link_local(&own->ip))
            fallback = i;
    }
    return fallback;
}

void net_neigh_init(struct net_port *port)
{
    for (unsigned i = 0; i < port->cfg.gateways_count; i++) {
        struct net_gateway *gw = &port->gateway[i];

        gw->ip = port->cfg.gateways[i];
        gw->source = source_for(port, &gw->ip);
        gw->due = NET_NEVER;
    }
}

void net_neigh_start(struct net_port *port, struct usec now)
{
    for (unsigned i = 0; i < port->cfg.gateways_count; i++)
        if (port->gateway[i].source != NET_OWN_NONE)
            port->gateway[i].due = now;
}

struct usec net_neigh_due(const struct net_port *port)
{
    struct usec due = NET_NEVER;

    for (unsigned i = 0; i < port->cfg.gateways_count; i++)
        if (port->gateway[i].due.us < due.us)
            due = port->gateway[i].due;
    return due;
}

static size_t ask4(const struct net_port *port, const struct net_gateway *gw,
                   const uint8_t dst[MAC_BYTES], uint8_t *out)
{
    struct wire_arp arp = {
        .operation = ARP_REQUEST, .sender = port->own[gw->source].ip, .target = gw->ip};
    size_t n = net_eth(port, out, dst, ETH_ARP);

    memcpy(arp.sender_mac, port->cfg.mac, MAC_BYTES);
    return n + wire_arp_write(out + n, &arp);
}

static size_t ask6(const struct net_port *port, const struct net_gateway *gw, const uint8_t *known,
                   uint8_t *out)
{
    const struct ip_addr *src = &port->own[gw->source].ip;
    struct ip_addr dst = known != NULL ? gw->ip : ip6_solicited_node(&gw->ip);
    uint8_t mac[MAC_BYTES];
    size_t n;

    if (known != NULL)
        memcpy(mac, known, MAC_BYTES);
    else
        ip6_multicast_mac(&dst, mac);
    n = net_eth(port, out, mac, ETH_IP6);
    n += wire_ip6_write(out + n, src, &dst, IP_ICMP6, 0, 0, 255, ND_BYTES + ND_OPTION_BYTES);
    return n + wire_nd_write(out + n, ICMP6_NS, 0, &gw->ip, port->cfg.mac, src, &dst);
}

static uint64_t wait_after(uint8_t tries)
{
    uint64_t wait = NET_RETRANS_US;

    for (uint8_t i = NET_NEIGH_TRIES; i < tries && wait < NET_NEIGH_BACKOFF_US; i++)
        wait *= 2;
    return wait < NET_NEIGH_BACKOFF_US ? wait : NET_NEIGH_BACKOFF_US;
}

static size_t ask(const struct net_port *port, struct net_gateway *gw, struct usec now,
                  uint8_t *out)
{
    uint8_t mac[MAC_BYTES];
    bool v4 = ip_is_v4(&gw->ip), known;

    /* RFC 4429 s3.2: an address that is not yet ours asks nobody. */
    if (!v4 && own_state(&port->own[gw->source]) != NET_ADDRESS_VALID) {
        gw->due = usec_add(now, NET_RETRANS_US / 4);
        return 0;
    }
    if (gw->tries >= NET_NEIGH_TRIES)
        atomic_store_explicit(&gw->hop, 0, memory_order_relaxed);
    known = hop_mac(gw, mac) && gw->tries < NET_NEIGH_UNICAST_TRIES;
    gw->asked = gw->has_asked = true;
    gw->last = now;
    gw->tries = (uint8_t)(gw->tries < UINT8_MAX ? gw->tries + 1 : gw->tries);
    gw->due = usec_add(now, wait_after(gw->tries));
    if (v4)
        return ask4(port, gw, known ? mac : mac_broadcast, out);
    return ask6(port, gw, known ? mac : NULL, out);
}

size_t net_neigh_tick(struct net_port *port, struct usec now, uint8_t *out)
{
    for (unsigned i = 0; i < port->cfg.gateways_count; i++) {
        struct net_gateway *gw = &port->gateway[i];
        size_t n = usec_reached(gw->due, now) ? ask(port, gw, now, out) : 0;

        if (n > 0)
            return n;
    }
    return 0;
}

static void learn(struct net_in *in, struct net_gateway *gw, uint64_t hop)
{
    atomic_store_explicit(&gw->hop, hop, memory_order_relaxed);
    gw->asked = false;
    gw->tries = 0;
    gw->due = usec_add(in->now, NET_REACHABLE_US);
    net_wake(in->net, gw->due);
    in->ret->verdict = NET_LEARNED;
}

/* A claim nobody asked for: if it tells of another MAC (a gateway that failed over), ask all at
 * once, though not more often than the retransmission timer; the answer decides. */
static void doubt(struct net_in *in, struct net_gateway *gw, uint64_t hop)
{
    struct usec soonest = gw->has_asked ? usec_add(gw->last, NET_RETRANS_US) : in->now;

    net_drop(in, NET_DROP_NEIGHBOUR_UNASKED);
    if (hop == atomic_load_explicit(&gw->hop, memory_order_relaxed) || !in->net->started ||
        gw->source == NET_OWN_NONE)
        return;
    if (gw->tries < NET_NEIGH_UNICAST_TRIES)
        gw->tries = NET_NEIGH_UNICAST_TRIES;
    if (soonest.us < in->now.us)
        soonest = in->now;
    if (soonest.us < gw->due.us)
        gw->due = soonest;
    net_wake(in->net, gw->due);
}

bool net_neigh_heard(struct net_in *in, const struct ip_addr *ip, const uint8_t mac[MAC_BYTES],
                     bool solicited, bool override)
{
    for (unsigned i = 0; i < in->port->cfg.gateways_count; i++) {
        struct net_gateway *gw = &in->port->gateway[i];
        uint64_t known, hop;

        if (!ip_equal(&gw->ip, ip))
            continue;
        hop = hop_of(mac);
        known = atomic_load_explicit(&gw->hop, memory_order_relaxed);
        /* RFC 4861 s7.2.5: without the override flag a known MAC stays. */
        if (solicited && gw->asked && (override || known == 0 || known == hop))
            learn(in, gw, hop);
        else
            doubt(in, gw, hop);
        return true;
    }
    return false;
}

bool net_neigh_hop(const struct net_port *port, bool v4, uint8_t ret_mac[MAC_BYTES])
{
    for (unsigned i = 0; i < port->cfg.gateways_count; i++)
        if (ip_is_v4(&port->gateway[i].ip) == v4 && hop_mac(&port->gateway[i], ret_mac))
            return true;
    return false;
}

bool net_gateway_mac(const struct net *net, unsigned port, unsigned index,
                     uint8_t ret_mac[MAC_BYTES])
{
    return index < net->ports[port].cfg.gateways_count &&
           hop_mac(&net->ports[port].gateway[index], ret_mac);
}
