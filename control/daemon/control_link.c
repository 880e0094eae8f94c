/* control_link.c - see control_link.h */
#include "control_link.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ERRNO_MAX 133

void links_init(struct links *l, int take_run_fd)
{
    memset(l, 0, sizeof(*l));
    l->run_fd = take_run_fd;
    fcntl(take_run_fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < IPC_KINDS; i++)
        l->peers[i].fd = -1;
}

void links_done(struct links *l)
{
    for (uint32_t i = 0; i < l->kept_count; i++) {
        link_close_fds(l->kept[i]);
        free(l->kept[i]);
    }
    for (int i = 0; i < IPC_KINDS; i++) {
        links_drop(l, (enum ipc_kind)i);
        stats_unmap(l->peers[i].stats);
        l->peers[i].stats = NULL;
    }
    close(l->run_fd);
    l->kept_count = 0;
}

bool links_kept(const struct links *l)
{
    return l->kept_count > 0;
}

int links_receive(struct links *l, struct link_message *ret, const char **ret_why)
{
    int rc;

    if (l->kept_count > 0) {
        struct link_message *first = l->kept[0];

        *ret = *first;
        free(first);
        memmove(l->kept, l->kept + 1, --l->kept_count * sizeof(l->kept[0]));
        return 1;
    }
    rc = l->closed ? 0 : link_receive(l->run_fd, ret, ret_why);
    l->closed = rc == 0;
    return rc;
}

/* ---- peers ---- */

void links_drop(struct links *l, enum ipc_kind kind)
{
    struct peer *peer = &l->peers[kind];

    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static void stats_take(struct peer *peer, struct link_message *m)
{
    struct stats_region *stats =
        m->fd_count == 1 ? stats_map(m->fds[0], (enum ipc_kind)m->head.kind, false) : NULL;

    if (stats == NULL)
        return;
    stats_unmap(peer->stats);
    peer->stats = stats;
    peer->stats_epoch = m->head.epoch;
}

static void seen(struct peer *peer, uint32_t epoch)
{
    peer->up = true;
    if (epoch > peer->epoch)
        peer->epoch = epoch;
}

enum ipc_kind links_take(struct links *l, struct link_message *m)
{
    enum ipc_kind kind = (enum ipc_kind)m->head.kind, changed = IPC_RUN;
    struct peer *peer = &l->peers[kind];

    if (m->head.type == LINK_LINK && m->fd_count == 1 && kind != IPC_RUN) {
        links_drop(l, kind);
        peer->fd = m->fds[0];
        m->fd_count = 0;
        fcntl(peer->fd, F_SETFL, O_NONBLOCK);
        seen(peer, m->head.epoch);
        changed = kind;
    } else if (m->head.type == LINK_STATS && kind != IPC_RUN) {
        stats_take(peer, m);
        seen(peer, m->head.epoch);
    } else if (m->head.type == LINK_GONE && m->head.epoch == peer->epoch) {
        peer->up = false;
        links_drop(l, kind);
        changed = kind;
    }
    link_close_fds(m);
    return changed;
}

int links_send(struct links *l, enum ipc_kind kind, enum link_type type, uint32_t token,
               const char *text, int fd)
{
    const struct link_head head = {.type = (uint32_t)type, .kind = IPC_CONTROL, .token = token};
    int socket = kind == IPC_RUN ? l->run_fd : l->peers[kind].fd;

    if (socket < 0)
        return -EPIPE;
    return link_send(socket, &head, text, &fd, fd >= 0 ? 1 : 0);
}

/* ---- files ---- */

static uint64_t monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* run answers with the system's words; back to the number, for our own words. */
static int error_of(const char *text)
{
    for (int i = 1; text != NULL && i <= ERRNO_MAX; i++)
        if (strcmp(text, strerror(i)) == 0)
            return -i;
    return -EACCES;
}

/* True if m answers the question for path; *ret is the descriptor or -errno. */
static bool answer_take(struct link_message *m, const char *path, int *ret)
{
    const char *of, *error = NULL;
    json_t *text;
    bool ours;

    if (m->head.type != LINK_GIVEN_FD)
        return false;
    text = json_loads(m->text, 0, NULL);
    ours = text != NULL && json_unpack(text, "{s:s, s?s}", "path", &of, "error", &error) == 0 &&
           strcmp(of, path) == 0;
    if (ours && m->fd_count == 1) {
        *ret = m->fds[0];
        m->fd_count = 0;
    } else if (ours) {
        *ret = error_of(error);
    }
    json_decref(text);
    return ours;
}

/* An answer to a question given up earlier is nobody's; anything else waits its turn. */
static int keep(struct links *l, struct link_message *m)
{
    if (m->head.type == LINK_GIVEN_FD) {
        link_close_fds(m);
        return 0;
    }
    struct link_message *copy = l->kept_count < LINKS_KEPT_MAX ? malloc(sizeof(*copy)) : NULL;

    if (copy == NULL) {
        link_close_fds(m);
        return -ENOMEM;
    }
    *copy = *m;
    l->kept[l->kept_count++] = copy;
    return 0;
}

static int answer_wait(struct links *l, const char *path, struct link_message *m)
{
    uint64_t due = monotonic_us() + LINK_OPEN_US;

    for (;;) {
        uint64_t now = monotonic_us();
        struct pollfd p = {.fd = l->run_fd, .events = POLLIN};
        const char *why;
        int rc;

        if (now >= due)
            return -ETIMEDOUT;
        if (poll(&p, 1, (int)((due - now + 999) / 1000)) < 0 && errno != EINTR)
            return -errno;
        rc = link_receive(l->run_fd, m, &why);
        if (rc == -EAGAIN)
            continue;
        if (rc <= 0) {
            l->closed = true;
            return -EPIPE;
        }
        if (answer_take(m, path, &rc)) {
            link_close_fds(m);
            return rc;
        }
        rc = keep(l, m);
        if (rc != 0)
            return rc;
    }
}

int links_open(struct links *l, const char *path)
{
    struct link_message *m = malloc(sizeof(*m));
    json_t *text = json_pack("{s:s}", "path", path);
    char *dump = text != NULL ? json_dumps(text, JSON_COMPACT) : NULL;
    int rc = -ENOMEM;

    if (m != NULL && dump != NULL)
        rc = links_send(l, IPC_RUN, LINK_OPEN, 0, dump, -1);
    if (rc == 0)
        rc = answer_wait(l, path, m);
    free(dump);
    json_decref(text);
    free(m);
    return rc;
}

static int opener_open(void *ctx, const char *path)
{
    return links_open(ctx, path);
}

struct conf_opener links_opener(struct links *l)
{
    return (struct conf_opener){.ctx = l, .open = opener_open};
}
