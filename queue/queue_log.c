/* queue_log.c - append, batches, group commit; see queue_log.h. */
#include <errno.h>
#include <stdlib.h>

#include "base_must.h"
#include "queue_log_own.h"

static struct batch *batch_at(struct qlog *log, uint32_t i)
{
    return &log->batches[(log->first + i) % BATCHES];
}

static struct batch *open_batch(struct qlog *log)
{
    struct batch *b = log->count == 0 ? NULL : batch_at(log, log->count - 1);

    return b != NULL && b->state == BATCH_OPEN ? b : NULL;
}

void qlog_change(struct qlog *log, uint64_t limit_bytes, bool sync)
{
    log->config.sync = sync;
    log->segments_max = limit_bytes / log->config.segment_bytes;
    if (log->segments_max < SEGMENTS_MIN)
        log->segments_max = SEGMENTS_MIN;
    if (log->segments_max > SEGMENTS_MAX)
        log->segments_max = SEGMENTS_MAX;
}

struct qlog *qlog_new(const struct qlog_config *config)
{
    struct qlog *log = calloc(1, sizeof(*log));

    if (log == NULL)
        return NULL;
    must(config->segment_bytes % SEGMENT_BLOCK == 0 && config->batch_bytes % SEGMENT_BLOCK == 0);
    must(config->batch_bytes >= IPC_CHUNK_BYTES + 4 * SEGMENT_BLOCK &&
         config->segment_bytes >= config->batch_bytes);
    log->config = *config;
    log->io = config->io;
    log->next_birth = log->tail = 1;
    log->next_number = 1;
    qlog_change(log, config->limit_bytes, config->sync);
    rand_seed(&log->rand, config->seed, 1);
    log->fill.file = -1;
    log->zeros = aligned_alloc(SEGMENT_BLOCK, FILL_SLICE_BYTES);
    if (log->zeros == NULL)
        return qlog_free(log);
    memset(log->zeros, 0, FILL_SLICE_BYTES);
    for (unsigned i = 0; i < BATCHES; i++) {
        log->batches[i].bytes = aligned_alloc(SEGMENT_BLOCK, config->batch_bytes);
        log->batches[i].items = calloc(BATCH_ITEMS, sizeof(struct qlog_item));
        if (log->batches[i].bytes == NULL || log->batches[i].items == NULL)
            return qlog_free(log);
    }
    return log;
}

struct qlog *qlog_free(struct qlog *log)
{
    if (log == NULL)
        return NULL;
    for (unsigned i = 0; i < BATCHES; i++) {
        free(log->batches[i].bytes);
        free(log->batches[i].items);
    }
    for (size_t i = log->live_head; i < log->live_end; i++) {
        struct segment *s = log->live[i];

        if (s->read_fd >= 0)
            log->io->close(log->io, s->read_fd);
        if (s->write_fd >= 0)
            log->io->close(log->io, s->write_fd);
        free(s);
    }
    if (log->fill.file >= 0)
        log->io->close(log->io, log->fill.file);
    free(log->live);
    free(log->spares);
    free(log->zeros);
    free(log);
    return NULL;
}

uint32_t qlog_payload_max(const struct qlog *log)
{
    /* A batch in a new segment begins with the header block. */
    uint32_t n = log->config.batch_bytes - SEGMENT_BLOCK - RECORD_HEAD_BYTES;

    return n < RECORD_PAYLOAD_MAX ? n : RECORD_PAYLOAD_MAX;
}

/* The gap up to the block's end stays zero: recovery steps over zeros only. */
static void close_batch(struct qlog *log, struct batch *b)
{
    uint32_t padded = align_up(b->used, SEGMENT_BLOCK);

    memset(b->bytes + b->used, 0, padded - b->used);
    b->used = padded;
    b->state = BATCH_CLOSED;
    b->segment->used = b->base + padded;
    (void)log;
}

static bool fits_segment(const struct qlog *log, const struct segment *s, uint32_t need)
{
    return s->used + (uint64_t)need <= log->config.segment_bytes;
}

