/* queue_log_own.h - the log's inside, shared by queue_log.c and queue_spare.c only. */
#ifndef QUEUE_LOG_OWN_H
#define QUEUE_LOG_OWN_H

#include "base_rand.h"
#include "queue_log.h"

#define READ_FDS_MAX 256u

enum batch_state { BATCH_EMPTY, BATCH_OPEN, BATCH_CLOSED, BATCH_FLIGHT, BATCH_BACK };

struct batch {
    enum batch_state  state;
    uint8_t          *bytes; /* block aligned */
    uint32_t          used;
    uint32_t          base;  /* where in the segment it begins */
    struct segment   *segment;
    struct qlog_item *items;
    uint32_t          items_n;
    int               error;
    struct usec       started;
};

struct fill { /* a segment file being prepared */
    bool     on, in_flight;
    int      file;
    uint32_t number, done;
};

struct qlog {
    struct qlog_config config;
    struct queue_io   *io;
    struct segment   **live; /* in order of birth, from live_head */
    size_t             live_head, live_end, live_cap;
    uint32_t          *spares;
    uint32_t           spares_n;
    struct segment    *active;
    uint64_t           next_birth, tail;
    uint32_t           next_number;
    uint64_t           segments_max, live_bytes;
    struct batch       batches[BATCHES];
    uint32_t           first, count; /* batches not empty, oldest first */
    uint32_t           reserved;     /* payload_max of the open reservation */
    bool               trimming;
    uint64_t           trim_to;
    bool               disk_low, disk_full;
    struct usec        retry_at, fill_at;
    struct fill        fill;
    uint8_t           *zeros;
    struct segment    *readers[READ_FDS_MAX];
    uint32_t           reader_next;
    struct rand        rand;
};

static inline size_t live_count(const struct qlog *log)
{
    return log->live_end - log->live_head;
}

/* queue_spare.c */
int  spare_take(struct qlog *log, enum qlog_class class, struct segment **ret);
void spare_recycle(struct qlog *log, struct segment *segment);
void spare_turn(struct qlog *log, struct usec now);
bool spare_coming(const struct qlog *log); /* one is being made or may be made */
void segment_forget_reader(struct qlog *log, struct segment *segment);

#endif
