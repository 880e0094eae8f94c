/* Goal: whatever the bytes, a line is one valid JSON object (or one maillog line) within its
 * bound; a reader that does not keep up costs lines and never blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base_guard.h"
#include "base_rand.h"
#include "log_line.h"

#define WALL 1763855701000006ull /* 2025-11-22T23:55:01.000006Z */

static struct log_line line;

static json_t *finish(void)
{
    struct span s = log_finish(&line);
    json_error_t error;
    json_t *object;

    assert_true(s.len <= LOG_LINE_BYTES && s.ptr[s.len - 1] == '\n');
    assert_null(memchr(s.ptr, '\n', s.len - 1));
    object =
        json_loadb((const char *)s.ptr, s.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL)
        fail_msg("%s in: %.*s", error.text, (int)s.len, (const char *)s.ptr);
    return object;
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    assert_non_null(text);
    return text;
}

static void every_kind_of_value(void **state)
{
    struct ip_addr v6 =
                       {
                           .octets = {0xfd, 0x25, [15] = 0x25}
    },
                   v4 = ip_from_v4(0x0a000001);
    json_t *o;

    (void)state;
    log_setup("mx1.example.net", IPC_QUEUE, LOG_JSON);
    log_begin_at(&line, "delivered", WALL);
    log_text(&line, "text", span_str("a \"b\" \\ c"));
    log_str(&line, "str", "x");
    log_str(&line, "absent", NULL);
    log_u64(&line, "u64", UINT64_MAX);
    log_i64(&line, "i64", INT64_MIN);
    log_i64(&line, "i64p", 5);
    log_bool(&line, "yes", true);
    log_ip(&line, "ip", &v6);
    log_endpoint(&line, "peer", &v4, 25);
    log_id(&line, "id", 1);
    log_status(&line, "status", (const uint8_t[]){5, 1, 10});
    log_seconds(&line, "took", 1234567);
    o = finish();
    assert_string_equal(text_of(o, "time"), "2025-11-22T23:55:01.000006Z");
    assert_string_equal(text_of(o, "host"), "mx1.example.net");
    assert_string_equal(text_of(o, "process"), "queue");
    assert_string_equal(text_of(o, "event"), "delivered");
    assert_string_equal(text_of(o, "text"), "a \"b\" \\ c");
    assert_string_equal(text_of(o, "ip"), "fd25::25");
    assert_string_equal(text_of(o, "peer"), "10.0.0.1:25");
    assert_string_equal(text_of(o, "id"), "0000000000001");
    assert_string_equal(text_of(o, "status"), "5.1.10");
    assert_null(json_object_get(o, "absent"));
    assert_true(json_integer_value(json_object_get(o, "u64")) == INT64_MAX);
    assert_true(json_integer_value(json_object_get(o, "i64")) == INT64_MIN);
    assert_int_equal(json_integer_value(json_object_get(o, "i64p")), 5);
    assert_true(json_is_true(json_object_get(o, "yes")));
    assert_true(json_real_value(json_object_get(o, "took")) > 1.23456);
    json_decref(o);
}

static void bytes_that_are_no_text(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"tab\tnl\r\n\x1b[31m",           "tab\tnl\r\n\x1b[31m"          },
        {"gr\xc3\xbc\xc3\x9f",            "gr\xc3\xbc\xc3\x9f"           },
        {"\xe2\x82\xac \xf0\x9f\x93\xa7", "\xe2\x82\xac \xf0\x9f\x93\xa7"},
        {"\xff",                          "\\xff"                        },
        {"\xc3",                          "\\xc3"                        }, /* cut */
        {"\xc0\xaf",                      "\\xc0\\xaf"                   }, /* overlong */
        {"\xe0\x80\xaf",                  "\\xe0\\x80\\xaf"              },
        {"\xed\xa0\x80",                  "\\xed\\xa0\\x80"              }, /* surrogate */
        {"\xf4\x90\x80\x80",              "\\xf4\\x90\\x80\\x80"         }, /* beyond Unicode */
        {"\xc2\x9b"
         "31m",                  "\\xc2\\x9b31m"                }, /* C1 CSI */
        {"\x7f",                          "\x7f"                         },
    };

    (void)state;
    log_setup("mx1", IPC_QUEUE, LOG_JSON);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct guard g = guard_new(rows[i].in, strlen(rows[i].in));
        struct span s;
        json_t *o;

        log_begin_at(&line, "e", WALL);
        log_text(&line, "v", span_of(g.ptr, g.len));
        o = finish();
        assert_string_equal(text_of(o, "v"), rows[i].out);
        s = log_finish(&line);
        for (size_t k = 0; k + 1 < s.len; k++) /* nothing a terminal would obey */
            assert_true(s.ptr[k] >= 0x20 && s.ptr[k] != 0x7f);
        json_decref(o);
        guard_free(&g);
    }
}

