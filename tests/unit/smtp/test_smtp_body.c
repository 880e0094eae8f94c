/* Goal: DATA gives one answer however TCP cuts the bytes and however chunks cut the content:
 * it ends at CRLF.CRLF only, dots are unstuffed once, nothing bare passes through.
 * Method: rows x bare_newline x every cut point x chunk sizes, each part flush against a page
 * that cannot be read. */
#include "smtp_test.h"

#define S(text) text, sizeof(text) - 1

/* clang-format off */
static const struct {
    const char *name, *in;
    size_t in_len;
    const char *stored; /* NULL: the message is not stored; what follows in codes says why */
    size_t stored_len;
    const char *codes;
    int bare;
} rows[] = {
    {"plain", S("hi\r\n.\r\n"), S("hi\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"empty", S(".\r\n"), S(""), "250 2.0.0|", BARE_REFUSE},
    {"stuffed dot", S("..x\r\n.\r\n"), S(".x\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"two stuffed dots", S("...\r\n..\r\n.\r\n"), S("..\r\n.\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"dot not stuffed", S(".x\r\n.\r\n"), S("x\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"dots inside", S("a.\r\n b.c\r\n.\r\n"), S("a.\r\n b.c\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"empty lines", S("\r\n\r\n\r\n.\r\n"), S("\r\n\r\n\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"goes on after", S("a\r\n.\r\nNOOP\r\n"), S("a\r\n"), "250 2.0.0|250 2.0.0|", BARE_REFUSE},
    {"eight bits",
     S("\x80\xff\t\x01\r\n.\r\n"), S("\x80\xff\t\x01\r\n"), "250 2.0.0|", BARE_REFUSE},
    {"LF.LF", S("a\n.\nMAIL FROM:<x>\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"LF.CRLF", S("a\n.\r\nMAIL FROM:<x>\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CRLF.LF", S("a\r\n.\nMAIL FROM:<x>\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CR.CR", S("a\r.\rMAIL FROM:<x>\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CR.CRLF", S("a\r.\r\nMAIL FROM:<x>\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CRLF.CR", S("a\r\n.\rMAIL FROM:<x>\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CRCRLF", S("a\r\r\n.\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CRLF.CRCRLF", S("a\r\n.\r\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"LFCR", S("a\n\rb\r\n.\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"CRLF.NULCRLF", S("a\r\n.\0\r\n.\r\n"), NULL, 0, "554 5.6.0|", BARE_REFUSE},
    {"NUL", S("a\0b\r\n.\r\nNOOP\r\n"), NULL, 0, "554 5.6.0|250 2.0.0|", BARE_REFUSE},
    {"CR NUL LF", S("a\r\0\n.\r\n"), NULL, 0, "554 5.5.2|", BARE_REFUSE},
    {"normalised LF", S("a\nb\r\n.\r\n"), S("a\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"normalised CR", S("a\rb\r\n.\r\n"), S("a\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"LF.LF no end", S("a\n.\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"LF.CRLF no end", S("a\n.\r\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"CR.CR no end", S("a\r.\rb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"CR.CRLF no end", S("a\r.\r\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"CRLF.LF no end", S("a\r\n.\nb\r\n.\r\n"), S("a\r\n\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"CRLF.CR no end", S("a\r\n.\rb\r\n.\r\n"), S("a\r\n\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"CRCRLF", S("a\r\r\nb\r\n.\r\n"), S("a\r\n\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"CRLF.CRCRLF",
     S("a\r\n.\r\r\nb\r\n.\r\n"), S("a\r\n\r\n\r\nb\r\n"), "250 2.0.0|", BARE_NORMALIZE},
    {"noted", S("a\n.\n\rb\r\n.\r\n"), S("a\r\n.\r\n\r\nb\r\n"), "250 2.0.0|", BARE_NOTE},
};
/* clang-format on */

static void run_row(size_t i, size_t cut, size_t step, uint32_t chunk_bytes)
{
    struct drive d;
    struct span rest;
    const char *codes;

    drive_init(&d);
    fake.bare = (enum policy_bare_newline)rows[i].bare;
    d.chunk_bytes = chunk_bytes;
    test_hello(&d);
    test_say(&d, MAIL_TO_USER "DATA\r\n");
    test_forget(&d);
    rest = span_of(rows[i].in, rows[i].in_len);
    /* Rows hold no '~': they are one group of a script. */
    drive_script(&d, rest, cut, step);
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
        for (size_t cut = 0; cut <= rows[i].in_len; cut++)
            run_row(i, cut, 0, 1024);
        run_row(i, SIZE_MAX, 1, 1024);
    }
}

/* Chunks of every small size: the envelope and each line end lie across their ends somewhere. */
static void every_chunk_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint32_t bytes = SMTP_CHUNK_BYTES_MIN; bytes < SMTP_CHUNK_BYTES_MIN + 24; bytes++) {
            run_row(i, SIZE_MAX, 0, bytes);
            run_row(i, SIZE_MAX, 1, bytes);
        }
    }
}

static void say_lines(struct drive *d, const char *line, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        drive_feed(d, span_str(line), true);
}

static void begin(struct drive *d)
{
    drive_init(d);
    test_hello(d);
}

/* Exactly the limit is taken; one byte more is read to the end, refused, and the session goes
 * on.  Stuffed dots do not count (RFC 1870 s4). */
static void size_limit(void **state)
{
    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        struct drive d;

        begin(&d);
        fake.limits.message_bytes = 1000;
        fake.generation++;
        test_say(&d, MAIL_TO_USER "DATA\r\n");
        test_forget(&d);
        say_lines(&d, "..345678\r\n", 110); /* nine bytes each when unstuffed */
        test_say(&d, over ? "234567890\r\n" : "23456789\r\n");
        test_say(&d, ".\r\nNOOP\r\n");
        assert_string_equal(drive_codes(&d),
                            over ? "552 5.3.4|250 2.0.0|" : "250 2.0.0|250 2.0.0|");
        assert_int_equal(d.stored_count, !over);
        assert_int_equal(d.aborts, over);
        assert_int_equal(drive_count(&d, SMTP_COUNT_MESSAGE_TOO_BIG), over);
        test_forget(&d);
        test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
        assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|354|250 2.0.0|");
        drive_done(&d);
    }
}

static void no_limit(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    fake.limits.message_bytes = 0;
    fake.generation++;
    test_say(&d,
             "MAIL FROM:<a@b.example> SIZE=99999999999\r\nRCPT TO:<user@example.org>\r\nDATA\r\n");
    say_lines(&d, "0123456789\r\n", 20000);
    test_say(&d, ".\r\n");
    assert_int_equal(drive_content(&d, 0).len, 240000);
    drive_done(&d);
}

/* SIZE= is an estimate (RFC 1870 s5): what is longer is taken, and counted. */
static void size_understated(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    test_say(
        &d,
        "MAIL FROM:<a@b.example> SIZE=5\r\nRCPT TO:<user@example.org>\r\nDATA\r\n~123456\r\n.\r\n");
    assert_int_equal(d.stored_count, 1);
    assert_int_equal(drive_count(&d, SMTP_COUNT_SIZE_UNDERSTATED), 1);
    drive_done(&d);
}

/* 99 hops pass, 100 are a loop; lines of the body and other headers do not count. */
static void loops(void **state)
{
    (void)state;
    for (unsigned hops = 99; hops <= 100; hops++) {
        struct drive d;

        begin(&d);
        test_say(&d, MAIL_TO_USER "DATA\r\n");
        test_forget(&d);
        say_lines(&d, "X-Received: no\r\n", 2);
        say_lines(&d, "rEcEiVeD: from x\r\n by y\r\n", hops);
        test_say(&d, "Received-SPF: none\r\n Received: folded\r\n\r\n");
        say_lines(&d, "Received: in the body\r\n", 10);
        test_say(&d, ".\r\nNOOP\r\n");
        assert_string_equal(drive_codes(&d),
                            hops < 100 ? "250 2.0.0|250 2.0.0|" : "554 5.4.6|250 2.0.0|");
        assert_int_equal(d.aborts, hops == 100);
        drive_done(&d);
    }
}

/* The name cut at every byte, in segments and in chunks. */
static void loop_name_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 12; cut++) {
        struct drive d;

        begin(&d);
        fake.limits.received_hops = 1;
        fake.generation++;
        test_say(&d, MAIL_TO_USER "DATA\r\n");
        test_forget(&d);
        drive_script(&d, span_str("Received: x\r\n\r\n.\r\n"), cut, 0);
        assert_string_equal(drive_codes(&d), "554 5.4.6|");
        drive_done(&d);
    }
}

/* A line without end is content like any other. */
static void long_line(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    fake.limits.message_bytes = 60u << 20;
    fake.generation++;
    d.chunk_bytes = DRIVE_CHUNK_MAX;
    test_say(&d, MAIL_TO_USER "DATA\r\n");
    test_forget(&d);
    for (unsigned i = 0; i < 50; i++) {
        static char mib[1 << 20];

        memset(mib, 'x', sizeof(mib));
        drive_feed(&d, span_of(mib, sizeof(mib)), true);
    }
    test_say(&d, "\r\n.\r\n");
    assert_string_equal(drive_codes(&d), "250 2.0.0|");
    assert_int_equal(drive_content(&d, 0).len, (50u << 20) + 2);
    drive_done(&d);
}

/* No chunk at DATA: 452 in place of 354, what follows is commands.  None later: the rest is
 * thrown away and the reply says why. */
static void no_chunks(void **state)
{
    (void)state;
    for (unsigned have = 0; have < 8; have++) {
        struct drive d;

        begin(&d);
        d.chunk_bytes = SMTP_CHUNK_BYTES_MIN;
        d.chunks_left = have;
        test_say(&d, MAIL_TO_USER "DATA\r\n");
        if (have == 0) {
            assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|452 4.3.1|");
            assert_int_equal(d.aborts, 0);
        } else {
            test_forget(&d);
            say_lines(&d, "0123456789\r\n", 50);
            test_say(&d, ".\r\n");
            assert_string_equal(drive_codes(&d), "452 4.3.1|");
            assert_int_equal(d.aborts, 1);
        }
        assert_int_equal(d.commits, 0);
        assert_int_equal(drive_count(&d, SMTP_COUNT_MESSAGE_NO_MEMORY), 1);
        d.chunks_left = UINT32_MAX;
        test_forget(&d);
        test_say(&d, MAIL_TO_USER "DATA\r\n~x\r\n.\r\n");
        assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|354|250 2.0.0|");
        drive_done(&d);
    }
}

/* A refused DATA with its content pipelined: nothing of it is stored. */
static void no_chunk_and_pipelined(void **state)
{
    struct drive d;

    (void)state;
    begin(&d);
    d.chunks_left = 0;
    test_say(&d, MAIL_TO_USER "DATA\r\nRSET\r\n");
    assert_string_equal(drive_codes(&d), "250 2.1.0|250 2.1.5|452 4.3.1|250 2.0.0|");
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_every_cut), cmocka_unit_test(every_chunk_size),
        cmocka_unit_test(size_limit),          cmocka_unit_test(no_limit),
        cmocka_unit_test(size_understated),    cmocka_unit_test(loops),
        cmocka_unit_test(loop_name_cut),       cmocka_unit_test(long_line),
        cmocka_unit_test(no_chunks),           cmocka_unit_test(no_chunk_and_pipelined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
