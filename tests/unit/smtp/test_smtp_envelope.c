/* Goal: the stored stream is an envelope that ipc_envelope.h reads back, then our Received:
 * header, then the content; and no envelope outgrows its bounds. */
#include "ipc_envelope.h"
#include "ipc_id.h"
#include "smtp_test.h"

static struct envelope parsed(const struct drive *d, unsigned index)
{
    const struct stored *m = &d->stored[index];
    struct envelope env;
    const char *why = "";

    if (envelope_parse(span_of(m->bytes, m->message.envelope_bytes), &env, &why) != 0)
        fail_msg("%s", why);
    return env;
}

static const char *trace(const struct drive *d, unsigned index)
{
    static char text[SMTP_TRACE_BYTES_MAX + 1];
    const struct stored *m = &d->stored[index];
    struct span content = drive_content(d, index);
    size_t n = (size_t)(content.ptr - m->bytes) - m->message.envelope_bytes;

    memcpy(text, m->bytes + m->message.envelope_bytes, n);
    text[n] = '\0';
    return text;
}

static void whole_stream(void **state)
{
    struct envelope env;
    struct span items, rcpt;
    struct drive d;
    char want[512], id[ID_TEXT_LEN + 1];

    (void)state;
    drive_init(&d);
    test_hello(&d);
    test_say(&d, "MAIL FROM:<@x.example:A.b@B.EXAMPLE> BODY=8BITMIME SIZE=9\r\nRCPT "
                 "TO:<\"user\"@Example.ORG>\r\nDATA\r\n~hi\r\n.\r\n");
    env = parsed(&d, 0);
    assert_int_equal(env.header.version, ENVELOPE_VERSION);
    assert_int_equal(env.header.flags, ENVELOPE_8BIT | ENVELOPE_ESMTP);
    assert_int_equal(env.header.message, d.stored[0].message.message);
    assert_int_equal(env.header.session, 0x1234567);
    assert_int_equal(env.header.arrived_us, d.turn.wall_us);
    assert_true(ip_equal(&env.header.client, &d.peer.client));
    assert_true(ip_equal(&env.header.local, &d.peer.local));
    assert_int_equal(env.header.client_port, 40000);
    assert_int_equal(env.header.local_port, 25);
    assert_int_equal(env.header.recipients, 1);
    assert_int_equal(d.stored[0].message.recipients, 1);
    assert_span(env.helo, "client.example", 14);
    assert_span(env.server, "inbound", 7);
    assert_span(env.hostname, "mx1.example.net", 15);
    assert_span(env.sender, "A.b@b.example", 13);
    items = env.recipients;
    assert_true(envelope_next_recipient(&items, &rcpt));
    assert_span(rcpt, "user@example.org", 16);
    assert_false(envelope_next_recipient(&items, &rcpt));
    id_text(env.header.message, id);
    snprintf(want, sizeof(want),
             "Received: from client.example ([10.25.0.1])\r\n\tby mx1.example.net (Sluice) with "
             "ESMTP id %s"
             "\r\n\tfor <user@example.org>;\r\n\tSat, 22 Nov 2025 23:59:00 +0000\r\n",
             id);
    assert_string_equal(trace(&d, 0), want);
    assert_span(drive_content(&d, 0), "hi\r\n", 4);
    snprintf(want, sizeof(want), "250 2.0.0 Ok: queued as %s\r\n", id);
    assert_non_null(strstr(d.said, want));
    drive_done(&d);
}

static void several_recipients(void **state)
{
    struct envelope env;
    struct span items, rcpt;
    struct drive d;

    (void)state;
    drive_init(&d);
    drive_open(&d);
    test_say(&d,
             "HELO (evil); \"x\"\r\nMAIL FROM:<>\r\nRCPT TO:<user@example.org>\r\nRSET\r\n"
             "MAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.org>\r\nRCPT TO:<no@example.org>\r\n"
             "RCPT TO:<postmaster@[10.25.0.25]>\r\nDATA\r\n~.\r\n");
    env = parsed(&d, 0);
    assert_int_equal(env.header.flags, 0);
    assert_span(env.helo, "(evil);", 7);
    items = env.recipients;
    assert_true(envelope_next_recipient(&items, &rcpt));
    assert_span(rcpt, "user@example.org", 16);
    assert_true(envelope_next_recipient(&items, &rcpt));
    assert_span(rcpt, "postmaster", 10);
    assert_false(envelope_next_recipient(&items, &rcpt));
    assert_null(strstr(trace(&d, 0), "for"));
    assert_non_null(strstr(trace(&d, 0), "from ?evil?? ([10.25.0.1])"));
    assert_non_null(strstr(trace(&d, 0), "with SMTP id"));
    drive_done(&d);
}

static void protocols(void **state)
{
    struct envelope env;
    struct drive d;

    (void)state;
    drive_init(&d);
    memset(&d.peer.client, 0, sizeof(d.peer.client));
    d.peer.client.octets[0] = 0xfd;
    d.peer.client.octets[1] = 0x25;
    d.peer.client.octets[15] = 1;
    test_hello(&d);
    test_say(&d, "MAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT "
                 "TO:<\xc3\xa4@relay.example>\r\nDATA\r\n~x\r\n.\r\n");
    env = parsed(&d, 0);
    assert_int_equal(env.header.flags, ENVELOPE_UTF8 | ENVELOPE_ESMTP);
    assert_non_null(strstr(trace(&d, 0), "([IPv6:fd25::1])"));
    assert_non_null(strstr(trace(&d, 0), "with UTF8SMTP id"));
    assert_non_null(strstr(trace(&d, 0), "for <\xc3\xa4@relay.example>"));
    drive_done(&d);
}

