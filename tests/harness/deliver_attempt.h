/* deliver_attempt.h - delivery attempts for tests: content in memory files, packets with them. */
#ifndef DELIVER_ATTEMPT_H
#define DELIVER_ATTEMPT_H

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base_crc.h"
#include "ipc_attempt.h"
#include "ipc_region.h"

struct made_attempt {
    uint8_t  packet[ATTEMPT_BYTES_MAX];
    size_t   bytes;
    int      fds[2];
    uint32_t fd_count;
    uint32_t crc; /* set before made_attempt(): 0, or a wrong one to be sent */
    struct attempt_extent extents[3];
};

/* The content lies in two files, at odd places, in three extents. */
static inline void made_attempt(struct made_attempt *m, uint64_t id, const char *target,
                                const char *sender, const char *const *to, struct span content)
{
    static const char junk[] = "junk that must not be read";
    size_t third = content.len / 3;
    struct attempt a = {
        .head =
            {
                .attempt = id,
                .message = 0x1122334455667700ull + id,
                .session = 42,
                .content_bytes = content.len,
                .arrived_us = 1700000000123456ull,
                .content_crc = crc32c(0, content.ptr, content.len) + m->crc,
                .extents = content.len < 3 ? 1 : 3,
                .segments = 2,
                .abi = IPC_ABI,
            },
        .target = span_str(target),
        .sender = span_str(sender),
    };

    for (; to[a.head.recipients] != NULL; a.head.recipients++)
        a.recipients[a.head.recipients] = span_str(to[a.head.recipients]);
    m->extents[0] = (struct attempt_extent){
        .segment = 0, .bytes = (uint32_t)(content.len < 3 ? content.len : third), .offset = 7};
    m->extents[1] = (struct attempt_extent){.segment = 1, .bytes = (uint32_t)third, .offset = 0};
    m->extents[2] = (struct attempt_extent){
        .segment = 0, .bytes = (uint32_t)(content.len - 2 * third), .offset = 7 + third};
    m->fd_count = 2;
    for (int i = 0; i < 2; i++)
        m->fds[i] = memfd_create("segment", MFD_CLOEXEC);
    (void)!write(m->fds[0], junk, 7);
    (void)!write(m->fds[0], content.ptr, third);
    (void)!write(m->fds[1], content.ptr + third, third);
    (void)!write(m->fds[0], content.ptr + 2 * third, content.len - 2 * third);
    (void)!write(m->fds[0], junk, sizeof(junk));
    m->bytes = attempt_write(m->packet, sizeof(m->packet), &a, m->extents);
}

/* Sends it and closes the descriptors.  0 or -1. */
static inline int made_attempt_send(struct made_attempt *m, int socket)
{
    union {
        struct cmsghdr align;
        uint8_t        bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = m->packet, .iov_len = m->bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (m->fd_count > 0) {
        struct cmsghdr *c;

        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(m->fd_count * sizeof(int));
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(m->fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), m->fds, m->fd_count * sizeof(int));
    }
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (int i = 0; i < 2; i++)
        close(m->fds[i]);
    return sent == (ssize_t)m->bytes ? 0 : -1;
}

#endif
