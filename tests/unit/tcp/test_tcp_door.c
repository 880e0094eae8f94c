/* test_tcp_door.c - goal: local ends are shared, counted, bounded and come free again. */
#include "tcp_peer.h"

static void doors_are_shared_and_given_back(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg a = peer_syn_seg(p), b = a;
    uint32_t first = tcp_door_take(p->tcp, &a, 1, 10, 0), other;

    (void)state;
    assert_int_equal(tcp_door_take(p->tcp, &a, 1, 10, 0), first);
    other = tcp_door_take(p->tcp, &a, 1, 11, 0);
    assert_int_not_equal(other, first);
    b.path.vlan++;
    assert_int_not_equal(tcp_door_take(p->tcp, &b, 1, 10, 0), first);
    tcp_door_give(p->tcp, first);
    tcp_door_give(p->tcp, first);
    assert_int_equal(tcp_door_take(p->tcp, &a, 2, 10, 0), first); /* its place is used again */
    assert_int_equal(tcp_door_take(p->tcp, &a, 1, 11, 0), other);
    peer_free(p);
}

static void doors_are_bounded(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg syn = peer_syn_seg(p);

    (void)state;
    for (uint32_t i = 0; i < TCP_DOORS_MAX; i++)
        assert_int_not_equal(tcp_door_take(p->tcp, &syn, i, 0, 0), POOL_NONE);
    assert_int_equal(tcp_door_take(p->tcp, &syn, TCP_DOORS_MAX, 0, 0), POOL_NONE);
    assert_int_equal(peer_put(p, &syn), TCP_IN_SYN);
    assert_false(tcp_syn_accept(p->tcp, &syn, TCP_DOORS_MAX, 0, 0, peer_now(p)));
    assert_int_equal(tcp_census(p->tcp).embryos, 0);
    tcp_door_give(p->tcp, 500);
    assert_int_equal(tcp_door_take(p->tcp, &syn, TCP_DOORS_MAX, 0, 0), 500);
    peer_free(p);
}

/* Waits of different length at once: each embryo is ready in its own time. */
static void each_door_has_its_own_time(void **state)
{
    static const uint64_t waits[] = {3000000, 1000000, 2000000};
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        p->key.remote_port = (uint16_t)(40000 + i);
        peer_syn(p, waits[i], 0, NULL);
        peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    }
    for (unsigned i = 1; i <= 3; i++) {
        peer_wait(p, 1010000);
        assert_true(peer_event(p, TCP_EV_READY, &ev));
        assert_int_equal(ev.key.remote_port, 40000 + i % 3);
        assert_false(tcp_next(p->tcp, &ev));
    }
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doors_are_shared_and_given_back),
        cmocka_unit_test(doors_are_bounded),
        cmocka_unit_test(each_door_has_its_own_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
