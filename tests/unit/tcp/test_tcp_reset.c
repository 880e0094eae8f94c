/* test_tcp_reset.c - goal: strangers are told to go away as RFC 9293 s3.10.7.1 says, within a
 * limit, and never for a reset.
 */
#include "tcp_peer.h"

static void strangers(void **state)
{
    struct peer *p = peer_new(NULL);
    struct peer_sent *s;

    (void)state;
    p->iss = 5000;
    peer_input(p, TCP_RST, 7, 0, NULL, 0);
    peer_input(p, TCP_RST | TCP_ACK, 7, 9, NULL, 0);
    peer_quiet(p);
    peer_input(p, TCP_ACK | TCP_PSH, 7, 9, "abc", 3);
    s = peer_next(p);
    assert_int_equal(s->seg.flags, TCP_RST);
    assert_int_equal(s->seg.seq, 5009);
    peer_input(p, TCP_FIN, 7, 0, "abc", 3);
    s = peer_next(p);
    assert_int_equal(s->seg.flags, TCP_RST | TCP_ACK);
    assert_int_equal(s->seg.seq, 0);
    assert_int_equal(s->seg.ack, PEER_ISS + 11);
    assert_int_equal(peer_counter(p, TCP_COUNT_IN_NO_CONN), 4);
    peer_free(p);
}

static void a_refused_syn(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg syn = peer_syn_seg(p);
    struct peer_sent *s;

    (void)state;
    assert_int_equal(peer_put(p, &syn), TCP_IN_SYN);
    tcp_syn_reset(p->tcp, &syn);
    s = peer_next(p);
    assert_int_equal(s->seg.flags, TCP_RST | TCP_ACK);
    assert_int_equal(s->seg.ack, PEER_ISS + 1);
    assert_int_equal(s->seg.seq, 0);
    peer_free(p);
}

static void no_more_than_the_valve_lets(void **state)
{
    struct peer *p = peer_new(NULL);
    uint64_t sent;

    (void)state;
    for (unsigned i = 0; i < 2 * TCP_RESETS_PER_SECOND; i++) {
        peer_input(p, TCP_ACK, 7, 9, NULL, 0);
        p->looked = p->count = 0;
    }
    sent = peer_counter(p, TCP_COUNT_OUT_RSTS);
    assert_in_range(sent, TCP_RESETS_PER_SECOND / 2, TCP_RESETS_PER_SECOND * 3 / 2);
    assert_int_equal(peer_counter(p, TCP_COUNT_RSTS_HELD), 2 * TCP_RESETS_PER_SECOND - sent);
    peer_free(p);
}

static void syns_that_are_none(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    assert_int_equal(peer_input(p, TCP_SYN | TCP_FIN, 0, 0, NULL, 0), TCP_IN_DONE);
    p->key.remote_port = 0;
    assert_int_equal(peer_input(p, TCP_SYN, 0, 0, NULL, 0), TCP_IN_DONE);
    assert_int_equal(peer_counter(p, TCP_COUNT_BAD_SYN), 2);
    peer_quiet(p);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers),
        cmocka_unit_test(a_refused_syn),
        cmocka_unit_test(no_more_than_the_valve_lets),
        cmocka_unit_test(syns_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
