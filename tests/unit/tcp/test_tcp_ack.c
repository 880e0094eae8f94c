/* test_tcp_ack.c - goal: what is lost is sent again, once, at the right time, with SACK and
 * without; what is not lost is not.
 */
#include "tcp_peer.h"

#define MSS 1460u

static void sack(struct peer *p, uint32_t ack, uint32_t left, uint32_t right)
{
    struct tcp_seg seg = peer_seg(p, TCP_ACK, 1, ack, NULL, 0);

    seg.sack_count = right > left ? 1 : 0;
    seg.sack[0] = (struct tcp_sack_block){.left = p->iss + left, .right = p->iss + right};
    peer_put(p, &seg);
    peer_flush(p);
}

static void ack(struct peer *p, uint32_t number)
{
    peer_input(p, TCP_ACK, 1, number, NULL, 0);
    peer_flush(p);
}

static void skip_sent(struct peer *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_non_null(peer_next(p));
    peer_quiet(p);
}

static void rto_follows_the_round_trip(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p); /* 1 ms */
    assert_int_equal(p->conn->rto_us, 1000 + TCP_RTO_MIN_US);
    for (unsigned i = 0; i < 40; i++) {
        peer_write(p, 1);
        p->now += 400000;
        ack(p, 2 + i);
    }
    assert_in_range(p->conn->srtt_us8 >> 3, 390000, 401000);
    assert_in_range(p->conn->rto_us, 590000, 640000);
    p->looked = p->count;
    peer_free(p);
}

static void no_sample_from_what_was_sent_twice(void **state)
{
    struct peer *p = peer_new(NULL);
    uint32_t srtt;

    (void)state;
    peer_open(p);
    srtt = p->conn->srtt_us8;
    peer_write(p, 10);
    peer_wait(p, 300000);
    ack(p, 11);
    assert_int_equal(p->conn->srtt_us8, srtt); /* Karn */
    peer_free(p);

    p = peer_new(NULL);
    peer_open_timestamps(p); /* with timestamps it is known which one was answered */
    srtt = p->conn->srtt_us8;
    peer_write(p, 10);
    peer_wait(p, 300000);
    {
        struct tcp_seg seg = peer_seg(p, TCP_ACK, 1, 11, NULL, 0);
        struct peer_sent *s = NULL, *last = NULL;

        while ((s = peer_next(p)) != NULL)
            last = s;
        p->now += 20 * 1024;
        seg.ts_ecr = last->seg.ts_val;
        peer_put(p, &seg);
    }
    assert_int_not_equal(p->conn->srtt_us8, srtt);
    assert_true(p->conn->srtt_us8 >> 3 < 200000);
    peer_free(p);
}

static void timeouts_double_and_end(void **state)
{
    struct peer *p = peer_new(NULL);
    uint64_t last = 0, gap = 0, start;
    unsigned n = 0;

    (void)state;
    peer_open(p);
    peer_write(p, 10);
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 1, 10);
    start = last = p->now;
    while (tcp_census(p->tcp).connections == 1 && p->now < start + 300000000) {
        struct peer_sent *s;
        struct tcp_event ev;

        peer_wait(p, 1000);
        s = peer_next(p);
        if (s != NULL && !(s->seg.flags & TCP_RST)) {
            assert_int_equal(s->seg.seq, p->iss + 1);
            assert_int_equal(s->len, 10);
            if (n++ > 0)
                assert_in_range(p->now - last, gap * 2 - 5000, gap * 2 + 5000);
            gap = p->now - last;
            last = p->now;
        } else if (s != NULL) {
            assert_true(peer_event(p, TCP_EV_GONE, &ev));
            assert_int_equal(ev.why, TCP_GONE_TIMEOUT);
            peer_flush(p);
        }
    }
    assert_in_range(n, 7, TCP_RETRIES_MAX);
    assert_in_range(p->now - start, TCP_GIVE_UP_US, 2 * TCP_GIVE_UP_US);
    assert_int_equal(p->gone, 1);
    peer_free(p);
}

static void timeout_slow_starts_from_one_segment(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 8 * MSS);
    skip_sent(p, 8);
    peer_wait(p, 250000);
    peer_expect(p, TCP_ACK, 1, 1, MSS);
    peer_quiet(p);
    assert_int_equal(p->conn->ssthresh, 4 * MSS);
    ack(p, 1 + MSS);
    peer_expect(p, TCP_ACK, 1 + MSS, 1, MSS);
    peer_expect(p, TCP_ACK, 1 + 2 * MSS, 1, MSS);
    peer_quiet(p);
    ack(p, 1 + 8 * MSS); /* the originals had arrived */
    assert_int_equal(p->conn->loss, TCP_LOSS_OPEN);
    peer_wait(p, 400000);
    peer_quiet(p);
    peer_free(p);
}

static void three_duplicates_without_sack(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open_plain(p);
    peer_write(p, 14 * MSS); /* cwnd is 10 */
    skip_sent(p, 10);
    ack(p, 1);
    peer_expect(p, TCP_ACK, 1 + 10 * MSS, 1, MSS); /* limited transmit, RFC 3042 */
    ack(p, 1);
    peer_expect(p, TCP_ACK, 1 + 11 * MSS, 1, MSS);
    peer_quiet(p);
    ack(p, 1);
    peer_expect(p, TCP_ACK, 1, 1, MSS);
    peer_quiet(p);
    assert_int_equal(p->conn->loss, TCP_LOSS_FAST);
    assert_int_equal(p->conn->ssthresh, 6 * MSS);
    assert_int_equal(peer_counter(p, TCP_COUNT_RENO_RECOVERY), 1);
    ack(p, 1 + 3 * MSS); /* partial: the next hole, at once */
    peer_expect(p, TCP_ACK, 1 + 3 * MSS, 1, MSS);
    while (peer_next(p) != NULL)
        ;
    ack(p, 1 + 12 * MSS);
    assert_int_equal(p->conn->loss, TCP_LOSS_OPEN);
    assert_int_equal(p->conn->cwnd, 6 * MSS);
    peer_free(p);
}

