/* queue_link.c - settings, regions, sockets and the policy as they are handed to us. */
#include "queue_link.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base_must.h"
#include "log_line.h"

#define MESSAGES_A_TURN 64u

static struct link_message message; /* 64 KiB; one thread */

/* The delivery socket */

static int port_send(struct queue_port *port, const void *packet, size_t n, const int *fds,
                     uint32_t fds_n)
{
    struct queue_link *link =
        (struct queue_link *)(void *)((uint8_t *)port - offsetof(struct queue_link, port));
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(ATTEMPT_SEGMENTS_MAX * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)packet, .iov_len = n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *c;
    ssize_t sent;

    if (fds_n > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds_n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fds_n * sizeof(int));
    }
    do
        sent = sendmsg(link->deliver, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    /* Too many descriptors in flight: deliver has to take some first. */
    return errno == ETOOMANYREFS || errno == ENOBUFS ? -EAGAIN : -errno;
}

static void drop_deliver(struct queue_link *link)
{
    if (link->deliver < 0)
        return;
    (void)close(link->deliver);
    link->deliver = -1;
    link->changed = true;
    if (link->q != NULL)
        queue_deliver_gone(link->q);
}

static void drop_control(struct queue_link *link)
{
    if (link->control < 0)
        return;
    (void)close(link->control);
    link->control = -1;
    link->changed = true;
    free(link->answer);
    link->answer = NULL;
    admin_forget(link->admin);
}

static void drop_region(struct queue_link *link, uint32_t worker)
{
    struct intake_worker *w = &link->q->intake.workers[worker];
    struct ipc_region region = w->region;
    bool open = w->open;

    intake_close(link->q, worker);
    if (open)
        ipc_region_unmap(&region);
    if (link->kicks[worker] >= 0)
        (void)close(link->kicks[worker]);
    link->kicks[worker] = -1;
    link->changed = true;
}

void link_init(struct queue_link *link, int take_run)
{
    memset(link, 0, sizeof(*link));
    link->run = take_run;
    link->control = link->deliver = -1;
    for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
        link->kicks[i] = -1;
    link->port.send = port_send;
    link->admin = admin_new();
    (void)fcntl(take_run, F_SETFD, FD_CLOEXEC);
    (void)fcntl(take_run, F_SETFL, O_NONBLOCK);
}

void link_done(struct queue_link *link)
{
    drop_control(link);
    drop_deliver(link);
    if (link->q != NULL) {
        for (uint32_t i = 0; i < INTAKE_WORKERS_MAX; i++)
            drop_region(link, i);
        link->q = queue_close(link->q, false);
    }
    link->io = io_close(link->io);
    link->admin = admin_free(link->admin);
    (void)close(link->run);
}

/* SETTINGS */

int link_settings(const char *text, struct queue_settings *ret, bool *ret_maillog,
                  const char **ret_why)
{
    json_t *o = json_loads(text, 0, NULL);
    const char *instance = "", *directory = NULL, *sync = "always", *format = "json";
    json_int_t workers = 0, first = 0, maximum = 0, expire = 0, limit = 0, messages = 0,
               reserve = 0, epoch = 0;
    int rc;

    *ret_why = "the settings are not what a queue needs";
    if (o == NULL)
        return -EINVAL;
    rc = json_unpack(o, "{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s?:{s?:s}}",
                     "instance", &instance, "directory", &directory, "workers", &workers,
                     "retry_first_us", &first, "retry_maximum_us", &maximum, "expire_us", &expire,
                     "sync", &sync, "limit_bytes", &limit, "limit_messages", &messages,
                     "reserve_bytes", &reserve, "epoch", &epoch, "log", "format", &format);
    memset(ret, 0, sizeof(*ret));
    if (rc != 0 || workers < 1 || workers > INTAKE_WORKERS_MAX || first <= 0 || maximum < first ||
        expire <= 0 || limit <= 0 || messages <= 0 || reserve < 0 ||
        strlen(instance) >= sizeof(ret->instance) || strlen(directory) >= sizeof(ret->directory)) {
        json_decref(o);
        return -EINVAL;
    }
    snprintf(ret->instance, sizeof(ret->instance), "%s", instance);
    snprintf(ret->directory, sizeof(ret->directory), "%s", directory);
    ret->workers = (uint32_t)workers;
    ret->epoch = (uint32_t)epoch;
    ret->limit_bytes = (uint64_t)limit;
    ret->limit_messages = (uint64_t)messages;
    ret->reserve_bytes = (uint64_t)reserve;
    ret->retry = (struct retry){(uint64_t)first, (uint64_t)maximum, (uint64_t)expire};
    ret->sync = strcmp(sync, "never") != 0;
    ret->segment_bytes = settings_segment_bytes(ret->limit_bytes);
    ret->batch_bytes = BATCH_BYTES;
    *ret_maillog = strcmp(format, "maillog") == 0;
    json_decref(o);
    return 0;
}

