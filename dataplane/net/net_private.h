/* net_private.h - what the files of this room share: limits, the state, the walk of a frame.
 *
 * Nobody outside dataplane/net includes it, except this room's own tests.
 */
#ifndef NET_PRIVATE_H
#define NET_PRIVATE_H

#include <stdatomic.h>

#include "base_hash.h"
#include "base_must.h"
#include "base_rand.h"
#include "net.h"
#include "wire_eth.h"

/* Limits. */
#define NET_ECHO_PER_SECOND 1000 /* packets of answer */
#define NET_ECHO_BURST      200
#define NET_TTL             64
#define NET_MTU_MIN         68 /* RFC 791 */

#define NET_SECOND_US UINT64_C(1000000)
/* RFC 5227 s1.1 and RFC 4861 s10, RFC 4862 s5.1. */
#define NET_PROBE_WAIT_US     (1 * NET_SECOND_US) /* random delay before the first probe */
#define NET_PROBE_MIN_US      (1 * NET_SECOND_US)
#define NET_PROBE_MAX_US      (2 * NET_SECOND_US)
#define NET_ANNOUNCE_WAIT_US  (2 * NET_SECOND_US)
#define NET_ANNOUNCE_US       (2 * NET_SECOND_US)
#define NET_DEFEND_US         (10 * NET_SECOND_US)
#define NET_RETRANS_US        (1 * NET_SECOND_US)
#define NET_REACHABLE_US      (30 * NET_SECOND_US)
#define NET_NEIGH_BACKOFF_US  (30 * NET_SECOND_US)
#define NET_DUPLICATE_US      (60 * NET_SECOND_US) /* then a duplicate is tried again */
#define NET_MLD_RESPONSE_MAX_US (10 * NET_SECOND_US)
/* Tries: unicast to the known MAC, then to all, then the MAC is forgotten. */
#define NET_NEIGH_UNICAST_TRIES 3
#define NET_NEIGH_TRIES         6

#define NET_NEVER      ((struct usec){.us = UINT64_MAX})
#define NET_OWN_MAX    (NET_ADDRESSES_MAX + 1) /* and the link-local one */
#define NET_OWN_NONE   UINT32_MAX
#define NET_TUPLE_BYTES 36 /* IPv6: 16 + 16 + 2 + 2 */

struct net_own { /* an address of ours on one port */
    struct ip_addr  ip;
    uint8_t         prefix;
    bool            v4;
    bool            derived;      /* the link-local one that nobody configured: no TCP */
    _Atomic uint8_t state;        /* enum net_address_state */
    uint8_t         step;         /* of the claim: net_claim.c */
    struct usec     due;          /* next step */
    struct usec     report_due;   /* MLD */
    struct usec     defended;
    bool            has_defended;
};

struct net_gateway {
    struct ip_addr   ip;
    uint32_t         source; /* index of the address we ask from, or NET_OWN_NONE */
    _Atomic uint64_t hop;    /* MAC | HOP_KNOWN; one word, so that readers never see it torn */
    bool             asked;  /* a question is open */
    bool             has_asked;
    uint8_t          tries;
    struct usec      due, last;
};

struct net_port {
    struct net_if      cfg;
    struct net_own     own[NET_OWN_MAX];
    struct net_gateway gateway[NET_GATEWAYS_MAX];
    uint32_t           own_count;
};

struct net {
    struct net_port ports[NET_PORTS_MAX];
    unsigned        count;
    uint8_t         own_filter[32]; /* last octets of all our addresses: most sources miss it */
    uint8_t         id_key[HASH_KEY_BYTES];
    uint8_t         rss_key[NET_RSS_KEY_BYTES];
    struct rand     rand;
    bool            started;
    struct usec     tick_due;
    struct usec     echo_at;
    uint64_t        echo_tokens_us; /* microseconds of credit */
    uint32_t        toeplitz[NET_TUPLE_BYTES][256];
};

/* One frame on its way through. */
struct net_in {
    struct net        *net;
    struct net_port   *port;
    struct wire_eth    eth;
    struct net_path    path;
    struct usec        now;
    uint8_t           *answer;
    size_t             answer_room;
    struct net_result *ret;
    struct ip_addr     src, dst;
    struct net_own    *own;       /* dst, if unicast and ours */
    uint8_t            hop_limit; /* IPv6 */
    bool               fragment_header;
};

