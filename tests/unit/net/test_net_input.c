/* Goal: every frame gets the right verdict and every drop its own reason.  Method: thirteen good
 * frames; rows of byte changes to them, checksums put right again where the row says so; every
 * good frame cut at every byte against a guard page; the last test wants all reasons seen. */
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
static bool seen[NET_DROPS];

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

static struct net_result input(const uint8_t *frame, size_t n)
{
    struct net_result ret = {.drop = NET_DROPS};

    (void)net_flow_hash(net, 0, guarded(frame, n));
    net_input(net, 0, guarded(frame, n), false, (struct usec){1000000}, answer, sizeof(answer),
              &ret);
    if (ret.verdict == NET_DROP) {
        assert_true(ret.drop < NET_DROPS);
        seen[ret.drop] = true;
    }
    return ret;
}

struct poke {
    uint16_t at;
    uint8_t value;
};

/* clang-format off */
static const struct row {
    const char *name;
    enum base base;
    struct poke pokes[8]; /* at 0 with value 0 in the first place: none */
    unsigned count;
    bool fix;
    int keep; /* bytes kept; negative: bytes cut off */
    enum net_drop want;
} rows[] = {
#define P(...) {__VA_ARGS__}, sizeof((struct poke[]){__VA_ARGS__}) / sizeof(struct poke)
#define NONE {{0, 0}}, 0
    {"thirteen bytes", B_SYN4, NONE, false, 13, NET_DROP_ETH_SHORT},
    {"no bytes", B_SYN4, NONE, false, -74, NET_DROP_ETH_SHORT},
    {"IPX", B_SYN4, P({12, 0x81}, {13, 0x37}), false, 0, NET_DROP_ETH_TYPE},
    {"802.3 length", B_SYN4, P({12, 0x00}, {13, 0x40}), false, 0, NET_DROP_ETH_TYPE},
    {"802.1ad", B_SYN4, P({12, 0x88}, {13, 0xa8}), false, 0, NET_DROP_ETH_TYPE},
    {"tagged for another VLAN", B_SYN4, P({12, 0x81}, {13, 0x00}), false, 0, NET_DROP_VLAN},
    {"from a group", B_SYN4, P({6, 3}), false, 0, NET_DROP_SOURCE_MAC},
    {"from nobody", B_SYN4, P({6, 0}, {11, 0}), false, 0, NET_DROP_SOURCE_MAC},
    {"to another station", B_SYN4, P({5, 0x26}), false, 0, NET_DROP_NOT_OUR_MAC},
    {"SYN in a multicast frame", B_SYN4, P({0, 3}), false, 0, NET_DROP_L2_GROUP},
    {"SYN in a broadcast frame", B_SYN4,
     P({0, 255}, {1, 255}, {2, 255}, {3, 255}, {4, 255}, {5, 255}), false, 0, NET_DROP_L2_GROUP},
    {"IPv6 SYN in a multicast frame", B_SYN6, P({0, 3}), false, 0, NET_DROP_L2_GROUP},
    {"echo in a multicast frame", B_ECHO4, P({0, 3}), false, 0, NET_DROP_L2_GROUP},
    {"IPv4 cut off", B_SYN4, NONE, false, -1, NET_DROP_IP_SHORT},
    {"IPv6 cut off", B_SYN6, NONE, false, -1, NET_DROP_IP_SHORT},
    {"IPv6 in an IPv4 frame", B_SYN4, P({14, 0x65}), false, 0, NET_DROP_IP_VERSION},
    {"IPv4 in an IPv6 frame", B_SYN6, P({14, 0x45}), false, 0, NET_DROP_IP_VERSION},
    {"header of 16 bytes", B_SYN4, P({14, 0x44}), true, 0, NET_DROP_IP_HEADER},
    {"length below the header", B_SYN4, P({17, 19}), true, 0, NET_DROP_IP_HEADER},
    {"hop-by-hop after another", B_FRAGMENT6, P({20, 60}, {54, 0}, {57, 0}, {61, 0}), false, 0,
     NET_DROP_IP_HEADER},
    {"IPv4 checksum", B_SYN4, P({24, 0}), false, 0, NET_DROP_IP_CHECKSUM},
    {"IPv4 options", B_SYN4, P({14, 0x46}), true, 0, NET_DROP_IP_OPTIONS},
    {"IPv6 option that discards", B_FRAGMENT6, P({20, 60}, {56, 0x5e}), false, 0,
     NET_DROP_IP_OPTIONS},
    {"source route", B_SYN4, P({14, 0x46}, {34, 131}), true, 0, NET_DROP_IP_ROUTE},
    {"type 0 routing header", B_FRAGMENT6, P({20, 43}), false, 0, NET_DROP_IP_ROUTE},
    {"from 127.25.0.9", B_SYN4, P({26, 127}), true, 0, NET_DROP_MARTIAN},
    {"from 0.25.0.9", B_SYN4, P({26, 0}), true, 0, NET_DROP_MARTIAN},
    {"from 224.25.0.9", B_SYN4, P({26, 224}), true, 0, NET_DROP_MARTIAN},
    {"from 250.25.0.9", B_SYN4, P({26, 250}), true, 0, NET_DROP_MARTIAN},
    {"from our broadcast", B_SYN4, P({29, 255}), true, 0, NET_DROP_MARTIAN},
    {"from our network", B_SYN4, P({29, 0}), true, 0, NET_DROP_MARTIAN},
    {"from ::9", B_SYN6, P({22, 0}, {23, 0}), true, 0, NET_DROP_MARTIAN},
    {"from ::1", B_SYN6, P({22, 0}, {23, 0}, {37, 1}), true, 0, NET_DROP_MARTIAN},
    {"from ::", B_SYN6, P({22, 0}, {23, 0}, {37, 0}), true, 0, NET_DROP_MARTIAN},
    {"echo from ::", B_ECHO6, P({22, 0}, {23, 0}, {37, 0}), true, 0, NET_DROP_MARTIAN},
    {"from a group, IPv6", B_SYN6, P({22, 255}), true, 0, NET_DROP_MARTIAN},
    {"from a mapped address", B_SYN6,
     P({22, 0}, {23, 0}, {32, 255}, {33, 255}, {34, 10}, {35, 25}), true, 0, NET_DROP_MARTIAN},
    {"from ourselves", B_SYN4, P({29, 25}), true, 0, NET_DROP_OWN_SOURCE},
    {"from ourselves, IPv6", B_SYN6, P({37, 0x25}), true, 0, NET_DROP_OWN_SOURCE},
    {"NS from ourselves", B_NS, P({37, 0x25}), true, 0, NET_DROP_OWN_SOURCE},
    {"to 10.25.0.26", B_SYN4, P({33, 26}), true, 0, NET_DROP_NOT_OUR_ADDRESS},
    {"to fd25::26", B_SYN6, P({53, 0x26}), true, 0, NET_DROP_NOT_OUR_ADDRESS},
    {"to our mapped address", B_SYN6,
     P({38, 0}, {39, 0}, {48, 255}, {49, 255}, {50, 10}, {51, 25}, {53, 25}), true, 0,
     NET_DROP_NOT_OUR_ADDRESS},
    {"TCP to our link-local", B_SYN6, P({38, 0xfe}, {39, 0x80}, {49, 0xff}, {50, 0xfe}), true, 0,
     NET_DROP_NOT_OUR_ADDRESS},
    {"to 255.255.255.255", B_SYN4, P({30, 255}, {31, 255}, {32, 255}, {33, 255}), true, 0,
     NET_DROP_BROADCAST},
    {"to the network's broadcast", B_ECHO4, P({33, 255}), true, 0, NET_DROP_BROADCAST},
    {"to the network", B_SYN4, P({33, 0}), true, 0, NET_DROP_BROADCAST},
    {"to 224.25.0.25", B_ECHO4, P({30, 224}), true, 0, NET_DROP_MULTICAST},
    {"NS to another group", B_NS, P({53, 0x26}), true, 0, NET_DROP_MULTICAST},
    {"echo to all nodes", B_ECHO6, P({0, 0x33}, {1, 0x33}, {38, 255}, {39, 2}, {53, 1}), true, 0,
     NET_DROP_MULTICAST},
    {"SYN to all nodes", B_SYN6, P({0, 0x33}, {1, 0x33}, {38, 255}, {39, 2}, {53, 1}), true, 0,
     NET_DROP_MULTICAST},
    {"UDP", B_SYN4, P({23, 17}), true, 0, NET_DROP_PROTOCOL},
    {"UDP fragment", B_FRAGMENT4, P({23, 17}), true, 0, NET_DROP_PROTOCOL},
    {"UDP, IPv6", B_SYN6, P({20, 17}), true, 0, NET_DROP_PROTOCOL},
    {"19 bytes of TCP", B_SYN4, P({17, 39}), true, 53, NET_DROP_TCP_SHORT},
    {"data offset past the end", B_SYN4, P({46, 0xf0}), true, 0, NET_DROP_TCP_SHORT},
    {"data offset 4", B_SYN4, P({46, 0x40}), true, 0, NET_DROP_TCP_HEADER},
    {"data offset 4, IPv6", B_SYN6, P({66, 0x40}), true, 0, NET_DROP_TCP_HEADER},
    {"TCP checksum", B_SYN4, P({38, 0xff}), false, 0, NET_DROP_TCP_CHECKSUM},
    {"TCP checksum, IPv6", B_SYN6, P({58, 0xff}), false, 0, NET_DROP_TCP_CHECKSUM},
    {"option of length 0", B_SYN4, P({55, 0}), true, 0, NET_DROP_TCP_OPTIONS},
    {"from port 0", B_SYN4, P({34, 0}, {35, 0}), true, 0, NET_DROP_TCP_PORT},
    {"to port 0", B_SYN4, P({36, 0}, {37, 0}), true, 0, NET_DROP_TCP_PORT},
    {"seven bytes of ICMP", B_ECHO4, P({17, 27}), true, 41, NET_DROP_ICMP_SHORT},
    {"seven bytes of ICMPv6", B_ECHO6, P({19, 7}), true, 61, NET_DROP_ICMP_SHORT},
    {"ICMP checksum", B_ECHO4, P({40, 0xff}), false, 0, NET_DROP_ICMP_CHECKSUM},
    {"ICMPv6 checksum", B_ECHO6, P({60, 0xff}), false, 0, NET_DROP_ICMP_CHECKSUM},
    {"timestamp request", B_ECHO4, P({34, 13}), true, 0, NET_DROP_ICMP_TYPE},
    {"echo reply", B_ECHO4, P({34, 0}), true, 0, NET_DROP_ICMP_TYPE},
    {"source quench", B_ERROR4, P({34, 4}), true, 0, NET_DROP_ICMP_TYPE},
    {"redirect", B_ERROR4, P({34, 5}), true, 0, NET_DROP_ICMP_TYPE},
    {"echo with a code", B_ECHO4, P({35, 1}), true, 0, NET_DROP_ICMP_TYPE},
    {"echo reply, IPv6", B_ECHO6, P({54, 129}), true, 0, NET_DROP_ICMP_TYPE},
    {"unknown ICMPv6 error", B_ERROR6, P({54, 100}), true, 0, NET_DROP_ICMP_TYPE},
    {"error about UDP", B_ERROR4, P({51, 17}), true, 0, NET_DROP_ICMP_QUOTE},
    {"error about another's flow", B_ERROR4, P({57, 26}), true, 0, NET_DROP_ICMP_QUOTE},
    {"error about UDP, IPv6", B_ERROR6, P({68, 17}), true, 0, NET_DROP_ICMP_QUOTE},
    {"error about another's, IPv6", B_ERROR6, P({85, 0x26}), true, 0, NET_DROP_ICMP_QUOTE},
    {"error to a mapped address", B_ERROR6, P({86, 0}, {87, 0}, {96, 255}, {97, 255}), true, 0,
     NET_DROP_ICMP_QUOTE},
    {"MTU 67", B_ERROR4, P({35, 4}, {41, 67}), true, 0, NET_DROP_ICMP_MTU},
    {"MTU as ours", B_ERROR4, P({35, 4}, {40, 0x05}, {41, 0xdc}), true, 0, NET_DROP_ICMP_MTU},
    {"MTU 1279, IPv6", B_ERROR6, P({54, 2}, {55, 0}, {60, 4}, {61, 255}), true, 0,
     NET_DROP_ICMP_MTU},
    {"MTU beyond 16 bits", B_ERROR6, P({54, 2}, {55, 0}, {58, 1}, {60, 5}), true, 0,
     NET_DROP_ICMP_MTU},
    {"ARP cut off", B_ARP, NONE, false, -1, NET_DROP_ARP_BAD},
    {"RARP", B_ARP, P({21, 3}), false, 0, NET_DROP_ARP_BAD},
    {"ARP from a group MAC", B_ARP, P({22, 3}), false, 0, NET_DROP_ARP_BAD},
    {"ARP from the zero MAC", B_ARP, P({22, 0}, {27, 0}), false, 0, NET_DROP_ARP_BAD},
    {"ARP from 127/8", B_ARP, P({28, 127}), false, 0, NET_DROP_ARP_BAD},
    {"ARP from our broadcast", B_ARP, P({31, 255}), false, 0, NET_DROP_ARP_BAD},
    {"ARP for another", B_ARP, P({41, 26}), false, 0, NET_DROP_ARP_NOT_OURS},
    {"ARP reply of a stranger", B_ARP_REPLY, P({31, 9}), false, 0, NET_DROP_ARP_NOT_OURS},
    {"ARP claims our address", B_ARP, P({31, 25}), false, 0, NET_DROP_ADDRESS_CONFLICT},
    {"ARP reply claims our address", B_ARP_REPLY, P({31, 25}), false, 0, NET_DROP_ADDRESS_CONFLICT},
    {"NA claims our address", B_NA, P({77, 0x25}), true, 0, NET_DROP_ADDRESS_CONFLICT},
    {"NS probes as we do", B_NS, P({19, 24}, {22, 0}, {23, 0}, {37, 0}), true, 78,
     NET_DROP_ADDRESS_CONFLICT},
    {"our ARP", B_ARP, P({27, 0x25}, {31, 25}, {41, 1}), false, 0, NET_DROP_OWN_ECHO},
    {"our ARP probe", B_ARP, P({27, 0x25}, {28, 0}, {29, 0}, {31, 0}), false, 0, NET_DROP_OWN_ECHO},
    {"our NA", B_NA, P({77, 0x25}, {85, 0x25}), true, 0, NET_DROP_OWN_ECHO},
    {"our NS", B_NS, P({11, 0x25}, {19, 24}, {22, 0}, {23, 0}, {37, 0}), true, 78,
     NET_DROP_OWN_ECHO},
    {"ARP reply nobody asked for", B_ARP_REPLY, NONE, false, 0, NET_DROP_NEIGHBOUR_UNASKED},
    {"NA nobody asked for", B_NA, NONE, false, 0, NET_DROP_NEIGHBOUR_UNASKED},
    {"NS from off-link", B_NS, P({21, 254}), true, 0, NET_DROP_ND_HOP_LIMIT},
    {"NA from off-link", B_NA, P({21, 254}), true, 0, NET_DROP_ND_HOP_LIMIT},
    {"MLD query from off-link", B_MLD, P({21, 2}), true, 0, NET_DROP_ND_HOP_LIMIT},
    {"MLD query from a global address", B_MLD, P({22, 0xfd}), true, 0, NET_DROP_ND_HOP_LIMIT},
    {"MLD query with a code", B_MLD, P({63, 1}), true, 0, NET_DROP_ND_BAD},
    {"NS with a code", B_NS, P({55, 1}), true, 0, NET_DROP_ND_BAD},
    {"NS option of length 0", B_NS, P({79, 0}), true, 0, NET_DROP_ND_BAD},
    {"NS for a group", B_NS, P({62, 0xff}), true, 0, NET_DROP_ND_BAD},
    {"NS for a martian", B_NS, P({62, 0}, {63, 0}), true, 0, NET_DROP_ND_BAD},
    {"NS probe with a source MAC", B_NS, P({22, 0}, {23, 0}, {37, 0}), true, 0, NET_DROP_ND_BAD},
    {"NS to all nodes", B_NS, P({49, 0}, {50, 0}, {53, 1}), true, 0, NET_DROP_ND_BAD},
    {"NS with a group MAC", B_NS, P({80, 3}), true, 0, NET_DROP_ND_BAD},
    {"solicited NA to all nodes", B_NA, P({38, 255}, {39, 2}, {53, 1}), true, 0, NET_DROP_ND_BAD},
    {"NA for our mapped address", B_NA,
     P({62, 0}, {63, 0}, {72, 255}, {73, 255}, {74, 10}, {75, 25}, {77, 25}), true, 0,
     NET_DROP_ND_BAD},
    {"NS for another", B_NS, P({62, 0xfc}), true, 0, NET_DROP_ND_NOT_OURS},
    {"NA of a stranger", B_NA, P({77, 0x77}), true, 0, NET_DROP_ND_NOT_OURS},
    {"router solicitation", B_NS, P({54, 133}), true, 0, NET_DROP_ND_IGNORED},
    {"router advertisement", B_NA, P({54, 134}), true, 0, NET_DROP_ND_IGNORED},
    {"redirect, IPv6", B_NA, P({54, 137}), true, 0, NET_DROP_ND_IGNORED},
    {"NS in a fragment", B_FRAGMENT6, P({54, 58}, {62, 135}), false, 0, NET_DROP_ND_FRAGMENT},
    {"NS in an atomic fragment", B_FRAGMENT6, P({21, 255}, {54, 58}, {57, 0}, {62, 135}), true, 0,
     NET_DROP_ND_FRAGMENT},
};
/* clang-format on */

