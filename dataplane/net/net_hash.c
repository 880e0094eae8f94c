/* net_hash.c - keyed numbers: which worker owns a flow, IP identification, IPv6 flow label. */
#include "net_private.h"
#include "wire_icmp6.h"
#include "wire_ip4.h"
#include "wire_ip6.h"

#define IP4_TUPLE_BYTES 12

/* An independent key for each use, so that what one use shows tells nothing about another. */
static void derive(const uint8_t secret[32], uint8_t use, uint8_t *out, size_t n)
{
    uint8_t input[HASH_KEY_BYTES + 2], block[16];

    memcpy(input, secret + HASH_KEY_BYTES, HASH_KEY_BYTES);
    input[16] = use;
    for (uint8_t i = 0; n > 0; i++) {
        size_t take = n < sizeof(block) ? n : sizeof(block);

        input[17] = i;
        hash_sip128(secret, span_of(input, sizeof(input)), block);
        memcpy(out, block, take);
        out += take;
        n -= take;
    }
}

void net_hash_init(struct net *net, const uint8_t secret[32])
{
    uint8_t key[NET_RSS_KEY_BYTES];
    uint64_t seed;

    derive(secret, 1, net->id_key, sizeof(net->id_key));
    derive(secret, 2, (uint8_t *)&seed, sizeof(seed));
    rand_seed(&net->rand, seed, 0);
    derive(secret, 3, key, sizeof(key));
    net_set_rss_key(net, key);
}

/* The 32 key bits that input bit `bit` (0 is the first byte's highest) brings in. */
static uint32_t key_window(const uint8_t key[NET_RSS_KEY_BYTES], unsigned bit)
{
    const uint8_t *p = key + bit / 8;
    uint64_t five = (uint64_t)wire_get32(p) << 8 | p[4];

    _Static_assert((NET_TUPLE_BYTES * 8 - 1) / 8 + 4 < NET_RSS_KEY_BYTES, "the last window fits");
    return (uint32_t)(five >> (8 - bit % 8));
}

void net_set_rss_key(struct net *net, const uint8_t key[NET_RSS_KEY_BYTES])
{
    memcpy(net->rss_key, key, NET_RSS_KEY_BYTES);
    for (unsigned at = 0; at < NET_TUPLE_BYTES; at++) {
        uint32_t *row = net->toeplitz[at];

        row[0] = 0;
        for (unsigned value = 1; value < 256; value++) {
            unsigned low = (unsigned)__builtin_ctz(value);

            row[value] = row[value & (value - 1)] ^ key_window(key, at * 8 + 7 - low);
        }
    }
}

void net_rss_key(const struct net *net, uint8_t ret_key[NET_RSS_KEY_BYTES])
{
    memcpy(ret_key, net->rss_key, NET_RSS_KEY_BYTES);
}

static uint32_t toeplitz(const struct net *net, const uint8_t *tuple, size_t n)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < n; i++)
        hash ^= net->toeplitz[i][tuple[i]];
    return hash;
}

uint32_t net_key_hash(const struct net *net, const struct tcp_key *key)
{
    uint8_t tuple[NET_TUPLE_BYTES];
    bool v4 = ip_is_v4(&key->remote);
    size_t skip = v4 ? 12 : 0, bytes = 16 - skip;

    memcpy(tuple, key->remote.octets + skip, bytes);
    memcpy(tuple + bytes, key->local.octets + skip, bytes);
    wire_put16(tuple + 2 * bytes, key->remote_port);
    wire_put16(tuple + 2 * bytes + 2, key->local_port);
    return toeplitz(net, tuple, v4 ? IP4_TUPLE_BYTES : NET_TUPLE_BYTES);
}

static uint32_t tcp_hash(const struct net *net, const struct ip_addr *src,
                         const struct ip_addr *dst, struct span segment)
{
    struct tcp_key key = {.remote = *src, .local = *dst};

    if (segment.len < 4)
        return 0;
    key.remote_port = wire_get16(segment.ptr);
    key.local_port = wire_get16(segment.ptr + 2);
    return net_key_hash(net, &key);
}

/* Whoever sent the quoted segment is us. */
static uint32_t quoted_hash(const struct net *net, const struct wire_icmp_flow *flow)
{
    struct tcp_key key = {.remote = flow->dst,
                          .local = flow->src,
                          .remote_port = flow->dst_port,
                          .local_port = flow->src_port};

    return net_key_hash(net, &key);
}

