/* wire_icmp4.c - see wire_icmp4.h. */
#include "wire_icmp4.h"

#include "wire_ip4.h"
#include "wire_sum.h"

#define QUOTED_TCP_BYTES 8 /* ports and sequence number; RFC 792 promises no more */

enum wire_check wire_icmp4_parse(struct span bytes, struct wire_icmp *ret)
{
    if (!wire_has(bytes, 0, ICMP_HEADER_BYTES))
        return WIRE_SHORT;
    if (wire_sum_finish(wire_sum_add(0, bytes)) != 0)
        return WIRE_SUM;
    ret->type = bytes.ptr[0];
    ret->code = bytes.ptr[1];
    ret->rest = wire_get32(bytes.ptr + 4);
    ret->body = span_skip(bytes, ICMP_HEADER_BYTES);
    return WIRE_OK;
}

enum wire_check wire_icmp4_flow(struct span body, struct wire_icmp_flow *ret)
{
    struct wire_ip4 ip;
    enum wire_check check = wire_ip4_parse_quoted(body, &ip);

    if (check != WIRE_OK)
        return check;
    if (ip.protocol != IP_TCP || ip.fragment_offset != 0)
        return WIRE_UNKNOWN;
    if (!wire_has(ip.payload, 0, QUOTED_TCP_BYTES))
        return WIRE_SHORT;
    ret->src = ip.src;
    ret->dst = ip.dst;
    ret->src_port = wire_get16(ip.payload.ptr);
    ret->dst_port = wire_get16(ip.payload.ptr + 2);
    ret->seq = wire_get32(ip.payload.ptr + 4);
    ret->packet_bytes = ip.total_length;
    return WIRE_OK;
}

size_t wire_icmp4_echo_reply(uint8_t *out, struct span request)
{
    uint16_t before = wire_get16(request.ptr), after = (uint16_t)(before & 0x00ff);

    memcpy(out, request.ptr, request.len);
    out[0] = ICMP4_ECHO_REPLY;
    wire_put16(out + 2, wire_sum_update16(wire_get16(request.ptr + 2), before, after));
    return request.len;
}
