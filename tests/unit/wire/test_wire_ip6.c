/* Goal: IPv6 extension headers are walked within their bound, fragments and atomic fragments
 * told apart, routing headers refused.  Method: rows of extension header bytes in front of a
 * TCP payload, each also cut at every byte against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_guard.h"
#include "wire_ip4.h"
#include "wire_ip6.h"

#define PAYLOAD_BYTES 8
#define HBH           IP6_HOP_BY_HOP
#define DST           IP6_DEST_OPTIONS

static size_t build(uint8_t *p, uint8_t next, const uint8_t *extensions, size_t n)
{
    static const struct ip_addr src = {
        .octets = {0xfd, 0x25, [15] = 1}
    };
    static const struct ip_addr dst = {
        .octets = {0xfd, 0x25, [15] = 0x25}
    };

    wire_ip6_write(p, &src, &dst, next, 0x12, 0xabcde, 7, (uint16_t)(n + PAYLOAD_BYTES));
    memcpy(p + 40, extensions, n);
    memset(p + 40 + n, 0xee, PAYLOAD_BYTES);
    return 40 + n + PAYLOAD_BYTES;
}

/* clang-format off */
static const struct {
    const char *name;
    uint8_t next;
    size_t n;
    uint8_t bytes[80];
    enum wire_check want;
    uint8_t protocol;
    bool fragment, fragment_header;
} rows[] = {
    {"no extension", 6, 0, {0}, WIRE_OK, 6, false, false},
    {"hop-by-hop, PadN", HBH, 8, {6, 0, 1, 4, 0, 0, 0, 0}, WIRE_OK, 6, false, false},
    {"Pad1 only", HBH, 8, {6, 0, 0, 0, 0, 0, 0, 0}, WIRE_OK, 6, false, false},
    {"router alert", HBH, 8, {58, 0, 5, 2, 0, 0, 1, 0}, WIRE_OK, 58, false, false},
    {"option: skip", DST, 8, {6, 0, 0x1e, 4, 1, 2, 3, 4}, WIRE_OK, 6, false, false},
    {"option: discard", DST, 8, {6, 0, 0x5e, 4, 1, 2, 3, 4}, WIRE_OPTIONS, 0, false, false},
    {"option: discard, ICMP", DST, 8, {6, 0, 0x9e, 4, 1, 2, 3, 4}, WIRE_OPTIONS, 0, false, false},
    {"jumbo payload", HBH, 8, {6, 0, 0xc2, 4, 0, 1, 0, 0}, WIRE_OPTIONS, 0, false, false},
    {"option past the end", DST, 8, {6, 0, 0x1e, 5, 1, 2, 3, 4}, WIRE_OPTIONS, 0, false, false},
    {"option without length", DST, 8, {6, 0, 1, 3, 0, 0, 0, 0x1e}, WIRE_OPTIONS, 0, false, false},
    {"hop-by-hop not first", DST, 16,
     {HBH, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0}, WIRE_HEADER, 0, false, false},
    {"type 0 routing", 43, 24, {6, 2, 0, 1, 0, 0, 0, 0}, WIRE_ROUTE, 0, false, false},
    {"type 0, none left", 43, 24, {6, 2, 0, 0, 0, 0, 0, 0}, WIRE_ROUTE, 0, false, false},
    {"type 4, some left", 43, 24, {6, 2, 4, 1, 0, 0, 0, 0}, WIRE_ROUTE, 0, false, false},
    {"type 4, none left", 43, 24, {6, 2, 4, 0, 0, 0, 0, 0}, WIRE_OK, 6, false, false},
    {"first fragment", 44, 8, {6, 0, 0, 1, 0, 0, 0, 9}, WIRE_OK, 6, true, true},
    {"last fragment", 44, 8, {6, 0, 0, 8, 0, 0, 0, 9}, WIRE_OK, 6, true, true},
    {"atomic fragment", 44, 8, {6, 0, 0, 6, 0, 0, 0, 9}, WIRE_OK, 6, false, true},
    {"atomic, then options", 44, 16,
     {DST, 0, 0, 0, 0, 0, 0, 9, 6, 0, 1, 4, 0, 0, 0, 0}, WIRE_OK, 6, false, true},
    {"fragment too far", 44, 8, {6, 0, 0xff, 0xf9, 0, 0, 0, 9}, WIRE_HEADER, 0, true, true},
    {"length past the end", DST, 8, {6, 3, 1, 4, 0, 0, 0, 0}, WIRE_SHORT, 0, false, false},
    {"no next header", IP6_NO_NEXT, 0, {0}, WIRE_OK, 59, false, false},
    {"authentication is the end", 51, 0, {0}, WIRE_OK, 51, false, false},
};
/* clang-format on */

