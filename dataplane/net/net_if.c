/* net_if.c - ports and addresses: whose is a packet, who can have sent it, where do we answer. */
#include "net_private.h"
#include "wire_icmp6.h"

size_t net_bytes(void)
{
    return (sizeof(struct net) + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

static void own_add(struct net *net, struct net_port *port, const struct ip_addr *ip,
                    uint8_t prefix, bool derived)
{
    struct net_own *own;

    if (net_own_find(port, ip) != NET_OWN_NONE)
        return;
    own = &port->own[port->own_count++];
    own->ip = *ip;
    own->prefix = prefix;
    own->v4 = ip_is_v4(ip);
    own->derived = derived;
    own->due = own->report_due = NET_NEVER;
    net->own_filter[ip->octets[15] / 8] |= (uint8_t)(1 << ip->octets[15] % 8);
}

struct net *net_init(void *memory, const struct net_if *ports, unsigned count,
                     const uint8_t secret[32])
{
    struct net *net = memory;
    struct ip_addr link_local;

    must(count >= 1 && count <= NET_PORTS_MAX);
    memset(net, 0, sizeof(*net));
    net->count = count;
    net->tick_due = (struct usec){.us = 0};
    net->echo_tokens_us = NET_ECHO_BURST * (NET_SECOND_US / NET_ECHO_PER_SECOND);
    net_hash_init(net, secret);
    for (unsigned i = 0; i < count; i++) {
        struct net_port *port = &net->ports[i];

        must(ports[i].addresses_count <= NET_ADDRESSES_MAX);
        must(ports[i].gateways_count <= NET_GATEWAYS_MAX);
        must(ports[i].vlan < ETH_VLAN_ID_MASK);
        must(ports[i].mtu >= NET_MTU_MIN);
        port->cfg = ports[i];
        for (unsigned a = 0; a < port->cfg.addresses_count; a++)
            own_add(net, port, &port->cfg.addresses[a].ip, port->cfg.addresses[a].prefix, false);
        link_local = ip6_link_local(port->cfg.mac);
        own_add(net, port, &link_local, 64, true);
        net_neigh_init(port);
    }
    return net;
}

uint32_t net_own_find(const struct net_port *port, const struct ip_addr *ip)
{
    for (uint32_t i = 0; i < port->own_count; i++)
        if (ip_equal(&port->own[i].ip, ip))
            return i;
    return NET_OWN_NONE;
}

bool net_is_own(const struct net *net, const struct ip_addr *ip)
{
    if ((net->own_filter[ip->octets[15] / 8] >> ip->octets[15] % 8 & 1) == 0)
        return false;
    for (unsigned i = 0; i < net->count; i++)
        if (net_own_find(&net->ports[i], ip) != NET_OWN_NONE)
            return true;
    return false;
}

bool net_same_prefix(const struct ip_addr *a, const struct ip_addr *b, uint8_t prefix, bool v4)
{
    unsigned bits = prefix + (v4 ? 96u : 0u), bytes = bits / 8;

    if (bits > 128 || ip_is_v4(a) != v4 || ip_is_v4(b) != v4)
        return false;
    if (memcmp(a->octets, b->octets, bytes) != 0)
        return false;
    return bits % 8 == 0 || ((a->octets[bytes] ^ b->octets[bytes]) >> (8 - bits % 8)) == 0;
}

/* Limited and directed broadcasts of this port's networks, the all-zeros form too (RFC 1122
 * s3.2.1.3). A /31 and a /32 have none (RFC 3021). */
bool net_is_broadcast(const struct net_port *port, const struct ip_addr *ip)
{
    uint32_t v4;

    if (!ip_is_v4(ip))
        return false;
    v4 = ip_to_v4(ip);
    if (v4 == UINT32_MAX)
        return true;
    for (uint32_t i = 0; i < port->own_count; i++) {
        const struct net_own *own = &port->own[i];
        uint32_t host, hosts;

        if (!own->v4 || own->prefix == 0 || own->prefix > 30)
            continue;
        hosts = UINT32_MAX >> own->prefix;
        host = v4 & hosts;
        if ((host == 0 || host == hosts) && ((v4 ^ ip_to_v4(&own->ip)) & ~hosts) == 0)
            return true;
    }
    return false;
}

static bool martian4(uint32_t v4)
{
    uint32_t first = v4 >> 24;

    return first == 0 || first == 127 || first >= 224; /* RFC 6890; multicast, class E */
}

/* For an IPv6 packet the mapped form is a martian; the caller knows which packet it was. */
bool net_is_martian(const struct net_port *port, const struct ip_addr *ip)
{
    /* ::/96, with :: and ::1 in it (RFC 4291 s2.5.5.1 deprecates the rest). */
    static const uint8_t compatible[12];

    if (ip_is_v4(ip))
        return martian4(ip_to_v4(ip)) || net_is_broadcast(port, ip);
    return ip6_is_multicast(ip) || memcmp(ip->octets, compatible, sizeof(compatible)) == 0;
}

bool net_is_our_group(const struct net_port *port, const struct ip_addr *group)
{
    if (ip_equal(group, &ip6_all_nodes))
        return true;
    for (uint32_t i = 0; i < port->own_count; i++) {
        struct ip_addr own = ip6_solicited_node(&port->own[i].ip);

        if (!port->own[i].v4 && ip_equal(group, &own))
            return true;
    }
    return false;
}

static bool on_link(const struct net_port *port, const struct ip_addr *local,
                    const struct ip_addr *remote)
{
    uint32_t index = net_own_find(port, local);

    if (!ip_is_v4(remote) && ip6_is_link_local(remote))
        return true;
    return index != NET_OWN_NONE && net_same_prefix(&port->own[index].ip, remote,
                                                    port->own[index].prefix, port->own[index].v4);
}

bool net_next_hop(const struct net_port *port, const struct ip_addr *local,
                  const struct ip_addr *remote, const uint8_t mac[MAC_BYTES],
                  uint8_t ret_mac[MAC_BYTES])
{
    if (port->cfg.reply_by_gateway && !on_link(port, local, remote) &&
        net_neigh_hop(port, ip_is_v4(remote), ret_mac))
        return true;
    memcpy(ret_mac, mac, MAC_BYTES);
    return !mac_is_zero(mac);
}

size_t net_eth(const struct net_port *port, uint8_t *out, const uint8_t dst[MAC_BYTES],
               uint16_t type)
{
    return wire_eth_write(out, dst, port->cfg.mac, port->cfg.vlan, type);
}

unsigned net_multicast(const struct net *net, unsigned port, uint8_t (*macs)[MAC_BYTES],
                       unsigned room)
{
    const struct net_port *p = &net->ports[port];
    unsigned n = 0;

    if (n < room)
        ip6_multicast_mac(&ip6_all_nodes, macs[n++]);
    for (uint32_t i = 0; i < p->own_count && n < room; i++) {
        struct ip_addr group = ip6_solicited_node(&p->own[i].ip);

        if (!p->own[i].v4)
            ip6_multicast_mac(&group, macs[n++]);
    }
    return n;
}

enum net_address_state net_address_state(const struct net *net, unsigned port, unsigned index)
{
    return own_state(&net->ports[port].own[index]);
}
