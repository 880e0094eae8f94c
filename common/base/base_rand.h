/* base_rand.h - seeded streams of random numbers: jitter, simulations, tests.  Not for secrets.
 *
 * xoshiro256** (Blackman, Vigna 2018).  The same seed and stream give the same numbers on
 * every machine.  Threads: one owner per stream.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base_types.h"

struct rand {
    uint64_t s[4];
};

void     rand_seed(struct rand *rand, uint64_t seed, uint64_t stream);
uint64_t rand_u64(struct rand *rand);
uint64_t rand_below(struct rand *rand, uint64_t n);                  /* 0 … n-1, unbiased; n > 0 */
uint64_t rand_between(struct rand *rand, uint64_t low, uint64_t high); /* both included */
bool     rand_chance(struct rand *rand, uint32_t in_million);
void     rand_fill(struct rand *rand, void *out, size_t n);

#endif
