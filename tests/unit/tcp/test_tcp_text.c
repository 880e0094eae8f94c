/* test_tcp_text.c - goal: bytes come in order and once, are acknowledged only when consumed or
 * stored, and the window tells the truth.
 */
#include "tcp_peer.h"

static const uint8_t letters[] = "abcdefghijklmnopqrstuvwxyz";

/* Letters [from, to) arrive; letter i has number 1 + i. */
static enum tcp_in in(struct peer *p, uint32_t from, uint32_t to)
{
    return peer_input(p, TCP_ACK | TCP_PSH, 1 + from, 1, letters + from, to - from);
}

static void read_is(struct peer *p, const char *want)
{
    assert_int_equal(p->got_len, strlen(want));
    assert_memory_equal(p->got, want, p->got_len);
}

static void in_order_is_lent_not_copied(void **state)
{
    struct peer *p = peer_new(NULL);
    struct span s;

    (void)state;
    peer_open(p);
    assert_int_equal(in(p, 0, 5), TCP_IN_CONN);
    s = tcp_peek(p->tcp, p->conn);
    assert_ptr_equal(s.ptr, letters);
    assert_int_equal(s.len, 5);
    tcp_consume(p->tcp, p->conn, 2);
    assert_int_equal(tcp_peek(p->tcp, p->conn).len, 3);
    assert_int_equal(peer_read(p), 3);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    peer_free(p);
}

static void acknowledged_late_or_with_every_second(void **state)
{
    struct peer *p = peer_new(NULL);
    static uint8_t text[1460];

    (void)state;
    peer_open(p);
    in(p, 0, 5);
    peer_read(p);
    peer_flush(p);
    peer_quiet(p);
    peer_wait(p, 39000);
    peer_quiet(p);
    peer_wait(p, 3000);
    peer_expect(p, TCP_ACK, 1, 6, 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_DELAYED_ACKS), 1);
    for (uint32_t i = 0; i < 4; i++) {
        peer_input(p, TCP_ACK, 6 + i * 1460, 1, text, sizeof(text));
        peer_read(p);
        peer_flush(p);
    }
    peer_expect(p, TCP_ACK, 1, 6 + 2 * 1460, 0);
    peer_expect(p, TCP_ACK, 1, 6 + 4 * 1460, 0);
    peer_quiet(p);
    in(p, 0, 0);
    peer_free(p);
}

static void a_reply_carries_the_ack(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    in(p, 0, 6);
    peer_read(p);
    peer_write(p, 8);
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 7, 8);
    peer_wait(p, 100000);
    peer_quiet(p);
    peer_free(p);
}

static void one_ack_for_a_burst(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    for (uint32_t i = 2; i < 8; i += 2)
        in(p, i, i + 1);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 1, 0);
    peer_quiet(p);
    peer_free(p);
}

static void every_order_of_arrival(void **state)
{
    static const uint8_t perm[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 0, 3, 1}, {3, 0, 1, 2}, {1, 3, 0, 2},
                                      {0, 2, 1, 3}, {0, 3, 2, 1}};

    (void)state;
    /* overlap: each piece begins `back` letters early and ends `more` late */
    for (uint32_t back = 0; back <= 7; back++)
        for (uint32_t more = 0; more <= 7; more++)
            for (size_t i = 0; i < ARRAY_LEN(perm); i++) {
                struct peer *p = peer_new(NULL);

                peer_open(p);
                for (unsigned k = 0; k < 4; k++) {
                    uint32_t from = perm[i][k] * 6u, to = from + 6 + more;

                    from = from > back ? from - back : 0;
                    if (in(p, from, to < 24 ? to : 24) == TCP_IN_CONN)
                        peer_read(p);
                }
                read_is(p, "abcdefghijklmnopqrstuvwx");
                peer_flush(p);
                assert_int_equal(p->conn->rcv_nxt, PEER_ISS + 25);
                assert_int_equal(tcp_census(p->tcp).blocks, 0);
                peer_free(p);
            }
}

static void first_data_wins(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    in(p, 2, 4);
    peer_input(p, TCP_ACK, 1, 1, "ABCDEF", 6);
    peer_read(p);
    read_is(p, "ABcdEF");
    peer_free(p);
}

static void unread_text_is_stored_and_acknowledged(void **state)
{
    struct peer *p = peer_new(NULL);
    struct peer_sent *s;

    (void)state;
    peer_open(p);
    assert_int_equal(in(p, 0, 10), TCP_IN_CONN);
    tcp_consume(p->tcp, p->conn, 4);
    tcp_settle(p->tcp, p->conn, peer_now(p)); /* suspended */
    assert_int_equal(tcp_census(p->tcp).blocks, 1);
    in(p, 10, 20);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    assert_int_equal(tcp_census(p->tcp).blocks, 1);
    peer_wait(p, 50000);
    s = peer_expect(p, TCP_ACK, 1, 21, 0);
    assert_in_range(s->seg.window, 32768 - 20, 32768);
    memcpy(p->got, letters, 4);
    p->got_len = 4;
    assert_int_equal(peer_read(p), 16);
    read_is(p, "abcdefghijklmnopqrst");
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    peer_free(p);
}

