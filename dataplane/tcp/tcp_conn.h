/* tcp_conn.h - the control block of one connection.
 *
 * 256 bytes: the first 128 are all that an in-order segment and its reply need, the rest is
 * loss recovery, timers and the way back to the peer.  Names are those of RFC 9293 s3.3.1.
 * Blocks hold what must be kept: tx_* unacknowledged output, rx_* input that is unread or out
 * of order; an idle connection holds none.
 *
 * Receive side:       rcv_read        rcv_nxt              rcv_adv
 *      ... consumed -----|-- unread ----|---- window --------|
 *                          in blocks      out of order in blocks, gaps between them
 * Borrowed text (text, text_len) starts at rcv_nxt and is not ours until it is consumed or
 * settled into blocks: rcv_nxt never passes a byte that could still be dropped.
 *
 * Send side:  snd_una -- in flight -- snd_nxt -- written -- snd_end (then FIN)
 */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "base_seq.h"
#include "base_wheel.h"
#include "tcp.h"
#include "tcp_limits.h"

enum tcp_state_number {
#define STATE(name, next) TCP_STATE_##name,
#include "tcp_states.def"
#undef STATE
    TCP_STATES
};
/* Bits, so that sets of states are masks.  0 is a free slot. */
enum tcp_state {
#define STATE(name, next) TCP_##name = 1 << TCP_STATE_##name,
#include "tcp_states.def"
#undef STATE
};

enum tcp_conn_flag {
    C_TIMESTAMPS = 1 << 0, /* negotiated */
    C_SACK       = 1 << 1,
    C_WSCALE     = 1 << 2,
    C_ACK_NOW    = 1 << 3,  /* an ACK leaves at the next flush */
    C_TOUCHED    = 1 << 4,  /* on the flush list */
    C_EVENT      = 1 << 5,  /* on the event list */
    C_CLOSED     = 1 << 6,  /* tcp_close() was called: FIN follows the text, input is discarded */
    C_FIN_SENT   = 1 << 7,  /* at snd_end, at least once */
    C_FIN_KNOWN  = 1 << 8,  /* the peer's FIN stands at rcv_fin */
    C_FIN_TAKEN  = 1 << 9,  /* … and everything before it has been received */
    C_PERSIST    = 1 << 10, /* due_rtx is the persist timer */
    C_RTX_NOW    = 1 << 11, /* one retransmission whatever the window says */
    C_RTT        = 1 << 12, /* a round trip is being timed, to rtt_seq */
    C_WANT_ROOM  = 1 << 13, /* a write was cut short: tell when there is room */
    C_STARVED    = 1 << 14, /* … and it was the pool that was empty */
    C_DSACK      = 1 << 15, /* dsack_left … right is to be reported */
    C_LATE       = 1 << 16, /* the peer sent text after our close */
    C_PUSH_SYN   = 1 << 17, /* SYN or SYN-ACK leaves at the next flush (active open) */
    C_WHY_SHIFT  = 24       /* enum tcp_gone, once CLOSED */
};

/* How loss is being repaired (tcp_ack.c). */
enum tcp_loss {
    TCP_LOSS_OPEN,    /* no sign of loss */
    TCP_LOSS_FAST,    /* fast recovery, until recover is acknowledged */
    TCP_LOSS_TIMEOUT  /* everything below recover is taken for lost */
};

struct tcp_conn {
    /* hot */
    _Alignas(CACHE_LINE_BYTES) struct tcp_key key;
    uint32_t       slot;
    uint32_t       flags; /* enum tcp_conn_flag */
    uint16_t       state; /* enum tcp_state; only tcp_enter() writes it */
    uint16_t       mss;   /* most text in a segment to the peer, before options */
    uint32_t       snd_una, snd_nxt, snd_wnd, snd_wl1, snd_end;
    uint32_t       rcv_nxt, rcv_adv, rcv_acked, rcv_read; /* rcv_acked: last ACK sent */
    uint32_t       ts_recent;
    const uint8_t *text; /* borrowed from the frame */
    uint32_t       text_len;
    uint32_t       tx_head, tx_tail, rx_head; /* blocks; POOL_NONE: none */
    uint32_t       rx_last;    /* the block that ends at rcv_nxt; POOL_NONE: nothing is unread */
    uint32_t       chain;      /* in the table: index + 1 */
    uint32_t       event_next; /* index + 1 */
    uint32_t       touch_next; /* index + 1 */
    /* cold */
    struct net_path   path;
    uint32_t          srtt_us8, rttvar_us4; /* scaled by 8 and 4; 0: no sample yet */
    uint32_t          rto_us;               /* before backing off */
    uint32_t          cwnd, ssthresh;
    uint32_t          recover; /* snd_nxt when loss was last noticed */
    uint32_t          snd_rtx; /* everything lost below this has been sent again */
    uint32_t          snd_wnd_max;
    uint32_t          ts_offset;
    uint32_t          rtt_seq, rtt_at_us;
    uint32_t          due_rtx, due_ack, due_life; /* ticks; 0: not running */
    uint32_t          progress_at; /* tick of the last sign that our text arrives */
    uint32_t          heard_at;    /* tick of the last acceptable segment */
    uint32_t          challenge_at;
    uint32_t          rcv_fin;
    uint32_t          dsack_left, dsack_right;
    uint32_t          ofo_clock;      /* goes on with every segment out of order */
    uint32_t          generation;     /* uses of this slot */
    uint8_t           loss;           /* enum tcp_loss */
    uint8_t           dup_acks, retries, probes;
    uint16_t          rcv_mss; /* largest text seen: what "full segment" means for delayed ACKs */
    uint8_t           snd_wscale, rcv_wscale;
    struct wheel_node timer;
};
_Static_assert(sizeof(struct tcp_key) == 36, "hashed as bytes, so without padding");
_Static_assert(offsetof(struct tcp_conn, path) == 128, "two lines for the common case");
_Static_assert(sizeof(struct tcp_conn) == 256, "128 hot, 128 cold");

/* What is kept.  The scoreboard of the peer's SACKs lives in the first unacknowledged block:
 * there is one exactly when there is something that can be selectively acknowledged.  Received
 * blocks have no scoreboard, but know when the latest segment came for them. */
struct tcp_block {
    uint32_t next;
    uint32_t seq;
    uint16_t len;
    uint16_t sacked_count;
    union {
        struct tcp_sack_block sacked[TCP_SCOREBOARD_MAX]; /* ascending, apart */
        uint32_t              seen; /* ofo_clock when a segment out of order last reached it */
    };
    uint8_t bytes[TCP_BLOCK_BYTES - 12 - TCP_SCOREBOARD_MAX * 8];
};
_Static_assert(sizeof(struct tcp_block) == TCP_BLOCK_BYTES, "the pool's block");
#define TCP_BLOCK_TEXT sizeof(((struct tcp_block *)0)->bytes)

static inline uint32_t tcp_block_end(const struct tcp_block *b)
{
    return b->seq + b->len;
}

/* Received and acknowledged, not yet consumed. */
static inline uint32_t tcp_unread(const struct tcp_conn *c)
{
    return c->rcv_nxt - (c->flags & C_FIN_TAKEN ? 1 : 0) - c->rcv_read;
}

static inline bool tcp_in_flight(const struct tcp_conn *c)
{
    return c->snd_una != c->snd_nxt;
}

#endif
