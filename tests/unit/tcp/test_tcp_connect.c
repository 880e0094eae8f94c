/* test_tcp_connect.c - goal: active open, refused, lost and simultaneous (RFC 9293 s3.5). */
#include "tcp_peer.h"

static void dial(struct peer *p)
{
    struct net_path path = {.port = 2};
    struct peer_sent *s;

    p->conn = tcp_connect(p->tcp, &p->key, &path, peer_now(p));
    assert_non_null(p->conn);
    assert_false(tcp_established(p->conn));
    peer_flush(p);
    s = peer_next(p);
    assert_non_null(s);
    assert_int_equal(s->seg.flags, TCP_SYN);
    assert_true(s->seg.has_mss && s->seg.has_wscale && s->seg.has_sack_permitted && s->seg.has_timestamps);
    p->iss = s->seg.seq;
}

static void answered(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg seg;
    struct tcp_event ev;
    struct net_path path = {.port = 2};

    (void)state;
    dial(p);
    assert_null(tcp_connect(p->tcp, &p->key, &path, peer_now(p))); /* the tuple is in use */
    seg = peer_seg(p, TCP_SYN | TCP_ACK, 0, 1, NULL, 0);
    seg.has_mss = true;
    seg.mss = 700;
    assert_int_equal(peer_put(p, &seg), TCP_IN_DONE);
    assert_true(peer_event(p, TCP_EV_CONN, &ev));
    assert_true(tcp_established(p->conn));
    assert_int_equal(p->conn->mss, 700);
    assert_int_equal(p->conn->flags & (C_TIMESTAMPS | C_SACK | C_WSCALE), 0);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 1, 0);
    peer_write(p, 10);
    peer_expect(p, TCP_ACK | TCP_PSH, 1, 1, 10);
    peer_free(p);
}

static void refused(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    dial(p);
    peer_input(p, TCP_RST, 0, 0, NULL, 0); /* without ACK: not for our SYN */
    peer_input(p, TCP_RST | TCP_ACK, 0, 2, NULL, 0);
    assert_int_equal(tcp_census(p->tcp).connections, 1);
    peer_input(p, TCP_RST | TCP_ACK, 0, 1, NULL, 0);
    peer_expect_gone(p, TCP_GONE_RESET);
    peer_free(p);
}

static void wrong_answers(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    dial(p);
    peer_input(p, TCP_SYN | TCP_ACK, 0, 9, NULL, 0);
    assert_int_equal(peer_next(p)->seg.flags, TCP_RST);
    peer_input(p, TCP_ACK, 0, 1, NULL, 0); /* no SYN */
    peer_input(p, TCP_FIN, 0, 0, NULL, 0);
    peer_quiet(p);
    assert_false(tcp_established(p->conn));
    peer_free(p);
}

static void nobody_answers(void **state)
{
    struct peer *p = peer_new(NULL);
    unsigned syns = 0;

    (void)state;
    dial(p);
    peer_wait(p, 120000000);
    while (peer_next(p) != NULL)
        syns++;
    assert_int_equal(syns, TCP_SYN_RETRIES_MAX);
    peer_expect_gone(p, TCP_GONE_TIMEOUT);
    peer_free(p);
}

static void simultaneous(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    dial(p);
    peer_input(p, TCP_SYN, 0, 0, NULL, 0);
    peer_flush(p);
    peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0);
    assert_false(tcp_established(p->conn));
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    assert_true(peer_event(p, TCP_EV_CONN, &ev));
    assert_true(tcp_established(p->conn));
    peer_free(p);
}

static void simultaneous_with_a_wrong_ack(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    dial(p);
    peer_input(p, TCP_SYN, 0, 0, NULL, 0);
    peer_flush(p);
    peer_next(p);
    peer_input(p, TCP_ACK, 1, 5, NULL, 0);
    assert_int_equal(peer_next(p)->seg.flags, TCP_RST);
    assert_false(tcp_established(p->conn));
    peer_wait(p, 1100000);
    peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0);
    peer_free(p);
}

static void closed_before_it_was_open(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    dial(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_expect_gone(p, TCP_GONE_CLOSED);
    peer_quiet(p);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered),
        cmocka_unit_test(refused),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(simultaneous),
        cmocka_unit_test(simultaneous_with_a_wrong_ack),
        cmocka_unit_test(closed_before_it_was_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
