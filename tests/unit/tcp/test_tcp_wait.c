/* test_tcp_wait.c - goal: TIME-WAIT answers what it must, ignores resets (RFC 1337), gives way to
 * a newer connection (RFC 6191) and is bounded.
 */
#include "tcp_peer.h"

/* We close first; at the end our number is 2, the peer's 2. */
static void to_time_wait(struct peer *p)
{
    peer_open(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_expect(p, TCP_FIN | TCP_ACK, 1, 1, 0);
    peer_input(p, TCP_ACK, 1, 2, NULL, 0);
    peer_input(p, TCP_FIN | TCP_ACK, 1, 2, NULL, 0);
    peer_expect(p, TCP_ACK, 2, 2, 0);
    peer_expect_gone(p, TCP_GONE_CLOSED);
    assert_int_equal(tcp_census(p->tcp).time_waits, 1);
    p->conn = NULL;
}

static void lasts_its_time(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    to_time_wait(p);
    peer_wait(p, 59900000);
    assert_int_equal(tcp_census(p->tcp).time_waits, 1);
    peer_wait(p, 200000);
    assert_int_equal(tcp_census(p->tcp).time_waits, 0);
    assert_true(tcp_next_due(p->tcp).us == UINT64_MAX);
    peer_quiet(p);
    peer_free(p);
}

static void a_second_fin_is_acknowledged_and_starts_it_anew(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    to_time_wait(p);
    peer_wait(p, 40000000);
    peer_input(p, TCP_FIN | TCP_ACK, 1, 2, NULL, 0);
    peer_expect(p, TCP_ACK, 2, 2, 0);
    peer_wait(p, 40000000);
    assert_int_equal(tcp_census(p->tcp).time_waits, 1);
    peer_wait(p, 21000000);
    assert_int_equal(tcp_census(p->tcp).time_waits, 0);
    peer_free(p);
}

static void what_reaches_it(void **state)
{
    enum { NOTHING, ACK, SYN };
    static const struct {
        const char *name;
        uint8_t     flags;
        uint32_t    seq, ack;
        size_t      len;
        int         want;
    } rows[] = {
        {"reset, exact",            TCP_RST,           2,       0, 0, NOTHING},
        {"reset in the window",     TCP_RST,           3,       0, 0, NOTHING},
        {"SYN, newer",              TCP_SYN,           100000,  0, 0, SYN    },
        {"SYN, older",              TCP_SYN,           0,       0, 0, ACK    },
        {"SYN and FIN",             TCP_SYN | TCP_FIN, 100000,  0, 0, ACK    },
        {"ACK of nothing new",      TCP_ACK,           2,       2, 0, NOTHING},
        {"ACK, off",                TCP_ACK,           9,       2, 0, ACK    },
        {"old text",                TCP_ACK,           1,       2, 1, ACK    },
        {"another FIN",             TCP_FIN | TCP_ACK, 5,       2, 0, ACK    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer *p = peer_new(NULL);
        enum tcp_in in;

        to_time_wait(p);
        p->now += 1000000;
        in = peer_input(p, rows[i].flags, rows[i].seq, rows[i].ack, "x", rows[i].len);
        if ((in == TCP_IN_SYN) != (rows[i].want == SYN))
            fail_msg("%s: verdict %d", rows[i].name, (int)in);
        if (rows[i].want == ACK)
            peer_expect(p, TCP_ACK, 2, 2, 0);
        peer_quiet(p);
        assert_int_equal(tcp_census(p->tcp).time_waits, 1);
        peer_free(p);
    }
}

static void timestamps_decide_where_there_are_any(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg syn;

    (void)state;
    p->timestamps = true;
    p->ts = 7000;
    to_time_wait(p);
    p->now += 1000000;
    p->ts = 6999;
    syn = peer_seg(p, TCP_SYN, 100000, 0, NULL, 0); /* a number beyond, but an old clock */
    assert_int_equal(peer_put(p, &syn), TCP_IN_DONE);
    peer_expect(p, TCP_ACK, 2, 2, 0);
    p->ts = 7001;
    syn = peer_seg(p, TCP_SYN, 0, 0, NULL, 0); /* and the other way round */
    assert_int_equal(peer_put(p, &syn), TCP_IN_SYN);
    assert_int_equal(tcp_census(p->tcp).time_waits, 1); /* until it is let in */
    assert_true(tcp_syn_accept(p->tcp, &syn, 1, 0, 0, peer_now(p)));
    assert_int_equal(tcp_census(p->tcp).time_waits, 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_TIME_WAIT_REUSED), 1);
    assert_true(seq_before(p->iss + 2, peer_next(p)->seg.seq));
    peer_wait(p, 61000000); /* the place in the ring comes free too */
    peer_free(p);
}

static void full_it_drops_the_oldest(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        p->key.remote_port = (uint16_t)(40000 + i);
        peer_open(p);
        tcp_close(p->tcp, p->conn, peer_now(p));
        peer_flush(p);
        peer_input(p, TCP_FIN | TCP_ACK, 1, 2, NULL, 0);
        peer_expect_gone(p, TCP_GONE_CLOSED);
        p->looked = p->count = 0;
        p->conn = NULL;
    }
    assert_int_equal(tcp_census(p->tcp).time_waits, p->config.time_waits);
    assert_int_equal(peer_counter(p, TCP_COUNT_TIME_WAIT_EVICTED), 2);
    p->key.remote_port = 40000; /* the oldest is a stranger now */
    peer_input(p, TCP_ACK, 9, 9, NULL, 0);
    assert_int_equal(peer_next(p)->seg.flags, TCP_RST);
    p->key.remote_port = 40005;
    peer_input(p, TCP_ACK, 9, 9, NULL, 0);
    assert_int_equal(peer_next(p)->seg.flags, TCP_ACK);
    peer_free(p);
}

static void none_at_all(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;

    (void)state;
    config.time_waits = 0;
    p = peer_new(&config);
    peer_open(p);
    tcp_close(p->tcp, p->conn, peer_now(p));
    peer_flush(p);
    peer_input(p, TCP_FIN | TCP_ACK, 1, 2, NULL, 0);
    peer_expect_gone(p, TCP_GONE_CLOSED);
    assert_int_equal(peer_counter(p, TCP_COUNT_TIME_WAIT_EVICTED), 1);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasts_its_time),
        cmocka_unit_test(a_second_fin_is_acknowledged_and_starts_it_anew),
        cmocka_unit_test(what_reaches_it),
        cmocka_unit_test(timestamps_decide_where_there_are_any),
        cmocka_unit_test(full_it_drops_the_oldest),
        cmocka_unit_test(none_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
