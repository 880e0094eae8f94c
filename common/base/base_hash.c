/* base_hash.c - SipHash-2-4 and a keyed NH for tables. */
#include "base_hash.h"

#include "base_must.h"

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* Up to 7 bytes, the rest of the word zero. */
static uint64_t load_tail(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static void sip_rounds(struct sip *s, unsigned n)
{
    while (n-- > 0) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_rounds(s, 2);
    s->v0 ^= m;
}

static struct sip sip_begin(const uint8_t key[HASH_KEY_BYTES])
{
    uint64_t k0 = load64(key), k1 = load64(key + 8);

    return (struct sip){
        .v0 = k0 ^ 0x736f6d6570736575ull,
        .v1 = k1 ^ 0x646f72616e646f6dull,
        .v2 = k0 ^ 0x6c7967656e657261ull,
        .v3 = k1 ^ 0x7465646279746573ull,
    };
}

static void sip_bytes(struct sip *s, struct span bytes)
{
    size_t whole = bytes.len / 8 * 8;

    for (size_t i = 0; i < whole; i += 8)
        sip_word(s, load64(bytes.ptr + i));
    sip_word(s, (uint64_t)bytes.len << 56 |
                    (bytes.len > whole ? load_tail(bytes.ptr + whole, bytes.len - whole) : 0));
}

uint64_t hash_sip(const uint8_t key[HASH_KEY_BYTES], struct span bytes)
{
    struct sip s = sip_begin(key);

    sip_bytes(&s, bytes);
    s.v2 ^= 0xff;
    sip_rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static void store64(uint8_t *out, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

void hash_sip128(const uint8_t key[HASH_KEY_BYTES], struct span bytes, uint8_t out[16])
{
    struct sip s = sip_begin(key);

    s.v1 ^= 0xee;
    sip_bytes(&s, bytes);
    s.v2 ^= 0xee;
    sip_rounds(&s, 4);
    store64(out, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
    s.v1 ^= 0xdd;
    sip_rounds(&s, 4);
    store64(out + 8, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
}

void hash_quick_init(struct hash_quick *hash, const uint8_t key[HASH_KEY_BYTES])
{
    for (uint8_t i = 0; i < ARRAY_LEN(hash->k); i++)
        hash->k[i] = hash_sip(key, span_of(&i, 1));
}

uint64_t hash_quick(const struct hash_quick *hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t low = hash->k[HASH_QUICK_WORDS] ^ (uint64_t)n, high = 0;
    uint64_t w[2];

    must_hot(n <= HASH_QUICK_WORDS * 8);
    for (size_t i = 0; i < n && i < HASH_QUICK_WORDS * 8; i += 16) {
        for (size_t j = 0; j < 2; j++) {
            size_t at = i + 8 * j, left = at < n ? n - at : 0;

            w[j] = left >= 8 ? load64(p + at) : left > 0 ? load_tail(p + at, left) : 0;
        }
        unsigned __int128 product =
            (unsigned __int128)(w[0] + hash->k[i / 8]) * (w[1] + hash->k[i / 8 + 1]);

        low += (uint64_t)product;
        high += (uint64_t)(product >> 64);
    }
    /* NH alone is weak in its low bits, which is where tables look: mix (splitmix64). */
    low ^= rotate(high, 32);
    low = (low ^ low >> 30) * 0xbf58476d1ce4e5b9ull;
    low = (low ^ low >> 27) * 0x94d049bb133111ebull;
    return low ^ low >> 31;
}
