/* Goal: prefixes, broadcasts and martians are told right at their edges; a port holds as many
 * addresses as promised; multicast MACs and the drop names are complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net_frames.h"
#include "net_private.h"

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

static void prefixes(void **state)
{
    static const struct {
        uint32_t a, b;
        uint8_t prefix;
        bool same;
    } rows[] = {
        {0x0a190001, 0x0a1900ff, 24, true },
        {0x0a190001, 0x0a190100, 24, false},
        {0x0a190001, 0x0a190100, 23, true },
        {0x0a190001, 0x0a190001, 32, true },
        {0x0a190001, 0x0a190000, 32, false},
        {0x0a190001, 0x0a190000, 31, true },
        {0x0a190001, 0xffffffff, 0,  true },
    };
    struct ip_addr a6 = addr6(1), b6 = addr6(2), a4 = addr4(1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_addr a = ip_from_v4(rows[i].a), b = ip_from_v4(rows[i].b);

        assert_int_equal(net_same_prefix(&a, &b, rows[i].prefix, true), rows[i].same);
    }
    assert_true(net_same_prefix(&a6, &b6, 126, false));
    assert_false(net_same_prefix(&a6, &b6, 127, false));
    assert_true(net_same_prefix(&a6, &a6, 128, false));
    assert_false(net_same_prefix(&a6, &a6, 129, false));
    assert_false(net_same_prefix(&a6, &a4, 0, false));
    assert_false(net_same_prefix(&a4, &a4, 33, true));
}

static void broadcasts(void **state)
{
    static const struct {
        uint32_t ip;
        uint8_t prefix; /* of 10.25.0.25 */
        bool broadcast;
    } rows[] = {
        {0xffffffff, 24, true },
        {0x0a1900ff, 24, true },
        {0x0a190000, 24, true },
        {0x0a1901ff, 24, false},
        {0x0a1900fe, 24, false},
        {0x0a19001b, 30, true },
        {0x0a190018, 30, true },
        {0x0a190018, 31, false},
        {0x0a190019, 32, false},
        {0x0a1900ff, 16, false},
        {0x0a19ffff, 16, true },
        {0x0b000000, 0,  false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_addr ip = ip_from_v4(rows[i].ip);
        struct net_if port = edge_port();

        port.addresses[0].prefix = rows[i].prefix;
        fresh(&port, 1);
        assert_int_equal(net_is_broadcast(&net->ports[0], &ip), rows[i].broadcast);
    }
}

static void martians(void **state)
{
    static const struct {
        struct ip_addr ip;
        bool martian;
    } rows[] = {
        {{{0}},                                                          true },
        {{{[15] = 1}},                                                   true },
        {{{[12] = 10, [15] = 1}},                                        true },
        {{{0xff, 2, [15] = 1}},                                          true },
        {{{0xfe, 0x80, [15] = 1}},                                       false},
        {{{0x20, 1, [15] = 1}},                                          false},
        {{{[10] = 0xff, [11] = 0xff, [12] = 0}},                         true },
        {{{[10] = 0xff, [11] = 0xff, [12] = 1, [15] = 1}},               false},
        {{{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},             true },
        {{{[10] = 0xff, [11] = 0xff, [12] = 223, [15] = 1}},             false},
        {{{[10] = 0xff, [11] = 0xff, [12] = 224, [15] = 1}},             true },
        {{{[10] = 0xff, [11] = 0xff, [12] = 255, [15] = 1}},             true },
        {{{[10] = 0xff, [11] = 0xff, [12] = 169, [13] = 254, [15] = 1}}, false},
    };

    (void)state;
    fresh_edge();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(net_is_martian(&net->ports[0], &rows[i].ip), rows[i].martian);
}

static void full_port(void **state)
{
    struct net_if port = edge_port();
    uint8_t macs[NET_MULTICAST_MAX][MAC_BYTES], out[NET_ANSWER_BYTES];
    struct usec now = {0};
    unsigned ret_port, frames = 0;

    (void)state;
    port.addresses_count = NET_ADDRESSES_MAX;
    for (uint8_t i = 0; i < NET_ADDRESSES_MAX; i++)
        port.addresses[i] = (struct net_address){.ip = addr6((uint8_t)(i + 100)), .prefix = 64};
    fresh(&port, 1);
    for (uint8_t i = 0; i < NET_ADDRESSES_MAX; i++) {
        struct ip_addr ip = addr6((uint8_t)(i + 100));

        assert_int_equal(net_own_find(&net->ports[0], &ip), i);
        assert_true(net_is_own(net, &ip));
    }
    assert_int_equal(net_multicast(net, 0, macs, NET_MULTICAST_MAX), NET_MULTICAST_MAX);
    assert_memory_equal(macs[0], ((const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
    assert_memory_equal(macs[1], ((const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 100}), 6);
    assert_memory_equal(macs[65], ((const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 0x25}), 6);
    assert_int_equal(net_multicast(net, 0, macs, 3), 3);
    for (; now.us < 20000000; now = net_next_due(net))
        while (net_tick(net, now, out, sizeof(out), &ret_port) > 0)
            frames++;
    assert_true(frames >= 5 * (NET_ADDRESSES_MAX + 1));
}

static void configured_link_local(void **state)
{
    struct net_if port = edge_port();
    uint8_t frame[FRAME_ROOM];
    struct net_result ret;
    size_t n = build_base(B_SYN6, frame);

    (void)state;
    port.addresses[1].ip = ip6_link_local(edge_mac); /* named in the configuration: TCP too */
    fresh(&port, 1);
    assert_int_equal(net->ports[0].own_count, 2);
    memcpy(frame + 38, port.addresses[1].ip.octets, 16);
    fix_sums(frame, n);
    net_input(net, 0, span_of(frame, n), false, (struct usec){0}, answer, sizeof(answer), &ret);
    assert_int_equal(ret.verdict, NET_TCP);
}

static void drop_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NET_DROPS; i++) {
        char want[96];

        assert_true(snprintf(want, sizeof(want), "sluice_net_drops_total{reason=\"%s\"}",
                             net_drop_name(i)) < 96);
        assert_string_equal(net_drop_metric(i), want);
        assert_true(strlen(net_drop_help(i)) < 95); /* what the stats region holds */
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(net_drop_name(i), net_drop_name(k));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes),
        cmocka_unit_test(broadcasts),
        cmocka_unit_test(martians),
        cmocka_unit_test(full_port),
        cmocka_unit_test(configured_link_local),
        cmocka_unit_test(drop_names),
    };

    return cmocka_run_group_tests_name("net_if", tests, NULL, done);
}