static void extensions(void **state)
{
    uint8_t p[256];
    struct wire_ip6 ip;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = build(p, rows[i].next, rows[i].bytes, rows[i].n);

        print_message("# %s\n", rows[i].name);
        assert_int_equal(wire_ip6_parse(guarded(p, n), &ip), rows[i].want);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(wire_ip6_parse(guarded(p, cut), &ip), WIRE_SHORT);
        for (size_t cut = 0; cut < n; cut++) /* quoted: no crash, any verdict */
            (void)wire_ip6_parse_quoted(guarded(p, cut), &ip);
        if (rows[i].want != WIRE_OK)
            continue;
        assert_int_equal(wire_ip6_parse(guarded(p, n), &ip), WIRE_OK);
        assert_int_equal(ip.protocol, rows[i].protocol);
        assert_int_equal(ip.fragment, rows[i].fragment);
        assert_int_equal(ip.fragment_header, rows[i].fragment_header);
        assert_int_equal(ip.header_bytes, 40 + rows[i].n);
        assert_int_equal(ip.payload.len, PAYLOAD_BYTES);
        assert_int_equal(ip.payload.ptr[0], 0xee);
    }
}

static void bound(void **state)
{
    uint8_t chain[(IP6_EXTENSIONS_MAX + 1) * 8], p[256];
    struct wire_ip6 ip;

    (void)state;
    for (unsigned i = 0; i <= IP6_EXTENSIONS_MAX; i++)
        memcpy(chain + 8 * i, (uint8_t[]){DST, 0, 1, 4, 0, 0, 0, 0}, 8);
    chain[8 * IP6_EXTENSIONS_MAX] = IP_TCP;
    size_t n = build(p, DST, chain, sizeof(chain));

    assert_int_equal(wire_ip6_parse(guarded(p, n), &ip), WIRE_TOO_MANY);
    chain[8 * (IP6_EXTENSIONS_MAX - 1)] = IP_TCP;
    n = build(p, DST, chain, sizeof(chain) - 8);
    assert_int_equal(wire_ip6_parse(guarded(p, n), &ip), WIRE_OK);
    assert_int_equal(ip.protocol, IP_TCP);
}

static void fixed_header(void **state)
{
    uint8_t p[64] = {0};
    struct wire_ip6 ip;
    size_t n = build(p, 6, p, 0);

    (void)state;
    memset(p + n, 0, 4); /* padding of the frame */
    assert_int_equal(wire_ip6_parse(guarded(p, n + 4), &ip), WIRE_OK);
    assert_int_equal(ip.payload.len, PAYLOAD_BYTES);
    assert_int_equal(ip.traffic_class, 0x12);
    assert_int_equal(ip.flow_label, 0xabcde);
    assert_int_equal(ip.hop_limit, 7);
    assert_int_equal(ip.src.octets[15], 1);
    assert_int_equal(ip.dst.octets[15], 0x25);
    p[0] = 0x45;
    assert_int_equal(wire_ip6_parse(guarded(p, n), &ip), WIRE_VERSION);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(extensions),
        cmocka_unit_test(bound),
        cmocka_unit_test(fixed_header),
    };

    return cmocka_run_group_tests_name("wire_ip6", tests, NULL, NULL);
}
