/* tcp_cc.h - congestion control: what cwnd and ssthresh are, and nothing else.
 *
 * Which bytes are lost and what is sent next is tcp_ack.c's and tcp_output.c's business; an
 * algorithm only hears of acknowledged bytes, of loss and of timeouts.  All in bytes.
 */
#ifndef TCP_CC_H
#define TCP_CC_H

#include "tcp_conn.h"

struct tcp_cc {
    const char *name;
    void (*start)(struct tcp_conn *c);
    /* acked bytes left flight while no loss was being repaired; flight is from before. */
    void (*acked)(struct tcp_conn *c, uint32_t acked, uint32_t flight);
    void (*lost)(struct tcp_conn *c, uint32_t flight);    /* fast recovery begins */
    void (*timeout)(struct tcp_conn *c, uint32_t flight); /* first timeout of a row */
    void (*idle)(struct tcp_conn *c);                     /* nothing sent for longer than the RTO */
};

extern const struct tcp_cc tcp_newreno;

#endif
