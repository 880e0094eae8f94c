/* Goal: at start each address is probed and announced as RFC 5227 and RFC 4862 say, conflicts are
 * counted and defended against at a bounded rate, groups are reported.  Method: net_tick driven
 * from due time to due time, its frames sorted into a log. */
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

enum kind { ARP_PROBE, ARP_ANNOUNCE, ARP_ASK, ND_PROBE, ND_ANNOUNCE, ND_ASK, REPORT, KINDS };

static struct {
    enum kind kind;
    uint64_t at_us;
    struct ip_addr ip;
} heard[256];
static unsigned heard_count;

static enum kind classify(const uint8_t *p, size_t n, struct ip_addr *ret_ip)
{
    struct wire_eth eth;
    struct wire_arp arp;
    struct wire_ip6 ip;
    struct wire_icmp icmp;
    struct wire_nd nd;

    assert_int_equal(wire_eth_parse(guarded(p, n), &eth), WIRE_OK);
    assert_memory_equal(eth.src, edge_mac, 6);
    if (eth.type == ETH_ARP) {
        assert_int_equal(wire_arp_parse(eth.payload, &arp), WIRE_OK);
        assert_memory_equal(arp.sender_mac, edge_mac, 6);
        *ret_ip = arp.target;
        if (ip_to_v4(&arp.sender) == 0)
            return ARP_PROBE;
        return ip_equal(&arp.sender, &arp.target) ? ARP_ANNOUNCE : ARP_ASK;
    }
    assert_int_equal(wire_ip6_parse(eth.payload, &ip), WIRE_OK);
    assert_int_equal(wire_icmp6_parse(ip.payload, &ip.src, &ip.dst, &icmp), WIRE_OK);
    if (icmp.type == ICMP6_MLD2_REPORT) {
        assert_int_equal(ip.hop_limit, 1);
        memcpy(ret_ip->octets, icmp.body.ptr + 4, 16);
        return REPORT;
    }
    assert_int_equal(ip.hop_limit, 255);
    assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_OK);
    *ret_ip = nd.target;
    if (icmp.type == ICMP6_NA) {
        assert_int_equal(nd.flags, ND_OVERRIDE);
        assert_true(ip_equal(&ip.src, &nd.target) && ip_equal(&ip.dst, &ip6_all_nodes));
        return ND_ANNOUNCE;
    }
    return ip6_is_unspecified(&ip.src) ? ND_PROBE : ND_ASK;
}

/* Runs net_tick until end, at its due times. */
static void run(uint64_t from_us, uint64_t end_us)
{
    uint8_t out[NET_ANSWER_BYTES];
    struct usec now = {from_us};
    unsigned port;
    size_t n;

    heard_count = 0;
    while (now.us <= end_us) {
        while ((n = net_tick(net, now, out, sizeof(out), &port)) > 0) {
            assert_int_equal(port, 0);
            assert_true(heard_count < ARRAY_LEN(heard));
            heard[heard_count].kind = classify(out, n, &heard[heard_count].ip);
            heard[heard_count++].at_us = now.us;
        }
        assert_true(net_next_due(net).us > now.us);
        now = net_next_due(net);
    }
}

/* How many of kind about ip (NULL: any); the time of the k-th in *ret_at. */
static unsigned count(enum kind kind, const struct ip_addr *ip, unsigned k, uint64_t *ret_at)
{
    unsigned n = 0;

    for (unsigned i = 0; i < heard_count; i++) {
        if (heard[i].kind != kind || (ip != NULL && !ip_equal(ip, &heard[i].ip)))
            continue;
        if (n++ == k && ret_at != NULL)
            *ret_at = heard[i].at_us;
    }
    return n;
}

static void no_gateways(void)
{
    struct net_if port = edge_port();

    port.gateways_count = 0;
    fresh(&port, 1);
}

static void at_start4(void **state)
{
    struct ip_addr us = addr4(25);
    uint64_t at[5] = {0};

    (void)state;
    no_gateways();
    assert_int_equal(net_address_state(net, 0, 0), NET_ADDRESS_TENTATIVE);
    run(5000000, 60000000);
    assert_int_equal(count(ARP_PROBE, NULL, 0, NULL), 3);
    assert_int_equal(count(ARP_ANNOUNCE, NULL, 0, NULL), 2);
    for (unsigned i = 0; i < 5; i++)
        (void)count(i < 3 ? ARP_PROBE : ARP_ANNOUNCE, &us, i < 3 ? i : i - 3, &at[i]);
    assert_true(at[0] >= 5000000 && at[0] < 6000000);
    for (unsigned i = 1; i < 3; i++)
        assert_true(at[i] - at[i - 1] >= 1000000 && at[i] - at[i - 1] <= 2000000);
    assert_int_equal(at[3] - at[2], 2000000);
    assert_int_equal(at[4] - at[3], 2000000);
    assert_int_equal(net_address_state(net, 0, 0), NET_ADDRESS_VALID);
    assert_int_equal(net_next_due(net).us, UINT64_MAX); /* then silence */
}

static void at_start6(void **state)
{
    struct ip_addr us[2] = {addr6(0x25), ip6_link_local(edge_mac)};

    (void)state;
    no_gateways();
    run(0, 60000000);
    for (unsigned i = 0; i < 2; i++) {
        struct ip_addr group = ip6_solicited_node(&us[i]);
        uint64_t report = 0, probe = 0, announce[2] = {0};

        assert_int_equal(count(ND_PROBE, &us[i], 0, &probe), 1);
        assert_int_equal(count(ND_ANNOUNCE, &us[i], 0, &announce[0]), 2);
        (void)count(ND_ANNOUNCE, &us[i], 1, &announce[1]);
        assert_int_equal(count(REPORT, &group, 0, &report), 4); /* one group for both, twice each */
        assert_true(report <= probe && probe < 1000000);
        assert_int_equal(announce[0] - probe, 1000000);
        assert_int_equal(announce[1] - announce[0], 1000000);
        assert_int_equal(net_address_state(net, 0, 1 + i), NET_ADDRESS_VALID);
    }
}

