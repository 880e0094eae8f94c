/* tcp_sack.c - selective acknowledgement (RFC 2018, RFC 2883): the scoreboard of what the peer
 * holds beyond snd_una, and the report of what we hold beyond rcv_nxt.
 */
#include "tcp_core.h"

static struct tcp_block *board_of(const struct tcp *tcp, const struct tcp_conn *c)
{
    return c->tx_head == POOL_NONE ? NULL : tcp_block_of(tcp, c->tx_head);
}

/* Adds a range, merging; true where it says something new. */
static bool board_add(struct tcp_block *board, uint32_t left, uint32_t right)
{
    unsigned i = 0, j;

    while (i < board->sacked_count && seq_before(board->sacked[i].right, left))
        i++;
    for (j = i; j < board->sacked_count && seq_at_or_before(board->sacked[j].left, right); j++) {
        if (seq_at_or_before(board->sacked[j].left, left) &&
            seq_at_or_before(right, board->sacked[j].right))
            return false;
        left = seq_before(board->sacked[j].left, left) ? board->sacked[j].left : left;
        right = seq_max(board->sacked[j].right, right);
    }
    if (j == i) {
        if (board->sacked_count == TCP_SCOREBOARD_MAX)
            return false; /* too holed to remember: it will only be sent twice */
        memmove(&board->sacked[i + 1], &board->sacked[i],
                (board->sacked_count - i) * sizeof(board->sacked[0]));
        board->sacked_count++;
    } else {
        memmove(&board->sacked[i + 1], &board->sacked[j],
                (board->sacked_count - j) * sizeof(board->sacked[0]));
        board->sacked_count = (uint16_t)(board->sacked_count - (j - i - 1));
    }
    board->sacked[i] = (struct tcp_sack_block){.left = left, .right = right};
    return true;
}

/* Drops what snd_una has passed. */
static void board_trim(struct tcp_block *board, uint32_t una)
{
    unsigned gone = 0;

    while (gone < board->sacked_count && seq_at_or_before(board->sacked[gone].right, una))
        gone++;
    memmove(&board->sacked[0], &board->sacked[gone],
            (board->sacked_count - gone) * sizeof(board->sacked[0]));
    board->sacked_count = (uint16_t)(board->sacked_count - gone);
    if (board->sacked_count > 0)
        board->sacked[0].left = seq_max(board->sacked[0].left, una);
}

bool tcp_sack_input(struct tcp *tcp, struct tcp_conn *c, const struct tcp_seg *seg)
{
    struct tcp_block *board = board_of(tcp, c);
    bool news = false;

    if (!(c->flags & C_SACK) || board == NULL)
        return false;
    board_trim(board, c->snd_una);
    for (unsigned i = 0; i < seg->sack_count && i < TCP_SACK_BLOCKS_MAX; i++) {
        uint32_t left = seg->sack[i].left, right = seg->sack[i].right;

        if (!seq_before(left, right) || seq_before(c->snd_nxt, right)) {
            tcp_count(tcp, TCP_COUNT_SACK_DISCARD);
        } else if (seq_at_or_before(right, c->snd_una) || seq_before(left, c->snd_una)) {
            if (i == 0)
                tcp_count(tcp, TCP_COUNT_DSACK_RECV);
        } else if (board_add(board, left, right)) {
            news = true;
        }
    }
    return news;
}

uint32_t tcp_sacked_bytes(const struct tcp *tcp, const struct tcp_conn *c, uint32_t low, uint32_t high)
{
    const struct tcp_block *board = board_of(tcp, c);
    uint32_t sum = 0;

    for (unsigned i = 0; board != NULL && i < board->sacked_count; i++) {
        uint32_t left = seq_max(board->sacked[i].left, low);
        uint32_t right = seq_before(board->sacked[i].right, high) ? board->sacked[i].right : high;

        if (seq_before(left, right))
            sum += right - left;
    }
    return sum;
}

/* RFC 6675 s4 IsLost(): lost is what has DupThresh ranges, or more than (DupThresh - 1) segments
 * in bytes, selectively acknowledged above it. */
