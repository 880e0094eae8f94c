/* net.h - the street door: frames to segments, and answers that need nobody above.
 *
 * Pure: bytes in, a verdict out.  ARP, NDP and ICMP echo are answered here into a frame the
 * caller gives; TCP comes out parsed and checksum-verified; everything else is a drop with a
 * reason from net_drops.def.  A destination address is accepted only on the port it is
 * configured on (strong host model, RFC 1122 s3.3.4.2).
 *
 * Besides the configured addresses each port has the link-local one made from its MAC
 * (RFC 4291 A): neighbour discovery and echo are answered on it, TCP is not.
 *
 * Our addresses are probed for duplicates at start but used at once: IPv6 as optimistic
 * addresses (RFC 4429), out of use for a minute when another station has one; IPv4
 * likewise but never given up, only defended (RFC 5227 s2.4 c).  All conflicts are counted
 * as drops, reason address_conflict.
 *
 * Neighbours: only the configured gateways are ever resolved, so nothing that a stranger sends
 * can make an entry; an answer counts only while a question of ours is open, any other claim
 * merely makes us ask again.
 *
 * Threads: struct net is written by the main lcore before the workers start.  Neighbours,
 * address states and the echo limit have one writer, the owner worker (worker 0): net_tick, and
 * net_input of frames whose net_flow_hash is 0, are its alone.  net_input of other frames and
 * net_encode are any worker's; they may see an entry change between two looks, never a torn
 * one.  Clock: now passed in.  Memory: none taken.
 */
#ifndef NET_H
#define NET_H

#include "base_types.h"
#include "wire_types.h"

#define NET_PORTS_MAX 8
#define NET_ADDRESSES_MAX 64
#define NET_GATEWAYS_MAX 4

struct net_address {
    struct ip_addr ip;
    uint8_t        prefix; /* bits of the IPv4 or IPv6 form */
};

struct net_if { /* one port */
    uint8_t            mac[MAC_BYTES];
    uint16_t           mtu;
    uint16_t           vlan;             /* 1..4094; 0: untagged or priority-tagged frames only */
    uint8_t            addresses_count, gateways_count;
    /* Off-link peers by the resolved gateway; else, and while none is resolved, and for peers
     * in the prefix of the local address: to the MAC the frame came from. */
    bool               reply_by_gateway;
    struct net_address addresses[NET_ADDRESSES_MAX];
    struct ip_addr     gateways[NET_GATEWAYS_MAX];
};

struct net; /* all ports, neighbours; opaque, one for the process */

/* Memory 64-byte aligned; its content does not matter.  count: 1..NET_PORTS_MAX. */
size_t      net_bytes(void);
struct net *net_init(void *memory, const struct net_if *ports, unsigned count,
                     const uint8_t secret[32]);

/* Why a frame was dropped: net_drops.def. The caller counts, each worker in its own memory. */
enum net_drop {
#define NET_DROP(id, reason, help) NET_DROP_##id,
#include "net_drops.def"
#undef NET_DROP
    NET_DROPS
};
const char *net_drop_name(unsigned drop);   /* "ip_checksum" */
const char *net_drop_metric(unsigned drop); /* "sluice_net_drops_total{reason=\"ip_checksum\"}" */
const char *net_drop_help(unsigned drop);

enum net_verdict {
    NET_DROP,     /* to be counted under ret->drop */
    NET_TCP,      /* ret->seg */
    /* ret->answer_bytes were written to the answer frame: send on the same port.  An IP packet
     * larger than the MTU (an echo reply only, for a request that came in fragments) is the
     * caller's to fragment, its IPv4 "don't fragment" bit notwithstanding. */
    NET_ANSWER,
    NET_FRAGMENT, /* an IP fragment for us: reassemble and come back with the whole packet */
    NET_ICMP,     /* an ICMP error about one of our TCP flows: ret->icmp_* */
    NET_LEARNED   /* neighbours or reports due changed, nothing to send at once */
};

struct net_result {
    enum net_verdict verdict;
    unsigned         drop;         /* enum net_drop */
    size_t           answer_bytes;
    unsigned         l3_offset;    /* where the IP header starts */
    struct tcp_seg   seg;
    struct tcp_key   icmp_key;     /* ours as local */
    uint32_t         icmp_seq;
    uint16_t         icmp_mtu;  /* too big: what fits, below our MTU, not below 68 (1280); else 0 */
    bool             icmp_hard; /* port or protocol unreachable */
};

