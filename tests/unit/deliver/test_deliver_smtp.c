/* Goal: the SMTP client says the right things and gives each recipient the right verdict,
 * whatever the server says, in whatever pieces, and wherever it falls silent or goes away.
 * Method: a scripted server in memory: rows name its answer to each command; each row runs once
 * per piece size.  Clock and wire are simulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliver_smtp.h"
#include "ipc_envelope.h"

#define CLOSE "\x01"  /* the server closes instead of answering */
#define SILENT "\x02" /* it never answers */
#define D ATTEMPT_DELIVERED
#define T ATTEMPT_DEFERRED
#define F ATTEMPT_FAILED

#define PLAIN "250 hi\r\n"
#define ESMTP "250-hi\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"

static const struct row {
    const char *name;
    const char *greeting, *ehlo, *helo, *mail, *rcpt[2], *data, *dot;
    struct {
        enum attempt_result result;
        uint32_t            status;
        const char         *text; /* part of the text, or NULL */
    } want[2];
} rows[] = {
    {"all well", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "251 fwd\r\n"}, "354 go\r\n",
     "250 2.6.0 taken\r\n", {{D, STATUS(2, 6, 0), "taken"}, {D, STATUS(2, 6, 0), "taken"}}},
    {"all well, pipelined", "220 x\r\n", ESMTP, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "354 go\r\n", "250 taken\r\n", {{D, STATUS(2, 0, 0), NULL}, {D, STATUS(2, 0, 0), NULL}}},
    {"long greeting", "220-a\r\n220-b\r\n220 c\r\n", ESMTP, NULL, "250 ok\r\n",
     {"250 ok\r\n", "250 ok\r\n"}, "354 go\r\n", "250 taken\r\n",
     {{D, STATUS(2, 0, 0), NULL}, {D, STATUS(2, 0, 0), NULL}}},
    {"falls back to HELO", "220 x\r\n", "502 what\r\n", "250 hi\r\n", "250 ok\r\n",
     {"250 ok\r\n", "250 ok\r\n"}, "354 go\r\n", "250 taken\r\n",
     {{D, STATUS(2, 0, 0), NULL}, {D, STATUS(2, 0, 0), NULL}}},
    {"greeting 4yz", "450 4.3.2 later\r\n", NULL, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 3, 2), "later"}, {T, STATUS(4, 3, 2), "later"}}},
    {"greeting 5yz is no verdict", "554 5.7.1 no\r\n", NULL, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 3, 0), "no"}, {T, STATUS(4, 3, 0), "no"}}},
    {"greeting garbage", "SSH-2.0-x\r\n", NULL, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 5, 0), "not an SMTP"}, {T, STATUS(4, 5, 0), NULL}}},
    {"greeting close", CLOSE, NULL, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "gone"}, {T, STATUS(4, 4, 2), "gone"}}},
    {"greeting silent", SILENT, NULL, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "the greeting"}, {T, STATUS(4, 4, 2), NULL}}},
    {"EHLO 4yz", "220 x\r\n", "421 4.3.2 busy\r\n", NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 3, 2), "busy"}, {T, STATUS(4, 3, 2), NULL}}},
    {"EHLO close", "220 x\r\n", CLOSE, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "gone"}, {T, STATUS(4, 4, 2), NULL}}},
    {"EHLO silent", "220 x\r\n", SILENT, NULL, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "EHLO"}, {T, STATUS(4, 4, 2), NULL}}},
    {"HELO 5yz is no verdict", "220 x\r\n", "500 no\r\n", "550 no\r\n", NULL, {NULL, NULL}, NULL,
     NULL, {{T, STATUS(4, 3, 0), "no"}, {T, STATUS(4, 3, 0), NULL}}},
    {"HELO close", "220 x\r\n", "500 no\r\n", CLOSE, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), NULL}, {T, STATUS(4, 4, 2), NULL}}},
    {"HELO silent", "220 x\r\n", "500 no\r\n", SILENT, NULL, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "HELO"}, {T, STATUS(4, 4, 2), NULL}}},
    {"MAIL 4yz", "220 x\r\n", PLAIN, NULL, "452 4.3.1 full\r\n", {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 3, 1), "full"}, {T, STATUS(4, 3, 1), "full"}}},
    {"MAIL 5yz, pipelined", "220 x\r\n", ESMTP, NULL, "550 5.1.8 bad sender\r\n",
     {"503 no\r\n", "503 no\r\n"}, NULL, NULL,
     {{F, STATUS(5, 1, 8), "bad sender"}, {F, STATUS(5, 1, 8), NULL}}},
    {"MAIL 354", "220 x\r\n", PLAIN, NULL, "354 go\r\n", {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 5, 0), "354"}, {T, STATUS(4, 5, 0), NULL}}},
    {"MAIL close", "220 x\r\n", PLAIN, NULL, CLOSE, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), NULL}, {T, STATUS(4, 4, 2), NULL}}},
    {"MAIL silent", "220 x\r\n", PLAIN, NULL, SILENT, {NULL, NULL}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "MAIL"}, {T, STATUS(4, 4, 2), NULL}}},
    {"one RCPT 5yz", "220 x\r\n", PLAIN, NULL, "250 ok\r\n",
     {"550 5.1.1 unknown\r\n", "250 ok\r\n"}, "354 go\r\n", "250 taken\r\n",
     {{F, STATUS(5, 1, 1), "unknown"}, {D, STATUS(2, 0, 0), NULL}}},
    {"one RCPT 4yz, pipelined", "220 x\r\n", ESMTP, NULL, "250 ok\r\n",
     {"250 ok\r\n", "451 4.7.1 greylisted\r\n"}, "354 go\r\n", "250 taken\r\n",
     {{D, STATUS(2, 0, 0), NULL}, {T, STATUS(4, 7, 1), "greylisted"}}},
    {"RCPT 552 means too many", "220 x\r\n", ESMTP, NULL, "250 ok\r\n",
     {"250 ok\r\n", "552 too many\r\n"}, "354 go\r\n", "250 taken\r\n",
     {{D, STATUS(2, 0, 0), NULL}, {T, STATUS(4, 5, 3), "too many"}}},
    {"every RCPT refused", "220 x\r\n", ESMTP, NULL, "250 ok\r\n",
     {"550 no\r\n", "450 later\r\n"}, NULL, NULL,
     {{F, STATUS(5, 0, 0), NULL}, {T, STATUS(4, 0, 0), NULL}}},
    {"421 at the second RCPT", "220 x\r\n", PLAIN, NULL, "250 ok\r\n",
     {"550 5.1.1 no\r\n", "421 4.3.2 bye\r\n"}, NULL, NULL,
     {{F, STATUS(5, 1, 1), NULL}, {T, STATUS(4, 3, 2), "bye"}}},
    {"RCPT close", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"550 5.1.1 no\r\n", CLOSE}, NULL, NULL,
     {{F, STATUS(5, 1, 1), NULL}, {T, STATUS(4, 4, 2), NULL}}},
    {"RCPT silent", "220 x\r\n", ESMTP, NULL, "250 ok\r\n", {"250 ok\r\n", SILENT}, NULL, NULL,
     {{T, STATUS(4, 4, 2), "RCPT"}, {T, STATUS(4, 4, 2), NULL}}},
    {"DATA 4yz", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "451 4.3.0 oops\r\n", NULL, {{T, STATUS(4, 3, 0), "oops"}, {T, STATUS(4, 3, 0), NULL}}},
    {"DATA 5yz", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "450 later\r\n"},
     "554 5.5.1 none\r\n", NULL, {{F, STATUS(5, 5, 1), "none"}, {T, STATUS(4, 0, 0), NULL}}},
    {"DATA 250", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "250 ok\r\n", NULL, {{T, STATUS(4, 5, 0), "250"}, {T, STATUS(4, 5, 0), NULL}}},
    {"DATA close", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"}, CLOSE,
     NULL, {{T, STATUS(4, 4, 2), NULL}, {T, STATUS(4, 4, 2), NULL}}},
    {"DATA silent", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"}, SILENT,
     NULL, {{T, STATUS(4, 4, 2), "DATA"}, {T, STATUS(4, 4, 2), NULL}}},
    {"dot 4yz", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "354 go\r\n", "451 4.7.0 later\r\n", {{T, STATUS(4, 7, 0), NULL}, {T, STATUS(4, 7, 0), NULL}}},
    {"dot 5yz", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "354 go\r\n", "554 5.6.0 spam\r\n", {{F, STATUS(5, 6, 0), "spam"}, {F, STATUS(5, 6, 0), NULL}}},
    {"dot 354", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "354 go\r\n", "354 again\r\n", {{T, STATUS(4, 5, 0), NULL}, {T, STATUS(4, 5, 0), NULL}}},
    {"dot close: a duplicate is possible and right", "220 x\r\n", PLAIN, NULL, "250 ok\r\n",
     {"250 ok\r\n", "250 ok\r\n"}, "354 go\r\n", CLOSE,
     {{T, STATUS(4, 4, 2), NULL}, {T, STATUS(4, 4, 2), NULL}}},
    {"dot silent", "220 x\r\n", PLAIN, NULL, "250 ok\r\n", {"250 ok\r\n", "250 ok\r\n"},
     "354 go\r\n", SILENT, {{T, STATUS(4, 4, 2), "end of the message"}, {T, STATUS(4, 4, 2), NULL}}},
};

