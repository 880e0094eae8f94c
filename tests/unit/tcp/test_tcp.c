/* test_tcp.c - goal: the memory is what was asked for, and a census is true. */
#include "tcp_peer.h"

static void memory_is_the_sum_of_its_parts(void **state)
{
    struct tcp_config none = peer_config(), config = none;
    size_t base;

    (void)state;
    none.connections = none.embryos = none.time_waits = none.blocks = 0;
    base = tcp_bytes(&none);
    config = none;
    config.connections = 1u << 20;
    assert_in_range(tcp_bytes(&config) - base, 259u << 20, 264u << 20);
    config = none;
    config.embryos = 1u << 20;
    assert_in_range(tcp_bytes(&config) - base, 67u << 20, 69u << 20);
    config = none;
    config.time_waits = 1u << 20;
    assert_in_range(tcp_bytes(&config) - base, 35u << 20, 37u << 20);
}

static void a_census(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_census c = tcp_census(p->tcp);

    (void)state;
    assert_int_equal(c.connections + c.embryos + c.time_waits + c.blocks, 0);
    assert_null(tcp_at(p->tcp, 0));
    assert_null(tcp_at(p->tcp, UINT32_MAX));
    peer_syn(p, 0, 0, NULL);
    assert_int_equal(tcp_census(p->tcp).embryos, 1);
    peer_free(p);

    p = peer_new(NULL);
    peer_open(p);
    c = tcp_census(p->tcp);
    assert_int_equal(c.embryos, 0);
    assert_int_equal(c.connections, 1);
    peer_write(p, 3000);
    assert_int_equal(tcp_census(p->tcp).blocks, 2);
    peer_free(p);
}

static void both_families(void **state)
{
    struct peer *p = peer_new(NULL);
    struct peer_sent *s;

    (void)state;
    memset(p->key.remote.octets, 0x20, 16);
    memset(p->key.local.octets, 0x21, 16);
    s = peer_syn(p, 0, 0, NULL);
    assert_int_equal(s->seg.mss, 1440);
    peer_free(p);
}

static void nothing_of_anything(void **state)
{
    struct tcp_config config = peer_config();
    struct tcp_seg syn;
    struct peer *p;

    (void)state;
    config.connections = config.embryos = config.time_waits = config.blocks = 0;
    p = peer_new(&config);
    syn = peer_syn_seg(p);
    assert_int_equal(peer_put(p, &syn), TCP_IN_SYN);
    assert_false(tcp_syn_accept(p->tcp, &syn, 0, 0, 0, peer_now(p)));
    peer_input(p, TCP_ACK, 5, 5, NULL, 0);
    peer_wait(p, 10000000);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_the_sum_of_its_parts),
        cmocka_unit_test(a_census),
        cmocka_unit_test(both_families),
        cmocka_unit_test(nothing_of_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
