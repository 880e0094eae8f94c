/* deliver_queue.c - see deliver_queue.h */
#include "deliver_queue.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors beyond the contract's are taken so that they can be closed. */
#define FDS_TAKEN 253u /* SCM_MAX_FD */

static void fds_take(struct msghdr *message, struct queue_packet *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (ret->fd_count < ATTEMPT_SEGMENTS_MAX)
                ret->fds[ret->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

int queue_receive(int socket, struct queue_packet *ret)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(FDS_TAKEN * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = ret->data, .iov_len = sizeof(ret->data)};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t got;

    ret->fd_count = 0;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == ECONNRESET ? 0 : -errno;
    fds_take(&message, ret);
    ret->bytes = (size_t)got;
    if (got == 0 && ret->fd_count == 0)
        return 0;
    if ((message.msg_flags & MSG_TRUNC) == 0)
        return 1;
    while (ret->fd_count > 0)
        close(ret->fds[--ret->fd_count]);
    return -EMSGSIZE;
}

int queue_send(int socket, struct span packet)
{
    ssize_t sent;

    do {
        sent = send(socket, packet.ptr, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -EPIPE;
}
