/* Goal: an envelope reads back as it was written and nothing the writer cannot make is taken.
 * Method: round trip, every cut, every single-byte change, rows of what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base_guard.h"
#include "ipc_envelope.h"

static uint8_t bytes[ENVELOPE_BYTES_MAX + 1024];
static size_t used;

static void item(enum envelope_item type, const char *text)
{
    size_t n = envelope_put_item(bytes + used, sizeof(bytes) - used, type, span_str(text));

    assert_true(n > 0);
    used += n;
}

static struct envelope_header header(void)
{
    return (struct envelope_header){
        .version = ENVELOPE_VERSION,
        .flags = ENVELOPE_8BIT | ENVELOPE_ESMTP,
        .message = 0x1122334455667788ull,
        .session = 0x99aabbccddeeff00ull,
        .arrived_us = 1763856000000000ull,
        .client = ip_from_v4(0xc0000201),
        .local = ip_from_v4(0x0a190019),
        .client_port = 40000,
        .local_port = 25,
        .recipients = 2,
    };
}

static void start(const struct envelope_header *h)
{
    envelope_put_header(bytes, h);
    used = ENVELOPE_HEADER_BYTES;
}

static void good(void)
{
    struct envelope_header h = header();

    start(&h);
    item(ENVELOPE_HELO, "client.example");
    item(ENVELOPE_SERVER, "inbound");
    item(ENVELOPE_HOSTNAME, "mx1.example.net");
    item(ENVELOPE_SENDER, "");
    item(ENVELOPE_RECIPIENT, "user@example.org");
    item(ENVELOPE_RECIPIENT, "alice@example.org");
}

static int parse(size_t len, struct envelope *ret)
{
    struct guard g = guard_new(bytes, len);
    const char *why = NULL;
    int rc = envelope_parse(span_of(g.ptr, len), ret, &why);

    if (rc != 0)
        assert_non_null(why);
    guard_free(&g);
    return rc;
}

static void reads_back_what_was_written(void **state)
{
    struct envelope env;
    struct span items, address;
    const char *why;

    (void)state;
    good();
    assert_int_equal(envelope_parse(span_of(bytes, used), &env, &why), 0);
    assert_true(env.header.message == 0x1122334455667788ull);
    assert_true(env.header.session == 0x99aabbccddeeff00ull);
    assert_true(env.header.arrived_us == 1763856000000000ull);
    assert_int_equal(env.header.flags, ENVELOPE_8BIT | ENVELOPE_ESMTP);
    assert_int_equal(ip_to_v4(&env.header.client), 0xc0000201);
    assert_int_equal(ip_to_v4(&env.header.local), 0x0a190019);
    assert_int_equal(env.header.client_port, 40000);
    assert_int_equal(env.header.local_port, 25);
    assert_true(span_equal(env.helo, span_str("client.example")));
    assert_true(span_equal(env.server, span_str("inbound")));
    assert_true(span_equal(env.hostname, span_str("mx1.example.net")));
    assert_int_equal(env.sender.len, 0);
    items = env.recipients;
    assert_true(envelope_next_recipient(&items, &address));
    assert_true(span_equal(address, span_str("user@example.org")));
    assert_true(envelope_next_recipient(&items, &address));
    assert_true(span_equal(address, span_str("alice@example.org")));
    assert_false(envelope_next_recipient(&items, &address));
}

static void every_cut_is_refused(void **state)
{
    struct envelope env;

    (void)state;
    good();
    for (size_t len = 0; len < used; len++)
        assert_int_equal(parse(len, &env), -EBADMSG);
    assert_int_equal(parse(used, &env), 0);
}

static void refused(const char *what)
{
    struct envelope env;

    if (parse(used, &env) == 0)
        fail_msg("taken: %s", what);
}

static void what_the_writer_cannot_make(void **state)
{
    struct envelope_header h = header();
    char longest[ENVELOPE_PATH_MAX + 2];

    (void)state;
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    h.version = 2;
    good();
    envelope_put_header(bytes, &h);
    refused("other version");
    h = header();
    h.flags = 8;
    envelope_put_header(bytes, &h);
    refused("unknown flag");
    h = header();
    h.recipients = 1;
    envelope_put_header(bytes, &h);
    refused("too many recipients");
    h.recipients = 3;
    envelope_put_header(bytes, &h);
    refused("too few recipients");
    good();
    item(ENVELOPE_SENDER, "x@y");
    refused("item after the recipients");
    good();
    bytes[ENVELOPE_HEADER_BYTES + 1] = 1;
    refused("item flags");
    good();
    bytes[ENVELOPE_HEADER_BYTES] = ENVELOPE_SERVER;
    refused("order");
    h = header();
    h.recipients = 0;
    start(&h);
    item(ENVELOPE_HELO, "a");
    item(ENVELOPE_SERVER, "b");
    item(ENVELOPE_HOSTNAME, "c");
    item(ENVELOPE_SENDER, "d@e");
    refused("no recipients");
    h.recipients = 1;
    envelope_put_header(bytes, &h);
    size_t before = used;

    item(ENVELOPE_RECIPIENT, longest);
    refused("recipient too long");
    used = before;
    item(ENVELOPE_RECIPIENT, "");
    refused("empty recipient");
    used = before;
    item(ENVELOPE_RECIPIENT, "a\r\nRCPT TO:<b>");
    refused("control characters");
    used = before;
    longest[ENVELOPE_PATH_MAX] = '\0';
    item(ENVELOPE_RECIPIENT, longest);
    struct envelope env;

    assert_int_equal(parse(used, &env), 0);
}

static void as_many_as_fit_and_no_more(void **state)
{
    struct envelope_header h = header();
    struct envelope env;
    const char *why;

    (void)state;
    start(&h);
    item(ENVELOPE_HELO, "a");
    item(ENVELOPE_SERVER, "b");
    item(ENVELOPE_HOSTNAME, "c");
    item(ENVELOPE_SENDER, "d@e");
    for (h.recipients = 0; used + 7 <= ENVELOPE_BYTES_MAX; h.recipients++)
        item(ENVELOPE_RECIPIENT, "r@d");
    envelope_put_header(bytes, &h);
    assert_int_equal(envelope_parse(span_of(bytes, used), &env, &why), 0);
    while (used <= ENVELOPE_BYTES_MAX) {
        item(ENVELOPE_RECIPIENT, "r@d");
        h.recipients++;
    }
    envelope_put_header(bytes, &h);
    assert_int_equal(envelope_parse(span_of(bytes, used), &env, &why), -EBADMSG);
}

static void writer_keeps_to_its_room(void **state)
{
    static char huge[70000];
    uint8_t out[16];

    (void)state;
    memset(huge, 'x', sizeof(huge) - 1);
    for (size_t room = 0; room < 9; room++) {
        struct guard g = guard_new(NULL, room);

        assert_int_equal(envelope_put_item(g.ptr, room, ENVELOPE_HELO, span_str("hello")), 0);
        guard_free(&g);
    }
    assert_int_equal(envelope_put_item(out, 9, ENVELOPE_HELO, span_str("hello")), 9);
    assert_int_equal(envelope_put_item(bytes, sizeof(bytes), ENVELOPE_HELO, span_str(huge)), 0);
    assert_int_equal(envelope_put_item(bytes, sizeof(bytes), ENVELOPE_HELO, span_of(huge, 65535)),
                     65539);
}

/* Any one byte changed: refused or read as something, never beyond the end. */
static void every_byte_changed(void **state)
{
    struct envelope env;

    (void)state;
    good();
    for (size_t i = 0; i < used; i++) {
        uint8_t was = bytes[i];

        for (unsigned v = 0; v < 256; v += 5) {
            bytes[i] = (uint8_t)v;
            (void)parse(used, &env);
        }
        bytes[i] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written), cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(what_the_writer_cannot_make), cmocka_unit_test(as_many_as_fit_and_no_more),
        cmocka_unit_test(writer_keeps_to_its_room),    cmocka_unit_test(every_byte_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
