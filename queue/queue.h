/* queue.h - the queue process without its sockets: everything that a test can drive with a
 * simulated disk, rings in plain memory and a clock of its own.
 *
 * Threads: one.  Clock: queue_turn's now (never goes back) and wall (microseconds since 1970).
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "base_rand.h"
#include "ipc_spool.h"
#include "ipc_stats.h"
#include "queue_index.h"
#include "queue_retry.h"
#include "queue_route.h"

struct queue_settings {
    char         instance[256], directory[4096];
    uint32_t     workers, epoch;
    uint64_t     limit_bytes, limit_messages, reserve_bytes;
    uint32_t     segment_bytes, batch_bytes;
    struct retry retry;
    bool         sync;
    uint64_t     seed;
};
/* Segment size for a limit: a sixteenth of it, between 4 and 64 MiB. */
uint32_t settings_segment_bytes(uint64_t limit_bytes);

enum queue_counter {
#define COUNTER(id, metric, help) Q_##id,
#define GAUGE(id, metric, help)   Q_##id,
#include "queue_counters.def"
#undef COUNTER
#undef GAUGE
    Q_COUNTERS
};
enum queue_histogram { QH_COMMIT, QH_DELIVERY, QH_COUNT };

struct report { /* queue_report.c */
    struct count        own[Q_COUNTERS]; /* until a region is given */
    struct histogram    own_histograms[QH_COUNT];
    struct count       *counters;
    struct histogram   *histograms;
    struct stats_region *region;
    bool                lines; /* log lines wanted */
};

struct partial;
struct intake_worker { /* queue_intake.c */
    bool              open;
    struct ipc_region region;
    struct partial  **buckets;
    uint32_t          partials; /* not refused ones */
    uint64_t         *refused;  /* ring of ids refused lately */
    uint32_t          refused_next;
    uint32_t          owed;     /* verdicts that will need room in the ring */
    struct spool_ask  stalled;  /* taken from the ring, but the log could not take it yet */
    bool              has_stalled;
    bool              no_room; /* it does not read its answers */
    int               said;     /* STATE last sent: -1 none, else enum spool_reason */
};

struct intake {
    struct intake_worker workers[INTAKE_WORKERS_MAX];
    uint64_t             bytes; /* memory of partials */
    bool                 shut;
};

/* Where ATTEMPT packets go; descriptors are borrowed for the call.
 * 0; -EAGAIN: later; anything else: the peer is gone (queue_deliver_gone follows). */
struct queue_port {
    int (*send)(struct queue_port *port, const void *packet, size_t n, const int *fds,
                uint32_t fds_n);
};

struct attempt_slot {
    struct job      *job;
    uint64_t         token;
    struct usec      started;
    struct segment **pinned; /* segments whose descriptors it was given */
    uint32_t         pinned_n;
    uint32_t         route;
    uint32_t         next_free;
    char             target[256]; /* for the log line */
};

struct attempts { /* queue_attempt.c */
    struct attempt_slot slots[ATTEMPTS_MAX];
    uint32_t            free_head;
    uint64_t            last_token;
    struct queue_port  *port;
    bool                blocked; /* the port said EAGAIN */
    uint8_t            *packet;
    struct usec         checked;
};

enum room_shut { ROOM_OPEN, ROOM_DISK, ROOM_BYTES, ROOM_MESSAGES, ROOM_MEMORY };

struct room { /* queue_room.c */
    bool        shut;
    struct usec looked;
    uint64_t    free_bytes, used_bytes;
    bool        disk_low;
};

struct sweep { /* queue_sweep.c */
    struct body *body; /* being copied, or NULL */
    uint64_t     copied;
    uint64_t     wanted; /* message that must be gathered into fewer segments, or 0 */
};

struct queue {
    struct queue_settings settings;
    struct queue_io      *io;
    struct qlog          *log;
    struct index         *index;
    struct sched         *sched;
    struct route          route;
    struct intake         intake;
    struct attempts       attempts;
    struct room           room;
    struct sweep          sweep;
    struct report         report;
    struct rand           rand;
    struct usec           now;
    uint64_t              wall_us;
    struct message       *dirty_first, *dirty_last;
};