static void no_second_recovery_for_the_same_window(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open_plain(p);
    peer_write(p, 4 * MSS);
    skip_sent(p, 4);
    peer_wait(p, 250000); /* timeout */
    peer_expect(p, TCP_ACK, 1, 1, MSS);
    ack(p, 1 + 4 * MSS);
    peer_write(p, 4 * MSS);
    while (peer_next(p) != NULL)
        ;
    for (unsigned i = 0; i < 5; i++)
        ack(p, 1 + 4 * MSS); /* duplicates that the retransmissions caused */
    assert_int_equal(peer_counter(p, TCP_COUNT_FAST_RETRANS), 0);
    peer_free(p);
}

static void sack_repairs_several_holes_in_one_round_trip(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 10 * MSS);
    skip_sent(p, 10);
    sack(p, 1, 1 + MSS, 1 + 2 * MSS); /* 0 lost, 1 here */
    peer_quiet(p);
    sack(p, 1, 1 + 3 * MSS, 1 + 4 * MSS); /* 2 lost */
    peer_quiet(p);
    sack(p, 1, 1 + 5 * MSS, 1 + 7 * MSS); /* 4 lost */
    peer_expect(p, TCP_ACK, 1, 1, MSS);
    sack(p, 1, 1 + 5 * MSS, 1 + 9 * MSS);
    sack(p, 1, 1 + 5 * MSS, 1 + 10 * MSS);
    peer_expect(p, TCP_ACK, 1 + 2 * MSS, 1, MSS);
    peer_expect(p, TCP_ACK, 1 + 4 * MSS, 1, MSS);
    peer_quiet(p);
    sack(p, 1 + 10 * MSS, 0, 0);
    assert_int_equal(p->conn->loss, TCP_LOSS_OPEN);
    assert_int_equal(peer_counter(p, TCP_COUNT_RETRANS_SEGS), 3);
    assert_int_equal(peer_counter(p, TCP_COUNT_FAST_RETRANS), 1);
    peer_free(p);
}

static void a_window_update_is_no_duplicate(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open_plain(p);
    p->window = 20000;
    ack(p, 1);
    peer_write(p, 5 * MSS);
    skip_sent(p, 5);
    for (unsigned i = 0; i < 6; i++) {
        p->window = (uint16_t)(p->window + 1000);
        ack(p, 1);
    }
    assert_int_equal(p->conn->dup_acks, 0);
    for (unsigned i = 0; i < 6; i++) /* nor is text */
        if (peer_input(p, TCP_ACK | TCP_PSH, 1 + i, 1, "x", 1) == TCP_IN_CONN)
            peer_read(p);
    assert_int_equal(p->conn->dup_acks, 0);
    peer_free(p);
}

static void an_old_window_does_not_replace_a_newer_one(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    p->window = 9000;
    if (peer_input(p, TCP_ACK, 1, 1, "abc", 3) == TCP_IN_CONN)
        peer_read(p);
    p->window = 100;
    peer_input(p, TCP_ACK, 1, 1, NULL, 0); /* overtaken on the way; not acceptable either */
    assert_int_equal(p->conn->snd_wnd, 9000);
    p->window = 500;
    peer_input(p, TCP_ACK, 4, 1, NULL, 0); /* a later one may (the peer's right, if not nice) */
    assert_int_equal(p->conn->snd_wnd, 500);
    peer_free(p);
}

static void writers_are_told_of_room(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    static uint8_t bytes[5000];

    (void)state;
    config.send_buffer = 3000;
    p = peer_new(&config);
    peer_open(p);
    assert_int_equal(tcp_room(p->tcp, p->conn), 3000);
    assert_int_equal(tcp_write(p->tcp, p->conn, span_of(bytes, sizeof(bytes))), 3000);
    assert_int_equal(tcp_room(p->tcp, p->conn), 0);
    peer_flush(p);
    assert_int_equal(peer_input(p, TCP_ACK, 1, 1 + MSS, NULL, 0), TCP_IN_CONN);
    assert_int_equal(tcp_room(p->tcp, p->conn), MSS);
    assert_int_equal(peer_input(p, TCP_ACK, 1, 1 + 2 * MSS, NULL, 0), TCP_IN_DONE); /* told once */
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rto_follows_the_round_trip),
        cmocka_unit_test(no_sample_from_what_was_sent_twice),
        cmocka_unit_test(timeouts_double_and_end),
        cmocka_unit_test(timeout_slow_starts_from_one_segment),
        cmocka_unit_test(three_duplicates_without_sack),
        cmocka_unit_test(no_second_recovery_for_the_same_window),
        cmocka_unit_test(sack_repairs_several_holes_in_one_round_trip),
        cmocka_unit_test(a_window_update_is_no_duplicate),
        cmocka_unit_test(an_old_window_does_not_replace_a_newer_one),
        cmocka_unit_test(writers_are_told_of_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
