/* smtp.h - the SMTP server machine of one session (RFC 5321): bytes and time in, replies and
 * wants out.
 *
 * It knows no TCP, DPDK, TLS, clock or heap.  The caller (dataplane/core, or a test) feeds it
 * in-order bytes and does what it wants:
 *
 *   want             the caller does                           and then
 *   SMTP_WANT_INPUT  nothing: all input was consumed           smtp_input() with more
 *   SMTP_WANT_ROOM   sends what is in turn->out                smtp_input() with the rest, once
 *                                                              there is room for a reply again
 *   SMTP_WANT_CHUNK  gives an empty chunk: smtp_chunk()        smtp_input() with the rest
 *                    or says there is none: smtp_no_chunk()    (452 4.3.1, the body is thrown away)
 *   SMTP_WANT_FLUSH  takes the full chunk (smtp_take_chunk())  smtp_input() with the rest
 *                    and lends it to the queue
 *   SMTP_WANT_COMMIT takes the last chunk, asks the queue for  smtp_committed() when it answers
 *                    durability; the session is suspended:     or the budget is over
 *                    feed nothing
 *   SMTP_WANT_ABORT  takes the chunk back if there is one,     smtp_input() with the rest
 *                    tells the queue ABORT if anything of this
 *                    message was lent
 *   SMTP_WANT_CLOSE  sends what is in out, then closes with    smtp_done()
 *                    lingering
 *
 * "With the rest" means even if the rest is empty, for what is owed may need no more bytes (354
 * after the first chunk, the reply after the last one): smtp_pending() says so.  A want that could
 * not be met yet is simply said again by the next smtp_input().
 *
 * A pipelined group's replies gather in turn->out and leave together (RFC 2920 s3.2).
 * Memory: struct smtp is the caller's (SMTP_BYTES); the envelope lives in blocks of the
 * caller's pool, taken at MAIL and given back at the end of the transaction (mostly two or three,
 * at most ENVELOPE_BYTES_MAX of them).  The client's name takes one or two from EHLO to the end,
 * a command line that came in part up to five until it is whole.  A dry pool is 421 or 452.
 */
#ifndef SMTP_H
#define SMTP_H

#include "base_count.h"
#include "base_pool.h"
#include "base_types.h"
#include "policy.h"

enum smtp_want {
    SMTP_WANT_INPUT, SMTP_WANT_ROOM, SMTP_WANT_CHUNK, SMTP_WANT_FLUSH, SMTP_WANT_COMMIT,
    SMTP_WANT_ABORT, SMTP_WANT_CLOSE
};

#define SMTP_OUT_MIN 1024 /* smtp_input needs this much room in out to do anything */

struct smtp_out { /* replies of this turn; the caller's memory */
    uint8_t *ptr;
    size_t   len, cap;
};

struct smtp_peer {
    struct ip_addr client, local;
    uint16_t       client_port, local_port;
    uint32_t       server;  /* virtual server in turn->policy */
    uint64_t       session; /* id */
    bool           refuse;  /* greet with 554 and end (A3) */
    bool           busy;    /* over a connection limit: 421 4.7.0 */
    bool           early;   /* client spoke before the greeting */
    bool           trusted;
};

/* What the caller lends for one call. */
struct smtp_turn {
    const struct policy *policy;  /* this turn's snapshot */
    struct usec      now;
    uint64_t         wall_us;     /* microseconds since 1970, for Received: and ids */
    uint64_t        *last_id;     /* ipc_id.h */
    uint32_t         worker;
    bool             more_input;  /* bytes beyond this span are already waiting */
    bool             replies_wait; /* some of what was replied before this call has not left yet */
    bool             intake_shut; /* the queue takes no mail now: MAIL gets 452 4.3.1 */
    bool             queue_gone;  /* no queue process: MAIL gets 451 4.3.2 */
    bool             closing;     /* the edge is stopping: 421 at the next command */
    struct smtp_out *out;
    struct pool     *blocks;      /* SMTP_BLOCK_BYTES each */
    struct count    *counters;    /* SMTP_COUNTERS of smtp_counters.def */
    struct smtp_log *log;         /* events of this turn, see smtp_log.h */
};

struct smtp; /* layout in smtp_session.h */
#define SMTP_BYTES 512u /* at most; the caller's table has this stride */
#define SMTP_BLOCK_BYTES 256u

/* Starts a session: writes the greeting (or the refusal).  Returns WANT_INPUT or WANT_CLOSE. */
enum smtp_want smtp_open(struct smtp *s, struct smtp_turn *turn, const struct smtp_peer *peer);

/* Takes bytes off the front of *in until something is wanted. */
enum smtp_want smtp_input(struct smtp *s, struct smtp_turn *turn, struct span *in);

/* True where smtp_input() has something to do even with no bytes. */
bool smtp_pending(const struct smtp *s);

/* A chunk of at least SMTP_CHUNK_BYTES_MIN (smtp_limits.h); only after WANT_CHUNK. */
void     smtp_chunk(struct smtp *s, uint8_t *memory, uint32_t bytes);
void     smtp_no_chunk(struct smtp *s, struct smtp_turn *turn);
uint32_t smtp_take_chunk(struct smtp *s); /* bytes used in the chunk it had; it has none now */

/* What COMMIT/DATA must say (ipc_spool.h). */
struct smtp_message {
    uint64_t message;
    uint32_t envelope_bytes, recipients;
    uint64_t total_bytes;
};
struct smtp_message smtp_message(const struct smtp *s);

enum smtp_commit {
    SMTP_STORED, SMTP_STORE_FULL, SMTP_STORE_FAILED, SMTP_STORE_TOO_BIG, SMTP_STORE_TIMEOUT
};
/* The queue's answer to COMMIT, or to anything earlier (refused while DATA still streams: the
 * rest is read and thrown away and the reply says why). */
enum smtp_want smtp_committed(struct smtp *s, struct smtp_turn *turn, enum smtp_commit result);

/* The client half-closed: replies owed go out, then close. */
enum smtp_want smtp_eof(struct smtp *s, struct smtp_turn *turn);

/* When smtp_timer() is to be called at the latest, and what it wants (421 4.4.2, close). */
struct usec    smtp_deadline(const struct smtp *s);
enum smtp_want smtp_timer(struct smtp *s, struct smtp_turn *turn);

/* The edge is stopping: 421 4.3.2 unless a commit is awaited (then after it). */
enum smtp_want smtp_shutdown(struct smtp *s, struct smtp_turn *turn);

enum smtp_end {
    SMTP_END_QUIT, SMTP_END_CLIENT_CLOSED, SMTP_END_CLIENT_RESET, SMTP_END_TIMEOUT,
    SMTP_END_REFUSED, SMTP_END_LIMIT, SMTP_END_SHUTDOWN, SMTP_END_ERROR
};

/* The session is over: gives back blocks, writes the session's log event.  why_gone is used
 * where the machine itself did not end it. */
void smtp_done(struct smtp *s, struct smtp_turn *turn, enum smtp_end why_gone, uint64_t bytes_in,
               uint64_t bytes_out);

uint64_t smtp_session_id(const struct smtp *s);
bool     smtp_suspended(const struct smtp *s);   /* a commit is awaited */
bool     smtp_mid_message(const struct smtp *s); /* streaming: ABORT is owed if it ends now */

#endif
