/* core_log.h - sessions' events to log lines, on the main lcore.
 *
 * Accepted messages always get a line.  Refusals above log.refusals_per_second are gathered by
 * (client prefix, reply code, status) and told once a second with a count.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core_worker.h"

struct core_log;

struct core_log *core_log_new(uint32_t refusals_per_second);

/* Takes every event that waits in the workers' rings; how many. */
unsigned core_log_drain(struct core_log *log, struct core *core, struct ring *rings);

/* Tells what has been gathered if the second is over (or at once). */
void core_log_second(struct core_log *log, uint64_t wall_us, bool now);

#endif
