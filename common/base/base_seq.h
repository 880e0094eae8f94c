/* base_seq.h - comparing numbers that wrap: TCP sequence numbers (RFC 9293 s3.4), ring indices.
 *
 * Right while the two are less than 2^31 apart.
 */
#ifndef BASE_SEQ_H
#define BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_at_or_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

/* low <= s < low + n */
static inline bool seq_within(uint32_t s, uint32_t low, uint32_t n)
{
    return s - low < n;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_before(a, b) ? b : a;
}

#endif
