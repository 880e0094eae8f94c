/* tcp_states.c - a connection's life: slot, states, lists it stands on, end. */
#include "tcp_core.h"

static const uint16_t edges[TCP_STATES] = {
#define STATE(name, next) [TCP_STATE_##name] = (uint16_t)(next),
#include "tcp_states.def"
#undef STATE
};

void tcp_enter(struct tcp_conn *c, enum tcp_state state)
{
    must(c->state != 0 && (edges[__builtin_ctz(c->state)] & state) != 0);
    c->state = (uint16_t)state;
}

struct tcp_conn *tcp_conn_take(struct tcp *tcp, const struct tcp_key *key,
                               const struct net_path *path, enum tcp_state state)
{
    uint32_t slot = pool_take(&tcp->conns), generation;
    uint16_t mss = ip_is_v4(&key->local) ? tcp->config.mss_v4 : tcp->config.mss_v6;
    struct tcp_conn *c;

    if (slot == POOL_NONE) {
        tcp_count(tcp, TCP_COUNT_CONN_FULL);
        return NULL;
    }
    c = tcp_conn_of(tcp, slot);
    generation = c->generation;
    must_hot(c->state == 0 && !wheel_armed(&tcp->wheel, slot));
    memset(c, 0, sizeof(*c));
    c->key = *key;
    c->path = *path;
    c->slot = slot;
    c->generation = generation + 1;
    c->state = (uint16_t)state;
    c->mss = mss;
    c->rcv_mss = TCP_MSS_DEFAULT_V4; /* until more is seen */
    c->tx_head = c->tx_tail = c->rx_head = c->rx_last = POOL_NONE;
    c->rto_us = TCP_RTO_INITIAL_US;
    c->ts_offset = tcp_ts_offset(tcp, key);
    c->progress_at = c->heard_at = tcp_tick(tcp);
    c->challenge_at = tcp_tick(tcp) - TCP_TICKS(TCP_CHALLENGE_US);
    tcp_conn_link(tcp, c, tcp_hash(tcp, key));
    return c;
}

void tcp_gone(struct tcp *tcp, struct tcp_conn *c, enum tcp_gone why)
{
    tcp_enter(c, TCP_CLOSED);
    c->flags |= (uint32_t)why << C_WHY_SHIFT;
    c->text = NULL;
    c->text_len = 0;
    tcp_conn_unlink(tcp, c);
    tcp_send_free(tcp, c);
    tcp_keep_free(tcp, c);
    wheel_cancel(&tcp->wheel, c->slot);
    tcp_event_queue(tcp, c);
}

void tcp_event_queue(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & C_EVENT)
        return;
    c->flags |= C_EVENT;
    c->event_next = 0;
    if (tcp->event_tail != 0)
        tcp_conn_of(tcp, tcp->event_tail - 1)->event_next = c->slot + 1;
    else
        tcp->event_head = c->slot + 1;
    tcp->event_tail = c->slot + 1;
}

/* A slot goes back to the pool only when it stands on no list: the flush list is singly
 * linked, so its end is the other place where that happens (tcp_flush). */
static void conn_release(struct tcp *tcp, struct tcp_conn *c)
{
    c->state = 0;
    if (!(c->flags & C_TOUCHED))
        pool_give(&tcp->conns, c->slot);
}

static bool next_ready(struct tcp *tcp, struct tcp_event *ret)
{
    uint32_t index = tcp->ready.head;
    struct tcp_embryo *e;

    if (index == 0)
        return false;
    e = tcp_embryo_of(tcp, index - 1);
    tcp_embryo_unplace(tcp, e);
    tcp_embryo_place(tcp, e, P_HANDED);
    *ret = (struct tcp_event){
        .type = TCP_EV_READY,
        .embryo = index - 1,
        .tag = tcp->doors[e->door].tag,
        .early = (e->flags & E_EARLY) != 0,
        .key = tcp_embryo_key(tcp, e),
    };
    return true;
}

bool tcp_next(struct tcp *tcp, struct tcp_event *ret)
{
    struct tcp_conn *c;

    if (next_ready(tcp, ret))
        return true;
    if (tcp->event_head == 0)
        return false;
    c = tcp_conn_of(tcp, tcp->event_head - 1);
    tcp->event_head = c->event_next;
    if (tcp->event_head == 0)
        tcp->event_tail = 0;
    c->flags &= ~(uint32_t)C_EVENT;
    if (c->state != TCP_CLOSED) {
        *ret = (struct tcp_event){.type = TCP_EV_CONN, .conn = c, .slot = c->slot};
        return true;
    }
    *ret = (struct tcp_event){
        .type = TCP_EV_GONE,
        .slot = c->slot,
        .why = (enum tcp_gone)(c->flags >> C_WHY_SHIFT & 3),
    };
    conn_release(tcp, c);
    return true;
}

void tcp_touch(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & C_TOUCHED)
        return;
    c->flags |= C_TOUCHED;
    c->touch_next = tcp->touch_head;
    tcp->touch_head = c->slot + 1;
}

void tcp_ack_now(struct tcp *tcp, struct tcp_conn *c)
{
    c->flags |= C_ACK_NOW;
    tcp_touch(tcp, c);
}

void tcp_flush(struct tcp *tcp, struct usec now)
{
    uint32_t at = tcp->touch_head;

    tcp->now = now;
    tcp->touch_head = 0;
    while (at != 0) {
        struct tcp_conn *c = tcp_conn_of(tcp, at - 1);

        at = c->touch_next;
        c->flags &= ~(uint32_t)C_TOUCHED;
        if (c->state == 0)
            pool_give(&tcp->conns, c->slot);
        else if (c->state != TCP_CLOSED)
            tcp_output(tcp, c);
    }
}

void tcp_close(struct tcp *tcp, struct tcp_conn *c, struct usec now)
{
    tcp->now = now;
    if (c->state == TCP_CLOSED || (c->flags & C_CLOSED))
        return;
    if (c->state == TCP_SYN_SENT) {
        tcp_gone(tcp, c, TCP_GONE_CLOSED);
        return;
    }
    c->flags |= C_CLOSED;
    c->flags &= ~(uint32_t)C_WANT_ROOM;
    if (tcp_unread(c) > 0 || c->text_len > 0)
        c->flags |= C_LATE;
    /* What was read into blocks is acknowledged already; what is borrowed is taken and thrown
     * away, so that the peer goes on to our reply and our FIN. */
    c->rcv_nxt += c->text_len;
    c->text_len = 0;
    tcp_keep_absorb(tcp, c);
    tcp_keep_free(tcp, c);
    c->rcv_read = c->rcv_nxt - (c->flags & C_FIN_TAKEN ? 1 : 0);
    tcp_fin_check(tcp, c);
    if (c->state == TCP_CLOSED)
        return;
    tcp_timer_set(tcp, c, &c->due_life, TCP_GIVE_UP_US);
    tcp_ack_now(tcp, c);
}

void tcp_abort(struct tcp *tcp, struct tcp_conn *c, struct usec now)
{
    tcp->now = now;
    if (c->state == TCP_CLOSED)
        return;
    tcp_count(tcp, TCP_COUNT_ABORTS);
    if (c->state != TCP_SYN_SENT)
        tcp_reset_conn(tcp, c);
    tcp_gone(tcp, c, TCP_GONE_ABORTED);
}
