/* Goal: the flow hash is the Toeplitz hash that NICs compute, one value for a flow's segments
 * and the ICMP errors about it, 0 for the rest, and depends on the secret. */
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

static const uint8_t microsoft_key[NET_RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

/* clang-format off */
#define V4(a, b, c, d) {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}

/* "Verifying the RSS hash calculation", with TCP ports: source, its port, destination, its port. */
static const struct {
    struct ip_addr src;
    uint16_t src_port;
    struct ip_addr dst;
    uint16_t dst_port;
    uint32_t want;
} vectors[] = {
    {V4(66, 9, 149, 187), 2794, V4(161, 142, 100, 80), 1766, 0x51ccc178},
    {V4(199, 92, 111, 2), 14230, V4(65, 69, 140, 83), 4739, 0xc626b0ea},
    {V4(24, 19, 198, 95), 12898, V4(12, 22, 207, 184), 38024, 0x5c2b394a},
    {V4(38, 27, 205, 30), 48228, V4(209, 142, 163, 6), 2217, 0xafc7327f},
    {V4(153, 39, 163, 191), 44251, V4(202, 188, 127, 2), 1303, 0x10e828a2},
    {{{0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, [15] = 7}}, 2794,
     {{0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, [15] = 1}}, 1766, 0x40207d3d},
    {{{0x3f, 0xfe, 0x05, 0x01, 0, 8, 0, 0, 2, 0x60, 0x97, 0xff, 0xfe, 0x40, 0xef, 0xab}}, 14230,
     {{0xff, 2, [15] = 1}}, 4739, 0xdde51bbf},
    {{{0x3f, 0xfe, 0x19, 0, 0x45, 0x45, 0, 3, 2, 0, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf}}, 44251,
     {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf}}, 38024, 0x02d1feef},
};
/* clang-format on */

static size_t frame_of(uint8_t *out, const struct ip_addr *src, uint16_t src_port,
                       const struct ip_addr *dst, uint16_t dst_port)
{
    struct tcp_seg seg = {
        .key = {.local_port = src_port, .remote_port = dst_port},
          .flags = TCP_ACK
    };
    bool v4 = ip_is_v4(src);
    size_t n = wire_eth_write(out, edge_mac, client_mac, 5, v4 ? ETH_IP4 : ETH_IP6);

    if (v4)
        n += wire_ip4_write(out + n, src, dst, IP_TCP, 0, 64, 1, 20);
    else
        n += wire_ip6_write(out + n, src, dst, IP_TCP, 0, 0, 64, 20);
    return n + wire_tcp_write(&seg, out + n, 20);
}

static void toeplitz_vectors(void **state)
{
    uint8_t frame[FRAME_ROOM], key[NET_RSS_KEY_BYTES];

    (void)state;
    fresh_edge();
    net_set_rss_key(net, microsoft_key);
    net_rss_key(net, key);
    assert_memory_equal(key, microsoft_key, sizeof(key));
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct tcp_key flow = {.remote = vectors[i].src,
                               .local = vectors[i].dst,
                               .remote_port = vectors[i].src_port,
                               .local_port = vectors[i].dst_port};
        size_t n = frame_of(frame, &flow.remote, flow.remote_port, &flow.local, flow.local_port);

        assert_int_equal(net_key_hash(net, &flow), vectors[i].want);
        assert_int_equal(net_flow_hash(net, 0, guarded(frame, n)), vectors[i].want);
    }
}

static void one_flow_one_hash(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n;

    (void)state;
    fresh_edge();
    for (unsigned v6 = 0; v6 < 2; v6++) {
        uint32_t hash;

        n = build_base(v6 ? B_SYN6 : B_SYN4, frame);
        hash = net_flow_hash(net, 0, guarded(frame, n));
        assert_int_not_equal(hash, 0);
        n = build_base(v6 ? B_ERROR6 : B_ERROR4, frame);
        assert_int_equal(net_flow_hash(net, 0, guarded(frame, n)), hash);
        n = build_base(v6 ? B_SYN6 : B_SYN4, frame);
        frame[n - 1] ^= 0xff; /* a wrong checksum is for net_input to see */
        assert_int_equal(net_flow_hash(net, 0, guarded(frame, n)), hash);
    }
}

static void zero_for_the_rest(void **state)
{
    static const enum base bases[] = {B_ECHO4, B_ECHO6, B_ARP,       B_ARP_REPLY, B_NS,
                                      B_NA,    B_MLD,   B_FRAGMENT4, B_FRAGMENT6};
    uint8_t frame[FRAME_ROOM];

    (void)state;
    fresh_edge();
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        size_t n = build_base(bases[i], frame);

        assert_int_equal(net_flow_hash(net, 0, guarded(frame, n)), 0);
    }
    assert_int_equal(net_flow_hash(net, 0, span_of(NULL, 0)), 0);
}

/* What changes shared state comes with hash 0, so that worker 0 alone sees it. */
static void only_the_owner_answers(void **state)
{
    uint8_t frame[FRAME_ROOM];
    struct net_result ret;

    (void)state;
    fresh_edge();
    for (unsigned base = 0; base < BASES; base++) {
        size_t n = build_base((enum base)base, frame);

        for (size_t at = 12; at < n; at++) {
            uint8_t was = frame[at];

            for (unsigned value = 0; value < 256; value += 3) {
                frame[at] = (uint8_t)value;
                if (net_flow_hash(net, 0, guarded(frame, n)) == 0)
                    continue;
                net_input(net, 0, guarded(frame, n), true, (struct usec){0}, answer, sizeof(answer),
                          &ret);
                assert_true(ret.verdict == NET_DROP || ret.verdict == NET_TCP ||
                            ret.verdict == NET_ICMP);
                assert_true(ret.verdict != NET_DROP || ret.drop < NET_DROP_ARP_BAD);
            }
            frame[at] = was;
        }
    }
}

static void spreads_by_secret(void **state)
{
    struct net_if port = edge_port();
    uint8_t other[32] = {9}, key[NET_RSS_KEY_BYTES], key2[NET_RSS_KEY_BYTES];
    unsigned owned[4] = {0};

    (void)state;
    fresh_edge();
    net_rss_key(net, key);
    for (uint16_t p = 1; p <= 4000; p++) {
        struct tcp_key flow = {
            .remote = addr4(9), .local = addr4(25), .remote_port = p, .local_port = 25};

        owned[net_key_hash(net, &flow) % 4]++;
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(owned[i] > 700 && owned[i] < 1300);
    net_init(net, &port, 1, other);
    net_rss_key(net, key2);
    assert_memory_not_equal(key, key2, sizeof(key));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(toeplitz_vectors),  cmocka_unit_test(one_flow_one_hash),
        cmocka_unit_test(zero_for_the_rest), cmocka_unit_test(only_the_owner_answers),
        cmocka_unit_test(spreads_by_secret),
    };

    return cmocka_run_group_tests_name("net_hash", tests, NULL, done);
}
