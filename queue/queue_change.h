/* queue_change.h - what an order does to one message: to those of its recipients that match.
 * Each returns 1 if it changed something, else 0; the changes go to the log like any other. */
#ifndef QUEUE_CHANGE_H
#define QUEUE_CHANGE_H

#include "queue.h"

uint32_t change_flush(struct queue *q, struct message *m, const struct filter *f);
/* What is under way is held when it comes back undelivered. */
uint32_t change_hold(struct queue *q, struct message *m, const struct filter *f);
uint32_t change_release(struct queue *q, struct message *m, const struct filter *f);
/* A recipient under way cannot be deleted, unless the whole message is: then it ends with the
 * attempt, whatever its outcome. */
uint32_t change_delete(struct queue *q, struct message *m, const struct filter *f);

#endif