/* The null sender is empty, and ids differ from message to message. */
static void null_sender_and_ids(void **state)
{
    struct drive d;

    (void)state;
    drive_init(&d);
    test_hello(&d);
    test_say(&d, "MAIL FROM:<>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n~x\r\n.\r\n" MAIL_TO_USER
                 "DATA\r\n~y\r\n.\r\n");
    assert_int_equal(parsed(&d, 0).sender.len, 0);
    assert_int_equal(parsed(&d, 1).sender.len, 11);
    assert_true(d.stored[1].message.message > d.stored[0].message.message);
    drive_done(&d);
}

/* The longest of everything still fits header buffer and envelope. */
static void longest_names(void **state)
{
    static char name[600], script[4096], label[64];
    struct drive d;

    (void)state;
    memset(name, 'n', sizeof(name));
    memset(label, 'l', 63);
    drive_init(&d);
    fake.server.hostname = fake.server.name = span_of(name, sizeof(name));
    d.peer.client.octets[0] = 0xfd;
    drive_open(&d);
    snprintf(script, sizeof(script),
             "EHLO %.255s\r\nMAIL FROM:<%sl@%s.%s.%s.%s>\r\nRCPT "
             "TO:<%sl@%s.%s.%s.%s>\r\nDATA\r\n~x\r\n.\r\n",
             name, label, label, label, label, label, label, label, label, label, label);
    fake.relay = true;
    test_say(&d, script);
    assert_string_equal(drive_codes(&d), "220|250|250 2.1.0|250 2.1.5|354|250 2.0.0|");
    assert_int_equal(parsed(&d, 0).sender.len, 64 + 1 + 255);
    assert_int_equal(parsed(&d, 0).hostname.len, 255);
    assert_true(strlen(trace(&d, 0)) < SMTP_TRACE_BYTES_MAX);
    drive_done(&d);
}

/* A hundred thousand RCPTs: as many are taken as the limit says, the session lives. */
static void flood_of_recipients(void **state)
{
    static char group[64 * 1024];
    struct drive d;
    size_t n = 0;

    (void)state;
    while (n + 40 < sizeof(group))
        n += (size_t)snprintf(group + n, sizeof(group) - n, "RCPT TO:<user@example.org>\r\n");
    drive_init(&d);
    test_hello(&d);
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    for (unsigned sent = 0; sent < 100000; sent += (unsigned)(n / 28))
        drive_feed(&d, span_of(group, n), true);
    assert_true(drive_count(&d, SMTP_COUNT_RCPT_LIMIT) > 99000);
    assert_int_equal(drive_count(&d, SMTP_COUNT_RCPT_ACCEPTED), 100);
    test_forget(&d);
    test_say(&d, "RCPT TO:<user@example.org>\r\nDATA\r\n~x\r\n.\r\n");
    assert_string_equal(drive_codes(&d), "452 4.5.3|354|250 2.0.0|");
    assert_int_equal(parsed(&d, 0).header.recipients, 100);
    drive_done(&d);
}

/* Where the recipient limit is high, the envelope's own bound holds. */
static void envelope_bound(void **state)
{
    static char rcpt[512];
    struct drive d;

    (void)state;
    snprintf(rcpt, sizeof(rcpt), "RCPT TO:<%0*d@relay.example>\r\n", 64, 0);
    drive_init(&d);
    fake.limits.recipients = UINT32_MAX;
    test_hello(&d);
    test_say(&d, "MAIL FROM:<a@b.example>\r\n");
    for (unsigned i = 0; i < 2 * ENVELOPE_BYTES_MAX / 82; i++)
        drive_feed(&d, span_str(rcpt), false);
    assert_true(drive_count(&d, SMTP_COUNT_RCPT_LIMIT) > 0);
    test_forget(&d);
    test_say(&d, "DATA\r\n~x\r\n.\r\n");
    assert_string_equal(drive_codes(&d), "354|250 2.0.0|");
    assert_true(d.stored[0].message.envelope_bytes <= ENVELOPE_BYTES_MAX);
    assert_true(d.stored[0].message.envelope_bytes > ENVELOPE_BYTES_MAX - 400);
    parsed(&d, 0);
    drive_done(&d);
}

/* For every number of blocks left: an answer, never half an envelope, nothing lost. */
static void dry_pool(void **state)
{
    bool stored = false;

    (void)state;
    for (uint32_t left = 0; left < 8; left++) {
        uint32_t held[DRIVE_BLOCKS], n = 0;
        struct drive d;

        drive_init(&d);
        drive_open(&d);
        while (DRIVE_BLOCKS - n > left)
            held[n++] = pool_take(&d.blocks);
        test_say(&d, "EHLO c\r\n");
        if (left == 0) {
            assert_string_equal(drive_codes(&d), "220|421 4.3.1|");
            assert_true(d.closed);
        } else {
            test_say(&d, "MAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.org>\r\n");
            for (unsigned i = 0; i < 6; i++)
                test_say(&d,
                         "RCPT TO:<0000000000000000000000000000000000000000000@relay.example>\r\n");
            test_say(&d, "DATA\r\n");
            if (strstr(d.said, "354") != NULL) {
                test_say(&d, "x\r\n.\r\n");
                parsed(&d, 0);
            } else {
                assert_non_null(strstr(d.said, "452 4.3.1"));
                assert_false(d.closed);
            }
            stored = d.stored_count == 1;
        }
        while (n > 0)
            pool_give(&d.blocks, held[--n]);
        drive_done(&d);
    }
    assert_true(stored); /* the last had enough */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_stream),   cmocka_unit_test(several_recipients),
        cmocka_unit_test(protocols),      cmocka_unit_test(null_sender_and_ids),
        cmocka_unit_test(longest_names),  cmocka_unit_test(flood_of_recipients),
        cmocka_unit_test(envelope_bound), cmocka_unit_test(dry_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
