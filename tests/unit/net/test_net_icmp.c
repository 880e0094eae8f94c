/* Goal: echo is answered right and only so often; errors come out as hard, soft or an MTU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net_frames.h"
#include "wire_guard.h"

#define LARGE_ROOM 16384 /* of the frames that hold what was reassembled */

static struct net *net;
static uint8_t answer[NET_ANSWER_BYTES];

static void fresh(const struct net_if *ports, unsigned count)
{
    static const uint8_t secret[32] = {1, 2, 3};

    free(net);
    net = aligned_alloc(64, net_bytes());
    assert_non_null(net);
    assert_ptr_equal(net_init(net, ports, count, secret), net);
}

static void fresh_edge(void)
{
    struct net_if port = edge_port();

    fresh(&port, 1);
}

static struct net_result input(const uint8_t *frame, size_t n, uint64_t now_us)
{
    struct net_result ret = {.drop = NET_DROPS};

    net_input(net, 0, guarded(frame, n), false, (struct usec){now_us}, answer, sizeof(answer),
              &ret);
    return ret;
}

static struct net_result input_room(const uint8_t *frame, size_t n, uint8_t *out, size_t room,
                                    uint64_t now_us)
{
    struct net_result ret = {.drop = NET_DROPS};

    net_input(net, 0, guarded(frame, n), false, (struct usec){now_us}, out, room, &ret);
    return ret;
}

static int done(void **state)
{
    (void)state;
    free(net);
    net = NULL;
    return 0;
}

static void echo(void **state)
{
    uint8_t frame[FRAME_ROOM];

    (void)state;
    fresh_edge();
    for (unsigned v6 = 0; v6 < 2; v6++) {
        size_t n = build_base(v6 ? B_ECHO6 : B_ECHO4, frame), l4 = v6 ? 54 : 34;
        struct net_result ret = input(frame, n, 0);
        struct wire_icmp icmp;

        assert_int_equal(ret.verdict, NET_ANSWER);
        assert_int_equal(ret.answer_bytes, n);
        assert_memory_equal(answer, client_mac, 6);
        assert_memory_equal(answer + 6, edge_mac, 6);
        if (v6) {
            struct wire_ip6 ip;

            assert_int_equal(wire_ip6_parse(span_of(answer + 14, n - 14), &ip), WIRE_OK);
            assert_memory_equal(ip.src.octets, frame + 38, 16);
            assert_memory_equal(ip.dst.octets, frame + 22, 16);
            assert_int_equal(wire_icmp6_parse(ip.payload, &ip.src, &ip.dst, &icmp), WIRE_OK);
            assert_int_equal(icmp.type, ICMP6_ECHO_REPLY);
        } else {
            struct wire_ip4 ip;

            assert_int_equal(wire_ip4_parse(span_of(answer + 14, n - 14), false, &ip), WIRE_OK);
            assert_memory_equal(answer + 26, frame + 30, 4);
            assert_memory_equal(answer + 30, frame + 26, 4);
            assert_int_equal(wire_icmp4_parse(ip.payload, &icmp), WIRE_OK);
            assert_int_equal(icmp.type, ICMP4_ECHO_REPLY);
        }
        assert_memory_equal(answer + l4 + 4, frame + l4 + 4, n - l4 - 4);
    }
}

static void echo_to_link_local(void **state)
{
    struct ip_addr ours = ip6_link_local(edge_mac), theirs = ip6_link_local(client_mac);
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_ECHO6, frame);

    (void)state;
    fresh_edge();
    memcpy(frame + 22, theirs.octets, 16);
    memcpy(frame + 38, ours.octets, 16);
    fix_sums(frame, n);
    assert_int_equal(input(frame, n, 0).verdict, NET_ANSWER);
    assert_memory_equal(answer + 22, ours.octets, 16);
    assert_memory_equal(answer + 38, theirs.octets, 16);
}

static void echo_rate(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_ECHO4, frame);
    unsigned answered = 0;

    (void)state;
    fresh_edge();
    for (uint64_t now = 0; now < 2000000; now += 100) /* 10,000 a second for two seconds */
        answered += input(frame, n, now).verdict == NET_ANSWER;
    assert_true(answered >= 2190 && answered <= 2201); /* burst 200, then 1000 a second */
    answered = 0;
    for (unsigned i = 0; i < 1000; i++) /* after a long silence no more than the burst */
        answered += input(frame, n, UINT64_C(1000000000000)).verdict == NET_ANSWER;
    assert_int_equal(answered, 200);
}

