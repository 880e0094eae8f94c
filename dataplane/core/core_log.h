/* core_log.h - sessions' events to log lines, on the main lcore.
 *
 * Accepted messages always get a line.  Refusals above log.refusals_per_second are gathered by
 * (client prefix, reply code, status) and told once a second with a count.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core_worker.h"

#define CORE_LOG_ROUND 64 /* events of one worker that one drain takes */

struct core_log;

struct core_log *core_log_new(uint32_t refusals_per_second);

/* Worker: this turn's events into its ring.  The last half of the ring is for accepted mail alone;
 * what finds no room is counted as lost. */
void core_log_give(struct worker *w);

/* Takes up to CORE_LOG_ROUND events of each worker; how many it took. */
unsigned core_log_drain(struct core_log *log, struct core *core, struct ring *rings);

/* Tells what has been gathered if the second is over (or at once). */
void core_log_second(struct core_log *log, uint64_t wall_us, bool now);

#endif
