/* deliver_stats.c - see deliver_stats.h */
#include "deliver_stats.h"

#include <errno.h>

static const struct stats_def counter_defs[] = {
#define COUNTER(id, metric, help) {metric, help, STATS_COUNTER},
#define GAUGE(id, metric, help)   {metric, help, STATS_GAUGE},
#include "deliver_counters.def"
#undef COUNTER
#undef GAUGE
};

static const struct stats_def histogram_defs[] = {
    {"sluice_delivery_seconds", "Time from taking a delivery attempt to its outcome",
     STATS_HISTOGRAM},
};

void deliver_stats_init(struct deliver_stats *s)
{
    memset(s, 0, sizeof(*s));
    s->counters = s->own_counters;
    s->took = &s->own_took;
}

int deliver_stats_share(struct deliver_stats *s, int fd)
{
    struct stats_region *region = stats_map(fd, IPC_DELIVER, true);
    struct count *counters;
    struct histogram *took;
    uint32_t first, first_histogram;

    if (region == NULL)
        return -EPROTO;
    first = stats_define(region, counter_defs, ARRAY_LEN(counter_defs));
    first_histogram = stats_define(region, histogram_defs, ARRAY_LEN(histogram_defs));
    if (first == UINT32_MAX || first_histogram == UINT32_MAX) {
        stats_unmap(region);
        return -EPROTO;
    }
    counters = &region->worker[0].counters[first];
    took = &region->worker[0].histograms[first_histogram];
    for (size_t i = 0; i < DELIVER_COUNTERS; i++)
        count_add(&counters[i], count_get(&s->counters[i]));
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        count_add(&took->bucket[i], count_get(&s->took->bucket[i]));
    count_add(&took->sum_us, count_get(&s->took->sum_us));
    stats_unmap(s->region);
    s->region = region;
    s->counters = counters;
    s->took = took;
    return 0;
}

void deliver_stats_done(struct deliver_stats *s)
{
    stats_unmap(s->region);
    deliver_stats_init(s);
}
