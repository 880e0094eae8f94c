/* deliver_log.c - see deliver_log.h */
#include "deliver_log.h"

#include "log_line.h"

void deliver_log(const struct work *w)
{
    struct log_line line;

    if (!w->bad_content)
        return;
    log_begin(&line, "bad-content");
    log_id(&line, "message", w->attempt.head.message);
    log_id(&line, "session", w->attempt.head.session);
    log_u64(&line, "bytes", w->attempt.head.content_bytes);
    log_str(&line, "error",
            "the stored message has not the length or the checksum it was stored with; it is not "
            "sent: look at the disk under queue.directory");
    log_end(&line);
}