uint32_t tcp_sack_lost_edge(const struct tcp *tcp, const struct tcp_conn *c)
{
    const struct tcp_block *board = board_of(tcp, c);
    uint32_t bytes = 0;
    unsigned ranges = 0;

    for (unsigned i = board == NULL ? 0 : board->sacked_count; i > 0; i--) {
        bytes += board->sacked[i - 1].right - board->sacked[i - 1].left;
        ranges++;
        if (ranges >= TCP_DUP_THRESHOLD || bytes > (TCP_DUP_THRESHOLD - 1u) * c->mss)
            return board->sacked[i - 1].left;
    }
    return c->snd_una;
}

/* The first byte at or after seq that the peer lacks; *ret_max: how many from there. */
uint32_t tcp_sack_skip(const struct tcp *tcp, const struct tcp_conn *c, uint32_t seq, uint32_t *ret_max)
{
    const struct tcp_block *board = board_of(tcp, c);

    for (unsigned i = 0; board != NULL && i < board->sacked_count; i++) {
        if (seq_before(seq, board->sacked[i].left)) {
            *ret_max = board->sacked[i].left - seq;
            return seq;
        }
        seq = seq_max(seq, board->sacked[i].right);
    }
    *ret_max = UINT32_MAX;
    return seq;
}

void tcp_sack_clear(struct tcp *tcp, struct tcp_conn *c)
{
    struct tcp_block *board = board_of(tcp, c);

    if (board != NULL)
        board->sacked_count = 0;
}

static uint32_t first_out_of_order(const struct tcp *tcp, const struct tcp_conn *c)
{
    return c->rx_last == POOL_NONE ? c->rx_head : tcp_block_of(tcp, c->rx_last)->next;
}

void tcp_sack_seen(struct tcp *tcp, struct tcp_conn *c, uint32_t seq)
{
    for (uint32_t at = first_out_of_order(tcp, c); at != POOL_NONE;) {
        struct tcp_block *b = tcp_block_of(tcp, at);

        if (seq_before(seq, b->seq))
            return;
        if (seq_before(seq, tcp_block_end(b))) {
            b->seen = ++c->ofo_clock;
            return;
        }
        at = b->next;
    }
}

struct piece {
    struct tcp_sack_block range;
    uint32_t              seen;
};

/* The piece without gaps that begins with block *at, which goes on to what follows it. */
static struct piece piece_at(const struct tcp *tcp, uint32_t *at)
{
    const struct tcp_block *b = tcp_block_of(tcp, *at);
    struct piece p = {.range = {.left = b->seq, .right = b->seq}, .seen = b->seen};

    for (; *at != POOL_NONE; *at = b->next) {
        b = tcp_block_of(tcp, *at);
        if (b->seq != p.range.right)
            break;
        p.range.right = tcp_block_end(b);
        p.seen = seq_max(p.seen, b->seen);
    }
    return p;
}

/* RFC 2018 s4: the piece that the latest segment came for first, then the others as lately as
 * they were (each is so told several times, should ACKs be lost); RFC 2883 s4: a duplicate
 * before all. */
void tcp_sack_report(struct tcp *tcp, struct tcp_conn *c, struct tcp_seg *seg, unsigned room)
{
    uint32_t at = first_out_of_order(tcp, c);
    struct piece latest[TCP_SACK_BLOCKS_MAX];
    unsigned n = 0, most;

    seg->sack_count = 0;
    if (!(c->flags & C_SACK))
        return;
    if (c->flags & C_DSACK) {
        seg->sack[seg->sack_count++] =
            (struct tcp_sack_block){.left = c->dsack_left, .right = c->dsack_right};
        c->flags &= ~(uint32_t)C_DSACK;
        tcp_count(tcp, TCP_COUNT_DSACK_SENT);
    }
    most = room - seg->sack_count;
    while (at != POOL_NONE) {
        struct piece p = piece_at(tcp, &at);
        unsigned i = n;

        for (; i > 0 && seq_before(latest[i - 1].seen, p.seen); i--) {
            if (i < most)
                latest[i] = latest[i - 1];
        }
        if (i < most)
            latest[i] = p;
        n = n < most ? n + 1 : n;
    }
    for (unsigned i = 0; i < n; i++)
        seg->sack[seg->sack_count++] = latest[i].range;
}
