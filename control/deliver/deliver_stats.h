/* deliver_stats.h - the figures of sluice-deliver: names once, then plain adding.
 *
 * Figures count from the start on and move into the shared region when it comes.
 * Threads: one.
 */
#ifndef DELIVER_STATS_H
#define DELIVER_STATS_H

#include "ipc_stats.h"

enum deliver_counter {
#define COUNTER(id, metric, help) DELIVER_##id,
#define GAUGE(id, metric, help) DELIVER_##id,
#include "deliver_counters.def"
#undef COUNTER
#undef GAUGE
    DELIVER_COUNTERS
};

struct deliver_stats {
    struct stats_region *region; /* NULL until deliver_stats_share() */
    struct count        *counters;
    struct histogram    *took;
    struct count         own_counters[DELIVER_COUNTERS];
    struct histogram     own_took;
};

void deliver_stats_init(struct deliver_stats *s);

/* From here on figures stand in the memfd (the caller keeps it).  0 or -EPROTO. */
int  deliver_stats_share(struct deliver_stats *s, int fd);
void deliver_stats_done(struct deliver_stats *s);

static inline void deliver_count(struct deliver_stats *s, enum deliver_counter which, uint64_t n)
{
    count_add(&s->counters[which], n);
}

#endif
