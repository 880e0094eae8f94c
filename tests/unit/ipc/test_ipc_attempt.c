/* Goal: attempts and outcomes read back as written; cut, swollen and impossible ones do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base_guard.h"
#include "ipc_attempt.h"
#include "ipc_region.h"

static uint8_t packet[ATTEMPT_BYTES_MAX + 64];

static struct attempt_extent extents[ATTEMPT_EXTENTS_MAX] = {
    {.segment = 0, .bytes = 16384, .offset = 4096   },
    {.segment = 1, .bytes = 100,   .offset = 1 << 20},
};

static struct attempt sample(void)
{
    return (struct attempt){
        .head = {.attempt = 7,
                 .message = 8,
                 .session = 9,
                 .content_bytes = 16484,
                 .arrived_us = 10,
                 .content_crc = 0xabcdef01,
                 .extents = 2,
                 .segments = 2,
                 .recipients = 2,
                 .flags = 1},
        .target = span_str("smtp://10.25.1.10:25"),
        .sender = span_str(""),
        .recipients = {span_str("user@example.org"), span_str("alice@example.org")},
    };
}

static int parse(size_t len, struct attempt *ret)
{
    struct guard g = guard_new(packet, len);
    int rc = attempt_parse(span_of(g.ptr, len), ret);

    guard_free(&g);
    return rc;
}

static void attempt_reads_back(void **state)
{
    struct attempt a = sample(), b;
    size_t n = attempt_write(packet, sizeof(packet), &a, extents);

    (void)state;
    assert_true(n > 0);
    assert_int_equal(attempt_parse(span_of(packet, n), &b), 0);
    assert_int_equal(b.head.attempt, 7);
    assert_int_equal(b.head.content_bytes, 16484);
    assert_int_equal(b.head.content_crc, 0xabcdef01);
    assert_int_equal(attempt_extent_at(&b, 1).segment, 1);
    assert_int_equal(attempt_extent_at(&b, 1).offset, 1 << 20);
    assert_true(span_equal(b.target, a.target));
    assert_int_equal(b.sender.len, 0);
    assert_true(span_equal(b.recipients[1], a.recipients[1]));
    for (size_t len = 0; len < n; len++)
        assert_int_equal(parse(len, &b), -EBADMSG);
    packet[n] = 0;
    assert_int_equal(parse(n + 1, &b), -EBADMSG);
    for (size_t room = 0; room < n; room++) {
        struct guard g = guard_new(NULL, room);

        assert_int_equal(attempt_write(g.ptr, room, &a, extents), 0);
        guard_free(&g);
    }
}

static void impossible_attempts(void **state)
{
    enum { GOOD, SUM, SEGMENT, EMPTY, RANGE, NO_URL, BAD_URL, CRLF, NO_RCPT, ROWS };

    (void)state;
    for (int row = GOOD; row < ROWS; row++) {
        struct attempt a = sample(), b;
        struct attempt_extent e[2] = {extents[0], extents[1]};
        size_t n;

        switch (row) {
        case SUM:
            a.head.content_bytes++;
            break;
        case SEGMENT:
            e[1].segment = 2;
            break;
        case EMPTY:
            e[1].bytes = 0;
            a.head.content_bytes = 16384;
            break;
        case RANGE:
            e[0].offset = UINT64_MAX - 100;
            break;
        case NO_URL:
            a.target = span_str("");
            break;
        case BAD_URL:
            a.target = span_str("smtp://x\n");
            break;
        case CRLF:
            a.sender = span_str("a@b>\r\nRCPT TO:<c@d");
            break;
        case NO_RCPT:
            a.recipients[0] = span_str("");
            break;
        default:
            break;
        }
        n = attempt_write(packet, sizeof(packet), &a, e);
        assert_true(n > 0);
        assert_int_equal(parse(n, &b), row == GOOD ? 0 : -EBADMSG);
    }
}

static void attempt_bounds(void **state)
{
    struct attempt a = sample(), b;
    size_t n;

    (void)state;
    a.head.recipients = ATTEMPT_RECIPIENTS_MAX + 1;
    assert_int_equal(attempt_write(packet, sizeof(packet), &a, extents), 0);
    a = sample();
    a.head.extents = ATTEMPT_EXTENTS_MAX + 1;
    assert_int_equal(attempt_write(packet, sizeof(packet), &a, extents), 0);
    a = sample();
    a.head.segments = ATTEMPT_SEGMENTS_MAX + 1;
    assert_int_equal(attempt_write(packet, sizeof(packet), &a, extents), 0);
    a = sample();
    a.head.extents = ATTEMPT_EXTENTS_MAX;
    a.head.recipients = ATTEMPT_RECIPIENTS_MAX;
    for (uint32_t i = 0; i < ATTEMPT_EXTENTS_MAX; i++)
        extents[i] = (struct attempt_extent){.segment = 1, .bytes = 16384, .offset = 16384ull * i};
    a.head.content_bytes = 16384ull * ATTEMPT_EXTENTS_MAX;
    for (uint32_t i = 0; i < ATTEMPT_RECIPIENTS_MAX; i++)
        a.recipients[i] = span_str("recipient@example.org");
    n = attempt_write(packet, sizeof(packet), &a, extents);
    assert_true(n > 0 && n <= ATTEMPT_BYTES_MAX);
    assert_int_equal(parse(n, &b), 0);
    packet[60] ^= 1; /* the ABI */
    assert_int_equal(parse(n, &b), -EBADMSG);
}

