/* net_frames.h - frames for tests of the street door: built whole, then changed byte by byte.
 *
 * The edge is 10.25.0.25, fd25::25 and fe80::...:25 at MAC 02:00:00:00:00:25; the client is
 * 10.25.0.9, fd25::9 at 02:00:00:00:00:09; the gateway .1 and ::1 at 02:00:00:00:00:01.
 */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include "net.h"
#include "wire_arp.h"
#include "wire_eth.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"
#include "wire_sum.h"
#include "wire_tcp.h"

#define FRAME_ROOM 2048

static const uint8_t edge_mac[6] = {2, 0, 0, 0, 0, 0x25};
static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 1};

static inline struct ip_addr addr4(uint32_t host)
{
    return ip_from_v4(0x0a190000 | host);
}

static inline struct ip_addr addr6(uint8_t host)
{
    struct ip_addr a = {
        .octets = {0xfd, 0x25}
    };

    a.octets[15] = host;
    return a;
}

enum base {
    B_SYN4,
    B_SYN6,
    B_ECHO4,
    B_ECHO6,
    B_ARP,
    B_ARP_REPLY,
    B_NS,
    B_NA,
    B_ERROR4,
    B_ERROR6,
    B_FRAGMENT4,
    B_FRAGMENT6,
    B_MLD,
    BASES
};

static inline size_t base_tcp(uint8_t *out, bool v4)
{
    struct tcp_seg seg = {
        .key = {.local_port = 40000, .remote_port = 25}, /* the client's view */
        .seq = 0x01020304,
        .flags = TCP_SYN,
        .window = 64240,
        .has_mss = true,
        .mss = 1460,
        .has_sack_permitted = true,
        .has_timestamps = true,
        .ts_val = 7,
        .has_wscale = true,
        .wscale = 7
    };
    struct ip_addr src = v4 ? addr4(9) : addr6(9), dst = v4 ? addr4(25) : addr6(0x25);
    size_t header = wire_tcp_header_bytes(&seg);
    size_t n = wire_eth_write(out, edge_mac, client_mac, 0, v4 ? ETH_IP4 : ETH_IP6);

    if (v4)
        n += wire_ip4_write(out + n, &src, &dst, IP_TCP, 2, 64, 1, (uint16_t)header);
    else
        n += wire_ip6_write(out + n, &src, &dst, IP_TCP, 2, 0, 64, (uint16_t)header);
    return n + wire_tcp_write(&seg, out + n, header);
}

static inline size_t base_icmp4(uint8_t *out, const uint8_t *message, size_t bytes)
{
    struct ip_addr src = addr4(9), dst = addr4(25);
    size_t n = wire_eth_write(out, edge_mac, client_mac, 0, ETH_IP4);

    n += wire_ip4_write(out + n, &src, &dst, IP_ICMP, 0, 64, 1, (uint16_t)bytes);
    memcpy(out + n, message, bytes);
    return n + bytes;
}

static inline size_t base_icmp6(uint8_t *out, const uint8_t *message, size_t bytes, uint8_t hops)
{
    struct ip_addr src = addr6(9), dst = addr6(0x25);
    size_t n = wire_eth_write(out, edge_mac, client_mac, 0, ETH_IP6);

    n += wire_ip6_write(out + n, &src, &dst, IP_ICMP6, 0, 0, hops, (uint16_t)bytes);
    memcpy(out + n, message, bytes);
    return n + bytes;
}

static inline size_t base_error(uint8_t *out, bool v4)
{
    uint8_t message[8 + 40 + 8] = {v4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE, v4 ? 3 : 4};
    struct ip_addr src = v4 ? addr4(25) : addr6(0x25), dst = v4 ? addr4(9) : addr6(9);
    size_t n = 8;

    if (v4)
        n += wire_ip4_write(message + n, &src, &dst, IP_TCP, 0, 60, 1, 1480);
    else
        n += wire_ip6_write(message + n, &src, &dst, IP_TCP, 0, 0, 60, 1460);
    memcpy(message + n, (const uint8_t[]){0, 25, 0x9c, 0x40, 1, 2, 3, 4}, 8);
    return v4 ? base_icmp4(out, message, n + 8) : base_icmp6(out, message, n + 8, 64);
}

static inline size_t base_arp(uint8_t *out, bool reply)
{
    struct wire_arp arp = {.operation = reply ? ARP_REPLY : ARP_REQUEST,
                           .sender = addr4(reply ? 1 : 9),
                           .target = addr4(25)};
    size_t n = wire_eth_write(out, reply ? edge_mac : mac_broadcast,
                              reply ? gateway_mac : client_mac, 0, ETH_ARP);

    memcpy(arp.sender_mac, reply ? gateway_mac : client_mac, 6);
    if (reply)
        memcpy(arp.target_mac, edge_mac, 6);
    return n + wire_arp_write(out + n, &arp);
}

static inline size_t base_nd(uint8_t *out, bool ns)
{
    struct ip_addr us = addr6(0x25), client = addr6(9), gateway = addr6(1), group;
    struct ip_addr src = ns ? client : gateway, dst = us;
    uint8_t mac[6];
    size_t n;

    group = ip6_solicited_node(&us);
    ip6_multicast_mac(&group, mac);
    if (ns)
        dst = group;
    n = wire_eth_write(out, ns ? mac : edge_mac, ns ? client_mac : gateway_mac, 0, ETH_IP6);
    n += wire_ip6_write(out + n, &src, &dst, IP_ICMP6, 0, 0, 255, 32);
    return n + wire_nd_write(out + n, ns ? ICMP6_NS : ICMP6_NA, ns ? 0 : ND_SOLICITED | ND_OVERRIDE,
                             ns ? &us : &gateway, ns ? client_mac : gateway_mac, &src, &dst);
}

