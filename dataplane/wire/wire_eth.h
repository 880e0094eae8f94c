/* wire_eth.h - Ethernet II with at most one 802.1Q tag. Pure. */
#ifndef WIRE_ETH_H
#define WIRE_ETH_H

#include "wire_bytes.h"
#include "wire_types.h"

enum { ETH_IP4 = 0x0800, ETH_ARP = 0x0806, ETH_VLAN = 0x8100, ETH_IP6 = 0x86dd };
#define ETH_HEADER_BYTES     14
#define ETH_VLAN_BYTES       4
#define ETH_VLAN_ID_MASK     0x0fff
#define ETH_HEADER_BYTES_MAX (ETH_HEADER_BYTES + ETH_VLAN_BYTES)

struct wire_eth {
    const uint8_t *dst, *src; /* MAC_BYTES each, borrowed from the frame */
    uint16_t       type;      /* behind the tag; a second tag shows as its own type */
    uint16_t       tci;       /* tag control, 0 when not tagged */
    bool           tagged;
    struct span    payload;   /* may end in padding */
};

extern const uint8_t mac_broadcast[MAC_BYTES];

/* WIRE_OK or WIRE_SHORT. */
enum wire_check wire_eth_parse(struct span frame, struct wire_eth *ret);

/* tci 0: no tag. Header bytes; out has room for ETH_HEADER_BYTES_MAX. */
size_t wire_eth_write(uint8_t *out, const uint8_t dst[MAC_BYTES], const uint8_t src[MAC_BYTES],
                      uint16_t tci, uint16_t type);

static inline bool mac_is_group(const uint8_t mac[MAC_BYTES])
{
    return (mac[0] & 1) != 0;
}

static inline bool mac_is_zero(const uint8_t mac[MAC_BYTES])
{
    return (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) == 0;
}

static inline bool mac_equal(const uint8_t a[MAC_BYTES], const uint8_t b[MAC_BYTES])
{
    return memcmp(a, b, MAC_BYTES) == 0;
}

#endif