static uint32_t hash4(const struct net *net, struct span packet)
{
    struct wire_icmp_flow flow;
    struct wire_ip4 ip;
    uint8_t type;

    if (wire_ip4_parse(packet, true, &ip) != WIRE_OK || wire_ip4_is_fragment(&ip))
        return 0;
    if (ip.protocol == IP_TCP)
        return tcp_hash(net, &ip.src, &ip.dst, ip.payload);
    if (ip.protocol != IP_ICMP || ip.payload.len < ICMP_HEADER_BYTES)
        return 0;
    type = ip.payload.ptr[0];
    if (type != ICMP4_UNREACHABLE && type != ICMP4_TIME_EXCEEDED && type != ICMP4_PARAMETER)
        return 0;
    if (wire_icmp4_flow(span_skip(ip.payload, ICMP_HEADER_BYTES), &flow) != WIRE_OK)
        return 0;
    return quoted_hash(net, &flow);
}

static uint32_t hash6(const struct net *net, struct span packet)
{
    struct wire_icmp_flow flow;
    struct wire_ip6 ip;

    if (wire_ip6_parse(packet, &ip) != WIRE_OK || ip.fragment)
        return 0;
    if (ip.protocol == IP_TCP)
        return tcp_hash(net, &ip.src, &ip.dst, ip.payload);
    if (ip.protocol != IP_ICMP6 || ip.payload.len < ICMP_HEADER_BYTES ||
        ip.payload.ptr[0] < ICMP6_UNREACHABLE || ip.payload.ptr[0] > ICMP6_PARAMETER)
        return 0;
    if (wire_icmp6_flow(span_skip(ip.payload, ICMP_HEADER_BYTES), &flow) != WIRE_OK)
        return 0;
    return quoted_hash(net, &flow);
}

uint32_t net_flow_hash(const struct net *net, unsigned port, struct span frame)
{
    struct wire_eth eth;

    (void)port;
    if (wire_eth_parse(frame, &eth) != WIRE_OK)
        return 0;
    if (eth.type == ETH_IP4)
        return hash4(net, eth.payload);
    return eth.type == ETH_IP6 ? hash6(net, eth.payload) : 0;
}

/* RFC 7739 s5.3 asks that identifications cannot be guessed from those of other destinations.
 * Our datagrams are atomic (DF set), so they need not be unique (RFC 6864 s4.1) and no counter,
 * which all workers would write, is kept: a keyed function of the segment is enough. */
uint16_t net_ip_id(const struct net *net, const struct tcp_seg *seg, size_t text_bytes)
{
    uint8_t input[8 + 20];

    memcpy(input, seg->key.local.octets + 12, 4);
    memcpy(input + 4, seg->key.remote.octets + 12, 4);
    wire_put16(input + 8, seg->key.local_port);
    wire_put16(input + 10, seg->key.remote_port);
    wire_put32(input + 12, seg->seq);
    wire_put32(input + 16, seg->ack);
    wire_put32(input + 20, seg->has_timestamps ? seg->ts_val : 0);
    wire_put32(input + 24, (uint32_t)seg->flags << 16 | (uint32_t)(text_bytes & 0xffff));
    return (uint16_t)hash_sip(net->id_key, span_of(input, sizeof(input)));
}

uint16_t net_ip_id_echo(const struct net *net, const struct ip_addr *src, const struct ip_addr *dst,
                        uint32_t rest)
{
    uint8_t input[12];

    memcpy(input, src->octets + 12, 4);
    memcpy(input + 4, dst->octets + 12, 4);
    wire_put32(input + 8, rest);
    return (uint16_t)hash_sip(net->id_key, span_of(input, sizeof(input)));
}

uint32_t net_flow_label(const struct net *net, const struct tcp_key *key) /* RFC 6437 s3 */
{
    uint8_t input[NET_TUPLE_BYTES];

    memcpy(input, key->local.octets, 16);
    memcpy(input + 16, key->remote.octets, 16);
    wire_put16(input + 32, key->local_port);
    wire_put16(input + 34, key->remote_port);
    return (uint32_t)hash_sip(net->id_key, span_of(input, sizeof(input))) & 0xfffff;
}