static void drops(void **state)
{
    uint8_t frame[FRAME_ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        size_t n = build_base(r->base, frame);
        struct net_result ret;

        fresh_edge();
        for (unsigned p = 0; p < r->count; p++)
            frame[r->pokes[p].at] = r->pokes[p].value;
        n = r->keep > 0 ? (size_t)r->keep : n - (size_t)-r->keep;
        if (r->fix)
            fix_sums(frame, n);
        ret = input(frame, n);
        print_message("# %s: %s\n", r->name,
                      ret.verdict == NET_DROP ? net_drop_name(ret.drop) : "not dropped");
        assert_int_equal(ret.verdict, NET_DROP);
        assert_int_equal(ret.drop, r->want);
    }
}

static const enum net_verdict base_verdicts[BASES] = {
    [B_SYN4] = NET_TCP,           [B_SYN6] = NET_TCP,
    [B_ECHO4] = NET_ANSWER,       [B_ECHO6] = NET_ANSWER,
    [B_ARP] = NET_ANSWER,         [B_ARP_REPLY] = NET_DROP,
    [B_NS] = NET_ANSWER,          [B_NA] = NET_DROP,
    [B_ERROR4] = NET_ICMP,        [B_ERROR6] = NET_ICMP,
    [B_FRAGMENT4] = NET_FRAGMENT, [B_FRAGMENT6] = NET_FRAGMENT,
    [B_MLD] = NET_LEARNED,
};

