/* deliver_reply.c - see deliver_reply.h */
#include "deliver_reply.h"

#define CODE_CHARS 4u /* three digits and the mark behind them */

void reply_init(struct reply_parser *p)
{
    memset(p, 0, offsetof(struct reply_parser, line));
}

static enum reply_verdict reply_bad(struct reply_parser *p, const char *why)
{
    p->why = why;
    return REPLY_BAD;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Up to three digits at *at; false where there is none or a fourth. */
static bool number_read(struct span s, size_t *at, uint32_t *ret)
{
    uint32_t n = 0;
    size_t start = *at;

    while (*at < s.len && *at - start < 4 && digit((char)s.ptr[*at]))
        n = n * 10 + (uint32_t)(s.ptr[(*at)++] - '0');
    *ret = n;
    return *at > start && *at - start <= 3;
}

/* "2.1.5" then a space or the end; bytes eaten with the space, or 0. */
static size_t status_read(struct span s, uint16_t code, uint8_t status[3])
{
    size_t at = 0;
    uint32_t part[3];

    for (unsigned i = 0; i < 3; i++) {
        if (i > 0 && (at >= s.len || s.ptr[at++] != '.'))
            return 0;
        if (!number_read(s, &at, &part[i]))
            return 0;
    }
    if (part[0] != code / 100u || (at < s.len && s.ptr[at] != ' '))
        return 0;
    for (unsigned i = 0; i < 3; i++)
        status[i] = part[i] > 255 ? 0 : (uint8_t)part[i];
    return at < s.len ? at + 1 : at;
}

static void text_add(struct reply_parser *p, struct span s)
{
    if (p->text_bytes > 0 && p->text_bytes < REPLY_TEXT_MAX && s.len > 0)
        p->text[p->text_bytes++] = ' ';
    for (size_t i = 0; i < s.len && p->text_bytes < REPLY_TEXT_MAX; i++) {
        uint8_t c = s.ptr[i];

        p->text[p->text_bytes++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    p->text[p->text_bytes] = '\0';
}

static enum reply_verdict line_judge(struct reply_parser *p)
{
    const char *l = p->line;
    uint32_t n = p->line_bytes;
    uint16_t code;
    uint8_t status[3];

    if (n < 3 || l[0] < '2' || l[0] > '5' || !digit(l[1]) || !digit(l[2]) ||
        (n > 3 && l[3] != ' ' && l[3] != '-'))
        return reply_bad(p, "the server's answer is not an SMTP reply");
    code = (uint16_t)((l[0] - '0') * 100 + (l[1] - '0') * 10 + (l[2] - '0'));
    if (p->lines > 0 && code / 100 != p->code / 100)
        return reply_bad(p, "the server's reply changes its code between lines");
    if (p->lines == REPLY_LINES_MAX)
        return reply_bad(p, "the server's reply has too many lines");
    p->code = code;
    p->lines++;

    struct span rest = reply_line(p);
    size_t eaten = status_read(rest, code, status);

    if (eaten > 0 && p->status[0] == 0)
        memcpy(p->status, status, sizeof(status));
    text_add(p, span_skip(rest, eaten));
    p->done = n == 3 || l[3] == ' ';
    return p->done ? REPLY_DONE : REPLY_LINE;
}

enum reply_verdict reply_feed(struct reply_parser *p, struct span in, size_t *ret_eaten)
{
    *ret_eaten = 0;
    if (p->why != NULL)
        return REPLY_BAD;
    if (p->done)
        reply_init(p);
    if (p->line_over) {
        p->line_over = false;
        p->line_bytes = 0;
    }
    while (*ret_eaten < in.len) {
        char c = (char)in.ptr[(*ret_eaten)++];

        if (c == '\n') {
            if (p->line_bytes > 0 && p->line[p->line_bytes - 1] == '\r')
                p->line_bytes--;
            p->line_over = true;
            return line_judge(p);
        }
        if (p->line_bytes == REPLY_LINE_MAX)
            return reply_bad(p, "the server's reply line is too long");
        p->line[p->line_bytes++] = c;
    }
    return REPLY_MORE;
}

struct span reply_line(const struct reply_parser *p)
{
    uint32_t skip = p->line_bytes < CODE_CHARS ? p->line_bytes : CODE_CHARS;

    return span_of(p->line + skip, p->line_bytes - skip);
}