static void without_blocks_unread_text_is_not_acknowledged(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;

    (void)state;
    config.blocks = 0;
    p = peer_new(&config);
    peer_open(p);
    in(p, 0, 10);
    tcp_consume(p->tcp, p->conn, 4);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    assert_int_equal(peer_counter(p, TCP_COUNT_UNREAD_DROP), 1);
    peer_wait(p, 50000);
    peer_expect(p, TCP_ACK, 1, 5, 0);
    in(p, 6, 10); /* out of order now, and nowhere to put it */
    assert_int_equal(peer_counter(p, TCP_COUNT_OFO_DROP), 1);
    assert_int_equal(in(p, 0, 10), TCP_IN_CONN);
    memcpy(p->got, letters, 4);
    p->got_len = 4;
    assert_int_equal(peer_read(p), 6);
    read_is(p, "abcdefghij");
    peer_free(p);
}

static void a_caller_that_forgets_to_settle(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    in(p, 0, 10);
    peer_flush(p);
    assert_int_equal(tcp_peek(p->tcp, p->conn).len, 0);
    in(p, 0, 10);
    in(p, 10, 20); /* the first frame is gone: only out of order is left */
    assert_int_equal(tcp_peek(p->tcp, p->conn).len, 0);
    assert_int_equal(in(p, 0, 10), TCP_IN_CONN);
    peer_read(p);
    read_is(p, "abcdefghijklmnopqrst");
    peer_free(p);
}

static void the_window_closes_and_opens(void **state)
{
    struct tcp_config config = peer_config();
    static uint8_t text[1000];
    struct peer_sent *s, *last = NULL;
    struct peer *p;
    uint32_t edge = 0;

    (void)state;
    config.receive_window = 4000;
    p = peer_new(&config);
    peer_open(p);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(peer_input(p, TCP_ACK, 1 + i * 1000, 1, text, 1000), TCP_IN_CONN);
        tcp_settle(p->tcp, p->conn, peer_now(p));
        peer_wait(p, 50000);
        while ((s = peer_next(p)) != NULL) {
            assert_false(seq_before(s->seg.ack + s->seg.window, edge) && edge != 0);
            edge = s->seg.ack + s->seg.window;
            last = s;
        }
    }
    assert_int_equal(last->seg.window, 0);
    /* Probes are answered, and their text is not taken. */
    peer_input(p, TCP_ACK, 4001, 1, text, 1);
    peer_flush(p);
    assert_int_equal(peer_expect(p, TCP_ACK, 1, 4001, 0)->seg.window, 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_WINDOW_DROP), 1);
    /* A little room is not worth telling; a segment's worth is. */
    tcp_consume(p->tcp, p->conn, 700);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_quiet(p);
    tcp_consume(p->tcp, p->conn, 1000);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    assert_int_equal(peer_expect(p, TCP_ACK, 1, 4001, 0)->seg.window, 1700);
    assert_int_equal(peer_counter(p, TCP_COUNT_WINDOW_UPDATES), 1);
    peer_free(p);
}

static void fin_in_every_position(void **state)
{
    (void)state;
    for (uint32_t cut = 0; cut <= 10; cut++) { /* text [0,10) + FIN; the second part comes first */
        struct peer *p = peer_new(NULL);

        peer_open(p);
        if (peer_input(p, TCP_ACK | TCP_FIN, 1 + cut, 1, letters + cut, 10 - cut) == TCP_IN_CONN)
            peer_read(p);
        assert_int_equal(tcp_at_eof(p->conn), cut == 0);
        if (cut > 0) {
            assert_int_equal(in(p, 0, cut), TCP_IN_CONN);
            peer_read(p);
        }
        read_is(p, "abcdefghij");
        assert_true(tcp_at_eof(p->conn));
        peer_flush(p);
        assert_int_equal(p->conn->rcv_nxt, PEER_ISS + 12);
        assert_int_equal(p->conn->state, TCP_CLOSE_WAIT);
        assert_int_equal(tcp_census(p->tcp).blocks, 0);
        peer_free(p);
    }
}

static void end_waits_for_unread_text(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_input(p, TCP_ACK | TCP_FIN, 1, 1, letters, 10);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 12, 0);
    assert_false(tcp_at_eof(p->conn));
    assert_int_equal(peer_read(p), 10);
    assert_true(tcp_at_eof(p->conn));
    peer_free(p);
}

static void text_after_the_fin_is_not_text(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_input(p, TCP_ACK | TCP_FIN, 6, 1, NULL, 0);
    peer_input(p, TCP_ACK, 8, 1, "zzz", 3);
    peer_input(p, TCP_ACK | TCP_FIN, 3, 1, NULL, 0); /* another end: the first counts */
    in(p, 0, 10);
    peer_read(p);
    read_is(p, "abcde");
    assert_true(tcp_at_eof(p->conn));
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_is_lent_not_copied),
        cmocka_unit_test(acknowledged_late_or_with_every_second),
        cmocka_unit_test(a_reply_carries_the_ack),
        cmocka_unit_test(one_ack_for_a_burst),
        cmocka_unit_test(every_order_of_arrival),
        cmocka_unit_test(first_data_wins),
        cmocka_unit_test(unread_text_is_stored_and_acknowledged),
        cmocka_unit_test(without_blocks_unread_text_is_not_acknowledged),
        cmocka_unit_test(a_caller_that_forgets_to_settle),
        cmocka_unit_test(the_window_closes_and_opens),
        cmocka_unit_test(fin_in_every_position),
        cmocka_unit_test(end_waits_for_unread_text),
        cmocka_unit_test(text_after_the_fin_is_not_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
