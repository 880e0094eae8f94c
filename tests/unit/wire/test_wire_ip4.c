/* Goal: the IPv4 header with its options, lengths and fragments is read as RFC 791 says.
 * Method: one good header, rows of changes to it, every cut against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_guard.h"
#include "wire_ip4.h"
#include "wire_sum.h"

#define PACKET_BYTES 60

/* A header of ihl words and bytes of payload up to total; options from the row. */
static void build(uint8_t p[PACKET_BYTES], unsigned ihl, uint16_t total, const uint8_t *options,
                  size_t options_bytes)
{
    memset(p, 0, PACKET_BYTES);
    p[0] = (uint8_t)(0x40 | ihl);
    p[1] = 0x02;
    wire_put16(p + 2, total);
    wire_put16(p + 4, 0x1234);
    wire_put16(p + 6, 0x4000);
    p[8] = 1; /* RFC 1122 s3.2.1.7: a small TTL is no reason to drop */
    p[9] = IP_TCP;
    wire_put32(p + 12, 0x0a190001);
    wire_put32(p + 16, 0x0a190019);
    if (options_bytes > 0)
        memcpy(p + 20, options, options_bytes);
    if (ihl >= 5)
        wire_put16(p + 10, wire_sum_finish(wire_sum_add(0, span_of(p, ihl * 4))));
}

static void good(void **state)
{
    uint8_t p[PACKET_BYTES];
    struct wire_ip4 ip;

    (void)state;
    build(p, 5, 30, NULL, 0);
    assert_int_equal(wire_ip4_parse(guarded(p, 46), false, &ip), WIRE_OK);
    assert_int_equal(ip.payload.len, 10); /* not the padding */
    assert_int_equal(ip.header_bytes, 20);
    assert_int_equal(ip.protocol, IP_TCP);
    assert_int_equal(ip.ttl, 1);
    assert_int_equal(ip.id, 0x1234);
    assert_int_equal(ip.tos, 2);
    assert_true(ip.dont_fragment && !ip.more_fragments && !ip.has_options);
    assert_false(wire_ip4_is_fragment(&ip));
    assert_int_equal(ip_to_v4(&ip.src), 0x0a190001);
    assert_int_equal(ip_to_v4(&ip.dst), 0x0a190019);
}

static void every_cut(void **state)
{
    uint8_t p[PACKET_BYTES];
    struct wire_ip4 ip;

    (void)state;
    build(p, 6, 34, (const uint8_t[]){1, 1, 1, 0}, 4);
    for (size_t n = 0; n <= 34; n++)
        assert_int_equal(wire_ip4_parse(guarded(p, n), false, &ip), n < 34 ? WIRE_SHORT : WIRE_OK);
    for (size_t n = 0; n <= 34; n++) /* quoted: the header is enough */
        assert_int_equal(wire_ip4_parse_quoted(guarded(p, n), &ip), n < 24 ? WIRE_SHORT : WIRE_OK);
}

static void options(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[8];
        enum wire_check want;
    } rows[] = {
        {"no-ops",           {1, 1, 1, 1, 1, 1, 1, 1},    WIRE_OK     },
        {"end",              {0, 99, 0, 0, 0, 0, 0, 0},   WIRE_OK     },
        {"router alert",     {148, 4, 0, 0, 0, 0, 0, 0},  WIRE_OK     },
        {"unknown skipped",  {94, 8, 1, 2, 3, 4, 5, 6},   WIRE_OK     },
        {"loose route",      {131, 7, 4, 10, 0, 0, 1, 0}, WIRE_ROUTE  },
        {"strict route",     {1, 137, 7, 4, 10, 0, 0, 1}, WIRE_ROUTE  },
        {"length zero",      {94, 0, 0, 0, 0, 0, 0, 0},   WIRE_OPTIONS},
        {"length one",       {94, 1, 0, 0, 0, 0, 0, 0},   WIRE_OPTIONS},
        {"past the end",     {94, 9, 0, 0, 0, 0, 0, 0},   WIRE_OPTIONS},
        {"no length at end", {1, 1, 1, 1, 1, 1, 1, 94},   WIRE_OPTIONS},
    };
    uint8_t p[PACKET_BYTES];
    struct wire_ip4 ip;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        build(p, 7, 28, rows[i].bytes, 8);
        print_message("# %s\n", rows[i].name);
        assert_int_equal(wire_ip4_parse(guarded(p, 28), false, &ip), rows[i].want);
    }
}

static void impossible(void **state)
{
    uint8_t p[PACKET_BYTES];
    struct wire_ip4 ip;

    (void)state;
    build(p, 5, 30, NULL, 0);
    p[0] = 0x65;
    assert_int_equal(wire_ip4_parse(guarded(p, 30), true, &ip), WIRE_VERSION);
    build(p, 4, 30, NULL, 0);
    assert_int_equal(wire_ip4_parse(guarded(p, 30), true, &ip), WIRE_HEADER);
    build(p, 5, 19, NULL, 0);
    assert_int_equal(wire_ip4_parse(guarded(p, 30), true, &ip), WIRE_HEADER);
    build(p, 5, 31, NULL, 0);
    assert_int_equal(wire_ip4_parse(guarded(p, 30), true, &ip), WIRE_SHORT);
    build(p, 5, 30, NULL, 0);
    p[10] ^= 1;
    assert_int_equal(wire_ip4_parse(guarded(p, 30), false, &ip), WIRE_SUM);
    assert_int_equal(wire_ip4_parse(guarded(p, 30), true, &ip), WIRE_OK);
}

static void fragments(void **state)
{
    static const struct {
        uint16_t flags;
        bool fragment;
        enum wire_check want;
    } rows[] = {
        {0x0000, false, WIRE_OK    },
        {0x4000, false, WIRE_OK    },
        {0x8000, false, WIRE_OK    },
        {0x2000, true,  WIRE_OK    },
        {0x0001, true,  WIRE_OK    },
        {0x3fff, true,  WIRE_HEADER}, /* would end beyond 65535 */
    };
    uint8_t p[PACKET_BYTES];
    struct wire_ip4 ip;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        build(p, 5, 30, NULL, 0);
        wire_put16(p + 6, rows[i].flags);
        assert_int_equal(wire_ip4_parse(guarded(p, 30), true, &ip), rows[i].want);
        assert_int_equal(wire_ip4_is_fragment(&ip), rows[i].fragment);
    }
}

static void writes(void **state)
{
    struct ip_addr src = ip_from_v4(0x0a190019), dst = ip_from_v4(0xc0000201);
    uint8_t out[IP4_HEADER_BYTES + 4] = {0};
    struct wire_ip4 ip;

    (void)state;
    assert_int_equal(wire_ip4_write(out, &src, &dst, IP_ICMP, 1, 64, 0xbeef, 4), 20);
    assert_int_equal(wire_ip4_parse(guarded(out, sizeof(out)), false, &ip), WIRE_OK);
    assert_true(ip_equal(&ip.src, &src) && ip_equal(&ip.dst, &dst) && ip.dont_fragment);
    assert_int_equal(ip.id, 0xbeef);
    assert_int_equal(ip.protocol, IP_ICMP);
    assert_int_equal(ip.payload.len, 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),       cmocka_unit_test(every_cut), cmocka_unit_test(options),
        cmocka_unit_test(impossible), cmocka_unit_test(fragments), cmocka_unit_test(writes),
    };

    return cmocka_run_group_tests_name("wire_ip4", tests, NULL, NULL);
}
