/* wire_types.h - parsed packets as the rooms above see them: host byte order, borrowed bytes.
 *
 * struct net_path is how to get a frame back to a peer; TCP keeps it without looking inside.
 */
#ifndef WIRE_TYPES_H
#define WIRE_TYPES_H

#include "base_types.h"

#define MAC_BYTES 6

struct net_path {
    uint8_t  mac[MAC_BYTES]; /* next hop */
    uint16_t vlan;           /* 802.1Q tag control, 0: untagged */
    uint8_t  port;           /* index in our configuration */
    uint8_t  reserved[3];
};
_Static_assert(sizeof(struct net_path) == 12, "kept in every connection");

struct tcp_key {
    struct ip_addr remote, local;
    uint16_t       remote_port, local_port;
};

enum tcp_flag {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16,
    TCP_URG = 32,
    TCP_ECE = 64,
    TCP_CWR = 128
};

#define TCP_SACK_BLOCKS_MAX 4
struct tcp_sack_block {
    uint32_t left, right;
};

/* One TCP segment.  On input made by wire_tcp_parse; on output filled by tcp/ and encoded
 * by wire_tcp_write. */
struct tcp_seg {
    struct tcp_key  key;
    struct net_path path;
    uint32_t        seq, ack;
    uint16_t        window;      /* as on the wire, unscaled */
    uint16_t        urgent;
    uint8_t         flags;       /* enum tcp_flag */
    uint8_t         ecn;         /* the IP header's two ECN bits */
    /* options */
    bool            has_mss, has_wscale, has_sack_permitted, has_timestamps;
    uint8_t         wscale;
    uint8_t         sack_count;
    uint16_t        mss;
    uint32_t        ts_val, ts_ecr;
    struct tcp_sack_block sack[TCP_SACK_BLOCKS_MAX];
    struct span     text;        /* input: borrowed from the frame */
};

#endif
