/* core_start.h - building what the workers run on: memory, tables, rings, counters. */
#ifndef CORE_START_H
#define CORE_START_H

#include "core_worker.h"

/* From settings to workers ready to launch: EAL, ports, pools, tables.  log_rings receives
 * the main lcore's ends.  0; -1 and *ret_why. */
int core_start(struct core *core, struct ring *log_rings, const char **ret_why);

/* Names the counters in the stats region (or in private memory where there is none). */
int core_stats_define(struct core *core, const char **ret_why);

#endif
