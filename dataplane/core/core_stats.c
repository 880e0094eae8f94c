/* core_stats.c - names of all that the data plane counts. */
#include "core_stats.h"

#include "core_start.h"

/* The order of the .def files is that of core_stats.h. */
/* clang-format off */
static const struct stats_def counters[] = {
#define COUNTER(id, metric, help) {metric, help, STATS_COUNTER},
#define GAUGE(id, metric, help) {metric, help, STATS_GAUGE},
#include "core_counters.def"
#define NET_DROP(id, reason, help) \
    {"sluice_net_drops_total{reason=\"" reason "\"}", "Frames dropped at the door, by reason", STATS_COUNTER},
#include "net_drops.def"
#include "tcp_counters.def"
#include "smtp_counters.def"
#undef COUNTER
#undef GAUGE
#undef NET_DROP
};
_Static_assert(sizeof(counters) / sizeof(counters[0]) == STATS_USED, "one name for each counter");

static const struct stats_def histograms[] = {
    [CORE_H_SESSION] = {"sluice_session_seconds", "Length of SMTP sessions", STATS_HISTOGRAM},
    [CORE_H_COMMIT] = {"sluice_commit_wait_seconds", "Wait of a session for the queue's answer",
                       STATS_HISTOGRAM},
    [CORE_H_TURN] = {"sluice_turn_seconds",
                     "Length of a busy turn of the poll loop: what a command waits for its reply",
                     STATS_HISTOGRAM},
};
/* clang-format on */

int core_stats_define(struct core *core, const char **ret_why)
{
    if (stats_define(core->stats, counters, STATS_USED) != 0 ||
        stats_define(core->stats, histograms, CORE_HISTOGRAMS) != 0) {
        *ret_why = "the stats region has no room for our counters";
        return -1;
    }
    return 0;
}