static void say_failed(struct queue_link *link, const char *why, int error)
{
    const struct link_head head = {.type = LINK_FAILED, .kind = IPC_QUEUE};
    char text[512];
    json_t *o;
    char *dump;

    snprintf(text, sizeof(text), "%s (%s)", why, strerror(-error));
    o = json_pack("{s:s}", "error", text);
    dump = json_dumps(o, JSON_COMPACT);
    log_error("queue-failed", text);
    if (dump != NULL)
        (void)link_send(link->run, &head, dump, NULL, 0);
    free(dump);
    json_decref(o);
    link->failed = 1;
    link->stop = true;
}

static void take_settings(struct queue_link *link, struct usec now, uint64_t wall_us)
{
    const struct link_head ready = {.type = LINK_READY, .kind = IPC_QUEUE};
    struct queue_settings settings;
    const char *why = "";
    bool maillog;
    int rc;

    if (link->q != NULL)
        return;
    rc = link_settings(message.text, &settings, &maillog, &why);
    if (rc == 0)
        log_setup(settings.instance, IPC_QUEUE, maillog ? LOG_MAILLOG : LOG_JSON);
    if (rc == 0 && getrandom(&settings.seed, sizeof(settings.seed), 0) != sizeof(settings.seed))
        rc = -EIO;
    if (rc == 0)
        rc = io_open(settings.directory, settings.sync, &link->io, &why);
    if (rc == 0)
        rc = queue_open(&settings, io_of(link->io), now, wall_us, &link->q, &why);
    if (rc < 0) {
        say_failed(link, why, rc);
        return;
    }
    link->changed = true;
    (void)link_send(link->run, &ready, NULL, NULL, 0);
}

/* REGION, LINK, GONE, STATS */

static void take_region(struct queue_link *link)
{
    const struct link_head *h = &message.head;
    struct ipc_region region;
    int rc;

    if (link->q == NULL || message.fd_count != 2 || h->worker >= INTAKE_WORKERS_MAX)
        return;
    rc = ipc_region_map(&region, message.fds[0], IPC_QUEUE, h->worker, h->epoch);
    if (rc < 0) {
        log_error("queue-region", "a worker's region is not what it should be; it is left out");
        return;
    }
    drop_region(link, h->worker);
    intake_open(link->q, h->worker, &region);
    link->kicks[h->worker] = message.fds[1];
    message.fds[1] = message.fds[0];
    message.fd_count = 1;
    (void)fcntl(link->kicks[h->worker], F_SETFL, O_NONBLOCK);
}

static void take_link(struct queue_link *link)
{
    int fd;

    if (message.fd_count != 1)
        return;
    if (message.head.kind != IPC_CONTROL && message.head.kind != IPC_DELIVER)
        return;
    fd = message.fds[0];
    message.fd_count = 0;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    if (message.head.kind == IPC_CONTROL) {
        drop_control(link);
        link->control = fd;
        link->control_epoch = message.head.epoch;
    } else {
        drop_deliver(link);
        link->deliver = fd;
        link->deliver_epoch = message.head.epoch;
        if (link->q != NULL)
            queue_deliver_here(link->q, &link->port);
    }
    link->changed = true;
}

static void take_gone(struct queue_link *link)
{
    const struct link_head *h = &message.head;

    if (h->kind == IPC_CONTROL && h->epoch == link->control_epoch)
        drop_control(link);
    if (h->kind == IPC_DELIVER && h->epoch == link->deliver_epoch)
        drop_deliver(link);
    for (uint32_t i = 0; h->kind == IPC_DATAPLANE && link->q != NULL && i < INTAKE_WORKERS_MAX; i++)
        if (link->q->intake.workers[i].open && link->q->intake.workers[i].region.epoch <= h->epoch)
            drop_region(link, i);
}

