/* admin_http.h - GET /metrics and GET /stats over HTTP, by libmicrohttpd, without threads.
 *
 * The caller waits on admin_fd() for reading, and calls admin_run() then and when admin_due_us()
 * has passed.  Anything but GET is 405, any other path 404.  Bounds: ADMIN_CONNECTIONS at once,
 * ADMIN_IDLE_S seconds of silence, ADMIN_MEMORY bytes for a request.
 *
 * Threads: the caller's.  Not confined here: the operator's address decides who can ask.
 */
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include "base_types.h"

#define ADMIN_CONNECTIONS 32u
#define ADMIN_IDLE_S 10u
#define ADMIN_MEMORY 16384u

enum admin_page { ADMIN_METRICS, ADMIN_STATS };

/* Makes a page's body: heap, taken over.  0 or -errno (the client gets 500). */
struct admin_source {
    void *ctx;
    int (*make)(void *ctx, enum admin_page page, char **ret_body, size_t *ret_bytes);
};

struct admin_http;

/* Binds and listens.  0 and *ret; -errno of the socket (-EADDRINUSE, -EADDRNOTAVAIL, -EACCES) or
 * -ENOMEM.  source is borrowed until close.  Port 0: any; admin_port() tells. */
int admin_open(const struct ip_addr *ip, uint16_t port, const struct admin_source *source,
               struct admin_http **ret);
int      admin_fd(const struct admin_http *admin);
uint16_t admin_port(const struct admin_http *admin);
void     admin_run(struct admin_http *admin);
uint64_t admin_due_us(const struct admin_http *admin); /* from now; UINT64_MAX: nothing due */
struct admin_http *admin_close(struct admin_http *admin);

#endif
