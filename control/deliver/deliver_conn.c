/* deliver_conn.c - see deliver_conn.h */
#include "deliver_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc_envelope.h"

/* Deferred with the system's words; 4.4.1 before the connection stands, 4.4.2 after. */
static void lost(struct conn *conn, int error)
{
    bool before = conn->client.state == CLIENT_CONNECT;
    char text[200];

    if (before)
        snprintf(text, sizeof(text), "cannot connect: %s", strerror(error));
    else
        snprintf(text, sizeof(text), "the connection was lost waiting for %s: %s",
                 client_waits_for(&conn->client),
                 error == 0 ? "closed by the server" : strerror(error));
    client_lost(&conn->client, before ? STATUS(4, 4, 1) : STATUS(4, 4, 2), text);
}

static socklen_t address_make(const struct target *target, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (ip_is_v4(&target->ip)) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(target->port);
        memcpy(&v4->sin_addr, target->ip.octets + 12, 4);
        return sizeof(*v4);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(target->port);
    memcpy(&v6->sin6_addr, target->ip.octets, 16);
    return sizeof(*v6);
}

static void connect_start(struct conn *conn, const struct target *target, struct usec now)
{
    struct sockaddr_storage address;
    socklen_t bytes = address_make(target, &address);
    const int on = 1;

    conn->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        lost(conn, errno);
        return;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(conn->fd, (struct sockaddr *)&address, bytes) == 0)
        client_connected(&conn->client, now);
    else if (errno != EINPROGRESS)
        lost(conn, errno);
}

void conn_start(struct conn *conn, const struct attempt *attempt, const int *fds,
                const struct target *target, struct span helo,
                const struct client_timeouts *timeouts, struct verdicts *verdicts, struct usec now)
{
    conn->fd = -1;
    conn->bad_content = false;
    snprintf(conn->server, sizeof(conn->server), ip_is_v4(&target->ip) ? "%.*s:%u" : "[%.*s]:%u",
             (int)sizeof(target->host), target->host, target->port);
    conn->job = (struct client_job){
        .server = conn->server,
        .helo = helo,
        .sender = attempt->sender,
        .recipients = attempt->recipients,
        .content_bytes = attempt->head.content_bytes,
        .flags = attempt->head.flags,
        .header_8bit =
            (attempt->head.flags & ENVELOPE_UTF8) != 0 && content_header_8bit(attempt, fds) == 1,
        .timeouts = timeouts,
        .verdicts = verdicts,
    };
    content_start(&conn->content, attempt, fds);
    client_start(&conn->client, &conn->job, now);
    connect_start(conn, target, now);
}

uint32_t conn_wants(const struct conn *conn)
{
    bool out = conn->client.state == CLIENT_CONNECT || client_output(&conn->client).len > 0 ||
               client_wants_content(&conn->client);

    return EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0);
}

struct usec conn_due(const struct conn *conn)
{
    return client_due(&conn->client);
}

void conn_tick(struct conn *conn, struct usec now)
{
    client_tick(&conn->client, now);
}

static void connect_finish(struct conn *conn, struct usec now)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        error = errno;
    if (error != 0)
        lost(conn, error);
    else
        client_connected(&conn->client, now);
}

/* What the server said is read before its silence is judged: a refusal that comes with a reset
 * is a refusal. */
static void input(struct conn *conn, struct usec now)
{
    uint8_t buffer[8192];

    for (int turns = 0; turns < 16 && !conn_is_over(conn); turns++) {
        ssize_t n = recv(conn->fd, buffer, sizeof(buffer), 0);

        if (n > 0) {
            client_input(&conn->client, span_of(buffer, (size_t)n), now);
        } else if (n == 0) {
            lost(conn, 0);
        } else if (errno != EINTR) {
            if (errno != EAGAIN)
                lost(conn, errno);
            return;
        }
    }
}

static void content_feed(struct conn *conn, struct usec now)
{
    uint8_t buffer[CLIENT_CONTENT_MAX];

    while (client_wants_content(&conn->client)) {
        ssize_t n = content_read(&conn->content, buffer, sizeof(buffer));

        if (n > 0) {
            client_content(&conn->client, span_of(buffer, (size_t)n), now);
        } else if (n == 0) {
            client_content_end(&conn->client, now);
        } else {
            /* Without the dot the server has no message, whatever it has taken so far. */
            conn->bad_content = true;
            verdicts_give(conn->job.verdicts, ATTEMPT_DEFERRED, STATUS(4, 3, 0),
                          "the stored message cannot be read back whole");
            client_lost(&conn->client, STATUS(4, 3, 0), "");
        }
    }
}

static void output(struct conn *conn, struct usec now)
{
    size_t budget = CONN_TURN_BYTES;

    while (!conn_is_over(conn) && budget > 0) {
        content_feed(conn, now);

        struct span out = client_output(&conn->client);

        if (out.len == 0)
            return;
        ssize_t n = send(conn->fd, out.ptr, out.len < budget ? out.len : budget, MSG_NOSIGNAL);

        if (n > 0) {
            client_sent(&conn->client, (size_t)n, now);
            budget -= (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            if (errno == EAGAIN)
                return;
            int error = errno;

            input(conn, now); /* its last words, if there are any */
            if (!conn_is_over(conn))
                lost(conn, error);
        }
    }
}

void conn_event(struct conn *conn, uint32_t events, struct usec now)
{
    if (conn_is_over(conn))
        return;
    if (conn->client.state == CLIENT_CONNECT) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
            return;
        connect_finish(conn, now);
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        input(conn, now);
    output(conn, now);
}

void conn_done(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}
