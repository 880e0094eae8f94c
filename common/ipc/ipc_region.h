/* ipc_region.h - the memory a worker shares with exactly one other process.
 *
 *   offset 0   header: magic, ABI, kind, worker, epoch (written by `sluice run`, read once)
 *              ring to the peer (64 B messages)
 *              ring to the worker (64 B messages)
 *              arena: chunks of IPC_CHUNK_BYTES
 *
 * All sizes are compile-time constants of the ABI; neither side believes a length it
 * finds in the region.  Entries carry chunk numbers, never pointers.  Chunks belong to the
 * worker: lent with a message, taken back with the reply or when the peer is replaced.
 * A new incarnation of either side gets a new region with a new epoch.
 *
 * Memory: memfd, sealed against resizing, MADV_DONTDUMP at both ends.
 */
#ifndef IPC_REGION_H
#define IPC_REGION_H

#include "base_ring.h"
#include "base_types.h"

#define IPC_ABI 1u
#define IPC_MESSAGE_BYTES 64u
#define IPC_CHUNK_BYTES 16384u
#define IPC_CHUNKS 4096u          /* 64 MiB of arena for each worker; touched on use */
#define IPC_RING_TO_PEER 8192u
/* Every message the worker sends is answered at most once with each chunk and once with a
 * verdict, and the worker keeps fewer than this many outstanding: a reply always has room. */
#define IPC_RING_TO_WORKER 16384u
#define IPC_NO_CHUNK UINT32_MAX

enum ipc_kind { IPC_RUN = 0, IPC_DATAPLANE, IPC_CONTROL, IPC_QUEUE, IPC_DELIVER, IPC_TLS, IPC_KINDS };

struct ipc_region {
    void       *map;
    size_t      bytes;
    struct ring to_peer;   /* worker produces */
    struct ring to_worker; /* peer produces */
    uint8_t    *arena;
    uint32_t    worker;
    uint32_t    epoch;
    enum ipc_kind kind;
};

const char *ipc_kind_name(enum ipc_kind kind); /* "run", "dataplane", "control", … */

size_t ipc_region_bytes(void);

/* Creates and seals a region (only `sluice run` does).  kind is that of the process that is not
 * the worker, at both ends: IPC_QUEUE for a worker<->queue region.  fd (close-on-exec) or -errno. */
int ipc_region_create(enum ipc_kind kind, uint32_t worker, uint32_t epoch);

/* Maps a region received as fd; the fd stays the caller's.  0; -EPROTO where size, seals,
 * magic, ABI, kind, worker or epoch are not what the caller was told; -errno of mmap. */
int ipc_region_map(struct ipc_region *ret, int fd, enum ipc_kind kind, uint32_t worker, uint32_t epoch);
void ipc_region_unmap(struct ipc_region *region);

/* The chunk's bytes; NULL if there is no such chunk. */
static inline uint8_t *ipc_chunk(const struct ipc_region *r, uint32_t chunk)
{
    return chunk < IPC_CHUNKS ? r->arena + (size_t)chunk * IPC_CHUNK_BYTES : NULL;
}

#endif
