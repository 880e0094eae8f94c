/* ipc_link.c - control messages over SOCK_SEQPACKET, with descriptors riding on them. */
#include "ipc_link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_FDS_TAKEN 32 /* room for more than is allowed, so that a surplus is seen and closed   \
                           */

_Static_assert(sizeof(struct link_head) == 24, "ABI");

int link_send(int socket, const struct link_head *head, const char *text, const int *fds,
              int fd_count)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
    } control = {.bytes = {0}};
    size_t text_bytes = text != NULL ? strlen(text) : 0;
    struct link_head copy = *head;
    struct iovec parts[2] = {
        {.iov_base = &copy,                   .iov_len = sizeof(copy)},
        {.iov_base = (void *)(uintptr_t)text, .iov_len = text_bytes  },
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = text_bytes > 0 ? 2 : 1};
    ssize_t sent;

    if (fd_count < 0 || fd_count > LINK_FDS_MAX)
        return -EINVAL;
    if (text_bytes >= LINK_BYTES_MAX) /* the receiver adds a NUL */
        return -EMSGSIZE;
    copy.abi = IPC_ABI;
    if (fd_count > 0) {
        struct cmsghdr *c;
        size_t bytes = (size_t)fd_count * sizeof(int);

        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(bytes);
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(bytes);
        memcpy(CMSG_DATA(c), fds, bytes);
    }
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return errno == ECONNRESET ? -EPIPE : -errno;
}

/* Takes every descriptor that came; those beyond LINK_FDS_MAX are closed.  How many came. */
static int take_fds(struct msghdr *message, struct link_message *ret)
{
    int came = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (came++ < LINK_FDS_MAX)
                ret->fds[ret->fd_count++] = fd;
            else
                close(fd);
        }
    }
    return came;
}

static const char *why_refused(const struct link_message *m, const struct msghdr *message,
                               size_t got, int came)
{
    if ((message->msg_flags & MSG_TRUNC) != 0)
        return "message too long";
    if (got < sizeof(m->head))
        return "message too short";
    if (m->head.abi != IPC_ABI)
        return "other ABI version: the programs are not of one build";
    if (m->head.type < LINK_SETTINGS || m->head.type > LINK_ANSWER)
        return "unknown message type";
    if (m->head.kind >= IPC_KINDS)
        return "unknown peer kind";
    if ((message->msg_flags & MSG_CTRUNC) != 0 || came > LINK_FDS_MAX)
        return "too many descriptors";
    if (memchr(m->text, '\0', m->text_bytes) != NULL)
        return "NUL in text";
    return NULL;
}

int link_receive(int socket, struct link_message *ret, const char **ret_why)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(LINK_FDS_TAKEN * sizeof(int))];
    } control;
    struct iovec parts[2] = {
        {.iov_base = &ret->head, .iov_len = sizeof(ret->head)    },
        {.iov_base = ret->text,  .iov_len = sizeof(ret->text) - 1},
    };
    struct msghdr message = {
        .msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t got;
    const char *why;
    int came, resets = 0;

    ret->fd_count = 0;
    ret->text_bytes = 0;
    /* A peer that closed with our messages unread makes one ECONNRESET, which comes before what
     * it said last. */
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
    if (got < 0)
        return errno == ECONNRESET ? 0 : errno == EWOULDBLOCK ? -EAGAIN : -errno;
    came = take_fds(&message, ret);
    /* Every message of ours has a head, so an empty one can only be the end. */
    if (got == 0 && came == 0)
        return 0;
    if ((size_t)got > sizeof(ret->head))
        ret->text_bytes = (size_t)got - sizeof(ret->head);
    ret->text[ret->text_bytes] = '\0';
    why = why_refused(ret, &message, (size_t)got, came);
    if (why == NULL)
        return 1;
    link_close_fds(ret);
    *ret_why = why;
    return -EPROTO;
}

void link_close_fds(struct link_message *message)
{
    while (message->fd_count > 0)
        close(message->fds[--message->fd_count]);
}
