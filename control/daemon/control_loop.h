/* control_loop.h - sluice-control: configuration, policy, figures and the operator's door.
 *
 * One thread, one epoll.  Nobody waits for this process to live: the dataplane and the queue go
 * on with the policy image they have, and a new control compiles and publishes again, with a
 * generation that is the wall clock's and so grows.
 *
 * Start: SETTINGS from run, then the configuration is read and compiled and the admin address and
 * RUNTIME/control.sock are bound.  What fails there at the first start of all (epoch 1) is FAILED
 * in words; in a later incarnation it is logged and shown by `status`, and `reload` or time
 * (the admin address, every few seconds) mends it.
 *
 * A reload reads, compiles and asks the dataplane to take the new image; only when that has said
 * yes (or is down) it becomes the configuration: the queue gets it, and new incarnations will.
 *
 * Threads: one.  Clock: read once a turn.  A reload holds the loop for as long as it compiles.
 */
#ifndef CONTROL_LOOP_H
#define CONTROL_LOOP_H

#include "base_types.h"

struct control;

/* Takes over the link's descriptor.  NULL when out of memory or descriptors (logged). */
struct control *control_new(int take_link_fd);

/* One turn, waiting at most wait_us; false: end, with control_status(). */
bool control_turn(struct control *c, uint64_t wait_us);
int  control_status(const struct control *c);

struct control *control_free(struct control *c);

#endif
