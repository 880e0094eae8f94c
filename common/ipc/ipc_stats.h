/* ipc_stats.h - figures one process writes and control reads, self-describing.
 *
 * `sluice run` makes one sealed memfd for each incarnation of dataplane, queue and deliver and
 * gives it to that process and to control.  The process fills the name table once, then only
 * adds to values.  Control trusts nothing in it: counts are clamped, names are checked to be
 * Prometheus names before they are shown.
 *
 * A metric may carry labels in its name: sluice_net_drops_total{reason="no_listener"}.  Values
 * of all workers (columns) are summed for show, gauges too.
 */
#ifndef IPC_STATS_H
#define IPC_STATS_H

#include "base_count.h"
#include "ipc_region.h"

#define STATS_COUNTERS_MAX 384u
#define STATS_HISTOGRAMS_MAX 8u
#define STATS_WORKERS_MAX 16u

enum stats_type { STATS_COUNTER = 1, STATS_GAUGE, STATS_HISTOGRAM };

struct stats_name {
    char     metric[96]; /* NUL-terminated */
    char     help[95];
    uint8_t  type;       /* enum stats_type */
};

struct stats_worker {
    struct count     counters[STATS_COUNTERS_MAX];
    struct histogram histograms[STATS_HISTOGRAMS_MAX];
};

struct stats_region {
    uint32_t abi, epoch, kind, workers;
    _Atomic uint32_t counters, histograms; /* names valid below these */
    struct stats_name   counter_names[STATS_COUNTERS_MAX];
    struct stats_name   histogram_names[STATS_HISTOGRAMS_MAX];
    struct stats_worker worker[STATS_WORKERS_MAX];
};

/* Creates (run), maps for writing (owner) or reading (control). fd or -errno; NULL on a wrong
 * size, ABI or kind. */
int                  stats_create(enum ipc_kind kind, uint32_t epoch);
struct stats_region *stats_map(int fd, enum ipc_kind kind, bool writable);
void                 stats_unmap(struct stats_region *stats);

/* Owner: appends names and returns the index of the first, or UINT32_MAX when the table is full.
 * One call defines histograms only, or counters and gauges only: they are different tables. */
struct stats_def {
    const char     *metric, *help;
    enum stats_type type;
};
uint32_t stats_define(struct stats_region *stats, const struct stats_def *defs, uint32_t n);

#endif
