/* run_peers.c - introduces the processes to each other: settings, figures, sockets, regions.
 *
 * Epochs (ipc_link.h): told[] keeps the last one each child heard about each other, which is
 * what GONE must name.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf_settings.h"
#include "ipc_stats.h"
#include "log_line.h"
#include "run_house.h"
#include "run_limits.h"

/* Who talks to whom by socket. */
static const struct {
    enum ipc_kind a, b;
} links[] = {
    {IPC_CONTROL, IPC_DATAPLANE},
    {IPC_CONTROL, IPC_QUEUE    },
    {IPC_QUEUE,   IPC_DELIVER  },
};

struct run_child *house_child(struct house *house, enum ipc_kind kind)
{
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        if (house->children[i].kind == kind)
            return &house->children[i];
    }
    return NULL;
}

void peers_send(struct house *house, struct run_child *to, const struct link_head *head,
                const char *text, const int *fds, int fd_count)
{
    struct log_line line;
    int rc;

    (void)house;
    if (to->link < 0)
        return;
    rc = link_send(to->link, head, text, fds, fd_count);
    /* EPIPE: it is ending, and its end will be seen. */
    if (rc == 0 || rc == -EPIPE)
        return;
    log_begin(&line, "child-killed");
    log_str(&line, "child", ipc_kind_name(to->kind));
    log_str(&line, "error", rc == -EAGAIN ? "it does not read its link" : strerror(-rc));
    log_end(&line);
    child_kill(to);
}

static char *settings_of(const struct house *house, const struct run_child *child)
{
    switch (child->kind) {
    case IPC_DATAPLANE:
        return conf_settings_dataplane(house->conf, child->epoch, house->force);
    case IPC_QUEUE:
        return conf_settings_queue(house->conf, child->epoch);
    case IPC_DELIVER:
        return conf_settings_deliver(house->conf, child->epoch);
    default:
        return conf_settings_control(house->conf, child->epoch);
    }
}

static void send_stats(struct house *house, struct run_child *to, const struct run_child *about)
{
    struct link_head head = {
        .type = LINK_STATS, .kind = (uint32_t)about->kind, .epoch = about->epoch};

    if (about->stats < 0)
        return;
    peers_send(house, to, &head, NULL, &about->stats, 1);
    if (to != about)
        to->told[about->kind] = about->epoch;
}

static int introduce(struct house *house, struct run_child *a, struct run_child *b)
{
    struct link_head to_a = {.type = LINK_LINK, .kind = (uint32_t)b->kind, .epoch = b->epoch};
    struct link_head to_b = {.type = LINK_LINK, .kind = (uint32_t)a->kind, .epoch = a->epoch};
    int pair[2], bytes = RUN_LINK_BUFFER_BYTES;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -errno;
    for (int i = 0; i < 2; i++) /* room for several attempts; without it, fewer */
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
    peers_send(house, a, &to_a, NULL, &pair[0], 1);
    peers_send(house, b, &to_b, NULL, &pair[1], 1);
    a->told[b->kind] = b->epoch;
    b->told[a->kind] = a->epoch;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

/* One worker's memory with the queue, to both. */
static int share_region(struct house *house, struct run_child *dataplane, struct run_child *queue,
                        uint32_t worker, uint32_t epoch)
{
    struct link_head head = {.type = LINK_REGION, .worker = worker, .epoch = epoch};
    int fds[2] = {ipc_region_create(IPC_QUEUE, worker, epoch), -1};

    if (fds[0] < 0)
        return fds[0];
    fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fds[1] < 0) {
        int rc = -errno;

        close(fds[0]);
        return rc;
    }
    /* The queue first: it is there when the worker writes. */
    head.kind = IPC_DATAPLANE;
    peers_send(house, queue, &head, NULL, fds, 2);
    head.kind = IPC_QUEUE;
    peers_send(house, dataplane, &head, NULL, fds, 2);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static int share_regions(struct house *house)
{
    struct run_child *dataplane = house_child(house, IPC_DATAPLANE);
    struct run_child *queue = house_child(house, IPC_QUEUE);
    /* Grows with each incarnation of either. */
    uint32_t epoch = dataplane->epoch + queue->epoch - 1;

    for (uint32_t w = 0; w < house->conf->dataplane.cores_count; w++) {
        int rc = share_region(house, dataplane, queue, w, epoch);

        if (rc != 0)
            return rc;
    }
    dataplane->told[IPC_QUEUE] = epoch;
    queue->told[IPC_DATAPLANE] = epoch;
    return 0;
}

static bool is_running(const struct run_child *child)
{
    return child != NULL && child->pid != 0;
}

static int meet_others(struct house *house, struct run_child *child)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(links) && rc == 0; i++) {
        struct run_child *a = house_child(house, links[i].a), *b = house_child(house, links[i].b);

        if ((child == a || child == b) && is_running(a) && is_running(b))
            rc = introduce(house, a, b);
    }
    if (rc == 0 && (child->kind == IPC_DATAPLANE || child->kind == IPC_QUEUE) &&
        is_running(house_child(house, IPC_DATAPLANE)) && is_running(house_child(house, IPC_QUEUE)))
        rc = share_regions(house);
    return rc;
}

int peers_welcome(struct house *house, struct run_child *child)
{
    struct link_head head = {
        .type = LINK_SETTINGS, .kind = (uint32_t)child->kind, .epoch = child->epoch};
    struct run_child *control = house_child(house, IPC_CONTROL);
    char *settings = settings_of(house, child);

    if (settings == NULL)
        return -ENOMEM;
    memset(child->told, 0, sizeof(child->told));
    peers_send(house, child, &head, settings, NULL, 0);
    free(settings);
    if (child->kind != IPC_CONTROL) {
        child->stats = stats_create(child->kind, child->epoch);
        if (child->stats < 0)
            return child->stats;
        send_stats(house, child, child);
        if (is_running(control))
            send_stats(house, control, child);
    } else {
        for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
            if (is_running(&house->children[i]))
                send_stats(house, child, &house->children[i]);
        }
    }
    return meet_others(house, child);
}

void peers_gone(struct house *house, const struct run_child *child)
{
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        struct run_child *other = &house->children[i];
        struct link_head head = {
            .type = LINK_GONE, .kind = (uint32_t)child->kind, .epoch = other->told[child->kind]};

        if (other == child || !is_running(other) || head.epoch == 0)
            continue;
        peers_send(house, other, &head, NULL, NULL, 0);
        other->told[child->kind] = 0;
    }
}
