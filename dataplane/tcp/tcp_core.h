/* tcp_core.h - one core's TCP from the inside: what the files of this floor share.
 *
 * Each group of functions below belongs to the file named above it; only that file writes the
 * fields it names.  Nothing here is for the floors above: they see tcp.h.
 */
#ifndef TCP_CORE_H
#define TCP_CORE_H

#include "base_hash.h"
#include "base_must.h"
#include "base_pool.h"
#include "base_seq.h"
#include "base_wheel.h"
#include "tcp_cc.h"
#include "tcp_conn.h"
#include "tcp_limits.h"

/* Heads of chains through indices, index + 1; zeroed memory is an empty table. */
struct tcp_table {
    uint32_t *heads;
    uint32_t  mask;
};

/* First in, first out, through the embryos' next and prev; index + 1. */
struct tcp_fifo {
    uint32_t head, tail;
};

/* The local end of embryos, shared by all that came in by it with the same waits. */
struct tcp_door {
    struct ip_addr  ip;
    uint64_t        hash;
    uint32_t        tag;
    uint32_t        wait_ticks, hold_ticks;
    uint32_t        users;
    struct tcp_fifo waiting; /* handshake done, in order of it */
    uint16_t        port, vlan;
    uint8_t         net_port;
    uint16_t        chain;             /* index + 1 */
    uint16_t        next_busy, prev_busy; /* doors where somebody waits: index + 1 */
};

enum tcp_embryo_flag {
    E_TIMESTAMPS = 1 << 0,
    E_SACK       = 1 << 1,
    E_WSCALE     = 1 << 2,
    E_EARLY      = 1 << 3, /* the client talked before its time */
    E_FIN        = 1 << 4, /* … and has nothing more to say, after the text kept */
    E_RTX        = 1 << 5  /* SYN-ACK sent more than once, and which was answered is not known */
};

/* Which list an embryo is on: a SYN-ACK stage, its door's waiting list, or one of two. */
enum tcp_place {
    P_STAGE_LAST = TCP_SYN_ACKS_MAX - 1,
    P_WAITING,
    P_READY,  /* its event has not been fetched */
    P_HANDED  /* fetched; to be promoted or reset */
};

/* SYN received, or handshake just done and nothing said yet.  Our initial sequence number is
 * not kept: it is tcp_isn() of the tuple and born. */
struct tcp_embryo {
    struct ip_addr remote;
    uint16_t       remote_port;
    uint16_t       door;
    uint8_t        mac[MAC_BYTES];
    uint16_t       mss;
    uint32_t       born;   /* 4 us units */
    uint32_t       irs;
    uint32_t       ts_recent;
    uint32_t       chain;  /* index + 1 */
    uint32_t       next, prev; /* index + 1 */
    uint32_t       early;  /* block of early text, index + 1 */
    uint32_t       since;  /* tick when it came to its present list, once the handshake is done */
    uint16_t       window; /* as on the wire */
    uint8_t        flags;  /* enum tcp_embryo_flag */
    uint8_t        place : 4, wscale : 4;
};
_Static_assert(sizeof(struct tcp_embryo) == 64, "one line");

/* TIME-WAIT.  The tuple is known by its keyed hash (2^-64 to be mistaken); every answer goes
 * back the way its question came, so no path is kept. */
struct tcp_wait {
    uint64_t hash;
    uint32_t rcv_nxt, snd_nxt;
    uint32_t ts_recent;
    uint32_t since; /* tick */
    uint32_t chain; /* index + 1 */
    uint16_t flags; /* enum tcp_wait_flag */
    uint16_t remote_port;
};
enum tcp_wait_flag { W_LIVE = 1, W_TIMESTAMPS = 2 };
_Static_assert(sizeof(struct tcp_wait) == 32, "twelve million of them: 384 MB");

/* At most about n a second, the exact number drawn anew each second so that nobody can count
 * what is left from outside (CVE-2016-5696). */
struct tcp_valve {
    uint64_t second;
    uint32_t left;
};

struct tcp {
    struct tcp_config config;
    struct tcp_out    out;
    struct count     *counters;
    const struct tcp_cc *cc;
    struct usec       now;     /* of this turn */
    uint8_t           rcv_wscale;
    uint8_t           isn_key[HASH_KEY_BYTES], ts_key[HASH_KEY_BYTES], valve_key[HASH_KEY_BYTES];
    uint64_t          valve_draws;
    struct hash_quick hash;
    struct tcp_valve  challenges, resets;

    struct pool      conns, embryos, blocks;
    uint32_t         live; /* connections that are in the table */
    struct tcp_table conn_table, embryo_table, wait_table;
    struct wheel     wheel;
    uint32_t         event_head, event_tail; /* connections: slot + 1 */
    uint32_t         touch_head;             /* connections: slot + 1 */

    struct tcp_fifo stage[TCP_SYN_ACKS_MAX], ready, handed;
    struct tcp_door doors[TCP_DOORS_MAX];
    uint16_t        door_heads[TCP_DOORS_MAX];
    uint16_t        doors_fresh, door_free, busy_doors;

