/* queue_report.c - figures for control, and one log line for each recipient's attempt. */
#include "queue.h"

#include "ipc_id.h"
#include "log_line.h"

static const struct stats_def defs[] = {
#define COUNTER(id, metric, help) {metric, help, STATS_COUNTER},
#define GAUGE(id, metric, help)   {metric, help, STATS_GAUGE},
#include "queue_counters.def"
#undef COUNTER
#undef GAUGE
};
static const struct stats_def histogram_defs[QH_COUNT] = {
    [QH_COMMIT] = {"sluice_queue_commit_seconds",   "time of one group commit", STATS_HISTOGRAM},
    [QH_DELIVERY] = {"sluice_queue_delivery_seconds", "from stored to delivered", STATS_HISTOGRAM},
};
_Static_assert(Q_COUNTERS <= STATS_COUNTERS_MAX && QH_COUNT <= STATS_HISTOGRAMS_MAX, "they fit");

void report_init(struct queue *q)
{
    q->report.counters = q->report.own;
    q->report.histograms = q->report.own_histograms;
}

void report_attach(struct queue *q, struct stats_region *region)
{
    uint32_t first = stats_define(region, defs, Q_COUNTERS);
    uint32_t first_histogram = stats_define(region, histogram_defs, QH_COUNT);

    if (first == UINT32_MAX || first_histogram == UINT32_MAX)
        return;
    struct count *counters = &region->worker[0].counters[first];
    struct histogram *histograms = &region->worker[0].histograms[first_histogram];

    for (uint32_t i = 0; i < Q_COUNTERS; i++)
        count_set(&counters[i], count_get(&q->report.counters[i]));
    memcpy(histograms, q->report.histograms, QH_COUNT * sizeof(*histograms));
    if (q->report.region != NULL)
        stats_unmap(q->report.region);
    q->report.region = region;
    q->report.counters = counters;
    q->report.histograms = histograms;
}

void report_gauges(struct queue *q)
{
    struct count *c = q->report.counters;
    struct qlog_figures f;

    qlog_figures(q->log, &f);
    count_set(&c[Q_MESSAGES], index_count(q->index));
    count_set(&c[Q_DEFERRED_NOW], sched_waiting(q->sched));
    count_set(&c[Q_READY_NOW], sched_ready(q->sched));
    count_set(&c[Q_ACTIVE_NOW], sched_active(q->sched));
    count_set(&c[Q_SEGMENTS], f.segments);
    count_set(&c[Q_SPARES], f.spares);
    count_set(&c[Q_BYTES_USED], f.bytes_used);
    count_set(&c[Q_BYTES_LIVE], f.live_bytes);
    count_set(&c[Q_INDEX_BYTES], index_bytes(q->index));
    count_set(&c[Q_PARTIALS], intake_partials(q));
    count_set(&c[Q_SHUT], q->room.shut);
    count_set(&c[Q_DISK_FREE], q->room.free_bytes);
    count_set(&c[Q_DISK_LOW], q->room.disk_low || f.disk_full);
}

void report_recovery(struct queue *q, const struct recovery *found)
{
    struct log_line l;

    if (!q->report.lines)
        return;
    if (found->foreign > 0) {
        log_begin(&l, "queue-foreign");
        log_u64(&l, "files", found->foreign);
        log_str(&l, "first", found->foreign_name);
        log_str(&l, "reason", found->foreign_why);
        log_end(&l);
    }
    log_begin(&l, "queue-recovered");
    log_u64(&l, "messages", found->messages);
    log_u64(&l, "finished", found->dropped);
    log_u64(&l, "incomplete", found->incomplete);
    log_u64(&l, "records", found->records);
    log_u64(&l, "segments", found->segments);
    log_u64(&l, "spare", found->spares);
    log_u64(&l, "damaged", found->damaged);
    log_end(&l);
}

void report_delivery(struct queue *q, const struct delivery *d)
{
    uint64_t delay = q->wall_us > d->message->stored_us ? q->wall_us - d->message->stored_us : 0;
    struct log_line l;

    if (!q->report.lines)
        return;
    log_begin_at(&l, "delivery", q->wall_us);
    log_id(&l, "message", d->message->id);
    log_id(&l, "session", d->message->session);
    log_text(&l, "sender", d->message->sender);
    log_text(&l, "recipient", d->recipient->address);
    log_text(&l, "route", d->route);
    log_text(&l, "target", d->target);
    log_str(&l, "result", d->result);
    if (d->code != 0) /* none where no SMTP server was asked */
        log_u64(&l, "code", d->code);
    log_status(&l, "status", d->status);
    log_text(&l, "text", d->text);
    log_seconds(&l, "delay", delay);
    log_u64(&l, "attempt", d->recipient->attempts);
    log_end(&l);
}
