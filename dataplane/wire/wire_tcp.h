/* wire_tcp.h - the TCP header and its options (RFC 9293 s3.1, RFC 7323, RFC 2018). Pure. */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

#include "wire_bytes.h"
#include "wire_types.h"

#define TCP_HEADER_BYTES     20
#define TCP_HEADER_BYTES_MAX 60
#define TCP_WSCALE_MAX       14 /* RFC 7323 s2.3: more is taken for this */

/* Fills ports, sequence numbers, flags, window, options and text of *seg; addresses, path and
 * ecn are the caller's.  bytes: what IP carries, no padding.  The checksum is the caller's.
 *
 * Options: unknown kinds (MPTCP, TFO, ...) are skipped by their length (RFC 9293 MUST-6, -68);
 * a known kind with a wrong length is as if absent; MSS, window scale and SACK-permitted count
 * on SYN only, SACK blocks not on SYN.  A list that cannot be walked (a length below 2 or past
 * the end: RFC 9293 MUST-7) makes the segment WIRE_OPTIONS: without it no field of the list can
 * be trusted, and a stack that sends one is broken or hostile.
 * WIRE_SHORT, WIRE_HEADER (data offset), WIRE_OPTIONS. */
enum wire_check wire_tcp_parse(struct span bytes, struct tcp_seg *seg);

/* Header and options of seg, checksum field zero: bytes written (a multiple of 4), 0 when room
 * is too small. Emitted in this order: MSS, SACK-permitted, timestamps, window scale on SYN;
 * timestamps, SACK blocks (as many as fit) else; padded with NOPs in front to 4-byte bounds. */
size_t wire_tcp_write(const struct tcp_seg *seg, uint8_t *out, size_t room);

/* What wire_tcp_write would write. */
size_t wire_tcp_header_bytes(const struct tcp_seg *seg);

#endif
