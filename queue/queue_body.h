/* queue_body.h - where the bytes of one message stand in the log, and the counts that keep
 * their segments alive.
 *
 * Memory: heap, 16 bytes for each extent past the first.  Owner: the partial or message that
 * embeds it; its address must not change while it holds anything (body_move).
 */
#ifndef QUEUE_BODY_H
#define QUEUE_BODY_H

#include "queue_log.h"

enum body_kind { BODY_NONE, BODY_PARTIAL, BODY_MESSAGE, BODY_COPY };

struct body { /* written by queue_body.c and queue_sweep.c only */
    uint64_t        message;
    uint64_t        bytes;  /* sum of the extents */
    struct extent  *extents;
    struct extent   one;
    uint32_t        extents_n, extents_cap;
    uint32_t        records; /* DATA records of this copy */
    uint32_t        copy;
    uint32_t        worker;  /* PARTIAL: whose */
    enum body_kind  kind;
    struct segment *commit;  /* where its COMMIT record is */
    struct body    *fresh;   /* its copy on the way */
    bool            fresh_broken, unreadable;
    struct segment *listed;
    struct body    *prev, *next; /* in listed->bodies, a ring */
};

void body_init(struct body *body, enum body_kind kind, uint64_t message, uint32_t worker);
void body_add(struct body *body, struct extent extent);
void body_committed(struct body *body, struct segment *segment);
/* Lets go of everything, its fresh copy too. */
void body_drop(struct body *body);
/* Moves what from holds into to (uninitialised); from is empty after. */
void body_move(struct body *to, struct body *from, enum body_kind kind);
/* The fresh copy takes the old one's place. */
void body_renew(struct body *body);
void body_forget_fresh(struct body *body);
/* To the end of its segment's ring. */
void body_rotate(struct body *body);
/* Segments named by bytes from..end of the stream. */
uint32_t body_segments(const struct body *body, uint64_t from);
/* The oldest segment it needs, NULL for none. */
struct segment *body_oldest(const struct body *body);

#endif
