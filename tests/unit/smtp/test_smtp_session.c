/* Goal: what happens around the commands: greeting, suspend and resume, half-close, shutdown,
 * small output buffers, the queue's early refusals, a policy that changes under a session. */
#include "smtp_test.h"

static void begin(struct drive *d)
{
    drive_init(d);
    test_hello(d);
}

/* smtp_eof(), smtp_timer() and smtp_shutdown() as the caller would call them. */
static enum smtp_want call(struct drive *d,
                           enum smtp_want (*what)(struct smtp *, struct smtp_turn *))
{
    struct smtp_out out = {.ptr = d->out, .cap = d->out_cap};
    enum smtp_want want;

    d->turn.out = &out;
    d->turn.more_input = false;
    want = what(&d->smtp, &d->turn);
    memcpy(d->said + d->said_len, out.ptr, out.len);
    d->said_len += out.len;
    d->said[d->said_len] = '\0';
    return want;
}

/* clang-format off */
static const struct {
    bool refuse, busy, early, trusted, closing;
    enum policy_early early_policy;
    const char *codes;
    enum smtp_counter counter;
    enum smtp_end end;
} greeting_rows[] = {
    {.codes = "220|", .counter = SMTP_COUNT_GREETED, .end = SMTP_END_CLIENT_CLOSED},
    {.refuse = true,
     .codes = "554 5.7.1|", .counter = SMTP_COUNT_GREET_REFUSED, .end = SMTP_END_REFUSED},
    {.refuse = true, .busy = true, .early = true,
     .codes = "554 5.7.1|", .counter = SMTP_COUNT_GREET_REFUSED, .end = SMTP_END_REFUSED},
    {.busy = true,
     .codes = "421 4.7.0|", .counter = SMTP_COUNT_GREET_BUSY, .end = SMTP_END_LIMIT},
    {.early = true,
     .codes = "554 5.5.0|", .counter = SMTP_COUNT_GREET_EARLY, .end = SMTP_END_REFUSED},
    {.early = true, .trusted = true,
     .codes = "220|", .counter = SMTP_COUNT_EARLY_TALKERS, .end = SMTP_END_CLIENT_CLOSED},
    {.early = true, .early_policy = EARLY_NOTE,
     .codes = "220|", .counter = SMTP_COUNT_EARLY_TALKERS, .end = SMTP_END_CLIENT_CLOSED},
    {.closing = true,
     .codes = "421 4.3.2|", .counter = SMTP_COUNT_REPLIES_4, .end = SMTP_END_SHUTDOWN},
};
/* clang-format on */

static void greetings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(greeting_rows); i++) {
        struct drive d;

        drive_init(&d);
        d.peer.refuse = greeting_rows[i].refuse;
        d.peer.busy = greeting_rows[i].busy;
        d.peer.early = greeting_rows[i].early;
        d.peer.trusted = greeting_rows[i].trusted;
        d.turn.closing = greeting_rows[i].closing;
        fake.server.early = greeting_rows[i].early_policy;
        drive_open(&d);
        assert_string_equal(drive_codes(&d), greeting_rows[i].codes);
        assert_int_equal(d.closed, greeting_rows[i].codes[0] != '2');
        assert_int_equal(drive_count(&d, greeting_rows[i].counter), 1);
        drive_done(&d);
        assert_int_equal(d.events[0].end, greeting_rows[i].end);
    }
}

