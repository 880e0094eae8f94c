/* test_tcp_timer.c - goal: timers fire when they should, cost nothing when they need not, and
 * keep to their budget.
 */
#include "tcp_peer.h"

static void keep_alive_probes_and_gives_up(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    struct peer_sent *s;
    unsigned probes = 0;

    (void)state;
    config.keepalive_us = 60000000;
    p = peer_new(&config);
    peer_open(p);
    peer_wait(p, 59000000);
    peer_quiet(p);
    peer_wait(p, 2000000);
    peer_expect(p, TCP_ACK, 0, 1, 0); /* one before what it expects */
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    peer_wait(p, 59000000);
    peer_quiet(p);
    peer_wait(p, 300000000);
    while ((s = peer_next(p)) != NULL && !(s->seg.flags & TCP_RST))
        probes++;
    assert_int_equal(probes, TCP_KEEP_PROBES);
    peer_expect_gone(p, TCP_GONE_TIMEOUT);
    assert_int_equal(peer_counter(p, TCP_COUNT_KEEP_ALIVE_DROP), 1);
    peer_free(p);
}

static void the_peer_s_probe_is_answered(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_input(p, TCP_ACK, 0, 1, NULL, 0);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 1, 0);
    p->now += 1000000;
    peer_input(p, TCP_ACK, 0, 1, "x", 1);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 1, 0);
    peer_free(p);
}

static void idle_connections_need_no_timer(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 10);
    peer_input(p, TCP_ACK, 1, 11, NULL, 0);
    peer_wait(p, 1000000); /* the lazy timer comes round once more, and finds nothing */
    assert_true(tcp_next_due(p->tcp).us == UINT64_MAX);
    assert_false(wheel_armed(&p->tcp->wheel, tcp_slot(p->conn)));
    peer_free(p);
}

static void next_due_is_never_late(void **state)
{
    struct peer *p = peer_new(NULL);
    uint64_t due;

    (void)state;
    peer_syn(p, 0, 0, NULL);
    due = tcp_next_due(p->tcp).us;
    assert_in_range(due, p->now + 990000, p->now + 1000000);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    assert_true(tcp_next_due(p->tcp).us <= p->now); /* an event is waiting */
    peer_free(p);

    p = peer_new(NULL);
    peer_open(p);
    peer_wait(p, 1000);
    peer_input(p, TCP_ACK, 1, 1, "x", 1);
    peer_read(p);
    assert_true(tcp_next_due(p->tcp).us <= p->now); /* something to flush */
    peer_flush(p);
    due = tcp_next_due(p->tcp).us;
    assert_in_range(due, p->now + 1, p->now + TCP_DELAYED_ACK_US + 2048);
    peer_free(p);
}

static void no_more_than_the_budget(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    unsigned sent = 0;

    (void)state;
    config.embryos = 40;
    p = peer_new(&config);
    for (unsigned i = 0; i < 40; i++) {
        struct tcp_seg syn = peer_syn_seg(p);

        syn.key.remote_port = (uint16_t)(1024 + i);
        peer_put(p, &syn);
        tcp_syn_accept(p->tcp, &syn, 0, 0, 0, peer_now(p));
    }
    p->looked = p->count = 0;
    p->now += 1001000;
    for (unsigned turn = 0; turn < 100 && sent < 40; turn++) {
        tcp_timers(p->tcp, peer_now(p), 10);
        assert_true(p->count - sent <= 10);
        assert_true(p->count > sent);
        sent = p->count;
    }
    assert_int_equal(sent, 40);
    peer_free(p);
}

/* Embryos that expire in masses leave half of the budget to connections. */
static void a_flood_does_not_starve_connections(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    bool acked = false;

    (void)state;
    config.embryos = 400;
    p = peer_new(&config);
    peer_open(p);
    for (unsigned i = 0; i < 300; i++) {
        struct tcp_seg syn = peer_syn_seg(p);

        syn.key.remote_port = (uint16_t)(1024 + i);
        peer_put(p, &syn);
        tcp_syn_accept(p->tcp, &syn, 0, 0, 0, peer_now(p));
        p->looked = p->count = 0;
    }
    p->now += 990000;
    tcp_timers(p->tcp, peer_now(p), 64);
    peer_input(p, TCP_ACK, 1, 1, "x", 1);
    peer_read(p);
    peer_flush(p);
    p->now += 60000;
    for (unsigned turn = 0; turn < 8; turn++) {
        struct peer_sent *s;

        tcp_timers(p->tcp, peer_now(p), 4);
        peer_flush(p);
        while ((s = peer_next(p)) != NULL)
            acked = acked || s->seg.flags == TCP_ACK;
    }
    assert_true(acked);
    peer_free(p);
}

static void a_writer_that_starved_is_asked_again(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    struct tcp_event ev;
    uint32_t taken[16];

    (void)state;
    config.blocks = 16;
    p = peer_new(&config);
    peer_open(p);
    for (unsigned i = 0; i < 16; i++)
        taken[i] = pool_take(&p->tcp->blocks);
    assert_int_equal(tcp_room(p->tcp, p->conn), 0);
    assert_int_equal(tcp_write(p->tcp, p->conn, span_str("250 ok\r\n")), 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_SEND_STARVED), 1);
    peer_wait(p, 40000);
    assert_false(tcp_next(p->tcp, &ev));
    pool_give(&p->tcp->blocks, taken[3]);
    peer_wait(p, 15000);
    assert_true(peer_event(p, TCP_EV_CONN, &ev));
    assert_int_equal(tcp_write(p->tcp, ev.conn, span_str("250 ok\r\n")), 8);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive_probes_and_gives_up),
        cmocka_unit_test(the_peer_s_probe_is_answered),
        cmocka_unit_test(idle_connections_need_no_timer),
        cmocka_unit_test(next_due_is_never_late),
        cmocka_unit_test(no_more_than_the_budget),
        cmocka_unit_test(a_flood_does_not_starve_connections),
        cmocka_unit_test(a_writer_that_starved_is_asked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
