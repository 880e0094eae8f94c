/* net_claim.c - our addresses: probe, announce, defend, report the groups we listen to.
 *
 * IPv4 (RFC 5227): three probes, two announcements.  IPv6 (RFC 4862 s5.4, RFC 4429): MLD report,
 * one probe, a second of waiting, two unsolicited advertisements.
 *
 * BREAKS RFC 5227 s2.1.1: the address is used while it is being probed, and kept if somebody
 * else has it.  A mail edge that is restarted would otherwise be deaf for seven seconds each
 * time, and one broken proxy-ARP box could keep it off the network; the conflict is counted,
 * shown and defended instead.
 */
#include "net_private.h"
#include "wire_arp.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"

enum claim_action { CLAIM_REPORT, CLAIM_PROBE, CLAIM_ANNOUNCE };

struct claim_step {
    enum claim_action action;
    uint64_t wait_min_us, wait_max_us; /* before the next step */
};

static const struct claim_step steps4[] = {
    {CLAIM_PROBE,    NET_PROBE_MIN_US,     NET_PROBE_MAX_US    },
    {CLAIM_PROBE,    NET_PROBE_MIN_US,     NET_PROBE_MAX_US    },
    {CLAIM_PROBE,    NET_ANNOUNCE_WAIT_US, NET_ANNOUNCE_WAIT_US},
    {CLAIM_ANNOUNCE, NET_ANNOUNCE_US,      NET_ANNOUNCE_US     },
    {CLAIM_ANNOUNCE, 0,                    0                   },
};
static const struct claim_step steps6[] = {
    {CLAIM_REPORT,   0,              0             },
    {CLAIM_PROBE,    NET_RETRANS_US, NET_RETRANS_US},
    {CLAIM_ANNOUNCE, NET_RETRANS_US, NET_RETRANS_US},
    {CLAIM_REPORT,   0,              0             },
    {CLAIM_ANNOUNCE, 0,              0             },
};
_Static_assert(ARRAY_LEN(steps4) == ARRAY_LEN(steps6), "one length for both");
#define STEPS     ARRAY_LEN(steps4)
#define STEP_LAST (STEPS - 1) /* an announcement */

static const struct ip_addr all_mld2_routers = {
    .octets = {0xff, 0x02, [15] = 0x16}
};

void net_claim_start(struct net *net, struct net_port *port, struct usec now)
{
    for (uint32_t i = 0; i < port->own_count; i++)
        port->own[i].due = usec_add(now, rand_below(&net->rand, NET_PROBE_WAIT_US));
}

struct usec net_claim_due(const struct net_port *port)
{
    struct usec due = NET_NEVER;

    for (uint32_t i = 0; i < port->own_count; i++) {
        const struct net_own *own = &port->own[i];

        due = own->due.us < due.us ? own->due : due;
        due = own->report_due.us < due.us ? own->report_due : due;
    }
    return due;
}

static size_t arp_claim(const struct net_port *port, const struct net_own *own, bool probe,
                        uint8_t *out)
{
    struct wire_arp arp = {
        .operation = ARP_REQUEST, .sender = probe ? ip_from_v4(0) : own->ip, .target = own->ip};
    size_t n = net_eth(port, out, mac_broadcast, ETH_ARP);

    memcpy(arp.sender_mac, port->cfg.mac, MAC_BYTES);
    return n + wire_arp_write(out + n, &arp);
}

static size_t ip6_begin(const struct net_port *port, const struct ip_addr *src,
                        const struct ip_addr *group, uint8_t next, uint8_t hop_limit,
                        uint16_t bytes, uint8_t *out)
{
    uint8_t mac[MAC_BYTES];
    size_t n;

    ip6_multicast_mac(group, mac);
    n = net_eth(port, out, mac, ETH_IP6);
    return n + wire_ip6_write(out + n, src, group, next, 0, 0, hop_limit, bytes);
}

static size_t nd_probe(const struct net_port *port, const struct net_own *own, uint8_t *out)
{
    struct ip_addr group = ip6_solicited_node(&own->ip);
    size_t n = ip6_begin(port, &ip6_unspecified, &group, IP_ICMP6, 255, ND_BYTES, out);

    return n + wire_nd_write(out + n, ICMP6_NS, 0, &own->ip, NULL, &ip6_unspecified, &group);
}

static size_t nd_announce(const struct net_port *port, const struct net_own *own, uint8_t *out)
{
    size_t n =
        ip6_begin(port, &own->ip, &ip6_all_nodes, IP_ICMP6, 255, ND_BYTES + ND_OPTION_BYTES, out);

    return n + wire_nd_write(out + n, ICMP6_NA, ND_OVERRIDE, &own->ip, port->cfg.mac, &own->ip,
                             &ip6_all_nodes);
}

