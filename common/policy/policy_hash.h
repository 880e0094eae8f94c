/* policy_hash.h - what the policy image hashes: names, recipients, itself.
 *
 * SipHash under a key that no client knows, so that nobody outside can choose names that
 * collide.
 */
#ifndef POLICY_HASH_H
#define POLICY_HASH_H

#include "policy_image.h"

uint64_t policy_hash(const uint8_t key[IMAGE_KEY_BYTES], struct span name);

/* The fingerprint of local_part@domain, or of local_part anywhere below domain; the local part
 * in lower case (ASCII letters; local parts are compared without regard to case here, which
 * RFC 5321 s2.4 leaves to the host that owns them).  False where it is too long to be listed. */
bool policy_fingerprint(const uint8_t key[IMAGE_KEY_BYTES], struct span local_part,
                        struct span domain, bool below, struct image_print *ret);

static inline uint8_t policy_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

#endif