static size_t build_echo(uint8_t *out, bool v6, size_t message_bytes)
{
    static uint8_t message[LARGE_ROOM + 64];
    size_t n;

    message[0] = v6 ? ICMP6_ECHO : ICMP4_ECHO;
    for (size_t i = 4; i < message_bytes; i++)
        message[i] = (uint8_t)(i * 7 + i / 256);
    n = v6 ? base_icmp6(out, message, message_bytes, 64) : base_icmp4(out, message, message_bytes);
    fix_sums(out, n);
    return n;
}

/* What was reassembled is answered whole, whatever the MTU: the caller cuts it up. */
static void echo_larger_than_the_mtu(void **state)
{
    static const size_t sizes[] = {8, 1460, 1461, 1480, 1481, 2014, 4008, 9000};
    static uint8_t frame[LARGE_ROOM + 64];

    (void)state;
    for (unsigned i = 0; i < 2 * (ARRAY_LEN(sizes) + 1); i++) {
        bool v6 = i % 2 == 1;
        size_t l4 = v6 ? 54 : 34, most = LARGE_ROOM - (v6 ? 58u : 38u);
        size_t bytes = i / 2 < ARRAY_LEN(sizes) ? sizes[i / 2] : most;
        size_t n = build_echo(frame, v6, bytes);
        uint8_t *out = malloc(LARGE_ROOM);
        struct wire_icmp icmp;
        struct net_result ret;

        assert_non_null(out);
        fresh_edge();
        ret = input_room(frame, n, out, LARGE_ROOM, 0);
        print_message("# IPv%c, %zu bytes\n", v6 ? '6' : '4', bytes);
        assert_int_equal(ret.verdict, NET_ANSWER);
        assert_int_equal(ret.answer_bytes, n);
        if (v6) {
            struct wire_ip6 ip;

            assert_int_equal(wire_ip6_parse(span_of(out + 14, n - 14), &ip), WIRE_OK);
            assert_int_equal(ip.payload.len, bytes);
            assert_int_equal(wire_icmp6_parse(ip.payload, &ip.src, &ip.dst, &icmp), WIRE_OK);
            assert_int_equal(icmp.type, ICMP6_ECHO_REPLY);
        } else {
            struct wire_ip4 ip;

            assert_int_equal(wire_ip4_parse(span_of(out + 14, n - 14), false, &ip), WIRE_OK);
            assert_int_equal(ip.payload.len, bytes);
            assert_int_equal(wire_icmp4_parse(ip.payload, &icmp), WIRE_OK);
            assert_int_equal(icmp.type, ICMP4_ECHO_REPLY);
        }
        assert_memory_equal(out + l4 + 4, frame + l4 + 4, n - l4 - 4);
        free(out);
    }
}

/* The room counts a VLAN tag, there or not: what fits does not hang on the port's settings. */
static void echo_larger_than_the_room(void **state)
{
    static const size_t rooms[] = {NET_ANSWER_BYTES, 4096, LARGE_ROOM};
    static uint8_t frame[LARGE_ROOM + 64];

    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_LEN(rooms); i++) {
        bool v6 = i % 2 == 1;
        size_t room = rooms[i / 2], most = room - (v6 ? 58u : 38u), n;
        uint8_t *out = malloc(room);

        assert_non_null(out);
        fresh_edge();
        n = build_echo(frame, v6, most);
        assert_int_equal(input_room(frame, n, out, room, 0).verdict, NET_ANSWER);
        n = build_echo(frame, v6, most + 1);
        assert_int_equal(input_room(frame, n, out, room, 0).drop, NET_DROP_ECHO_SIZE);
        free(out);
    }
}

/* A large answer costs as much of the rate as the packets it becomes. */
static void large_echo_rate(void **state)
{
    static uint8_t frame[LARGE_ROOM + 64];
    static uint8_t out[LARGE_ROOM];
    size_t n = build_echo(frame, false, 4008); /* three packets of 1480 */
    unsigned answered = 0;

    (void)state;
    fresh_edge();
    for (unsigned i = 0; i < 200; i++)
        answered += input_room(frame, n, out, sizeof(out), 0).verdict == NET_ANSWER;
    assert_int_equal(answered, 66);
    n = build_echo(frame, false, 1480); /* two packets' worth is left */
    assert_int_equal(input_room(frame, n, out, sizeof(out), 0).verdict, NET_ANSWER);
    assert_int_equal(input_room(frame, n, out, sizeof(out), 0).verdict, NET_ANSWER);
    assert_int_equal(input_room(frame, n, out, sizeof(out), 0).drop, NET_DROP_ECHO_RATE);
}

