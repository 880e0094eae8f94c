/* Goal: gateways are resolved, kept fresh by unicast, forgotten when dead, and nobody who was not
 * asked changes what we know.  Method: net_tick from due time to due time, answers fed in. */
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

static struct net_result input(const uint8_t *frame, size_t n, uint64_t now_us)
{
    struct net_result ret = {.drop = NET_DROPS};

    net_input(net, 0, guarded(frame, n), false, (struct usec){now_us}, answer, sizeof(answer),
              &ret);
    return ret;
}

static int done(void **state)
{
    (void)state;
    free(net);
    net = NULL;
    return 0;
}

static unsigned asked_all, asked_one; /* questions to the IPv4 or IPv6 gateway in the last run */

static void run(uint64_t from_us, uint64_t end_us, bool v4)
{
    uint8_t out[NET_ANSWER_BYTES];
    struct usec now = {from_us};
    unsigned port;
    size_t n;

    asked_all = asked_one = 0;
    for (; now.us <= end_us; now = net_next_due(net))
        while ((n = net_tick(net, now, out, sizeof(out), &port)) > 0) {
            bool ask4 = n == 42 && out[41] == 1, ask6 = n == 86 && out[54] == ICMP6_NS;

            if (!(v4 ? ask4 : ask6))
                continue;
            if (ask6)
                assert_memory_equal(out + 62, addr6(1).octets, 16);
            asked_all += mac_is_group(out);
            asked_one += memcmp(out, gateway_mac, 6) == 0;
        }
}

static size_t reply(bool v4, uint8_t *frame, uint8_t last_of_mac)
{
    size_t n = build_base(v4 ? B_ARP_REPLY : B_NA, frame);

    frame[11] = last_of_mac;
    frame[v4 ? 27 : 85] = last_of_mac;
    fix_sums(frame, n);
    return n;
}

static void resolves(void **state)
{
    uint8_t frame[FRAME_ROOM], mac[6];

    (void)state;
    for (unsigned v4 = 0; v4 < 2; v4++) {
        unsigned index = v4 ? 0 : 1;
        size_t n = reply(v4, frame, 1);

        fresh_edge();
        assert_false(net_gateway_mac(net, 0, index, mac));
        run(0, 2500000, v4);
        assert_true(asked_all >= 1 && asked_all <= 3 && asked_one == 0);
        assert_int_equal(input(frame, n, 2500000).verdict, NET_LEARNED);
        assert_true(net_gateway_mac(net, 0, index, mac));
        assert_memory_equal(mac, gateway_mac, 6);
        assert_int_equal(input(frame, n, 2500000).drop, NET_DROP_NEIGHBOUR_UNASKED); /* once */
        run(2500000, 32000000, v4); /* fresh: no question */
        assert_int_equal(asked_all + asked_one, 0);
        run(32000000, 33000000, v4); /* then one, by unicast */
        assert_int_equal(asked_all, 0);
        assert_int_equal(asked_one, 1);
        assert_int_equal(input(frame, n, 33000000).verdict, NET_LEARNED);
        run(33000000, 62000000, v4);
        assert_int_equal(asked_all + asked_one, 0);
        /* No answer any more: by unicast, then to all, then forgotten, then ever more rarely. */
        run(62000000, 68500000, v4);
        assert_int_equal(asked_one, 3);
        assert_int_equal(asked_all, 3);
        assert_true(net_gateway_mac(net, 0, index, mac));
        run(68500000, 70500000, v4);
        assert_false(net_gateway_mac(net, 0, index, mac));
        run(300000000, 900000000, v4);
        assert_true(asked_all >= 20 && asked_all <= 24 && asked_one == 0);
        assert_int_equal(input(frame, n, 900000000).verdict, NET_LEARNED); /* back at last */
        assert_true(net_gateway_mac(net, 0, index, mac));
    }
}