static void every_cut(void **state)
{
    uint8_t frame[FRAME_ROOM];

    (void)state;
    for (unsigned base = 0; base < BASES; base++) {
        size_t n = build_base((enum base)base, frame);

        fresh_edge();
        assert_int_equal(input(frame, n).verdict, base_verdicts[base]);
        memset(frame + n, 0xaa, 20); /* padding is nothing */
        assert_int_equal(input(frame, n + 20).verdict, base_verdicts[base]);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(input(frame, cut).verdict, NET_DROP);
    }
}

static void every_byte_changed(void **state)
{
    uint8_t frame[FRAME_ROOM];

    (void)state;
    /* Whatever one byte becomes: no over-read, no crash, and a frame that is not dropped still
     * has a verdict that says what it is. */
    for (unsigned base = 0; base < BASES; base++) {
        size_t n = build_base((enum base)base, frame);

        for (size_t at = 0; at < n; at++) {
            uint8_t was = frame[at];

            fresh_edge();
            for (unsigned value = 0; value < 256; value += 5) {
                frame[at] = (uint8_t)value;
                assert_true(input(frame, n).verdict <= NET_LEARNED);
            }
            frame[at] = was;
        }
    }
}

static void tagged_frames(void **state)
{
    struct net_if port = edge_port();
    uint8_t frame[FRAME_ROOM], tagged[FRAME_ROOM];
    struct net_result ret;
    size_t n = build_base(B_SYN4, frame);

    (void)state;
    memcpy(tagged, frame, 12);
    memcpy(tagged + 12, (const uint8_t[]){0x81, 0x00, 0x60, 0x07}, 4); /* priority 3, VLAN 7 */
    memcpy(tagged + 16, frame + 12, n - 12);
    port.vlan = 7;
    fresh(&port, 1);
    assert_int_equal(input(frame, n).drop, NET_DROP_VLAN);
    ret = input(tagged, n + 4);
    assert_int_equal(ret.verdict, NET_TCP);
    assert_int_equal(ret.seg.path.vlan, 7);
    assert_int_equal(ret.l3_offset, 18);
    tagged[15] = 8;
    assert_int_equal(input(tagged, n + 4).drop, NET_DROP_VLAN);
    tagged[15] = 7;
    tagged[16] = 0x81; /* two tags */
    tagged[17] = 0x00;
    assert_int_equal(input(tagged, n + 4).drop, NET_DROP_ETH_TYPE);
    n = build_base(B_ARP, frame);
    memcpy(tagged, frame, 12);
    memcpy(tagged + 16, frame + 12, n - 12);
    ret = input(tagged, n + 4);
    assert_int_equal(ret.verdict, NET_ANSWER);
    assert_int_equal(ret.answer_bytes, 18 + 28);
    assert_memory_equal(answer + 12, ((const uint8_t[]){0x81, 0x00, 0x00, 0x07}), 4);
    /* Priority-tagged (VLAN 0) frames are untagged ones. */
    fresh_edge();
    tagged[15] = 0;
    ret = input(tagged, n + 4);
    assert_int_equal(ret.verdict, NET_ANSWER);
    assert_int_equal(ret.answer_bytes, 14 + 28);
}

