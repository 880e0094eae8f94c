/* test_tcp_output.c - goal: segments as large as they may be, none beyond window or cwnd, none
 * sillier than they must be; a closed window is probed for ever while the peer answers.
 */
#include "tcp_peer.h"

static void text_is_cut_to_the_segment_size(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 4000);
    assert_int_equal(peer_expect(p, TCP_ACK, 1, 1, 1460)->text[300], (uint8_t)(300 * 31 + 1));
    assert_int_equal(peer_expect(p, TCP_ACK, 1461, 1, 1460)->text[600], (uint8_t)(2060 * 31 + 2060 / 251));
    peer_expect(p, TCP_ACK | TCP_PSH, 2921, 1, 1080);
    peer_quiet(p);
    peer_free(p);
}

static void timestamps_take_their_room(void **state)
{
    struct peer *p = peer_new(NULL);
    struct peer_sent *s;

    (void)state;
    peer_open_timestamps(p);
    peer_write(p, 2000);
    s = peer_expect(p, TCP_ACK, 1, 1, 1448);
    assert_true(s->seg.has_timestamps && s->seg.ts_ecr == 7000);
    peer_expect(p, TCP_ACK | TCP_PSH, 1449, 1, 552);
    peer_free(p);
}

static void writes_of_one_turn_leave_together(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(tcp_write(p->tcp, p->conn, span_str("250 ok\r\n")), 8);
    peer_flush(p);
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 1, 40);
    peer_quiet(p);
    peer_free(p);
}

static void no_more_than_the_initial_window(void **state)
{
    struct peer *p = peer_new(NULL);
    unsigned n = 0;

    (void)state;
    peer_open(p);
    peer_write(p, 30000);
    while (peer_next(p) != NULL)
        n++;
    assert_int_equal(n, 10);
    peer_free(p);
}

static void no_more_than_the_peer_s_window(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    p->window = 2000;
    peer_open(p);
    peer_write(p, 5000);
    peer_expect(p, TCP_ACK, 1, 1, 1460);
    peer_quiet(p); /* 540 left is less than half of its largest window: not worth a segment */
    peer_input(p, TCP_ACK, 1, 1461, NULL, 0);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1461, 1, 1460);
    p->window = 0;
    peer_input(p, TCP_ACK, 1, 2921, NULL, 0);
    peer_flush(p);
    peer_quiet(p);
    peer_free(p);
}

static void a_closed_window_is_probed(void **state)
{
    struct peer *p = peer_new(NULL);
    unsigned probes = 0;
    uint64_t start, last;

    (void)state;
    p->window = 0;
    peer_open(p);
    peer_write(p, 100);
    peer_quiet(p);
    start = last = p->now;
    while (p->now < start + 600000000) {
        struct peer_sent *s;

        peer_wait(p, 10000);
        s = peer_next(p);
        if (s == NULL)
            continue;
        assert_int_equal(s->seg.seq, p->iss + 1);
        assert_int_equal(s->len, 1);
        if (p->now - last > 70000000)
            fail();
        last = p->now;
        probes++;
        peer_input(p, TCP_ACK, 1, 1, NULL, 0); /* still closed */
    }
    assert_in_range(probes, 10, 25);
    assert_int_equal(tcp_census(p->tcp).connections, 1);
    p->window = 1000;
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    peer_flush(p);
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 1, 100);
    peer_input(p, TCP_ACK, 1, 101, NULL, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    peer_free(p);
}

static void a_probe_that_is_taken(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    p->window = 0;
    peer_open(p);
    peer_write(p, 100);
    peer_wait(p, 250000);
    peer_expect(p, TCP_ACK, 1, 1, 1);
    p->window = 1000;
    peer_input(p, TCP_ACK, 1, 2, NULL, 0);
    peer_flush(p);
    peer_expect(p, TCP_ACK | TCP_PSH, 2, 1, 99);
    peer_quiet(p);
    peer_free(p);
}

static void a_silent_peer_with_a_closed_window_is_given_up(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    p->window = 0;
    peer_open(p);
    peer_write(p, 100);
    peer_wait(p, 250000000);
    peer_expect_gone(p, TCP_GONE_TIMEOUT);
    peer_free(p);
}

static void a_small_window_is_used_after_a_while(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    p->window = 50;
    if (peer_input(p, TCP_ACK, 1, 1, "x", 1) == TCP_IN_CONN)
        peer_read(p);
    peer_input(p, TCP_ACK, 2, 1, NULL, 0);
    peer_write(p, 100);
    peer_quiet(p);
    peer_wait(p, 300000);
    peer_expect(p, TCP_ACK, 1, 2, 0); /* the delayed ACK */
    peer_expect(p, TCP_ACK, 1, 2, 50);
    peer_free(p);
}

/* An ACK that changes nothing must neither stop the persist timer nor start it anew. */
static void a_small_window_said_again_and_again(void **state)
{
    struct peer *p = peer_new(NULL);
    struct peer_sent *s;
    uint64_t start;
    bool sent = false;

    (void)state;
    p->window = 2000;
    peer_open(p);
    p->window = 100;
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    peer_write(p, 500);
    peer_quiet(p);
    start = p->now;
    for (uint32_t i = 0; p->now < start + 1000000 && !sent; i++) {
        if (peer_input(p, TCP_ACK, 1 + i, 1, "x", 1) == TCP_IN_CONN)
            peer_read(p);
        peer_wait(p, 20000);
        while ((s = peer_next(p)) != NULL)
            sent = sent || s->len == 100;
    }
    assert_true(sent);
    peer_free(p);
}

/* Silence before there was anything to say does not count against the peer. */
static void a_window_that_closed_long_ago(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    p->window = 0;
    peer_open(p);
    peer_wait(p, 500000000);
    peer_write(p, 100);
    peer_wait(p, 50000000);
    assert_int_equal(tcp_census(p->tcp).connections, 1);
    p->window = 1000;
    p->looked = p->count;
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    peer_flush(p);
    peer_next(p);
    assert_int_equal(p->conn->snd_nxt, p->iss + 101);
    peer_free(p);
}

static void without_frames_it_counts_as_lost(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    p->no_frames = true;
    peer_write(p, 10);
    assert_int_equal(peer_counter(p, TCP_COUNT_OUT_NO_FRAME), 1);
    p->no_frames = false;
    peer_flush(p);
    peer_quiet(p);
    peer_wait(p, 250000);
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 1, 10);
    peer_free(p);
}

static void idle_shrinks_the_congestion_window(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    p->conn->cwnd = 100000;
    peer_wait(p, 2000000);
    peer_write(p, 10);
    assert_int_equal(p->conn->cwnd, 14600);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_to_the_segment_size),
        cmocka_unit_test(timestamps_take_their_room),
        cmocka_unit_test(writes_of_one_turn_leave_together),
        cmocka_unit_test(no_more_than_the_initial_window),
        cmocka_unit_test(no_more_than_the_peer_s_window),
        cmocka_unit_test(a_closed_window_is_probed),
        cmocka_unit_test(a_probe_that_is_taken),
        cmocka_unit_test(a_silent_peer_with_a_closed_window_is_given_up),
        cmocka_unit_test(a_small_window_is_used_after_a_while),
        cmocka_unit_test(a_small_window_said_again_and_again),
        cmocka_unit_test(a_window_that_closed_long_ago),
        cmocka_unit_test(without_frames_it_counts_as_lost),
        cmocka_unit_test(idle_shrinks_the_congestion_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
