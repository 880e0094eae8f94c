/* wire_ip6.h - the IPv6 header and its extension headers (RFC 8200). Pure. */
#ifndef WIRE_IP6_H
#define WIRE_IP6_H

#include "wire_bytes.h"
#include "wire_types.h"

#define IP6_HEADER_BYTES   40
#define IP6_MINIMUM_MTU    1280
#define IP6_EXTENSIONS_MAX 8 /* headers walked; RFC 8504 s5.3 allows a bound */

enum {
    IP6_HOP_BY_HOP = 0,
    IP6_ROUTING = 43,
    IP6_FRAGMENT = 44,
    IP6_NO_NEXT = 59,
    IP6_DEST_OPTIONS = 60
};

struct wire_ip6 {
    struct ip_addr src, dst;
    uint8_t        traffic_class, hop_limit;
    uint8_t        protocol;     /* upper layer, behind the extension headers */
    uint32_t       flow_label;
    bool           fragment;     /* a real one; an atomic fragment (RFC 6946) is no fragment */
    bool           fragment_header;
    uint16_t       fragment_offset; /* bytes */
    struct span    payload;      /* of the upper layer (of the fragment header's, if fragment) */
    size_t         header_bytes; /* fixed and extension headers */
};

/* Extension headers are walked as RFC 8200 s4 says, at most IP6_EXTENSIONS_MAX of them;
 * hop-by-hop options are taken in the first place only; unknown options follow their action
 * bits (00 skips, all else discards: WIRE_OPTIONS); a routing header of type 0 (RFC 5095) or
 * with segments left is WIRE_ROUTE; headers that are no extension headers end the walk.
 * WIRE_SHORT, _VERSION, _HEADER, _OPTIONS, _ROUTE, _TOO_MANY. */
enum wire_check wire_ip6_parse(struct span bytes, struct wire_ip6 *ret);

/* As quoted in an ICMPv6 error: the payload length need not be there, only the headers. */
enum wire_check wire_ip6_parse_quoted(struct span bytes, struct wire_ip6 *ret);

/* Fixed header; extension headers, if any, count as payload. */
size_t wire_ip6_write(uint8_t *out, const struct ip_addr *src, const struct ip_addr *dst,
                      uint8_t next, uint8_t traffic_class, uint32_t flow_label, uint8_t hop_limit,
                      uint16_t payload_bytes);

#endif
