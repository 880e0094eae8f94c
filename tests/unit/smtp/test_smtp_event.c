/* Goal: each session, message and (up to a bound) refusal leaves one event that can be read
 * back; texts are cut, never split. */
#include "smtp_test.h"

static struct span item(const struct smtp_log_event *e, enum smtp_log_tag tag)
{
    for (uint32_t at = 0; at + 2 <= e->text_bytes; at += 2u + e->text[at + 1]) {
        if (e->text[at] == (uint8_t)tag)
            return span_of(e->text + at + 2, e->text[at + 1]);
    }
    return span_of(NULL, 0);
}

static void check(const struct smtp_log_event *e, enum smtp_log_tag tag, const char *want)
{
    assert_span(item(e, tag), want, strlen(want));
}

static void a_session(void **state)
{
    const struct smtp_log_event *e;
    struct drive d;

    (void)state;
    drive_init(&d);
    test_hello(&d);
    d.turn.now.us += 5000;
    test_say(&d, "MAIL FROM:<a@b.example>\r\nRCPT TO:<x@foreign.example>\r\nRCPT "
                 "TO:<user@example.org>\r\nDATA\r\n~hi\r\n.\r\nQUIT\r\n");
    drive_done(&d);
    assert_int_equal(d.log.count, 3);

    e = &d.events[0];
    assert_int_equal(e->type, SMTP_LOG_REFUSED);
    assert_int_equal(e->code, 550);
    assert_memory_equal(e->status, "\5\7\1", 3);
    assert_int_equal(e->session, 0x1234567);
    assert_int_equal(e->message, 0);
    check(e, LOG_TAG_REASON, "Relaying is prohibited");
    check(e, LOG_TAG_RECIPIENT, "x@foreign.example");
    check(e, LOG_TAG_SENDER, "a@b.example");
    check(e, LOG_TAG_HELO, "client.example");

    e = &d.events[1];
    assert_int_equal(e->type, SMTP_LOG_ACCEPTED);
    assert_int_equal(e->message, d.last_id);
    assert_int_equal(e->recipients, 1);
    assert_int_equal(e->bytes_in, 4);
    check(e, LOG_TAG_SENDER, "a@b.example");
    check(e, LOG_TAG_RECIPIENT, "user@example.org");

    e = &d.events[2];
    assert_int_equal(e->type, SMTP_LOG_SESSION);
    assert_int_equal(e->end, SMTP_END_QUIT);
    assert_int_equal(e->message, 0);
    assert_int_equal(e->messages, 1);
    assert_int_equal(e->recipients, 1);
    assert_int_equal(e->refused, 1);
    assert_int_equal(e->commands, 6);
    assert_int_equal(e->code, 550);
    assert_int_equal(e->bytes_in, 11);
    assert_int_equal(e->bytes_out, 22);
    assert_int_equal(e->took_us, 5000);
    assert_int_equal(e->policy_generation, 7);
    assert_int_equal(e->wall_us, d.turn.wall_us);
    assert_int_equal(e->client_port, 40000);
    check(e, LOG_TAG_SERVER, "inbound");
    check(e, LOG_TAG_HELO, "client.example");
    assert_int_equal(drive_count(&d, SMTP_COUNT_END_QUIT), 1);
}

/* Each kind of refusal is one event with the addresses at hand. */
static void refusals(void **state)
{
    static const struct {
        const char *script;
        uint16_t code;
        const char *sender, *recipient;
    } rows[] = {
        {"MAIL FROM:<a@b.example> SIZE=9999999\r\n",  552, "a@b.example", ""                },
        {"MAIL FROM:<a@>\r\n",                        501, "FROM:<a@>",   ""                },
        {"MAIL FROM:<a@b.example>\r\nRCPT TO:<x\r\n", 501, "a@b.example", "TO:<x"           },
        {MAIL_TO_USER "DATA\r\nx\r\n",                554, "a@b.example", "user@example.org"},
        {MAIL_TO_USER "DATA\r\n~a\nb\r\n",            554, "a@b.example", "user@example.org"},
        {MAIL_TO_USER "BDAT 999999\r\n",              552, "a@b.example", "user@example.org"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct drive d;

        drive_init(&d);
        test_hello(&d);
        test_say(&d, rows[i].script);
        assert_int_equal(d.log.count, 1);
        assert_int_equal(d.events[0].type, SMTP_LOG_REFUSED);
        assert_int_equal(d.events[0].code, rows[i].code);
        check(&d.events[0], LOG_TAG_SENDER, rows[i].sender);
        check(&d.events[0], LOG_TAG_RECIPIENT, rows[i].recipient);
        drive_done(&d);
    }
}

static void refusals_are_bounded(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    test_hello(&d);
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    for (unsigned i = 0; i < 50; i++)
        test_say(&d, "RCPT TO:<no@example.org>\r\n");
    assert_int_equal(d.log.count, SMTP_REFUSED_LOGGED_MAX);
    drive_done(&d);
    assert_int_equal(d.events[SMTP_REFUSED_LOGGED_MAX].refused, 50);
    assert_int_equal(drive_count(&d, SMTP_COUNT_RCPT_UNKNOWN), 50);
}

static void a_full_log(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    d.log.cap = 1;
    test_hello(&d);
    test_say(&d, "MAIL FROM:<a@>\r\nMAIL FROM:<a@>\r\n");
    drive_done(&d);
    assert_int_equal(d.log.count, 1);
    assert_int_equal(d.log.lost, 2);
    assert_int_equal(drive_count(&d, SMTP_COUNT_LOG_LOST), 2);
}

static void long_texts_are_cut(void **state)
{
    static char name[256], script[2048], label[64];
    const struct smtp_log_event *e;
    struct drive d;

    (void)state;
    memset(name, 'n', 255);
    memset(label, 'l', 63);
    drive_init(&d);
    drive_open(&d);
    snprintf(script, sizeof(script),
             "EHLO %s\r\nMAIL FROM:<%s@%s.%s.%s.%s>\r\nRCPT TO:<%s@%s.%s.%s.%s>\r\n", name, label,
             label, label, label, label, label, label, label, label, label);
    test_say(&d, script);
    e = &d.events[0];
    assert_int_equal(e->type, SMTP_LOG_REFUSED);
    assert_true(e->text_bytes <= SMTP_LOG_TEXT_MAX);
    assert_int_equal(item(e, LOG_TAG_RECIPIENT).len, 255);
    assert_true(item(e, LOG_TAG_SENDER).len > 0);
    for (uint32_t at = 0; at < e->text_bytes; at += 2u + e->text[at + 1])
        assert_true(at + 2u + e->text[at + 1] <= e->text_bytes);
    assert_int_equal(item(e, LOG_TAG_CUT).len, 0);
    drive_done(&d);
}

static void what_was_noted(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    fake.bare = BARE_NOTE;
    test_hello(&d);
    test_say(&d, "NOOP\nQUIT\r\n");
    drive_done(&d);
    check(&d.events[0], LOG_TAG_REASON, "bare CR or LF made CRLF");

    drive_init(&d);
    fake.server.early = EARLY_NOTE;
    d.peer.early = true;
    test_hello(&d);
    drive_done(&d);
    check(&d.events[0], LOG_TAG_REASON, "client spoke before the greeting");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session),
        cmocka_unit_test(refusals),
        cmocka_unit_test(refusals_are_bounded),
        cmocka_unit_test(a_full_log),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(what_was_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
