/* deliver_log.c - see deliver_log.h */
#include "deliver_log.h"

#include "log_line.h"

void deliver_log(const struct work *w, struct usec now)
{
    static const char *const words[] = {
        [ATTEMPT_DELIVERED] = "delivered",
        [ATTEMPT_DEFERRED] = "deferred",
        [ATTEMPT_FAILED] = "failed",
    };
    char remote[WORK_REMOTE_MAX];
    struct span to = work_remote(w, remote);

    for (uint32_t i = 0; i < w->verdicts.count; i++) {
        const struct verdict *v = &w->verdicts.of[i];
        struct log_line line;

        log_begin(&line, "delivery");
        log_id(&line, "message", w->attempt.head.message);
        log_id(&line, "session", w->attempt.head.session);
        log_str(&line, "result", words[v->result]);
        log_text(&line, "recipient", w->attempt.recipients[i]);
        log_text(&line, "sender", w->attempt.sender);
        log_text(&line, "target", w->attempt.target);
        if (to.len > 0)
            log_text(&line, "remote", to);
        if (v->code != 0)
            log_u64(&line, "code", v->code);
        log_status(&line, "status", v->status);
        log_text(&line, "reason", span_of(v->text, v->text_bytes));
        log_u64(&line, "bytes", w->attempt.head.content_bytes);
        log_seconds(&line, "took", usec_since(w->started, now));
        log_end(&line);
    }
}