static void defends4(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_ARP, frame);
    struct ip_addr us = addr4(25);

    (void)state;
    no_gateways();
    run(0, 20000000);
    frame[31] = 25; /* somebody else is 10.25.0.25 */
    for (uint64_t now = 20000000; now < 40000000; now += 100000) {
        assert_int_equal(input(frame, n, now).drop, NET_DROP_ADDRESS_CONFLICT);
        if (now == 20000000)
            assert_int_equal(net_next_due(net).us, now);
    }
    run(40000000, 50000000);
    assert_int_equal(count(ARP_ANNOUNCE, &us, 0, NULL), 1);
    assert_int_equal(net_address_state(net, 0, 0), NET_ADDRESS_VALID); /* never given up */
    /* With a conflict each second, ten seconds at least between two defences. */
    unsigned announced = 0;
    for (uint64_t now = 50000000; now < 80000000; now += 1000000) {
        (void)input(frame, n, now);
        run(now, now + 999999);
        announced += count(ARP_ANNOUNCE, &us, 0, NULL);
    }
    assert_int_equal(announced, 3);
}

static void probed_by_another(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_ARP, frame);
    struct net_result ret;

    (void)state;
    no_gateways();
    run(0, 20000000);
    memset(frame + 28, 0, 4); /* RFC 5227: a probe; our answer tells it to look elsewhere */
    ret = input(frame, n, 20000000);
    assert_int_equal(ret.verdict, NET_ANSWER);
    n = build_base(B_NS, frame);
    memset(frame + 22, 0, 16);
    frame[19] = 24;
    n -= 8;
    fix_sums(frame, n);
    ret = input(frame, n, 20000000);
    assert_int_equal(ret.verdict, NET_ANSWER);
    assert_memory_equal(answer, ((const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
    assert_memory_equal(answer + 38, ip6_all_nodes.octets, 16);
    assert_int_equal(answer[58], ND_OVERRIDE); /* to all nodes, so not solicited */
}

static void gives_up6_and_tries_again(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_NA, frame);
    struct ip_addr us = addr6(0x25);

    (void)state;
    no_gateways();
    run(0, 0);
    frame[77] = 0x25;
    fix_sums(frame, n);
    assert_int_equal(input(frame, n, 500000).drop, NET_DROP_ADDRESS_CONFLICT);
    assert_int_equal(net_address_state(net, 0, 1), NET_ADDRESS_DUPLICATE);
    run(500000, 60000000);
    assert_int_equal(count(ND_ANNOUNCE, &us, 0, NULL), 0);
    assert_int_equal(net_address_state(net, 0, 1), NET_ADDRESS_DUPLICATE);
    run(60000000, 120000000);
    assert_int_equal(count(ND_PROBE, &us, 0, NULL), 1);
    assert_int_equal(count(ND_ANNOUNCE, &us, 0, NULL), 2);
    assert_int_equal(net_address_state(net, 0, 1), NET_ADDRESS_VALID);
    /* Once valid it is defended, not given up. */
    assert_int_equal(input(frame, n, 130000000).drop, NET_DROP_ADDRESS_CONFLICT);
    run(130000000, 131000000);
    assert_int_equal(count(ND_ANNOUNCE, &us, 0, NULL), 1);
    assert_int_equal(net_address_state(net, 0, 1), NET_ADDRESS_VALID);
}

static void optimistic_answer(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_NS, frame);

    (void)state;
    no_gateways();
    assert_int_equal(input(frame, n, 0).verdict, NET_ANSWER);
    assert_int_equal(answer[58], ND_SOLICITED); /* RFC 4429 s3.3: no override yet */
    run(0, 20000000);
    assert_int_equal(input(frame, n, 20000000).verdict, NET_ANSWER);
    assert_int_equal(answer[58], ND_SOLICITED | ND_OVERRIDE);
}

static void reports_when_asked(void **state)
{
    uint8_t frame[FRAME_ROOM];
    size_t n = build_base(B_MLD, frame);
    struct ip_addr us = addr6(0x25), group = ip6_solicited_node(&us);
    uint64_t at = 0;

    (void)state;
    no_gateways();
    run(0, 20000000);
    for (unsigned i = 0; i < 100; i++) /* a flood of queries makes no flood of reports */
        assert_int_equal(input(frame, n, 20000000).verdict, NET_LEARNED);
    run(20000000, 40000000);
    assert_int_equal(count(REPORT, &group, 0, &at), 2);
    assert_true(at <= 30000000);
    memcpy(frame + 70, group.octets, 16); /* group-specific: theirs, then another's */
    fix_sums(frame, n);
    assert_int_equal(input(frame, n, 40000000).verdict, NET_LEARNED);
    run(40000000, 60000000);
    assert_int_equal(count(REPORT, &group, 0, NULL), 2);
    frame[85] ^= 1;
    fix_sums(frame, n);
    assert_int_equal(input(frame, n, 60000000).verdict, NET_LEARNED);
    run(60000000, 80000000);
    assert_int_equal(heard_count, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_start4),
        cmocka_unit_test(at_start6),
        cmocka_unit_test(defends4),
        cmocka_unit_test(probed_by_another),
        cmocka_unit_test(gives_up6_and_tries_again),
        cmocka_unit_test(optimistic_answer),
        cmocka_unit_test(reports_when_asked),
    };

    return cmocka_run_group_tests_name("net_claim", tests, NULL, done);
}
