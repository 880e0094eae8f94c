/* deliver_loop.c - see deliver_loop.h */
#include "deliver_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "deliver_log.h"
#include "deliver_queue.h"
#include "deliver_stats.h"
#include "ipc_link.h"
#include "log_line.h"

#define EVENTS_MAX   64
#define LINK_TURN    16 /* link messages a turn */
#define INSTANCE_MAX 256u

enum { TAG_LINK = DELIVER_SLOTS, TAG_QUEUE };

struct slot {
    struct work *work; /* NULL: free */
    uint32_t waits;    /* events registered, 0: none */
    uint32_t use;      /* counts up: an event for an earlier use is stale */
    bool sent;         /* its outcome is with the queue */
    bool syncing;
};

struct deliver {
    int epoll_fd, link_fd, queue_fd;
    uint32_t queue_epoch, queue_waits;
    uint32_t busy;
    bool stopping, over;
    int status;
    struct usec now, stop_due;
    char instance[INSTANCE_MAX];
    struct work_env env;
    struct deliver_stats stats;
    struct slot slots[DELIVER_SLOTS];
    struct link_message message;
    struct queue_packet packet;
    uint8_t outcome[ATTEMPT_BYTES_MAX];
};

static struct usec clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct usec){.us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000};
}

/* Sets what epoll waits for on fd; *waits is what it waits for now. */
static void wait_set(struct deliver *d, int fd, uint64_t tag, uint32_t *waits, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = tag};
    int how = *waits == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (fd < 0 || *waits == events)
        return;
    if (epoll_ctl(d->epoll_fd, events == 0 ? EPOLL_CTL_DEL : how, fd, &ev) != 0)
        log_error("epoll", strerror(errno));
    *waits = events;
}

struct deliver *deliver_new(int take_link_fd, const struct client_timeouts *timeouts)
{
    struct deliver *d = calloc(1, sizeof(*d));
    uint32_t waits = 0;

    if (d == NULL) {
        log_error("start", "out of memory");
        close(take_link_fd);
        return NULL;
    }
    d->link_fd = take_link_fd;
    d->queue_fd = -1;
    d->env = (struct work_env){.instance = d->instance, .timeouts = timeouts};
    deliver_stats_init(&d->stats);
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (d->epoll_fd < 0 || fcntl(take_link_fd, F_SETFL, O_NONBLOCK) != 0) {
        log_error("start", strerror(errno));
        return deliver_free(d);
    }
    wait_set(d, take_link_fd, TAG_LINK, &waits, EPOLLIN);
    return d;
}

int deliver_status(const struct deliver *d)
{
    return d->status;
}

/* ---- slots ---- */

static void slot_free(struct deliver *d, struct slot *slot)
{
    /* The work closes its descriptor, which takes it out of epoll. */
    slot->work = work_free(slot->work);
    *slot = (struct slot){.use = slot->use + 1};
    d->busy--;
    count_set(&d->stats.counters[DELIVER_in_flight], d->busy);
}

static void queue_wait(struct deliver *d, bool outcome_waits)
{
    bool take = d->busy < DELIVER_SLOTS && !d->stopping;

    wait_set(d, d->queue_fd, TAG_QUEUE, &d->queue_waits,
             (take ? (uint32_t)EPOLLIN : 0) | (outcome_waits ? (uint32_t)EPOLLOUT : 0) |
                 (uint32_t)EPOLLHUP); /* always told; not 0, which would unregister */
}

/* Nobody waits for these attempts any more. */
static void queue_drop(struct deliver *d)
{
    for (uint32_t i = 0; i < DELIVER_SLOTS; i++) {
        if (d->slots[i].work == NULL)
            continue;
        if (!d->slots[i].sent)
            deliver_count(&d->stats, DELIVER_abandoned, 1);
        slot_free(d, &d->slots[i]);
    }
    if (d->queue_fd >= 0)
        close(d->queue_fd);
    d->queue_fd = -1;
    d->queue_waits = 0;
}

static void slot_register(struct deliver *d, uint32_t i)
{
    struct slot *slot = &d->slots[i];

    if (slot->work == NULL || work_is_over(slot->work))
        return;
    wait_set(d, work_fd(slot->work), (uint64_t)slot->use << 32 | i, &slot->waits,
             work_wants(slot->work));
}