static void segment(void **state)
{
    uint8_t frame[FRAME_ROOM];

    (void)state;
    fresh_edge();
    for (unsigned v6 = 0; v6 < 2; v6++) {
        size_t n = build_base(v6 ? B_SYN6 : B_SYN4, frame);
        struct net_result ret = input(frame, n);
        struct ip_addr remote = v6 ? addr6(9) : addr4(9), local = v6 ? addr6(0x25) : addr4(25);

        assert_int_equal(ret.verdict, NET_TCP);
        assert_int_equal(ret.l3_offset, 14);
        assert_true(ip_equal(&ret.seg.key.remote, &remote) && ip_equal(&ret.seg.key.local, &local));
        assert_int_equal(ret.seg.key.remote_port, 40000);
        assert_int_equal(ret.seg.key.local_port, 25);
        assert_int_equal(ret.seg.ecn, 2);
        assert_int_equal(ret.seg.mss, 1460);
        assert_memory_equal(ret.seg.path.mac, client_mac, 6);
        assert_int_equal(ret.seg.path.vlan, 0);
        assert_int_equal(ret.seg.path.port, 0);
        /* The device's word is taken for the checksums. */
        frame[n - 1] ^= 1;
        assert_int_equal(input(frame, n).drop, NET_DROP_TCP_CHECKSUM);
        net_input(net, 0, guarded(frame, n), true, (struct usec){0}, answer, sizeof(answer), &ret);
        assert_int_equal(ret.verdict, NET_TCP);
    }
}

