/* wire_eth.c - see wire_eth.h. */
#include "wire_eth.h"

const uint8_t mac_broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

enum wire_check wire_eth_parse(struct span frame, struct wire_eth *ret)
{
    const uint8_t *p = frame.ptr;

    if (!wire_has(frame, 0, ETH_HEADER_BYTES))
        return WIRE_SHORT;
    ret->dst = p;
    ret->src = p + MAC_BYTES;
    ret->type = wire_get16(p + 12);
    ret->tagged = ret->type == ETH_VLAN;
    ret->tci = 0;
    if (!ret->tagged) {
        ret->payload = span_skip(frame, ETH_HEADER_BYTES);
        return WIRE_OK;
    }
    if (!wire_has(frame, ETH_HEADER_BYTES, ETH_VLAN_BYTES))
        return WIRE_SHORT;
    ret->tci = wire_get16(p + 14);
    ret->type = wire_get16(p + 16);
    ret->payload = span_skip(frame, ETH_HEADER_BYTES_MAX);
    return WIRE_OK;
}

size_t wire_eth_write(uint8_t *out, const uint8_t dst[MAC_BYTES], const uint8_t src[MAC_BYTES],
                      uint16_t tci, uint16_t type)
{
    memcpy(out, dst, MAC_BYTES);
    memcpy(out + MAC_BYTES, src, MAC_BYTES);
    if (tci == 0) {
        wire_put16(out + 12, type);
        return ETH_HEADER_BYTES;
    }
    wire_put16(out + 12, ETH_VLAN);
    wire_put16(out + 14, tci);
    wire_put16(out + 16, type);
    return ETH_HEADER_BYTES_MAX;
}
