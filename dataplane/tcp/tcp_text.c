/* tcp_text.c - segment text and FIN (RFC 9293 s3.10.7.4, seventh and eighth), reading, and the
 * receive window (s3.8.6).
 *
 * In-order text is lent to the session straight from the frame.  Only what it leaves behind is
 * copied, and only what is copied or consumed is acknowledged.
 */
#include "tcp_core.h"

void tcp_text_drop_borrowed(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->text_len == 0)
        return;
    c->text = NULL;
    c->text_len = 0;
    tcp_count(tcp, TCP_COUNT_UNREAD_DROP);
}

/* An ACK is owed: at once for every second full segment, else within the delay. */
static void owe_ack(struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t owed = c->rcv_nxt - c->rcv_acked;

    if (owed == 0 || (c->flags & C_ACK_NOW))
        return;
    if (owed >= 2u * c->rcv_mss)
        tcp_ack_now(tcp, c);
    else if (c->due_ack == 0)
        tcp_timer_set(tcp, c, &c->due_ack, TCP_DELAYED_ACK_US);
}

/* Receiver's SWS avoidance (s3.8.6.2.2): the window is worth an update of its own once it has
 * been more than half closed and opens by a segment or half the buffer. */
static void owe_update(struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t all = tcp->config.receive_window, unread = tcp_unread(c);
    uint32_t offered = c->rcv_adv - c->rcv_nxt, could = unread < all ? all - unread : 0;
    uint32_t step = all / 2 < c->mss ? all / 2 : c->mss;

    if (offered < all / 2 && could >= offered + step && !(c->flags & (C_ACK_NOW | C_FIN_TAKEN))) {
        tcp_count(tcp, TCP_COUNT_WINDOW_UPDATES);
        tcp_ack_now(tcp, c);
    }
}

/* RFC 9293 s3.10.7.4 eighth, once all text before the FIN has been taken. */
void tcp_fin_check(struct tcp *tcp, struct tcp_conn *c)
{
    if ((c->flags & (C_FIN_KNOWN | C_FIN_TAKEN)) != C_FIN_KNOWN || c->rcv_nxt != c->rcv_fin ||
        c->text_len > 0)
        return;
    if (!(c->state & (TCP_ESTABLISHED | TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2)))
        return;
    c->flags |= C_FIN_TAKEN;
    c->rcv_nxt++;
    if (seq_before(c->rcv_adv, c->rcv_nxt))
        c->rcv_adv = c->rcv_nxt;
    tcp_ack_now(tcp, c);
    if (c->state == TCP_ESTABLISHED)
        tcp_enter(c, TCP_CLOSE_WAIT);
    else if (c->state == TCP_FIN_WAIT_1)
        tcp_enter(c, TCP_CLOSING);
    else
        tcp_wait_enter(tcp, c);
}

/* After our close: in-order text is acknowledged and thrown away, so that the peer's TCP
 * never sees a reset for it and our last reply stays readable. */
static void discard(struct tcp *tcp, struct tcp_conn *c, uint32_t seq, struct span text)
{
    if (text.len > 0 && seq == c->rcv_nxt) {
        c->flags |= C_LATE;
        count_add(&tcp->counters[TCP_COUNT_LATE_BYTES], text.len);
        c->rcv_nxt += (uint32_t)text.len;
        c->rcv_read = c->rcv_nxt;
        owe_ack(tcp, c);
    } else if (seq != c->rcv_nxt) {
        tcp_ack_now(tcp, c);
    }
    tcp_fin_check(tcp, c);
}

/* Cuts the segment to the window; false: nothing of it is new. */
static bool trim(struct tcp *tcp, struct tcp_conn *c, uint32_t *seq, struct span *text, bool *fin)
{
    uint32_t window = c->rcv_adv - c->rcv_nxt, old = c->rcv_nxt - *seq;

    if (seq_before(*seq, c->rcv_nxt) && text->len > 0) {
        old = old < text->len ? old : (uint32_t)text->len;
        tcp_count(tcp, TCP_COUNT_DUPLICATE_TEXT);
        c->flags |= C_DSACK; /* RFC 2883 s4: the latest duplicate is the one to report */
        c->dsack_left = *seq;
        c->dsack_right = *seq + old;
        tcp_ack_now(tcp, c);
        *seq += old;
        *text = span_skip(*text, old);
    }
    if (seq_before(c->rcv_nxt + window, *seq + (uint32_t)text->len)) {
        uint32_t keep = seq_before(*seq, c->rcv_adv) ? c->rcv_adv - *seq : 0;

        tcp_count(tcp, TCP_COUNT_WINDOW_DROP);
        tcp_ack_now(tcp, c);
        text->len = keep;
        *fin = false;
    }
    if ((c->flags & C_FIN_KNOWN) && seq_before(c->rcv_fin, *seq + (uint32_t)text->len))
        text->len = seq_before(*seq, c->rcv_fin) ? c->rcv_fin - *seq : 0;
    return text->len > 0 || *fin;
}

