/* deliver_content.c - see deliver_content.h */
#include "deliver_content.h"

#include <errno.h>
#include <unistd.h>

#include "base_crc.h"

void content_start(struct content *c, const struct attempt *attempt, const int *fds)
{
    *c = (struct content){.attempt = attempt, .fds = fds};
}

ssize_t content_read(struct content *c, uint8_t *out, size_t room)
{
    while (c->extent < c->attempt->head.extents) {
        struct attempt_extent e = attempt_extent_at(c->attempt, c->extent);
        size_t want = e.bytes - c->in_extent;

        if (want == 0) {
            c->extent++;
            c->in_extent = 0;
            continue;
        }
        if (want > room)
            want = room;
        if (e.segment >= c->attempt->head.segments || e.offset > (uint64_t)INT64_MAX - e.bytes)
            return -EBADMSG;
        ssize_t n = pread(c->fds[e.segment], out, want, (off_t)(e.offset + c->in_extent));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EBADMSG;
        c->in_extent += (uint32_t)n;
        c->crc = crc32c(c->crc, out, (size_t)n);
        return n;
    }
    return c->crc == c->attempt->head.content_crc ? 0 : -EBADMSG;
}

int content_header_8bit(const struct attempt *attempt, const int *fds)
{
    struct content c;
    uint8_t buffer[4096];
    uint64_t seen = 0;
    unsigned newlines = 1; /* an empty line at once: no header section */

    content_start(&c, attempt, fds);
    while (seen < CONTENT_HEADER_MAX) {
        ssize_t n = content_read(&c, buffer, sizeof(buffer));

        if (n <= 0)
            return n == -EBADMSG ? 0 : (int)n; /* the real reader will say what is wrong */
        for (ssize_t i = 0; i < n; i++) {
            if (buffer[i] >= 0x80)
                return 1;
            if (buffer[i] == '\n' && ++newlines == 2)
                return 0;
            if (buffer[i] != '\n' && buffer[i] != '\r')
                newlines = 0;
        }
        seen += (uint64_t)n;
    }
    return 0;
}
