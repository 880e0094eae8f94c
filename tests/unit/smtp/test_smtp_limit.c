/* Goal: what a session may cost is bounded: junk, idle commands, time, lines. */
#include "smtp_test.h"

#define SECOND 1000000ull

static void begin(struct drive *d)
{
    drive_init(d);
    test_hello(d);
}

static enum smtp_want fire(struct drive *d, uint64_t after_us)
{
    struct smtp_out out = {.ptr = d->out, .cap = d->out_cap};
    enum smtp_want want;

    d->turn.now.us += after_us;
    d->turn.out = &out;
    want = smtp_timer(&d->smtp, &d->turn);
    memcpy(d->said + d->said_len, out.ptr, out.len);
    d->said_len += out.len;
    d->said[d->said_len] = '\0';
    return want;
}

static void junk(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    fake.limits.bad_commands = 3;
    test_hello(&d);
    test_say(&d, "X\r\nNOOP\r\nMAIL FROM:<\r\nNOOP\r\nRCPT TO:<x>\r\nNOOP\r\n");
    assert_string_equal(drive_codes(&d),
                        "500 5.5.2|250 2.0.0|501 5.1.7|250 2.0.0|503 5.5.1|421 4.7.0|");
    assert_true(d.closed);
    assert_int_equal(drive_count(&d, SMTP_COUNT_BAD_COMMANDS), 3);
    drive_done(&d);
    assert_int_equal(d.events[d.log.count - 1].end, SMTP_END_LIMIT);
}

static void trusted_may(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    fake.limits.bad_commands = 3;
    d.peer.trusted = true;
    test_hello(&d);
    for (unsigned i = 0; i < 2 * SMTP_IDLE_COMMANDS_MAX; i++)
        test_say(&d, "X\r\nNOOP\r\n");
    assert_false(d.closed);
    drive_done(&d);
}

/* Refused recipients and messages are not bad commands. */
static void refusals_are_not_junk(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    fake.limits.bad_commands = 2;
    test_hello(&d);
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    for (unsigned i = 0; i < 50; i++)
        test_say(&d, "RCPT TO:<no@example.org>\r\n");
    test_say(&d, "DATA\r\nDATA\r\nDATA\r\n");
    assert_false(d.closed);
    drive_done(&d);
}

static void idle_commands(void **state)
{
    static const char *const lines[] = {"NOOP\r\n", "RSET\r\n", "EHLO x\r\n", "VRFY x\r\n",
                                        "HELP\r\n"};
    struct drive d;

    (void)state;
    begin(&d); /* its EHLO is the first */
    for (unsigned i = 1; i < SMTP_IDLE_COMMANDS_MAX; i++)
        test_say(&d, lines[i % ARRAY_LEN(lines)]);
    assert_false(d.closed);
    test_forget(&d);
    test_say(&d, "NOOP\r\n");
    assert_string_equal(drive_codes(&d), "421 4.7.0|");
    drive_done(&d);

    begin(&d); /* with mail between them they are what clients do */
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < SMTP_IDLE_COMMANDS_MAX - 10; j++)
            test_say(&d, "RSET\r\n");
        test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
    }
    assert_false(d.closed);
    drive_done(&d);
}

static void command_deadline(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    assert_int_equal(fire(&d, 299 * SECOND), SMTP_WANT_INPUT);
    test_say(&d, "NOOP\r\n"); /* a whole command starts it afresh */
    test_forget(&d);
    assert_int_equal(fire(&d, 299 * SECOND), SMTP_WANT_INPUT);
    test_say(&d, "NO"); /* a part of one does not */
    assert_int_equal(fire(&d, 1 * SECOND), SMTP_WANT_CLOSE);
    assert_string_equal(drive_codes(&d), "421 4.4.2|");
    assert_int_equal(fire(&d, 1 * SECOND), SMTP_WANT_CLOSE);
    assert_string_equal(drive_codes(&d), "421 4.4.2|");
    drive_done(&d);
    assert_int_equal(d.events[0].end, SMTP_END_TIMEOUT);
}

/* RFC 5321 s4.5.3.2: three minutes between blocks of content, by either way. */
static void data_deadline(void **state)
{
    static const char *const ways[] = {"DATA\r\n", "BDAT 100000\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct drive d;

        begin(&d);
        test_say(&d, MAIL_TO_USER);
        test_say(&d, ways[i]);
        test_forget(&d);
        for (unsigned j = 0; j < 5; j++) {
            assert_int_equal(fire(&d, 179 * SECOND), SMTP_WANT_INPUT);
            test_say(&d, "x");
        }
        assert_int_equal(fire(&d, 180 * SECOND), SMTP_WANT_CLOSE);
        assert_string_equal(drive_codes(&d), "421 4.4.2|");
        assert_true(smtp_mid_message(&d.smtp));
        drive_done(&d);
    }
}

/* However busily it drips, the session has an end. */
static void session_deadline(void **state)
{
    struct drive d;
    unsigned i = 0;

    (void)state;
    begin(&d);
    while (fire(&d, 60 * SECOND) == SMTP_WANT_INPUT && i++ < 1000)
        test_say(&d, i % 2 ? "RSET\r\n" : "MAIL FROM:<a@b.example>\r\n");
    assert_int_equal(i, 59);
    drive_done(&d);

    begin(&d); /* in content as well */
    test_say(&d, MAIL_TO_USER "DATA\r\n");
    for (i = 0; fire(&d, 60 * SECOND) == SMTP_WANT_INPUT && i < 1000; i++)
        test_say(&d, "x");
    assert_int_equal(i, 59);
    assert_true(smtp_deadline(&d.smtp).us == UINT64_MAX);
    drive_done(&d);
}

static void long_lines(void **state)
{
    static char line[70000];
    struct drive d;

    (void)state;
    memset(line, 'x', sizeof(line));
    begin(&d);
    memcpy(line, "NOOP ", 5);
    drive_feed(&d, span_of(line, 510), false); /* 512 with CRLF */
    test_say(&d, "\r\n");
    drive_feed(&d, span_of(line, 511), false);
    test_say(&d, "\r\n");
    memcpy(line, "MAIL ", 5);
    drive_feed(&d, span_of(line, 1022), false); /* long enough for parameters, but nonsense */
    test_say(&d, "\r\n");
    drive_feed(&d, span_of(line, 60000), false);
    test_say(&d, "\r\nNOOP\r\n");
    assert_string_equal(drive_codes(&d), "250 2.0.0|500 5.5.2|501 5.5.4|500 5.5.2|250 2.0.0|");
    assert_int_equal(drive_count(&d, SMTP_COUNT_LINES_TOO_LONG), 1);
    test_forget(&d);
    drive_feed(&d, span_of(line, sizeof(line)), false);
    assert_string_equal(drive_codes(&d), "500 5.5.2|");
    assert_true(d.closed);
    drive_done(&d);
}

/* Fifty megabytes without CRLF end long before that. */
static void line_without_end(void **state)
{
    static char part[65536];
    struct drive d;
    unsigned i = 0;

    (void)state;
    memset(part, 'x', sizeof(part));
    begin(&d);
    for (; !d.closed; i++)
        drive_feed(&d, span_of(part, sizeof(part)), true);
    assert_true(i <= 2);
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(junk),
        cmocka_unit_test(trusted_may),
        cmocka_unit_test(refusals_are_not_junk),
        cmocka_unit_test(idle_commands),
        cmocka_unit_test(command_deadline),
        cmocka_unit_test(data_deadline),
        cmocka_unit_test(session_deadline),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(line_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
