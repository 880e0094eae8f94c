/* deliver_loop.h - sluice-deliver: one thread, one epoll, up to DELIVER_SLOTS attempts at once.
 *
 * Takes attempts from the queue's socket, moves them on, sends their outcomes.  While every slot
 * is taken it does not read from the queue, which then sees a full socket and waits.
 *
 * The queue's end of the socket closing (or a new one coming) means that nobody waits for the
 * attempts of the old one: they are dropped without an outcome, and the new queue process has
 * them in its log.  STOP: no new attempts, those in flight have DELIVER_STOP_US.  The link to
 * `run` closing ends the process at once.
 *
 * Threads: one.  Clock: read once a turn.
 */
#ifndef DELIVER_LOOP_H
#define DELIVER_LOOP_H

#include "deliver_work.h"

#define DELIVER_SLOTS 100u
#define DELIVER_STOP_US 5000000u

struct deliver;

/* Takes over the link's descriptor (made non-blocking).  timeouts is borrowed.  NULL and the
 * shortage logged when out of memory or descriptors. */
struct deliver *deliver_new(int take_link_fd, const struct client_timeouts *timeouts);

/* One turn: waits up to wait_us for something to do, and does it.  False: the process is to
 * end, with deliver_status(). */
bool deliver_turn(struct deliver *d, uint64_t wait_us);
int  deliver_status(const struct deliver *d);

struct deliver *deliver_free(struct deliver *d);

#endif
