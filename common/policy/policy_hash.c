/* policy_hash.c - the hashes of the policy image. */
#include "policy_hash.h"

#include "base_crc.h"
#include "base_hash.h"

_Static_assert(IMAGE_KEY_BYTES == HASH_KEY_BYTES, "one key for all");

uint64_t policy_hash(const uint8_t key[IMAGE_KEY_BYTES], struct span name)
{
    return hash_sip(key, name);
}

bool policy_fingerprint(const uint8_t key[IMAGE_KEY_BYTES], struct span local_part,
                        struct span domain, bool below, struct image_print *ret)
{
    uint8_t text[IMAGE_LOCAL_PART_MAX + 2 + IMAGE_DOMAIN_MAX];
    uint8_t out[sizeof(*ret)];
    size_t n = 0;

    if (local_part.len == 0 || local_part.len > IMAGE_LOCAL_PART_MAX || domain.len == 0 ||
        domain.len > IMAGE_DOMAIN_MAX)
        return false;
    for (; n < local_part.len; n++)
        text[n] = policy_lower(local_part.ptr[n]);
    /* A domain holds no '@' and does not start with '.', so no two inputs make one text. */
    text[n++] = '@';
    if (below)
        text[n++] = '.';
    memcpy(text + n, domain.ptr, domain.len);
    hash_sip128(key, span_of(text, n + domain.len), out);
    memcpy(ret, out, sizeof(*ret));
    return true;
}

uint64_t image_checksum(const void *image, size_t bytes)
{
    size_t from = offsetof(struct image_header, generation);

    return crc32c(0, (const uint8_t *)image + from, bytes - from);
}
