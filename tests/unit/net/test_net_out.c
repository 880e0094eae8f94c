/* Goal: what net_encode writes is what the far side's net_input reads: all options, both
 * families, tagged or not; lengths, MTU, next hop and checksum offload as promised.  Method: a
 * second struct net is the far side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net_frames.h"
#include "wire_guard.h"

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

static int done(void **state)
{
    (void)state;
    free(net);
    net = NULL;
    return 0;
}

static struct net *far_side;

static void far_setup(uint16_t vlan)
{
    struct net_if port = edge_port();
    static const uint8_t secret[32] = {7};

    memcpy(port.mac, client_mac, 6);
    port.addresses[0].ip = addr4(9);
    port.addresses[1].ip = addr6(9);
    port.vlan = vlan;
    free(far_side);
    far_side = aligned_alloc(64, net_bytes());
    assert_non_null(far_side);
    net_init(far_side, &port, 1, secret);
}

static struct tcp_seg segment(bool v4, uint16_t vlan)
{
    struct tcp_seg seg = {
        .key = {.local = v4 ? addr4(25) : addr6(0x25),
                .remote = v4 ? addr4(9) : addr6(9),
                .local_port = 25,
                .remote_port = 40000},
        .seq = 0xfffffff0,
        .ack = 0x01020304,
        .window = 4321,
        .flags = TCP_ACK,
        .ecn = 2,
        .mss = 1460,
        .wscale = 7,
        .ts_val = 0xcafe,
        .ts_ecr = 0xf00d
    };

    memcpy(seg.path.mac, client_mac, 6);
    seg.path.vlan = vlan;
    return seg;
}

static void same(const struct tcp_seg *want, const struct tcp_seg *got)
{
    bool syn = (want->flags & TCP_SYN) != 0;

    assert_true(ip_equal(&got->key.remote, &want->key.local));
    assert_true(ip_equal(&got->key.local, &want->key.remote));
    assert_int_equal(got->key.remote_port, want->key.local_port);
    assert_int_equal(got->key.local_port, want->key.remote_port);
    assert_int_equal(got->seq, want->seq);
    assert_int_equal(got->ack, want->ack);
    assert_int_equal(got->window, want->window);
    assert_int_equal(got->flags, want->flags);
    assert_int_equal(got->ecn, want->ecn);
    assert_int_equal(got->has_mss, syn && want->has_mss);
    assert_int_equal(got->has_wscale, syn && want->has_wscale);
    assert_int_equal(got->has_sack_permitted, syn && want->has_sack_permitted);
    assert_int_equal(got->has_timestamps, want->has_timestamps);
    assert_int_equal(got->ts_ecr, want->has_timestamps ? want->ts_ecr : 0);
    assert_int_equal(got->sack_count, syn ? 0 : want->sack_count);
    assert_memory_equal(got->sack, want->sack, got->sack_count * sizeof(got->sack[0]));
}

static void round_trip(void **state)
{
    static const char text[] = "220 mx1.example.net ESMTP\r\n";
    uint8_t out[FRAME_ROOM];

    (void)state;
    for (unsigned bits = 0; bits < 512; bits++) {
        bool v4 = bits & 1, tagged = bits & 2;
        struct tcp_seg seg = segment(v4, tagged ? 7 : 0);
        struct span pieces[3];
        struct net_result ret;
        struct net_lens lens;
        struct net_if port = edge_port();
        size_t n, cut = bits % 29; /* odd cuts too */

        port.vlan = tagged ? 7 : 0;
        fresh(&port, 1);
        far_setup(port.vlan);
        seg.flags = bits & 4 ? TCP_SYN | TCP_ACK : TCP_ACK | TCP_PSH;
        seg.has_mss = bits & 8;
        seg.has_wscale = bits & 16;
        seg.has_sack_permitted = bits & 32;
        seg.has_timestamps = bits & 64;
        seg.sack_count = (uint8_t)(bits >> 7);
        seg.sack[0] = (struct tcp_sack_block){1, 2};
        seg.sack[2] = (struct tcp_sack_block){5, 6};
        if (cut > sizeof(text) - 1)
            cut = 0;
        pieces[0] = span_of(text, cut);
        pieces[1] = span_of(NULL, 0);
        pieces[2] = span_of(text + cut, sizeof(text) - 1 - cut);
        n = net_encode(net, &seg, pieces, 3, false, out, sizeof(out), &lens);
        assert_int_equal(n, (size_t)lens.l2 + lens.l3 + lens.l4 + sizeof(text) - 1);
        assert_int_equal(lens.l2, tagged ? 18 : 14);
        assert_int_equal(lens.l3, v4 ? 20 : 40);
        assert_int_equal(net_encode(net, &seg, pieces, 3, false, out, n - 1, &lens), 0);
        assert_int_equal(net_encode(net, &seg, pieces, 3, false, out, n, &lens), n);
        net_input(far_side, 0, guarded(out, n), false, (struct usec){0}, answer, sizeof(answer),
                  &ret);
        assert_int_equal(ret.verdict, NET_TCP);
        same(&seg, &ret.seg);
        assert_true(span_equal(ret.seg.text, span_of(text, sizeof(text) - 1)));
        assert_memory_equal(ret.seg.path.mac, edge_mac, 6);
    }
}

