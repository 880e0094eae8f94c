/* control_socket.c - see control_socket.h */
#include "control_socket.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TAG_LISTEN SOCKET_CLIENTS
#define EVENTS_MAX 40

struct client {
    int fd; /* -1: free */
    uint32_t generation;
    bool in_work; /* its request waits for control_socket_answer() */
    bool last;    /* close once the answer is out */
    bool hung_up; /* it will send no more */
    struct usec due;
    uint32_t waits; /* events registered */
    size_t in_bytes;
    char *in;  /* SOCKET_LINE_MAX + 1 */
    char *out; /* heap, NULL: none */
    size_t out_bytes, out_sent;
};

struct control_socket {
    int epoll_fd, listen_fd;
    struct usec now;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct client clients[SOCKET_CLIENTS];
};

json_t *control_error(const char *format, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    json_t *string = json_string(text);

    return json_pack("{s:b, s:o}", "ok", 0, "error",
                     string != NULL ? string : json_string("an error without readable text"));
}

static void wait_set(struct control_socket *s, uint32_t i)
{
    struct client *c = &s->clients[i];
    uint32_t events = EPOLLHUP | (c->out != NULL ? (uint32_t)EPOLLOUT : 0) |
                      (c->out == NULL && !c->in_work && !c->hung_up ? (uint32_t)EPOLLIN : 0);
    struct epoll_event ev = {.events = events, .data.u32 = i};

    if (events == c->waits)
        return;
    if (epoll_ctl(s->epoll_fd, c->waits == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &ev) == 0)
        c->waits = events;
}

static void client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
    free(c->out);
    *c = (struct client){.fd = -1, .generation = c->generation + 1};
}

/* ---- opening ---- */

/* True if a control process listens there now. */
static bool in_use(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool used = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0;

    if (fd >= 0)
        close(fd);
    return used;
}

static int listen_open(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    mode_t mask;
    int rc, fd;

    memcpy(at.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || in_use(&at))
            return -EADDRINUSE;
        unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    mask = umask(0177); /* born with mode 0600 */
    rc = bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ? -errno : 0;
    umask(mask);
    if (rc == 0 && listen(fd, (int)SOCKET_CLIENTS) != 0)
        rc = -errno;
    if (rc != 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int control_socket_open(const char *path, struct control_socket **ret)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = TAG_LISTEN};
    struct control_socket *s;
    int rc;

    if (strlen(path) >= sizeof(s->path))
        return -ENAMETOOLONG;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < SOCKET_CLIENTS; i++)
        s->clients[i] = (struct client){.fd = -1, .generation = 1};
    s->listen_fd = listen_open(path);
    if (s->listen_fd < 0) {
        rc = s->listen_fd;
        free(s);
        return rc;
    }
    snprintf(s->path, sizeof(s->path), "%s", path);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &ev) != 0) {
        rc = -errno;
        control_socket_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int control_socket_fd(const struct control_socket *s)
{
    return s->epoll_fd;
}

struct control_socket *control_socket_close(struct control_socket *s)
{
    if (s == NULL)
        return NULL;
    for (uint32_t i = 0; i < SOCKET_CLIENTS; i++)
        if (s->clients[i].fd >= 0)
            client_close(&s->clients[i]);
    unlink(s->path);
    close(s->listen_fd);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    free(s);
    return NULL;
}

/* ---- reading and writing ---- */

static void client_write(struct control_socket *s, struct client *c)
{
    while (c->out != NULL) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EAGAIN)
                client_close(c);
            return;
        }
        c->out_sent += (size_t)n;
        c->due = usec_add(s->now, SOCKET_IDLE_US);
        if (c->out_sent < c->out_bytes)
            continue;
        free(c->out);
        c->out = NULL;
        if (c->last)
            client_close(c);
    }
}

static void client_say(struct control_socket *s, struct client *c, json_t *take_object)
{
    char *text = json_dumps(take_object, JSON_COMPACT);
    size_t bytes = text != NULL ? strlen(text) : 0;

    json_decref(take_object);
    if (text == NULL || bytes > SOCKET_ANSWER_MAX) {
        static const char sorry[] = "{\"ok\":false,\"error\":\"the answer is too large\"}";

        free(text);
        text = malloc(sizeof(sorry) + 1);
        if (text == NULL) {
            client_close(c);
            return;
        }
        memcpy(text, sorry, sizeof(sorry));
        bytes = sizeof(sorry) - 1;
    }
    text[bytes++] = '\n'; /* in place of the NUL */
    c->out = text;
    c->out_bytes = bytes;
    c->out_sent = 0;
    c->in_work = false;
    c->due = usec_add(s->now, SOCKET_IDLE_US);
    client_write(s, c);
}

