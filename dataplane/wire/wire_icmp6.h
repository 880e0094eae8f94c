/* wire_icmp6.h - ICMPv6 (RFC 4443), neighbour discovery (RFC 4861), MLD (RFC 2710, 3810). Pure. */
#ifndef WIRE_ICMP6_H
#define WIRE_ICMP6_H

#include "wire_icmp4.h"

enum {
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAMETER = 4,
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_MLD_QUERY = 130,
    ICMP6_RS = 133,
    ICMP6_RA = 134,
    ICMP6_NS = 135,
    ICMP6_NA = 136,
    ICMP6_REDIRECT = 137,
    ICMP6_MLD2_REPORT = 143
};
enum { ICMP6_CODE_PORT = 4, ICMP6_CODE_NEXT_HEADER = 1 };
enum { ND_ROUTER = 0x80, ND_SOLICITED = 0x40, ND_OVERRIDE = 0x20 }; /* NA flags */

#define ND_BYTES          24 /* NS and NA without options */
#define ND_OPTION_BYTES   8  /* one link-layer address option */
#define MLD2_REPORT_BYTES 36 /* hop-by-hop header with router alert, one record */

struct wire_nd {
    struct ip_addr target;
    uint8_t        flags;                     /* NA */
    bool           has_source_mac, has_target_mac;
    uint8_t        source_mac[MAC_BYTES], target_mac[MAC_BYTES];
};

/* Checksum over the pseudo-header, always verified. WIRE_SHORT or WIRE_SUM. */
enum wire_check wire_icmp6_parse(struct span bytes, const struct ip_addr *src,
                                 const struct ip_addr *dst, struct wire_icmp *ret);

enum wire_check wire_icmp6_flow(struct span body, struct wire_icmp_flow *ret);

size_t wire_icmp6_echo_reply(uint8_t *out, struct span request, const struct ip_addr *src,
                             const struct ip_addr *dst); /* of the reply */

/* NS and NA (message parsed before). RFC 4861 s7.1: code 0, a target that is not multicast,
 * options of length > 0; unknown options are skipped, a link-layer address that is no
 * Ethernet one is as if absent. WIRE_SHORT, WIRE_HEADER, WIRE_OPTIONS. */
enum wire_check wire_nd_parse(const struct wire_icmp *icmp, struct wire_nd *ret);

/* ICMP6_NS or ICMP6_NA with an optional link-layer option (source's in NS, target's in NA) and
 * its checksum. out has room for ND_BYTES + ND_OPTION_BYTES. */
size_t wire_nd_write(uint8_t *out, uint8_t type, uint8_t flags, const struct ip_addr *target,
                     const uint8_t *mac, const struct ip_addr *src, const struct ip_addr *dst);

/* A hop-by-hop header with router alert and an MLDv2 report "I listen to group" (record
 * CHANGE_TO_EXCLUDE{}): MLD2_REPORT_BYTES, to be sent with next header 0 and hop limit 1. */
size_t wire_mld2_write(uint8_t *out, const struct ip_addr *group, const struct ip_addr *src,
                       const struct ip_addr *dst);

extern const struct ip_addr ip6_all_nodes;   /* ff02::1 */
extern const struct ip_addr ip6_unspecified; /* :: */

struct ip_addr ip6_solicited_node(const struct ip_addr *ip);        /* RFC 4291 s2.7.1 */
struct ip_addr ip6_link_local(const uint8_t mac[MAC_BYTES]);        /* fe80:: EUI-64, RFC 4291 A */
void           ip6_multicast_mac(const struct ip_addr *group, uint8_t mac[MAC_BYTES]);

static inline bool ip6_is_multicast(const struct ip_addr *a)
{
    return a->octets[0] == 0xff;
}

static inline bool ip6_is_link_local(const struct ip_addr *a)
{
    return a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80;
}

static inline bool ip6_is_unspecified(const struct ip_addr *a)
{
    return ip_equal(a, &ip6_unspecified);
}

#endif
