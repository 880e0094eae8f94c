/* Goal: neighbour discovery, MLD, echo and quoted flows of ICMPv6, and the derived addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_guard.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"
#include "wire_sum.h"

static const struct ip_addr us = {
    .octets = {0xfd, 0x25, [15] = 0x25}
};
static const struct ip_addr peer = {
    .octets = {0xfd, 0x25, [15] = 0x01}
};
static const uint8_t mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

static void discovery(void **state)
{
    uint8_t out[64];
    struct wire_icmp icmp;
    struct wire_nd nd;

    (void)state;
    assert_int_equal(wire_nd_write(out, ICMP6_NS, 0, &us, mac, &peer, &us), 32);
    assert_int_equal(wire_icmp6_parse(guarded(out, 32), &peer, &us, &icmp), WIRE_OK);
    assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_OK);
    assert_true(nd.has_source_mac && !nd.has_target_mac && ip_equal(&nd.target, &us));
    assert_memory_equal(nd.source_mac, mac, 6);
    assert_int_equal(wire_icmp6_parse(guarded(out, 32), &us, &us, &icmp), WIRE_SUM);
    assert_int_equal(wire_nd_write(out, ICMP6_NA, ND_SOLICITED | ND_OVERRIDE, &us, mac, &us, &peer),
                     32);
    assert_int_equal(wire_icmp6_parse(guarded(out, 32), &us, &peer, &icmp), WIRE_OK);
    assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_OK);
    assert_true(nd.has_target_mac && !nd.has_source_mac);
    assert_int_equal(nd.flags, ND_SOLICITED | ND_OVERRIDE);
    assert_int_equal(wire_nd_write(out, ICMP6_NS, 0, &us, NULL, &ip6_unspecified, &us), 24);
    assert_int_equal(wire_icmp6_parse(guarded(out, 24), &ip6_unspecified, &us, &icmp), WIRE_OK);
    assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_OK);
    assert_false(nd.has_source_mac);
}

static void discovery_options(void **state)
{
    /* clang-format off */
    static const struct {
        const char *name;
        uint8_t bytes[24];
        size_t n;
        enum wire_check want;
        bool has;
    } rows[] = {
        {"none", {0}, 0, WIRE_OK, false},
        {"source", {1, 1, 2, 3, 4, 5, 6, 7}, 8, WIRE_OK, true},
        {"after nonce", {14, 1, 9, 9, 9, 9, 9, 9, 1, 1, 2, 3, 4, 5, 6, 7}, 16, WIRE_OK, true},
        {"too long a MAC", {1, 2, 2, 3, 4, 5, 6, 7}, 16, WIRE_OK, false},
        {"length zero", {1, 0, 2, 3, 4, 5, 6, 7}, 8, WIRE_OPTIONS, false},
        {"past the end", {1, 2, 2, 3, 4, 5, 6, 7}, 8, WIRE_OPTIONS, false},
        {"one byte", {1}, 1, WIRE_OPTIONS, false},
    };
    /* clang-format on */
    uint8_t bytes[64];
    struct wire_nd nd;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wire_icmp icmp = {.type = ICMP6_NS};

        memcpy(bytes, us.octets, 16);
        memcpy(bytes + 16, rows[i].bytes, rows[i].n);
        icmp.body = guarded(bytes, 16 + rows[i].n);
        print_message("# %s\n", rows[i].name);
        assert_int_equal(wire_nd_parse(&icmp, &nd), rows[i].want);
        if (rows[i].want == WIRE_OK)
            assert_int_equal(nd.has_source_mac, rows[i].has);
        for (size_t cut = 0; cut < 16; cut++) {
            icmp.body = guarded(bytes, cut);
            assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_SHORT);
        }
    }
    struct wire_icmp icmp = {.type = ICMP6_NS, .code = 1, .body = span_of(us.octets, 16)};

    assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_HEADER);
    icmp.code = 0;
    icmp.body = span_of(ip6_all_nodes.octets, 16);
    assert_int_equal(wire_nd_parse(&icmp, &nd), WIRE_HEADER);
}

