/* deliver_conn.h - one outgoing connection: a socket, the SMTP machine, a message's content.
 *
 * The only file that knows both sockets and the machine.  The caller waits on conn->fd for
 * conn_wants(), calls conn_event() when it is ready and conn_tick() when conn_due() has come,
 * and closes with conn_done() once conn_is_over().  Verdicts appear in the job's verdicts, often
 * before the connection is over (QUIT is still being said).
 *
 * Threads: one.  Memory: the struct (about 40 KiB).
 */
#ifndef DELIVER_CONN_H
#define DELIVER_CONN_H

#include "deliver_content.h"
#include "deliver_smtp.h"
#include "deliver_target.h"

#define CONN_TURN_BYTES (256u * 1024u) /* content sent in one turn, so that nobody starves */

struct conn { /* only deliver_conn.c writes the fields */
    int               fd;
    bool              bad_content;
    char              server[TARGET_HOST_MAX + 16]; /* "10.25.1.10:25", "[fd25::10]:25" */
    struct client_job job;
    struct content    content;
    struct client     client;
};

/* Starts connecting.  conn->fd is a new non-blocking socket, or -1 when that failed at once
 * (verdicts given, over).  Borrows attempt, fds, helo, timeouts and verdicts. */
void conn_start(struct conn *conn, const struct attempt *attempt, const int *fds,
                const struct target *target, struct span helo,
                const struct client_timeouts *timeouts, struct verdicts *verdicts,
                struct usec now);

uint32_t    conn_wants(const struct conn *conn); /* EPOLLIN, EPOLLOUT */
void        conn_event(struct conn *conn, uint32_t events, struct usec now);
struct usec conn_due(const struct conn *conn);
void        conn_tick(struct conn *conn, struct usec now);

static inline bool conn_is_over(const struct conn *conn)
{
    return client_is_closed(&conn->client);
}

/* At any time: closes the socket; undecided recipients stay so. */
void conn_done(struct conn *conn);

#endif