static void attempt_take(struct deliver *d)
{
    const struct queue_packet *p = &d->packet;
    const char *why = "";
    struct work *w;
    uint32_t i = 0;

    w = work_new(span_of(p->data, p->bytes), p->fds, p->fd_count, &d->env, d->now, &why);
    if (w == NULL) {
        deliver_count(&d->stats, DELIVER_malformed, 1);
        log_error("attempt", why);
        return;
    }
    while (d->slots[i].work != NULL)
        i++;
    d->slots[i].work = w;
    d->busy++;
    count_set(&d->stats.counters[DELIVER_in_flight], d->busy);
    deliver_count(&d->stats, DELIVER_attempts, 1);
    slot_register(d, i);
}

static void queue_input(struct deliver *d)
{
    while (d->queue_fd >= 0 && d->busy < DELIVER_SLOTS && !d->stopping) {
        int rc = queue_receive(d->queue_fd, &d->packet);

        if (rc == -EAGAIN)
            return;
        if (rc == 1) {
            attempt_take(d);
        } else if (rc == -EMSGSIZE) {
            deliver_count(&d->stats, DELIVER_malformed, 1);
            log_error("attempt", "a packet from the queue was too long");
        } else {
            queue_drop(d);
        }
    }
}

/* ---- the link to run ---- */

static void fail(struct deliver *d, const char *error)
{
    json_t *text = json_pack("{s:s}", "error", error);
    char *dump = json_dumps(text, JSON_COMPACT);

    log_error("start", error);
    link_send(d->link_fd, &(struct link_head){.type = LINK_FAILED, .kind = IPC_DELIVER}, dump, NULL,
              0);
    free(dump);
    json_decref(text);
    d->status = 1;
    d->over = true;
}

static void settings_take(struct deliver *d)
{
    const char *instance, *format_text = "json";
    enum log_format format = LOG_JSON;
    json_error_t error;
    json_t *settings = json_loads(d->message.text, 0, &error);

    if (settings == NULL ||
        json_unpack(settings, "{s:s, s?{s?s}}", "instance", &instance, "log", "format",
                    &format_text) != 0 ||
        strlen(instance) >= sizeof(d->instance) || log_format_parse(format_text, &format) != 0) {
        fail(d, "the settings from run cannot be used: are all programs of one build?");
    } else {
        snprintf(d->instance, sizeof(d->instance), "%s", instance);
        log_setup(d->instance, IPC_DELIVER, format);
        link_send(d->link_fd, &(struct link_head){.type = LINK_READY, .kind = IPC_DELIVER}, NULL,
                  NULL, 0);
    }
    json_decref(settings);
}

static void link_take(struct deliver *d)
{
    struct link_message *m = &d->message;

    switch (m->head.type) {
    case LINK_SETTINGS:
        settings_take(d);
        break;
    case LINK_LINK:
        if (m->head.kind != IPC_QUEUE || m->fd_count != 1)
            break;
        queue_drop(d);
        d->queue_fd = m->fds[0];
        d->queue_epoch = m->head.epoch;
        m->fd_count = 0;
        break;
    case LINK_GONE:
        if (m->head.kind == IPC_QUEUE && m->head.epoch == d->queue_epoch)
            queue_drop(d);
        break;
    case LINK_STATS:
        if (m->fd_count == 1 && deliver_stats_share(&d->stats, m->fds[0]) != 0)
            log_error("stats", "the figures' memory is not what this build expects");
        break;
    case LINK_STOP:
        d->stopping = true;
        d->stop_due = usec_add(d->now, DELIVER_STOP_US);
        break;
    default:
        break;
    }
    link_close_fds(m);
}

static void link_input(struct deliver *d)
{
    for (int i = 0; i < LINK_TURN && !d->over; i++) {
        const char *why = "";
        int rc = link_receive(d->link_fd, &d->message, &why);

        if (rc == -EAGAIN)
            return;
        if (rc == 1) {
            link_take(d);
        } else if (rc == -EPROTO) {
            fail(d, why);
        } else {
            d->over = true; /* run is gone, and with it whoever would restart the others */
        }
    }
}

/* ---- the turn ---- */

/* Steps what works on files; what waits for the same directory is synced once. */
static void files_step(struct deliver *d)
{
    for (uint32_t i = 0; i < DELIVER_SLOTS; i++) {
        struct slot *slot = &d->slots[i];

        slot->syncing = slot->work != NULL && work_is_runnable(slot->work) && work_step(slot->work);
    }
    for (uint32_t i = 0; i < DELIVER_SLOTS; i++) {
        if (!d->slots[i].syncing)
            continue;
        struct work *first = d->slots[i].work;
        int rc = work_sync(first);

        for (uint32_t k = i; k < DELIVER_SLOTS; k++) {
            if (d->slots[k].syncing && work_same_sync(first, d->slots[k].work)) {
                d->slots[k].syncing = false;
                work_synced(d->slots[k].work, rc);
            }
        }
    }
}

