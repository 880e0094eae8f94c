/* deliver_work.c - see deliver_work.h */
#include "deliver_work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base_must.h"
#include "ipc_region.h"

#define DISCARD_STEP_BYTES (1024u * 1024u)

static void fds_close(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        close(fds[i]);
}

static void work_begin(struct work *w, const struct work_env *env, struct usec now)
{
    const struct attempt *a = &w->attempt;
    const char *why;

    if (w->fd_count != a->head.segments) {
        /* The kernel drops what our descriptor limit does not take. */
        verdicts_give(&w->verdicts, ATTEMPT_DEFERRED, STATUS(4, 3, 0),
                      "the message's files did not arrive with the attempt");
    } else if (target_parse(a->target, &w->target, &why) != 0) {
        w->target = (struct target){0};
        verdicts_give(&w->verdicts, ATTEMPT_DEFERRED, STATUS(4, 3, 5), why);
    } else if (w->target.kind == TARGET_SMTP) {
        conn_start(&w->by.conn, a, w->fds, &w->target, span_str(env->instance), env->timeouts,
                   &w->verdicts, now);
        w->is_over = conn_is_over(&w->by.conn);
        return;
    } else if (w->target.kind == TARGET_MAILDIR) {
        maildir_start(&w->by.maildir, a, w->fds, w->target.path, env->instance, &w->verdicts);
        return;
    } else {
        content_start(&w->by.content, a, w->fds);
        return;
    }
    w->target.kind = 0;
    w->is_over = true;
}

struct work *work_new(struct span packet, const int *take_fds, uint32_t fd_count,
                      const struct work_env *env, struct usec now, const char **ret_why)
{
    struct work *w = NULL;

    if (fd_count > ATTEMPT_SEGMENTS_MAX || packet.len > ATTEMPT_BYTES_MAX) {
        *ret_why = "the attempt is larger than an attempt can be";
    } else if ((w = malloc(sizeof(*w) + packet.len)) == NULL) {
        *ret_why = "out of memory";
    } else {
        memset(w, 0, offsetof(struct work, verdicts));
        w->started = now;
        w->packet_bytes = packet.len;
        memcpy(w->packet, packet.ptr, packet.len);
        if (attempt_parse(span_of(w->packet, packet.len), &w->attempt) != 0) {
            *ret_why = "the attempt does not keep the contract of ipc_attempt.h";
            free(w);
            w = NULL;
        }
    }
    if (w == NULL) {
        fds_close(take_fds, fd_count);
        return NULL;
    }
    w->fd_count = fd_count;
    memcpy(w->fds, take_fds, fd_count * sizeof(w->fds[0]));
    verdicts_init(&w->verdicts, w->attempt.head.recipients);
    work_begin(w, env, now);
    return w;
}

/* ---- SMTP ---- */

static void conn_look(struct work *w)
{
    w->is_over = conn_is_over(&w->by.conn);
    w->bad_content = w->by.conn.bad_content;
    w->eightbit =
        w->by.conn.client.content_8bit && (w->by.conn.client.extensions & CLIENT_8BITMIME) == 0;
}

int work_fd(const struct work *w)
{
    return w->target.kind == TARGET_SMTP ? w->by.conn.fd : -1;
}

uint32_t work_wants(const struct work *w)
{
    return w->target.kind == TARGET_SMTP ? conn_wants(&w->by.conn) : 0;
}

struct usec work_due(const struct work *w)
{
    return w->target.kind == TARGET_SMTP && !w->is_over ? conn_due(&w->by.conn)
                                                        : (struct usec){.us = UINT64_MAX};
}

void work_event(struct work *w, uint32_t events, struct usec now)
{
    if (w->target.kind != TARGET_SMTP || w->is_over)
        return;
    conn_event(&w->by.conn, events, now);
    conn_look(w);
}

void work_tick(struct work *w, struct usec now)
{
    if (w->target.kind != TARGET_SMTP || w->is_over)
        return;
    conn_tick(&w->by.conn, now);
    conn_look(w);
}

/* ---- files ---- */

bool work_is_runnable(const struct work *w)
{
    return !w->is_over && (w->target.kind == TARGET_MAILDIR || w->target.kind == TARGET_DISCARD);
}

/* Reads it all the same: what cannot be read back is not thrown away by a `discard:` either. */
static void discard_step(struct work *w)
{
    uint8_t buffer[32768];
    size_t done = 0;
    ssize_t n = 1;

    while (done < DISCARD_STEP_BYTES &&
           (n = content_read(&w->by.content, buffer, sizeof(buffer))) > 0)
        done += (size_t)n;
    if (n > 0)
        return;
    if (n == 0) {
        verdicts_give(&w->verdicts, ATTEMPT_DELIVERED, STATUS(2, 0, 0), "discarded");
    } else {
        w->bad_content = true;
        verdicts_give(&w->verdicts, ATTEMPT_DEFERRED, STATUS(4, 3, 0),
                      "the stored message cannot be read back whole");
    }
    w->is_over = true;
}

bool work_step(struct work *w)
{
    enum maildir_next next;

    must(work_is_runnable(w));
    if (w->target.kind == TARGET_DISCARD) {
        discard_step(w);
        return false;
    }
    next = maildir_step(&w->by.maildir);
    w->bad_content = maildir_bad_content(&w->by.maildir);
    w->is_over = next == MAILDIR_OVER;
    return next == MAILDIR_SYNC;
}

int work_sync(struct work *w)
{
    return maildir_sync(&w->by.maildir);
}

bool work_same_sync(const struct work *a, const struct work *b)
{
    return a->target.kind == TARGET_MAILDIR && b->target.kind == TARGET_MAILDIR &&
           span_equal(a->target.path, b->target.path);
}

void work_synced(struct work *w, int rc)
{
    maildir_finish(&w->by.maildir, rc);
    w->is_over = true;
}

/* ---- the end ---- */

struct span work_remote(const struct work *w, char out[WORK_REMOTE_MAX])
{
    int n = 0;

    out[0] = '\0';
    if (w->target.kind == TARGET_SMTP)
        n = snprintf(out, WORK_REMOTE_MAX, "%s[%s]:%u", w->target.host, w->target.host,
                     w->target.port);
    return span_of(out, (size_t)n);
}

size_t work_outcome(const struct work *w, struct usec now, uint8_t *out, size_t room)
{
    char remote[WORK_REMOTE_MAX];
    struct outcome o;

    must(work_is_decided(w));
    o.head = (struct outcome_head){
        .attempt = w->attempt.head.attempt,
        .message = w->attempt.head.message,
        .recipients = w->verdicts.count,
        .abi = IPC_ABI,
        .took_us = usec_since(w->started, now),
    };
    o.remote = work_remote(w, remote);
    for (uint32_t i = 0; i < w->verdicts.count; i++) {
        const struct verdict *v = &w->verdicts.of[i];

        o.recipients[i] = (struct outcome_recipient){
            .result = (enum attempt_result)v->result,
            .code = v->code,
            .text = span_of(v->text, v->text_bytes),
        };
        memcpy(o.recipients[i].status, v->status, sizeof(v->status));
    }
    return outcome_write(out, room, &o);
}

struct work *work_free(struct work *w)
{
    if (w == NULL)
        return NULL;
    if (w->target.kind == TARGET_SMTP)
        conn_done(&w->by.conn);
    else if (w->target.kind == TARGET_MAILDIR)
        maildir_done(&w->by.maildir);
    fds_close(w->fds, w->fd_count);
    free(w);
    return NULL;
}
