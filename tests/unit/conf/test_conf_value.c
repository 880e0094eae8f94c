/* Goal: names, rates and addresses as the configuration writes them.  Method: rows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf.h"
#include "conf_value.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void hosts(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: refused */
    } rows[] = {
        {"mx1.Example.NET", "mx1.example.net"}, {"localhost", "localhost"},
        {"a_b.example", "a_b.example"}, {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"4.example", "4.example"}, {"example.4a", "example.4a"},
        {L63 ".example", L63 ".example"},
        {L63 "." L63 "." L63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         L63 "." L63 "." L63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {L63 "." L63 "." L63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         NULL},
        {"a" L63 ".example", NULL}, {"", NULL}, {".", NULL}, {".example", NULL},
        {"example.", NULL}, {"a..b", NULL}, {"-a.example", NULL}, {"a-.example", NULL},
        {"a.example-", NULL}, {"a b", NULL}, {"10.0.0.1", NULL}, {"a.1", NULL}, {"1", NULL},
        {"a@b", NULL}, {"b\303\274cher", NULL}, {"*", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char have[CONF_HOST_BYTES] = "untouched";
        int rc = conf_value_host(rows[i].text, have);

        assert_int_equal(rc, rows[i].want != NULL ? 0 : -EINVAL);
        assert_string_equal(have, rows[i].want != NULL ? rows[i].want : "untouched");
    }
}

static void rates(void **state)
{
    static const struct {
        const char *text;
        int         rc;
        uint32_t    count;
        uint64_t    us;
    } rows[] = {
        {"10/s", 0, 10, 1000000}, {"60/m", 0, 60, 60000000}, {"0/h", 0, 0, 3600000000},
        {"4294967295/d", 0, UINT32_MAX, 86400000000}, {"4294967296/s", -ERANGE, 0, 0},
        {"10", -EINVAL, 0, 0}, {"/s", -EINVAL, 0, 0}, {"10/", -EINVAL, 0, 0},
        {"10/s ", -EINVAL, 0, 0}, {"1.5/s", -EINVAL, 0, 0}, {"-1/s", -EINVAL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t count = 0;
        uint64_t us = 0;

        assert_int_equal(conf_value_rate(rows[i].text, &count, &us), rows[i].rc);
        assert_int_equal(count, rows[i].count);
        assert_int_equal(us, rows[i].us);
    }
}

static void names(void **state)
{
    (void)state;
    assert_true(conf_value_is_name("inside-2_b.c"));
    assert_true(conf_value_is_name(L63 "a"));
    assert_false(conf_value_is_name(L63 "aa"));
    assert_false(conf_value_is_name(""));
    assert_false(conf_value_is_name("a b"));
    assert_false(conf_value_is_name("\303\274"));
}

static void prefixes(void **state)
{
    static const struct {
        const char *text, *ip;
        int         bits; /* -1: refused */
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", 8}, {"10.0.0.0/255.0.0.0", "10.0.0.0", 8},
        {"10.0.0.1/255.255.255.255", "10.0.0.1", 32}, {"0.0.0.0/0.0.0.0", "0.0.0.0", 0},
        {"0.0.0.0/0", "0.0.0.0", 0}, {"192.0.2.7", "192.0.2.7", 32}, {"::/0", "::", 0},
        {"2001:db8::/32", "2001:db8::", 32}, {"fd25::25", "fd25::25", 128},
        {"10.0.0.0/33", NULL, -1}, {"10.0.0.0/", NULL, -1}, {"10.0.0.0/255.0.255.0", NULL, -1},
        {"10.0.0.0/0.0.0.255", NULL, -1}, {"10.0.0/24", NULL, -1}, {"fd25::/129", NULL, -1},
        {"fd25::/255.0.0.0", NULL, -1}, {"10.0.0.0/::", NULL, -1}, {"", NULL, -1},
        {"/8", NULL, -1}, {"10.0.0.0/8/8", NULL, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[CONF_IP_TEXT_BYTES];
        struct ip_addr ip;
        uint8_t bits;
        int rc = conf_parse_prefix(rows[i].text, &ip, &bits);

        assert_int_equal(rc, rows[i].bits < 0 ? -EINVAL : 0);
        if (rc != 0)
            continue;
        assert_string_equal(conf_ip_text(&ip, text), rows[i].ip);
        assert_int_equal(bits, rows[i].bits);
    }
}

static void listens(void **state)
{
    static const char *const bad[] = {"10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
                                      "fd25::25:25", "[fd25::25]", "[10.0.0.1]:25", ":25", ""};
    struct ip_addr ip;
    uint16_t port;
    char text[CONF_IP_TEXT_BYTES];

    (void)state;
    assert_int_equal(conf_parse_listen("[fd25::25]:65535", &ip, &port), 0);
    assert_string_equal(conf_ip_text(&ip, text), "fd25::25");
    assert_int_equal(port, 65535);
    assert_int_equal(conf_parse_listen("10.0.0.1:25", &ip, &port), 0);
    assert_int_equal(port, 25);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(conf_parse_listen(bad[i], &ip, &port), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),    cmocka_unit_test(rates),   cmocka_unit_test(names),
        cmocka_unit_test(prefixes), cmocka_unit_test(listens),
    };

    return cmocka_run_group_tests_name("conf_value", tests, NULL, NULL);
}