static int begin_batch(struct qlog *log, struct segment *s, bool fresh)
{
    struct batch *b;

    if (log->count == BATCHES)
        return -EAGAIN;
    b = batch_at(log, log->count++);
    must(b->state == BATCH_EMPTY);
    b->state = BATCH_OPEN;
    b->segment = s;
    b->items_n = 0;
    b->error = 0;
    b->base = fresh ? 0 : s->used;
    b->used = 0;
    s->queued++;
    if (fresh) { /* the header goes with the first batch: no barrier of its own */
        segment_header_put(b->bytes, log->config.segment_bytes, s->birth, s->tag, s->tail);
        b->used = SEGMENT_BLOCK;
    }
    return 0;
}

static int next_segment(struct qlog *log, enum qlog_class class)
{
    struct segment *s;
    int rc;

    if (log->count == BATCHES)
        return -EAGAIN;
    rc = spare_take(log, class, &s);
    if (rc < 0)
        return rc;
    log->active = s;
    return begin_batch(log, s, true);
}

int qlog_reserve(struct qlog *log, enum qlog_class class, uint32_t payload_max, struct usec now,
                 struct qlog_slot *ret)
{
    uint32_t need = record_bytes(payload_max);
    struct batch *b = open_batch(log);
    int rc;

    must(payload_max <= qlog_payload_max(log));
    log->reserved = 0;
    if (!usec_reached(log->retry_at, now))
        return -EIO;
    if (b != NULL && (b->used + need > log->config.batch_bytes || b->items_n == BATCH_ITEMS ||
                      b->base + b->used + (uint64_t)need > log->config.segment_bytes)) {
        close_batch(log, b);
        b = NULL;
    }
    if (b == NULL) {
        if (log->active != NULL && fits_segment(log, log->active, need))
            rc = begin_batch(log, log->active, false);
        else
            rc = next_segment(log, class);
        if (rc == -EIO)
            log->retry_at = usec_add(now, LOG_RETRY_US);
        if (rc < 0)
            return rc;
        b = open_batch(log);
    }
    log->reserved = payload_max;
    ret->payload = b->bytes + b->used + RECORD_HEAD_BYTES;
    ret->payload_max = payload_max;
    return 0;
}

struct extent qlog_finish(struct qlog *log, struct record_head *head, struct qlog_item item)
{
    struct batch *b = open_batch(log);
    struct extent e;

    must(b != NULL && head->length <= log->reserved);
    record_seal(b->bytes + b->used, b->segment->tag, head);
    e = (struct extent){.segment = b->segment,
                        .offset = b->base + b->used + RECORD_HEAD_BYTES,
                        .bytes = head->length};
    b->used += record_bytes(head->length);
    b->segment->used = b->base + b->used;
    b->items[b->items_n++] = item;
    log->reserved = 0;
    return e;
}

void qlog_kick(struct qlog *log, struct usec now)
{
    struct batch *b = log->count == 0 ? NULL : batch_at(log, 0);
    int rc;

    if (b == NULL || b->state == BATCH_FLIGHT || b->state == BATCH_BACK)
        return;
    if (b->state == BATCH_OPEN) {
        if (b->items_n == 0)
            return;
        close_batch(log, b);
    }
    b->started = now;
    log->reserved = 0;
    if (b->segment->failed) {
        b->state = BATCH_BACK;
        b->error = -EIO;
        return;
    }
    rc = log->io->start(log->io, IO_COMMIT, b->segment->write_fd, b->bytes, b->used, b->base,
                        log->config.sync);
    b->state = rc < 0 ? BATCH_BACK : BATCH_FLIGHT;
    b->error = rc;
}

static void batch_failed(struct qlog *log, struct batch *b, struct usec now)
{
    struct batch *open = open_batch(log);

    b->segment->failed = true;
    if (open != NULL && open->segment == b->segment)
        close_batch(log, open);
    if (log->active == b->segment)
        log->active = NULL;
    log->retry_at = usec_add(now, LOG_RETRY_US);
}

int qlog_reap(struct qlog *log, struct usec now, struct qlog_result *ret)
{
    struct batch *b = log->count == 0 ? NULL : batch_at(log, 0);

    if (b == NULL)
        return 0;
    /* What waits for a segment that failed needs no disk to come back. */
    if ((b->state == BATCH_CLOSED || b->state == BATCH_OPEN) && b->segment->failed) {
        b->state = BATCH_BACK;
        b->error = -EIO;
        b->started = now;
    }
    if (b->state == BATCH_FLIGHT && log->io->reap(log->io, IO_COMMIT, &b->error) == 1)
        b->state = BATCH_BACK;
    if (b->state != BATCH_BACK)
        return 0;
    if (b->error != 0)
        batch_failed(log, b, now);
    *ret = (struct qlog_result){.error = b->error,
                                .items = b->items,
                                .items_n = b->items_n,
                                .bytes = b->used,
                                .started = b->started};
    return 1;
}

