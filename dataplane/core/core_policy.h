/* core_policy.h - the policy image the workers read, swapped under RCU.
 *
 * The main lcore maps, checks and prefaults an image, publishes it with rcu_assign_pointer,
 * waits for a grace period (every worker is quiescent once a turn, and offline while it
 * sleeps) and unmaps the one before.  The only file that knows liburcu, with core_loop.c's
 * quiescent state.
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "core_worker.h"

/* Main lcore: installs the sealed image behind fd (stays the caller's).  0, or -errno and
 * *ret_why; on failure the image in force stays. */
int core_policy_install(struct core *core, int fd, uint64_t *ret_generation, const char **ret_why);

/* Worker: this turn's snapshot, or NULL while there is none. */
const struct policy *core_policy_now(const struct core *core);

#endif