static void any_bytes_any_length_is_one_object(void **state)
{
    static uint8_t bytes[3000];
    struct rand r;

    (void)state;
    rand_seed(&r, 11, 1);
    for (int i = 0; i < 3000; i++) {
        size_t values = rand_below(&r, 12);

        log_begin_at(&line, "e", WALL);
        for (size_t v = 0; v < values; v++) {
            char key[8] = {'k', (char)('a' + (int)v)};
            size_t n = rand_below(&r, 1ull << rand_below(&r, 12));
            struct guard g;

            rand_fill(&r, bytes, n);
            if (rand_chance(&r, 500000)) /* mostly UTF-8 */
                for (size_t k = 0; k + 1 < n; k += 2) {
                    bytes[k] = 0xc3;
                    bytes[k + 1] = 0xbc;
                }
            g = guard_new(bytes, n);
            log_text(&line, key, span_of(g.ptr, n));
            log_u64(&line, key + 1, n);
            guard_free(&g);
        }
        json_decref(finish());
    }
}

static void long_values_are_cut_at_a_character(void **state)
{
    static char value[LOG_VALUE_MAX + 8];
    json_t *o;

    (void)state;
    memset(value, 'a', LOG_VALUE_MAX - 1);
    memcpy(value + LOG_VALUE_MAX - 1, "\xe2\x82\xac", 4);
    log_begin_at(&line, "e", WALL);
    log_str(&line, "v", value);
    o = finish();
    assert_int_equal(strlen(text_of(o, "v")), LOG_VALUE_MAX - 1);
    assert_true(json_is_true(json_object_get(o, "cut")));
    json_decref(o);
    value[LOG_VALUE_MAX - 1] = '\0';
    log_begin_at(&line, "e", WALL);
    log_str(&line, "v", value);
    o = finish();
    assert_null(json_object_get(o, "cut"));
    json_decref(o);
    log_begin_at(&line, "e", WALL); /* more values than a line holds */
    for (int i = 0; i < 10; i++)
        log_str(&line, (char[]){(char)('a' + i), '\0'}, value);
    o = finish();
    assert_true(json_is_true(json_object_get(o, "cut")));
    json_decref(o);
}

static void maillog_form(void **state)
{
    char want[200];
    struct span s;

    (void)state;
    log_setup("mx1", IPC_DELIVER, LOG_MAILLOG);
    log_begin_at(&line, "delivered", WALL - 20ull * 86400 * 1000000);
    log_str(&line, "to", "user@example.org");
    log_str(&line, "reply", "250 ok, \"fine\"\r\n\xff");
    log_u64(&line, "n", 5);
    log_str(&line, "empty", "");
    s = log_finish(&line);
    snprintf(want, sizeof(want),
             "Nov  2 23:55:01 mx1 sluice-deliver[%d]: delivered: to=user@example.org, "
             "reply=\"250 ok, \\\"fine\\\"\\x0d\\x0a\\xff\", n=5, empty=\"\"\n",
             (int)getpid());
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.ptr, want, s.len);
    enum log_format format;

    assert_int_equal(log_format_parse("json", &format), 0);
    assert_int_equal(format, LOG_JSON);
    assert_int_equal(log_format_parse("maillog", &format), 0);
    assert_int_equal(format, LOG_MAILLOG);
    assert_int_equal(log_format_parse("xml", &format), -EINVAL);
}

/* Descriptor 2 is a pipe nobody reads, then one with no reader at all, then a socket. */
static void a_slow_reader_costs_lines_only(void **state)
{
    int saved = dup(STDERR_FILENO), ends[2];
    struct log_figures before, after;
    char buffer[LOG_LINE_BYTES];

    (void)state;
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        else
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        log_setup("mx1", IPC_QUEUE, LOG_JSON);
        before = log_figures();
        for (int i = 0; i < 20000; i++)
            log_error("flood", "nobody reads this");
        after = log_figures();
        assert_true(after.lost > before.lost);
        assert_int_equal(after.lost - before.lost + after.lines - before.lines, 20000);
        assert_true(read(ends[0], buffer, sizeof(buffer)) > 0);
        assert_memory_equal(buffer, "{\"time\"", 7);
        close(ends[0]);
        log_error("gone", "no reader, no signal");
        assert_true(log_figures().lost > after.lost);
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
}

/* The pipe's flags for others stay as they were. */
static void others_flags_are_left_alone(void **state)
{
    int saved = dup(STDERR_FILENO), ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    log_setup("mx1", IPC_QUEUE, LOG_JSON);
    assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(STDERR_FILENO, F_GETFD) & FD_CLOEXEC);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(any_bytes_any_length_is_one_object),
        cmocka_unit_test(long_values_are_cut_at_a_character),
        cmocka_unit_test(maillog_form),
        cmocka_unit_test(a_slow_reader_costs_lines_only),
        cmocka_unit_test(others_flags_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
