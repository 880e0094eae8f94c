/* Goal: replies (RFC 5321 s4.2) read the same however TCP cuts them, and what is no reply is
 * refused within its bounds.  Method: rows; each runs once per cut point, each half flush against
 * a PROT_NONE page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver_reply.h"

static const struct row {
    const char        *name, *in;
    enum reply_verdict end;
    uint16_t           code;
    uint8_t            status[3];
    const char        *text;
} rows[] = {
    {"plain",                "250 ok\r\n",                              REPLY_DONE, 250, {0, 0, 0},  "ok"           },
    {"no text",              "250\r\n",                                 REPLY_DONE, 250, {0, 0, 0},  ""             },
    {"empty text",           "250 \r\n",                                REPLY_DONE, 250, {0, 0, 0},  ""             },
    {"bare LF",              "250 ok\n",                                REPLY_DONE, 250, {0, 0, 0},  "ok"           },
    {"enhanced",             "550 5.1.1 who?\r\n",                      REPLY_DONE, 550, {5, 1, 1},  "who?"         },
    {"enhanced alone",       "250 2.0.0\r\n",                           REPLY_DONE, 250, {2, 0, 0},  ""             },
    {"enhanced long",        "550 5.7.133 no\r\n",                      REPLY_DONE, 550, {5, 7, 133}, "no"          },
    {"detail over a byte",   "550 5.7.509 no\r\n",                      REPLY_DONE, 550, {5, 7, 0},  "no"           },
    {"four digits",          "550 5.7.1234 no\r\n",                     REPLY_DONE, 550, {0, 0, 0},  "5.7.1234 no"  },
    {"other class",          "550 4.1.1 no\r\n",                        REPLY_DONE, 550, {0, 0, 0},  "4.1.1 no"     },
    {"no space behind",      "250 2.1.5x\r\n",                          REPLY_DONE, 250, {0, 0, 0},  "2.1.5x"       },
    {"two lines",            "250-a\r\n250 b\r\n",                      REPLY_DONE, 250, {0, 0, 0},  "a b"          },
    {"enhanced in each",     "550-5.1.1 a\r\n550 5.1.1 b\r\n",          REPLY_DONE, 550, {5, 1, 1},  "a b"          },
    {"codes differ",         "250-a\r\n251 b\r\n",                      REPLY_DONE, 251, {0, 0, 0},  "a b"          },
    {"classes differ",       "250-a\r\n550 b\r\n",                      REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"control characters",   "250 a\tb\x01\xc3\xa4\r\n",                REPLY_DONE, 250, {0, 0, 0},  "a?b???"       },
    {"empty line",           "\r\n",                                    REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"two digits",           "25\r\n",                                  REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"no mark",              "250x\r\n",                                REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"below 200",            "199 x\r\n",                               REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"above 599",            "600 x\r\n",                               REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"HTTP",                 "HTTP/1.1 400 Bad Request\r\n",            REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"second line no reply", "250-a\r\nhello\r\n",                      REPLY_BAD,  0,   {0, 0, 0},  ""             },
    {"unfinished",           "250-a\r\n250 b",                          REPLY_MORE, 0,   {0, 0, 0},  ""             },
};

/* A copy of s that ends at a page nobody may read. */
static const uint8_t *guarded(const char *s, size_t n, uint8_t **map)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(*map, MAP_FAILED);
    assert_int_equal(mprotect(*map + page, page, PROT_NONE), 0);
    memcpy(*map + page - n, s, n);
    return *map + page - n;
}

static enum reply_verdict feed_all(struct reply_parser *p, const char *s, size_t n)
{
    enum reply_verdict v = REPLY_MORE;
    uint8_t *map;
    struct span in = span_of(guarded(s, n, &map), n);

    while (in.len > 0 && v != REPLY_BAD && v != REPLY_DONE) {
        size_t eaten;

        v = reply_feed(p, in, &eaten);
        assert_true(eaten > 0);
        in = span_skip(in, eaten);
    }
    munmap(map, 2 * (size_t)sysconf(_SC_PAGESIZE));
    return v;
}

static void test_rows_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].in);

        for (size_t cut = 0; cut <= len; cut++) {
            static struct reply_parser p;
            enum reply_verdict v;

            reply_init(&p);
            v = feed_all(&p, rows[i].in, cut);
            if (v == REPLY_MORE || v == REPLY_LINE)
                v = cut < len ? feed_all(&p, rows[i].in + cut, len - cut) : v;
            if (v != rows[i].end)
                fail_msg("%s, cut %zu: verdict %d", rows[i].name, cut, (int)v);
            if (v == REPLY_BAD && p.why == NULL)
                fail_msg("%s: no reason given", rows[i].name);
            if (v != REPLY_DONE)
                continue;
            if (p.code != rows[i].code || memcmp(p.status, rows[i].status, 3) != 0 ||
                strcmp(p.text, rows[i].text) != 0)
                fail_msg("%s, cut %zu: %u %u.%u.%u '%s'", rows[i].name, cut, p.code, p.status[0],
                         p.status[1], p.status[2], p.text);
        }
    }
}

static void test_replies_follow_each_other(void **state)
{
    static struct reply_parser p;
    struct span in = span_str("220 a\r\n250-b\r\n250 c\r\n");
    size_t eaten;

    (void)state;
    reply_init(&p);
    assert_int_equal(reply_feed(&p, in, &eaten), REPLY_DONE);
    assert_int_equal(eaten, 7);
    in = span_skip(in, eaten);
    assert_int_equal(reply_feed(&p, in, &eaten), REPLY_LINE);
    assert_true(span_equal(reply_line(&p), span_str("b")));
    in = span_skip(in, eaten);
    assert_int_equal(reply_feed(&p, in, &eaten), REPLY_DONE);
    assert_int_equal(p.code, 250);
    assert_string_equal(p.text, "b c");
}

static void test_line_bound(void **state)
{
    static struct reply_parser p;
    static char line[REPLY_LINE_MAX + 16];
    size_t eaten;

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "250 ", 4);
    memcpy(line + REPLY_LINE_MAX - 1, "\r\n", 2);
    reply_init(&p);
    assert_int_equal(reply_feed(&p, span_of(line, REPLY_LINE_MAX + 1), &eaten), REPLY_DONE);
    assert_int_equal(p.text_bytes, REPLY_TEXT_MAX);
    assert_int_equal(strlen(p.text), REPLY_TEXT_MAX);

    memset(line + 4, 'x', sizeof(line) - 4);
    reply_init(&p);
    assert_int_equal(reply_feed(&p, span_of(line, sizeof(line)), &eaten), REPLY_BAD);
    assert_int_equal(reply_feed(&p, span_str("250 ok\r\n"), &eaten), REPLY_BAD); /* for good */
}

static void test_lines_bound(void **state)
{
    static struct reply_parser p;
    size_t eaten;

    (void)state;
    reply_init(&p);
    for (unsigned i = 0; i < REPLY_LINES_MAX; i++)
        assert_int_equal(reply_feed(&p, span_str("250-x\r\n"), &eaten), REPLY_LINE);
    assert_int_equal(reply_feed(&p, span_str("250 x\r\n"), &eaten), REPLY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_every_cut),
        cmocka_unit_test(test_replies_follow_each_other),
        cmocka_unit_test(test_line_bound),
        cmocka_unit_test(test_lines_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
