/* Goal: addresses, prefixes, endpoints, sizes, durations and times read and write one way only.
 * Method: rows; every input also flush against a page that faults; cut at every length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base_guard.h"
#include "base_text.h"

static const struct {
    const char *in, *out; /* out NULL: refused */
} ips[] = {
    {"10.0.0.1",               "10.0.0.1"            },
    {"255.255.255.255",        "255.255.255.255"     },
    {"0.0.0.0",                "0.0.0.0"             },
    {"10.0.0",                 NULL                  },
    {"10.0.0.1.2",             NULL                  },
    {"10.0.0.256",             NULL                  },
    {"10.0.0.01",              NULL                  },
    {"10.0.0.1 ",              NULL                  },
    {"10..0.1",                NULL                  },
    {"",                       NULL                  },
    {"1e1.0.0.1",              NULL                  },
    {"::",                     "::"                  },
    {"::1",                    "::1"                 },
    {"1::",                    "1::"                 },
    {"fd25::25",               "fd25::25"            },
    {"FD25:0:0:0:0:0:0:25",    "fd25::25"            },
    {"2001:db8:0:0:1:0:0:1",   "2001:db8::1:0:0:1"   },
    {"2001:db8:0:1:1:1:1:1",   "2001:db8:0:1:1:1:1:1"},
    {"2001:0db8::0001",        "2001:db8::1"         },
    {"1:0:0:2:0:0:0:3",        "1:0:0:2::3"          },
    {"1:2:3:4:5:6:7::",        "1:2:3:4:5:6:7:0"     },
    {"::2:3:4:5:6:7:8",        "0:2:3:4:5:6:7:8"     },
    {"::ffff:10.0.0.1",        "10.0.0.1"            },
    {"::ffff:0a00:0001",       "10.0.0.1"            },
    {"64:ff9b::10.0.0.1",      "64:ff9b::a00:1"      },
    {"1:2:3:4:5:6:10.0.0.1",   "1:2:3:4:5:6:a00:1"   },
    {"1:2:3:4:5:6:7:10.0.0.1", NULL                  },
    {":::",                    NULL                  },
    {":",                      NULL                  },
    {"1:",                     NULL                  },
    {":1",                     NULL                  },
    {"1::2::3",                NULL                  },
    {"1:2:3:4:5:6:7",          NULL                  },
    {"1:2:3:4:5:6:7:8:9",      NULL                  },
    {"1:2:3:4:5:6:7:8::",      NULL                  },
    {"1:2:3:4::5:6:7:8",       NULL                  },
    {"12345::",                NULL                  },
    {"g::",                    NULL                  },
    {"fe80::1%eth0",           NULL                  },
    {"::10.0.0.1:1",           NULL                  },
    {"1::2:",                  NULL                  },
    {"::ffff:10.0.0",          NULL                  },
};

static void addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
        struct guard g = guard_new(ips[i].in, strlen(ips[i].in));
        struct ip_addr ip = {.octets = {0xaa}}, again;
        char text[TEXT_IP_MAX];
        int rc = text_parse_ip(span_of(g.ptr, g.len), &ip);

        if (ips[i].out == NULL) {
            if (rc != -EINVAL || ip.octets[0] != 0xaa)
                fail_msg("'%s' was taken", ips[i].in);
        } else {
            if (rc != 0)
                fail_msg("'%s' was refused", ips[i].in);
            assert_int_equal(text_ip(text, &ip), strlen(ips[i].out));
            assert_string_equal(text, ips[i].out);
            assert_int_equal(text_parse_ip(span_str(text), &again), 0);
            assert_true(ip_equal(&ip, &again));
        }
        for (size_t cut = 0; cut < g.len; cut++) /* no over-read at any length */
            (void)text_parse_ip(span_of(g.ptr + g.len - cut, cut), &ip);
        guard_free(&g);
    }
}

