/* queue_retry.h - when a recipient that could not be delivered is tried again.  Pure. */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include "base_types.h"

struct retry {
    uint64_t first_us, maximum_us; /* the first wait; no wait is longer */
    uint64_t expire_us;            /* after this long in the queue a recipient is given up */
};

#define RETRY_JITTER 10u /* per cent each way: what failed together does not return together */

/* The wait after the attempts-th failure (1 is the first): first doubled each time, at most
 * maximum, ± RETRY_JITTER %.  random: any number. */
uint64_t retry_wait_us(const struct retry *retry, uint32_t attempts, uint64_t random);

/* Wall clock of the next attempt, or 0: its time is over.  One last attempt is made at the
 * very end of its time rather than none in a long last wait. */
uint64_t retry_next(const struct retry *retry, uint64_t stored_us, uint64_t wall_us,
                    uint32_t attempts, uint64_t random);

#endif