static const char content[] = "Subject: x\r\n\r\n.dot\r\n..two\r\nlast\r\n";
static const char stuffed[] = "Subject: x\r\n\r\n..dot\r\n...two\r\nlast\r\n.\r\n";

struct world {
    struct client    client;
    struct client_job job;
    struct verdicts  verdicts;
    struct span      recipients[2];
    struct usec      now;
    const struct row *row;
    size_t           piece;
    char             got[65536]; /* all that the client sent */
    size_t           got_bytes, line_at;
    unsigned         rcpts;
    bool             in_data, fed_all, over;
};

static void world_init(struct world *w, const struct row *row, size_t piece)
{
    memset(w, 0, sizeof(*w));
    w->row = row;
    w->piece = piece;
    w->recipients[0] = span_str("a@example.org");
    w->recipients[1] = span_str("b@example.org");
    w->job = (struct client_job){
        .server = "10.25.1.10:25",
        .helo = span_str("mx.example.net"),
        .sender = span_str("s@example.com"),
        .recipients = w->recipients,
        .content_bytes = sizeof(content) - 1,
        .timeouts = &client_timeouts_rfc5321,
        .verdicts = &w->verdicts,
    };
    verdicts_init(&w->verdicts, 2);
}

static void server_say(struct world *w, const char *reply)
{
    if (reply == NULL)
        fail_msg("%s: a command that was not expected: %.60s", w->row->name, w->got + w->line_at);
    if (reply[0] == CLOSE[0]) {
        client_lost(&w->client, STATUS(4, 4, 2), "gone");
    } else if (reply[0] == SILENT[0]) {
        w->now = client_due(&w->client);
        client_tick(&w->client, w->now);
        assert_true(client_is_closed(&w->client));
    } else {
        struct span in = span_str(reply);

        while (in.len > 0) {
            size_t n = in.len < w->piece ? in.len : w->piece;

            client_input(&w->client, span_of(in.ptr, n), w->now);
            in = span_skip(in, n);
        }
    }
}

