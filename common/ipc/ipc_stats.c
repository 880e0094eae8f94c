/* ipc_stats.c - the figures' shared memory: made, mapped, names filled in. */
#include "ipc_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert(sizeof(struct stats_name) == 192, "ABI");

int stats_create(enum ipc_kind kind, uint32_t epoch)
{
    const struct {
        uint32_t abi, epoch, kind, workers;
    } head = {IPC_ABI, epoch, (uint32_t)kind, STATS_WORKERS_MAX};
    int rc, fd = memfd_create("sluice-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)sizeof(struct stats_region)) == 0 &&
        pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
        fcntl(fd, F_ADD_SEALS, STATS_SEALS) == 0)
        return fd;
    rc = errno != 0 ? -errno : -EIO;
    close(fd);
    return rc;
}

struct stats_region *stats_map(int fd, enum ipc_kind kind, bool writable)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stats_region *stats;
    struct stat st;

    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return NULL;
    if (fstat(fd, &st) != 0 || st.st_size != (off_t)sizeof(*stats))
        return NULL;
    stats = mmap(NULL, sizeof(*stats), writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                 fd, 0);
    if (stats == MAP_FAILED)
        return NULL;
    if (stats->abi != IPC_ABI || stats->kind != (uint32_t)kind) {
        stats_unmap(stats);
        return NULL;
    }
    return stats;
}

void stats_unmap(struct stats_region *stats)
{
    if (stats != NULL)
        munmap(stats, sizeof(*stats));
}

static void copy_text(char *out, size_t room, const char *text)
{
    size_t n = strnlen(text, room - 1);

    memcpy(out, text, n);
    out[n] = '\0';
}

/* Which table a definition goes into: one call defines names of one table only. */
static bool one_table(const struct stats_def *defs, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        if ((defs[i].type == STATS_HISTOGRAM) != (defs[0].type == STATS_HISTOGRAM))
            return false;
    }
    return true;
}

uint32_t stats_define(struct stats_region *stats, const struct stats_def *defs, uint32_t n)
{
    bool histogram = n > 0 && defs[0].type == STATS_HISTOGRAM;
    struct stats_name *names = histogram ? stats->histogram_names : stats->counter_names;
    _Atomic uint32_t *used = histogram ? &stats->histograms : &stats->counters;
    uint32_t max = histogram ? STATS_HISTOGRAMS_MAX : STATS_COUNTERS_MAX;
    uint32_t first = atomic_load_explicit(used, memory_order_relaxed);

    if (first > max || n > max - first || !one_table(defs, n))
        return UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        struct stats_name *name = &names[first + i];

        copy_text(name->metric, sizeof(name->metric), defs[i].metric);
        copy_text(name->help, sizeof(name->help), defs[i].help);
        name->type = (uint8_t)defs[i].type;
    }
    /* Released last: a reader below the new count sees whole names. */
    atomic_store_explicit(used, first + n, memory_order_release);
    return first;
}