static void flow(void **state)
{
    struct wire_icmp_flow flow;
    uint8_t body[80];

    (void)state;
    /* A destination option in front of TCP: the sender of the error quotes all of it. */
    wire_ip6_write(body, &us, &peer, IP6_DEST_OPTIONS, 0, 0, 1, 1440);
    memcpy(body + 40, (uint8_t[]){IP_TCP, 0, 1, 4, 0, 0, 0, 0, 0, 25, 0x9c, 0x40, 1, 2, 3, 4}, 16);
    assert_int_equal(wire_icmp6_flow(guarded(body, 56), &flow), WIRE_OK);
    assert_true(ip_equal(&flow.src, &us) && ip_equal(&flow.dst, &peer));
    assert_int_equal(flow.src_port, 25);
    assert_int_equal(flow.dst_port, 40000);
    assert_int_equal(flow.seq, 0x01020304);
    assert_int_equal(flow.packet_bytes, 1480);
    for (size_t cut = 0; cut < 56; cut++)
        assert_int_equal(wire_icmp6_flow(guarded(body, cut), &flow), WIRE_SHORT);
    body[40] = 17;
    assert_int_equal(wire_icmp6_flow(guarded(body, 56), &flow), WIRE_UNKNOWN);
}

static void echo(void **state)
{
    uint8_t request[16] = {ICMP6_ECHO, 0, 0, 0, 0x12, 0x34, 0, 1, 'h', 'e', 'l', 'l', 'o'},
            reply[16];
    struct wire_icmp icmp;

    (void)state;
    for (size_t n = 8; n <= 13; n++) {
        assert_int_equal(wire_icmp6_echo_reply(reply, guarded(request, n), &us, &peer), n);
        assert_int_equal(wire_icmp6_parse(guarded(reply, n), &us, &peer, &icmp), WIRE_OK);
        assert_int_equal(icmp.type, ICMP6_ECHO_REPLY);
        assert_memory_equal(reply + 4, request + 4, n - 4);
    }
    for (size_t n = 0; n < 8; n++)
        assert_int_equal(wire_icmp6_parse(guarded(reply, n), &us, &peer, &icmp), WIRE_SHORT);
}

static void report(void **state)
{
    struct ip_addr group = ip6_solicited_node(&us);
    uint8_t packet[IP6_HEADER_BYTES + MLD2_REPORT_BYTES];
    struct wire_icmp icmp;
    struct wire_ip6 ip;

    (void)state;
    wire_ip6_write(packet, &us, &peer, IP6_HOP_BY_HOP, 0, 0, 1, MLD2_REPORT_BYTES);
    assert_int_equal(wire_mld2_write(packet + 40, &group, &us, &peer), MLD2_REPORT_BYTES);
    assert_int_equal(wire_ip6_parse(guarded(packet, sizeof(packet)), &ip), WIRE_OK);
    assert_int_equal(ip.protocol, IP_ICMP6);
    assert_int_equal(wire_icmp6_parse(ip.payload, &us, &peer, &icmp), WIRE_OK);
    assert_int_equal(icmp.type, ICMP6_MLD2_REPORT);
    assert_int_equal(icmp.rest, 1);
    assert_memory_equal(icmp.body.ptr + 4, group.octets, 16);
}

static void addresses(void **state)
{
    struct ip_addr link_local = ip6_link_local(mac), group = ip6_solicited_node(&us);
    static const uint8_t want[16] = {0xfe, 0x80, 0,    0,    0,    0,    0,    0,
                                     0x00, 0x11, 0x22, 0xff, 0xfe, 0x33, 0x44, 0x55};
    static const uint8_t node[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0x25};
    static const uint8_t node_mac[6] = {0x33, 0x33, 0xff, 0, 0, 0x25};
    uint8_t out[6];

    (void)state;
    assert_memory_equal(link_local.octets, want, 16);
    assert_true(ip6_is_link_local(&link_local) && !ip6_is_link_local(&us));
    assert_memory_equal(group.octets, node, 16);
    assert_true(ip6_is_multicast(&group) && !ip6_is_multicast(&us));
    ip6_multicast_mac(&group, out);
    assert_memory_equal(out, node_mac, 6);
    assert_true(ip6_is_unspecified(&ip6_unspecified) && !ip6_is_unspecified(&us));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery), cmocka_unit_test(discovery_options),
        cmocka_unit_test(flow),      cmocka_unit_test(echo),
        cmocka_unit_test(report),    cmocka_unit_test(addresses),
    };

    return cmocka_run_group_tests_name("wire_icmp6", tests, NULL, NULL);
}
