/* Goal: what clients say and what they hear, whatever TCP does to the bytes; among them what
 * real clients do that breaks servers.  Method: each row runs uncut, cut at every byte and byte
 * by byte ('~': the client waits for its replies), always with the same codes and messages. */
#include "smtp_test.h"

#define HI       "EHLO c.example\r\n"
#define HI_CODES "220|250|"
#define BODY     "Subject: x\r\n\r\nhello\r\n.\r\n"
#define DENY     "550 5.7.1|"

/* clang-format off */
static const struct {
    const char *name, *script, *codes;
    unsigned stored;
} rows[] = {
    {"plain message",
     HI "~MAIL FROM:<a@b.example>\r\n~RCPT TO:<user@example.org>\r\n~DATA\r\n~" BODY "~QUIT\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|221 2.0.0|", 1},
    {"pipelined",
     HI "~" MAIL_TO_USER "DATA\r\n~" BODY "QUIT\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|221 2.0.0|", 1},
    {"pipelined to the next message",
     HI "~" MAIL_TO_USER "DATA\r\n~" BODY MAIL_TO_USER "DATA\r\n~" BODY,
     HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|250 2.1.0|250 2.1.5|354|250 2.0.0|", 2},
    {"the same message again",
     HI MAIL_TO_USER "DATA\r\n~" BODY "~" MAIL_TO_USER "DATA\r\n~" BODY,
     HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|250 2.1.0|250 2.1.5|354|250 2.0.0|", 2},
    {"EHLO with underscore", "EHLO my_pc\r\n", HI_CODES, 0},
    {"EHLO with words behind", "EHLO my pc [1.2.3.4]\r\n", HI_CODES, 0},
    {"EHLO with a literal", "EHLO [10.25.0.1]\r\n", HI_CODES, 0},
    {"EHLO beyond ASCII", "EHLO m\xc3\xbcller\r\n", HI_CODES, 0},
    {"EHLO without argument", "EHLO\r\nEHLO \r\n", "220|501 5.5.4|501 5.5.4|", 0},
    {"HELO then MAIL",
     "HELO c\r\n" MAIL_TO_USER "DATA\r\n~" BODY, HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|", 1},
    {"MAIL before EHLO", "MAIL FROM:<a@b.example>\r\n", "220|503 5.5.1|", 0},
    {"lower case, trailing spaces",
     "ehlo c  \r\nmail from:<a@b.example>  \r\nrcpt to:<USER@EXAMPLE.ORG> \r\ndata \r\n~" BODY,
     HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|", 1},
    {"space after the colon",
     HI "MAIL FROM: <a@b.example>\r\nRCPT TO:  <user@example.org>\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|", 0},
    {"no angle brackets",
     HI "MAIL FROM:a@b.example SIZE=10\r\nRCPT TO:user@example.org\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|", 0},
    {"QUIT behind the dot",
     HI MAIL_TO_USER "DATA\r\n~" BODY "QUIT\r\nNOOP\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|354|250 2.0.0|221 2.0.0|", 1},
    {"text behind QUIT is ignored",
     HI "QUIT\r\nMAIL FROM:<a@b.example>\r\n\n\n", HI_CODES "221 2.0.0|", 0},
    {"input behind DATA",
     HI MAIL_TO_USER "DATA\r\n" BODY, HI_CODES "250 2.1.0|250 2.1.5|554 5.5.0|", 0},
    {"input behind a refused DATA",
     HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<no@example.org>\r\nDATA\r\nRSET\r\nNOOP\r\n",
     HI_CODES "250 2.1.0|550 5.1.1|554 5.5.1|250 2.0.0|250 2.0.0|", 0},
    {"DATA out of place",
     HI "DATA\r\nMAIL FROM:<a@b.example>\r\nDATA\r\nDATA x\r\n",
     HI_CODES "503 5.5.1|250 2.1.0|503 5.5.1|501 5.5.4|", 0},
    {"RCPT before MAIL, MAIL twice",
     HI "RCPT TO:<user@example.org>\r\nMAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\n",
     HI_CODES "503 5.5.1|250 2.1.0|503 5.5.1|", 0},
    {"RSET forgets",
     HI MAIL_TO_USER "RSET\r\nDATA\r\nRSET x\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|250 2.0.0|503 5.5.1|501 5.5.4|", 0},
    {"EHLO forgets",
     HI MAIL_TO_USER HI "RCPT TO:<user@example.org>\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|250|503 5.5.1|", 0},
    {"RSET, NOOP, VRFY, HELP at any time",
     "RSET\r\nNOOP x\r\nVRFY user\r\nHELP MAIL\r\nEXPN list\r\n",
     "220|250 2.0.0|250 2.0.0|252 2.5.0|214 2.0.0|502 5.5.1|", 0},
    {"what is not implemented",
     HI "STARTTLS\r\nAUTH PLAIN AGEAYg==\r\nETRN x\r\nGET / HTTP/1.1\r\n\r\n",
     HI_CODES "502 5.5.1|502 5.5.1|500 5.5.2|500 5.5.2|500 5.5.2|", 0},
    {"verbs run together",
     HI "MAILFROM:<a@b.example>\r\nNOOPNOOP\r\nNOO\r\n NOOP\r\n",
     HI_CODES "500 5.5.2|500 5.5.2|500 5.5.2|500 5.5.2|", 0},
    {"parameters not announced",
     HI "MAIL FROM:<a@b.example> RET=HDRS\r\n" "MAIL FROM:<a@b.example> REQUIRETLS\r\n"
     "MAIL FROM:<a@b.example> AUTH=<>\r\nMAIL FROM:<a@b.example>\r\n" "RCPT TO:<user@example.org> "
     "NOTIFY=NEVER\r\n", HI_CODES "555 5.5.4|555 5.5.4|555 5.5.4|250 2.1.0|555 5.5.4|", 0},
    {"SIZE over the limit",
     HI "MAIL FROM:<a@b.example> SIZE=100001\r\n"
     "MAIL FROM:<a@b.example> SIZE=18446744073709551616\r\n" "MAIL FROM:<a@b.example> SIZE=x\r\n"
     "MAIL FROM:<a@b.example> SIZE=100000\r\n", HI_CODES "552 5.3.4|552 5.3.4|501 5.5.4|250 2.1.0|",
     0},
    {"sender syntax",
     HI "MAIL <a@b.example>\r\nMAIL FROM:<a@>\r\nMAIL FROM:<a>\r\nMAIL FROM:\r\nMAIL\r\n",
     HI_CODES "501 5.5.4|501 5.1.7|501 5.1.7|501 5.1.7|501 5.5.4|", 0},
    {"recipient syntax",
     HI "MAIL FROM:<a@b.example>\r\nRCPT <user@example.org>\r\n" "RCPT TO:<>\r\nRCPT "
     "TO:<user>\r\nRCPT TO:<.user@example.org>\r\n",
     HI_CODES "250 2.1.0|501 5.5.4|501 5.1.3|501 5.1.3|501 5.1.3|", 0},
    {"what the policy says",
     HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<no@example.org>\r\n" "RCPT TO:<x@foreign.example>\r\n"
     "RCPT TO:<x@refuse.example>\r\nRCPT TO:<x@noroute.example>\r\n" "RCPT "
     "TO:<x@stale.example>\r\nRCPT TO:<x@relay.example>\r\n",
     HI_CODES "250 2.1.0|550 5.1.1|" DENY DENY "550 5.4.4|451 4.3.0|250 2.1.5|", 0},
    {"relay tricks",
     HI "MAIL FROM:<a@b.example>\r\n" "RCPT TO:<x%foreign.example@example.org>\r\n"
     "RCPT TO:<foreign.example!x@example.org>\r\n" "RCPT TO:<\"x@foreign.example\"@example.org>\r\n"
     "RCPT TO:<@example.org:x@foreign.example>\r\n" "RCPT TO:<user@[10.25.0.25]>\r\nRCPT "
     "TO:<50%off@example.org>\r\n", HI_CODES "250 2.1.0|" DENY DENY DENY DENY DENY "250 2.1.5|", 0},
    {"relay tricks that are no addresses",
     HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<foreign.example!x>\r\n" "RCPT TO:<x%foreign.example>\r\n"
     "RCPT TO:<\"x@foreign.example\">\r\nRCPT TO:<x@foreign.example@example.org>\r\n"
     "RCPT TO:<x@example.org@foreign.example>\r\nRCPT TO:<user@@example.org>\r\n"
     "RCPT TO:<@example.org:x@foreign.example@example.org>\r\nRCPT TO:x@foreign.example@example.org\r\n",
     HI_CODES "250 2.1.0|" DENY DENY DENY DENY DENY DENY DENY DENY, 0},
    {"one @ too few or behind the address is syntax",
     HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<@example.org:x>\r\n" "RCPT TO:<x@>\r\n"
     "RCPT TO:<user@example.org>x@y\r\nRCPT TO:<user@example.org> x@y\r\n",
     HI_CODES "250 2.1.0|501 5.1.3|501 5.1.3|501 5.1.3|501 5.5.4|", 0},
    {"source route to a user of ours",
     HI "MAIL FROM:<@x.example:a@b.example>\r\nRCPT TO:<@y.example:user@example.org>\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|", 0},
    {"postmaster",
     HI "MAIL FROM:<a@b.example>\r\nRCPT TO:<Postmaster>\r\n" "RCPT TO:<postmaster@example.org>\r\n"
     "RCPT TO:<postmaster@[10.25.0.25]>\r\n" "RCPT TO:<postmaster@stale.example>\r\nRCPT "
     "TO:<postmaster@foreign.example>\r\n" "RCPT TO:<postmaster@[10.9.9.9]>\r\n",
     HI_CODES "250 2.1.0|250 2.1.5|250 2.1.5|250 2.1.5|250 2.1.5|" DENY DENY, 0},
    {"null sender",
     HI "MAIL FROM:<>\r\nRCPT TO:<user@example.org>\r\n" "RCPT TO:<alice@example.org>\r\nDATA\r\n~"
     BODY, HI_CODES "250 2.1.0|250 2.1.5|550 5.5.3|354|250 2.0.0|", 1},
    {"SMTPUTF8 needed",
     HI "MAIL FROM:<\xc3\xa4@b.example>\r\nMAIL FROM:<a@b.example>\r\n" "RCPT TO:<a@b\xc3\xbc"
     "cher.example>\r\n", HI_CODES "553 5.6.7|250 2.1.0|553 5.6.7|", 0},
    {"SMTPUTF8 said",
     HI "MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8 BODY=8BITMIME\r\n" "RCPT TO:<a@b\xc3\xbc"
     "cher.example>\r\n", HI_CODES "250 2.1.0|250 2.1.5|", 0},
    {"NUL in a command", HI "NO\1OP\r\n", HI_CODES "500 5.5.2|", 0},
    {"bare LF in a command", HI "NOOP\nQUIT\r\n", HI_CODES "554 5.5.2|", 0},
    {"bare CR in a command", HI "NOOP\rQUIT\r\n", HI_CODES "554 5.5.2|", 0},
};
/* clang-format on */

static void run_row(size_t i, size_t cut, size_t step)
{
    struct drive d;
    const char *codes;

    drive_init(&d);
    drive_open(&d);
    drive_script(&d, span_str(rows[i].script), cut, step);
    codes = drive_codes(&d);
    if (strcmp(codes, rows[i].codes) != 0)
        fail_msg("%s, cut %zu step %zu:\n got %s\nwant %s", rows[i].name, cut, step, codes,
                 rows[i].codes);
    assert_int_equal(d.stored_count, rows[i].stored);
    drive_done(&d);
}

static void every_row_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = test_stream_len(span_str(rows[i].script));

        run_row(i, SIZE_MAX, 0);
        run_row(i, SIZE_MAX, 1);
        for (size_t cut = 1; cut < len; cut++)
            run_row(i, cut, 0);
    }
}

static void ehlo_announces(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    drive_open(&d);
    assert_string_equal(d.said, "220 mx1.example.net ESMTP Sluice\r\n");
    test_forget(&d);
    test_say(&d, "EHLO c.example\r\n");
    assert_string_equal(d.said, "250-mx1.example.net\r\n250-PIPELINING\r\n250-SIZE 100000\r\n"
                                "250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
                                "250-CHUNKING\r\n250-LIMITS RCPTMAX=100\r\n250 HELP\r\n");
    test_forget(&d);
    test_say(&d, "HELO c.example\r\n");
    assert_string_equal(d.said, "250 mx1.example.net\r\n");
    drive_done(&d);
}

/* The longest names there can be still leave EHLO within its room. */
static void ehlo_room(void **state)
{
    static char name[1000];
    struct drive d;

    (void)state;
    memset(name, 'n', sizeof(name));
    drive_init(&d);
    fake.server.hostname = span_of(name, sizeof(name));
    fake.limits.message_bytes = UINT64_MAX;
    fake.limits.recipients = UINT32_MAX;
    d.out_cap = SMTP_OUT_MIN;
    drive_open(&d);
    test_say(&d, "EHLO c\r\n");
    assert_string_equal(drive_codes(&d), "220|250|");
    drive_done(&d);
}

/* Replies of a pipelined group leave together (RFC 2920 s3.2). */
static void one_batch(void **state)
{
    struct drive d;
    struct smtp_out out;
    struct span in =
        span_str("NOOP\r\nNOOP\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.org>\r\n");

    (void)state;
    drive_init(&d);
    test_hello(&d);
    out = (struct smtp_out){.ptr = d.out, .cap = d.out_cap};
    d.turn.out = &out;
    assert_int_equal(smtp_input(&d.smtp, &d.turn, &in), SMTP_WANT_INPUT);
    assert_int_equal(in.len, 0);
    assert_memory_equal(
        out.ptr,
        "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n",
        out.len);
    drive_done(&d);
}

/* A NUL cannot stand in the rows, which are strings. */
static void nul_in_a_command(void **state)
{
    static const char in[] = "NO\0OP\r\nNOOP\r\n";

    (void)state;
    for (size_t step = 1; step < sizeof(in); step++) {
        struct drive d;

        drive_init(&d);
        test_hello(&d);
        drive_script(&d, span_of(in, sizeof(in) - 1), SIZE_MAX, step);
        assert_string_equal(drive_codes(&d), "554 5.6.0|250 2.0.0|");
        drive_done(&d);
    }
}

/* Devices that end lines with LF alone, where the operator lets them. */
static void normalized_commands(void **state)
{
    (void)state;
    for (int bare = BARE_NORMALIZE; bare <= BARE_NOTE; bare++) {
        for (size_t step = 1; step < 40; step++) {
            struct drive d;

            drive_init(&d);
            fake.bare = (enum policy_bare_newline)bare;
            drive_open(&d);
            drive_script(
                &d,
                span_str("EHLO c\nMAIL FROM:<a@b.example>\nRCPT TO:<user@example.org>\rNOOP\r\n"),
                SIZE_MAX, step);
            assert_string_equal(drive_codes(&d), "220|250|250 2.1.0|250 2.1.5|250 2.0.0|");
            assert_int_equal(drive_count(&d, SMTP_COUNT_BARE_REFUSED + (enum smtp_counter)bare), 3);
            drive_done(&d);
        }
    }
}

static void pipelining_before_ehlo_is_counted(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    drive_open(&d);
    test_say(&d, "EHLO c\r\nNOOP\r\nEHLO c\r\nNOOP\r\n");
    assert_int_equal(drive_count(&d, SMTP_COUNT_PIPELINED_HELLO), 1);
    drive_done(&d);
}

/* What arrives between DATA and our 354 counts as sent before it, even in another segment. */
static void input_before_the_354(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    test_hello(&d);
    test_say(&d, MAIL_TO_USER);
    drive_feed(&d, span_str("DATA\r\n"), true);
    assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|554 5.5.0|");
    assert_true(d.closed);
    assert_true(smtp_mid_message(&d.smtp)); /* the caller owes an ABORT */
    assert_int_equal(drive_count(&d, SMTP_COUNT_PIPELINED_DATA), 1);
    drive_done(&d);
}

/* Text that comes while our 354 has not left cannot be its answer, in whatever segment it is. */
static void input_while_the_354_waits(void **state)
{
    static const char *const texts[] = {"NOOP\r\n", ".\r\n", "\r\n.\r\n", "x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct drive d;

        drive_init(&d);
        test_hello(&d);
        test_say(&d, MAIL_TO_USER "DATA\r\n");
        d.turn.replies_wait = true;
        drive_feed(&d, span_str(texts[i]), false);
        assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|354|554 5.5.0|");
        assert_true(d.closed);
        assert_int_equal(drive_count(&d, SMTP_COUNT_PIPELINED_DATA), 1);
        assert_int_equal(d.commits, 0);
        drive_done(&d);
    }
}

/* Once content has come in answer to our 354, and among commands, waiting replies mean nothing. */
static void waiting_replies_are_no_offence(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    test_hello(&d);
    d.turn.replies_wait = true;
    test_say(&d, "NOOP\r\n" MAIL_TO_USER "DATA\r\n");
    d.turn.replies_wait = false;
    drive_feed(&d, span_str("."), false);
    d.turn.replies_wait = true;
    drive_feed(&d, span_str(".x\r\n.\r\nQUIT\r\n"), false);
    assert_string_equal(drive_codes(&d), "250 2.0.0|250 2.1.0|250 2.1.5|354|250 2.0.0|221 2.0.0|");
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_every_cut),
        cmocka_unit_test(ehlo_announces),
        cmocka_unit_test(ehlo_room),
        cmocka_unit_test(one_batch),
        cmocka_unit_test(nul_in_a_command),
        cmocka_unit_test(normalized_commands),
        cmocka_unit_test(pipelining_before_ehlo_is_counted),
        cmocka_unit_test(input_before_the_354),
        cmocka_unit_test(input_while_the_354_waits),
        cmocka_unit_test(waiting_replies_are_no_offence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
