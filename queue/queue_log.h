/* queue_log.h - append-only message log; the one place where mail becomes ours.
 *
 * Records are gathered in batches.  One batch is being written and synced at a time, and all
 * that is appended meanwhile goes with the next one (group commit).  A record may be
 * acknowledged (RFC 5321 s4.2.5) only when qlog_reap() has handed back its batch without error;
 * batches come back in the order in which they were appended to.
 *
 * A batch that failed is final for its segment: after a failed fdatasync the kernel may have
 * dropped the dirty pages, so a retry that "succeeds" would lie.  Everything not yet handed back
 * of that segment comes back with the error; later appends go to a new segment.
 *
 * Segments are freed strictly in order of birth, after a TRIM record that says so is durable;
 * so a record that cancels another always outlives it.
 *
 * Threads: the queue thread only.  Clock: none read; now is the caller's.  Memory: BATCHES
 * buffers, and a few dozen bytes for each segment.
 */
#ifndef QUEUE_LOG_H
#define QUEUE_LOG_H

#include "queue_io.h"
#include "queue_segment.h"

struct body;

struct segment { /* written by queue_log.c, queue_spare.c and queue_body.c only */
    uint64_t     birth, tag, tail;
    uint64_t     live_bytes; /* payload bytes of living messages in it */
    uint64_t    *live_total; /* the same of all segments */
    uint32_t     refs;       /* extents and commits of living messages in it */
    uint32_t     readers;    /* delivery attempts that hold its descriptor */
    uint32_t     number;     /* of the file */
    uint32_t     bytes;      /* of the file: an older incarnation's may differ from ours */
    uint32_t     used;
    uint32_t     queued;     /* batches not yet handed back */
    int          write_fd, read_fd;
    bool         failed, gone; /* gone: unlinked, kept for its readers' count */
    struct body *bodies;     /* those whose first byte is in it */
};

struct extent { /* payload bytes only; record heads lie between */
    struct segment *segment;
    uint32_t        offset, bytes;
};

struct qlog_config {
    struct queue_io *io;
    uint32_t segment_bytes; /* multiple of SEGMENT_BLOCK */
    uint32_t batch_bytes;   /* the same */
    uint64_t limit_bytes;   /* of all segment files together */
    bool     sync;
    uint64_t seed;          /* of the tags; from getrandom, except in tests */
};

enum qlog_class { QLOG_MAIL, QLOG_OWN }; /* OWN: outcomes and copies may use the reserve */

enum qlog_kind { ITEM_DATA = 1, ITEM_COMMIT, ITEM_STATE, ITEM_DONE, ITEM_COPY, ITEM_TRIM };
struct qlog_item { /* what the appender wants to be told when the record is durable or failed */
    uint64_t message;
    uint32_t kind;   /* enum qlog_kind */
    uint32_t worker; /* DATA: whose */
};

struct qlog_slot { /* room taken by qlog_reserve, valid until the next call on the log */
    uint8_t *payload;
    uint32_t payload_max;
};

struct qlog_result {
    int      error;              /* 0: durable */
    const struct qlog_item *items;
    uint32_t items_n, bytes;
    struct usec started;
};

struct qlog_figures {
    uint64_t segments, spares, bytes_used, live_bytes, segments_max;
    bool     disk_full; /* the last attempt to make a segment found no room */
};

struct qlog;

/* NULL when out of memory.  Takes no file until qlog_adopt (recovery) and qlog_begin. */
struct qlog *qlog_new(const struct qlog_config *config);
struct qlog *qlog_free(struct qlog *log); /* must be idle: nothing in flight */

/* Recovery: a segment file found, in order of birth, or a spare one. */
struct segment *qlog_adopt(struct qlog *log, uint32_t number, const struct segment_header *header,
                           uint32_t used);
void qlog_adopt_spare(struct qlog *log, uint32_t number);
void qlog_skip_number(struct qlog *log, uint32_t number); /* that file is not to be touched */
/* All is read: segments born before tail are free. */
void qlog_recovered(struct qlog *log, uint64_t tail);
/* Makes the first spare, waiting for it.  0 or -errno. */
int  qlog_begin(struct qlog *log, struct usec now);

/* Room for one record of up to payload_max bytes; write the payload, then qlog_finish, or just
 * leave it.  0; -EAGAIN: the disk is behind, later; -ENOSPC; -EIO: a write failed a moment ago. */
int  qlog_reserve(struct qlog *log, enum qlog_class class, uint32_t payload_max, struct usec now,
                  struct qlog_slot *ret);
/* Seals the record (type, message, sequence, copy, length of head) and returns where its
 * payload will stand. */
struct extent qlog_finish(struct qlog *log, struct record_head *head, struct qlog_item item);

/* Starts writing what has been gathered, if nothing is in flight. */
void qlog_kick(struct qlog *log, struct usec now);
/* 1 and a batch's items (until qlog_release); 0: none has finished. */
int  qlog_reap(struct qlog *log, struct usec now, struct qlog_result *ret);
void qlog_release(struct qlog *log);
bool qlog_in_flight(const struct qlog *log);
bool qlog_idle(const struct qlog *log); /* nothing gathered, nothing in flight */

/* Prepares spare segments, a slice at a time. */
void qlog_turn(struct qlog *log, struct usec now);
/* Other settings for what comes; the size of segments stays. */
void qlog_change(struct qlog *log, uint64_t limit_bytes, bool sync);
void qlog_disk_low(struct qlog *log, bool low); /* low: make no new segment files */

/* The largest payload a record may have here. */
uint32_t qlog_payload_max(const struct qlog *log);
/* Bytes that mail could still take. */
uint64_t qlog_room(const struct qlog *log);
void     qlog_figures(const struct qlog *log, struct qlog_figures *ret);

/* The oldest segment if it is no longer written to, or NULL. */
struct segment *qlog_tail(struct qlog *log);
/* Appends a TRIM if the oldest segments hold nothing; 1, 0 nothing to do, or as reserve. */
int  qlog_trim(struct qlog *log, struct usec now);
void qlog_trimmed(struct qlog *log, bool durable); /* its ITEM_TRIM came back */

/* Reads what is durable.  0 or -errno. */
int qlog_read(struct qlog *log, const struct extent *extent, uint32_t from, void *out, uint32_t n);
bool qlog_readable(const struct qlog *log, const struct extent *extent); /* written out */
/* A read-only descriptor of the segment, valid until qlog_turn; or -errno. */
int qlog_descriptor(struct qlog *log, struct segment *segment);
/* A delivery attempt was given the descriptor; or it is over. */
void segment_lend(struct segment *segment);
void segment_returned(struct segment *segment);

void segment_file_name(char out[IO_NAME_MAX], const char *kind, uint32_t number);
#define SEGMENT_FILE "segment"
#define FILL_FILE    "filling" /* being prepared; of no use after a crash */

#endif