static bool is(const char *line, const char *verb)
{
    return strncmp(line, verb, strlen(verb)) == 0;
}

/* Answers each whole line that the client sent. */
static void server_read(struct world *w)
{
    char *end;

    while (!client_is_closed(&w->client) &&
           (end = strstr(w->got + w->line_at, "\r\n")) != NULL) {
        const char *line = w->got + w->line_at;

        if (w->in_data) {
            w->line_at = (size_t)(end + 2 - w->got);
            if (!is(line, ".\r\n"))
                continue;
            w->in_data = false;
            server_say(w, w->row->dot);
            continue;
        }
        const char *reply = is(line, "EHLO ")        ? w->row->ehlo
                            : is(line, "HELO ")      ? w->row->helo
                            : is(line, "MAIL FROM:") ? w->row->mail
                            : is(line, "RCPT TO:")   ? w->row->rcpt[w->rcpts++]
                            : is(line, "DATA\r\n")   ? w->row->data
                            : is(line, "QUIT\r\n")   ? "221 bye\r\n"
                                                     : NULL;

        w->in_data = is(line, "DATA\r\n") && reply != NULL && reply[0] == '3';
        w->line_at = (size_t)(end + 2 - w->got);
        server_say(w, reply);
    }
}

static void wire_turn(struct world *w)
{
    struct span out;

    while (client_wants_content(&w->client)) {
        if (w->fed_all)
            client_content_end(&w->client, w->now);
        else
            client_content(&w->client, span_str(content), w->now);
        w->fed_all = true;
    }
    out = client_output(&w->client);
    if (out.len > w->piece)
        out.len = w->piece;
    assert_true(w->got_bytes + out.len < sizeof(w->got));
    memcpy(w->got + w->got_bytes, out.ptr, out.len);
    w->got_bytes += out.len;
    client_sent(&w->client, out.len, w->now);
    if (client_output(&w->client).len == 0)
        server_read(w);
}