static void longest_texts_fit(void **state)
{
    struct ip_addr ip;
    char text[TEXT_PREFIX_MAX], endpoint[TEXT_ENDPOINT_MAX];

    (void)state;
    memset(ip.octets, 0xff, sizeof(ip.octets));
    assert_true(text_ip(text, &ip) < TEXT_IP_MAX);
    assert_true(text_prefix(text, &ip, 128) < TEXT_PREFIX_MAX);
    assert_string_equal(text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
    assert_true(text_endpoint(endpoint, &ip, 65535) < TEXT_ENDPOINT_MAX);
    assert_string_equal(endpoint, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void prefixes(void **state)
{
    static const struct {
        const char *in, *out, *base;
    } rows[] = {
        {"10.25.0.25/24",       "10.25.0.25/24",   "10.25.0.0"  },
        {"10.25.0.25",          "10.25.0.25/32",   "10.25.0.25" },
        {"0.0.0.0/0",           "0.0.0.0/0",       "0.0.0.0"    },
        {"10.1.2.255/31",       "10.1.2.255/31",   "10.1.2.254" },
        {"fd25::25/64",         "fd25::25/64",     "fd25::"     },
        {"fd25::25",            "fd25::25/128",    "fd25::25"   },
        {"ffff::/0",            "ffff::/0",        "::"         },
        {"fd25:ffff::1/17",     "fd25:ffff::1/17", "fd25:8000::"},
        {"10.0.0.0/33",         NULL,              NULL         },
        {"fd25::/129",          NULL,              NULL         },
        {"10.0.0.0/",           NULL,              NULL         },
        {"10.0.0.0/-1",         NULL,              NULL         },
        {"10.0.0.0/0x8",        NULL,              NULL         },
        {"/8",                  NULL,              NULL         },
        {"10.0.0.0/8/8",        NULL,              NULL         },
        {"::ffff:10.0.0.0/104", NULL,              NULL         },
        {"10.0.0.0/0008",       NULL,              NULL         },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_addr ip, base;
        uint8_t bits;
        char text[TEXT_PREFIX_MAX];
        int rc = text_parse_prefix(span_str(rows[i].in), &ip, &bits);

        assert_int_equal(rc, rows[i].out == NULL ? -EINVAL : 0);
        if (rc != 0)
            continue;
        text_prefix(text, &ip, bits);
        assert_string_equal(text, rows[i].out);
        base = ip_prefix_base(&ip, bits);
        text_ip(text, &base);
        assert_string_equal(text, rows[i].base);
        assert_true(ip_in_prefix(&ip, &base, bits));
    }
}

static void families_do_not_mix(void **state)
{
    struct ip_addr v4 = ip_from_v4(0x0a000001), all4 = ip_from_v4(0), all6 = {{0}}, v6 = {{0xfd}};

    (void)state;
    assert_true(ip_in_prefix(&v4, &all4, 0));
    assert_false(ip_in_prefix(&v4, &all6, 0));
    assert_false(ip_in_prefix(&v6, &all4, 0));
    assert_true(ip_in_prefix(&v6, &all6, 0));
}

static void endpoints(void **state)
{
    static const struct {
        const char *in;
        bool ok;
    } rows[] = {
        {"10.0.0.1:25",     true },
        {"[fd25::25]:2525", true },
        {"10.0.0.1",        false},
        {"10.0.0.1:0",      false},
        {"10.0.0.1:65536",  false},
        {"10.0.0.1:",       false},
        {"10.0.0.1:+25",    false},
        {"fd25::25:25",     false},
        {"[10.0.0.1]:25",   false},
        {"[fd25::25]25",    false},
        {"[fd25::25]:",     false},
        {"[fd25::25",       false},
        {":25",             false},
        {"",                false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct guard g = guard_new(rows[i].in, strlen(rows[i].in));
        char text[TEXT_ENDPOINT_MAX];
        struct ip_addr ip;
        uint16_t port;
        int rc = text_parse_endpoint(span_of(g.ptr, g.len), &ip, &port);

        assert_int_equal(rc, rows[i].ok ? 0 : -EINVAL);
        if (rc == 0) {
            text_endpoint(text, &ip, port);
            assert_string_equal(text, rows[i].in);
        }
        guard_free(&g);
    }
}

static void numbers_sizes_durations(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } sizes[] =
        {
            {"0",                    0,       0                },
            {"4096",                 0,       4096             },
            {"512K",                 0,       512 * 1024       },
            {"50M",                  0,       50ull << 20      },
            {"2G",                   0,       2ull << 30       },
            {"16777215T",            0,       16777215ull << 40},
            {"16777216T",            -ERANGE, 0                },
            {"18446744073709551616", -ERANGE, 0                },
            {"M",                    -EINVAL, 0                },
            {"",                     -EINVAL, 0                },
            {"1m",                   -EINVAL, 0                },
            {"1.5M",                 -EINVAL, 0                },
            {"-1",                   -EINVAL, 0                },
            {"1 M",                  -EINVAL, 0                },
    },
      durations[] = {
          {"0", 0, 0},
          {"0s", 0, 0},
          {"250ms", 0, 250000},
          {"5s", 0, 5000000},
          {"10m", 0, 600000000},
          {"1h", 0, 3600000000ull},
          {"5d", 0, 432000000000ull},
          {"5", -EINVAL, 0},
          {"5 s", -EINVAL, 0},
          {"s", -EINVAL, 0},
          {"99999999999999999d", -ERANGE, 0},
      };
    uint64_t value;
    char text[TEXT_U64_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        value = 77;
        assert_int_equal(text_parse_size(span_str(sizes[i].text), &value), sizes[i].rc);
        assert_true(value == (sizes[i].rc == 0 ? sizes[i].value : 77));
    }
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        value = 77;
        assert_int_equal(text_parse_duration(span_str(durations[i].text), &value), durations[i].rc);
        assert_true(value == (durations[i].rc == 0 ? durations[i].value : 77));
    }
    assert_int_equal(text_u64(text, UINT64_MAX), 20);
    assert_int_equal(text_parse_u64(span_str(text), UINT64_MAX, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(text_parse_u64(span_str("100"), 99, &value), -ERANGE);
}

static void times(void **state)
{
    static const struct {
        uint64_t us;
        const char *text;
        uint8_t weekday;
    } rows[] = {
        {0,                   "1970-01-01T00:00:00.000000Z", 4},
        {951782400000000ull,  "2000-02-29T00:00:00.000000Z", 2},
        {951868799999999ull,  "2000-02-29T23:59:59.999999Z", 2},
        {1709251200000001ull, "2024-03-01T00:00:00.000001Z", 5},
        {4107542400000000ull, "2100-03-01T00:00:00.000000Z", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[TEXT_TIME_MAX];

        assert_int_equal(text_time(text, rows[i].us), TEXT_TIME_MAX - 1);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(text_date(rows[i].us / 86400000000ull).weekday, rows[i].weekday);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses), cmocka_unit_test(longest_texts_fit),
        cmocka_unit_test(prefixes),  cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(endpoints), cmocka_unit_test(numbers_sizes_durations),
        cmocka_unit_test(times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
