/* control_socket.h - RUNTIME/control.sock: one JSON object a line, one answer a line.
 *
 * Mode 0600, and only root and the user we run as are heard.  A client has one request in work at
 * a time; what it sends meanwhile waits in its buffer.  Bounds: SOCKET_CLIENTS at once (a further
 * one is told so and closed), SOCKET_LINE_MAX bytes a request, SOCKET_ANSWER_MAX an answer, and
 * SOCKET_IDLE_US for a client to finish its line or to take its answer.
 *
 * The caller waits on control_socket_fd() for reading, calls control_socket_turn() then and at
 * control_socket_due(), and takes requests with control_socket_next() until there are none.
 *
 * Threads: one.  Clock: passed in.  Memory: heap, bounded by the above.
 */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <jansson.h>

#include "base_types.h"

#define SOCKET_CLIENTS 32u
#define SOCKET_LINE_MAX (64u * 1024u)
#define SOCKET_ANSWER_MAX (4u * 1024u * 1024u)
#define SOCKET_IDLE_US 30000000u

struct control_socket;

struct control_request {
    uint64_t client; /* for the answer; never 0 */
    json_t  *object; /* the receiver's */
};

/* 0 and *ret; -ENAMETOOLONG, -EADDRINUSE (another control listens there) or another -errno.  A
 * socket file that nobody listens on is replaced. */
int control_socket_open(const char *path, struct control_socket **ret);
int control_socket_fd(const struct control_socket *s);

void control_socket_turn(struct control_socket *s, struct usec now);
bool control_socket_next(struct control_socket *s, struct control_request *ret);

/* Takes the object.  A client that is gone is no error. */
void control_socket_answer(struct control_socket *s, uint64_t client, json_t *take_object,
                           struct usec now);

struct usec control_socket_due(const struct control_socket *s); /* UINT64_MAX: never */
struct control_socket *control_socket_close(struct control_socket *s); /* unlinks too */

/* {"ok":false,"error":text} */
json_t *control_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