/* In order: lend it, up to what is already held; keep what lies beyond that. */
static void lend(struct tcp *tcp, struct tcp_conn *c, struct span text)
{
    uint32_t first = c->rx_last == POOL_NONE ? c->rx_head : tcp_block_of(tcp, c->rx_last)->next;

    if (first != POOL_NONE) {
        uint32_t gap = tcp_block_of(tcp, first)->seq - c->rcv_nxt;

        /* RFC 5681 s4.2: what fills a gap is acknowledged at once. */
        tcp_ack_now(tcp, c);
        if (gap < text.len) {
            tcp_keep(tcp, c, c->rcv_nxt + gap, span_skip(text, gap));
            text.len = gap;
        }
    }
    c->text = text.ptr;
    c->text_len = (uint32_t)text.len;
    tcp_touch(tcp, c); /* so that what nobody settles is dropped before the frame goes */
}

/* True where the session should look. */
bool tcp_text_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    uint32_t seq = seg->seq;
    struct span text = seg->text;
    bool fin = (seg->flags & TCP_FIN) != 0, before = (c->flags & C_FIN_TAKEN) != 0;

    if (text.len == 0 && !fin)
        return false;
    if (!(c->state & (TCP_ESTABLISHED | TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2))) {
        tcp_ack_now(tcp, c); /* after its FIN a peer can only repeat itself */
        return false;
    }
    if (text.len > c->rcv_mss)
        c->rcv_mss = (uint16_t)(text.len < UINT16_MAX ? text.len : UINT16_MAX);
    if (!trim(tcp, c, &seq, &text, &fin))
        return false;
    if (fin && !(c->flags & C_FIN_KNOWN)) {
        c->flags |= C_FIN_KNOWN;
        c->rcv_fin = seq + (uint32_t)text.len;
    }
    if (c->flags & C_CLOSED) {
        discard(tcp, c, seq, text);
        return false;
    }
    if (text.len > 0 && seq == c->rcv_nxt) {
        lend(tcp, c, text);
        return true;
    }
    if (text.len > 0) {
        tcp_ack_now(tcp, c); /* RFC 5681 s4.2: a duplicate ACK for what is out of order */
        tcp_count(tcp, tcp_keep(tcp, c, seq, text) == seq + (uint32_t)text.len
                           ? TCP_COUNT_OFO_QUEUED
                           : TCP_COUNT_OFO_DROP);
        tcp_sack_seen(tcp, c, seq);
        return false;
    }
    if (seq != c->rcv_nxt)
        tcp_ack_now(tcp, c);
    tcp_fin_check(tcp, c);
    return !before && (c->flags & C_FIN_TAKEN);
}

struct span tcp_peek(struct tcp *tcp, struct tcp_conn *c)
{
    if (c->state == TCP_CLOSED || (c->flags & C_CLOSED))
        return span_of(NULL, 0);
    if (c->rx_last != POOL_NONE) {
        const struct tcp_block *b = tcp_block_of(tcp, c->rx_head);
        uint32_t skip = c->rcv_read - b->seq;

        return span_of(b->bytes + skip, b->len - skip);
    }
    return span_of(c->text, c->text_len);
}

size_t tcp_waiting(const struct tcp *tcp, const struct tcp_conn *c)
{
    (void)tcp;
    return c->state == TCP_CLOSED || (c->flags & C_CLOSED) ? 0 : (size_t)tcp_unread(c) + c->text_len;
}

static void consume_block(struct tcp *tcp, struct tcp_conn *c, uint32_t n)
{
    uint32_t index = c->rx_head;
    struct tcp_block *b = tcp_block_of(tcp, index);

    must(n <= tcp_block_end(b) - c->rcv_read);
    c->rcv_read += n;
    if (c->rcv_read != tcp_block_end(b))
        return;
    c->rx_head = b->next;
    if (c->rx_last == index)
        c->rx_last = POOL_NONE;
    pool_give(&tcp->blocks, index);
}

void tcp_consume(struct tcp *tcp, struct tcp_conn *c, size_t n)
{
    if (n == 0 || c->state == TCP_CLOSED || (c->flags & C_CLOSED))
        return;
    if (c->rx_last != POOL_NONE) {
        consume_block(tcp, c, (uint32_t)n);
        return;
    }
    must(n <= c->text_len);
    c->text += n;
    c->text_len -= (uint32_t)n;
    c->rcv_nxt += (uint32_t)n;
    c->rcv_read = c->rcv_nxt;
    if (c->text_len == 0) {
        c->text = NULL;
        tcp_keep_absorb(tcp, c);
        tcp_fin_check(tcp, c);
    }
}

bool tcp_at_eof(const struct tcp_conn *c)
{
    return (c->flags & C_FIN_TAKEN) && tcp_unread(c) == 0;
}

void tcp_settle(struct tcp *tcp, struct tcp_conn *c, struct usec now)
{
    tcp->now = now;
    if (c->state == TCP_CLOSED)
        return;
    if (c->text_len > 0) {
        uint32_t end = c->rcv_nxt + c->text_len, unread = tcp_unread(c), held;
        uint32_t room =
            unread < tcp->config.receive_window ? tcp->config.receive_window - unread : 0;
        struct span text = span_of(c->text, c->text_len < room ? c->text_len : room);

        c->text = NULL;
        c->text_len = 0;
        held = tcp_keep(tcp, c, c->rcv_nxt, text);
        if (c->rx_last != POOL_NONE)
            c->rcv_nxt = tcp_block_end(tcp_block_of(tcp, c->rx_last));
        tcp_keep_absorb(tcp, c);
        if (held != end)
            tcp_count(tcp, TCP_COUNT_UNREAD_DROP);
        tcp_fin_check(tcp, c);
    }
    if (c->state == TCP_CLOSED)
        return;
    owe_ack(tcp, c);
    owe_update(tcp, c);
}
