/* Goal: BDAT (RFC 3030) stays in step with its client whatever is refused, and stores what DATA
 * would have stored.  Method: rows at every cut point and in every small chunk size. */
#include "smtp_test.h"

#define S(text) text, sizeof(text) - 1
#define OPEN    "250 2.1.0|250 2.1.5|"

/* clang-format off */
static const struct {
    const char *name, *in;
    size_t in_len;
    const char *stored;
    size_t stored_len;
    const char *codes;
    int bare;
} rows[] = {
    {"one chunk",
     S(MAIL_TO_USER "BDAT 4 LAST\r\nhi\r\n"), S("hi\r\n"), OPEN "250 2.0.0|", BARE_REFUSE},
    {"then a command",
     S(MAIL_TO_USER "BDAT 4 LAST\r\nhi\r\nNOOP\r\n"), S("hi\r\n"), OPEN "250 2.0.0|250 2.0.0|",
     BARE_REFUSE},
    {"lower case",
     S(MAIL_TO_USER "bdat 4 last\r\nhi\r\n"), S("hi\r\n"), OPEN "250 2.0.0|", BARE_REFUSE},
    {"two chunks",
     S(MAIL_TO_USER "BDAT 3\r\nhi\rBDAT 3 LAST\r\n\nx\r"), NULL, 0, OPEN "250 2.0.0|554 5.5.2|",
     BARE_REFUSE},
    {"CRLF across chunks",
     S(MAIL_TO_USER "BDAT 3\r\nhi\rBDAT 4 LAST\r\n\nx\r\n"), S("hi\r\nx\r\n"),
     OPEN "250 2.0.0|250 2.0.0|", BARE_REFUSE},
    {"BDAT 0 LAST",
     S(MAIL_TO_USER "BDAT 4\r\nhi\r\nBDAT 0 LAST\r\n"), S("hi\r\n"), OPEN "250 2.0.0|250 2.0.0|",
     BARE_REFUSE},
    {"BDAT 0 LAST alone",
     S(MAIL_TO_USER "BDAT 0 LAST\r\nNOOP\r\n"), S(""), OPEN "250 2.0.0|250 2.0.0|", BARE_REFUSE},
    {"BDAT 0 in between",
     S(MAIL_TO_USER "BDAT 0\r\nBDAT 4 LAST\r\nhi\r\n"), S("hi\r\n"), OPEN "250 2.0.0|250 2.0.0|",
     BARE_REFUSE},
    {"last line open",
     S(MAIL_TO_USER "BDAT 2 LAST\r\nhi"), S("hi\r\n"), OPEN "250 2.0.0|", BARE_REFUSE},
    {"dots are text",
     S(MAIL_TO_USER "BDAT 10 LAST\r\n..a\r\n.\r\n\r\n"), S("..a\r\n.\r\n\r\n"), OPEN "250 2.0.0|",
     BARE_REFUSE},
    {"CRLF.CRLF is text",
     S(MAIL_TO_USER "BDAT 9 LAST\r\na\r\n.\r\nb\r\n"), S("a\r\n.\r\nb\r\n"), OPEN "250 2.0.0|",
     BARE_REFUSE},
    {"bare LF", S(MAIL_TO_USER "BDAT 5 LAST\r\na\nb\r\n"), NULL, 0, OPEN "554 5.5.2|", BARE_REFUSE},
    {"bare CR", S(MAIL_TO_USER "BDAT 5 LAST\r\na\rb\r\n"), NULL, 0, OPEN "554 5.5.2|", BARE_REFUSE},
    {"bare CR at the end",
     S(MAIL_TO_USER "BDAT 2 LAST\r\na\r"), NULL, 0, OPEN "554 5.5.2|", BARE_REFUSE},
    {"bare LF normalised",
     S(MAIL_TO_USER "BDAT 6 LAST\r\na\n.\nb\r"), S("a\r\n.\r\nb\r\n"), OPEN "250 2.0.0|",
     BARE_NORMALIZE},
    {"bare LF noted",
     S(MAIL_TO_USER "BDAT 2\r\na\nBDAT 1 LAST\r\nb"), S("a\r\nb\r\n"), OPEN "250 2.0.0|250 2.0.0|",
     BARE_NOTE},
    {"NUL",
     S(MAIL_TO_USER "BDAT 5\r\na\0b\r\nBDAT 1 LAST\r\nxNOOP\r\n"), NULL, 0,
     OPEN "554 5.6.0|554 5.6.0|250 2.0.0|", BARE_REFUSE},
    {"RSET in between",
     S(MAIL_TO_USER "BDAT 4\r\nhi\r\nRSET\r\n" MAIL_TO_USER "BDAT 3 LAST\r\nx\r\n"), S("x\r\n"),
     OPEN "250 2.0.0|250 2.0.0|" OPEN "250 2.0.0|", BARE_REFUSE},
    {"EHLO in between",
     S(MAIL_TO_USER "BDAT 4\r\nhi\r\nEHLO x\r\nBDAT 1 LAST\r\nx"), NULL, 0,
     OPEN "250 2.0.0|250|503 5.5.1|", BARE_REFUSE},
    {"QUIT in between",
     S(MAIL_TO_USER "BDAT 4\r\nhi\r\nQUIT\r\n"), NULL, 0, OPEN "250 2.0.0|221 2.0.0|", BARE_REFUSE},
    {"DATA after BDAT",
     S(MAIL_TO_USER "BDAT 4\r\nhi\r\nDATA\r\nBDAT 0 LAST\r\n"), S("hi\r\n"),
     OPEN "250 2.0.0|503 5.5.1|250 2.0.0|", BARE_REFUSE},
    {"MAIL, RCPT after",
     S(MAIL_TO_USER "BDAT 4\r\nhi\r\n" MAIL_TO_USER "BDAT 0 LAST\r\n"), S("hi\r\n"),
     OPEN "250 2.0.0|503 5.5.1|503 5.5.1|250 2.0.0|", BARE_REFUSE},
    {"without MAIL",
     S("BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"), NULL, 0,
     "503 5.5.1|503 5.5.1|250 2.0.0|", BARE_REFUSE},
    {"without RCPT",
     S("MAIL FROM:<a@b.example>\r\nBDAT 6 LAST\r\nQUIT\r\nRCPT TO:<user@example.org>\r\n"), NULL, 0,
     "250 2.1.0|503 5.5.1|250 2.1.5|", BARE_REFUSE},
    {"all RCPTs refused",
     S("MAIL FROM:<a@b.example>\r\nRCPT TO:<no@example.org>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
     NULL, 0, "250 2.1.0|550 5.1.1|554 5.5.1|250 2.0.0|", BARE_REFUSE},
    {"size over at once",
     S(MAIL_TO_USER "BDAT 12\r\nQUIT\r\nQUIT\r\nBDAT 1 LAST\r\nxNOOP\r\n"), NULL, 0,
     OPEN "552 5.3.4|552 5.3.4|250 2.0.0|", BARE_REFUSE},
    {"size over in sum",
     S(MAIL_TO_USER "BDAT 6\r\naaaa\r\nBDAT 5\r\naaa\r\nRSET\r\n"), NULL, 0,
     OPEN "250 2.0.0|552 5.3.4|250 2.0.0|", BARE_REFUSE},
    {"size just right",
     S(MAIL_TO_USER "BDAT 6\r\naaaa\r\nBDAT 4 LAST\r\naaaa"), S("aaaa\r\naaaa\r\n"),
     OPEN "250 2.0.0|250 2.0.0|", BARE_REFUSE},
    {"size 2^64",
     S(MAIL_TO_USER "BDAT 18446744073709551616\r\nQUIT\r\n"), NULL, 0, OPEN "501 5.5.4|",
     BARE_REFUSE},
    {"size 2^64 - 1",
     S(MAIL_TO_USER "BDAT 18446744073709551615 LAST\r\nQUIT\r\n"), NULL, 0, OPEN, BARE_REFUSE},
    {"sum over 2^64",
     S(MAIL_TO_USER "BDAT 2\r\n\r\nBDAT 18446744073709551615\r\nQUIT\r\n"), NULL, 0,
     OPEN "250 2.0.0|", BARE_REFUSE},
    {"no size", S(MAIL_TO_USER "BDAT\r\nQUIT\r\n"), NULL, 0, OPEN "501 5.5.4|", BARE_REFUSE},
    {"not a number",
     S(MAIL_TO_USER "BDAT -1\r\nQUIT\r\n"), NULL, 0, OPEN "501 5.5.4|", BARE_REFUSE},
    {"not LAST",
     S(MAIL_TO_USER "BDAT 1 FIRST\r\nQUIT\r\n"), NULL, 0, OPEN "501 5.5.4|", BARE_REFUSE},
};
/* clang-format on */

static void run_row(size_t i, size_t cut, size_t step, uint32_t chunk_bytes)
{
    struct drive d;
    const char *codes;

    drive_init(&d);
    fake.bare = (enum policy_bare_newline)rows[i].bare;
    fake.limits.message_bytes = 10;
    d.chunk_bytes = chunk_bytes;
    test_hello(&d);
    drive_script(&d, span_of(rows[i].in, rows[i].in_len), cut, step);
    codes = drive_codes(&d);
    if (strcmp(codes, rows[i].codes) != 0)
        fail_msg("%s, cut %zu step %zu: %s", rows[i].name, cut, step, codes);
    assert_int_equal(d.stored_count, rows[i].stored != NULL);
    if (rows[i].stored != NULL)
        assert_span(drive_content(&d, 0), rows[i].stored, rows[i].stored_len);
    drive_done(&d);
}

static void every_row_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        run_row(i, SIZE_MAX, 1, 1024);
        for (size_t cut = 0; cut <= rows[i].in_len; cut++)
            run_row(i, cut, 0, 1024);
        for (uint32_t bytes = SMTP_CHUNK_BYTES_MIN; bytes < SMTP_CHUNK_BYTES_MIN + 8; bytes++)
            run_row(i, SIZE_MAX, 1, bytes);
    }
}

