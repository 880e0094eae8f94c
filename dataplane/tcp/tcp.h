/* tcp.h - one core's TCP (RFC 9293), as a machine: segments and time in, segments and
 * events out.
 *
 * It knows no device, no wall clock, no heap and no SMTP.  Everything it holds is in the
 * memory given at tcp_init(): embryonic entries (SYN received and handshakes just done),
 * connections, TIME_WAIT records, and a pool of blocks for what must be kept (unacknowledged
 * output, out-of-order or unread input).  An idle connection holds no block.
 *
 * Life of a connection:
 *   tcp_input(SYN)  -> TCP_IN_SYN: the caller asks policy, then tcp_syn_accept() (an embryonic
 *                      entry, SYN-ACK sent), tcp_syn_reset(), or nothing (dropped)
 *   handshake done  -> still embryonic until the first client byte or `greeting_wait_us` after
 *                      it: event TCP_EV_READY {embryo, early?}; the caller promotes it with
 *                      tcp_promote() (a connection slot, the same index for the session table
 *                      above) or drops it with tcp_embryo_reset(); one that is left lying is
 *                      reset after 10 s
 *   bytes           -> tcp_input() gives TCP_IN_CONN with the connection; then tcp_peek() /
 *                      tcp_consume() until nothing is left or the session cannot take more;
 *                      then tcp_settle(): what is unread is copied into blocks or, if there
 *                      are none, dropped unacknowledged
 *   end             -> tcp_close() (FIN after everything written, then lingering so that the last
 *                      reply is not lost to our own RST) or tcp_abort() (RST).  The slot is free
 *                      only after event TCP_EV_GONE, which comes exactly once for each promoted
 *                      connection and is the last word about it.
 *   early bytes     -> text that comes before promotion (on the handshake's last ACK, or during
 *                      the greeting wait) makes the embryo ready with early = true.  One block
 *                      of it is kept, unacknowledged, and goes to the connection: after
 *                      tcp_promote() it can be read at once with tcp_peek(), and a TCP_EV_CONN
 *                      for it follows.  The segment is not to be put in again.  Where no block
 *                      is free it is dropped and the client sends it again.  A FIN alone ends
 *                      the wait too, without early
 *   end of turn     -> tcp_flush(): everything written and every ACK owed leaves, one segment
 *                      train per touched connection.
 *
 * Threads: one.  Errors: a full table or pool is a counted verdict, never a failure.
 */
#ifndef TCP_H
#define TCP_H

#include "base_count.h"
#include "base_types.h"
#include "wire_types.h"

enum tcp_counter {
#define COUNTER(id, metric, help) TCP_COUNT_##id,
#include "tcp_counters.def"
#undef COUNTER
    TCP_COUNTERS
};

struct tcp;      /* one core's TCP; opaque */
struct tcp_conn; /* one connection; opaque */

/* How segments leave.  Downward only: encodes into a frame and queues it for the port.
 * text: up to pieces spans making the payload.  false: no frame to be had; the segment counts
 * as lost on the wire. */
struct tcp_out {
    void *ctx;
    bool (*send)(void *ctx, const struct tcp_seg *seg, const struct span *text, unsigned pieces);
};

struct tcp_config {
    uint32_t connections;      /* slots; < 2^24 */
    uint32_t embryos;
    uint32_t time_waits;
    uint32_t blocks;           /* TCP_BLOCK_BYTES each */
    uint32_t receive_window;   /* most that a connection may have unread or out of order, bytes */
    uint32_t send_buffer;      /* most that a connection may have unacknowledged, bytes */
    uint32_t worker;
    uint64_t time_wait_us;     /* 60 s unless said */
    uint64_t keepalive_us;     /* idle time before the first probe; 0: never */
    uint64_t linger_us;        /* how long after our FIN we go on discarding the peer's bytes */
    uint16_t mss_v4, mss_v6;   /* what we announce: MTU - 40, MTU - 60 */
    uint8_t  secret[32];       /* RFC 6528 and the tables' hashing; random for each start */
};
#define TCP_BLOCK_BYTES 2048

/* Bytes that tcp_init needs (64-byte aligned, zeroed: untouched pages stay untouched). */
size_t      tcp_bytes(const struct tcp_config *config);
struct tcp *tcp_init(void *memory, const struct tcp_config *config, const struct tcp_out *out,
                     struct count *counters); /* counters: TCP_COUNTERS of tcp_counters.def */

enum tcp_in {
    TCP_IN_DONE, /* dealt with: dropped, answered, or an event is queued */
    TCP_IN_SYN,  /* a new SYN to local address:port of seg->key: decide */
    TCP_IN_CONN  /* *ret_conn has input, room, a FIN or an end: look at it now */
};

/* seg->text is borrowed until the next tcp_settle() of that connection. */
enum tcp_in tcp_input(struct tcp *tcp, const struct tcp_seg *seg, struct usec now,
                      struct tcp_conn **ret_conn);