static void world_run(struct world *w)
{
    client_start(&w->client, &w->job, w->now);
    client_connected(&w->client, w->now);
    server_say(w, w->row->greeting);
    for (int turn = 0; turn < 10000 && !client_is_closed(&w->client); turn++)
        wire_turn(w);
    assert_true(client_is_closed(&w->client));
}

static void test_rows(void **state)
{
    static const size_t pieces[] = {1, 2, 7, 100000};
    static struct world w;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(pieces); i++) {
        const struct row *row = &rows[i / ARRAY_LEN(pieces)];

        world_init(&w, row, pieces[i % ARRAY_LEN(pieces)]);
        world_run(&w);
        assert_int_equal(w.verdicts.undecided, 0);
        for (int r = 0; r < 2; r++) {
            const struct verdict *v = &w.verdicts.of[r];
            char text[OUTCOME_TEXT_MAX + 1] = "";

            memcpy(text, v->text, v->text_bytes);
            if (v->result != row->want[r].result ||
                STATUS(v->status[0], v->status[1], v->status[2]) != row->want[r].status ||
                (row->want[r].text != NULL && strstr(text, row->want[r].text) == NULL))
                fail_msg("%s, piece %zu, recipient %d: result %u status %u.%u.%u code %u '%s'",
                         row->name, w.piece, r, v->result, v->status[0], v->status[1],
                         v->status[2], v->code, text);
        }
    }
}

static void test_transcripts(void **state)
{
    static struct world w;

    (void)state;
    world_init(&w, &rows[0], 100000);
    world_run(&w);
    char want[1024];

    snprintf(want, sizeof(want),
             "EHLO mx.example.net\r\nMAIL FROM:<s@example.com>\r\nRCPT TO:<a@example.org>\r\n"
             "RCPT TO:<b@example.org>\r\nDATA\r\n%sQUIT\r\n",
             stuffed);
    assert_string_equal(w.got, want);

    world_init(&w, &rows[1], 100000);
    w.job.flags = ENVELOPE_8BIT | ENVELOPE_UTF8;
    world_run(&w);
    snprintf(want, sizeof(want),
             "EHLO mx.example.net\r\nMAIL FROM:<s@example.com> SIZE=%zu BODY=8BITMIME SMTPUTF8\r\n"
             "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n%sQUIT\r\n",
             sizeof(content) - 1, stuffed);
    assert_string_equal(w.got, want);

    world_init(&w, &rows[3], 1); /* HELO: no parameters */
    w.job.flags = ENVELOPE_8BIT;
    w.job.sender = span_str("");
    world_run(&w);
    assert_non_null(strstr(w.got, "HELO mx.example.net\r\nMAIL FROM:<>\r\n"));
}