static void begin(struct drive *d)
{
    drive_init(d);
    test_hello(d);
    test_say(d, MAIL_TO_USER);
    test_forget(d);
}

static void no_chunks(void **state)
{
    (void)state;
    for (unsigned have = 0; have < 6; have++) {
        struct drive d;

        begin(&d);
        d.chunk_bytes = SMTP_CHUNK_BYTES_MIN;
        d.chunks_left = have;
        test_say(&d, "BDAT 300\r\n");
        for (unsigned i = 0; i < 300; i++)
            test_say(&d, "x");
        test_say(&d, "BDAT 2 LAST\r\nxxNOOP\r\n");
        assert_string_equal(drive_codes(&d), "452 4.3.1|452 4.3.1|250 2.0.0|");
        assert_int_equal(d.commits, 0);
        drive_done(&d);
    }
}

static void octets_are_said(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    test_say(&d, "BDAT 6\r\naaaa\r\nBDAT 2\r\nbb");
    assert_string_equal(d.said,
                        "250 2.0.0 Ok: octets received: 6\r\n250 2.0.0 Ok: octets received: 8\r\n");
    drive_done(&d);
}

static void rset_aborts_once(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    test_say(&d, "BDAT 2\r\nhi");
    assert_true(smtp_mid_message(&d.smtp));
    test_say(&d, "RSET\r\n");
    assert_false(smtp_mid_message(&d.smtp));
    assert_int_equal(d.aborts, 1);
    test_say(&d, "RSET\r\n");
    assert_int_equal(d.aborts, 1);
    drive_done(&d);
}

static void loop_is_found(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    fake.limits.received_hops = 2;
    test_hello(&d);
    test_say(&d, MAIL_TO_USER
             "BDAT 13\r\nReceived: a\r\nBDAT 5\r\nReceiBDAT 8\r\nved: b\r\nBDAT 0 LAST\r\n");
    assert_string_equal(drive_codes(&d),
                        "250 2.1.0|250 2.1.5|250 2.0.0|250 2.0.0|554 5.4.6|554 5.4.6|");
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_every_cut), cmocka_unit_test(no_chunks),
        cmocka_unit_test(octets_are_said),     cmocka_unit_test(rset_aborts_once),
        cmocka_unit_test(loop_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
