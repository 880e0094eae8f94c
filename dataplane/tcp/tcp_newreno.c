/* tcp_newreno.c - RFC 5681 windows with the initial window of RFC 6928 and byte counting of
 * RFC 3465.  What makes it "new" (RFC 6582), repairing several losses in one window, is in
 * tcp_ack.c and common to all algorithms.
 */
#include "tcp_cc.h"

static uint32_t least_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t initial_window(const struct tcp_conn *c)
{
    uint32_t bytes = 2u * c->mss > TCP_INITIAL_WINDOW_BYTES ? 2u * c->mss : TCP_INITIAL_WINDOW_BYTES;

    return least_of(TCP_INITIAL_WINDOW_SEGMENTS * (uint32_t)c->mss, bytes);
}

static void start(struct tcp_conn *c)
{
    c->cwnd = initial_window(c);
    c->ssthresh = TCP_CWND_MAX;
}

static void acked(struct tcp_conn *c, uint32_t bytes, uint32_t flight)
{
    uint32_t mss = c->mss, more;

    if (flight < c->cwnd / 2)
        return; /* the window was not what held us back (RFC 7661 s4.1 says why not to grow) */
    if (c->cwnd < c->ssthresh) {
        more = least_of(bytes, 2 * mss); /* RFC 3465 s2.2, L = 2 */
    } else {
        more = (uint32_t)((uint64_t)mss * least_of(bytes, 2 * mss) / c->cwnd);
        more = more > 0 ? more : 1;
    }
    c->cwnd = least_of(c->cwnd + more, TCP_CWND_MAX);
}

static uint32_t half_of(const struct tcp_conn *c, uint32_t flight)
{
    return flight / 2 > 2u * c->mss ? flight / 2 : 2u * c->mss; /* RFC 5681 (4) */
}

static void lost(struct tcp_conn *c, uint32_t flight)
{
    c->ssthresh = half_of(c, flight);
    c->cwnd = c->ssthresh;
}

static void timeout(struct tcp_conn *c, uint32_t flight)
{
    c->ssthresh = half_of(c, flight);
    c->cwnd = c->mss;
}

static void idle(struct tcp_conn *c)
{
    c->cwnd = least_of(c->cwnd, initial_window(c)); /* RFC 5681 s4.1 */
}

const struct tcp_cc tcp_newreno = {
    .name = "newreno",
    .start = start,
    .acked = acked,
    .lost = lost,
    .timeout = timeout,
    .idle = idle,
};
