/* admin_http.c - see admin_http.h */
#include "admin_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct admin_http {
    struct MHD_Daemon *daemon;
    const struct admin_source *source;
    uint16_t port;
};

static const struct {
    const char *path, *type;
    enum admin_page page;
} pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", ADMIN_METRICS},
    {"/stats",   "application/json",                         ADMIN_STATS  },
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status,
                               struct MHD_Response *response)
{
    enum MHD_Result rc;

    if (response == NULL)
        return MHD_NO;
    rc = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

    if (response != NULL && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
    return respond(connection, status, response);
}

static enum MHD_Result page_serve(struct admin_http *admin, struct MHD_Connection *connection,
                                  size_t which)
{
    struct MHD_Response *response;
    char *body;
    size_t bytes;

    if (admin->source->make(admin->source->ctx, pages[which].page, &body, &bytes) != 0)
        return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(body);
    else
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, pages[which].type);
    return respond(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result request(void *ctx, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_bytes, void **request_ctx)
{
    static char seen; /* its address marks a request whose header is known */

    (void)version;
    (void)upload;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        *upload_bytes = 0;
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    }
    if (*request_ctx == NULL) {
        *request_ctx = &seen;
        return MHD_YES;
    }
    *upload_bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (strcmp(url, pages[i].path) == 0)
            return page_serve(ctx, connection, i);
    return refuse(connection, MHD_HTTP_NOT_FOUND, "there are /metrics and /stats\n");
}

static int listen_open(const struct ip_addr *ip, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = ip_is_v4(ip);
    const int on = 1;
    int rc, fd;

    memcpy(&v4.sin_addr, ip->octets + 12, 4);
    memcpy(&v6.sin6_addr, ip->octets, 16);
    fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!is_v4)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if ((is_v4 ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
               : bind(fd, (struct sockaddr *)&v6, sizeof(v6))) == 0 &&
        listen(fd, (int)ADMIN_CONNECTIONS) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t bytes = sizeof(at);

    if (getsockname(fd, (struct sockaddr *)&at, &bytes) != 0)
        return 0;
    return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
                                         : ((struct sockaddr_in6 *)&at)->sin6_port);
}

int admin_open(const struct ip_addr *ip, uint16_t port, const struct admin_source *source,
               struct admin_http **ret)
{
    struct admin_http *admin = calloc(1, sizeof(*admin));
    int fd;

    if (admin == NULL)
        return -ENOMEM;
    fd = listen_open(ip, port);
    if (fd < 0) {
        free(admin);
        return fd;
    }
    admin->source = source;
    admin->port = port_of(fd);
    admin->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, request, admin, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, ADMIN_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_MEMORY, MHD_OPTION_END);
    if (admin->daemon == NULL) {
        close(fd);
        free(admin);
        return -ENOMEM;
    }
    *ret = admin;
    return 0;
}

int admin_fd(const struct admin_http *admin)
{
    return MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

uint16_t admin_port(const struct admin_http *admin)
{
    return admin->port;
}

void admin_run(struct admin_http *admin)
{
    MHD_run(admin->daemon);
}

uint64_t admin_due_us(const struct admin_http *admin)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(admin->daemon, &ms) != MHD_YES)
        return UINT64_MAX;
    return (uint64_t)ms * 1000;
}

struct admin_http *admin_close(struct admin_http *admin)
{
    if (admin == NULL)
        return NULL;
    MHD_stop_daemon(admin->daemon);
    free(admin);
    return NULL;
}
