/* sim_tcp.h - the simulated house: a server core, a client core, a wire, a script for each
 * connection.
 */
#ifndef SIM_TCP_H
#define SIM_TCP_H

#include "sim_wire.h"

#include <stdio.h>

#define SIM_PAIRS_MAX 48
#define SIM_PORT_FIRST 20000

enum sim_script {
    SIM_SERVER_CLOSES,  /* when it has read and written all */
    SIM_CLIENT_CLOSES,
    SIM_BOTH_CLOSE,
    SIM_HALF_CLOSE_LATE, /* the server writes on after the client's end was read */
    SIM_TALKED_OVER,     /* the server closes once its text is written, whatever the client sends */
    SIM_CLIENT_ABORTS,
    SIM_SERVER_ABORTS,
    SIM_SCRIPTS
};

/* One side of one connection. */
struct sim_end {
    struct tcp_conn *conn;
    uint64_t         to_write, written, to_read, read;
    uint64_t         wake;      /* paused reading until then; 0: not paused */
    uint64_t         paused_us; /* in all */
    uint64_t         abort_at;  /* bytes read + written after which it aborts */
    bool             opened, eof, closed, gone;
    enum tcp_gone    why;
    /* on the wire, as sent by this side */
    bool             edge_known, scaling;
    uint8_t          wscale;
    uint32_t         edge;
};

struct sim_pair {
    enum sim_script script;
    struct sim_end  end[2]; /* 0 server, 1 client */
    uint64_t        start;
    bool            polite;  /* the client waits for the server's first byte */
    bool            early_seen;
};

struct sim {
    uint64_t        seed, now;
    struct rand     rand;
    struct sim_wire wire;
    void           *memory[2];
    struct tcp     *tcp[2];
    struct tcp_config config[2];
    struct count    counters[2][TCP_COUNTERS];
    struct sim_pair pair[SIM_PAIRS_MAX];
    unsigned        pairs;
    uint64_t        wait_us;     /* greeting wait */
    uint64_t        cut_at;      /* the wire dies; UINT64_MAX: never */
    uint32_t        pause;       /* reader pauses, in a million */
    bool            forgiving;   /* so much is lost that giving up is allowed */
    bool            verbose;
    char            failure[256];
};

#define SIM_FAIL(sim, ...)                                                                         \
    do {                                                                                           \
        if ((sim)->failure[0] == '\0')                                                             \
            snprintf((sim)->failure, sizeof((sim)->failure), __VA_ARGS__);                         \
    } while (0)

/* sim_tcp_app.c: what the two programs above TCP do */
void sim_app_plan(struct sim *sim, struct sim_pair *pair);
void sim_app_drive(struct sim *sim, unsigned side, struct sim_pair *pair);
void sim_app_gone(struct sim *sim, unsigned side, struct sim_pair *pair, enum tcp_gone why);
uint64_t sim_app_due(const struct sim *sim);
void sim_app_check(struct sim *sim);

#endif
