/* tcp_keep.c - input that must be kept: unread because the session is busy, or out of order.
 *
 * One chain of blocks in ascending order, each a piece without gaps; pieces that touch are run
 * together where they fit, so that any two neighbours fill more than one block and a peer who
 * sends single bytes cannot make a window cost more than about twice its size.  What came first
 * stays (an overlap never changes bytes already held).
 */
#include "tcp_core.h"

bool tcp_keep_may_take(const struct tcp *tcp)
{
    uint32_t most = tcp->blocks.count - (tcp->blocks.count >> TCP_RX_RESERVE_SHIFT);

    return tcp->blocks.used < most;
}

static uint32_t next_of(const struct tcp *tcp, const struct tcp_conn *c, uint32_t block)
{
    return block == POOL_NONE ? c->rx_head : tcp_block_of(tcp, block)->next;
}

static unsigned intervals(const struct tcp *tcp, const struct tcp_conn *c)
{
    uint32_t end = c->rcv_nxt;
    unsigned n = 0;

    for (uint32_t at = next_of(tcp, c, c->rx_last); at != POOL_NONE;) {
        const struct tcp_block *b = tcp_block_of(tcp, at);

        if (b->seq != end || n == 0)
            n++;
        end = tcp_block_end(b);
        at = b->next;
    }
    return n;
}

/* Runs block `at` together with the next one if both fit in one. */
static void join(struct tcp *tcp, struct tcp_conn *c, uint32_t at)
{
    struct tcp_block *a = tcp_block_of(tcp, at), *b;
    uint32_t next = a->next;

    if (next == POOL_NONE)
        return;
    b = tcp_block_of(tcp, next);
    if (b->seq != tcp_block_end(a) || (size_t)a->len + b->len > TCP_BLOCK_TEXT)
        return;
    memcpy(a->bytes + a->len, b->bytes, b->len);
    a->len = (uint16_t)(a->len + b->len);
    a->seen = seq_max(a->seen, b->seen);
    a->next = b->next;
    if (c->rx_last == next)
        c->rx_last = at;
    pool_give(&tcp->blocks, next);
}

/* Puts up to len bytes that nothing overlaps after block prev; how many. *ret_prev: the block
 * that now ends where they end. */
static uint32_t put(struct tcp *tcp, struct tcp_conn *c, uint32_t prev, uint32_t seq,
                    const uint8_t *bytes, uint32_t len, uint32_t *ret_prev)
{
    struct tcp_block *b = prev == POOL_NONE ? NULL : tcp_block_of(tcp, prev);
    uint32_t n;

    if (b == NULL || tcp_block_end(b) != seq || b->len == TCP_BLOCK_TEXT) {
        uint32_t next = next_of(tcp, c, prev), block;
        bool alone = seq != c->rcv_nxt && (b == NULL || tcp_block_end(b) != seq) &&
                     (next == POOL_NONE || tcp_block_of(tcp, next)->seq != seq + len);

        if (!tcp_keep_may_take(tcp) || (alone && intervals(tcp, c) >= TCP_INTERVALS_MAX))
            return 0;
        block = tcp_block_take(tcp, seq);
        if (block == POOL_NONE)
            return 0;
        tcp_block_of(tcp, block)->seen = c->ofo_clock;
        if (b == NULL)
            c->rx_head = block;
        else
            b->next = block;
        b = tcp_block_of(tcp, block);
        b->next = next;
        prev = block;
    }
    n = (uint32_t)TCP_BLOCK_TEXT - b->len;
    n = n < len ? n : len;
    memcpy(b->bytes + b->len, bytes, n);
    b->len = (uint16_t)(b->len + n);
    join(tcp, c, prev);
    *ret_prev = prev;
    return n;
}

/* Keeps text at seq, at or after rcv_nxt.  The sequence number up to which all of it is held
 * (from seq on without a gap). */
uint32_t tcp_keep(struct tcp *tcp, struct tcp_conn *c, uint32_t seq, struct span text)
{
    uint32_t prev = c->rx_last, held = seq;
    bool whole = true;

    while (text.len > 0) {
        uint32_t next = next_of(tcp, c, prev), len = (uint32_t)text.len, n;
        const struct tcp_block *b = next == POOL_NONE ? NULL : tcp_block_of(tcp, next);
        const struct tcp_block *a = prev == POOL_NONE ? NULL : tcp_block_of(tcp, prev);

        if (a != NULL && seq_before(seq, tcp_block_end(a)))
            b = a; /* the last bytes put closed a gap and were run together with what follows */
        if (b != NULL && seq_at_or_before(tcp_block_end(b), seq)) {
            prev = next;
            continue;
        }
        if (b != NULL && seq_at_or_before(b->seq, seq)) { /* first data wins */
            n = tcp_block_end(b) - seq < len ? tcp_block_end(b) - seq : len;
            if (!(c->flags & C_DSACK)) {
                c->flags |= C_DSACK;
                c->dsack_left = seq;
                c->dsack_right = seq + n;
            }
        } else {
            if (b != NULL && b->seq - seq < len)
                len = b->seq - seq;
            n = put(tcp, c, prev, seq, text.ptr, len, &prev);
            if (n == 0) {
                whole = false;
                n = len; /* no room here; what follows may still belong to pieces we have */
                if (b == NULL)
                    break;
            }
        }
        seq += n;
        text = span_skip(text, n);
        held = whole ? seq : held;
    }
    return held;
}

/* Takes over the pieces that rcv_nxt has reached. */
void tcp_keep_absorb(struct tcp *tcp, struct tcp_conn *c)
{
    for (;;) {
        uint32_t at = next_of(tcp, c, c->rx_last);
        const struct tcp_block *b = at == POOL_NONE ? NULL : tcp_block_of(tcp, at);

        if (b == NULL || b->seq != c->rcv_nxt)
            return;
        c->rcv_nxt = tcp_block_end(b);
        c->rx_last = at;
    }
}

void tcp_keep_free(struct tcp *tcp, struct tcp_conn *c)
{
    while (c->rx_head != POOL_NONE) {
        uint32_t index = c->rx_head;

        c->rx_head = tcp_block_of(tcp, index)->next;
        pool_give(&tcp->blocks, index);
    }
    c->rx_last = POOL_NONE;
}