static void forged(void **state)
{
    uint8_t frame[FRAME_ROOM], mac[6];

    (void)state;
    for (unsigned v4 = 0; v4 < 2; v4++) {
        unsigned index = v4 ? 0 : 1;
        size_t n = reply(v4, frame, 1);

        fresh_edge();
        run(0, 2500000, v4);
        assert_int_equal(input(frame, n, 2500000).verdict, NET_LEARNED);
        n = reply(v4, frame, 0x66);
        /* A flood of claims changes nothing and makes at most one question a second. */
        asked_all = asked_one = 0;
        unsigned questions = 0;
        for (uint64_t now = 3000000; now < 13000000; now += 10000) {
            uint64_t before = net_next_due(net).us;

            assert_int_equal(input(frame, n, now).drop, NET_DROP_NEIGHBOUR_UNASKED);
            assert_true(net_gateway_mac(net, 0, index, mac));
            assert_memory_equal(mac, gateway_mac, 6);
            if (net_next_due(net).us >= before && before > now)
                continue;
            run(now, now, v4);
            questions += asked_all + asked_one;
            if (asked_all + asked_one > 0) { /* the true gateway is quicker than the next forgery */
                uint8_t right[FRAME_ROOM];
                size_t bytes = reply(v4, right, 1);

                assert_int_equal(input(right, bytes, now).verdict, NET_LEARNED);
            }
        }
        assert_true(questions >= 1 && questions <= 11);
    }
}

static void fails_over(void **state)
{
    uint8_t frame[FRAME_ROOM], mac[6];
    size_t n = reply(true, frame, 1);

    (void)state;
    fresh_edge();
    run(0, 2500000, true);
    assert_int_equal(input(frame, n, 2500000).verdict, NET_LEARNED);
    /* A gratuitous ARP of the standby router: asked at once, learned from its answer. */
    n = reply(true, frame, 2);
    memcpy(frame, mac_broadcast, 6);
    frame[21] = ARP_REQUEST;
    frame[41] = 1;
    assert_int_equal(input(frame, n, 10000000).drop, NET_DROP_NEIGHBOUR_UNASKED);
    run(10000000, 10000000, true);
    assert_int_equal(asked_all, 1);
    n = reply(true, frame, 2);
    assert_int_equal(input(frame, n, 10000000).verdict, NET_LEARNED);
    assert_true(net_gateway_mac(net, 0, 0, mac));
    assert_int_equal(mac[5], 2);
}

static void without_override(void **state)
{
    uint8_t frame[FRAME_ROOM], mac[6];
    size_t n = reply(false, frame, 1);

    (void)state;
    fresh_edge();
    run(0, 2500000, false);
    assert_int_equal(input(frame, n, 2500000).verdict, NET_LEARNED);
    run(2500000, 33000000, false); /* the unicast check is open */
    n = reply(false, frame, 0x66);
    frame[58] = ND_SOLICITED; /* RFC 4861 s7.2.5: a known MAC stays without the override flag */
    fix_sums(frame, n);
    assert_int_equal(input(frame, n, 33000000).drop, NET_DROP_NEIGHBOUR_UNASKED);
    assert_true(net_gateway_mac(net, 0, 1, mac));
    assert_memory_equal(mac, gateway_mac, 6);
}

static void link_local_gateway(void **state)
{
    struct net_if port = edge_port();
    struct ip_addr link_local = ip6_link_local(edge_mac);
    uint8_t out[NET_ANSWER_BYTES];
    struct usec now = {0};
    unsigned ret_port, asked = 0;
    size_t n;

    (void)state;
    port.gateways_count = 1;
    port.gateways[0] = (struct ip_addr){
        {0xfe, 0x80, [15] = 1}
    };
    fresh(&port, 1);
    for (; now.us < 5000000; now = net_next_due(net))
        while ((n = net_tick(net, now, out, sizeof(out), &ret_port)) > 0) {
            if (n != 86 || out[54] != ICMP6_NS)
                continue;
            asked++; /* RFC 4429: not before the address we ask from is ours */
            assert_int_equal(net_address_state(net, 0, 2), NET_ADDRESS_VALID);
            assert_memory_equal(out + 22, link_local.octets, 16);
        }
    assert_true(asked >= 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves),           cmocka_unit_test(forged),
        cmocka_unit_test(fails_over),         cmocka_unit_test(without_override),
        cmocka_unit_test(link_local_gateway),
    };

    return cmocka_run_group_tests_name("net_neigh", tests, NULL, done);
}
