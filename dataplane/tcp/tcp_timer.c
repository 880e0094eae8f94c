/* tcp_timer.c - one timer for each connection, armed lazily.
 *
 * A connection has three deadlines (retransmission or persist; ACK; life: keep-alive or linger)
 * and one wheel node.  Moving a deadline later, which is what happens with every ACK, only
 * writes it down; the node fires at the old time, finds nothing due and goes to the next.
 */
#include "tcp_core.h"

/* The node, no later than `due` ticks. */
static void arm(struct tcp *tcp, struct tcp_conn *c, uint32_t due)
{
    uint64_t base = tcp->now.us >> TCP_TICK_SHIFT;
    int32_t ahead = (int32_t)(due - (uint32_t)base);
    uint64_t tick = base + (ahead > 0 ? (uint32_t)ahead : 0);

    if (!wheel_armed(&tcp->wheel, c->slot) || c->timer.due_tick > tick)
        wheel_add(&tcp->wheel, c->slot, (struct usec){.us = tick << TCP_TICK_SHIFT});
}

void tcp_timer_set(struct tcp *tcp, struct tcp_conn *c, uint32_t *due, uint64_t us)
{
    uint64_t most = (uint64_t)TCP_TICKS_MAX << TCP_TICK_SHIFT;
    uint32_t at = tcp_tick(tcp) + TCP_TICKS(us < most ? us : most);

    *due = at == 0 ? 1 : at;
    arm(tcp, c, *due);
}

void tcp_linger_start(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_timer_set(tcp, c, &c->due_life, tcp->config.linger_us);
}

static bool is_due(const struct tcp *tcp, uint32_t due)
{
    return due != 0 && (int32_t)(tcp_tick(tcp) - due) >= 0;
}

static void ack_due(struct tcp *tcp, struct tcp_conn *c)
{
    c->due_ack = 0;
    if (c->flags & C_STARVED) {
        c->flags &= ~(uint32_t)C_STARVED;
        if (c->flags & C_WANT_ROOM)
            tcp_event_queue(tcp, c);
        c->flags &= ~(uint32_t)C_WANT_ROOM;
    }
    if (c->rcv_nxt != c->rcv_acked) {
        tcp_count(tcp, TCP_COUNT_DELAYED_ACKS);
        tcp_ack_now(tcp, c);
    }
}

static void rtx_due(struct tcp *tcp, struct tcp_conn *c)
{
    c->due_rtx = 0;
    if (c->state & (TCP_SYN_SENT | TCP_SYN_RCVD)) {
        tcp_syn_timeout(tcp, c);
        return;
    }
    if (!(c->flags & C_PERSIST)) {
        tcp_rtx_timeout(tcp, c);
        return;
    }
    /* The peer may keep its window closed for as long as it says so (RFC 9293 s3.8.6.1). */
    if (tcp_age(tcp, c->heard_at) >= TCP_TICKS(TCP_GIVE_UP_US) &&
        tcp_age(tcp, c->progress_at) >= TCP_TICKS(TCP_GIVE_UP_US)) {
        tcp_count(tcp, TCP_COUNT_ABORT_ON_TIMEOUT);
        tcp_reset_conn(tcp, c);
        tcp_gone(tcp, c, TCP_GONE_TIMEOUT);
        return;
    }
    if (!seq_before(c->snd_una, c->snd_end)) {
        c->flags &= ~(uint32_t)C_PERSIST;
        tcp_rtx_timeout(tcp, c);
        return;
    }
    tcp_output_probe(tcp, c);
    if (c->retries < UINT8_MAX)
        c->retries++;
    tcp_timer_set(tcp, c, &c->due_rtx,
                  (uint64_t)c->rto_us << (c->retries < 16 ? c->retries : 16) < TCP_RTO_MAX_US
                      ? (uint64_t)c->rto_us << c->retries
                      : TCP_RTO_MAX_US);
}

/* After our close: the peer had its time.  Before it: has the peer gone away? */
static void life_due(struct tcp *tcp, struct tcp_conn *c)
{
    uint64_t quiet = (uint64_t)tcp_age(tcp, c->heard_at) << TCP_TICK_SHIFT;

    c->due_life = 0;
    if (c->flags & C_CLOSED) {
        bool talks = (c->flags & C_LATE) || c->state != TCP_FIN_WAIT_2;

        tcp_count(tcp, talks ? TCP_COUNT_ABORT_ON_LINGER : TCP_COUNT_LINGER_END);
        if (talks)
            tcp_reset_conn(tcp, c);
        tcp_gone(tcp, c, TCP_GONE_TIMEOUT);
        return;
    }
    if (tcp->config.keepalive_us == 0 || !tcp_established(c))
        return;
    if (quiet < tcp->config.keepalive_us) {
        c->probes = 0;
        tcp_timer_set(tcp, c, &c->due_life, tcp->config.keepalive_us - quiet);
        return;
    }
    if (c->probes >= TCP_KEEP_PROBES) {
        tcp_count(tcp, TCP_COUNT_KEEP_ALIVE_DROP);
        tcp_reset_conn(tcp, c);
        tcp_gone(tcp, c, TCP_GONE_TIMEOUT);
        return;
    }
    if (!tcp_in_flight(c)) { /* else retransmission finds out sooner */
        c->probes++;
        tcp_output_keepalive(tcp, c);
    }
    tcp_timer_set(tcp, c, &c->due_life, TCP_KEEP_PROBE_US);
}

static void fire(struct tcp *tcp, struct tcp_conn *c)
{
    if (is_due(tcp, c->due_ack))
        ack_due(tcp, c);
    if (is_due(tcp, c->due_rtx))
        rtx_due(tcp, c);
    if (c->state != TCP_CLOSED && is_due(tcp, c->due_life))
        life_due(tcp, c);
    if (c->state == TCP_CLOSED)
        return;
    if (c->due_ack != 0)
        arm(tcp, c, c->due_ack);
    if (c->due_rtx != 0)
        arm(tcp, c, c->due_rtx);
    if (c->due_life != 0)
        arm(tcp, c, c->due_life);
}

void tcp_timers(struct tcp *tcp, struct usec now, unsigned budget)
{
    uint32_t left = budget, half = (budget + 1) / 2, slot;

    tcp->now = now;
    /* Half for the lists at most, so that a flood of embryos holds up no connection. */
    left -= tcp_listen_timers(tcp, half);
    if (left > budget - half)
        left -= tcp_wait_timers(tcp, left - (budget - half));
    while (left > 0 && (slot = wheel_expire(&tcp->wheel, now, &left)) != WHEEL_NONE)
        fire(tcp, tcp_conn_of(tcp, slot));
}

struct usec tcp_next_due(const struct tcp *tcp)
{
    uint64_t due[] = {wheel_next(&tcp->wheel).us, tcp_listen_due(tcp).us, tcp_wait_due(tcp).us};
    uint64_t first = due[0];

    if (tcp->touch_head != 0 || tcp->event_head != 0 || tcp->ready.head != 0)
        return tcp->now;

    for (size_t i = 1; i < ARRAY_LEN(due); i++)
        first = due[i] < first ? due[i] : first;
    return (struct usec){.us = first};
}