static void take_stats(struct queue_link *link)
{
    struct stats_region *region;

    if (link->q == NULL || message.fd_count != 1)
        return;
    region = stats_map(message.fds[0], IPC_QUEUE, true);
    if (region != NULL)
        report_attach(link->q, region);
}

void link_run_ready(struct queue_link *link, struct usec now, uint64_t wall_us)
{
    const char *why = "";

    for (uint32_t n = 0; n < MESSAGES_A_TURN && !link->stop; n++) {
        int rc = link_receive(link->run, &message, &why);

        if (rc == -EAGAIN)
            return;
        if (rc == -EPROTO) {
            say_failed(link, why, rc);
            return;
        }
        if (rc <= 0) { /* run is gone: nobody will start what we need; finish in order */
            link->stop = true;
            return;
        }
        switch (message.head.type) {
        case LINK_SETTINGS:
            take_settings(link, now, wall_us);
            break;
        case LINK_REGION:
            take_region(link);
            break;
        case LINK_LINK:
            take_link(link);
            break;
        case LINK_GONE:
            take_gone(link);
            break;
        case LINK_STATS:
            take_stats(link);
            break;
        case LINK_STOP:
            link->stop = true;
            break;
        default:
            break;
        }
        link_close_fds(&message);
    }
}

/* Control */

static void take_policy(struct queue_link *link)
{
    const struct link_head head = {
        .type = LINK_POLICY_SET, .kind = IPC_QUEUE, .token = message.head.token};
    const char *why = "no image came with it";
    json_int_t generation = 0;
    json_t *said = json_loads(message.text, 0, NULL), *o;
    char *text;
    int rc = -EBADMSG;

    if (said != NULL)
        (void)json_unpack(said, "{s:I}", "generation", &generation);
    json_decref(said);
    if (message.fd_count == 1)
        rc = route_load(&link->q->route, message.fds[0], &why);
    o = json_pack("{s:I}", "generation", generation);
    if (rc < 0)
        json_object_set_new(o, "error", json_string(why));
    text = json_dumps(o, JSON_COMPACT);
    if (text != NULL)
        (void)link_send(link->control, &head, text, NULL, 0);
    free(text);
    json_decref(o);
}

static void take_order(struct queue_link *link)
{
    const struct link_head head = {
        .type = LINK_ANSWER, .kind = IPC_QUEUE, .token = message.head.token};

    if (admin_order(link->admin, message.head.token, message.text) < 0)
        (void)link_send(link->control, &head,
                        "{\"ok\":false,\"error\":\"the queue has too many orders waiting\"}", NULL,
                        0);
}

void link_control_ready(struct queue_link *link)
{
    const char *why = "";

    for (uint32_t n = 0; n < MESSAGES_A_TURN && link->control >= 0 && link->q != NULL; n++) {
        int rc = link_receive(link->control, &message, &why);

        if (rc == -EAGAIN)
            return;
        if (rc <= 0) {
            if (rc == -EPROTO)
                log_error("queue-control", why);
            drop_control(link);
            return;
        }
        if (message.head.type == LINK_POLICY)
            take_policy(link);
        else if (message.head.type == LINK_ORDER)
            take_order(link);
        link_close_fds(&message);
    }
}

uint32_t link_orders(struct queue_link *link)
{
    struct link_head head = {.type = LINK_ANSWER, .kind = IPC_QUEUE};
    int rc;

    if (link->q == NULL || link->control < 0)
        return 0;
    if (link->answer == NULL) {
        if (!admin_busy(link->admin))
            return 0;
        if (!admin_turn(link->q, link->admin, &link->answer_token, &link->answer))
            return 1;
    }
    head.token = link->answer_token;
    rc = link_send(link->control, &head, link->answer, NULL, 0);
    if (rc == -EAGAIN)
        return 0; /* at the next turn */
    free(link->answer);
    link->answer = NULL;
    if (rc < 0)
        drop_control(link);
    return 1;
}

/* Deliver */

void link_deliver_ready(struct queue_link *link)
{
    static uint8_t packet[ATTEMPT_BYTES_MAX];

    for (uint32_t n = 0; n < TURN_OUTCOMES && link->deliver >= 0 && link->q != NULL; n++) {
        ssize_t got = recv(link->deliver, packet, sizeof(packet), MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got <= 0) {
            drop_deliver(link);
            return;
        }
        queue_outcome(link->q, span_of(packet, (size_t)got));
    }
}