/* Recovers what the directory holds and is ready for turns.  0; or -errno and *ret_why. */
int           queue_open(const struct queue_settings *settings, struct queue_io *io,
                         struct usec now, uint64_t wall_us, struct queue **ret,
                         const char **ret_why);
/* Writes out what is gathered (waits for the disk) unless crash, and frees all. */
struct queue *queue_close(struct queue *q, bool crash);

/* One turn: a bounded piece of everything there is to do.  How much was done; 0: idle. */
uint32_t queue_turn(struct queue *q, struct usec now, uint64_t wall_us);
/* When it must be called again at the latest, if nothing comes in. */
struct usec queue_next(const struct queue *q);

/* queue_commit.c: what came back from the disk, and what must go there. */
uint32_t queue_commits(struct queue *q);
uint32_t queue_flush_dirty(struct queue *q);
void     queue_dirty(struct queue *q, struct message *m);
/* The message ends: DONE goes to the log, then it is freed. */
void     queue_end(struct queue *q, struct message *m);
/* State entries of all (or only dirty) recipients into out; bytes. */
size_t   queue_states(struct message *m, bool all, uint8_t *out, size_t room);

/* queue_intake.c */
void     intake_open(struct queue *q, uint32_t worker, const struct ipc_region *region);
void     intake_close(struct queue *q, uint32_t worker); /* uncommitted messages are dropped */
uint32_t intake_turn(struct queue *q, struct intake_worker *w, uint32_t worker);
/* The verdict on a committed message, to its worker if that is still the same. */
void     intake_answer(struct queue *q, struct message *m, enum spool_answer_type type,
                       enum spool_reason reason);
void     intake_data_failed(struct queue *q, uint32_t worker, uint64_t message);
void     intake_states(struct queue *q);
bool     intake_stalled(const struct queue *q); /* asks wait for the log or the worker */
uint32_t intake_partials(const struct queue *q);
void     intake_done(struct queue *q);

/* queue_attempt.c, queue_outcome.c */
void     attempts_init(struct queue *q);
void     attempts_done(struct queue *q);
uint32_t attempts_turn(struct queue *q);
void     queue_schedule(struct queue *q, struct message *m); /* by its recipients' next times */
void     queue_deliver_here(struct queue *q, struct queue_port *port);
void     queue_deliver_gone(struct queue *q); /* what was under way is retried at once */
void     queue_outcome(struct queue *q, struct span packet);
void     attempt_end(struct queue *q, struct attempt_slot *slot); /* job freed */
void     job_release(struct queue *q, struct job *job);           /* recipients are free again */
void     message_void_jobs(struct message *m); /* those in line; those under way stay */
struct outcome_recipient;
void     outcome_apply(struct queue *q, struct message *m, uint32_t recipient,
                       const struct outcome_recipient *o, struct span route, struct span target);
void     outcome_settle(struct queue *q, struct message *m); /* after outcomes: end or schedule */

/* queue_sweep.c */
uint32_t sweep_turn(struct queue *q);
void     sweep_forget(struct queue *q, struct body *body); /* it goes away or changes kind */
void     sweep_failed(struct queue *q);
void     sweep_want(struct queue *q, struct message *m);

/* queue_room.c */
void room_turn(struct queue *q);

/* queue_recover.c */
struct recovery { /* what was found, for one log line */
    uint32_t segments, spares, foreign, damaged;
    uint64_t messages, dropped, incomplete; /* dropped: finished or cancelled */
    uint64_t records;
    char     foreign_name[64];
    const char *foreign_why;
};
int queue_recover(struct queue *q, struct recovery *ret, const char **ret_why);

/* queue_report.c */
void report_init(struct queue *q);
void report_attach(struct queue *q, struct stats_region *region);
void report_gauges(struct queue *q);
void report_recovery(struct queue *q, const struct recovery *found);
struct delivery {
    const struct message *message;
    const struct recipient *recipient;
    struct span route, target;
    const char *result;
    uint16_t code;
    const uint8_t *status;
    struct span text;
};
void report_delivery(struct queue *q, const struct delivery *d);

static inline void q_count(struct queue *q, enum queue_counter counter, uint64_t n)
{
    count_add(&q->report.counters[counter], n);
}

#endif