    struct tcp_wait *waits; /* ring: oldest at wait_tail, free running */
    uint64_t         wait_head, wait_tail;
    uint32_t         wait_live;
};

static inline void tcp_count(struct tcp *tcp, enum tcp_counter what)
{
    count_one(&tcp->counters[what]);
}

static inline uint32_t tcp_tick(const struct tcp *tcp)
{
    return (uint32_t)(tcp->now.us >> TCP_TICK_SHIFT);
}

/* Ticks from then to now; 0 where then lies ahead. */
static inline uint32_t tcp_age(const struct tcp *tcp, uint32_t then)
{
    uint32_t age = tcp_tick(tcp) - then;

    return (int32_t)age > 0 ? age : 0;
}

static inline struct tcp_conn *tcp_conn_of(const struct tcp *tcp, uint32_t slot)
{
    return pool_at(&tcp->conns, slot);
}

static inline struct tcp_embryo *tcp_embryo_of(const struct tcp *tcp, uint32_t index)
{
    return pool_at(&tcp->embryos, index);
}

static inline struct tcp_block *tcp_block_of(const struct tcp *tcp, uint32_t index)
{
    return pool_at(&tcp->blocks, index);
}

/* tcp_table.c - finding what a segment belongs to */
static inline uint64_t tcp_hash(const struct tcp *tcp, const struct tcp_key *key)
{
    return hash_quick(&tcp->hash, key, sizeof(*key));
}
uint32_t         tcp_table_heads(uint32_t entries); /* a power of two, at least 1 */
bool             tcp_key_equal(const struct tcp_key *a, const struct tcp_key *b);
struct tcp_conn *tcp_conn_find(struct tcp *tcp, const struct tcp_key *key, uint64_t hash);
void             tcp_conn_link(struct tcp *tcp, struct tcp_conn *c, uint64_t hash);
void             tcp_conn_unlink(struct tcp *tcp, struct tcp_conn *c);
struct tcp_embryo *tcp_embryo_find(struct tcp *tcp, const struct tcp_key *key, uint64_t hash);
void tcp_embryo_link(struct tcp *tcp, uint32_t index, uint64_t hash);
void tcp_embryo_unlink(struct tcp *tcp, uint32_t index, uint64_t hash);
struct tcp_wait *tcp_wait_find(struct tcp *tcp, const struct tcp_key *key, uint64_t hash);
void tcp_wait_link(struct tcp *tcp, struct tcp_wait *w);
void tcp_wait_unlink(struct tcp *tcp, struct tcp_wait *w);

/* tcp_isn.c - numbers that nobody can guess */
void     tcp_isn_init(struct tcp *tcp);
uint32_t tcp_isn(const struct tcp *tcp, const struct tcp_key *key, uint32_t born);
uint32_t tcp_ts_offset(const struct tcp *tcp, const struct tcp_key *key);
bool     tcp_valve_take(struct tcp *tcp, struct tcp_valve *valve, uint32_t per_second);

/* tcp_door.c - local ends and the lists of waiting embryos */
uint32_t tcp_door_take(struct tcp *tcp, const struct tcp_seg *syn, uint32_t tag, uint32_t wait_ticks,
                       uint32_t hold_ticks); /* index or POOL_NONE; one user more */
void tcp_door_give(struct tcp *tcp, uint32_t door);
void tcp_embryo_place(struct tcp *tcp, struct tcp_embryo *e, unsigned place); /* at the tail */
void tcp_embryo_unplace(struct tcp *tcp, struct tcp_embryo *e);

/* tcp_listen.c - passive open */
enum tcp_in tcp_embryo_input(struct tcp *tcp, struct tcp_embryo *e, const struct tcp_seg *seg);
struct tcp_key tcp_embryo_key(const struct tcp *tcp, const struct tcp_embryo *e);
void     tcp_embryo_free(struct tcp *tcp, struct tcp_embryo *e);
uint32_t tcp_listen_timers(struct tcp *tcp, uint32_t budget); /* how many it took */
struct usec tcp_listen_due(const struct tcp *tcp);

/* tcp_promote.c - embryo to connection: only the public tcp_promote, tcp_embryo_reset */

/* tcp_states.c - a connection's life from slot to slot */
struct tcp_conn *tcp_conn_take(struct tcp *tcp, const struct tcp_key *key,
                               const struct net_path *path, enum tcp_state state);
void tcp_enter(struct tcp_conn *c, enum tcp_state state);
/* The end: out of the tables, blocks given back, TCP_EV_GONE queued. */
void tcp_gone(struct tcp *tcp, struct tcp_conn *c, enum tcp_gone why);
void tcp_event_queue(struct tcp *tcp, struct tcp_conn *c);
void tcp_touch(struct tcp *tcp, struct tcp_conn *c);
void tcp_ack_now(struct tcp *tcp, struct tcp_conn *c);

/* tcp_input.c */
void tcp_challenge(struct tcp *tcp, struct tcp_conn *c);

