/* Goal: a verdict is given once, cut and printable; content is read in order and judged at its
 * end.  Method: direct calls; a message cut into extents at every place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliver_attempt.h"
#include "deliver_content.h"
#include "deliver_verdict.h"

static void test_given_once(void **state)
{
    static struct verdicts v;

    (void)state;
    verdicts_init(&v, 3);
    verdict_give(&v, 1, ATTEMPT_FAILED, STATUS(5, 1, 1), "first");
    assert_int_equal(v.undecided, 2);
    verdict_give(&v, 1, ATTEMPT_DELIVERED, STATUS(2, 0, 0), "second");
    verdicts_give(&v, ATTEMPT_DEFERRED, STATUS(4, 4, 2), "all");
    assert_int_equal(v.undecided, 0);
    assert_int_equal(v.of[1].result, ATTEMPT_FAILED);
    assert_memory_equal(v.of[1].text, "first", 5);
    assert_memory_equal(v.of[1].status, "\x05\x01\x01", 3);
    assert_int_equal(v.of[0].result, ATTEMPT_DEFERRED);
    assert_memory_equal(v.of[2].status, "\x04\x04\x02", 3);
}

static void test_text_bound(void **state)
{
    static struct verdicts v;
    static char text[OUTCOME_TEXT_MAX + 2];

    (void)state;
    memset(text, '\n', sizeof(text) - 1);
    verdicts_init(&v, ATTEMPT_RECIPIENTS_MAX);
    verdicts_give(&v, ATTEMPT_FAILED, STATUS(5, 0, 0), text);
    assert_int_equal(v.of[ATTEMPT_RECIPIENTS_MAX - 1].text_bytes, OUTCOME_TEXT_MAX);
    assert_int_equal(v.of[0].text[OUTCOME_TEXT_MAX - 1], '?');
}

static struct made_attempt m;

static void attempt_make(struct attempt *a, struct span content)
{
    made_attempt(&m, 1, "discard:", "s@x.example", (const char *const[]){"a@x.example", NULL},
                 content);
    assert_int_equal(attempt_parse(span_of(m.packet, m.bytes), a), 0);
}

static void attempt_drop(void)
{
    close(m.fds[0]);
    close(m.fds[1]);
}

static void test_content_in_any_pieces(void **state)
{
    const struct span want = span_str("The quick brown fox jumps over the lazy dog.\r\n");
    struct attempt a;
    struct content c;
    uint8_t out[128];

    (void)state;
    attempt_make(&a, want);
    for (size_t room = 1; room <= want.len + 1; room++) {
        size_t n = 0;
        ssize_t got;

        content_start(&c, &a, m.fds);
        while ((got = content_read(&c, out + n, room)) > 0) {
            assert_true((size_t)got <= room);
            n += (size_t)got;
        }
        assert_int_equal(got, 0);
        assert_true(span_equal(span_of(out, n), want));
    }
    attempt_drop();
}

static void test_content_that_is_not_it(void **state)
{
    struct attempt a;
    struct content c;
    uint8_t out[128];
    ssize_t got;

    (void)state;
    attempt_make(&a, span_str("0123456789"));
    assert_int_equal(pwrite(m.fds[1], "x", 1, 1), 1); /* one byte changed under us */
    content_start(&c, &a, m.fds);
    while ((got = content_read(&c, out, sizeof(out))) > 0)
        ;
    assert_int_equal(got, -EBADMSG);
    assert_int_equal(ftruncate(m.fds[1], 1), 0);
    content_start(&c, &a, m.fds);
    while ((got = content_read(&c, out, sizeof(out))) > 0)
        ;
    assert_int_equal(got, -EBADMSG);
    attempt_drop();
    content_start(&c, &a, m.fds);
    assert_int_equal(content_read(&c, out, sizeof(out)), -EBADF);
}

static void test_header_8bit(void **state)
{
    static const struct {
        const char *in;
        int         want;
    } rows[] = {
        {"Subject: x\r\n\r\nbody\r\n", 0},
        {"Subject: \xc3\xa4\r\n\r\nbody\r\n", 1},
        {"Subject: x\r\n\r\nb\xc3\xb6" "dy\r\n", 0},
        {"Subject: x\r\nA: \xc3\xa4\r\n", 1},
        {"no header", 0},
        {"\r\n\xc3\xa4", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct attempt a;

        attempt_make(&a, span_str(rows[i].in));
        if (content_header_8bit(&a, m.fds) != rows[i].want)
            fail_msg("row %zu", i);
        attempt_drop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_once),
        cmocka_unit_test(test_text_bound),
        cmocka_unit_test(test_content_in_any_pieces),
        cmocka_unit_test(test_content_that_is_not_it),
        cmocka_unit_test(test_header_8bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
