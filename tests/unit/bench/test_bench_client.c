/* test_bench_client.c - goal: the generator counts a session as good only if every reply was
 * right, however TCP cuts them.  Method: rows of what the server says, each at every cut point,
 * each half flush against a page that cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base_guard.h"
#include "bench_client.h"

static const struct client_script script = {
    .count = 4,
    .step =
        {
               {.name = "greeting", .expect = 220},
               {.name = "ehlo", .send = {(const uint8_t *)"EHLO x\r\n", 8}, .expect = 250},
               {.name = "data", .send = {(const uint8_t *)"DATA\r\n", 6}, .expect = 354},
               {.name = "quit", .send = {(const uint8_t *)"QUIT\r\n", 6}, .expect = 221},
               },
};

#define GREETING "220 mx ESMTP\r\n"

static const struct {
    const char *name, *in;
    enum client_verdict want;
    uint16_t code;
    unsigned step; /* in which it ended */
} rows[] = {
    {"whole session",           GREETING "250 mx\r\n354 go\r\n221 bye\r\n",                     CLIENT_OVER,   221, 4},
    {"many lines",              GREETING "250-mx\r\n250-SIZE 1\r\n250 HELP\r\n354 \r\n221\r\n", CLIENT_OVER,   221,
     4                                                                                                               },
    {"greeting of two lines",   "220-mx\r\n220 mx\r\n250 a\r\n",                                CLIENT_STEP,   250, 2},
    {"unfinished",              GREETING "250-mx\r\n250",                                       CLIENT_MORE,   250, 1},
    {"nothing",                 "",                                                             CLIENT_MORE,   0,   0},
    {"refused at once",         "554 go away\r\n",                                              CLIENT_CODE,   554, 0},
    {"busy",                    GREETING "421-closing\r\n421 now\r\n",                          CLIENT_CODE,   421, 1},
    {"right class, wrong code", GREETING "251 mx\r\n",                                          CLIENT_CODE,   251, 1},
    {"codes that differ",       GREETING "250-mx\r\n251 mx\r\n",                                CLIENT_SYNTAX, 250, 1},
    {"a bare LF",               GREETING "250 mx\n",                                            CLIENT_SYNTAX, 220, 1},
    {"a bare CR",               GREETING "250 m\rx\r\n",                                        CLIENT_SYNTAX, 220, 1},
    {"no digits",               "HTTP/1.1 400\r\n",                                             CLIENT_SYNTAX, 0,   0},
    {"two digits",              "22 mx\r\n",                                                    CLIENT_SYNTAX, 0,   0},
    {"class 1",                 "120 mx\r\n",                                                   CLIENT_SYNTAX, 0,   0},
    {"class 6",                 "620 mx\r\n",                                                   CLIENT_SYNTAX, 0,   0},
    {"four digits",             "2200 mx\r\n",                                                  CLIENT_SYNTAX, 0,   0},
    {"any octet but NUL",       "220 m\x80x\r\n250 \x01\r\n",                                   CLIENT_STEP,   250, 2},
    {"after the end",           GREETING "250 a\r\n354 b\r\n221 c\r\n2",                        CLIENT_EARLY,  221, 4},
};

/* Sends each step's text at once, as a loop over TCP with room enough does. */
static enum client_verdict feed(struct client *c, struct span in)
{
    enum client_verdict v = CLIENT_MORE;

    while (in.len > 0) {
        client_sent(c, client_output(c, &script).len);
        v = client_input(c, &script, &in);
        if (v >= CLIENT_CODE)
            break;
    }
    return v;
}

static void every_cut(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].in);

        for (size_t cut = 0; cut <= len; cut++) {
            struct guard a = guard_new(rows[i].in, cut), b = guard_new(rows[i].in + cut, len - cut);
            struct client c;
            enum client_verdict v, second;

            client_init(&c);
            v = feed(&c, span_of(a.ptr, a.len));
            if (v < CLIENT_CODE) {
                second = feed(&c, span_of(b.ptr, b.len));
                v = cut == len ? v : second;
            }
            if (v != rows[i].want || c.code != rows[i].code || c.step != rows[i].step)
                fail_msg("%s, cut %zu: verdict %d code %u step %u", rows[i].name, cut, (int)v,
                         c.code, c.step);
            guard_free(&a);
            guard_free(&b);
        }
    }
}

static void before_the_text_is_sent(void **state)
{
    struct client c;
    struct span in = span_str("250 a\r\n");

    (void)state;
    client_init(&c);
    assert_int_equal(feed(&c, span_str(GREETING)), CLIENT_STEP);
    client_sent(&c, 7);
    assert_int_equal(client_output(&c, &script).len, 1);
    assert_int_equal(client_input(&c, &script, &in), CLIENT_EARLY);
}

/* Two replies in one segment: nobody asked for the second. */
static void two_at_once(void **state)
{
    struct client c;
    struct span in = span_str(GREETING "250 a\r\n");

    (void)state;
    client_init(&c);
    assert_int_equal(client_input(&c, &script, &in), CLIENT_STEP);
    assert_int_equal(in.len, 7);
    assert_int_equal(client_input(&c, &script, &in), CLIENT_EARLY);
}

static void a_nul(void **state)
{
    struct client c;
    struct span in = span_of("220 m\0x\r\n", 9);

    (void)state;
    client_init(&c);
    assert_int_equal(client_input(&c, &script, &in), CLIENT_SYNTAX);
}

static void long_lines(void **state)
{
    static char line[CLIENT_LINE_MAX + 2];
    struct client c;
    struct span in;

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "220 ", 4);
    memcpy(line + CLIENT_LINE_MAX - 2, "\r\n", 2);
    in = span_of(line, CLIENT_LINE_MAX);
    client_init(&c);
    assert_int_equal(client_input(&c, &script, &in), CLIENT_STEP);
    line[CLIENT_LINE_MAX - 2] = 'x';
    memcpy(line + CLIENT_LINE_MAX - 1, "\r\n", 2);
    in = span_of(line, CLIENT_LINE_MAX + 1);
    client_init(&c);
    assert_int_equal(client_input(&c, &script, &in), CLIENT_SYNTAX);
}

static void held_until_told(void **state)
{
    struct client_script holding = script;
    struct client c;
    struct span in = span_str(GREETING), more = span_str("4");

    (void)state;
    holding.step[1].hold = true;
    client_init(&c);
    assert_int_equal(client_input(&c, &holding, &in), CLIENT_STEP);
    client_sent(&c, 8);
    in = span_str("250 a\r\n");
    assert_int_equal(client_input(&c, &holding, &in), CLIENT_HELD);
    assert_int_equal(client_output(&c, &holding).len, 0);
    assert_int_equal(client_input(&c, &holding, &more), CLIENT_EARLY);
    client_go(&c);
    assert_int_equal(client_output(&c, &holding).len, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut),   cmocka_unit_test(before_the_text_is_sent),
        cmocka_unit_test(two_at_once), cmocka_unit_test(a_nul),
        cmocka_unit_test(long_lines),  cmocka_unit_test(held_until_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
