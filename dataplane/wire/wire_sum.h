/* wire_sum.h - the internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * A running sum is a uint64_t in the host's byte order of 16-bit words, one's complement; it
 * starts at 0.  Only the last span added may have an odd length.  Pure.
 */
#ifndef WIRE_SUM_H
#define WIRE_SUM_H

#include "base_types.h"

uint64_t wire_sum_add(uint64_t sum, struct span bytes);

/* RFC 9293 s3.1 and RFC 8200 s8.1: addresses, protocol and upper-layer length. Addresses as
 * they stand on the wire, 4 or 16 octets each. */
uint64_t wire_sum_pseudo4(const uint8_t src[4], const uint8_t dst[4], uint8_t protocol,
                          uint16_t length);
uint64_t wire_sum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint8_t next,
                          uint32_t length);

/* The sum folded to 16 bits, not complemented, as a number for wire_put16. */
uint16_t wire_sum_fold(uint64_t sum);

/* The checksum field's value. A block that includes a right checksum field gives 0. */
static inline uint16_t wire_sum_finish(uint64_t sum)
{
    return (uint16_t)~wire_sum_fold(sum);
}

/* The checksum field after one 16-bit (or 32-bit) word of the block changed; equation 3 of
 * RFC 1624.  All in the host's order, as read by wire_get16. */
uint16_t wire_sum_update16(uint16_t sum, uint16_t before, uint16_t after);
uint16_t wire_sum_update32(uint16_t sum, uint32_t before, uint32_t after);

#endif