/* From the link-local address, or from :: while there is none (RFC 3590). */
static size_t mld_report(const struct net_port *port, const struct net_own *own, uint8_t *out)
{
    const struct ip_addr *src = &ip6_unspecified;
    struct ip_addr group = ip6_solicited_node(&own->ip);
    size_t n;

    for (uint32_t i = 0; i < port->own_count; i++)
        if (!port->own[i].v4 && ip6_is_link_local(&port->own[i].ip) &&
            own_state(&port->own[i]) == NET_ADDRESS_VALID)
            src = &port->own[i].ip;
    n = ip6_begin(port, src, &all_mld2_routers, IP6_HOP_BY_HOP, 1, MLD2_REPORT_BYTES, out);
    return n + wire_mld2_write(out + n, &group, src, &all_mld2_routers);
}

static size_t step(struct net *net, const struct net_port *port, struct net_own *own,
                   struct usec now, uint8_t *out)
{
    const struct claim_step *s = own->v4 ? &steps4[own->step] : &steps6[own->step];

    if (own_state(own) == NET_ADDRESS_DUPLICATE)
        own_state_set(own, NET_ADDRESS_TENTATIVE); /* the time out of use is over: try again */
    own->step++;
    own->due = own->step == STEPS
                   ? NET_NEVER
                   : usec_add(now, rand_between(&net->rand, s->wait_min_us, s->wait_max_us));
    switch (s->action) {
    case CLAIM_REPORT:
        return mld_report(port, own, out);
    case CLAIM_PROBE:
        return own->v4 ? arp_claim(port, own, true, out) : nd_probe(port, own, out);
    default:
        own_state_set(own, NET_ADDRESS_VALID);
        return own->v4 ? arp_claim(port, own, false, out) : nd_announce(port, own, out);
    }
}

size_t net_claim_tick(struct net *net, struct net_port *port, struct usec now, uint8_t *out)
{
    for (uint32_t i = 0; i < port->own_count; i++) {
        struct net_own *own = &port->own[i];

        if (usec_reached(own->report_due, now)) {
            own->report_due = NET_NEVER;
            return mld_report(port, own, out);
        }
        if (usec_reached(own->due, now))
            return step(net, port, own, now, out);
    }
    return 0;
}

void net_claim_conflict(struct net_in *in, struct net_own *own)
{
    net_drop(in, NET_DROP_ADDRESS_CONFLICT);
    if (!in->net->started)
        return;
    if (!own->v4 && own_state(own) != NET_ADDRESS_VALID) {
        own_state_set(own, NET_ADDRESS_DUPLICATE); /* RFC 4862 s5.4.5 */
        own->step = 0;
        own->due = usec_add(in->now, NET_DUPLICATE_US);
        net_wake(in->net, own->due);
        return;
    }
    /* One announcement each NET_DEFEND_US, or two defenders would flood the link for ever. */
    if (own_state(own) != NET_ADDRESS_VALID ||
        (own->has_defended && usec_since(own->defended, in->now) < NET_DEFEND_US))
        return;
    own->has_defended = true;
    own->defended = in->now;
    if (own->step > STEP_LAST)
        own->step = STEP_LAST;
    own->due = in->now;
    net_wake(in->net, own->due);
}

void net_claim_report(struct net_in *in, const struct ip_addr *group, uint64_t within_us)
{
    if (!in->net->started)
        return;
    for (uint32_t i = 0; i < in->port->own_count; i++) {
        struct net_own *own = &in->port->own[i];
        struct ip_addr ours = ip6_solicited_node(&own->ip);
        struct usec due = usec_add(in->now, rand_between(&in->net->rand, 0, within_us));

        if (own->v4 || (!ip6_is_unspecified(group) && !ip_equal(group, &ours)))
            continue;
        if (due.us < own->report_due.us)
            own->report_due = due;
        net_wake(in->net, own->report_due);
    }
}

static struct usec next_due(const struct net *net)
{
    struct usec due = NET_NEVER;

    for (unsigned i = 0; i < net->count; i++) {
        struct usec claim = net_claim_due(&net->ports[i]), neigh = net_neigh_due(&net->ports[i]);

        due = claim.us < due.us ? claim : due;
        due = neigh.us < due.us ? neigh : due;
    }
    return due;
}

static void start(struct net *net, struct usec now)
{
    for (unsigned i = 0; i < net->count; i++) {
        net_claim_start(net, &net->ports[i], now);
        net_neigh_start(&net->ports[i], now);
    }
    net->started = true;
}

size_t net_tick(struct net *net, struct usec now, uint8_t *out, size_t room, unsigned *ret_port)
{
    must(room >= NET_ANSWER_BYTES);
    if (!usec_reached(net->tick_due, now))
        return 0;
    if (!net->started)
        start(net, now);
    for (unsigned i = 0; i < net->count; i++) {
        struct net_port *port = &net->ports[i];
        size_t n = net_claim_tick(net, port, now, out);

        if (n == 0)
            n = net_neigh_tick(port, now, out);
        if (n > 0) {
            *ret_port = i;
            return n;
        }
    }
    net->tick_due = next_due(net);
    return 0;
}

struct usec net_next_due(const struct net *net)
{
    return net->tick_due;
}
