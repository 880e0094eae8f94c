/* bench_client.c - reply lines, and the step after each reply. */
#include "bench_client.h"

#include "base_must.h"

enum { AT_DIGIT_1, AT_DIGIT_2, AT_DIGIT_3, AT_SEPARATOR, AT_TEXT, AT_LF };

void client_init(struct client *client)
{
    *client = (struct client){.first = true};
}

struct span client_output(const struct client *client, const struct client_script *script)
{
    if (client_is_over(client, script) || client->held)
        return span_of(NULL, 0);
    return span_skip(script->step[client->step].send, client->sent);
}

void client_sent(struct client *client, size_t n)
{
    client->sent += n;
}

void client_go(struct client *client)
{
    client->held = false;
}

/* One byte of a reply line; false: there is no such line. *ret_end: it ended the line. */
static bool line_byte(struct client *c, uint8_t b, bool *ret_end)
{
    if (++c->line_bytes > CLIENT_LINE_MAX)
        return false;
    switch (c->at) {
    case AT_DIGIT_1:
        c->line_code = 0;
        if (b < '2' || b > '5')
            return false;
        /* fall through */
    case AT_DIGIT_2:
    case AT_DIGIT_3:
        if (b < '0' || b > '9')
            return false;
        c->line_code = (uint16_t)(c->line_code * 10 + (b - '0'));
        c->at++;
        return true;
    case AT_SEPARATOR:
        if (b != ' ' && b != '-' && b != '\r')
            return false;
        c->last = b != '-';
        c->at = b == '\r' ? AT_LF : AT_TEXT;
        return true;
    case AT_TEXT:
        if (b == '\n' || b == '\0')
            return false;
        c->at = b == '\r' ? AT_LF : AT_TEXT;
        return true;
    case AT_LF:
        *ret_end = true;
        return b == '\n';
    default:
        must(false);
    }
}

/* A whole line is here: is it one of a right reply, and the last of it? */
static enum client_verdict line_end(struct client *c, const struct client_script *script)
{
    const struct client_step *step = &script->step[c->step];

    c->at = AT_DIGIT_1;
    c->line_bytes = 0;
    if (!c->first && c->line_code != c->code)
        return CLIENT_SYNTAX;
    c->code = c->line_code;
    c->first = c->last;
    if (!c->last)
        return CLIENT_MORE;
    if (c->code != step->expect)
        return CLIENT_CODE;
    if (c->sent < step->send.len)
        return CLIENT_EARLY;
    c->held = step->hold;
    c->sent = 0;
    c->step++;
    if (client_is_over(c, script))
        return CLIENT_OVER;
    return c->held ? CLIENT_HELD : CLIENT_STEP;
}

enum client_verdict client_input(struct client *client, const struct client_script *script,
                                 struct span *in)
{
    while (in->len > 0) {
        uint8_t b = in->ptr[0];
        bool end = false;

        /* While held nothing was asked, so even the beginning of a reply is too much. */
        if (client_is_over(client, script) || client->held)
            return CLIENT_EARLY;
        *in = span_skip(*in, 1);
        if (!line_byte(client, b, &end))
            return CLIENT_SYNTAX;
        if (end) {
            enum client_verdict v = line_end(client, script);

            if (v != CLIENT_MORE)
                return v;
        }
    }
    return CLIENT_MORE;
}
