/* log_line.h - one event, one line, one write(2) to descriptor 2.
 *
 * Form json: one object: time (RFC 3339, UTC, microseconds), host (the instance), process, event,
 * then the caller's keys in order.  Form maillog: "Nov 22 23:55:01 HOST sluice-queue[PID]: event:
 * key=value, …" (UTC).  Any byte is safe in a value: control characters, C1, and bytes that are
 * no UTF-8 come out escaped.  A line is at most LOG_LINE_BYTES with its newline, so a pipe takes
 * it whole or not at all; a value that does not fit is cut at a character and the line says
 * "cut":true.  A reader that does not keep up costs lines, never time: what would block or is
 * written short is counted as lost.
 *
 *     struct log_line l;
 *     log_begin(&l, "delivered");
 *     log_id(&l, "message", id);
 *     log_text(&l, "recipient", address);
 *     log_end(&l);
 *
 * Threads: log_setup before others start; then each line has one owner, figures are atomic.
 * Clock: log_begin reads the wall clock, log_begin_at takes it.  Keys are literals of ours.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include "base_types.h"
#include "ipc_region.h"

#define LOG_LINE_BYTES 4096u /* PIPE_BUF */
#define LOG_VALUE_MAX 1024u  /* bytes of one text value that are shown */

enum log_format { LOG_JSON, LOG_MAILLOG };

/* Process-wide.  Ignores SIGPIPE, and makes descriptor 2 non-blocking without changing the
 * terminal's or pipe's own flags for others (by opening it anew where that is possible). */
void log_setup(const char *instance, enum ipc_kind process, enum log_format format);
/* "json" or "maillog"; anything else: -EINVAL. */
int  log_format_parse(const char *text, enum log_format *ret);

struct log_line {
    size_t len;
    bool   cut, maillog, first;
    char   bytes[LOG_LINE_BYTES];
};

void log_begin(struct log_line *line, const char *event);
void log_begin_at(struct log_line *line, const char *event, uint64_t wall_us);
void log_text(struct log_line *line, const char *key, struct span value);
void log_str(struct log_line *line, const char *key, const char *value); /* NULL: key left out */
void log_u64(struct log_line *line, const char *key, uint64_t value);
void log_i64(struct log_line *line, const char *key, int64_t value);
void log_bool(struct log_line *line, const char *key, bool value);
void log_ip(struct log_line *line, const char *key, const struct ip_addr *ip);
void log_endpoint(struct log_line *line, const char *key, const struct ip_addr *ip, uint16_t port);
void log_id(struct log_line *line, const char *key, uint64_t id);          /* ipc_id.h text */
void log_status(struct log_line *line, const char *key, const uint8_t status[3]); /* "5.1.1" */
void log_seconds(struct log_line *line, const char *key, uint64_t us);     /* 1.234567 */
void log_end(struct log_line *line);

/* begin + text "error" + end, for the plain case. */
void log_error(const char *event, const char *error);

struct log_figures {
    uint64_t lines, lost, cut;
};
struct log_figures log_figures(void);

/* The line's bytes as log_end would write them, without writing: for tests. */
struct span log_finish(struct log_line *line);

#endif
