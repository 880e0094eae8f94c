/* wire_sum.c - see wire_sum.h.
 *
 * One's complement addition does not care about word size or byte order (RFC 1071 s2), so
 * the bytes are added eight at a time in the host's order and swapped once at the end.
 */
#include "wire_sum.h"

#include "wire_bytes.h"

static uint64_t add_carry(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;

    return sum + (sum < a);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

uint64_t wire_sum_add(uint64_t sum, struct span bytes)
{
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;
    uint64_t other = 0; /* two chains, so that one carry need not wait for the other */

    for (; left >= 32; left -= 32, p += 32) {
        sum = add_carry(sum, load64(p));
        other = add_carry(other, load64(p + 8));
        sum = add_carry(sum, load64(p + 16));
        other = add_carry(other, load64(p + 24));
    }
    sum = add_carry(sum, other);
    for (; left >= 8; left -= 8, p += 8)
        sum = add_carry(sum, load64(p));
    if (left > 0) {
        uint64_t last = 0; /* the missing bytes count as zeros */

        memcpy(&last, p, left);
        sum = add_carry(sum, last);
    }
    return sum;
}

uint64_t wire_sum_pseudo4(const uint8_t src[4], const uint8_t dst[4], uint8_t protocol,
                          uint16_t length)
{
    uint8_t tail[4] = {0, protocol, (uint8_t)(length >> 8), (uint8_t)length};
    uint64_t sum = wire_sum_add(0, span_of(src, 4));

    sum = wire_sum_add(sum, span_of(dst, 4));
    return wire_sum_add(sum, span_of(tail, sizeof(tail)));
}

uint64_t wire_sum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint8_t next,
                          uint32_t length)
{
    uint8_t tail[8] = {[7] = next};
    uint64_t sum = wire_sum_add(0, span_of(src, 16));

    wire_put32(tail, length);
    sum = wire_sum_add(sum, span_of(dst, 16));
    return wire_sum_add(sum, span_of(tail, sizeof(tail)));
}

uint16_t wire_sum_fold(uint64_t sum)
{
    uint8_t octets[2];
    uint16_t folded;

    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    folded = (uint16_t)sum;
    memcpy(octets, &folded, sizeof(octets));
    return wire_get16(octets);
}

uint16_t wire_sum_update16(uint16_t sum, uint16_t before, uint16_t after)
{
    uint32_t s = (uint32_t)(uint16_t)~sum + (uint16_t)~before + after;

    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

uint16_t wire_sum_update32(uint16_t sum, uint32_t before, uint32_t after)
{
    sum = wire_sum_update16(sum, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
    return wire_sum_update16(sum, (uint16_t)before, (uint16_t)after);
}
