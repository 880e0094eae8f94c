/* base_ring.h - single-producer single-consumer ring between two parties that do not
 * trust each other.
 *
 * The shared part is two indices, a sleep flag and the entries; count, entry size and
 * mask are private to each end, and the peer's index is range-checked at every look: an
 * index that claims more than `count` entries is clamped to "nothing" and counted.
 * Entries are copied in and out whole, so what was checked is what is used.
 *
 * Threads: one producer, one consumer, any processes.  Memory: given by the caller,
 * zeroed, 64-byte aligned, ring_bytes() long.  No system calls.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include "base_types.h"

struct ring_shared; /* layout private to base_ring.c */

/* One end.  Only base_ring.c writes the fields. */
struct ring {
    struct ring_shared *shared;
    uint8_t            *entries;
    uint32_t            mask;        /* count - 1 */
    uint32_t            entry_bytes; /* multiple of 8 */
    uint32_t            mine;        /* my own index, free running; never read back from the share */
    uint32_t            peer;        /* peer's index as last seen */
    uint64_t            bad_index;   /* times the peer's index was impossible */
};

/* Bytes for count (power of two) entries of entry_bytes (multiple of 8). */
size_t ring_bytes(uint32_t count, uint32_t entry_bytes);

/* Attach one end to zeroed memory.  Borrowed until the end is dropped. */
void ring_attach(struct ring *end, void *memory, uint32_t count, uint32_t entry_bytes);

/* Producer: copies up to n entries in; how many went in (0 when full). */
uint32_t ring_put(struct ring *producer, const void *entries, uint32_t n);

/* Producer: entries that a put would take now. */
uint32_t ring_room(struct ring *producer);

/* Consumer: copies up to n entries out; how many came out (0 when empty). */
uint32_t ring_get(struct ring *consumer, void *entries, uint32_t n);

/* Consumer: says it is about to sleep; false if there is work after all (then it must not
 * sleep, and the flag is down again).  ring_awake() takes the flag down after sleeping. */
bool ring_sleep(struct ring *consumer);
void ring_awake(struct ring *consumer);

/* Producer, after puts: true once for each announced sleep; then the caller kicks. */
bool ring_must_kick(struct ring *producer);

#endif
