/* smtp_line.h - command lines out of a stream that may be cut anywhere.
 *
 * Only CRLF ends a line.  A bare CR or LF is what bare_newline says of this client: refused at
 * once, or taken as a line end and counted.  A line that comes whole is not copied.
 */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include "smtp_session.h"

enum line_result {
    LINE_MORE,     /* all input taken, no line yet */
    LINE_READY,    /* *ret_line, without its end, valid until the next call */
    LINE_LONG,     /* a line beyond SMTP_LINE_BYTES_MAX has ended */
    LINE_NUL,      /* a line with a NUL in it has ended */
    LINE_BARE,     /* bare CR or LF, refused */
    LINE_ENDLESS,  /* SMTP_LINE_SWALLOW_MAX bytes and no end */
    LINE_NO_BLOCKS /* the pool is dry: the line is lost */
};

/* Takes bytes off *in; scratch holds a line that came in parts. */
enum line_result smtp_line(struct smtp *s, struct smtp_turn *turn, struct span *in,
                           uint8_t scratch[SMTP_LINE_BYTES_MAX], struct span *ret_line);

/* How many bytes at the front of text are neither NUL, CR nor LF. */
size_t smtp_clean_run(struct span text);

#endif
