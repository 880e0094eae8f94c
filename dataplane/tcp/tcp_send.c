/* tcp_send.c - what was written and is not acknowledged yet, in a chain of blocks. */
#include "tcp_core.h"

/* Input may not take the last of the blocks; output may. */
uint32_t tcp_block_take(struct tcp *tcp, uint32_t seq)
{
    uint32_t index = pool_take(&tcp->blocks);
    struct tcp_block *b;

    if (index == POOL_NONE)
        return POOL_NONE;
    b = tcp_block_of(tcp, index);
    b->next = POOL_NONE;
    b->seq = seq;
    b->len = 0;
    b->sacked_count = 0;
    return index;
}

static size_t tail_room(const struct tcp *tcp, const struct tcp_conn *c)
{
    return c->tx_tail == POOL_NONE ? 0 : TCP_BLOCK_TEXT - tcp_block_of(tcp, c->tx_tail)->len;
}

static size_t own_room(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t held = c->snd_end - c->snd_una;

    if ((c->flags & C_CLOSED) || !tcp_established(c) || held >= tcp->config.send_buffer)
        return 0;
    return tcp->config.send_buffer - held;
}

size_t tcp_room(const struct tcp *tcp, const struct tcp_conn *c)
{
    size_t own = own_room(tcp, c);
    size_t pool = tail_room(tcp, c) + (size_t)(tcp->blocks.count - tcp->blocks.used) * TCP_BLOCK_TEXT;

    return own < pool ? own : pool;
}

/* The pool is empty: nothing of this connection's own will tell when it no longer is. */
static void starved(struct tcp *tcp, struct tcp_conn *c)
{
    tcp_count(tcp, TCP_COUNT_SEND_STARVED);
    c->flags |= C_STARVED;
    tcp_timer_set(tcp, c, &c->due_ack, TCP_STARVED_US);
}

void tcp_want_room(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->flags & C_CLOSED)
        return;
    c->flags |= C_WANT_ROOM;
    if (!tcp_in_flight(c))
        starved(tcp, c); /* no ACK will come to tell */
}

bool tcp_unsent(const struct tcp_conn *c)
{
    return seq_before(c->snd_nxt, c->snd_end);
}

size_t tcp_write(struct tcp *tcp, struct tcp_conn *c, struct span bytes)
{
    size_t own = own_room(tcp, c), want = bytes.len < own ? bytes.len : own, done = 0;

    while (done < want) {
        size_t n = tail_room(tcp, c);
        struct tcp_block *b;

        if (n == 0) {
            uint32_t index = tcp_block_take(tcp, c->snd_end);

            if (index == POOL_NONE) {
                starved(tcp, c);
                break;
            }
            if (c->tx_tail == POOL_NONE)
                c->tx_head = index;
            else
                tcp_block_of(tcp, c->tx_tail)->next = index;
            c->tx_tail = index;
            continue;
        }
        n = n < want - done ? n : want - done;
        b = tcp_block_of(tcp, c->tx_tail);
        memcpy(b->bytes + b->len, bytes.ptr + done, n);
        b->len = (uint16_t)(b->len + n);
        c->snd_end += (uint32_t)n;
        done += n;
    }
    if (done < bytes.len && !(c->flags & C_CLOSED))
        c->flags |= C_WANT_ROOM;
    if (done > 0)
        tcp_touch(tcp, c);
    return done;
}

unsigned tcp_send_gather(const struct tcp *tcp, const struct tcp_conn *c, uint32_t seq, uint32_t len,
                         struct span pieces[TCP_PIECES_MAX], uint32_t *ret_len)
{
    uint32_t at = c->tx_head, done = 0;
    unsigned n = 0;

    while (done < len && n < TCP_PIECES_MAX && at != POOL_NONE) {
        const struct tcp_block *b = tcp_block_of(tcp, at);
        uint32_t skip = seq + done - b->seq, take;

        at = b->next;
        if (skip >= b->len)
            continue;
        take = b->len - skip < len - done ? b->len - skip : len - done;
        pieces[n++] = span_of(b->bytes + skip, take);
        done += take;
    }
    *ret_len = done;
    return n;
}

void tcp_send_acked(struct tcp *tcp, struct tcp_conn *c)
{
    while (c->tx_head != POOL_NONE) {
        uint32_t index = c->tx_head;
        struct tcp_block *b = tcp_block_of(tcp, index);

        if (seq_before(c->snd_una, tcp_block_end(b)))
            return;
        c->tx_head = b->next;
        if (c->tx_head == POOL_NONE) {
            c->tx_tail = POOL_NONE;
        } else { /* the scoreboard moves on with the head */
            struct tcp_block *next = tcp_block_of(tcp, c->tx_head);

            next->sacked_count = b->sacked_count;
            memcpy(next->sacked, b->sacked, sizeof(next->sacked));
        }
        pool_give(&tcp->blocks, index);
    }
}

void tcp_send_free(struct tcp *tcp, struct tcp_conn *c)
{
    while (c->tx_head != POOL_NONE) {
        uint32_t index = c->tx_head;

        c->tx_head = tcp_block_of(tcp, index)->next;
        pool_give(&tcp->blocks, index);
    }
    c->tx_tail = POOL_NONE;
}
