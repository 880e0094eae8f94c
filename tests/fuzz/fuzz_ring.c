/* fuzz_ring.c - a ring whose other end writes what it likes: indices, flag and entries.
 *
 * Each input byte pair is a step: the hostile side stores something anywhere in the shared
 * memory, or one of our ends does what it always does.  Our ends must move at most what the
 * ring holds, keep their own index, and copy nothing from outside. */
#include <stdlib.h>

#include "base_must.h"
#include "base_ring.h"
#include "ipc_spool.h"

#define COUNT 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void end_step(struct ring *end, bool consumer, uint8_t n)
{
    struct spool_ask entries[COUNT + 8];
    uint32_t before = end->mine, want = n % (COUNT + 8), moved;

    memset(entries, 0x5a, sizeof(entries));
    moved = consumer ? ring_get(end, entries, want) : ring_put(end, entries, want);
    must(moved <= COUNT && moved <= want);
    must(end->mine == before + moved);
    if (consumer) {
        for (uint32_t i = moved; i < want; i++)
            must(entries[i].type == 0x5a5a5a5a);
        if (ring_sleep(end))
            ring_awake(end);
    } else {
        must(ring_room(end) <= COUNT);
        ring_must_kick(end);
    }
    must(end->mine - end->peer <= COUNT || end->peer - end->mine <= COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t bytes = ring_bytes(COUNT, IPC_MESSAGE_BYTES);
    uint8_t *memory = aligned_alloc(CACHE_LINE_BYTES, bytes);
    struct ring in, out;

    if (memory == NULL)
        return 0;
    memset(memory, 0, bytes);
    ring_attach(&in, memory, COUNT, IPC_MESSAGE_BYTES);
    ring_attach(&out, memory, COUNT, IPC_MESSAGE_BYTES);
    for (; size >= 6; data += 6, size -= 6) {
        uint32_t value;
        size_t at = (size_t)data[1] * 4 % bytes;

        memcpy(&value, data + 2, sizeof(value));
        switch (data[0] & 7) {
        case 0:
        case 1:
            end_step(&in, false, data[1]);
            break;
        case 2:
        case 3:
            end_step(&out, true, data[1]);
            break;
        case 4: /* the producer's index, near what it may be */
            value = out.mine + value % (2 * COUNT);
            memcpy(memory, &value, sizeof(value));
            break;
        case 5: /* the consumer's */
            value = in.mine - value % (2 * COUNT);
            memcpy(memory + CACHE_LINE_BYTES, &value, sizeof(value));
            break;
        default: /* anything anywhere */
            memcpy(memory + at, &value, sizeof(value));
            break;
        }
    }
    free(memory);
    return 0;
}
