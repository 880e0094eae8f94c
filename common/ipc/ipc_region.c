/* ipc_region.c - makes, seals, maps and checks the memory between a worker and one process. */
#include "ipc_region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION_MAGIC 0x6e676572756c7321ull /* "!sluregn" */
#define REGION_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct region_header {
    uint64_t magic;
    uint32_t abi, kind, worker, epoch;
    uint64_t bytes;
};
#define REGION_HEADER_BYTES 4096u
_Static_assert(sizeof(struct region_header) <= REGION_HEADER_BYTES, "ABI");
_Static_assert(IPC_RING_TO_WORKER >= 2 * IPC_CHUNKS, "a reply always has room");

/* The arena starts on a page, so that an offset in it is one in a chunk's page too. */
static size_t to_page(size_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

static size_t to_peer_offset(void)
{
    return REGION_HEADER_BYTES;
}

static size_t to_worker_offset(void)
{
    return to_page(to_peer_offset() + ring_bytes(IPC_RING_TO_PEER, IPC_MESSAGE_BYTES));
}

static size_t arena_offset(void)
{
    return to_page(to_worker_offset() + ring_bytes(IPC_RING_TO_WORKER, IPC_MESSAGE_BYTES));
}

const char *ipc_kind_name(enum ipc_kind kind)
{
    static const char *const names[IPC_KINDS] = {
        [IPC_RUN] = "run",     [IPC_DATAPLANE] = "dataplane", [IPC_CONTROL] = "control",
        [IPC_QUEUE] = "queue", [IPC_DELIVER] = "deliver",     [IPC_TLS] = "tls",
    };

    return (unsigned)kind < IPC_KINDS ? names[kind] : "unknown";
}

size_t ipc_region_bytes(void)
{
    return arena_offset() + (size_t)IPC_CHUNKS * IPC_CHUNK_BYTES;
}

int ipc_region_create(enum ipc_kind kind, uint32_t worker, uint32_t epoch)
{
    struct region_header header = {
        .magic = REGION_MAGIC,
        .abi = IPC_ABI,
        .kind = (uint32_t)kind,
        .worker = worker,
        .epoch = epoch,
        .bytes = ipc_region_bytes(),
    };
    int rc, fd = memfd_create("sluice-region", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)ipc_region_bytes()) == 0 &&
        pwrite(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
        fcntl(fd, F_ADD_SEALS, REGION_SEALS) == 0)
        return fd;
    rc = errno != 0 ? -errno : -EIO;
    close(fd);
    return rc;
}

/* Only what is sealed against shrinking may be mapped: else the peer could make us fault. */
static int check_file(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return -EPROTO;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != (off_t)ipc_region_bytes())
        return -EPROTO;
    return 0;
}

int ipc_region_map(struct ipc_region *ret, int fd, enum ipc_kind kind, uint32_t worker,
                   uint32_t epoch)
{
    struct region_header header;
    size_t bytes = ipc_region_bytes();
    uint8_t *map;

    if (check_file(fd) != 0)
        return -EPROTO;
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    /* Our own copy, once: the peer may write here too. */
    memcpy(&header, map, sizeof(header));
    if (header.magic != REGION_MAGIC || header.abi != IPC_ABI || header.kind != (uint32_t)kind ||
        header.worker != worker || header.epoch != epoch || header.bytes != bytes) {
        munmap(map, bytes);
        return -EPROTO;
    }
    /* Mail must not end in a core file; where the kernel cannot do that, dumpable 0 still holds. */
    (void)madvise(map, bytes, MADV_DONTDUMP);
    *ret = (struct ipc_region){
        .map = map,
        .bytes = bytes,
        .arena = map + arena_offset(),
        .worker = worker,
        .epoch = epoch,
        .kind = kind,
    };
    ring_attach(&ret->to_peer, map + to_peer_offset(), IPC_RING_TO_PEER, IPC_MESSAGE_BYTES);
    ring_attach(&ret->to_worker, map + to_worker_offset(), IPC_RING_TO_WORKER, IPC_MESSAGE_BYTES);
    return 0;
}

void ipc_region_unmap(struct ipc_region *region)
{
    if (region->map != NULL)
        munmap(region->map, region->bytes);
    *region = (struct ipc_region){.map = NULL};
}
