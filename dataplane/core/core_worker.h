/* core_worker.h - one worker lcore: what it owns and how its parts meet.
 *
 * A worker owns its queue pair, TCP tables, sessions, timers, chunks and counters; nobody
 * else writes them.  What others hand it comes through rings and the few atomic mailboxes
 * at the end of struct worker, which it looks at once a turn.  In steady state it takes no
 * lock, calls no malloc and makes no system call but the driver's own and the kick.
 */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

#include <rte_mbuf.h>

#include "base_count.h"
#include "base_pool.h"
#include "base_rand.h"
#include "base_ring.h"
#include "base_wheel.h"
#include "core_settings.h"
#include "ipc_region.h"
#include "ipc_spool.h"
#include "net.h"
#include "smtp.h"
#include "smtp_log.h"
#include "tcp.h"

#define BURST 32
#define TX_PENDING 64
#define FORWARD_ENTRIES 1024
#define LOG_ENTRIES 8192
#define LOG_SCRATCH 32
#define OUT_BYTES 4096
#define IDLE_TURNS_SPIN 64        /* empty turns before the first short sleep */
#define IDLE_SLEEP_US_MIN 20u
#define IDLE_SLEEP_US_MAX 1000u   /* bounds the wait for a grace period and for an answer */
#define COMMIT_BUDGET_US 20000000ull /* a slow answer after DATA makes duplicates */
#define TARPIT_HOLD_US 600000000ull

enum core_counter {
#define COUNTER(id, metric, help) id,
#define GAUGE(id, metric, help) id,
#include "core_counters.def"
#undef COUNTER
#undef GAUGE
    CORE_COUNTERS
};

enum core_histogram { CORE_H_SESSION, CORE_H_COMMIT, CORE_H_TURN, CORE_HISTOGRAMS };

/* What the core keeps beside the SMTP machine, one for each connection slot. */
enum session_wait {
    SESSION_RUNS,
    SESSION_WAITS_CHUNK,  /* mid-body, every chunk is out */
    SESSION_WAITS_COMMIT, /* suspended on the queue's answer */
    SESSION_OVER          /* closed by us; what still comes is thrown away */
};

struct session_link {
    uint32_t prev, next;
};

struct session_list {
    uint32_t head, tail;
};

struct session {
    uint32_t     generation;
    uint32_t     chunk;       /* held chunk, or IPC_NO_CHUNK */
    uint32_t     sequence;    /* next ask of the message under way */
    /* A session whose full chunk cannot be lent is a holder and a waiter at once. */
    struct session_link holds, waits;
    uint8_t      wait;        /* enum session_wait */
    bool         in_use, begun; /* begun: a chunk was given for the message under way */
    uint64_t     message;     /* message the queue knows of (an ABORT is owed), 0: none */
    uint64_t     bytes_in, bytes_out;
    struct ip_addr client;
    struct usec  opened, asked;
    struct usec  armed;       /* when the timer will fire, if it is armed */
    struct wheel_node timer;
    _Alignas(8) uint8_t smtp[SMTP_BYTES];
};

/* The worker's side of its region with the queue (core_spool.c). */
struct spool {
    struct ipc_region region;
    bool     up;           /* a region is mapped and its queue lives */
    bool     intake_shut;
    bool     asked;        /* since the last kick */
    int      kick_fd;
    uint32_t free_count;
    uint32_t free[IPC_CHUNKS];
    uint8_t  state[IPC_CHUNKS]; /* enum chunk_state */
    struct session_list holders; /* of a chunk, the longest first */
    struct session_list waiters; /* for a chunk, or for room to lend theirs */
    uint32_t committing;
    /* ABORTs and CANCELs for which the ring had no room; at most one for each session slot. */
    struct spool_ask_later {
        struct handle session;
        uint64_t message;
        uint32_t type;
        uint32_t sequence;
    } *later;
    uint32_t later_head, later_count, later_cap;
};

/* A queue pair of a port, or the ring to the worker that has one. */
struct worker_port {
    bool             owns;     /* this worker polls queue `queue` of the port */
    uint16_t         queue;
    uint16_t         sender;   /* worker that transmits for us */
    uint32_t         pending;
    struct rte_mbuf *tx[TX_PENDING];
};

/* Handed over by the main lcore: a freshly mapped region and its eventfd. */
struct spool_handover {
    struct ipc_region region;
    int kick_fd;
};

struct core;