static void test_pipelined_group_is_one_write(void **state)
{
    static struct world w;
    char want[200];

    (void)state;
    snprintf(want, sizeof(want),
             "MAIL FROM:<s@example.com> SIZE=%zu\r\n"
             "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n",
             sizeof(content) - 1);
    world_init(&w, &rows[1], 100000);
    client_start(&w.client, &w.job, w.now);
    client_connected(&w.client, w.now);
    client_input(&w.client, span_str("220 x\r\n"), w.now);
    client_sent(&w.client, client_output(&w.client).len, w.now);
    client_input(&w.client, span_str(ESMTP), w.now);
    assert_true(span_equal(client_output(&w.client), span_str(want)));
}

/* Verdicts that the client gives itself. */
static void test_own_verdicts(void **state)
{
    static const struct {
        const char *name, *sender, *to;
        uint64_t    bytes;
        bool        header_8bit;
        const char *ehlo;
        enum attempt_result first;
        uint32_t    status;
    } own[] = {
        {"too large", "s@x.example", "a@x.example", 1001, false, ESMTP, F, STATUS(5, 3, 4)},
        {"just fits", "s@x.example", "a@x.example", 1000, false, ESMTP, D, STATUS(2, 0, 0)},
        {"SIZE without a number", "s@x.example", "a@x.example", 99999, false,
         "250-hi\r\n250 SIZE\r\n", D, STATUS(2, 0, 0)},
        {"utf8 recipient", "s@x.example", "\xc3\xa4@x.example", 10, false, PLAIN, F, STATUS(5, 6, 7)},
        {"utf8 recipient, offered", "s@x.example", "\xc3\xa4@x.example", 10, false, ESMTP, D,
         STATUS(2, 0, 0)},
        {"utf8 sender", "\xc3\xa4@x.example", "a@x.example", 10, false, PLAIN, F, STATUS(5, 6, 7)},
        {"utf8 header", "s@x.example", "a@x.example", 10, true, PLAIN, F, STATUS(5, 6, 7)},
        {"injected parameter", "s@x.example", "a@x.example> X=<", 10, false, PLAIN, F,
         STATUS(5, 1, 3)},
        {"injected line", "s@x.example", "a@x.example\r\nQUIT", 10, false, PLAIN, F,
         STATUS(5, 1, 3)},
        {"quoted local part", "s@x.example", "\"a <b> \\\" c\"@x.example", 10, false, PLAIN, D,
         STATUS(2, 0, 0)},
        {"unfinished quote", "s@x.example", "\"a@x.example", 10, false, PLAIN, F, STATUS(5, 1, 3)},
        {"control behind a backslash", "s@x.example", "\"a\\\r\n\"@x.example", 10, false, PLAIN, F,
         STATUS(5, 1, 3)},
        {"injected sender", "s@x.example>\r\n", "a@x.example", 10, false, PLAIN, F,
         STATUS(5, 1, 7)},
    };
    static struct world w;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        struct row row = rows[0];

        row.ehlo = own[i].ehlo;
        row.dot = "250 taken\r\n";
        world_init(&w, &row, 100000);
        w.job.sender = span_str(own[i].sender);
        w.recipients[0] = span_str(own[i].to);
        w.job.content_bytes = own[i].bytes;
        w.job.header_8bit = own[i].header_8bit;
        world_run(&w);

        const struct verdict *v = &w.verdicts.of[0];

        if (v->result != own[i].first ||
            STATUS(v->status[0], v->status[1], v->status[2]) != own[i].status)
            fail_msg("%s: result %u status %u.%u.%u", own[i].name, v->result, v->status[0],
                     v->status[1], v->status[2]);
    }
}