static void figures_add(struct deliver *d, const struct work *w)
{
    static const enum deliver_counter of[] = {
        [ATTEMPT_DELIVERED] = DELIVER_delivered,
        [ATTEMPT_DEFERRED] = DELIVER_deferred,
        [ATTEMPT_FAILED] = DELIVER_failed,
    };
    bool any = false;

    for (uint32_t i = 0; i < w->verdicts.count; i++) {
        deliver_count(&d->stats, of[w->verdicts.of[i].result], 1);
        any = any || w->verdicts.of[i].result == ATTEMPT_DELIVERED;
    }
    if (any)
        deliver_count(&d->stats, DELIVER_bytes, w->attempt.head.content_bytes);
    if (any && w->target.kind == TARGET_DISCARD) {
        deliver_count(&d->stats, DELIVER_discarded, 1);
        deliver_count(&d->stats, DELIVER_discarded_digest, w->attempt.head.content_crc);
    }
    deliver_count(&d->stats, DELIVER_bad_content, w->bad_content);
    deliver_count(&d->stats, DELIVER_eightbit, w->eightbit);
    histogram_add(d->stats.took, usec_since(w->started, d->now));
}

/* False: the queue does not take it now. */
static bool outcome_send(struct deliver *d, struct slot *slot)
{
    size_t n = work_outcome(slot->work, d->now, d->outcome, sizeof(d->outcome));
    int rc = n > 0 ? queue_send(d->queue_fd, span_of(d->outcome, n)) : -EPIPE;

    if (rc == -EAGAIN)
        return false;
    if (rc != 0) {
        queue_drop(d); /* frees this slot too */
        return true;
    }
    slot->sent = true;
    figures_add(d, slot->work);
    deliver_log(slot->work);
    return true;
}

static void slots_settle(struct deliver *d)
{
    bool waits = false;

    for (uint32_t i = 0; i < DELIVER_SLOTS; i++) {
        struct slot *slot = &d->slots[i];

        if (slot->work == NULL)
            continue;
        work_tick(slot->work, d->now);
        if (work_is_decided(slot->work) && !slot->sent)
            waits = !outcome_send(d, slot) || waits;
        if (slot->work == NULL)
            continue;
        if (slot->sent && work_is_over(slot->work))
            slot_free(d, slot);
        else
            slot_register(d, i);
    }
    queue_wait(d, waits);
}

static bool stop_is_done(const struct deliver *d)
{
    if (!d->stopping || usec_reached(d->stop_due, d->now))
        return d->stopping;
    for (uint32_t i = 0; i < DELIVER_SLOTS; i++)
        if (d->slots[i].work != NULL && !d->slots[i].sent)
            return false;
    return true;
}

static int wait_ms(const struct deliver *d, uint64_t wait_us)
{
    struct usec due = usec_add(d->now, wait_us);

    if (d->stopping && d->stop_due.us < due.us)
        due = d->stop_due;
    for (uint32_t i = 0; i < DELIVER_SLOTS; i++) {
        const struct work *w = d->slots[i].work;

        if (w == NULL)
            continue;
        if (work_is_runnable(w))
            return 0;
        if (work_due(w).us < due.us)
            due = work_due(w);
    }
    return (int)((usec_since(d->now, due) + 999) / 1000);
}

static void event_take(struct deliver *d, const struct epoll_event *event)
{
    uint64_t tag = event->data.u64;

    if (tag == TAG_LINK) {
        link_input(d);
    } else if (tag == TAG_QUEUE) {
        if ((event->events & (EPOLLHUP | EPOLLERR)) != 0)
            queue_drop(d);
        else
            queue_input(d);
    } else {
        struct slot *slot = &d->slots[(uint32_t)tag];

        if (slot->work != NULL && slot->use == (uint32_t)(tag >> 32))
            work_event(slot->work, event->events, d->now);
    }
}

bool deliver_turn(struct deliver *d, uint64_t wait_us)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    if (d->over)
        return false;
    d->now = clock_now();
    n = epoll_wait(d->epoll_fd, events, EVENTS_MAX, wait_ms(d, wait_us));
    d->now = clock_now();
    for (int i = 0; i < n && !d->over; i++)
        event_take(d, &events[i]);
    files_step(d);
    d->now = clock_now(); /* of what a Maildir took, the turn is all */
    slots_settle(d);
    return !d->over && !stop_is_done(d);
}

struct deliver *deliver_free(struct deliver *d)
{
    if (d == NULL)
        return NULL;
    queue_drop(d);
    deliver_stats_done(&d->stats);
    if (d->epoll_fd >= 0)
        close(d->epoll_fd);
    close(d->link_fd);
    free(d);
    return NULL;
}