static void strong_host_model(void **state)
{
    struct net_if ports[2] = {edge_port(), edge_port()};
    uint8_t frame[FRAME_ROOM];
    struct net_result ret;
    size_t n = build_base(B_SYN4, frame);

    (void)state;
    ports[1].addresses[0].ip = addr4(26);
    ports[1].addresses_count = 1;
    ports[1].mac[5] = 0x26;
    fresh(ports, 2);
    assert_int_equal(input(frame, n).verdict, NET_TCP);
    frame[5] = 0x26;
    net_input(net, 1, guarded(frame, n), false, (struct usec){0}, answer, sizeof(answer), &ret);
    assert_int_equal(ret.drop, NET_DROP_NOT_OUR_ADDRESS);
    frame[29] = 26; /* an address of the other port is our own as well */
    frame[5] = 0x25;
    fix_sums(frame, n);
    assert_int_equal(input(frame, n).drop, NET_DROP_OWN_SOURCE);
}

static void too_many_headers(void **state)
{
    struct ip_addr src = addr6(9), dst = addr6(0x25);
    uint8_t frame[FRAME_ROOM];
    size_t n = wire_eth_write(frame, edge_mac, client_mac, 0, ETH_IP6);

    (void)state;
    fresh_edge();
    n += wire_ip6_write(frame + n, &src, &dst, 60, 0, 0, 64, 80);
    for (unsigned i = 0; i < 10; i++, n += 8)
        memcpy(frame + n, (const uint8_t[]){60, 0, 1, 4, 0, 0, 0, 0}, 8);
    assert_int_equal(input(frame, n).drop, NET_DROP_IP_EXTENSIONS);
}

