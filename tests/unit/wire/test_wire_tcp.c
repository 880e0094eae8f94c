/* Goal: TCP headers and options are read as RFC 9293 s3.1 wants, and what we write reads back.
 * Method: rows of option lists; all combinations of options written and parsed; every cut
 * against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_guard.h"
#include "wire_tcp.h"

enum { MSS = 1, WSCALE = 2, SACK_OK = 4, TS = 8, SACK1 = 16, SACK4 = 32 };

/* clang-format off */
static const struct {
    const char *name;
    uint8_t flags;
    uint8_t bytes[40];
    uint8_t n;
    enum wire_check want;
    uint8_t has;
} rows[] = {
    {"Linux SYN", TCP_SYN,
     {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}, 20, WIRE_OK,
     MSS | WSCALE | SACK_OK | TS},
    {"Windows SYN", TCP_SYN,
     {2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2}, 12, WIRE_OK, MSS | WSCALE | SACK_OK},
    {"MPTCP and TFO are skipped", TCP_SYN,
     {30, 12, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 34, 2, 2, 4, 5, 180, 1, 1}, 20, WIRE_OK, MSS},
    {"timestamps", TCP_ACK, {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12, WIRE_OK, TS},
    {"one SACK block", TCP_ACK, {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12, WIRE_OK, SACK1},
    {"four SACK blocks", TCP_ACK, {1, 1, 5, 34, 0, 0, 0, 1, 0, 0, 0, 2}, 36, WIRE_OK, SACK4},
    {"SACK with odd length", TCP_ACK, {5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1}, 12, WIRE_OK, 0},
    {"SACK without block", TCP_ACK, {5, 2, 1, 1}, 4, WIRE_OK, 0},
    {"SACK on SYN", TCP_SYN, {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12, WIRE_OK, 0},
    {"MSS off SYN", TCP_ACK, {2, 4, 5, 180}, 4, WIRE_OK, 0},
    {"window scale off SYN", TCP_ACK, {1, 3, 3, 7}, 4, WIRE_OK, 0},
    {"SACK-permitted off SYN", TCP_ACK, {1, 1, 4, 2}, 4, WIRE_OK, 0},
    {"MSS of length 3", TCP_SYN, {2, 3, 5, 1}, 4, WIRE_OK, 0},
    {"window scale of length 2", TCP_SYN, {3, 2, 1, 1}, 4, WIRE_OK, 0},
    {"timestamps of length 8", TCP_SYN, {8, 8, 0, 0, 0, 1, 0, 0}, 8, WIRE_OK, 0},
    {"end hides the rest", TCP_SYN, {0, 2, 4, 5, 180, 0, 0, 0}, 8, WIRE_OK, 0},
    {"last of two wins", TCP_SYN, {2, 4, 1, 1, 2, 4, 5, 180}, 8, WIRE_OK, MSS},
    {"length zero", TCP_SYN, {2, 0, 5, 180}, 4, WIRE_OPTIONS, 0},
    {"length one", TCP_SYN, {99, 1, 5, 180}, 4, WIRE_OPTIONS, 0},
    {"past the header", TCP_SYN, {2, 4, 5, 180, 99, 5, 0, 0}, 8, WIRE_OPTIONS, 0},
    {"no length at the end", TCP_SYN, {1, 1, 1, 2}, 4, WIRE_OPTIONS, 0},
};
/* clang-format on */

static size_t build(uint8_t *p, uint8_t flags, const uint8_t *options, size_t n)
{
    memset(p, 0, 20);
    wire_put16(p, 40000);
    wire_put16(p + 2, 25);
    wire_put32(p + 4, 0x01020304);
    wire_put32(p + 8, 0x05060708);
    p[12] = (uint8_t)((20 + n) / 4 << 4);
    p[13] = flags;
    wire_put16(p + 14, 0xfaf0);
    wire_put16(p + 18, 9);
    memcpy(p + 20, options, n);
    memcpy(p + 20 + n, "text", 4);
    return 20 + n + 4;
}

static void options(void **state)
{
    uint8_t p[80] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = build(p, rows[i].flags, rows[i].bytes, rows[i].n);
        struct tcp_seg seg;

        print_message("# %s\n", rows[i].name);
        memset(&seg, 0xff, sizeof(seg)); /* what an earlier segment left must not show */
        assert_int_equal(wire_tcp_parse(guarded(p, n), &seg), rows[i].want);
        for (size_t cut = 0; cut < 20u + rows[i].n; cut++)
            assert_int_equal(wire_tcp_parse(guarded(p, cut), &(struct tcp_seg){0}), WIRE_SHORT);
        if (rows[i].want != WIRE_OK)
            continue;
        assert_int_equal(seg.has_mss, (rows[i].has & MSS) != 0);
        assert_int_equal(seg.mss, rows[i].has & MSS ? 1460 : 0);
        assert_int_equal(seg.has_wscale, (rows[i].has & WSCALE) != 0);
        assert_int_equal(seg.has_sack_permitted, (rows[i].has & SACK_OK) != 0);
        assert_int_equal(seg.has_timestamps, (rows[i].has & TS) != 0);
        assert_int_equal(seg.sack_count, rows[i].has & SACK1 ? 1 : rows[i].has & SACK4 ? 4 : 0);
        assert_int_equal(seg.text.len, 4);
    }
}

static void fields(void **state)
{
    struct tcp_seg seg;
    uint8_t p[80] = {0};
    size_t n = build(p, TCP_PSH | TCP_ACK, p, 0);

    (void)state;
    assert_int_equal(wire_tcp_parse(guarded(p, n), &seg), WIRE_OK);
    assert_int_equal(seg.key.remote_port, 40000);
    assert_int_equal(seg.key.local_port, 25);
    assert_int_equal(seg.seq, 0x01020304);
    assert_int_equal(seg.ack, 0x05060708);
    assert_int_equal(seg.window, 0xfaf0);
    assert_int_equal(seg.urgent, 9);
    assert_int_equal(seg.flags, TCP_PSH | TCP_ACK);
    p[12] = 0x40;
    assert_int_equal(wire_tcp_parse(guarded(p, n), &seg), WIRE_HEADER);
    p[12] = 0xf0;
    assert_int_equal(wire_tcp_parse(guarded(p, n), &seg), WIRE_SHORT);
    n = build(p, TCP_SYN, (const uint8_t[]){3, 3, 15, 0}, 4);
    assert_int_equal(wire_tcp_parse(guarded(p, n), &seg), WIRE_OK);
    assert_int_equal(seg.wscale, 14); /* RFC 7323 s2.3 */
}

static void round_trip(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16u * 5 * 2; bits++) {
        uint8_t out[TCP_HEADER_BYTES_MAX];
        struct tcp_seg seg = {
            .key = {.local_port = 25, .remote_port = 40000},
            .seq = 0xfffffff0,
            .ack = 7,
            .window = 1234,
            .urgent = 3,
            .flags = bits & 1 ? TCP_SYN | TCP_ACK : TCP_ACK,
            .has_mss = (bits & 2) != 0,
            .mss = 1220,
            .has_wscale = (bits & 4) != 0,
            .wscale = 9,
            .has_sack_permitted = (bits & 8) != 0,
            .has_timestamps = (bits & 16) != 0,
            .ts_val = 0xdeadbeef,
            .ts_ecr = 0x01020304,
            .sack_count = (uint8_t)(bits / 32)
        };
        bool syn = (seg.flags & TCP_SYN) != 0;
        unsigned fit = seg.has_timestamps && seg.sack_count > 3 ? 3 : seg.sack_count;
        struct tcp_seg got = {0};
        size_t n;

        for (uint32_t i = 0; i < TCP_SACK_BLOCKS_MAX; i++)
            seg.sack[i] = (struct tcp_sack_block){.left = i * 100, .right = i * 100 + 50};
        n = wire_tcp_write(&seg, out, sizeof(out));
        assert_true(n >= 20 && n <= 60 && n % 4 == 0);
        assert_int_equal(n, wire_tcp_header_bytes(&seg));
        assert_int_equal(wire_tcp_write(&seg, out, n - 1), 0);
        assert_int_equal(wire_tcp_parse(guarded(out, n), &got), WIRE_OK);
        assert_int_equal(got.text.len, 0);
        assert_int_equal(got.key.remote_port, 25);
        assert_int_equal(got.seq, seg.seq);
        assert_int_equal(got.ack, seg.ack);
        assert_int_equal(got.window, seg.window);
        assert_int_equal(got.urgent, seg.urgent);
        assert_int_equal(got.flags, seg.flags);
        assert_int_equal(got.has_mss, syn && seg.has_mss);
        assert_int_equal(got.mss, got.has_mss ? 1220 : 0);
        assert_int_equal(got.has_wscale, syn && seg.has_wscale);
        assert_int_equal(got.wscale, got.has_wscale ? 9 : 0);
        assert_int_equal(got.has_sack_permitted, syn && seg.has_sack_permitted);
        assert_int_equal(got.has_timestamps, seg.has_timestamps);
        assert_int_equal(got.ts_val, seg.has_timestamps ? seg.ts_val : 0);
        assert_int_equal(got.ts_ecr, seg.has_timestamps ? seg.ts_ecr : 0);
        assert_int_equal(got.sack_count, syn ? 0 : fit);
        assert_memory_equal(got.sack, seg.sack, got.sack_count * sizeof(got.sack[0]));
    }
}

static void order(void **state)
{
    static const uint8_t want[] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7};
    struct tcp_seg seg = {.flags = TCP_SYN | TCP_ACK,
                          .has_mss = true,
                          .mss = 1460,
                          .has_sack_permitted = true,
                          .has_timestamps = true,
                          .ts_val = 1,
                          .ts_ecr = 2,
                          .has_wscale = true,
                          .wscale = 7};
    uint8_t out[TCP_HEADER_BYTES_MAX];

    (void)state;
    assert_int_equal(wire_tcp_write(&seg, out, sizeof(out)), 40);
    assert_memory_equal(out + 20, want, sizeof(want));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),
        cmocka_unit_test(fields),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(order),
    };

    return cmocka_run_group_tests_name("wire_tcp", tests, NULL, NULL);
}