/* tcp_connect.c - SYN-SENT and SYN-RECEIVED of connections opened by us */
enum tcp_in tcp_syn_sent_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg);
void        tcp_syn_output(struct tcp *tcp, struct tcp_conn *c);
void        tcp_syn_timeout(struct tcp *tcp, struct tcp_conn *c);

/* tcp_ack.c - RTT, window, loss */
/* false: the segment goes no further (RFC 5961 s5). *ret_room: the writer may go on. */
bool tcp_ack_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg, bool *ret_room);
void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us);
void tcp_rtx_timeout(struct tcp *tcp, struct tcp_conn *c);
uint32_t tcp_pipe(const struct tcp *tcp, const struct tcp_conn *c); /* bytes taken to be on the way */
/* What to send again next: [*ret_seq, *ret_seq + *ret_max) starts it; false: nothing. */
bool tcp_rtx_next(const struct tcp *tcp, const struct tcp_conn *c, uint32_t *ret_seq,
                  uint32_t *ret_max);
void tcp_retransmit_all(struct tcp *tcp, struct tcp_conn *c); /* without blaming congestion */

/* tcp_sack.c - scoreboard of what the peer has, report of what we have */
bool     tcp_sack_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg); /* news? */
uint32_t tcp_sacked_bytes(const struct tcp *tcp, const struct tcp_conn *c, uint32_t low,
                          uint32_t high);
uint32_t tcp_sack_lost_edge(const struct tcp *tcp, const struct tcp_conn *c);
uint32_t tcp_sack_skip(const struct tcp *tcp, const struct tcp_conn *c, uint32_t seq,
                       uint32_t *ret_max);
void     tcp_sack_clear(struct tcp *tcp, struct tcp_conn *c);
void     tcp_sack_report(struct tcp *tcp, struct tcp_conn *c, struct tcp_seg *seg, unsigned room);
void     tcp_sack_seen(struct tcp *tcp, struct tcp_conn *c, uint32_t seq); /* out of order, kept */

/* tcp_text.c - input */
bool tcp_text_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg);
void tcp_text_drop_borrowed(struct tcp *tcp, struct tcp_conn *c);
void tcp_fin_check(struct tcp *tcp, struct tcp_conn *c);

/* tcp_keep.c - input that must be kept: unread or out of order, in blocks */
uint32_t tcp_keep(struct tcp *tcp, struct tcp_conn *c, uint32_t seq, struct span text);
void     tcp_keep_absorb(struct tcp *tcp, struct tcp_conn *c);
void     tcp_keep_free(struct tcp *tcp, struct tcp_conn *c);
bool     tcp_keep_may_take(const struct tcp *tcp);
uint32_t tcp_block_take(struct tcp *tcp, uint32_t seq);

/* tcp_send.c - output that is written and unacknowledged, in blocks */
unsigned tcp_send_gather(const struct tcp *tcp, const struct tcp_conn *c, uint32_t seq, uint32_t len,
                         struct span pieces[TCP_PIECES_MAX], uint32_t *ret_len);
void     tcp_send_acked(struct tcp *tcp, struct tcp_conn *c); /* gives back what is below snd_una */
void     tcp_send_free(struct tcp *tcp, struct tcp_conn *c);

/* tcp_output.c - segments leave */
void     tcp_output(struct tcp *tcp, struct tcp_conn *c);
void     tcp_output_probe(struct tcp *tcp, struct tcp_conn *c); /* one byte past the window */
void     tcp_output_keepalive(struct tcp *tcp, struct tcp_conn *c);
void     tcp_output_ack(struct tcp *tcp, struct tcp_conn *c);
bool     tcp_emit(struct tcp *tcp, const struct tcp_seg *seg, const struct span *text,
                  unsigned pieces);
uint32_t tcp_effective_mss(const struct tcp_conn *c);

/* tcp_reset.c - RST, to strangers and to peers */
void tcp_reset_stranger(struct tcp *tcp, const struct tcp_seg *seg); /* RFC 9293 s3.10.7.1 */
void tcp_reset_conn(struct tcp *tcp, const struct tcp_conn *c);
void tcp_reset_at(struct tcp *tcp, const struct tcp_seg *seg); /* <SEQ=SEG.ACK><CTL=RST> */

/* tcp_timer.c */
/* Runs one of the connection's deadlines in so many ticks from now; 0 ticks: next tick. */
void tcp_timer_set(struct tcp *tcp, struct tcp_conn *c, uint32_t *due, uint64_t us);
void tcp_linger_start(struct tcp *tcp, struct tcp_conn *c);

/* tcp_wait.c */
void        tcp_wait_enter(struct tcp *tcp, struct tcp_conn *c); /* … and the connection is gone */
enum tcp_in tcp_wait_input(struct tcp *tcp, struct tcp_wait *w, const struct tcp_seg *seg);
void        tcp_wait_drop(struct tcp *tcp, struct tcp_wait *w);
uint32_t    tcp_wait_timers(struct tcp *tcp, uint32_t budget);
struct usec tcp_wait_due(const struct tcp *tcp);

#endif
