/* deliver_reply.h - SMTP replies as a client reads them (RFC 5321 s4.2), byte by byte.
 *
 * A reply is one or more lines "ddd-text" ended by "ddd text" or "ddd".  Bytes may stop
 * anywhere.  Tolerated: a bare LF as line end, a last line whose code differs within the same
 * class (the last one counts).  Refused: a line over REPLY_LINE_MAX (the RFC's 512 is what a
 * server may send at most without extension), more than REPLY_LINES_MAX lines, anything that does
 * not start with a reply code, a class that changes within a reply.
 *
 * An enhanced status (RFC 2034, "250 2.1.5 text") is taken from the first line that has one of
 * the reply's own class; subject or detail above 255 reads as 0, since our records keep a byte.
 *
 * Pure: no I/O, no clock, no heap.
 */
#ifndef DELIVER_REPLY_H
#define DELIVER_REPLY_H

#include "base_types.h"

#define REPLY_LINE_MAX 2048u
#define REPLY_LINES_MAX 128u
#define REPLY_TEXT_MAX 512u

_Static_assert(REPLY_LINE_MAX >= 512u, "RFC 5321 s4.5.3.1.5");

enum reply_verdict {
    REPLY_MORE, /* all bytes eaten, the reply is not whole */
    REPLY_LINE, /* one line of several is whole: reply_line() */
    REPLY_DONE, /* the last line is whole: code, status, text are set, reply_line() too */
    REPLY_BAD   /* not SMTP: why says so; nothing more can be read */
};

struct reply_parser { /* only deliver_reply.c writes the fields */
    uint16_t    code;
    uint8_t     status[3]; /* 0.0.0 where none was given */
    uint32_t    text_bytes;
    char        text[REPLY_TEXT_MAX + 1]; /* lines joined by a space; printable ASCII only */
    const char *why;
    uint32_t    lines, line_bytes;
    bool        line_over, done;
    char        line[REPLY_LINE_MAX];
};

void reply_init(struct reply_parser *p);

/* Eats up to the end of one line.  After REPLY_DONE the next call starts a new reply. */
enum reply_verdict reply_feed(struct reply_parser *p, struct span in, size_t *ret_eaten);

/* After REPLY_LINE and REPLY_DONE: the line's text behind its code.  Valid until the next feed. */
struct span reply_line(const struct reply_parser *p);

#endif
