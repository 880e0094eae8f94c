/* wire_icmp6.c - see wire_icmp6.h. */
#include "wire_icmp6.h"

#include "wire_ip4.h"
#include "wire_ip6.h"
#include "wire_sum.h"

enum { ND_OPT_SOURCE_MAC = 1, ND_OPT_TARGET_MAC = 2 };
enum { MLD2_CHANGE_TO_EXCLUDE = 4 };

#define QUOTED_TCP_BYTES 8

const struct ip_addr ip6_all_nodes = {
    .octets = {0xff, 0x02, [15] = 1}
};
const struct ip_addr ip6_unspecified;

static uint64_t pseudo(const struct ip_addr *src, const struct ip_addr *dst, size_t length)
{
    return wire_sum_pseudo6(src->octets, dst->octets, IP_ICMP6, (uint32_t)length);
}

enum wire_check wire_icmp6_parse(struct span bytes, const struct ip_addr *src,
                                 const struct ip_addr *dst, struct wire_icmp *ret)
{
    /* MLD's and ND's eight bytes are there in every message we know. */
    if (!wire_has(bytes, 0, ICMP_HEADER_BYTES))
        return WIRE_SHORT;
    if (wire_sum_finish(wire_sum_add(pseudo(src, dst, bytes.len), bytes)) != 0)
        return WIRE_SUM;
    ret->type = bytes.ptr[0];
    ret->code = bytes.ptr[1];
    ret->rest = wire_get32(bytes.ptr + 4);
    ret->body = span_skip(bytes, ICMP_HEADER_BYTES);
    return WIRE_OK;
}

enum wire_check wire_icmp6_flow(struct span body, struct wire_icmp_flow *ret)
{
    struct wire_ip6 ip;
    enum wire_check check = wire_ip6_parse_quoted(body, &ip);

    if (check != WIRE_OK)
        return check;
    if (ip.protocol != IP_TCP || ip.fragment)
        return WIRE_UNKNOWN;
    if (!wire_has(ip.payload, 0, QUOTED_TCP_BYTES))
        return WIRE_SHORT;
    ret->src = ip.src;
    ret->dst = ip.dst;
    ret->src_port = wire_get16(ip.payload.ptr);
    ret->dst_port = wire_get16(ip.payload.ptr + 2);
    ret->seq = wire_get32(ip.payload.ptr + 4);
    ret->packet_bytes = IP6_HEADER_BYTES + (uint32_t)wire_get16(body.ptr + 4);
    return WIRE_OK;
}

static size_t finish(uint8_t *out, size_t n, const struct ip_addr *src, const struct ip_addr *dst)
{
    wire_put16(out + 2, 0);
    wire_put16(out + 2, wire_sum_finish(wire_sum_add(pseudo(src, dst, n), span_of(out, n))));
    return n;
}

size_t wire_icmp6_echo_reply(uint8_t *out, struct span request, const struct ip_addr *src,
                             const struct ip_addr *dst)
{
    memcpy(out, request.ptr, request.len);
    out[0] = ICMP6_ECHO_REPLY;
    return finish(out, request.len, src, dst);
}

enum wire_check wire_nd_parse(const struct wire_icmp *icmp, struct wire_nd *ret)
{
    struct span options;

    if (icmp->code != 0)
        return WIRE_HEADER;
    if (!wire_has(icmp->body, 0, 16))
        return WIRE_SHORT;
    memcpy(ret->target.octets, icmp->body.ptr, 16);
    if (ip6_is_multicast(&ret->target))
        return WIRE_HEADER;
    ret->flags = (uint8_t)(icmp->rest >> 24);
    ret->has_source_mac = ret->has_target_mac = false;
    options = span_skip(icmp->body, 16);
    while (options.len > 0) {
        size_t length = options.len > 1 ? 8u * options.ptr[1] : 0;

        if (length == 0 || length > options.len)
            return WIRE_OPTIONS;
        if (options.ptr[0] == ND_OPT_SOURCE_MAC && length == ND_OPTION_BYTES) {
            ret->has_source_mac = true;
            memcpy(ret->source_mac, options.ptr + 2, MAC_BYTES);
        }
        if (options.ptr[0] == ND_OPT_TARGET_MAC && length == ND_OPTION_BYTES) {
            ret->has_target_mac = true;
            memcpy(ret->target_mac, options.ptr + 2, MAC_BYTES);
        }
        options = span_skip(options, length);
    }
    return WIRE_OK;
}

size_t wire_nd_write(uint8_t *out, uint8_t type, uint8_t flags, const struct ip_addr *target,
                     const uint8_t *mac, const struct ip_addr *src, const struct ip_addr *dst)
{
    size_t n = ND_BYTES;

    memset(out, 0, ND_BYTES);
    out[0] = type;
    out[4] = flags;
    memcpy(out + 8, target->octets, 16);
    if (mac != NULL) {
        out[n] = type == ICMP6_NS ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC;
        out[n + 1] = 1;
        memcpy(out + n + 2, mac, MAC_BYTES);
        n += ND_OPTION_BYTES;
    }
    return finish(out, n, src, dst);
}

size_t wire_mld2_write(uint8_t *out, const struct ip_addr *group, const struct ip_addr *src,
                       const struct ip_addr *dst)
{
    static const uint8_t alert[8] = {IP_ICMP6, 0, 5, 2, 0, 0, 1, 0}; /* RFC 2711, then PadN */
    uint8_t *report = out + sizeof(alert);

    memcpy(out, alert, sizeof(alert));
    memset(report, 0, MLD2_REPORT_BYTES - sizeof(alert));
    report[0] = ICMP6_MLD2_REPORT;
    wire_put16(report + 6, 1); /* records */
    report[8] = MLD2_CHANGE_TO_EXCLUDE;
    memcpy(report + 12, group->octets, 16);
    return sizeof(alert) + finish(report, MLD2_REPORT_BYTES - sizeof(alert), src, dst);
}

struct ip_addr ip6_solicited_node(const struct ip_addr *ip)
{
    struct ip_addr group = {
        .octets = {0xff, 0x02, [11] = 0x01, [12] = 0xff}
    };

    memcpy(group.octets + 13, ip->octets + 13, 3);
    return group;
}

struct ip_addr ip6_link_local(const uint8_t mac[MAC_BYTES])
{
    struct ip_addr ip = {
        .octets = {0xfe, 0x80, [11] = 0xff, [12] = 0xfe}
    };

    memcpy(ip.octets + 8, mac, 3);
    memcpy(ip.octets + 13, mac + 3, 3);
    ip.octets[8] ^= 0x02; /* universal/local bit */
    return ip;
}

void ip6_multicast_mac(const struct ip_addr *group, uint8_t mac[MAC_BYTES])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, group->octets + 12, 4);
}