/* What comes while the greeting has not left beats it, though the session is open already. */
static void talks_before_the_greeting_left(void **state)
{
    static const struct {
        bool trusted;
        enum policy_early early;
        const char *codes;
        enum smtp_counter counter;
    } rows[] = {
        {false, EARLY_REFUSE, "220|554 5.5.0|", SMTP_COUNT_GREET_EARLY  },
        {false, EARLY_NOTE,   "220|250|",       SMTP_COUNT_EARLY_TALKERS},
        {true,  EARLY_REFUSE, "220|250|",       SMTP_COUNT_EARLY_TALKERS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct drive d;

        drive_init(&d);
        d.peer.trusted = rows[i].trusted;
        fake.server.early = rows[i].early;
        drive_open(&d);
        d.turn.replies_wait = true;
        drive_feed(&d, span_str("EH"), false);
        if (!d.closed)
            drive_feed(&d, span_str("LO c\r\n"), false);
        assert_string_equal(drive_codes(&d), rows[i].codes);
        assert_int_equal(d.closed, rows[i].counter == SMTP_COUNT_GREET_EARLY);
        assert_int_equal(drive_count(&d, rows[i].counter), 1);
        assert_int_equal(drive_count(&d, SMTP_COUNT_EARLY_TALKERS), 1);
        drive_done(&d);
    }
}

static void suspended_until_committed(void **state)
{
    static const struct {
        enum smtp_commit result;
        const char *codes;
    } rows[] = {
        {SMTP_STORED,        "250 2.0.0|250 2.0.0|"},
        {SMTP_STORE_FULL,    "452 4.3.1|250 2.0.0|"},
        {SMTP_STORE_FAILED,  "451 4.3.0|250 2.0.0|"},
        {SMTP_STORE_TOO_BIG, "552 5.3.4|250 2.0.0|"},
        {SMTP_STORE_TIMEOUT, "451 4.3.0|250 2.0.0|"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct drive d;
        struct span rest;

        begin(&d);
        d.hold = true;
        test_say(&d, MAIL_TO_USER "DATA\r\n");
        test_forget(&d);
        rest = drive_feed(&d, span_str("x\r\n.\r\nNOOP\r\n"), false);
        assert_span(rest, "NOOP\r\n", 6);
        assert_true(smtp_suspended(&d.smtp));
        assert_false(smtp_pending(&d.smtp));
        assert_false(smtp_mid_message(&d.smtp));
        assert_int_equal(smtp_deadline(&d.smtp).us, UINT64_MAX);
        assert_int_equal(d.said_len, 0);
        d.turn.now.us += 600000000ull; /* ten minutes of the queue's time are not the client's */
        drive_committed(&d, rows[i].result);
        assert_false(smtp_suspended(&d.smtp));
        assert_int_equal(call(&d, smtp_timer), SMTP_WANT_INPUT);
        drive_feed(&d, rest, false);
        assert_string_equal(drive_codes(&d), rows[i].codes);
        assert_int_equal(drive_count(&d, SMTP_COUNT_MESSAGES_ACCEPTED),
                         rows[i].result == SMTP_STORED);
        drive_done(&d);
    }
}

/* The answer to a commit waits for room in the output like every other. */
static void commit_without_room(void **state)
{
    struct smtp_out none;
    struct drive d;

    (void)state;
    begin(&d);
    d.hold = true;
    test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
    test_forget(&d);
    none = (struct smtp_out){.ptr = d.out, .cap = SMTP_OUT_MIN - 1};
    d.turn.out = &none;
    assert_int_equal(smtp_committed(&d.smtp, &d.turn, SMTP_STORED), SMTP_WANT_ROOM);
    assert_int_equal(none.len, 0);
    assert_false(smtp_suspended(&d.smtp));
    assert_true(smtp_pending(&d.smtp));
    drive_feed(&d, span_of(NULL, 0), false);
    assert_string_equal(drive_codes(&d), "250 2.0.0|");
    drive_done(&d);
}

/* The client closes behind the dot: stored all the same, the reply goes out, then the end. */
static void half_close_while_suspended(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    d.hold = true;
    test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
    test_forget(&d);
    assert_int_equal(call(&d, smtp_eof), SMTP_WANT_INPUT);
    assert_true(smtp_suspended(&d.smtp));
    drive_committed(&d, SMTP_STORED);
    assert_string_equal(drive_codes(&d), "250 2.0.0|");
    assert_true(d.closed);
    assert_int_equal(d.stored_count, 1);
    drive_done(&d);
    assert_int_equal(d.events[1].end, SMTP_END_CLIENT_CLOSED);
}

/* Commands behind the dot are served even if the client half-closed after them. */
static void half_close_with_input_waiting(void **state)
{
    struct span rest;
    struct drive d;

    (void)state;
    begin(&d);
    d.hold = true;
    test_say(&d, MAIL_TO_USER "DATA\r\n");
    test_forget(&d);
    rest = drive_feed(&d, span_str("x\r\n.\r\nNOOP\r\n"), false);
    call(&d, smtp_eof);
    d.turn.more_input = true;
    drive_committed(&d, SMTP_STORED);
    assert_false(d.closed);
    drive_feed(&d, rest, false);
    assert_string_equal(drive_codes(&d), "250 2.0.0|250 2.0.0|");
    assert_true(d.closed);
    drive_done(&d);
}

static void half_close_at_rest(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    assert_int_equal(call(&d, smtp_eof), SMTP_WANT_CLOSE);
    assert_int_equal(call(&d, smtp_eof), SMTP_WANT_CLOSE);
    drive_done(&d);
}

/* RST or close in mid DATA: nothing is stored, an ABORT is owed. */
static void gone_in_mid_data(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r");
    assert_true(smtp_mid_message(&d.smtp));
    assert_int_equal(call(&d, smtp_eof), SMTP_WANT_CLOSE);
    assert_true(smtp_mid_message(&d.smtp));
    assert_int_equal(d.commits, 0);
    drive_done(&d);
}

static void shutdown(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    assert_int_equal(call(&d, smtp_shutdown), SMTP_WANT_CLOSE);
    assert_string_equal(drive_codes(&d), "421 4.3.2|");
    assert_int_equal(call(&d, smtp_shutdown), SMTP_WANT_CLOSE);
    assert_string_equal(drive_codes(&d), "421 4.3.2|");
    drive_done(&d);
    assert_int_equal(d.events[0].end, SMTP_END_SHUTDOWN);

    begin(&d); /* suspended: the message's answer first */
    d.hold = true;
    test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
    test_forget(&d);
    assert_int_equal(call(&d, smtp_shutdown), SMTP_WANT_INPUT);
    drive_committed(&d, SMTP_STORED);
    assert_string_equal(drive_codes(&d), "250 2.0.0|421 4.3.2|");
    assert_true(d.closed);
    drive_done(&d);

    begin(&d); /* closing: at the next command, not in mid content */
    test_say(&d, MAIL_TO_USER "DATA\r\n");
    test_forget(&d);
    d.turn.closing = true;
    test_say(&d, "x\r\n.\r\nNOOP\r\n");
    assert_string_equal(drive_codes(&d), "250 2.0.0|421 4.3.2|");
    drive_done(&d);
}

/* With just the room that is asked for, everything still goes on, a reply at a time. */
static void least_room(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    d.out_cap = SMTP_OUT_MIN;
    test_hello(&d);
    test_say(&d, "NOOP\r\nNOOP\r\n" MAIL_TO_USER "DATA\r\n~x\r\n.\r\nNOOP\r\nBAD\r\nQUIT\r\n");
    assert_string_equal(
        drive_codes(&d),
        "250 2.0.0|250 2.0.0|250 2.1.0|250 2.1.5|354|250 2.0.0|250 2.0.0|500 5.5.2|221 2.0.0|");
    drive_done(&d);
}

static void less_room_than_that(void **state)
{
    struct span in = span_str("NOOP\r\n");
    struct smtp_out out;
    struct drive d;

    (void)state;
    begin(&d);
    out = (struct smtp_out){.ptr = d.out, .cap = SMTP_OUT_MIN - 1};
    d.turn.out = &out;
    assert_int_equal(smtp_input(&d.smtp, &d.turn, &in), SMTP_WANT_ROOM);
    assert_int_equal(in.len, 6);
    assert_int_equal(out.len, 0);
    drive_done(&d);
}

/* The queue refuses while content still comes. */
static void early_refusal(void **state)
{
    static const char *const ends[] = {"452 4.3.1|", "451 4.3.0|", "552 5.3.4|"};
    static const enum smtp_commit results[] = {SMTP_STORE_FULL, SMTP_STORE_FAILED,
                                               SMTP_STORE_TOO_BIG};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        struct drive d;

        begin(&d);
        test_say(&d, MAIL_TO_USER "DATA\r\n~some text\r\n");
        test_forget(&d);
        drive_committed(&d, results[i]);
        assert_int_equal(d.aborts, 1);
        assert_int_equal(d.said_len, 0);
        drive_committed(&d, results[i]); /* once is enough */
        test_say(&d, "more text\r\n.\r\n");
        assert_string_equal(drive_codes(&d), ends[i]);
        assert_int_equal(d.commits, 0);
        test_forget(&d);
        test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
        assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|354|250 2.0.0|");
        drive_done(&d);
    }
}

static void early_refusal_between_chunks(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    test_say(&d, MAIL_TO_USER "BDAT 2\r\nhi");
    test_forget(&d);
    drive_committed(&d, SMTP_STORE_FULL);
    test_say(&d, "BDAT 2\r\nhiBDAT 0 LAST\r\nNOOP\r\n");
    assert_string_equal(drive_codes(&d), "452 4.3.1|452 4.3.1|250 2.0.0|");
    drive_done(&d);
}

/* An answer that nobody waits for changes nothing. */
static void stray_answer(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    drive_committed(&d, SMTP_STORED);
    test_say(&d, "NOOP\r\n");
    assert_string_equal(drive_codes(&d), "250 2.0.0|");
    drive_done(&d);
}

static void intake(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    d.turn.intake_shut = true;
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    d.turn.queue_gone = true;
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    d.turn.intake_shut = d.turn.queue_gone = false;
    test_say(&d, MAIL_TO_USER);
    d.turn.queue_gone = true;
    test_say(&d, "DATA\r\n");
    assert_string_equal(drive_codes(&d), "452 4.3.1|451 4.3.2|250 2.1.0|250 2.1.5|451 4.3.2|");
    d.turn.queue_gone = false;
    test_forget(&d);
    test_say(&d, MAIL_TO_USER);
    d.turn.queue_gone = true;
    test_say(&d, "BDAT 2 LAST\r\nhiNOOP\r\n");
    assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|451 4.3.2|250 2.0.0|");
    drive_done(&d);
}

/* D9: a reload reaches live sessions at their next command; a virtual server that is gone ends
 * them with words. */
static void policy_changes(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    fake.generation++;
    fake.limits.recipients = 1;
    test_say(&d, "RCPT TO:<user@example.org>\r\nRCPT TO:<bob@example.org>\r\n");
    assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|452 4.5.3|");
    fake.generation++;
    fake.bare = BARE_NORMALIZE;
    test_forget(&d);
    test_say(&d, "DATA\r\n~a\nb\r\n.\r\n");
    assert_string_equal(drive_codes(&d), "354|250 2.0.0|");
    fake.generation++;
    fake.listener = POLICY_NONE;
    test_forget(&d);
    test_say(&d, "NOOP\r\n");
    assert_string_equal(drive_codes(&d), "421 4.3.2|");
    drive_done(&d);
}

/* A chunk that the caller does not have yet is asked for again. */
static void chunk_later(void **state)
{
    struct smtp_out out;
    struct span in = span_str("DATA\r\n"), none = span_of(NULL, 0);
    struct drive d;

    (void)state;
    begin(&d);
    test_say(&d, MAIL_TO_USER);
    test_forget(&d);
    out = (struct smtp_out){.ptr = d.out, .cap = d.out_cap};
    d.turn.out = &out;
    assert_int_equal(smtp_input(&d.smtp, &d.turn, &in), SMTP_WANT_CHUNK);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(smtp_pending(&d.smtp));
        assert_int_equal(smtp_input(&d.smtp, &d.turn, &none), SMTP_WANT_CHUNK);
    }
    assert_int_equal(out.len, 0);
    drive_feed(&d, none, false);
    assert_string_equal(drive_codes(&d), "354|");
    test_say(&d, "x\r\n.\r\n");
    assert_int_equal(d.stored_count, 1);
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greetings),
        cmocka_unit_test(talks_before_the_greeting_left),
        cmocka_unit_test(suspended_until_committed),
        cmocka_unit_test(commit_without_room),
        cmocka_unit_test(half_close_while_suspended),
        cmocka_unit_test(half_close_with_input_waiting),
        cmocka_unit_test(half_close_at_rest),
        cmocka_unit_test(gone_in_mid_data),
        cmocka_unit_test(shutdown),
        cmocka_unit_test(least_room),
        cmocka_unit_test(less_room_than_that),
        cmocka_unit_test(early_refusal),
        cmocka_unit_test(early_refusal_between_chunks),
        cmocka_unit_test(stray_answer),
        cmocka_unit_test(intake),
        cmocka_unit_test(policy_changes),
        cmocka_unit_test(chunk_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
