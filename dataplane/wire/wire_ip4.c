/* wire_ip4.c - see wire_ip4.h.
 *
 *  0 version:4 ihl:4, tos, total length(2)   4 id(2), flags:3 offset:13
 *  8 ttl, protocol, checksum(2)   12 source   16 destination   20 options
 */
#include "wire_ip4.h"

#include "wire_sum.h"

#define IP4_DF 0x4000
#define IP4_MF 0x2000

enum { OPT_END = 0, OPT_NOP = 1, OPT_LSRR = 131, OPT_SSRR = 137 };

static enum wire_check options_check(struct span options)
{
    while (options.len > 0) {
        uint8_t kind = options.ptr[0];
        size_t length = 1;

        if (kind == OPT_END)
            return WIRE_OK;
        if (kind == OPT_LSRR || kind == OPT_SSRR)
            return WIRE_ROUTE;
        if (kind != OPT_NOP) {
            length = options.len > 1 ? options.ptr[1] : 0;
            if (length < 2 || length > options.len)
                return WIRE_OPTIONS;
        }
        options = span_skip(options, length);
    }
    return WIRE_OK;
}

enum wire_check wire_ip4_parse_quoted(struct span bytes, struct wire_ip4 *ret)
{
    const uint8_t *p = bytes.ptr;
    uint16_t flags;

    if (!wire_has(bytes, 0, IP4_HEADER_BYTES))
        return WIRE_SHORT;
    if (p[0] >> 4 != 4)
        return WIRE_VERSION;
    ret->header_bytes = (uint8_t)((p[0] & 15) * 4);
    if (ret->header_bytes < IP4_HEADER_BYTES)
        return WIRE_HEADER;
    if (ret->header_bytes > bytes.len)
        return WIRE_SHORT;
    flags = wire_get16(p + 6);
    ret->tos = p[1];
    ret->total_length = wire_get16(p + 2);
    ret->id = wire_get16(p + 4);
    ret->dont_fragment = (flags & IP4_DF) != 0;
    ret->more_fragments = (flags & IP4_MF) != 0;
    ret->fragment_offset = (uint16_t)((flags & 0x1fff) * 8);
    ret->ttl = p[8];
    ret->protocol = p[9];
    ret->src = ip_from_v4(wire_get32(p + 12));
    ret->dst = ip_from_v4(wire_get32(p + 16));
    ret->has_options = ret->header_bytes > IP4_HEADER_BYTES;
    ret->payload = span_skip(bytes, ret->header_bytes);
    return WIRE_OK;
}

enum wire_check wire_ip4_parse(struct span bytes, bool checksum_good, struct wire_ip4 *ret)
{
    enum wire_check check = wire_ip4_parse_quoted(bytes, ret);

    if (check != WIRE_OK)
        return check;
    if (ret->total_length < ret->header_bytes)
        return WIRE_HEADER;
    if (ret->total_length > bytes.len)
        return WIRE_SHORT;
    if (!checksum_good && wire_sum_finish(wire_sum_add(0, span_of(bytes.ptr, ret->header_bytes))))
        return WIRE_SUM;
    ret->payload.len = (size_t)ret->total_length - ret->header_bytes;
    /* A fragment that would end beyond the largest packet (the "ping of death"). */
    if (ret->fragment_offset + (size_t)ret->total_length > UINT16_MAX)
        return WIRE_HEADER;
    if (!ret->has_options)
        return WIRE_OK;
    return options_check(
        span_of(bytes.ptr + IP4_HEADER_BYTES, (size_t)ret->header_bytes - IP4_HEADER_BYTES));
}

size_t wire_ip4_write(uint8_t *out, const struct ip_addr *src, const struct ip_addr *dst,
                      uint8_t protocol, uint8_t tos, uint8_t ttl, uint16_t id,
                      uint16_t payload_bytes)
{
    out[0] = 0x45;
    out[1] = tos;
    wire_put16(out + 2, (uint16_t)(IP4_HEADER_BYTES + payload_bytes));
    wire_put16(out + 4, id);
    wire_put16(out + 6, IP4_DF);
    out[8] = ttl;
    out[9] = protocol;
    wire_put16(out + 10, 0);
    memcpy(out + 12, src->octets + 12, 4);
    memcpy(out + 16, dst->octets + 12, 4);
    wire_put16(out + 10, wire_sum_finish(wire_sum_add(0, span_of(out, IP4_HEADER_BYTES))));
    return IP4_HEADER_BYTES;
}