static void echo_limits(void **state)
{
    static uint8_t frame[2 * FRAME_ROOM];
    uint8_t message[FRAME_ROOM] = {ICMP4_ECHO};
    size_t n;

    (void)state;
    fresh_edge();
    n = base_icmp4(frame, message, NET_ANSWER_BYTES - 37); /* one byte too many for the room */
    fix_sums(frame, n);
    assert_int_equal(input(frame, n).drop, NET_DROP_ECHO_SIZE);
    n = build_base(B_ECHO4, frame);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(input(frame, n).verdict, NET_ANSWER);
    assert_int_equal(input(frame, n).drop, NET_DROP_ECHO_RATE);
}

/* Out of frames, only what would be answered is lost. */
static void no_answer_frame(void **state)
{
    static const size_t rooms[] = {0, NET_ANSWER_BYTES - 1};
    uint8_t frame[FRAME_ROOM];

    (void)state;
    for (unsigned base = 0; base < BASES; base++) {
        size_t n = build_base((enum base)base, frame);
        struct net_result with, without;

        fresh_edge();
        with = input(frame, n);
        for (unsigned i = 0; i < ARRAY_LEN(rooms); i++) {
            fresh_edge();
            memset(&without, 0, sizeof(without));
            memset(answer, 0xee, sizeof(answer));
            net_input(net, 0, guarded(frame, n), false, (struct usec){1000000},
                      rooms[i] == 0 ? NULL : answer, rooms[i], &without);
            if (with.verdict == NET_ANSWER) {
                assert_int_equal(without.verdict, NET_DROP);
                assert_int_equal(without.drop, NET_DROP_NO_FRAME);
                seen[without.drop] = true;
            } else {
                assert_int_equal(without.verdict, with.verdict);
                assert_int_equal(without.verdict == NET_DROP ? without.drop : 0,
                                 with.verdict == NET_DROP ? with.drop : 0);
            }
            for (size_t k = 0; k < sizeof(answer); k++)
                assert_int_equal(answer[k], 0xee);
        }
    }
}