struct worker {
    struct core *core;
    unsigned     index, lcore;
    struct usec  now, ticked, gauged, ports_counted;
    uint64_t     wall_us;
    uint64_t     last_id;
    struct net  *net;
    struct tcp  *tcp;
    struct session *sessions;
    uint32_t     sessions_cap, sessions_used;
    struct wheel wheel;          /* session deadlines, node = slot */
    struct pool  blocks;         /* envelopes */
    struct spool spool;
    struct smtp_log_event log_events[LOG_SCRATCH];
    struct smtp_log log;
    struct ring  log_ring;       /* producer; main lcore consumes */
    struct rand  rand;
    uint8_t      out[OUT_BYTES];

    struct worker_port port[NET_PORTS_MAX];
    struct ring  forward_in[CORE_WORKERS_MAX], forward_out[CORE_WORKERS_MAX]; /* frames to own */
    struct ring  send_in[CORE_WORKERS_MAX], send_out[CORE_WORKERS_MAX];       /* frames to send */
    struct rte_mempool *mbufs;
    struct rte_mbuf    *answer;  /* spare frame that net_input answers into */
    struct frag        *frag;    /* one for the process; only worker 0 reassembles */

    struct count *counters;      /* CORE_COUNTERS, then the rooms' below */
    struct count *net_drops, *tcp_counters, *smtp_counters;
    struct histogram *histograms;
    uint64_t    *heap_bytes;     /* jemalloc's own count for this thread, or NULL */
    uint32_t     idle_turns;
    uint32_t     stop_cursor;    /* slots already told to end, while stopping */

    /* Mailboxes: the main lcore writes, the worker reads once a turn. */
    _Atomic(struct spool_handover *) region_next;
    _Atomic(struct spool_handover *) region_old; /* given back for unmapping */
    _Atomic uint32_t queue_gone;  /* epoch of the queue that is known to be dead */
};

/* What all workers and the main lcore share; written before the workers start, but for the
 * atomics. */
struct core {
    struct core_settings settings;
    struct net  *net;
    unsigned     workers_count;
    struct worker *workers[CORE_WORKERS_MAX];
    uint16_t     port_id[NET_PORTS_MAX];      /* DPDK's number of our port */
    uint8_t      port_index[RTE_MAX_ETHPORTS]; /* and back */
    unsigned     queues[NET_PORTS_MAX];       /* queue pairs a port has */
    bool         tx_checksum[NET_PORTS_MAX];  /* the port fills in TCP checksums */
    struct clients *clients;
    struct policy_box *policy;                /* RCU: core_policy.c */
    uint64_t     tsc_hz, tsc_start;
    bool         huge;
    _Atomic uint64_t wall_offset_us;          /* wall clock minus our monotonic clock */
    _Atomic bool draining, stopping, quit;
    struct stats_region *stats;
};

/* core_loop.c */
int         worker_run(void *worker); /* lcore function */
struct usec core_now(const struct core *core);

/* core_frame.c: frames in and out */
void frame_burst(struct worker *w, struct rte_mbuf **frames, unsigned n, bool owned);
void frame_in(struct worker *w, struct rte_mbuf *m);
bool frame_send_segment(void *worker, const struct tcp_seg *seg, const struct span *text, unsigned pieces);
void frame_send(struct worker *w, struct rte_mbuf *m, unsigned port);
unsigned frame_poll(struct worker *w); /* ports and rings; frames seen */
void frame_flush(struct worker *w);
void frame_tick(struct worker *w);
void frame_events(struct worker *w); /* what TCP has to say, until it has no more */

/* core_frag.c: fragments, worker 0 */
struct frag *frag_new(uint64_t tsc_hz);
struct rte_mbuf *frag_big(struct worker *w); /* an empty frame with room for a whole packet */
void frag_in(struct worker *w, struct rte_mbuf *m, unsigned l3_offset);
void frag_send(struct worker *w, struct rte_mbuf *m, unsigned port);
void frag_tick(struct worker *w);

/* core_stream.c: bytes between TCP and SMTP */
void stream_ready(struct worker *w, const struct tcp_event *ev);
void stream_run(struct worker *w, struct tcp_conn *conn);
void stream_gone(struct worker *w, uint32_t slot, enum tcp_gone why);
void stream_timers(struct worker *w);
void stream_committed(struct worker *w, uint32_t slot, enum smtp_commit result);
void stream_resume(struct worker *w, uint32_t slot);
void stream_stop(struct worker *w);
struct smtp_turn stream_turn(struct worker *w, struct smtp_out *out);

static inline struct smtp *session_smtp(struct session *s)
{
    return (struct smtp *)s->smtp;
}

/* core_syn.c: may this client connect? */
void syn_in(struct worker *w, const struct tcp_seg *seg);

#endif