/* Of (local end, tag, wait_us, hold_us, VLAN, port) at most 1024 combinations may be in use by
 * embryos at once, so the waits should come from configuration, not from a die.
 * tag: kept and given back with TCP_EV_READY (the virtual server).  wait_us: greeting wait;
 * hold: never becomes ready by itself or by bytes (tarpit), dropped silently after hold_us.
 * false: table full (counted). */
bool tcp_syn_accept(struct tcp *tcp, const struct tcp_seg *syn, uint32_t tag, uint64_t wait_us,
                    uint64_t hold_us, struct usec now);
void tcp_syn_reset(struct tcp *tcp, const struct tcp_seg *syn);

/* What happened without a segment for it, or is handed over after input. */
enum tcp_event_type {
    TCP_EV_READY, /* embryo may be promoted */
    TCP_EV_CONN,  /* connection: room to write again, or input released */
    TCP_EV_GONE   /* connection: its slot is free now; why says how it ended */
};
enum tcp_gone { TCP_GONE_CLOSED, TCP_GONE_RESET, TCP_GONE_TIMEOUT, TCP_GONE_ABORTED };
struct tcp_event {
    enum tcp_event_type type;
    uint32_t         embryo;  /* READY */
    uint32_t         tag;     /* READY */
    bool             early;   /* READY: the client's bytes came before the wait was over */
    struct tcp_key   key;     /* READY */
    struct tcp_conn *conn;    /* CONN */
    uint32_t         slot;    /* GONE */
    enum tcp_gone    why;     /* GONE */
};

/* Runs timers that are due (at most `budget` of them), then hands out events one by one;
 * false: none left.  Call tcp_timers once a turn, then tcp_next until false. */
void tcp_timers(struct tcp *tcp, struct usec now, unsigned budget);
bool tcp_next(struct tcp *tcp, struct tcp_event *ret);
/* The earliest time at which tcp_timers has anything to do (UINT64_MAX: never). */
struct usec tcp_next_due(const struct tcp *tcp);

/* A connection for a ready embryo, or NULL: no slot (the embryo stays; reset it). */
struct tcp_conn *tcp_promote(struct tcp *tcp, uint32_t embryo, struct usec now);
void tcp_embryo_reset(struct tcp *tcp, uint32_t embryo);

uint32_t              tcp_slot(const struct tcp_conn *conn);
struct tcp_conn      *tcp_at(struct tcp *tcp, uint32_t slot); /* NULL where no connection is */
const struct tcp_key *tcp_conn_key(const struct tcp_conn *conn);

struct span tcp_peek(struct tcp *tcp, struct tcp_conn *conn);        /* next in-order unread bytes */
/* All in-order unread bytes, those beyond the span that tcp_peek gives included. */
size_t      tcp_waiting(const struct tcp *tcp, const struct tcp_conn *conn);
void        tcp_consume(struct tcp *tcp, struct tcp_conn *conn, size_t n);
bool        tcp_at_eof(const struct tcp_conn *conn);                 /* FIN received and all read */
/* After TCP_IN_CONN always; after TCP_EV_CONN if anything was consumed.  What is borrowed when
 * tcp_flush() comes is dropped unacknowledged. */
void        tcp_settle(struct tcp *tcp, struct tcp_conn *conn, struct usec now);

/* A write that takes less than all is remembered: TCP_IN_CONN or TCP_EV_CONN says when there is
 * room again (asking tcp_room() alone does not arrange for that). */
size_t tcp_room(const struct tcp *tcp, const struct tcp_conn *conn); /* bytes a write would take now */
/* Asks for a TCP_EV_CONN when there is more room than now; a write cut short asks by itself. */
void   tcp_want_room(struct tcp *tcp, struct tcp_conn *conn);
bool   tcp_unsent(const struct tcp_conn *conn); /* written bytes that were in no segment yet */
size_t tcp_write(struct tcp *tcp, struct tcp_conn *conn, struct span bytes); /* copies; bytes taken */
void   tcp_close(struct tcp *tcp, struct tcp_conn *conn, struct usec now);
void   tcp_abort(struct tcp *tcp, struct tcp_conn *conn, struct usec now);
void   tcp_flush(struct tcp *tcp, struct usec now);

/* ICMP said so; checked against the connection (RFC 5927). mtu != 0: fragmentation needed /
 * packet too big. hard: port/protocol unreachable (only ever a hint once established). */
void tcp_icmp(struct tcp *tcp, const struct tcp_key *key, uint32_t seq, uint16_t mtu, bool hard,
              struct usec now);

/* Active open (tcp_connect.c; load generator, simulation): SYN sent; TCP_EV_CONN when
 * established, TCP_EV_GONE when it failed.  NULL: no slot, or the 4-tuple is in use. */
struct tcp_conn *tcp_connect(struct tcp *tcp, const struct tcp_key *key, const struct net_path *path,
                             struct usec now);
bool tcp_established(const struct tcp_conn *conn);

struct tcp_census { uint32_t connections, embryos, time_waits, blocks; }; /* in use now */
struct tcp_census tcp_census(const struct tcp *tcp);

#endif
