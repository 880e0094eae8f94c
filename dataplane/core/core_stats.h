/* core_stats.h - where each room's counters stand in a worker's column of the stats region. */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#include "core_worker.h"
#include "net.h"
#include "smtp_counters.h"

enum {
    STATS_CORE = 0,
    STATS_NET = STATS_CORE + CORE_COUNTERS,
    STATS_TCP = STATS_NET + NET_DROPS,
    STATS_SMTP = STATS_TCP + TCP_COUNTERS,
    STATS_USED = STATS_SMTP + SMTP_COUNTERS
};
_Static_assert((int)STATS_USED <= (int)STATS_COUNTERS_MAX, "the stats region has no room for all counters");
_Static_assert((int)CORE_HISTOGRAMS <= (int)STATS_HISTOGRAMS_MAX, "nor for all histograms");

#endif
