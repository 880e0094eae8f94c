/* deliver_content.h - the bytes of one message, read from the queue's log segments in order.
 *
 * Reads with pread through descriptors that came with the attempt, and keeps the checksum of
 * what it gave out.  The last word is the reader's: 0 only after every byte was read and the
 * checksum is the queue's.  Nobody may say a message's last byte to anyone before that 0.
 *
 * Memory: none.  Threads: one.  Borrows the attempt and its descriptors.
 */
#ifndef DELIVER_CONTENT_H
#define DELIVER_CONTENT_H

#include <sys/types.h>

#include "ipc_attempt.h"

struct content {
    const struct attempt *attempt;
    const int            *fds; /* attempt->head.segments of them */
    uint32_t              extent, in_extent;
    uint32_t              crc;
};

void content_start(struct content *c, const struct attempt *attempt, const int *fds);

/* Bytes copied out (> 0); 0 at the end, checked; -EBADMSG: the checksum is wrong or the log is
 * shorter than the attempt says; -errno of pread. */
ssize_t content_read(struct content *c, uint8_t *out, size_t room);

/* Whether the header section holds a byte above 127 (RFC 6532), looking no further than
 * CONTENT_HEADER_MAX.  1, 0 or -errno.  Leaves no trace in any reader. */
#define CONTENT_HEADER_MAX (1024u * 1024u)
int content_header_8bit(const struct attempt *attempt, const int *fds);

#endif