static void at_the_mtu(void **state)
{
    static const uint8_t text[1500];
    uint8_t out[FRAME_ROOM];
    struct net_lens lens;

    (void)state;
    fresh_edge();
    for (unsigned v4 = 0; v4 < 2; v4++) {
        struct tcp_seg seg = segment(v4, 0);
        size_t most = v4 ? 1460u : 1440u;
        struct span piece = span_of(text, most);

        assert_int_equal(net_encode(net, &seg, &piece, 1, false, out, sizeof(out), &lens), 1514);
        piece.len++;
        assert_int_equal(net_encode(net, &seg, &piece, 1, false, out, sizeof(out), &lens), 0);
    }
}

static void offload(void **state)
{
    static const char text[] = "250 2.0.0 OK\r\n";
    uint8_t soft[FRAME_ROOM], hard[FRAME_ROOM];
    struct span piece = span_of(text, sizeof(text) - 1);
    struct net_lens lens;

    (void)state;
    fresh_edge();
    for (unsigned v4 = 0; v4 < 2; v4++) {
        struct tcp_seg seg = segment(v4, 0);
        size_t n = net_encode(net, &seg, &piece, 1, false, soft, sizeof(soft), &lens), l4;

        assert_int_equal(net_encode(net, &seg, &piece, 1, true, hard, sizeof(hard), &lens), n);
        l4 = (size_t)lens.l2 + lens.l3;
        assert_memory_equal(soft, hard, l4); /* the IPv4 checksum too */
        /* The device sums the segment, the field with it, and stores the complement. */
        wire_put16(hard + l4 + 16, wire_sum_finish(wire_sum_add(0, span_of(hard + l4, n - l4))));
        assert_memory_equal(soft, hard, n);
    }
}

static void identification(void **state)
{
    struct tcp_seg seg = segment(true, 0);
    uint8_t out[FRAME_ROOM];
    struct net_lens lens;
    uint16_t last = 0;
    unsigned steps = 0, same_id = 0;

    (void)state;
    fresh_edge();
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t id;

        seg.seq += 100;
        assert_int_not_equal(net_encode(net, &seg, NULL, 0, false, out, sizeof(out), &lens), 0);
        id = wire_get16(out + 18);
        assert_int_equal(out[20] & 0x40, 0x40); /* DF */
        assert_int_equal(out[22], 64);
        same_id += id == last;
        steps += (uint16_t)(id - last) < 256;
        last = id;
    }
    assert_true(same_id < 5 && steps < 30); /* neither constant nor a counter */
}

static void flow_label(void **state)
{
    struct tcp_seg seg = segment(false, 0);
    uint8_t a[FRAME_ROOM], b[FRAME_ROOM];
    struct net_lens lens;

    (void)state;
    fresh_edge();
    net_encode(net, &seg, NULL, 0, false, a, sizeof(a), &lens);
    seg.seq++;
    net_encode(net, &seg, NULL, 0, false, b, sizeof(b), &lens);
    assert_memory_equal(a + 14, b + 14, 4); /* one label for a flow (RFC 6437) */
    seg.key.remote_port++;
    net_encode(net, &seg, NULL, 0, false, b, sizeof(b), &lens);
    assert_memory_not_equal(a + 14, b + 14, 4);
}

/* Lets the gateway answer net_tick's question. */
static void resolve(void)
{
    uint8_t out[NET_ANSWER_BYTES], frame[FRAME_ROOM], mac[6];
    struct usec now = {0};
    struct net_result ret;
    unsigned port;
    size_t n;

    while (!net_gateway_mac(net, 0, 0, mac) || !net_gateway_mac(net, 0, 1, mac)) {
        while (net_tick(net, now, out, sizeof(out), &port) > 0)
            ;
        n = build_base(B_ARP_REPLY, frame);
        net_input(net, 0, span_of(frame, n), false, now, answer, sizeof(answer), &ret);
        n = build_base(B_NA, frame);
        net_input(net, 0, span_of(frame, n), false, now, answer, sizeof(answer), &ret);
        now = usec_add(now, 100000);
        assert_true(now.us < 5000000);
    }
}

static void next_hop(void **state)
{
    struct net_if port = edge_port();
    uint8_t out[FRAME_ROOM];
    struct net_lens lens;

    (void)state;
    for (unsigned by_gateway = 0; by_gateway < 2; by_gateway++) {
        port.reply_by_gateway = by_gateway;
        for (unsigned v4 = 0; v4 < 2; v4++) {
            struct tcp_seg seg = segment(v4, 0);

            fresh(&port, 1);
            seg.key.remote = v4 ? ip_from_v4(0xc6336401)
                                : (struct ip_addr){
                                      {0x20, 1, [15] = 9}
            };
            net_encode(net, &seg, NULL, 0, false, out, sizeof(out), &lens);
            assert_memory_equal(out, client_mac, 6); /* unresolved: the way it came */
            resolve();
            net_encode(net, &seg, NULL, 0, false, out, sizeof(out), &lens);
            assert_memory_equal(out, by_gateway ? gateway_mac : client_mac, 6);
            assert_memory_equal(out + 6, edge_mac, 6);
            seg.key.remote = v4 ? addr4(9) : addr6(9); /* on-link: not by the gateway */
            net_encode(net, &seg, NULL, 0, false, out, sizeof(out), &lens);
            assert_memory_equal(out, client_mac, 6);
            memset(seg.path.mac, 0, 6);
            assert_int_equal(net_encode(net, &seg, NULL, 0, false, out, sizeof(out), &lens), 0);
        }
    }
}

static int done_both(void **state)
{
    free(far_side);
    return done(state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),     cmocka_unit_test(at_the_mtu), cmocka_unit_test(offload),
        cmocka_unit_test(identification), cmocka_unit_test(flow_label), cmocka_unit_test(next_hop),
    };

    return cmocka_run_group_tests_name("net_out", tests, NULL, done_both);
}