static void duplicate(void **state)
{
    uint8_t frame[FRAME_ROOM], out[NET_ANSWER_BYTES];
    unsigned port;
    size_t n = build_base(B_NA, frame);

    (void)state;
    fresh_edge();
    (void)net_tick(net, (struct usec){0}, out, sizeof(out), &port); /* starts the clock */
    frame[77] = 0x25;                                               /* target: ours */
    fix_sums(frame, n);
    assert_int_equal(input(frame, n).drop, NET_DROP_ADDRESS_CONFLICT);
    assert_int_equal(net_address_state(net, 0, 1), NET_ADDRESS_DUPLICATE);
    n = build_base(B_SYN6, frame);
    assert_int_equal(input(frame, n).drop, NET_DROP_ADDRESS_DUPLICATE);
    n = build_base(B_NS, frame);
    assert_int_equal(input(frame, n).drop, NET_DROP_ADDRESS_DUPLICATE);
    n = build_base(B_SYN4, frame);
    assert_int_equal(input(frame, n).verdict, NET_TCP);
}

static void every_reason_seen(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NET_DROPS; i++) {
        if (!seen[i])
            print_message("# never seen: %s\n", net_drop_name(i));
        assert_true(seen[i]);
    }
    free(net);
    net = NULL;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(tagged_frames),
        cmocka_unit_test(segment),
        cmocka_unit_test(strong_host_model),
        cmocka_unit_test(too_many_headers),
        cmocka_unit_test(echo_limits),
        cmocka_unit_test(no_answer_frame),
        cmocka_unit_test(duplicate),
        cmocka_unit_test(every_reason_seen),
    };

    return cmocka_run_group_tests_name("net_input", tests, NULL, NULL);
}
