/* fuzz_reply.c - what a server may send, to the reply parser and to the whole SMTP client.
 *
 * The first byte chooses how the rest is cut into pieces.  Checked: every feed makes progress,
 * texts stay in bounds, every recipient has one verdict once the client is closed, and none is
 * "delivered" unless the dot was sent. */
#include <stdlib.h>

#include "deliver_smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void parse(struct span in, size_t piece)
{
    static struct reply_parser p;

    reply_init(&p);
    while (in.len > 0) {
        struct span part = span_of(in.ptr, in.len < piece ? in.len : piece);

        in = span_skip(in, part.len);
        while (part.len > 0) {
            size_t eaten;
            enum reply_verdict v = reply_feed(&p, part, &eaten);

            if (v == REPLY_BAD) {
                check(p.why != NULL);
                return;
            }
            check(eaten > 0 && eaten <= part.len);
            check(p.text_bytes <= REPLY_TEXT_MAX && p.lines <= REPLY_LINES_MAX);
            check(v != REPLY_DONE || (p.code >= 200 && p.code <= 599));
            part = span_skip(part, eaten);
        }
    }
}

static void converse(struct span in, size_t piece)
{
    static struct client c;
    static struct verdicts v;
    const struct span to[] = {span_str("a@example.org"), span_str("b@example.org"),
                              span_str("c@example.org")};
    const struct client_job job = {
        .server = "10.25.1.10:25",
        .helo = span_str("mx.example.net"),
        .sender = span_str("s@example.com"),
        .recipients = to,
        .content_bytes = 7,
        .timeouts = &client_timeouts_rfc5321,
        .verdicts = &v,
    };
    struct usec now = {0};
    bool fed = false, dot = false;

    verdicts_init(&v, ARRAY_LEN(to));
    client_start(&c, &job, now);
    client_connected(&c, now);
    while (in.len > 0 && !client_is_closed(&c)) {
        struct span part = span_of(in.ptr, in.len < piece ? in.len : piece);

        in = span_skip(in, part.len);
        client_input(&c, part, now);
        if (client_wants_content(&c)) {
            if (!fed)
                client_content(&c, span_str(".hello\n"), now);
            else
                client_content_end(&c, now);
            dot = fed;
            fed = true;
        }
        check(client_output(&c).len <= CLIENT_OUT_BYTES);
        client_sent(&c, client_output(&c).len, now);
    }
    client_lost(&c, STATUS(4, 4, 2), "over");
    check(client_is_closed(&c) && v.undecided == 0);
    for (uint32_t i = 0; i < v.count; i++) {
        check(v.of[i].result != 0 && v.of[i].text_bytes <= OUTCOME_TEXT_MAX);
        check(v.of[i].result != ATTEMPT_DELIVERED || dot);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    parse(span_of(data + 1, size - 1), (size_t)data[0] + 1);
    converse(span_of(data + 1, size - 1), (size_t)data[0] + 1);
    return 0;
}