static void client_read(struct control_socket *s, struct client *c)
{
    while (c->in_bytes < SOCKET_LINE_MAX) {
        ssize_t n = recv(c->fd, c->in + c->in_bytes, SOCKET_LINE_MAX - c->in_bytes, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            /* It may have closed its sending side only and still wait for answers. */
            c->hung_up = true;
            if (n < 0 || memchr(c->in, '\n', c->in_bytes) == NULL)
                client_close(c);
            return;
        }
        c->in_bytes += (size_t)n;
    }
    if (memchr(c->in, '\n', c->in_bytes) == NULL) {
        c->last = true;
        client_say(s, c, control_error("a request is at most %u bytes", SOCKET_LINE_MAX));
    }
}

static bool peer_may(int fd)
{
    struct ucred who;
    socklen_t bytes = sizeof(who);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void client_accept(struct control_socket *s)
{
    static const char full[] = "{\"ok\":false,\"error\":\"too many clients\"}\n";
    int fd;

    while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        uint32_t i = 0;
        struct client *c;

        while (i < SOCKET_CLIENTS && s->clients[i].fd >= 0)
            i++;
        if (i == SOCKET_CLIENTS || !peer_may(fd)) {
            if (i == SOCKET_CLIENTS)
                (void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            close(fd);
            continue;
        }
        c = &s->clients[i];
        c->in = malloc(SOCKET_LINE_MAX);
        if (c->in == NULL) {
            close(fd);
            continue;
        }
        c->fd = fd;
        c->due = usec_add(s->now, SOCKET_IDLE_US);
        wait_set(s, i);
    }
}

void control_socket_turn(struct control_socket *s, struct usec now)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(s->epoll_fd, events, EVENTS_MAX, 0);

    s->now = now;
    for (int i = 0; i < n; i++) {
        struct client *c = &s->clients[events[i].data.u32 % SOCKET_CLIENTS];

        if (events[i].data.u32 == TAG_LISTEN) {
            client_accept(s);
        } else if (c->fd >= 0) {
            if ((events[i].events & EPOLLIN) != 0)
                client_read(s, c);
            else if ((events[i].events & (EPOLLHUP | EPOLLERR)) != 0)
                client_close(c);
            if (c->fd >= 0 && (events[i].events & EPOLLOUT) != 0)
                client_write(s, c);
        }
    }
    for (uint32_t i = 0; i < SOCKET_CLIENTS; i++) {
        struct client *c = &s->clients[i];

        if (c->fd >= 0 && !c->in_work && usec_reached(c->due, now))
            client_close(c);
        if (c->fd >= 0)
            wait_set(s, i);
    }
}

/* ---- requests ---- */

/* Takes the next line off c; NULL where there is no whole one, or it was answered with an error. */
static json_t *line_take(struct control_socket *s, struct client *c)
{
    char *end = c->in_bytes > 0 ? memchr(c->in, '\n', c->in_bytes) : NULL;
    json_error_t error;
    json_t *object;
    size_t bytes;

    if (end == NULL)
        return NULL;
    bytes = (size_t)(end - c->in);
    object = json_loadb(c->in, bytes, JSON_REJECT_DUPLICATES, &error);
    c->in_bytes -= bytes + 1;
    memmove(c->in, end + 1, c->in_bytes);
    if (json_is_object(object))
        return object;
    json_decref(object);
    c->in_work = true;
    client_say(s, c, control_error("a request is one JSON object on one line"));
    return NULL;
}

bool control_socket_next(struct control_socket *s, struct control_request *ret)
{
    for (uint32_t i = 0; i < SOCKET_CLIENTS; i++) {
        struct client *c = &s->clients[i];

        while (c->fd >= 0 && !c->in_work && c->out == NULL && c->in_bytes > 0) {
            size_t before = c->in_bytes;
            json_t *object = line_take(s, c);

            if (object != NULL) {
                c->in_work = true;
                *ret = (struct control_request){
                    .client = (uint64_t)c->generation << 32 | (i + 1),
                    .object = object,
                };
                wait_set(s, i);
                return true;
            }
            if (c->fd >= 0 && c->in_bytes == before)
                break; /* not a whole line */
        }
        if (c->fd >= 0 && c->hung_up && !c->in_work && c->out == NULL)
            client_close(c);
        else if (c->fd >= 0)
            wait_set(s, i);
    }
    return false;
}

void control_socket_answer(struct control_socket *s, uint64_t client, json_t *take_object,
                           struct usec now)
{
    uint32_t i = (uint32_t)client - 1;

    s->now = now;
    if (i >= SOCKET_CLIENTS || s->clients[i].fd < 0 || !s->clients[i].in_work ||
        s->clients[i].generation != (uint32_t)(client >> 32)) {
        json_decref(take_object);
        return;
    }
    client_say(s, &s->clients[i], take_object);
    if (s->clients[i].fd >= 0)
        wait_set(s, i);
}

struct usec control_socket_due(const struct control_socket *s)
{
    struct usec due = {.us = UINT64_MAX};

    for (uint32_t i = 0; i < SOCKET_CLIENTS; i++) {
        const struct client *c = &s->clients[i];

        if (c->fd >= 0 && !c->in_work && c->due.us < due.us)
            due = c->due;
    }
    return due;
}
