/* queue_sched.h - what is tried next: a heap of waits, and lines of ready jobs that take
 * turns by destination.
 *
 * Fairness: destinations with ready jobs are served round robin, each with at most
 * DESTINATION_ACTIVE_MAX attempts under way, all together at most ATTEMPTS_MAX; so a slow one
 * holds up nobody else.
 *
 * Pure: no clock, no I/O; now is passed in.  Memory: heap, bounded by what is put in.
 */
#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include "base_types.h"
#include "queue_limits.h"

#define WAIT_NOT UINT32_MAX

struct sched_wait { /* embedded in what waits; at = WAIT_NOT to begin with */
    uint64_t due_us;
    uint32_t at;
};

struct destination;
struct message;

struct job { /* some recipients of one message for one destination; heap, owned by who made it */
    struct job         *next;
    struct destination *destination;
    struct message     *message; /* NULL: the message is gone, the job is void */
    struct job         *sibling; /* other jobs of the message */
    uint64_t            generation; /* of the policy that chose the route */
    bool                active;
    uint32_t            recipients_n;
    uint32_t            recipients[]; /* indices */
};

struct sched;
struct sched *sched_new(uint32_t total_max, uint32_t destination_max);
struct sched *sched_free(struct sched *sched); /* frees jobs still in line */

void sched_wait(struct sched *sched, struct sched_wait *wait, struct usec due); /* or moves it */
void sched_unwait(struct sched *sched, struct sched_wait *wait);
/* Takes out one that is due, or NULL. */
struct sched_wait *sched_due(struct sched *sched, struct usec now);
bool sched_next(const struct sched *sched, struct usec *ret);
uint32_t sched_waiting(const struct sched *sched);

void sched_push(struct sched *sched, struct span destination, struct job *job);
/* The next job that may start, now active; NULL if none may.  Void jobs are freed on the way. */
struct job *sched_pick(struct sched *sched);
/* The job is no longer active; the caller frees it. */
void sched_done(struct sched *sched, struct job *job);
/* Back to the head of its line. */
void sched_put_back(struct sched *sched, struct job *job);
uint32_t sched_active(const struct sched *sched);
uint32_t sched_ready(const struct sched *sched);

#endif