static inline size_t base_mld(uint8_t *out)
{
    struct ip_addr src =
                       {
                           .octets = {0xfe, 0x80, [15] = 1}
    },
                   dst = ip6_all_nodes;
    static const uint8_t query[36] = {IP_ICMP6,        0, 5, 2, 0,    0,   1, 0,
                                      ICMP6_MLD_QUERY, 0, 0, 0, 0x27, 0x10};
    uint8_t mac[6];
    size_t n;

    ip6_multicast_mac(&dst, mac);
    n = wire_eth_write(out, mac, gateway_mac, 0, ETH_IP6);
    n += wire_ip6_write(out + n, &src, &dst, IP6_HOP_BY_HOP, 0, 0, 1, sizeof(query));
    memcpy(out + n, query, sizeof(query));
    return n + sizeof(query);
}

static inline size_t base_fragment6(uint8_t *out)
{
    struct ip_addr src = addr6(9), dst = addr6(0x25);
    static const uint8_t fragment[24] = {IP_TCP, 0, 0, 1, 0, 0, 0, 9};
    size_t n = wire_eth_write(out, edge_mac, client_mac, 0, ETH_IP6);

    n += wire_ip6_write(out + n, &src, &dst, IP6_FRAGMENT, 0, 0, 64, sizeof(fragment));
    memcpy(out + n, fragment, sizeof(fragment));
    return n + sizeof(fragment);
}

/* Puts the checksums of an untagged frame right: IPv4's, TCP's and ICMP's.  IPv6: behind the
 * fixed header or behind one extension header of eight bytes. */
static inline void fix_sums(uint8_t *p, size_t n)
{
    bool v4 = wire_get16(p + 12) == ETH_IP4;
    size_t l3 = 14, header = v4 ? (p[l3] & 15u) * 4u : 40u, l4;
    uint8_t protocol = v4 ? p[23] : p[20];
    uint64_t sum = 0;
    size_t at;

    if (!v4 && wire_get16(p + 12) != ETH_IP6)
        return;
    if (v4 && header >= 20 && l3 + header <= n) {
        wire_put16(p + 24, 0);
        wire_put16(p + 24, wire_sum_finish(wire_sum_add(0, span_of(p + l3, header))));
    }
    if (!v4 && (protocol == 0 || protocol == 44 || protocol == 60)) {
        protocol = p[54];
        header += 8;
    }
    l4 = l3 + header;
    at = l4 + (protocol == IP_TCP ? 16 : 2);
    if ((protocol != IP_TCP && protocol != IP_ICMP && protocol != IP_ICMP6) || at + 2 > n)
        return;
    if (!v4)
        sum = wire_sum_pseudo6(p + 22, p + 38, protocol, (uint32_t)(n - l4));
    else if (protocol == IP_TCP)
        sum = wire_sum_pseudo4(p + 26, p + 30, protocol, (uint16_t)(n - l4));
    wire_put16(p + at, 0);
    wire_put16(p + at, wire_sum_finish(wire_sum_add(sum, span_of(p + l4, n - l4))));
}

static inline size_t build_base(enum base base, uint8_t *out)
{
    uint8_t echo[24] = {ICMP4_ECHO, 0, 0, 0, 0x12, 0x34, 0, 1, 'p', 'i', 'n', 'g'};
    size_t n = 0;

    switch (base) {
    case B_SYN4:
    case B_SYN6:
        n = base_tcp(out, base == B_SYN4);
        break;
    case B_ECHO4:
        n = base_icmp4(out, echo, sizeof(echo));
        break;
    case B_ECHO6:
        echo[0] = ICMP6_ECHO;
        n = base_icmp6(out, echo, sizeof(echo), 64);
        break;
    case B_ARP:
    case B_ARP_REPLY:
        n = base_arp(out, base == B_ARP_REPLY);
        break;
    case B_NS:
    case B_NA:
        n = base_nd(out, base == B_NS);
        break;
    case B_ERROR4:
    case B_ERROR6:
        n = base_error(out, base == B_ERROR4);
        break;
    case B_FRAGMENT4:
        n = base_tcp(out, true);
        wire_put16(out + 20, 0x2000);
        break;
    case B_FRAGMENT6:
        n = base_fragment6(out);
        break;
    case B_MLD:
        n = base_mld(out);
        break;
    case BASES:
        break;
    }
    if (base != B_FRAGMENT6)
        fix_sums(out, n);
    return n;
}

static inline struct net_if edge_port(void)
{
    struct net_if port = {.mtu = 1500, .addresses_count = 2, .gateways_count = 2};

    memcpy(port.mac, edge_mac, 6);
    port.addresses[0] = (struct net_address){.ip = addr4(25), .prefix = 24};
    port.addresses[1] = (struct net_address){.ip = addr6(0x25), .prefix = 64};
    port.gateways[0] = addr4(1);
    port.gateways[1] = addr6(1);
    return port;
}

#endif
