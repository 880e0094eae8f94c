/* base_rand.c - xoshiro256** seeded through splitmix64. */
#include "base_rand.h"

#include "base_must.h"

static uint64_t split_mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

void rand_seed(struct rand *r, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;

    /* The stream goes through the mixer once, so that neighbouring seeds and streams differ. */
    state ^= split_mix(&stream);
    for (size_t i = 0; i < ARRAY_LEN(r->s); i++)
        r->s[i] = split_mix(&state);
}

uint64_t rand_u64(struct rand *r)
{
    uint64_t result = rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotate(r->s[3], 45);
    return result;
}

uint64_t rand_below(struct rand *r, uint64_t n)
{
    uint64_t reject, x;

    must(n > 0);
    reject = (0 - n) % n; /* 2^64 mod n: that many values would favour the low results */
    do {
        x = rand_u64(r);
    } while (x < reject);
    return x % n;
}

uint64_t rand_between(struct rand *r, uint64_t low, uint64_t high)
{
    must(low <= high);
    if (high - low == UINT64_MAX)
        return rand_u64(r);
    return low + rand_below(r, high - low + 1);
}

bool rand_chance(struct rand *r, uint32_t in_million)
{
    return rand_below(r, 1000000) < in_million;
}

void rand_fill(struct rand *r, void *out, size_t n)
{
    uint8_t *at = out;

    while (n > 0) {
        uint64_t x = rand_u64(r);
        size_t take = n < sizeof(x) ? n : sizeof(x);

        for (size_t i = 0; i < take; i++)
            *at++ = (uint8_t)(x >> 8 * i);
        n -= take;
    }
}
