/* queue_index.h - the messages that are alive, by id: what they are, who still waits for them.
 *
 * A skip list in order of id: find, insert, remove and "the next after" are O(log n).
 * Memory: one block for each message, and a text for each recipient that failed; all counted
 * (index_bytes) so that intake can be shut before it is too much.
 * Threads: the queue thread.  Clock: none.
 */
#ifndef QUEUE_INDEX_H
#define QUEUE_INDEX_H

#include "ipc_envelope.h"
#include "queue_body.h"
#include "queue_sched.h"

#define INDEX_HEIGHT 16u

enum message_state {
    MESSAGE_COMMITTING, /* its COMMIT is not yet durable: nobody may see or deliver it */
    MESSAGE_LIVE,
    MESSAGE_ENDING      /* finished, cancelled or deleted; its DONE is not yet durable */
};

struct recipient {
    uint64_t    next_us; /* wall clock; 0: at once */
    char       *reason;  /* heap; NULL: none */
    struct span address; /* in the message's block */
    uint32_t    attempts;
    uint16_t    code;
    uint8_t     state;   /* enum recipient_state */
    uint8_t     status[3];
    bool        active;  /* in a job: in line or under way */
    bool        under_way;
    bool        dirty;   /* its state is not in the log yet */
    bool        hold;    /* an order came while it was active */
};

struct message {
    uint64_t           id, session;
    uint64_t           arrived_us, stored_us; /* wall clock */
    uint64_t           content_bytes;
    uint32_t           content_crc, envelope_bytes, flags;
    uint32_t           recipients_n;
    uint32_t           waiting, held, active; /* recipients; active ones wait too */
    struct recipient  *recipients;
    struct span        sender;
    struct body        body;
    enum message_state state;
    bool               doomed;   /* ends as soon as nothing is active */
    bool               broken;   /* a DATA batch of it failed before its COMMIT */
    bool               cancelled;/* by the worker: CANCELLED is owed when DONE is durable */
    uint8_t            crashes;  /* times the delivery process died with it */
    struct {
        uint32_t      worker, epoch;
        struct handle session;
        bool          owed;
    } answer;
    struct sched_wait  wait;
    struct job        *jobs; /* by sibling */
    struct message    *dirty_next;
    bool               in_dirty;
    size_t             bytes; /* memory */
    uint32_t           height;
    struct message    *next[]; /* height pointers, then recipients and texts */
};

struct index;
struct index *index_new(uint64_t seed);
struct index *index_free(struct index *index); /* drops and frees all messages */

/* A message made from its envelope, not yet in the index.  NULL: an envelope that does not say
 * what it claims (number of recipients) or a recipient too long. */
struct message *message_make(struct index *index, const struct envelope *envelope);
/* Frees it; it holds no bytes of the log any more and is in no index, heap or line. */
struct message *message_free(struct index *index, struct message *message);
void message_reason(struct index *index, struct recipient *recipient, struct span text);
/* Changes a recipient's state, keeping the message's counts. */
void message_enter(struct message *message, struct recipient *recipient,
                   enum recipient_state state);
static inline bool message_finished(const struct message *m)
{
    return m->waiting == 0 && m->held == 0;
}

bool            index_insert(struct index *index, struct message *message); /* false: id exists */
void            index_remove(struct index *index, struct message *message);
struct message *index_find(const struct index *index, uint64_t id);
struct message *index_after(const struct index *index, uint64_t id); /* smallest greater id */
uint64_t        index_count(const struct index *index);
uint64_t        index_bytes(const struct index *index);

/* Selection for orders; an empty part matches everything. */
enum filter_state { FILTER_ANY, FILTER_QUEUED, FILTER_DEFERRED, FILTER_ACTIVE, FILTER_HELD };
struct filter {
    uint64_t          id; /* 0: any */
    bool              null_sender;
    struct span       sender, recipient, domain;
    enum filter_state state;
};
/* Messages match when they are LIVE and one recipient matches all of recipient, domain, state. */
bool filter_message(const struct filter *filter, const struct message *message);
bool filter_recipient(const struct filter *filter, const struct recipient *recipient);
const char *recipient_state_name(const struct recipient *recipient);
struct span address_domain(struct span address); /* after the last @; empty if none */

#endif
