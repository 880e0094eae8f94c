/* bench_load.h - many SMTP clients on one lcore: the loop that opens, runs and ends sessions.
 *
 * Closed loop: `concurrency` sessions are open at any time.  Open loop (`rate` not 0): sessions
 * begin when they are due, whatever became of those before, as long as fewer than `concurrency`
 * are open; a session's latency counts from when it was due.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench_report.h"

struct load_settings {
    struct port_settings port;
    struct ip_addr       to;
    uint16_t             to_port;
    uint64_t             sessions;
    uint32_t             concurrency;
    uint32_t             rate;       /* sessions/s; 0: closed loop */
    uint32_t             body_bytes; /* of a message, before dots are doubled */
    uint64_t             timeout_us; /* of a session */
    bool                 refuse;     /* RCPT is to be answered 550 */
    bool                 hold;       /* after EHLO, until all are there and hold_us longer */
    uint64_t             hold_us;
    const char          *sender, *recipient;
    unsigned             watched;
    int                  watch[LOAD_WATCH_MAX];
};

#define LOAD_CLIENTS_MAX NET_ADDRESSES_MAX
#define LOAD_PORTS 60000u /* of a client address, from 2000 on */

/* Opens the port, runs all sessions, fills *ret.  0; -1 and *ret_why.  *stop (set from a signal
 * handler) ends it early. */
int load_run(const struct load_settings *settings, const volatile bool *stop,
             struct load_report *ret, const char **ret_why);

#endif
