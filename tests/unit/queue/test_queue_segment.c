/* Goal: only a whole record of this life of the segment is believed.  Method: every byte of
 * a record changed, every length cut, other tags; each input flush against its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "queue_segment.h"

static uint8_t *make(uint32_t length, uint64_t tag, uint32_t *ret_bytes)
{
    struct record_head head = {
        .type = RECORD_DATA, .message = 77, .length = length, .sequence = 3, .copy = 1};
    uint8_t *at = malloc(record_bytes(length));

    for (uint32_t i = 0; i < length; i++)
        at[RECORD_HEAD_BYTES + i] = (uint8_t)(i * 7);
    record_seal(at, tag, &head);
    *ret_bytes = record_bytes(length);
    return at;
}

static enum record_read look(const uint8_t *bytes, size_t n, uint64_t tag)
{
    uint8_t *tight = malloc(n + 1); /* the sanitizer sees a read past the end */
    struct record_head head;
    struct span payload;
    uint32_t need;
    enum record_read got;

    memcpy(tight + 1, bytes, n);
    got = record_read(span_of(tight + 1, n), tag, &head, &payload, &need);
    if (got == RECORD_WHOLE)
        assert_true(head.message == 77 && head.sequence == 3 && head.copy == 1);
    free(tight);
    return got;
}

static void a_record_is_whole_or_nothing(void **state)
{
    static const uint32_t lengths[] = {0, 1, 7, 8, 9, 100};

    (void)state;
    for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
        uint32_t n;
        uint8_t *r = make(lengths[l], 9, &n);

        assert_int_equal(look(r, n, 9), RECORD_WHOLE);
        assert_int_equal(look(r, n, 8), RECORD_NONE); /* stale: another life of the segment */
        for (uint32_t cut = 0; cut < n; cut++)
            assert_int_equal(look(r, cut, 9), RECORD_MORE);
        for (uint32_t i = 0; i < RECORD_HEAD_BYTES + lengths[l]; i++) {
            r[i] ^= 0x40;
            assert_int_not_equal(look(r, n, 9), RECORD_WHOLE);
            r[i] ^= 0x40;
        }
        free(r);
    }
}

static void a_length_is_bounded(void **state)
{
    struct record_head head = {
        .magic = 0x52514c53u, .tag = 1, .type = RECORD_DATA, .length = RECORD_PAYLOAD_MAX + 1};

    (void)state;
    assert_int_equal(look((uint8_t *)&head, sizeof(head), 1), RECORD_NONE);
    head.length = UINT32_MAX;
    assert_int_equal(look((uint8_t *)&head, sizeof(head), 1), RECORD_NONE);
}

static void a_header_block_is_checked(void **state)
{
    uint8_t block[SEGMENT_BLOCK];
    struct segment_header h;

    (void)state;
    memset(block, 0, sizeof(block));
    assert_int_equal(segment_header_get(block, &h), -ENOENT);
    segment_header_put(block, SEGMENT_BYTES_MIN, 5, 6, 4);
    assert_int_equal(segment_header_get(block, &h), 0);
    assert_true(h.birth == 5 && h.tag == 6 && h.tail == 4);
    for (uint32_t i = 0; i < sizeof(h); i++) {
        block[i] ^= 1;
        assert_int_equal(segment_header_get(block, &h), -EBADMSG);
        block[i] ^= 1;
    }
    segment_header_put(block, SEGMENT_BYTES_MIN, 5, 6, 6); /* a tail from the future */
    assert_int_equal(segment_header_get(block, &h), -EBADMSG);
    segment_header_put(block, SEGMENT_BYTES_MIN - 4096, 5, 6, 4);
    assert_int_equal(segment_header_get(block, &h), -EBADMSG);
}

static void states_are_cut_and_checked(void **state)
{
    struct state_entry in =
                           {
                               .next_us = 1,
                               .recipient = 2,
                               .attempts = 3,
                               .code = 450,
                               .state = RECIPIENT_WAITING,
                               .status = {4, 2, 1}
    },
                       out;
    uint8_t buffer[256];
    size_t n = state_put(buffer, sizeof(buffer), &in, span_str("later"));
    struct span left = span_of(buffer, n), text;

    (void)state;
    assert_int_equal(n, sizeof(in) + 5);
    assert_int_equal(state_put(buffer, n - 1, &in, span_str("later")), 0);
    assert_int_equal(state_get(&left, &out, &text), 1);
    assert_true(out.recipient == 2 && out.code == 450 && span_equal(text, span_str("later")));
    assert_int_equal(state_get(&left, &out, &text), 0);
    for (size_t cut = 1; cut < n; cut++) {
        left = span_of(buffer, cut);
        assert_int_equal(state_get(&left, &out, &text), -EBADMSG);
    }
    buffer[offsetof(struct state_entry, state)] = 9;
    left = span_of(buffer, n);
    assert_int_equal(state_get(&left, &out, &text), -EBADMSG);
}

static void a_commit_is_checked(void **state)
{
    static const struct {
        const char *name;
        struct commit_head head;
        size_t more;
        int rc;
    } rows[] = {
        {"good",            {1000, 1, 100, 0, 1, 0},                        50,  0       },
        {"with states",     {1000, 1, 100, 0, 1, 24},                       50,  0       },
        {"no envelope",     {1000, 1, 10, 0, 1, 0},                         50,  -EBADMSG},
        {"long envelope",   {1u << 30, 1, ENVELOPE_BYTES_MAX + 1, 0, 1, 0}, 50,  -EBADMSG},
        {"total short",     {99, 1, 100, 0, 1, 0},                          50,  -EBADMSG},
        {"total long",      {MESSAGE_BYTES_MAX + 1, 1, 100, 0, 1, 0},       50,  -EBADMSG},
        {"no recipients",   {1000, 1, 100, 0, 0, 0},                        50,  -EBADMSG},
        {"many recipients", {1000, 1, 100, 0, RECIPIENTS_MAX + 1, 0},       50,  -EBADMSG},
        {"states past end", {1000, 1, 100, 0, 1, 51},                       50,  -EBADMSG},
        {"more than total", {100, 1, 100, 0, 1, 0},                         101, -EBADMSG},
    };
    uint8_t payload[256];
    struct commit_head head;
    struct span states, data;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        memset(payload, 0, sizeof(payload));
        memcpy(payload, &rows[i].head, sizeof(head));
        if (commit_get(span_of(payload, sizeof(head) + rows[i].more), &head, &states, &data) !=
            rows[i].rc)
            fail_msg("%s", rows[i].name);
    }
    assert_int_equal(commit_get(span_of(payload, sizeof(head) - 1), &head, &states, &data),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_whole_or_nothing),
        cmocka_unit_test(a_length_is_bounded),
        cmocka_unit_test(a_header_block_is_checked),
        cmocka_unit_test(states_are_cut_and_checked),
        cmocka_unit_test(a_commit_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
