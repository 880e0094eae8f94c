/* test_tcp_states.c - goal: every way to end, each with exactly one last word, the last reply never
 * lost to our own reset, nothing held afterwards.
 */
#include "tcp_peer.h"

static void we_close_first(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    tcp_write(p->tcp, p->conn, span_str("221 bye\r\n"));
    tcp_close(p->tcp, p->conn, peer_now(p));
    tcp_close(p->tcp, p->conn, peer_now(p)); /* again: nothing */
    assert_int_equal(tcp_write(p->tcp, p->conn, span_str("x")), 0);
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK | TCP_PSH, 1, 1, 9);
    peer_quiet(p);
    peer_input(p, TCP_ACK, 1, 11, NULL, 0);
    assert_int_equal(p->conn->state, TCP_FIN_WAIT_2);
    peer_input(p, TCP_FIN | TCP_ACK, 1, 11, NULL, 0);
    peer_expect(p, TCP_ACK, 11, 2, 0);
    peer_expect_gone(p, TCP_GONE_CLOSED);
    assert_int_equal(tcp_census(p->tcp).time_waits, 1);
    peer_free(p);
}

static void the_peer_closes_first(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    assert_int_equal(peer_input(p, TCP_FIN | TCP_ACK, 1, 1, "QUIT\r\n", 6), TCP_IN_CONN);
    peer_read(p);
    assert_true(tcp_at_eof(p->conn));
    peer_write(p, 9); /* half closed is served */
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 8, 9);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK, 10, 8, 0);
    assert_int_equal(p->conn->state, TCP_LAST_ACK);
    peer_input(p, TCP_ACK, 8, 11, NULL, 0);
    peer_expect_gone(p, TCP_GONE_CLOSED);
    assert_int_equal(tcp_census(p->tcp).time_waits, 0);
    peer_free(p);
}

static void both_close_at_once(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK, 1, 1, 0);
    peer_input(p, TCP_FIN | TCP_ACK, 1, 1, NULL, 0);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 2, 2, 0);
    assert_int_equal(p->conn->state, TCP_CLOSING);
    peer_input(p, TCP_ACK, 2, 2, NULL, 0);
    peer_expect_gone(p, TCP_GONE_CLOSED);
    assert_int_equal(tcp_census(p->tcp).time_waits, 1);
    peer_quiet(p);
    peer_free(p);
}

static void fin_is_sent_again(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK, 1, 1, 0);
    peer_wait(p, 250000);
    peer_expect(p, TCP_FIN | TCP_ACK, 1, 1, 0);
    peer_wait(p, 250000000);
    peer_expect_gone(p, TCP_GONE_TIMEOUT);
    peer_free(p);
}

static void late_bytes_are_acknowledged_and_thrown_away(void **state)
{
    struct peer *p = peer_new(NULL);
    static uint8_t text[1460];

    (void)state;
    peer_open(p);
    tcp_write(p->tcp, p->conn, span_str("554 no\r\n"));
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK | TCP_PSH, 1, 1, 8);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(peer_input(p, TCP_ACK, 1 + i * 1460, 1, text, 1460), TCP_IN_DONE);
    peer_flush(p);
    assert_int_equal(peer_expect(p, TCP_ACK, 10, 1 + 4 * 1460, 0)->seg.window, 32768);
    assert_int_equal(peer_counter(p, TCP_COUNT_LATE_BYTES), 4 * 1460);
    peer_input(p, TCP_FIN | TCP_ACK, 1 + 4 * 1460, 10, NULL, 0);
    peer_expect(p, TCP_ACK, 10, 2 + 4 * 1460, 0);
    peer_expect_gone(p, TCP_GONE_CLOSED);
    peer_free(p);
}

static void a_peer_that_never_stops_is_reset_after_the_linger(void **state)
{
    struct peer *p = peer_new(NULL);
    uint32_t at = 1;
    uint64_t start;

    (void)state;
    peer_open(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_input(p, TCP_ACK, 1, 2, NULL, 0);
    start = p->now;
    while (tcp_established(p->conn) && p->now < start + 60000000) {
        peer_input(p, TCP_ACK, at++, 2, "x", 1);
        p->looked = p->count = 0;
        peer_wait(p, 500000);
    }
    assert_in_range(p->now - start, p->config.linger_us, p->config.linger_us + 1000000);
    assert_int_equal(p->sent[p->count - 1].seg.flags, TCP_RST | TCP_ACK);
    peer_expect_gone(p, TCP_GONE_TIMEOUT);
    assert_int_equal(peer_counter(p, TCP_COUNT_ABORT_ON_LINGER), 1);
    peer_free(p);
}

static void a_peer_that_never_closes_is_forgotten(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_next(p);
    peer_input(p, TCP_ACK, 1, 2, NULL, 0);
    peer_wait(p, p->config.linger_us + 100000);
    peer_quiet(p); /* it may still be reading: no reset */
    peer_expect_gone(p, TCP_GONE_TIMEOUT);
    assert_int_equal(peer_counter(p, TCP_COUNT_LINGER_END), 1);
    peer_free(p);
}

static void close_discards_what_is_unread(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_input(p, TCP_ACK, 1, 1, "stored", 6);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    peer_input(p, TCP_ACK, 20, 1, "ahead", 5);
    assert_int_equal(peer_input(p, TCP_ACK, 7, 1, "lent", 4), TCP_IN_CONN);
    tcp_close(p->tcp, p->conn, peer_now(p));
    assert_int_equal(tcp_peek(p->tcp, p->conn).len, 0);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK, 1, 11, 0);
    peer_free(p);
}

