/* tcp_icmp.c - what ICMP says is believed only of a byte that is in flight (RFC 5927 s4.1), and
 * never enough to end a connection that is established (s5.2).
 */
#include "tcp_core.h"

/* RFC 1191 s6.5, RFC 8201 s5.4: smaller segments, at once, and congestion has no part in it. */
static void lower_mss(struct tcp *tcp, struct tcp_conn *c, uint16_t mtu)
{
    bool v4 = ip_is_v4(&c->key.local);
    uint16_t least = v4 ? TCP_MTU_MIN_V4 : TCP_MTU_MIN_V6, headers = v4 ? 40 : 60;
    uint16_t mss = (uint16_t)((mtu > least ? mtu : least) - headers);

    if (mss >= c->mss) {
        tcp_count(tcp, TCP_COUNT_ICMP_IGNORED);
        return;
    }
    tcp_count(tcp, TCP_COUNT_ICMP_MTU);
    c->mss = mss;
    tcp_retransmit_all(tcp, c);
}

void tcp_icmp(struct tcp *tcp, const struct tcp_key *key, uint32_t seq, uint16_t mtu, bool hard,
              struct usec now)
{
    struct tcp_conn *c = tcp_conn_find(tcp, key, tcp_hash(tcp, key));

    tcp->now = now;
    if (c != NULL && seq_within(seq, c->snd_una, c->snd_nxt - c->snd_una)) {
        if (c->state == TCP_SYN_SENT && hard) {
            tcp_count(tcp, TCP_COUNT_ATTEMPT_FAILS);
            tcp_gone(tcp, c, TCP_GONE_RESET);
            return;
        }
        if (mtu != 0 && tcp_established(c)) {
            lower_mss(tcp, c, mtu);
            return;
        }
    }
    tcp_count(tcp, TCP_COUNT_ICMP_IGNORED);
}