static void test_address_bound(void **state)
{
    static struct world w;
    char address[CLIENT_ADDRESS_MAX + 2];

    (void)state;
    memset(address, 'a', sizeof(address));
    address[CLIENT_ADDRESS_MAX + 1] = '\0';
    world_init(&w, &rows[0], 100000);
    w.recipients[0] = span_of(address, CLIENT_ADDRESS_MAX + 1);
    w.recipients[1] = span_of(address, CLIENT_ADDRESS_MAX);
    world_run(&w);
    assert_int_equal(w.verdicts.of[0].result, F);
    assert_int_equal(w.verdicts.of[1].result, D);
}

/* The most recipients with the longest addresses, pipelined: more than the buffer holds. */
static void test_large_group(void **state)
{
    static struct world w;
    static struct span many[ATTEMPT_RECIPIENTS_MAX];
    static char address[CLIENT_ADDRESS_MAX];
    size_t answered = 0;

    (void)state;
    memset(address, 'a', sizeof(address));
    world_init(&w, &rows[1], 100000);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = span_of(address, sizeof(address));
    w.job.recipients = many;
    verdicts_init(&w.verdicts, ATTEMPT_RECIPIENTS_MAX);
    client_start(&w.client, &w.job, w.now);
    client_connected(&w.client, w.now);
    client_input(&w.client, span_str("220 x\r\n"), w.now);
    client_sent(&w.client, client_output(&w.client).len, w.now);
    client_input(&w.client, span_str(ESMTP), w.now);
    for (int turn = 0; turn < 100 && w.client.state == CLIENT_ENVELOPE; turn++) {
        client_sent(&w.client, client_output(&w.client).len, w.now);
        while (answered < w.client.commands) {
            client_input(&w.client, span_str("250 ok\r\n"), w.now);
            answered++;
        }
    }
    assert_int_equal(w.client.state, CLIENT_DATA);
    assert_int_equal(answered, ATTEMPT_RECIPIENTS_MAX + 1);
}

/* Dots are stuffed the same wherever the content is cut, and a missing last CRLF is added. */
static void test_stuffing_every_cut(void **state)
{
    static const struct {
        const char *in, *out;
    } stuff[] = {
        {content, stuffed},
        {"", ".\r\n"},
        {".", "..\r\n.\r\n"},
        {"a\r\n.\r\n.", "a\r\n..\r\n..\r\n.\r\n"},
        {"a\n.b\r.c\r\n", "a\n.b\r.c\r\n.\r\n"},
        {"no end", "no end\r\n.\r\n"},
    };
    static struct client c;
    static struct verdicts v;
    struct client_job job = {.server = "s", .timeouts = &client_timeouts_rfc5321, .verdicts = &v};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stuff); i++) {
        struct span in = span_str(stuff[i].in);

        for (size_t cut = 0; cut <= in.len; cut++) {
            verdicts_init(&v, 1);
            client_start(&c, &job, (struct usec){0});
            c.state = CLIENT_DATA;
            client_input(&c, span_str("354 go\r\n"), (struct usec){0});
            client_content(&c, span_of(in.ptr, cut), (struct usec){0});
            client_content(&c, span_skip(in, cut), (struct usec){0});
            client_content_end(&c, (struct usec){0});
            if (!span_equal(client_output(&c), span_str(stuff[i].out)))
                fail_msg("row %zu cut %zu: '%.*s'", i, cut, (int)client_output(&c).len,
                         (const char *)client_output(&c).ptr);
        }
    }
}

static void body_begin(struct world *w)
{
    world_init(w, &rows[0], 100000);
    client_start(&w->client, &w->job, w->now);
    client_connected(&w->client, w->now);
    for (const char *const *say = (const char *const[]){"220 x\r\n", PLAIN, "250 ok\r\n",
                                                        "250 ok\r\n", "250 ok\r\n", "354 go\r\n",
                                                        NULL};
         *say != NULL; say++) {
        client_sent(&w->client, client_output(&w->client).len, w->now);
        client_input(&w->client, span_str(*say), w->now);
    }
    assert_int_equal(w->client.state, CLIENT_BODY);
}

