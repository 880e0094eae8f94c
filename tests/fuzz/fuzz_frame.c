/* fuzz_frame.c - any frames at the street door.
 *
 * Input: one byte of options, then frames, each after a 16-bit length.  Holds: nothing is read or
 * written out of bounds; without an answer frame nothing is answered; a TCP verdict survives
 * encoding and parsing by the far side; an answer is itself a frame that parses and is no larger
 * than what it answers (no amplifier) but for ARP's and ND's fixed sizes; what has a flow hash
 * other than 0 changes nothing shared.
 */
#include <stdlib.h>

#include "base_must.h"
#include "net.h"
#include "wire_bytes.h"
#include "wire_tcp.h"

#define FRAMES_MAX         64
#define ANSWER_BYTES_LEAST 90 /* tagged NA with its option */

#define LARGE_BYTES 16384

enum {
    OPT_CHECKSUM_GOOD = 1,
    OPT_VLAN = 2,
    OPT_BY_GATEWAY = 4,
    OPT_STARTED = 8,
    OPT_NO_FRAME = 16,
    OPT_LARGE = 32 /* the answer has the room of a reassembled packet */
};

static struct net *door, *far_side;

static void setup(uint8_t options)
{
    static const uint8_t secret[32] = {1};
    struct net_if port = {
        .mac = {2, 0, 0, 0, 0, 0x25},
        .mtu = 1500,
        .vlan = options & OPT_VLAN ? 7 : 0,
        .addresses_count = 2,
        .gateways_count = 2,
        .reply_by_gateway = (options & OPT_BY_GATEWAY) != 0
    };

    port.addresses[0] = (struct net_address){.ip = ip_from_v4(0x0a190019), .prefix = 24};
    port.addresses[1] =
        (struct net_address){.ip = {.octets = {0xfd, 0x25, [15] = 0x25}}, .prefix = 64};
    port.gateways[0] = ip_from_v4(0x0a190001);
    port.gateways[1] = (struct ip_addr){
        .octets = {0xfd, 0x25, [15] = 1}
    };
    if (door == NULL) {
        door = aligned_alloc(64, net_bytes());
        far_side = aligned_alloc(64, net_bytes());
        must(door != NULL && far_side != NULL);
    }
    net_init(door, &port, 1, secret);
}

/* Our segment to the peer of got must read the same at the peer's own door. */
static void encode_and_compare(const struct tcp_seg *got, uint16_t vlan)
{
    static const uint8_t secret[32] = {2};
    static uint8_t out[70000], answer[NET_ANSWER_BYTES];
    struct net_if port = {.mtu = 65535, .vlan = vlan, .addresses_count = 1};
    struct tcp_seg seg = *got;
    struct net_result ret;
    struct net_lens lens;
    size_t n;

    seg.key = (struct tcp_key){.remote = got->key.remote,
                               .local = got->key.local,
                               .remote_port = got->key.remote_port,
                               .local_port = got->key.local_port};
    n = net_encode(door, &seg, &got->text, 1, false, out, sizeof(out), &lens);
    if (n == 0)
        return; /* larger than our MTU */
    memcpy(port.mac, out, MAC_BYTES);
    port.addresses[0] = (struct net_address){.ip = got->key.remote, .prefix = 32};
    net_init(far_side, &port, 1, secret);
    net_input(far_side, 0, span_of(out, n), false, (struct usec){0}, answer, sizeof(answer), &ret);
    must(ret.verdict == NET_TCP);
    must(ret.seg.seq == got->seq && ret.seg.ack == got->ack && ret.seg.flags == got->flags);
    must(ret.seg.window == got->window && ret.seg.ecn == got->ecn);
    must(ret.seg.has_timestamps == got->has_timestamps && ret.seg.ts_val == got->ts_val);
    must(ret.seg.has_mss == got->has_mss && ret.seg.mss == got->mss);
    must(ret.seg.wscale == got->wscale && ret.seg.has_sack_permitted == got->has_sack_permitted);
    must(span_equal(ret.seg.text, got->text));
}

static void one_frame(struct span frame, uint8_t options, struct usec now)
{
    static uint8_t again[NET_ANSWER_BYTES];
    size_t room = options & OPT_NO_FRAME ? 0 : options & OPT_LARGE ? LARGE_BYTES : NET_ANSWER_BYTES;
    uint8_t *answer = room > 0 ? malloc(room) : NULL;
    uint32_t hash = net_flow_hash(door, 0, frame);
    struct usec due = net_next_due(door);
    struct net_result ret = {.drop = NET_DROPS};

    must(room == 0 || answer != NULL);
    net_input(door, 0, frame, (options & OPT_CHECKSUM_GOOD) != 0, now, answer, room, &ret);
    must(ret.verdict != NET_ANSWER || ret.answer_bytes <= room);
    must(hash == 0 || ret.verdict == NET_DROP || ret.verdict == NET_TCP || ret.verdict == NET_ICMP);
    must(hash == 0 || net_next_due(door).us == due.us);
    switch (ret.verdict) {
    case NET_DROP:
        must(ret.drop < NET_DROPS);
        break;
    case NET_TCP:
        must(ret.seg.text.len <= frame.len);
        must(net_key_hash(door, &ret.seg.key) == hash);
        encode_and_compare(&ret.seg, options & OPT_VLAN ? 7 : 0);
        break;
    case NET_ANSWER:
        must(ret.answer_bytes <= frame.len || ret.answer_bytes <= ANSWER_BYTES_LEAST);
        net_input(door, 0, span_of(answer, ret.answer_bytes), false, now, again, sizeof(again),
                  &ret);
        must(ret.verdict == NET_DROP); /* ours never answers ours */
        break;
    case NET_ICMP: {
        struct tcp_key key = ret.icmp_key;

        must(net_key_hash(door, &key) == hash && ret.icmp_mtu < 1500);
        break;
    }
    case NET_FRAGMENT:
    case NET_LEARNED:
        break;
    }
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[NET_ANSWER_BYTES];
    struct span rest = span_of(data, size);
    struct usec now = {0};
    unsigned port;
    uint8_t options;

    if (rest.len == 0)
        return 0;
    options = rest.ptr[0];
    rest = span_skip(rest, 1);
    setup(options);
    for (unsigned i = 0; i < FRAMES_MAX && rest.len >= 2; i++) {
        size_t n = wire_get16(rest.ptr);
        uint8_t *frame;

        rest = span_skip(rest, 2);
        n = n < rest.len ? n : rest.len;
        /* Its own allocation, so that an over-read of one byte is seen. */
        frame = malloc(n > 0 ? n : 1);
        must(frame != NULL);
        memcpy(frame, rest.ptr, n);
        rest = span_skip(rest, n);
        one_frame(span_of(frame, n), options, now);
        free(frame);
        now = usec_add(now, 700000);
        if (options & OPT_STARTED)
            for (unsigned k = 0; k < 32 && net_tick(door, now, out, sizeof(out), &port) > 0; k++)
                ;
    }
    return 0;
}