static struct outcome outcome_sample(void)
{
    return (struct outcome){
        .head = {.attempt = 7,   .message = 8, .recipients = 2, .took_us = 55},
        .remote = span_str("inside[10.25.1.10]:25"),
        .recipients = {{ATTEMPT_DELIVERED, {2, 1, 5}, 250, span_str("ok")},
                 {ATTEMPT_FAILED, {5, 1, 1}, 550, span_str("no such \x01 user")}            },
    };
}

static void outcome_reads_back(void **state)
{
    struct outcome o = outcome_sample(), p;
    size_t n = outcome_write(packet, sizeof(packet), &o);

    (void)state;
    assert_true(n > 0);
    assert_int_equal(outcome_parse(span_of(packet, n), &p), 0);
    assert_int_equal(p.head.attempt, 7);
    assert_int_equal(p.head.took_us, 55);
    assert_int_equal(p.recipients[1].result, ATTEMPT_FAILED);
    assert_int_equal(p.recipients[1].code, 550);
    assert_int_equal(p.recipients[1].status[2], 1);
    assert_true(span_equal(p.recipients[1].text, o.recipients[1].text));
    assert_true(span_equal(p.remote, o.remote));
    for (size_t len = 0; len < n; len++) {
        struct guard g = guard_new(packet, len);

        assert_int_equal(outcome_parse(span_of(g.ptr, len), &p), -EBADMSG);
        guard_free(&g);
        g = guard_new(NULL, len);
        assert_int_equal(outcome_write(g.ptr, len, &o), 0);
        guard_free(&g);
    }
    assert_int_equal(outcome_parse(span_of(packet, n + 1), &p), -EBADMSG);
}

static void impossible_outcomes(void **state)
{
    static char longer[OUTCOME_TEXT_MAX + 2];
    struct outcome o = outcome_sample(), p;
    size_t n;

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    o.recipients[0].status[0] = 5; /* class and result contradict */
    assert_int_equal(outcome_write(packet, sizeof(packet), &o), 0);
    o = outcome_sample();
    o.recipients[0].code = 199;
    assert_int_equal(outcome_write(packet, sizeof(packet), &o), 0);
    o = outcome_sample();
    o.recipients[0].result = 0;
    assert_int_equal(outcome_write(packet, sizeof(packet), &o), 0);
    o = outcome_sample();
    o.recipients[0].text = span_str(longer);
    assert_int_equal(outcome_write(packet, sizeof(packet), &o), 0);
    o.recipients[0].text = span_of(longer, OUTCOME_TEXT_MAX);
    assert_true(outcome_write(packet, sizeof(packet), &o) > 0);
    o = outcome_sample();
    o.head.recipients = ATTEMPT_RECIPIENTS_MAX + 1;
    assert_int_equal(outcome_write(packet, sizeof(packet), &o), 0);
    o = outcome_sample();
    n = outcome_write(packet, sizeof(packet), &o);
    packet[sizeof(struct outcome_head)] = 9; /* result */
    assert_int_equal(outcome_parse(span_of(packet, n), &p), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempt_reads_back),  cmocka_unit_test(impossible_attempts),
        cmocka_unit_test(attempt_bounds),      cmocka_unit_test(outcome_reads_back),
        cmocka_unit_test(impossible_outcomes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
