/* test_tcp_icmp.c - goal: RFC 5927: only a byte in flight is believed, and never to the death. */
#include "tcp_peer.h"

static void too_big_lowers_the_segment_size(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 2000);
    peer_expect(p, TCP_ACK, 1, 1, 1460);
    peer_expect(p, TCP_ACK | TCP_PSH, 1461, 1, 540);
    tcp_icmp(p->tcp, &p->key, p->iss + 1, 1000, false, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 1, 960);
    peer_expect(p, TCP_ACK, 961, 1, 960);
    peer_expect(p, TCP_ACK | TCP_PSH, 1921, 1, 80);
    peer_quiet(p);
    assert_int_equal(p->conn->cwnd, 14600);
    peer_free(p);
}

static void what_is_not_believed(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 2000);
    tcp_icmp(p->tcp, &p->key, p->iss + 0, 1000, false, peer_now(p));
    tcp_icmp(p->tcp, &p->key, p->iss + 2001, 1000, false, peer_now(p));
    tcp_icmp(p->tcp, &p->key, p->iss + 1, 2000, false, peer_now(p));
    tcp_icmp(p->tcp, &p->key, p->iss + 1, 0, true, peer_now(p));
    assert_int_equal(p->conn->mss, 1460);
    assert_int_equal(peer_counter(p, TCP_COUNT_ICMP_IGNORED), 4);
    tcp_icmp(p->tcp, &p->key, p->iss + 1, 68, false, peer_now(p));
    assert_int_equal(p->conn->mss, TCP_MTU_MIN_V4 - 40);
    p->key.remote_port++;
    tcp_icmp(p->tcp, &p->key, p->iss + 1, 600, true, peer_now(p)); /* nobody */
    peer_free(p);
}

static void unreachable_ends_an_attempt(void **state)
{
    struct peer *p = peer_new(NULL);
    struct net_path path = {.port = 0};

    (void)state;
    p->conn = tcp_connect(p->tcp, &p->key, &path, peer_now(p));
    peer_flush(p);
    tcp_icmp(p->tcp, &p->key, peer_next(p)->seg.seq, 0, true, peer_now(p));
    peer_expect_gone(p, TCP_GONE_RESET);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_big_lowers_the_segment_size),
        cmocka_unit_test(what_is_not_believed),
        cmocka_unit_test(unreachable_ends_an_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