static void test_reply_in_the_middle_of_content(void **state)
{
    static struct world w;

    (void)state;
    body_begin(&w);
    client_content(&w.client, span_str(content), w.now);
    client_input(&w.client, span_str("552 5.3.4 too big\r\n"), w.now);
    assert_true(client_is_closed(&w.client));
    assert_int_equal(w.verdicts.of[0].result, T); /* nobody may be failed before the dot */
    assert_int_equal(w.verdicts.of[0].code, 552);
    assert_int_equal(client_output(&w.client).len, 0);
}

static void test_reply_before_the_dot_left(void **state)
{
    static struct world w;

    (void)state;
    body_begin(&w);
    client_content(&w.client, span_str(content), w.now);
    client_content_end(&w.client, w.now);
    client_sent(&w.client, 5, w.now);
    client_input(&w.client, span_str("250 2.0.0 taken\r\n"), w.now);
    assert_true(client_is_closed(&w.client));
    assert_int_equal(w.verdicts.of[0].result, T);
}

static void test_content_that_cannot_be_read(void **state)
{
    static struct world w;

    (void)state;
    body_begin(&w);
    client_content(&w.client, span_str(content), w.now);
    client_lost(&w.client, STATUS(4, 3, 0), "bad");
    assert_int_equal(client_output(&w.client).len, 0); /* no dot */
    assert_int_equal(w.verdicts.of[1].result, T);
}

/* Deadlines of RFC 5321 s4.5.3.2; bytes that drip in do not move them, progress does. */
static void test_timeouts(void **state)
{
    static struct world w;
    struct usec start;

    (void)state;
    world_init(&w, &rows[0], 100000);
    client_start(&w.client, &w.job, w.now);
    assert_int_equal(client_due(&w.client).us, 30000000);
    client_connected(&w.client, w.now);
    assert_int_equal(client_due(&w.client).us, 300000000);
    client_input(&w.client, span_str("22"), usec_add(w.now, 299000000));
    assert_int_equal(client_due(&w.client).us, 300000000);
    client_tick(&w.client, usec_add(w.now, 299999999));
    assert_false(client_is_closed(&w.client));
    client_tick(&w.client, usec_add(w.now, 300000000));
    assert_true(client_is_closed(&w.client));

    body_begin(&w);
    start = w.now;
    assert_int_equal(client_due(&w.client).us, start.us + 180000000);
    client_content(&w.client, span_str(content), w.now);
    w.now = usec_add(start, 100000000);
    client_sent(&w.client, 10, w.now);
    assert_int_equal(client_due(&w.client).us, w.now.us + 180000000);
    client_content_end(&w.client, w.now);
    client_sent(&w.client, client_output(&w.client).len, w.now);
    assert_int_equal(client_due(&w.client).us, w.now.us + 600000000);

    /* However it dawdles, an attempt has an end. */
    body_begin(&w);
    for (uint64_t t = 0; t < 3600; t += 100) {
        client_content(&w.client, span_str("x"), usec_add(start, t * 1000000));
        client_sent(&w.client, 1, usec_add(start, t * 1000000));
        assert_false(client_is_closed(&w.client));
    }
    client_tick(&w.client, usec_add(start, 3600000000u));
    assert_true(client_is_closed(&w.client));
}

static void test_8bit_is_noted(void **state)
{
    static struct world w;

    (void)state;
    body_begin(&w);
    client_content(&w.client, span_str("plain"), w.now);
    assert_false(w.client.content_8bit);
    client_content(&w.client, span_str("\xff"), w.now);
    assert_true(w.client.content_8bit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_pipelined_group_is_one_write),
        cmocka_unit_test(test_own_verdicts),
        cmocka_unit_test(test_address_bound),
        cmocka_unit_test(test_large_group),
        cmocka_unit_test(test_stuffing_every_cut),
        cmocka_unit_test(test_reply_in_the_middle_of_content),
        cmocka_unit_test(test_reply_before_the_dot_left),
        cmocka_unit_test(test_content_that_cannot_be_read),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_8bit_is_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
