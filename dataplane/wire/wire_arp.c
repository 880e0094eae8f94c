/* wire_arp.c - see wire_arp.h.
 *
 *  0 htype(2) ptype(2) hlen plen op(2)   8 sha(6)  14 spa(4)   18 tha(6)  24 tpa(4)
 */
#include "wire_arp.h"

#include "wire_eth.h"

#define ARP_ETHERNET 1

enum wire_check wire_arp_parse(struct span bytes, struct wire_arp *ret)
{
    const uint8_t *p = bytes.ptr;

    if (!wire_has(bytes, 0, ARP_BYTES))
        return WIRE_SHORT;
    ret->operation = wire_get16(p + 6);
    if (wire_get16(p) != ARP_ETHERNET || wire_get16(p + 2) != ETH_IP4 || p[4] != MAC_BYTES ||
        p[5] != 4 || (ret->operation != ARP_REQUEST && ret->operation != ARP_REPLY))
        return WIRE_UNKNOWN;
    memcpy(ret->sender_mac, p + 8, MAC_BYTES);
    memcpy(ret->target_mac, p + 18, MAC_BYTES);
    ret->sender = ip_from_v4(wire_get32(p + 14));
    ret->target = ip_from_v4(wire_get32(p + 24));
    return WIRE_OK;
}

size_t wire_arp_write(uint8_t *out, const struct wire_arp *arp)
{
    wire_put16(out, ARP_ETHERNET);
    wire_put16(out + 2, ETH_IP4);
    out[4] = MAC_BYTES;
    out[5] = 4;
    wire_put16(out + 6, arp->operation);
    memcpy(out + 8, arp->sender_mac, MAC_BYTES);
    memcpy(out + 14, arp->sender.octets + 12, 4);
    memcpy(out + 18, arp->target_mac, MAC_BYTES);
    memcpy(out + 24, arp->target.octets + 12, 4);
    return ARP_BYTES;
}
