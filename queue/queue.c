/* queue.c - the parts of the queue process put together, and the order of one turn. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base_must.h"

#define IDLE_US 1000000u

uint32_t settings_segment_bytes(uint64_t limit_bytes)
{
    uint32_t bytes = 4u * 1024 * 1024;

    while (bytes < SEGMENT_BYTES_DEFAULT && (uint64_t)bytes * 32 <= limit_bytes)
        bytes *= 2;
    return bytes;
}

static int open_log(struct queue *q, const char **ret_why)
{
    const struct queue_settings *s = &q->settings;
    struct qlog_config config = {.io = q->io,
                                 .segment_bytes = s->segment_bytes,
                                 .batch_bytes = s->batch_bytes,
                                 .limit_bytes = s->limit_bytes,
                                 .sync = s->sync,
                                 .seed = s->seed};
    struct recovery found;
    int rc;

    *ret_why = "out of memory";
    q->log = qlog_new(&config);
    if (q->log == NULL)
        return -ENOMEM;
    rc = queue_recover(q, &found, ret_why);
    if (rc < 0)
        return rc;
    report_recovery(q, &found);
    *ret_why = "no segment file can be prepared in the queue directory";
    return qlog_begin(q->log, q->now);
}

int queue_open(const struct queue_settings *settings, struct queue_io *io, struct usec now,
               uint64_t wall_us, struct queue **ret, const char **ret_why)
{
    struct queue *q = calloc(1, sizeof(*q));
    int rc;

    must(q != NULL);
    q->settings = *settings;
    q->io = io;
    q->now = now;
    q->wall_us = wall_us;
    rand_seed(&q->rand, settings->seed, 4);
    report_init(q);
    q->report.lines = settings->instance[0] != '\0';
    q->index = index_new(settings->seed);
    q->sched = sched_new(ATTEMPTS_MAX, DESTINATION_ACTIVE_MAX);
    attempts_init(q);
    rc = open_log(q, ret_why);
    if (rc < 0) {
        queue_close(q, true);
        return rc;
    }
    room_turn(q);
    *ret = q;
    return 0;
}

/* What is gathered goes to the disk; bounded, since a disk may never answer. */
static void write_out(struct queue *q)
{
    for (uint32_t i = 0; i < 100000; i++) {
        (void)queue_commits(q);
        (void)queue_flush_dirty(q);
        if (qlog_idle(q->log) && q->dirty_first == NULL)
            return;
        qlog_kick(q->log, q->now);
        qlog_turn(q->log, q->now);
        io_wait(q->io, 10);
        q->now.us += 1000;
    }
}

struct queue *queue_close(struct queue *q, bool crash)
{
    if (q == NULL)
        return NULL;
    if (!crash)
        write_out(q);
    attempts_done(q);
    for (struct message *m = index_after(q->index, 0); m != NULL;
         m = index_after(q->index, m->id)) {
        message_void_jobs(m);
        sched_unwait(q->sched, &m->wait);
    }
    intake_done(q);
    q->index = index_free(q->index);
    q->log = qlog_free(q->log);
    q->sched = sched_free(q->sched);
    route_done(&q->route);
    if (q->report.region != NULL)
        stats_unmap(q->report.region);
    free(q);
    return NULL;
}

uint32_t queue_turn(struct queue *q, struct usec now, uint64_t wall_us)
{
    uint32_t done = 0;

    q->now = now;
    q->wall_us = wall_us;
    done += queue_commits(q);
    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        done += intake_turn(q, &q->intake.workers[i], i);
    done += attempts_turn(q);
    done += queue_flush_dirty(q);
    done += sweep_turn(q);
    qlog_turn(q->log, now);
    room_turn(q);
    qlog_kick(q->log, now);
    report_gauges(q);
    return done;
}

struct usec queue_next(const struct queue *q)
{
    struct usec next = usec_add(q->now, IDLE_US), due;

    if (route_ready(&q->route) && sched_next(q->sched, &due) && due.us < next.us)
        next = due;
    return next;
}
