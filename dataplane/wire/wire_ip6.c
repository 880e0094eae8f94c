/* wire_ip6.c - see wire_ip6.h.
 *
 *  0 version:4 class:8 label:20   4 payload length(2), next, hop limit   8 source   24 destination
 *  extension headers: next, length in 8-octet units beyond the first 8, ...
 */
#include "wire_ip6.h"

enum { OPT_PAD1 = 0 };
#define OPT_ACTION_MASK 0xc0 /* RFC 8200 s4.2: 00 skip over, all else discard */

/* What options we know (padding, router alert, ...) asks nothing of us, so one rule does for
 * known and unknown: skip where the action bits say so.  The jumbo payload option is 11. */
static enum wire_check options_check(struct span options)
{
    while (options.len > 0) {
        size_t length;

        if (options.ptr[0] == OPT_PAD1) {
            options = span_skip(options, 1);
            continue;
        }
        if (options.len < 2)
            return WIRE_OPTIONS;
        length = 2u + options.ptr[1];
        if (length > options.len || (options.ptr[0] & OPT_ACTION_MASK) != 0)
            return WIRE_OPTIONS;
        options = span_skip(options, length);
    }
    return WIRE_OK;
}

static bool is_extension(uint8_t next)
{
    return next == IP6_HOP_BY_HOP || next == IP6_ROUTING || next == IP6_FRAGMENT ||
           next == IP6_DEST_OPTIONS;
}

/* Checks the extension header at the start of *rest; *ret_length is what it takes. */
static enum wire_check extension_check(uint8_t kind, bool first, struct span rest,
                                       size_t *ret_length, struct wire_ip6 *ret)
{
    uint16_t offset;

    if (rest.len < 8)
        return WIRE_SHORT;
    *ret_length = kind == IP6_FRAGMENT ? 8 : 8u * (rest.ptr[1] + 1u);
    if (*ret_length > rest.len)
        return WIRE_SHORT;
    switch (kind) {
    case IP6_HOP_BY_HOP:
        if (!first)
            return WIRE_HEADER;
        return options_check(span_of(rest.ptr + 2, *ret_length - 2));
    case IP6_DEST_OPTIONS:
        return options_check(span_of(rest.ptr + 2, *ret_length - 2));
    case IP6_ROUTING:
        return rest.ptr[2] == 0 || rest.ptr[3] != 0 ? WIRE_ROUTE : WIRE_OK;
    default: /* fragment: offset in 8-octet units and M, reserved bits between */
        offset = wire_get16(rest.ptr + 2);
        ret->fragment_header = true;
        ret->fragment = (offset & 0xfff9) != 0;
        ret->fragment_offset = offset & 0xfff8;
        if ((offset & 0xfff8) + rest.len - 8 > UINT16_MAX)
            return WIRE_HEADER;
        return WIRE_OK;
    }
}

static enum wire_check walk(struct span rest, uint8_t next, struct wire_ip6 *ret)
{
    unsigned seen = 0;

    ret->fragment = ret->fragment_header = false;
    ret->fragment_offset = 0;
    while (is_extension(next) && !ret->fragment) {
        size_t length = 0;
        enum wire_check check;

        if (seen == IP6_EXTENSIONS_MAX)
            return WIRE_TOO_MANY;
        check = extension_check(next, seen == 0, rest, &length, ret);
        if (check != WIRE_OK)
            return check;
        next = rest.ptr[0];
        rest = span_skip(rest, length);
        ret->header_bytes += length;
        seen++;
    }
    ret->protocol = next;
    ret->payload = rest;
    return WIRE_OK;
}

static enum wire_check fixed_header(struct span bytes, struct wire_ip6 *ret)
{
    const uint8_t *p = bytes.ptr;
    uint32_t word;

    if (!wire_has(bytes, 0, IP6_HEADER_BYTES))
        return WIRE_SHORT;
    word = wire_get32(p);
    if (word >> 28 != 6)
        return WIRE_VERSION;
    ret->traffic_class = (uint8_t)(word >> 20);
    ret->flow_label = word & 0xfffff;
    ret->hop_limit = p[7];
    memcpy(ret->src.octets, p + 8, 16);
    memcpy(ret->dst.octets, p + 24, 16);
    ret->header_bytes = IP6_HEADER_BYTES;
    return WIRE_OK;
}

enum wire_check wire_ip6_parse(struct span bytes, struct wire_ip6 *ret)
{
    enum wire_check check = fixed_header(bytes, ret);
    size_t length;

    if (check != WIRE_OK)
        return check;
    length = wire_get16(bytes.ptr + 4);
    if (length > bytes.len - IP6_HEADER_BYTES)
        return WIRE_SHORT;
    return walk(span_of(bytes.ptr + IP6_HEADER_BYTES, length), bytes.ptr[6], ret);
}

enum wire_check wire_ip6_parse_quoted(struct span bytes, struct wire_ip6 *ret)
{
    enum wire_check check = fixed_header(bytes, ret);

    if (check != WIRE_OK)
        return check;
    return walk(span_skip(bytes, IP6_HEADER_BYTES), bytes.ptr[6], ret);
}

size_t wire_ip6_write(uint8_t *out, const struct ip_addr *src, const struct ip_addr *dst,
                      uint8_t next, uint8_t traffic_class, uint32_t flow_label, uint8_t hop_limit,
                      uint16_t payload_bytes)
{
    wire_put32(out, 6u << 28 | (uint32_t)traffic_class << 20 | (flow_label & 0xfffff));
    wire_put16(out + 4, payload_bytes);
    out[6] = next;
    out[7] = hop_limit;
    memcpy(out + 8, src->octets, 16);
    memcpy(out + 24, dst->octets, 16);
    return IP6_HEADER_BYTES;
}