void qlog_release(struct qlog *log)
{
    struct batch *b = batch_at(log, 0);
    struct segment *s = b->segment;

    must(log->count > 0 && b->state == BATCH_BACK);
    b->state = BATCH_EMPTY;
    b->segment = NULL;
    log->first = (log->first + 1) % BATCHES;
    log->count--;
    if (--s->queued == 0 && s != log->active && s->write_fd >= 0) {
        log->io->close(log->io, s->write_fd);
        s->write_fd = -1;
    }
}

bool qlog_in_flight(const struct qlog *log)
{
    return log->count > 0 && log->batches[log->first].state == BATCH_FLIGHT;
}

bool qlog_idle(const struct qlog *log)
{
    const struct batch *b = &log->batches[log->first];

    return !log->fill.in_flight &&
           (log->count == 0 || (log->count == 1 && b->state == BATCH_OPEN && b->items_n == 0));
}

bool qlog_readable(const struct qlog *log, const struct extent *extent)
{
    for (uint32_t i = 0; i < log->count; i++) {
        const struct batch *b = &log->batches[(log->first + i) % BATCHES];

        if (b->segment == extent->segment && extent->offset >= b->base)
            return false;
    }
    return true;
}

void qlog_turn(struct qlog *log, struct usec now)
{
    spare_turn(log, now);
}

void qlog_disk_low(struct qlog *log, bool low)
{
    log->disk_low = low;
}

uint64_t qlog_room(const struct qlog *log)
{
    uint64_t whole = log->config.segment_bytes - SEGMENT_BLOCK;
    uint64_t live = live_count(log), more = 0;
    uint64_t room = log->active == NULL ? 0 : log->config.segment_bytes - log->active->used;

    if (live + SEGMENTS_RESERVED < log->segments_max)
        more = log->segments_max - SEGMENTS_RESERVED - live;
    if (!spare_coming(log)) {
        uint64_t spare = log->spares_n > 1 ? log->spares_n - 1 : 0;

        more = spare < more ? spare : more;
    }
    return room + more * whole;
}

void qlog_figures(const struct qlog *log, struct qlog_figures *ret)
{
    uint64_t files = live_count(log) + log->spares_n + (log->fill.on ? 1 : 0);

    *ret = (struct qlog_figures){.segments = live_count(log),
                                 .spares = log->spares_n,
                                 .bytes_used = files * log->config.segment_bytes,
                                 .live_bytes = log->live_bytes,
                                 .segments_max = log->segments_max,
                                 .disk_full = log->disk_full};
}

/* TRIM */

static bool written_out(const struct qlog *log, const struct segment *s)
{
    return s != log->active && s->queued == 0;
}

struct segment *qlog_tail(struct qlog *log)
{
    struct segment *s = live_count(log) == 0 ? NULL : log->live[log->live_head];

    return s != NULL && written_out(log, s) ? s : NULL;
}

int qlog_trim(struct qlog *log, struct usec now)
{
    struct record_head head = {.type = RECORD_TRIM, .length = sizeof(uint64_t)};
    size_t i = log->live_head;
    struct qlog_slot slot;
    uint64_t to;
    int rc;

    while (i < log->live_end && written_out(log, log->live[i]) && log->live[i]->refs == 0)
        i++;
    if (log->trimming || i == log->live_head)
        return 0;
    rc = qlog_reserve(log, QLOG_OWN, sizeof(to), now, &slot);
    if (rc < 0)
        return rc;
    to = log->live[i - 1]->birth + 1;
    memcpy(slot.payload, &to, sizeof(to));
    qlog_finish(log, &head, (struct qlog_item){.kind = ITEM_TRIM});
    log->trimming = true;
    log->trim_to = to;
    return 1;
}

void qlog_trimmed(struct qlog *log, bool durable)
{
    log->trimming = false;
    if (durable)
        qlog_recovered(log, log->trim_to);
}

void qlog_recovered(struct qlog *log, uint64_t tail)
{
    if (tail > log->tail)
        log->tail = tail;
    while (live_count(log) > 0 && log->live[log->live_head]->birth < log->tail)
        spare_recycle(log, log->live[log->live_head++]);
}