/* checksum_good: the device has verified L3 and L4 checksums (of IP and TCP; ICMP's are always
 * checked here).  Only what the verdict names is set in *ret, and ret->l3_offset unless dropped.
 * A whole packet that comes back after NET_FRAGMENT is a frame like any other: with an Ethernet
 * header, its IP length and (unless checksum_good) IPv4 header checksum put right; it may be
 * larger than the MTU.
 *
 * answer: room for one frame, NET_ANSWER_BYTES at least, or what a whole packet is as large as:
 * echo requests are answered up to answer_room, larger ones dropped.  With less room (NULL, 0
 * when no frame is free) what would be answered is dropped, reason no_frame; all else, TCP above
 * all, is as it would be. */
#define NET_ANSWER_BYTES 2048
void net_input(struct net *net, unsigned port, struct span frame, bool checksum_good,
               struct usec now, uint8_t *answer, size_t answer_room, struct net_result *ret);

/* The flow's hash, the same for its segments and for ICMP errors about it; owner worker =
 * hash % workers.  It is 0 for all frames that are neither TCP nor an ICMP error about a TCP
 * flow, fragments among them: the owner of neighbours and fragments is worker 0.  Any bytes may
 * come; whether the addresses are ours is not looked at (a drop can be counted anywhere).
 *
 * Toeplitz over source address, destination address, source port, destination port, as a NIC
 * computes it for RSS TCP/IPv4 and TCP/IPv6; the key is made from the secret unless set. */
#define NET_RSS_KEY_BYTES 40
void     net_set_rss_key(struct net *net, const uint8_t key[NET_RSS_KEY_BYTES]);
void     net_rss_key(const struct net *net, uint8_t ret_key[NET_RSS_KEY_BYTES]); /* for a NIC */
uint32_t net_flow_hash(const struct net *net, unsigned port, struct span frame);
uint32_t net_key_hash(const struct net *net, const struct tcp_key *key); /* remote is the source */

/* Encodes seg with Ethernet (802.1Q), IPv4/IPv6 and TCP headers and its payload (the pieces;
 * seg->text is not looked at) into out.  Frame length, or 0 if it does not fit in room or in the
 * port's MTU or if there is no next hop at all (active open before the gateway is resolved).
 * Checksums: all in software unless l4_offload, then the TCP checksum field holds the
 * pseudo-header sum.  The IPv4 header checksum is always right.  *ret_lens is set with and without
 * offload when a frame was written. */
struct net_lens {
    uint16_t l2, l3, l4;
};
size_t net_encode(struct net *net, const struct tcp_seg *seg, const struct span *text,
                  unsigned pieces, bool l4_offload, uint8_t *out, size_t room,
                  struct net_lens *ret_lens);

/* Periodic: duplicate detection and announcement of our addresses (ARP, ND), MLD reports, gateway
 * resolution and its refresh.  Writes one frame at a time (room: NET_ANSWER_BYTES); 0 when there
 * is none due: cheap enough for each turn.  The first call starts the clock. */
size_t      net_tick(struct net *net, struct usec now, uint8_t *out, size_t room,
                     unsigned *ret_port);
struct usec net_next_due(const struct net *net); /* when net_tick has something to do again */

/* The multicast MACs that the port must let in (all-nodes and solicited-node groups): how many
 * were written, at most NET_MULTICAST_MAX. */
#define NET_MULTICAST_MAX (NET_ADDRESSES_MAX + 2)
unsigned net_multicast(const struct net *net, unsigned port, uint8_t (*macs)[MAC_BYTES],
                       unsigned room);

/* For status. */
enum net_address_state { NET_ADDRESS_TENTATIVE, NET_ADDRESS_VALID, NET_ADDRESS_DUPLICATE };
enum net_address_state net_address_state(const struct net *net, unsigned port, unsigned index);
/* false: not resolved now. */
bool net_gateway_mac(const struct net *net, unsigned port, unsigned index,
                     uint8_t ret_mac[MAC_BYTES]);

#endif
