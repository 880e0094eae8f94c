/* test_tcp_isn.c - goal: numbers rise for one tuple, tell nothing about another, and valves let
 * through about what they say, never countably.
 */
#include "tcp_peer.h"

static void rises_with_the_clock_for_one_tuple(void **state)
{
    struct peer *p = peer_new(NULL);
    uint32_t a = tcp_isn(p->tcp, &p->key, 1000), b = tcp_isn(p->tcp, &p->key, 251000);

    (void)state;
    assert_int_equal(b - a, 250000); /* one a 4 us: a second */
    peer_free(p);
}

static void differs_by_tuple_and_secret(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p = peer_new(NULL), *q;
    unsigned near = 0;

    (void)state;
    config.secret[0]++;
    q = peer_new(&config);
    for (unsigned i = 0; i < 1000; i++) {
        struct tcp_key key = p->key;
        uint32_t a = tcp_isn(p->tcp, &key, 0);

        key.remote_port++;
        near += a - tcp_isn(p->tcp, &key, 0) + 0x100000 < 0x200000;
        near += a - tcp_isn(q->tcp, &p->key, 0) + 0x100000 < 0x200000;
        near += tcp_ts_offset(p->tcp, &key) - tcp_ts_offset(p->tcp, &p->key) + 0x100000 < 0x200000;
        p->key.remote_port++;
    }
    assert_true(near < 10); /* about 1.5 by chance */
    peer_free(p);
    peer_free(q);
}

static void valve_is_about_what_it_says(void **state)
{
    struct peer *p = peer_new(NULL);
    unsigned least = UINT32_MAX, most = 0;

    (void)state;
    for (unsigned second = 0; second < 200; second++) {
        unsigned n = 0;

        p->tcp->now.us += 1000000;
        while (tcp_valve_take(p->tcp, &p->tcp->challenges, 100))
            n++;
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    assert_in_range(least, 50, 70);
    assert_in_range(most, 130, 150);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_with_the_clock_for_one_tuple),
        cmocka_unit_test(differs_by_tuple_and_secret),
        cmocka_unit_test(valve_is_about_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
