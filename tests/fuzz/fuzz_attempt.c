/* fuzz_attempt.c - attempts and outcomes (the first byte says which): what is taken can be
 * written again to the same bytes. */
#include <stdlib.h>

#include "base_must.h"
#include "ipc_attempt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_attempt(struct span packet, uint8_t *again)
{
    static struct attempt_extent extents[ATTEMPT_EXTENTS_MAX];
    static struct attempt a;
    uint64_t sum = 0;

    if (attempt_parse(packet, &a) != 0)
        return;
    for (uint32_t i = 0; i < a.head.extents; i++) {
        extents[i] = attempt_extent_at(&a, i);
        must(extents[i].segment < a.head.segments && extents[i].bytes > 0);
        sum += extents[i].bytes;
    }
    must(sum == a.head.content_bytes);
    must(attempt_write(again, packet.len, &a, extents) == packet.len);
    must(memcmp(again, packet.ptr, packet.len) == 0);
}

static void try_outcome(struct span packet, uint8_t *again)
{
    static struct outcome o;

    if (outcome_parse(packet, &o) != 0)
        return;
    must(outcome_write(again, packet.len, &o) == packet.len);
    must(memcmp(again, packet.ptr, packet.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *again;

    if (size < 1 || (again = malloc(size)) == NULL)
        return 0;
    if (data[0] & 1)
        try_outcome(span_of(data + 1, size - 1), again);
    else
        try_attempt(span_of(data + 1, size - 1), again);
    free(again);
    return 0;
}