/* One that would be more packets than the burst is not out of reach for ever. */
static void largest_echo_at_the_smallest_mtu(void **state)
{
    static uint8_t frame[LARGE_ROOM + 64];
    static uint8_t out[LARGE_ROOM];
    struct net_if port = edge_port();
    size_t n = build_echo(frame, false, LARGE_ROOM - 38);

    (void)state;
    port.mtu = 68;
    fresh(&port, 1);
    assert_int_equal(input_room(frame, n, out, sizeof(out), 0).verdict, NET_ANSWER);
    assert_int_equal(input_room(frame, n, out, sizeof(out), 0).drop, NET_DROP_ECHO_RATE);
    assert_int_equal(input_room(frame, n, out, sizeof(out), 1000000).verdict, NET_ANSWER);
}

static void no_frame_costs_no_rate(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_ECHO4, frame);

    (void)state;
    fresh_edge();
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(input_room(frame, n, NULL, 0, 0).drop, NET_DROP_NO_FRAME);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(input(frame, n, 0).verdict, NET_ANSWER);
}

/* clang-format off */
static const struct {
    const char *name;
    bool v6;
    uint8_t type, code;
    uint32_t rest;
    bool hard;
    uint16_t mtu;
} rows[] = {
    {"net unreachable",               false, 3,  0,  0,          false, 0   },
    {"host unreachable",              false, 3,  1,  0,          false, 0   },
    {"protocol unreachable",          false, 3,  2,  0,          true,  0   },
    {"port unreachable",              false, 3,  3,  0,          true,  0   },
    {"too big",                       false, 3,  4,  1400,       false, 1400},
    {"too big, high bits are unused", false, 3,  4,  0xffff0578, false, 1400},
    {"too big, unsaid (quotes 1500)", false, 3,  4,  0,          false, 1492},
    {"prohibited",                    false, 3,  13, 0,          false, 0   },
    {"time exceeded",                 false, 11, 0,  0,          false, 0   },
    {"parameter problem",             false, 12, 0,  0,          false, 0   },
    {"no route",                      true,  1,  0,  0,          false, 0   },
    {"prohibited, IPv6",              true,  1,  1,  0,          false, 0   },
    {"port unreachable, IPv6",        true,  1,  4,  0,          true,  0   },
    {"packet too big",                true,  2,  0,  1280,       false, 1280},
    {"time exceeded, IPv6",           true,  3,  0,  0,          false, 0   },
    {"bad header field",              true,  4,  0,  40,         false, 0   },
    {"unknown next header",           true,  4,  1,  6,          true,  0   },
};
/* clang-format on */

static void errors(void **state)
{
    uint8_t frame[FRAME_ROOM];

    (void)state;
    fresh_edge();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = build_base(rows[i].v6 ? B_ERROR6 : B_ERROR4, frame), l4 = rows[i].v6 ? 54 : 34;
        struct ip_addr remote = rows[i].v6 ? addr6(9) : addr4(9);
        struct ip_addr local = rows[i].v6 ? addr6(0x25) : addr4(25);
        struct net_result ret;

        print_message("# %s\n", rows[i].name);
        frame[l4] = rows[i].type;
        frame[l4 + 1] = rows[i].code;
        wire_put32(frame + l4 + 4, rows[i].rest);
        fix_sums(frame, n);
        ret = input(frame, n, 0);
        assert_int_equal(ret.verdict, NET_ICMP);
        assert_int_equal(ret.icmp_hard, rows[i].hard);
        assert_int_equal(ret.icmp_mtu, rows[i].mtu);
        assert_int_equal(ret.icmp_seq, 0x01020304);
        assert_true(ip_equal(&ret.icmp_key.remote, &remote));
        assert_true(ip_equal(&ret.icmp_key.local, &local));
        assert_int_equal(ret.icmp_key.local_port, 25);
        assert_int_equal(ret.icmp_key.remote_port, 40000);
    }
}

static void too_big_from_a_router(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_ERROR4, frame);

    (void)state;
    fresh_edge();
    wire_put32(frame + 26, 0xc6336401); /* whoever says so: TCP checks the sequence number */
    fix_sums(frame, n);
    assert_int_equal(input(frame, n, 0).verdict, NET_ICMP);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo),
        cmocka_unit_test(echo_to_link_local),
        cmocka_unit_test(echo_rate),
        cmocka_unit_test(echo_larger_than_the_mtu),
        cmocka_unit_test(echo_larger_than_the_room),
        cmocka_unit_test(large_echo_rate),
        cmocka_unit_test(largest_echo_at_the_smallest_mtu),
        cmocka_unit_test(no_frame_costs_no_rate),
        cmocka_unit_test(errors),
        cmocka_unit_test(too_big_from_a_router),
    };

    return cmocka_run_group_tests_name("net_icmp", tests, NULL, done);
}
