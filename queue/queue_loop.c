/* queue_loop.c - the loop; see queue_loop.h.
 *
 * While there is work there is no sleep.  While a commit is being written and nothing else is
 * to be done, it sleeps at most a millisecond without asking the workers for a kick: what they
 * put meanwhile goes with the next commit anyway, and a kick costs the worker 10 us.  Idle, it
 * says so in the rings (ring_sleep) and sleeps until something happens. */
#include "queue_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base_must.h"
#include "queue_link.h"

enum watch { WATCH_RUN = 1, WATCH_CONTROL, WATCH_DELIVER, WATCH_DISK, WATCH_KICK };

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t;

    must(clock_gettime(clock, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void watch(int epoll, int fd, enum watch what)
{
    struct epoll_event e = {.events = EPOLLIN,
                            .data = {.u64 = (uint64_t)what << 32 | (uint32_t)fd}};

    if (fd >= 0)
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* Descriptors come and go seldom: all are watched anew. */
static int watch_all(int epoll, struct queue_link *link)
{
    if (epoll >= 0)
        (void)close(epoll);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    must(epoll >= 0);
    watch(epoll, link->run, WATCH_RUN);
    watch(epoll, link->control, WATCH_CONTROL);
    watch(epoll, link->deliver, WATCH_DELIVER);
    if (link->io != NULL)
        watch(epoll, io_of(link->io)->event_fd, WATCH_DISK);
    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        watch(epoll, link->kicks[i], WATCH_KICK);
    link->changed = false;
    return epoll;
}

/* False: there is something in a ring after all. */
static bool rings_sleep(struct queue *q)
{
    bool sleep = true;

    for (uint32_t i = 0; q != NULL && i < INTAKE_WORKERS_MAX; i++)
        if (q->intake.workers[i].open)
            sleep = ring_sleep(&q->intake.workers[i].region.to_peer) && sleep;
    return sleep;
}

static void rings_awake(struct queue *q)
{
    for (uint32_t i = 0; q != NULL && i < INTAKE_WORKERS_MAX; i++)
        if (q->intake.workers[i].open)
            ring_awake(&q->intake.workers[i].region.to_peer);
}

static void drain(int fd)
{
    uint64_t n;

    (void)!read(fd, &n, sizeof(n));
}

static void handle(struct queue_link *link, const struct epoll_event *e, struct usec now,
                   uint64_t wall_us)
{
    int fd = (int)(uint32_t)e->data.u64;

    switch ((enum watch)(e->data.u64 >> 32)) {
    case WATCH_RUN:
        link_run_ready(link, now, wall_us);
        break;
    case WATCH_CONTROL:
        if (fd == link->control)
            link_control_ready(link);
        break;
    case WATCH_DELIVER:
        if (fd == link->deliver)
            link_deliver_ready(link);
        break;
    case WATCH_DISK:
    case WATCH_KICK:
        drain(fd);
        break;
    }
}

/* Milliseconds to sleep at most; rings says whether the rings were told. */
static int sleep_ms(struct queue_link *link, uint32_t done, struct usec now, bool *ret_rings)
{
    struct usec next;
    uint64_t us;

    *ret_rings = false;
    if (done > 0)
        return 0;
    if (link->q == NULL)
        return 1000;
    if (!qlog_idle(link->q->log) || link->q->attempts.blocked || link->answer != NULL ||
        intake_stalled(link->q))
        return 1;
    *ret_rings = true;
    if (!rings_sleep(link->q))
        return 0;
    next = queue_next(link->q);
    us = usec_since(now, next);
    return us > 1000000 ? 1000 : (int)((us + 999) / 1000);
}

int queue_loop(int take_run)
{
    static struct queue_link link;
    struct epoll_event events[16];
    int epoll = -1, failed;

    link_init(&link, take_run);
    epoll = watch_all(epoll, &link);
    for (uint32_t done = 0; !link.stop;) {
        struct usec now = {clock_us(CLOCK_MONOTONIC)};
        uint64_t wall_us;
        bool rings;
        int n = epoll_wait(epoll, events, ARRAY_LEN(events), sleep_ms(&link, done, now, &rings));

        if (rings)
            rings_awake(link.q);
        must(n >= 0 || errno == EINTR);
        now.us = clock_us(CLOCK_MONOTONIC);
        wall_us = clock_us(CLOCK_REALTIME);
        done = 0;
        for (int i = 0; i < n; i++)
            handle(&link, &events[i], now, wall_us);
        if (link.q != NULL && !link.stop) {
            done += queue_turn(link.q, now, wall_us);
            done += link_orders(&link);
        }
        if (link.changed)
            epoll = watch_all(epoll, &link);
    }
    failed = link.failed;
    link_done(&link);
    (void)close(epoll);
    return failed;
}