static void abort_resets_and_says_so_once(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 100);
    peer_next(p);
    tcp_abort(p->tcp, p->conn, peer_now(p));
    tcp_abort(p->tcp, p->conn, peer_now(p));
    tcp_close(p->tcp, p->conn, peer_now(p));
    tcp_settle(p->tcp, p->conn, peer_now(p));
    assert_int_equal(tcp_write(p->tcp, p->conn, span_str("x")), 0);
    assert_int_equal(tcp_room(p->tcp, p->conn), 0);
    assert_int_equal(tcp_peek(p->tcp, p->conn).len, 0);
    tcp_consume(p->tcp, p->conn, 0);
    peer_expect(p, TCP_RST | TCP_ACK, 101, 1, 0);
    peer_quiet(p);
    peer_expect_gone(p, TCP_GONE_ABORTED);
    peer_free(p);
}

static void the_peer_resets(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 100);
    peer_next(p);
    assert_int_equal(peer_input(p, TCP_RST, 1, 0, NULL, 0), TCP_IN_DONE);
    peer_expect_gone(p, TCP_GONE_RESET);
    peer_quiet(p);
    assert_int_equal(peer_counter(p, TCP_COUNT_ESTAB_RESETS), 1);
    peer_free(p);
}

/* A slot is used again only after its last word, even when it stands on the flush list. */
static void slots_come_back_clean(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;

    (void)state;
    config.connections = 2;
    p = peer_new(&config);
    for (unsigned i = 0; i < 200; i++) {
        struct tcp_event ev;

        p->key.remote_port = (uint16_t)(1024 + i);
        p->conn = NULL;
        peer_open(p);
        assert_int_equal(tcp_write(p->tcp, p->conn, span_str("220 hi\r\n")), 8);
        if (i % 3 == 0)
            peer_flush(p);
        tcp_abort(p->tcp, p->conn, peer_now(p));
        assert_true(peer_event(p, TCP_EV_GONE, &ev));
        assert_false(tcp_next(p->tcp, &ev));
        if (i % 2 == 0)
            peer_flush(p);
        p->looked = p->count = 0;
    }
    peer_flush(p);
    assert_int_equal(tcp_census(p->tcp).connections, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    assert_int_equal(p->gone, 200);
    peer_free(p);
}

static void only_legal_edges(void **state)
{
    static const struct {
        uint16_t from, to;
    } legal[] = {
        {TCP_SYN_SENT, TCP_SYN_RCVD},   {TCP_SYN_SENT, TCP_ESTABLISHED}, {TCP_SYN_RCVD, TCP_ESTABLISHED},
        {TCP_ESTABLISHED, TCP_FIN_WAIT_1}, {TCP_ESTABLISHED, TCP_CLOSE_WAIT}, {TCP_FIN_WAIT_1, TCP_FIN_WAIT_2},
        {TCP_FIN_WAIT_1, TCP_CLOSING},  {TCP_CLOSE_WAIT, TCP_LAST_ACK},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(legal); i++) {
        struct tcp_conn c = {.state = legal[i].from};

        tcp_enter(&c, (enum tcp_state)legal[i].to);
        assert_int_equal(c.state, legal[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_close_first),
        cmocka_unit_test(the_peer_closes_first),
        cmocka_unit_test(both_close_at_once),
        cmocka_unit_test(fin_is_sent_again),
        cmocka_unit_test(late_bytes_are_acknowledged_and_thrown_away),
        cmocka_unit_test(a_peer_that_never_stops_is_reset_after_the_linger),
        cmocka_unit_test(a_peer_that_never_closes_is_forgotten),
        cmocka_unit_test(close_discards_what_is_unread),
        cmocka_unit_test(abort_resets_and_says_so_once),
        cmocka_unit_test(the_peer_resets),
        cmocka_unit_test(slots_come_back_clean),
        cmocka_unit_test(only_legal_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
