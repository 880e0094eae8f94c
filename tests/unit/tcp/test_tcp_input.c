/* test_tcp_input.c - goal: RFC 9293 s3.10.7.4 with RFC 5961, by an oracle written from the text
 * alone: every state × every set of flags × every place in and around the window × every kind of
 * acknowledgement, each on a fresh connection.
 */
#include "tcp_peer.h"

enum { SENT = 10 }; /* bytes of ours in flight in every state */

/* Brings a connection to state.  After it the peer's next number is *ret_seq, our last
 * acknowledged one *ret_una and all that we sent ends at *ret_nxt (relative). */
static struct peer *in_state(enum tcp_state state, uint32_t *ret_seq, uint32_t *ret_una, uint32_t *ret_nxt)
{
    struct peer *p = peer_new(NULL);
    bool fin = (state & (TCP_CLOSE_WAIT | TCP_LAST_ACK)) != 0;
    bool closed = (state & (TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2 | TCP_CLOSING | TCP_LAST_ACK)) != 0;

    peer_open(p);
    if (fin) {
        peer_input(p, TCP_FIN | TCP_ACK, 1, 1, NULL, 0);
        tcp_settle(p->tcp, p->conn, peer_now(p));
    }
    peer_write(p, SENT);
    if (closed) {
        tcp_close(p->tcp, p->conn, peer_now(p));
        peer_flush(p);
    }
    *ret_una = 1;
    *ret_nxt = 1 + SENT + (closed ? 1 : 0);
    if (state == TCP_FIN_WAIT_2) {
        peer_input(p, TCP_ACK, 1, *ret_nxt, NULL, 0);
        *ret_una = *ret_nxt;
    }
    if (state == TCP_CLOSING)
        peer_input(p, TCP_FIN | TCP_ACK, 1, 1, NULL, 0);
    peer_flush(p);
    *ret_seq = fin || state == TCP_CLOSING ? 2 : 1;
    assert_int_equal(p->conn->state, state);
    p->looked = p->count = 0;
    return p;
}

enum place { BEFORE, OLD_EDGE, AT, INSIDE, LAST, RIGHT_EDGE, BEYOND, PLACES };
enum acks { ACK_UNA, ACK_ALL, ACK_FUTURE, ACK_ANCIENT, ACKS };

struct want {
    bool gone, reset; /* the connection ends; by the peer's reset */
    bool answers;     /* something is sent at the next flush */
    bool silent;      /* … must not be */
    bool looks;       /* the session is called */
    bool acked;       /* our text is acknowledged */
};

/* The RFC, in its order.  len counts text and FIN. */
static struct want oracle(enum tcp_state state, uint8_t flags, enum place place, enum acks acks, size_t text)
{
    bool acceptable = place == AT || place == INSIDE || place == LAST;
    bool longer = text > 0 || (flags & (TCP_FIN | TCP_SYN)), takes, fin;
    struct want w = {0};

    if (place == OLD_EDGE && text + (flags & TCP_FIN ? 1u : 0) + (flags & TCP_SYN ? 1u : 0) > 1)
        acceptable = true; /* starts one before the window and reaches into it */
    if (place == RIGHT_EDGE && !longer)
        acceptable = true; /* laxer than the RFC: see tcp_input.c */
    if (!acceptable) { /* first */
        w.answers = !(flags & TCP_RST);
        w.silent = !w.answers;
        return w;
    }
    if (flags & TCP_RST) { /* second; RFC 5961 s3.2 */
        w.gone = w.reset = place == AT;
        w.answers = !w.gone;
        w.silent = w.gone;
        return w;
    }
    if (flags & TCP_SYN) { /* fourth; RFC 5961 s4.2 */
        w.answers = true;
        return w;
    }
    if (!(flags & TCP_ACK)) { /* fifth */
        w.silent = true;
        return w;
    }
    if (acks == ACK_FUTURE || acks == ACK_ANCIENT) {
        w.answers = true;
        return w;
    }
    w.acked = acks == ACK_ALL;
    if (w.acked && (state & (TCP_CLOSING | TCP_LAST_ACK))) {
        w.gone = true;
        return w;
    }
    takes = (state & (TCP_ESTABLISHED | TCP_FIN_WAIT_1 | TCP_FIN_WAIT_2)) != 0; /* seventh */
    fin = (flags & TCP_FIN) && takes;
    w.looks = state == TCP_ESTABLISHED && (place == AT || place == OLD_EDGE) && (text > 0 || fin);
    if (place == OLD_EDGE && text == 1)
        w.looks = state == TCP_ESTABLISHED && fin; /* the one byte of text is old */
    if (fin && (place == AT || place == OLD_EDGE)) { /* eighth */
        w.answers = true;
        if (state == TCP_FIN_WAIT_2 || (state == TCP_FIN_WAIT_1 && w.acked))
            w.gone = true;
    }
    if ((text > 0 || (flags & TCP_FIN)) && (!takes || place != AT))
        w.answers = true; /* a repeat, or out of order */
    return w;
}

