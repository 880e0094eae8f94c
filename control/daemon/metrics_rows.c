/* metrics_rows.c - see metrics_rows.h */
#include "metrics_rows.h"

#include <stdio.h>
#include <stdlib.h>

void metrics_clear(struct metrics *m)
{
    m->rows_count = m->histograms_count = 0;
    m->refused = 0;
}

/* ---- names ---- */

static bool name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* label="value"; bytes, or 0. */
static size_t label_bytes(const char *s, size_t n)
{
    size_t at = 0;

    while (at < n && name_char(s[at], at == 0))
        at++;
    if (at == 0 || at + 2 > n || s[at] != '=' || s[at + 1] != '"')
        return 0;
    for (at += 2; at < n && s[at] != '"'; at++)
        if (s[at] < 0x20 || s[at] > 0x7e || s[at] == '\\')
            return 0;
    return at < n ? at + 1 : 0;
}

bool metrics_name_ok(const char *name, size_t bytes, uint32_t *ret_base)
{
    static const char prefix[] = "sluice_";
    size_t at = 0, base;

    while (at < bytes && name_char(name[at], at == 0))
        at++;
    base = at;
    if (base < sizeof(prefix) || memcmp(name, prefix, sizeof(prefix) - 1) != 0)
        return false;
    if (at < bytes) {
        if (name[at++] != '{')
            return false;
        for (;;) {
            size_t label = label_bytes(name + at, bytes - at);

            at += label;
            if (label == 0 || at == bytes)
                return false;
            if (name[at] == '}')
                break;
            if (name[at++] != ',')
                return false;
        }
        if (at + 1 != bytes)
            return false;
    }
    *ret_base = (uint32_t)base;
    return true;
}

/* Copies a checked name; false where it is none. */
static bool name_take(const char *name, char out[METRICS_NAME_MAX], uint32_t *ret_base)
{
    size_t bytes = strnlen(name, METRICS_NAME_MAX);

    if (bytes == METRICS_NAME_MAX)
        return false;
    memcpy(out, name, bytes);
    out[bytes] = '\0';
    return metrics_name_ok(out, bytes, ret_base);
}

static void help_take(const char *help, size_t room, char out[METRICS_NAME_MAX])
{
    size_t n = strnlen(help, room < METRICS_NAME_MAX ? room : METRICS_NAME_MAX - 1);

    for (size_t i = 0; i < n; i++)
        out[i] = help[i] >= 0x20 && help[i] < 0x7f && help[i] != '\\' ? help[i] : '?';
    out[n] = '\0';
}

/* ---- rows ---- */

static void row_add(struct metrics *m, const char *name, const char *help, size_t help_room,
                    enum stats_type type, uint64_t value)
{
    struct metric_row *row = &m->rows[m->rows_count];

    if (m->rows_count == METRICS_ROWS_MAX || (type != STATS_COUNTER && type != STATS_GAUGE) ||
        !name_take(name, row->name, &row->base_bytes)) {
        m->refused++;
        return;
    }
    help_take(help, help_room, row->help);
    row->type = type;
    row->value = value;
    row->order = m->rows_count++;
}

void metrics_add(struct metrics *m, const char *name, const char *help, enum stats_type type,
                 uint64_t value)
{
    row_add(m, name, help, METRICS_NAME_MAX - 1, type, value);
}

static void histogram_take(struct metrics *m, const struct stats_region *stats, uint32_t index)
{
    struct metric_histogram *h = &m->histograms[m->histograms_count];
    const struct stats_name name = stats->histogram_names[index]; /* one copy, then checks */

    if (m->histograms_count == METRICS_HISTOGRAMS_MAX ||
        !name_take(name.metric, h->name, &h->base_bytes)) {
        m->refused++;
        return;
    }
    help_take(name.help, sizeof(name.help), h->help);
    h->count = h->sum_us = 0;
    memset(h->bucket, 0, sizeof(h->bucket));
    for (uint32_t w = 0; w < STATS_WORKERS_MAX; w++) {
        const struct histogram *from = &stats->worker[w].histograms[index];

        for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++)
            h->bucket[b] += count_get(&from->bucket[b]);
        h->sum_us += count_get(&from->sum_us);
    }
    for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++)
        h->count += h->bucket[b];
    for (uint32_t i = 0; i < m->histograms_count; i++) {
        if (strcmp(m->histograms[i].name, h->name) == 0) {
            m->refused++; /* two processes must not claim one histogram */
            return;
        }
    }
    m->histograms_count++;
}

static uint32_t clamp(uint32_t n, uint32_t max)
{
    return n < max ? n : max;
}

void metrics_add_region(struct metrics *m, const struct stats_region *stats)
{
    uint32_t counters =
        clamp(atomic_load_explicit(&((struct stats_region *)(uintptr_t)stats)->counters,
                                   memory_order_acquire),
              STATS_COUNTERS_MAX);
    uint32_t histograms =
        clamp(atomic_load_explicit(&((struct stats_region *)(uintptr_t)stats)->histograms,
                                   memory_order_acquire),
              STATS_HISTOGRAMS_MAX);

    for (uint32_t i = 0; i < counters; i++) {
        const struct stats_name name = stats->counter_names[i];
        uint64_t sum = 0;

        for (uint32_t w = 0; w < STATS_WORKERS_MAX; w++)
            sum += count_get(&stats->worker[w].counters[i]);
        row_add(m, name.metric, name.help, sizeof(name.help), (enum stats_type)name.type, sum);
    }
    for (uint32_t i = 0; i < histograms; i++)
        histogram_take(m, stats, i);
}

/* By base name, then as they came, so that the first row of a base is its oldest. */
static int row_compare(const void *pa, const void *pb)
{
    const struct metric_row *a = pa, *b = pb;
    size_t n = a->base_bytes < b->base_bytes ? a->base_bytes : b->base_bytes;
    int rc = memcmp(a->name, b->name, n);

    if (rc != 0)
        return rc;
    if (a->base_bytes != b->base_bytes)
        return a->base_bytes < b->base_bytes ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool same_base(const struct metric_row *a, const struct metric_row *b)
{
    return a->base_bytes == b->base_bytes && memcmp(a->name, b->name, a->base_bytes) == 0;
}

void metrics_group(struct metrics *m)
{
    uint32_t kept = 0, base = 0;

    qsort(m->rows, m->rows_count, sizeof(m->rows[0]), row_compare);
    for (uint32_t i = 0; i < m->rows_count; i++) {
        struct metric_row *row = &m->rows[i];
        uint32_t k;

        if (kept == 0 || !same_base(&m->rows[base], row))
            base = kept;
        for (k = base; k < kept && strcmp(m->rows[k].name, row->name) != 0; k++)
            ;
        if (k < kept)
            m->rows[k].value += row->value;
        else if (k != i)
            m->rows[kept++] = *row;
        else
            kept++;
    }
    m->rows_count = kept;
}
