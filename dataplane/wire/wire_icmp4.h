/* wire_icmp4.h - ICMP (RFC 792): echo and errors about a flow. Pure. */
#ifndef WIRE_ICMP4_H
#define WIRE_ICMP4_H

#include "wire_bytes.h"
#include "wire_types.h"

#define ICMP_HEADER_BYTES 8
enum {
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACHABLE = 3,
    ICMP4_ECHO = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAMETER = 12
};
enum { ICMP4_CODE_PROTOCOL = 2, ICMP4_CODE_PORT = 3, ICMP4_CODE_TOO_BIG = 4 };

struct wire_icmp {
    uint8_t     type, code;
    uint32_t    rest; /* second word of the header: MTU, pointer, echo id and sequence */
    struct span body; /* behind the eight bytes */
};

/* The TCP flow an error is about, seen from the packet's sender. */
struct wire_icmp_flow {
    struct ip_addr src, dst;
    uint16_t       src_port, dst_port;
    uint32_t       seq;
    uint32_t       packet_bytes; /* what the quoted header says of its length */
};

/* WIRE_SHORT or WIRE_SUM. */
enum wire_check wire_icmp4_parse(struct span bytes, struct wire_icmp *ret);

/* body of an error message; WIRE_UNKNOWN: quotes no start of a TCP segment. */
enum wire_check wire_icmp4_flow(struct span body, struct wire_icmp_flow *ret);

/* The reply to the whole ICMP message `request` (type ECHO, checksum right) into out, which
 * has room for request.len bytes. */
size_t wire_icmp4_echo_reply(uint8_t *out, struct span request);

#endif