static uint32_t seq_of(enum place place, uint32_t next, uint32_t window)
{
    switch (place) {
    case BEFORE:
        return next - 5000;
    case OLD_EDGE:
        return next - 1;
    case AT:
        return next;
    case INSIDE:
        return next + 100;
    case LAST:
        return next + window - 1;
    case RIGHT_EDGE:
        return next + window;
    default:
        return next + window + 1;
    }
}

static void one(enum tcp_state state, uint8_t flags, enum place place, enum acks acks, size_t text)
{
    uint32_t next, una, nxt, window, ack;
    struct peer *p = in_state(state, &next, &una, &nxt);
    struct want want = oracle(state, flags, place, acks, text);
    static const uint8_t bytes[8] = "abcdefgh";
    struct tcp_event ev;
    enum tcp_in in;
    bool gone;

    window = p->conn->rcv_adv - p->conn->rcv_nxt;
    ack = acks == ACK_UNA ? una : acks == ACK_ALL ? nxt : acks == ACK_FUTURE ? nxt + 1 : una - 70000;
    in = peer_input(p, flags, seq_of(place, next, window), ack, bytes, text);
    if (in == TCP_IN_CONN)
        peer_read(p);
    peer_flush(p);
    gone = tcp_next(p->tcp, &ev);
    if (gone != want.gone || (gone && (ev.type != TCP_EV_GONE || (ev.why == TCP_GONE_RESET) != want.reset)) ||
        (in == TCP_IN_CONN) != want.looks || (want.answers && p->count == 0) || (want.silent && p->count > 0) ||
        (!gone && (p->conn->snd_una == p->iss + nxt) != (want.acked || una == nxt)))
        fail_msg("state %#x flags %#x place %d ack %d text %zu: gone %d verdict %d sent %u; wanted gone %d "
                 "looks %d answers %d silent %d acked %d", state, flags, place, acks, text, gone, (int)in,
                 p->count, want.gone, want.looks, want.answers, want.silent, want.acked);
    peer_free(p);
}

static void every_state_flag_and_place(void **state)
{
    static const enum tcp_state states[] = {TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2, TCP_CLOSE_WAIT,
                                            TCP_CLOSING, TCP_LAST_ACK};
    static const size_t texts[] = {0, 1, 8};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(states); s++)
        for (uint8_t flags = 0; flags < 32; flags++)
            for (unsigned place = 0; place < PLACES; place++)
                for (unsigned acks = 0; acks < ACKS; acks++)
                    for (size_t t = 0; t < ARRAY_LEN(texts); t++)
                        one(states[s], flags & (uint8_t)~TCP_PSH, (enum place)place, (enum acks)acks, texts[t]);
}

static void challenges_are_rare(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    for (unsigned i = 0; i < 20; i++) {
        peer_input(p, TCP_SYN, 3, 0, NULL, 0);
        peer_flush(p);
        p->now += 50000;
    }
    assert_int_equal(p->count, 2); /* in one second, one each half */
    assert_int_equal(peer_counter(p, TCP_COUNT_CHALLENGE_HELD), 18);
    peer_free(p);
}

static void paws(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg seg;

    (void)state;
    peer_open_timestamps(p);
    p->ts = 6999;
    assert_int_equal(peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "old", 3), TCP_IN_DONE);
    assert_int_equal(peer_counter(p, TCP_COUNT_PAWS), 1);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 1, 0);
    p->ts = 7100;
    assert_int_equal(peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "new", 3), TCP_IN_CONN);
    peer_read(p);
    assert_int_equal(p->conn->ts_recent, PEER_ISS * 0 + 7100);
    /* Some stacks leave the option out later; that is let pass. */
    p->timestamps = false;
    assert_int_equal(peer_input(p, TCP_ACK | TCP_PSH, 4, 1, "bare", 4), TCP_IN_CONN);
    peer_read(p);
    /* A timestamp far ahead on text out of order is not remembered (RFC 7323 s4.3). */
    p->timestamps = true;
    p->ts = 999999;
    peer_input(p, TCP_ACK | TCP_PSH, 50, 1, "later", 5);
    assert_int_equal(p->conn->ts_recent, 7100);
    /* A reset needs no timestamp. */
    p->ts = 1;
    seg = peer_seg(p, TCP_RST, 8, 0, NULL, 0);
    assert_int_equal(peer_put(p, &seg), TCP_IN_DONE);
    peer_expect_gone(p, TCP_GONE_RESET);
    peer_free(p);
}

static void paws_forgets_after_24_days(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open_timestamps(p);
    p->now += TCP_PAWS_US + 60000000;
    p->ts = 5;
    assert_int_equal(peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "x", 1), TCP_IN_CONN);
    peer_read(p);
    peer_free(p);
}

static void urgent_is_ignored(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg seg;

    (void)state;
    peer_open(p);
    seg = peer_seg(p, TCP_ACK | TCP_URG | TCP_PSH, 1, 1, "urgent", 6);
    seg.urgent = 6;
    assert_int_equal(peer_put(p, &seg), TCP_IN_CONN);
    assert_int_equal(peer_read(p), 6);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_flag_and_place),
        cmocka_unit_test(challenges_are_rare),
        cmocka_unit_test(paws),
        cmocka_unit_test(paws_forgets_after_24_days),
        cmocka_unit_test(urgent_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
