/* base_ring.c - the ring between two parties that do not trust each other.
 *
 * Order of memory: an entry is written before the producer's index is released and read after
 * it is acquired; the consumer's index the same way round, so that a slot is not overwritten
 * while it is copied out.  The sleep protocol is Dekker's: each side stores its word and then
 * looks at the other's, all four in the single order of seq_cst, so one of them always sees the
 * other.  (No fences: ThreadSanitizer does not model them.)
 */
#include "base_ring.h"

#include <stdatomic.h>

#include "base_must.h"

struct ring_shared {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t produced;
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t consumed;
    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t sleeping;
};
_Static_assert(sizeof(struct ring_shared) == 3 * CACHE_LINE_BYTES, "ABI");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "ABI");

#define RING_COUNT_MAX (1u << 24)

size_t ring_bytes(uint32_t count, uint32_t entry_bytes)
{
    size_t bytes = sizeof(struct ring_shared) + (size_t)count * entry_bytes;

    /* Whole cache lines, so that what follows stays aligned. */
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

void ring_attach(struct ring *end, void *memory, uint32_t count, uint32_t entry_bytes)
{
    must(count >= 1 && count <= RING_COUNT_MAX && (count & (count - 1)) == 0);
    must(entry_bytes >= 8 && entry_bytes % 8 == 0);
    must((uintptr_t)memory % CACHE_LINE_BYTES == 0);
    *end = (struct ring){
        .shared = memory,
        .entries = (uint8_t *)memory + sizeof(struct ring_shared),
        .mask = count - 1,
        .entry_bytes = entry_bytes,
    };
}

/* The peer's index as `seen`, if it is possible; if not, what we last believed. */
static bool peer_plausible(struct ring *end, uint32_t distance)
{
    if (distance <= end->mask + 1)
        return true;
    end->bad_index++;
    return false;
}

static void copy_in(struct ring *end, uint32_t at, const uint8_t *from, uint32_t n)
{
    uint32_t slot = at & end->mask;
    uint32_t first = n <= end->mask + 1 - slot ? n : end->mask + 1 - slot;
    size_t bytes = (size_t)first * end->entry_bytes;

    memcpy(end->entries + (size_t)slot * end->entry_bytes, from, bytes);
    if (n > first)
        memcpy(end->entries, from + bytes, (size_t)(n - first) * end->entry_bytes);
}

static void copy_out(struct ring *end, uint32_t at, uint8_t *to, uint32_t n)
{
    uint32_t slot = at & end->mask;
    uint32_t first = n <= end->mask + 1 - slot ? n : end->mask + 1 - slot;
    size_t bytes = (size_t)first * end->entry_bytes;

    memcpy(to, end->entries + (size_t)slot * end->entry_bytes, bytes);
    if (n > first)
        memcpy(to + bytes, end->entries, (size_t)(n - first) * end->entry_bytes);
}

uint32_t ring_room(struct ring *producer)
{
    uint32_t seen = atomic_load_explicit(&producer->shared->consumed, memory_order_acquire);

    if (!peer_plausible(producer, producer->mine - seen))
        return 0;
    producer->peer = seen;
    return producer->mask + 1 - (producer->mine - seen);
}

uint32_t ring_put(struct ring *producer, const void *entries, uint32_t n)
{
    /* The index last seen gives a lower bound of the room: look again only when it is short. */
    uint32_t room = producer->mask + 1 - (producer->mine - producer->peer);

    if (room < n)
        room = ring_room(producer);
    if (n > room)
        n = room;
    if (n == 0)
        return 0;
    copy_in(producer, producer->mine, entries, n);
    producer->mine += n;
    atomic_store_explicit(&producer->shared->produced, producer->mine, memory_order_release);
    return n;
}

uint32_t ring_get(struct ring *consumer, void *entries, uint32_t n)
{
    uint32_t ready = consumer->peer - consumer->mine;

    if (ready < n) {
        uint32_t seen = atomic_load_explicit(&consumer->shared->produced, memory_order_acquire);

        if (!peer_plausible(consumer, seen - consumer->mine))
            return 0;
        consumer->peer = seen;
        ready = seen - consumer->mine;
    }
    if (n > ready)
        n = ready;
    if (n == 0)
        return 0;
    copy_out(consumer, consumer->mine, entries, n);
    consumer->mine += n;
    atomic_store_explicit(&consumer->shared->consumed, consumer->mine, memory_order_release);
    return n;
}

bool ring_sleep(struct ring *consumer)
{
    uint32_t seen;

    atomic_store_explicit(&consumer->shared->sleeping, 1, memory_order_seq_cst);
    seen = atomic_load_explicit(&consumer->shared->produced, memory_order_seq_cst);
    /* An impossible index is no work: the sleeper wakes by its own timer at the latest. */
    if (seen == consumer->mine || seen - consumer->mine > consumer->mask + 1)
        return true;
    ring_awake(consumer);
    return false;
}

void ring_awake(struct ring *consumer)
{
    atomic_store_explicit(&consumer->shared->sleeping, 0, memory_order_relaxed);
}

bool ring_must_kick(struct ring *producer)
{
    atomic_store_explicit(&producer->shared->produced, producer->mine, memory_order_seq_cst);
    if (atomic_load_explicit(&producer->shared->sleeping, memory_order_seq_cst) == 0)
        return false;
    return atomic_exchange_explicit(&producer->shared->sleeping, 0, memory_order_seq_cst) != 0;
}