static inline void net_drop(struct net_in *in, enum net_drop reason)
{
    in->ret->verdict = NET_DROP;
    in->ret->drop = reason;
}

static inline void net_answer(struct net_in *in, size_t bytes)
{
    in->ret->verdict = NET_ANSWER;
    in->ret->answer_bytes = bytes;
}

/* Before an answer is written.  false: there is no frame for it, and the drop is set. */
static inline bool net_can_answer(struct net_in *in)
{
    if (in->answer_room >= NET_ANSWER_BYTES)
        return true;
    net_drop(in, NET_DROP_NO_FRAME);
    return false;
}

static inline enum net_address_state own_state(const struct net_own *own)
{
    return (enum net_address_state)atomic_load_explicit(&own->state, memory_order_relaxed);
}

static inline void own_state_set(struct net_own *own, enum net_address_state state)
{
    atomic_store_explicit(&own->state, (uint8_t)state, memory_order_relaxed);
}

static inline void net_wake(struct net *net, struct usec due)
{
    if (due.us < net->tick_due.us)
        net->tick_due = due;
}

/* net_if.c */
uint32_t net_own_find(const struct net_port *port, const struct ip_addr *ip); /* or NET_OWN_NONE */
bool     net_is_own(const struct net *net, const struct ip_addr *ip);         /* on any port */
bool     net_is_martian(const struct net_port *port, const struct ip_addr *ip);
bool     net_is_broadcast(const struct net_port *port, const struct ip_addr *ip);
bool     net_same_prefix(const struct ip_addr *a, const struct ip_addr *b, uint8_t prefix, bool v4);
/* A solicited-node group of ours, or all nodes. */
bool net_is_our_group(const struct net_port *port, const struct ip_addr *group);
/* The MAC for a peer: see net_if.reply_by_gateway. false: none. */
bool net_next_hop(const struct net_port *port, const struct ip_addr *local,
                  const struct ip_addr *remote, const uint8_t mac[MAC_BYTES],
                  uint8_t ret_mac[MAC_BYTES]);
/* Ethernet header of a frame of ours from this port; its length. */
size_t net_eth(const struct net_port *port, uint8_t *out, const uint8_t dst[MAC_BYTES],
               uint16_t type);

/* net_hash.c */
void     net_hash_init(struct net *net, const uint8_t secret[32]);
uint16_t net_ip_id(const struct net *net, const struct tcp_seg *seg, size_t text_bytes);
uint16_t net_ip_id_echo(const struct net *net, const struct ip_addr *src,
                        const struct ip_addr *dst, uint32_t rest);
uint32_t net_flow_label(const struct net *net, const struct tcp_key *key);

/* net_neigh.c: gateways. */
void   net_neigh_init(struct net_port *port);
void   net_neigh_start(struct net_port *port, struct usec now);
size_t net_neigh_tick(struct net_port *port, struct usec now, uint8_t *out);
struct usec net_neigh_due(const struct net_port *port);
/* A claim that ip is at mac; solicited: by its form an answer to us. false: ip is no gateway;
 * else the verdict is set. */
bool net_neigh_heard(struct net_in *in, const struct ip_addr *ip, const uint8_t mac[MAC_BYTES],
                     bool solicited, bool override);
bool net_neigh_hop(const struct net_port *port, bool v4, uint8_t ret_mac[MAC_BYTES]);

/* net_claim.c: our addresses. */
void   net_claim_start(struct net *net, struct net_port *port, struct usec now);
size_t net_claim_tick(struct net *net, struct net_port *port, struct usec now, uint8_t *out);
struct usec net_claim_due(const struct net_port *port);
void   net_claim_conflict(struct net_in *in, struct net_own *own); /* sets the verdict */
void   net_claim_report(struct net_in *in, const struct ip_addr *group, uint64_t within_us);

/* net_arp.c, net_nd.c, net_icmp.c: one message in, the verdict set. */
struct wire_icmp;
void net_arp_input(struct net_in *in);
void net_nd_input(struct net_in *in, const struct wire_icmp *icmp);
void net_mld_input(struct net_in *in, const struct wire_icmp *icmp, struct span message);
void net_icmp4_input(struct net_in *in, struct span message);
void net_icmp6_input(struct net_in *in, struct span message);

#endif
