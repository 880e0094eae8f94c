/* test_tcp_newreno.c - goal: RFC 5681 and RFC 6928 by numbers. */
#include "tcp_peer.h"

static void initial_windows(void **state)
{
    static const uint32_t rows[][2] = {{536, 5360}, {1460, 14600}, {1000, 10000}, {8960, 17920}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tcp_conn c = {.mss = (uint16_t)rows[i][0]};

        tcp_newreno.start(&c);
        assert_int_equal(c.cwnd, rows[i][1]);
    }
}

static void slow_start_then_one_segment_a_round_trip(void **state)
{
    struct tcp_conn c = {.mss = 1000, .cwnd = 10000, .ssthresh = 20000};

    (void)state;
    tcp_newreno.acked(&c, 1000, 10000);
    assert_int_equal(c.cwnd, 11000);
    tcp_newreno.acked(&c, 9000, 11000); /* a stretch ACK counts for two segments (RFC 3465) */
    assert_int_equal(c.cwnd, 13000);
    c.cwnd = 20000;
    for (unsigned i = 0; i < 20; i++)
        tcp_newreno.acked(&c, 1000, c.cwnd);
    assert_in_range(c.cwnd, 20900, 21000);
    tcp_newreno.acked(&c, 1000, 1000); /* the window was not what held us back */
    assert_in_range(c.cwnd, 20900, 21000);
}

static void loss_halves_and_timeout_starts_over(void **state)
{
    struct tcp_conn c = {.mss = 1000, .cwnd = 30000, .ssthresh = TCP_CWND_MAX};

    (void)state;
    tcp_newreno.lost(&c, 20000);
    assert_int_equal(c.cwnd, 10000);
    assert_int_equal(c.ssthresh, 10000);
    tcp_newreno.timeout(&c, 1000);
    assert_int_equal(c.cwnd, 1000);
    assert_int_equal(c.ssthresh, 2000);
    c.cwnd = TCP_CWND_MAX;
    c.ssthresh = TCP_CWND_MAX;
    tcp_newreno.acked(&c, 1000, TCP_CWND_MAX);
    assert_int_equal(c.cwnd, TCP_CWND_MAX);
    tcp_newreno.idle(&c);
    assert_int_equal(c.cwnd, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_windows),
        cmocka_unit_test(slow_start_then_one_segment_a_round_trip),
        cmocka_unit_test(loss_halves_and_timeout_starts_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
