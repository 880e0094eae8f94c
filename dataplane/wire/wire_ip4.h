/* wire_ip4.h - the IPv4 header (RFC 791). Pure. */
#ifndef WIRE_IP4_H
#define WIRE_IP4_H

#include "wire_bytes.h"
#include "wire_types.h"

enum { IP_ICMP = 1, IP_TCP = 6, IP_ICMP6 = 58 };
#define IP4_HEADER_BYTES     20
#define IP4_HEADER_BYTES_MAX 60

struct wire_ip4 {
    struct ip_addr src, dst; /* mapped form */
    uint16_t       total_length, id, fragment_offset; /* offset in bytes */
    uint8_t        header_bytes, tos, ttl, protocol;
    bool           dont_fragment, more_fragments, has_options;
    struct span    payload; /* what total_length says, without the frame's padding */
};

static inline bool wire_ip4_is_fragment(const struct wire_ip4 *ip)
{
    return ip->more_fragments || ip->fragment_offset != 0;
}

/* Options are walked and otherwise ignored, except source routes (WIRE_ROUTE: no honest packet
 * to a mail server has one, RFC 7126 s4.3).  checksum_good: verified by the device.
 * WIRE_SHORT, _VERSION, _HEADER, _SUM, _OPTIONS, _ROUTE. */
enum wire_check wire_ip4_parse(struct span bytes, bool checksum_good, struct wire_ip4 *ret);

/* The start of a packet quoted in an ICMP error: as much as there is, no checksum, no length
 * compared with the bytes; payload is what follows the header, options not looked at. */
enum wire_check wire_ip4_parse_quoted(struct span bytes, struct wire_ip4 *ret);

/* Header without options, DF set, checksum filled in. src, dst: mapped form. */
size_t wire_ip4_write(uint8_t *out, const struct ip_addr *src, const struct ip_addr *dst,
                      uint8_t protocol, uint8_t tos, uint8_t ttl, uint16_t id,
                      uint16_t payload_bytes);

#endif
