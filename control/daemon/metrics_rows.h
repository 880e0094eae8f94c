/* metrics_rows.h - figures gathered for one showing: checked, summed over workers, grouped.
 *
 * Sources are the other processes' stats regions, which are not trusted: counts are clamped, a
 * name that is no Prometheus name (or does not start with sluice_) is left out and counted,
 * help texts are made printable.  The same name from two sources is one row, summed; a base name
 * has the type and help that came with it first.
 *
 * Memory: one heap block of fixed size.  Threads: one.  Clock: none.
 */
#ifndef METRICS_ROWS_H
#define METRICS_ROWS_H

#include "ipc_stats.h"

#define METRICS_ROWS_MAX 1536u /* three regions full, and our own */
#define METRICS_HISTOGRAMS_MAX 32u
#define METRICS_NAME_MAX 96u

struct metric_row {
    char            name[METRICS_NAME_MAX]; /* with labels */
    char            help[METRICS_NAME_MAX];
    uint32_t        base_bytes;             /* of name, before its labels */
    uint32_t        order;                  /* in which it came */
    enum stats_type type;
    uint64_t        value;
};

struct metric_histogram {
    char     name[METRICS_NAME_MAX];
    char     help[METRICS_NAME_MAX];
    uint32_t base_bytes;
    uint64_t bucket[HISTOGRAM_BUCKETS]; /* as base_count.h has them, not cumulative */
    uint64_t count, sum_us;
};

struct metrics {
    uint32_t rows_count, histograms_count;
    uint64_t refused; /* names left out */
    struct metric_row       rows[METRICS_ROWS_MAX];
    struct metric_histogram histograms[METRICS_HISTOGRAMS_MAX];
};

void metrics_clear(struct metrics *m);

/* Name as in ipc_stats.h; a bad one, or one too many, is counted in refused. */
void metrics_add(struct metrics *m, const char *name, const char *help, enum stats_type type,
                 uint64_t value);
void metrics_add_region(struct metrics *m, const struct stats_region *stats);

/* After the last add: rows of one base name stand together, sorted. */
void metrics_group(struct metrics *m);

/* True for sluice_[a-z0-9_]* with or without {label="value",...}; *ret_base: bytes before '{'. */
bool metrics_name_ok(const char *name, size_t bytes, uint32_t *ret_base);

#endif
