/* wire_arp.h - ARP for IPv4 over Ethernet (RFC 826). Pure. */
#ifndef WIRE_ARP_H
#define WIRE_ARP_H

#include "wire_bytes.h"
#include "wire_types.h"

#define ARP_BYTES 28
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct wire_arp {
    uint16_t       operation;
    uint8_t        sender_mac[MAC_BYTES], target_mac[MAC_BYTES];
    struct ip_addr sender, target; /* mapped form */
};

/* WIRE_SHORT; WIRE_UNKNOWN: not IPv4 over Ethernet, or neither request nor reply. */
enum wire_check wire_arp_parse(struct span bytes, struct wire_arp *ret);

/* out has room for ARP_BYTES, which is what is written. */
size_t wire_arp_write(uint8_t *out, const struct wire_arp *arp);

#endif
