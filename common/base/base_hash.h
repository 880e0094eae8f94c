/* base_hash.h - keyed hashes: SipHash-2-4 where a stranger chooses the input and collisions
 * would hurt, a quicker one for tables of fixed-size keys.
 *
 * Threads: any.  Memory: none.  Results do not depend on the host's byte order.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base_types.h"

#define HASH_KEY_BYTES 16

/* SipHash-2-4 (Aumasson, Bernstein 2012), 64-bit and 128-bit output. */
uint64_t hash_sip(const uint8_t key[HASH_KEY_BYTES], struct span bytes);
void     hash_sip128(const uint8_t key[HASH_KEY_BYTES], struct span bytes, uint8_t out[16]);

/* NH (universal, Black et al. 1999: two different inputs collide for about 2^-64 of the keys)
 * over whole 64-bit words, with a finaliser.  For tables whose hashes nobody outside can see. */
#define HASH_QUICK_WORDS 8
struct hash_quick {
    uint64_t k[HASH_QUICK_WORDS + 1];
};
void     hash_quick_init(struct hash_quick *hash, const uint8_t key[HASH_KEY_BYTES]);
uint64_t hash_quick(const struct hash_quick *hash, const void *bytes, size_t n); /* n <= 64 */

#endif
