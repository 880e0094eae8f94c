/* core_stream.c - bytes between a connection and its SMTP machine, and what the machine wants. */
#include "base_must.h"
#include "core_clients.h"
#include "core_log.h"
#include "core_policy.h"
#include "core_spool.h"
#include "ipc_id.h"

#define TIMERS_A_TURN 64
#define STOPS_A_TURN  256

/* ---- what a call into the machine needs ---- */

struct smtp_turn stream_turn(struct worker *w, struct smtp_out *out)
{
    return (struct smtp_turn){
        .policy = core_policy_now(w->core),
        .now = w->now,
        .wall_us = w->wall_us,
        .last_id = &w->last_id,
        .worker = w->index,
        .intake_shut = w->spool.intake_shut,
        .queue_gone = !w->spool.up,
        .closing = atomic_load_explicit(&w->core->stopping, memory_order_relaxed),
        .out = out,
        .blocks = &w->blocks,
        .counters = w->smtp_counters,
        .log = &w->log,
    };
}

/* Half a send buffer is kept back, so that the answer to a commit always fits. */
static bool out_begin(struct worker *w, struct tcp_conn *conn, struct smtp_out *out)
{
    size_t room = tcp_room(w->tcp, conn);

    if (w->log.count > LOG_SCRATCH / 2)
        core_log_give(w);
    if (room < 2 * SMTP_OUT_MIN)
        return false;
    room -= SMTP_OUT_MIN;
    *out = (struct smtp_out){.ptr = w->out, .cap = room < OUT_BYTES ? room : OUT_BYTES};
    return true;
}

static void out_begin_reserve(struct worker *w, struct smtp_out *out)
{
    if (w->log.count > LOG_SCRATCH / 2)
        core_log_give(w);
    *out = (struct smtp_out){.ptr = w->out, .cap = OUT_BYTES};
}

static void out_end(struct worker *w, struct tcp_conn *conn, struct session *s,
                    const struct smtp_out *out)
{
    size_t n;

    if (out->len == 0)
        return;
    n = tcp_write(w->tcp, conn, span_of(out->ptr, out->len));
    s->bytes_out += n;
    if (n != out->len) /* the block pool ran dry: a reply cut short would be worse than none */
        tcp_abort(w->tcp, conn, w->now);
}

/* ---- deadlines ---- */

static void arm(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    struct usec due;

    if (!s->in_use || s->wait == SESSION_OVER)
        return;
    due = s->wait == SESSION_WAITS_COMMIT ? usec_add(s->asked, COMMIT_BUDGET_US)
                                          : smtp_deadline(session_smtp(s));
    /* Deadlines mostly move away: leave the timer where it is unless it would be late. */
    if (wheel_armed(&w->wheel, slot) && s->armed.us <= due.us)
        return;
    s->armed = due;
    wheel_add(&w->wheel, slot, due);
}

/* ---- wants ---- */

static void finish(struct worker *w, struct tcp_conn *conn, uint32_t slot, enum smtp_end why)
{
    struct session *s = &w->sessions[slot];
    struct smtp_out none = {.ptr = w->out, .cap = 0};
    struct smtp_turn turn = stream_turn(w, &none);

    spool_abort(w, slot);
    smtp_done(session_smtp(s), &turn, why, s->bytes_in, s->bytes_out);
    s->wait = SESSION_OVER;
    wheel_cancel(&w->wheel, slot);
    histogram_add(&w->histograms[CORE_H_SESSION], usec_since(s->opened, w->now));
    if (conn != NULL)
        tcp_close(w->tcp, conn, w->now);
}

static void want_chunk(struct worker *w, struct tcp_conn *conn, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    const struct policy *policy = core_policy_now(w->core);
    uint32_t server =
        policy_listener(policy, &tcp_conn_key(conn)->local, tcp_conn_key(conn)->local_port);
    bool trusted =
        server != POLICY_NONE && policy_trusted(policy, server, &tcp_conn_key(conn)->remote);
    struct smtp_out out;
    struct smtp_turn turn;

    if (spool_give_chunk(w, slot, !s->begun, trusted))
        return;
    if (s->begun) { /* mid-body: the window closes until the queue has caught up */
        spool_wait(w, slot);
        return;
    }
    count_one(&w->counters[CORE_CHUNK_SHED]);
    out_begin_reserve(w, &out);
    turn = stream_turn(w, &out);
    smtp_no_chunk(session_smtp(s), &turn);
    out_end(w, conn, s, &out);
}

static void act(struct worker *w, struct tcp_conn *conn, uint32_t slot, enum smtp_want want);

/* The queue's verdict, or ours in its place, becomes a reply. */
static void reply_commit(struct worker *w, struct tcp_conn *conn, uint32_t slot,
                         enum smtp_commit result)
{
    struct session *s = &w->sessions[slot];
    struct smtp_out out;
    struct smtp_turn turn;
    enum smtp_want want;

    out_begin_reserve(w, &out);
    turn = stream_turn(w, &out);
    s->begun = false;
    want = smtp_committed(session_smtp(s), &turn, result);
    out_end(w, conn, s, &out);
    act(w, conn, slot, want);
}

static void act(struct worker *w, struct tcp_conn *conn, uint32_t slot, enum smtp_want want)
{
    struct session *s = &w->sessions[slot];

    switch (want) {
    case SMTP_WANT_INPUT:
    case SMTP_WANT_ROOM:
        break;
    case SMTP_WANT_CHUNK:
        want_chunk(w, conn, slot);
        break;
    case SMTP_WANT_FLUSH:
        if (!spool_flush(w, slot))
            spool_wait(w, slot);
        break;
    case SMTP_WANT_COMMIT:
        if (!spool_commit(w, slot)) {
            spool_abort(w, slot);
            reply_commit(w, conn, slot, SMTP_STORE_FAILED);
        }
        break;
    case SMTP_WANT_ABORT:
        spool_abort(w, slot);
        s->begun = false;
        break;
    case SMTP_WANT_CLOSE:
        finish(w, conn, slot, SMTP_END_CLIENT_CLOSED);
        break;
    }
}

/* One call of the machine on the next bytes.  False: nothing can be done now. */
static bool step(struct worker *w, struct tcp_conn *conn, uint32_t slot, struct span in)
{
    struct session *s = &w->sessions[slot];
    struct smtp_out out;
    struct smtp_turn turn;
    enum smtp_want want;
    size_t before = in.len;

    if (!out_begin(w, conn, &out)) {
        tcp_want_room(w->tcp, conn);
        return false;
    }
    turn = stream_turn(w, &out);
    turn.more_input = tcp_waiting(w->tcp, conn) > in.len;
    turn.replies_wait = tcp_unsent(conn);
    want = smtp_input(session_smtp(s), &turn, &in);
    tcp_consume(w->tcp, conn, before - in.len);
    s->bytes_in += before - in.len;
    out_end(w, conn, s, &out);
    act(w, conn, slot, want);
    return true;
}

static void eof(struct worker *w, struct tcp_conn *conn, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    struct smtp_out out;
    struct smtp_turn turn;
    enum smtp_want want;

    out_begin_reserve(w, &out);
    turn = stream_turn(w, &out);
    want = smtp_eof(session_smtp(s), &turn);
    out_end(w, conn, s, &out);
    act(w, conn, slot, want);
}

void stream_run(struct worker *w, struct tcp_conn *conn)
{
    uint32_t slot = tcp_slot(conn);
    struct session *s = &w->sessions[slot];

    must(slot < w->sessions_cap);
    while (s->in_use) {
        struct span in = tcp_peek(w->tcp, conn);

        if (s->wait == SESSION_OVER) {
            if (in.len == 0)
                break;
            tcp_consume(w->tcp, conn, in.len);
            continue;
        }
        if (s->wait != SESSION_RUNS)
            break;
        /* With no input left the machine may still owe a reply: 354 after its first chunk. */
        if (in.len == 0 && !smtp_pending(session_smtp(s))) {
            if (tcp_at_eof(conn))
                eof(w, conn, slot);
            break;
        }
        if (!step(w, conn, slot, in))
            break;
    }
    tcp_settle(w->tcp, conn, w->now);
    arm(w, slot);
}

void stream_resume(struct worker *w, uint32_t slot)
{
    struct tcp_conn *conn = tcp_at(w->tcp, slot);

    if (conn != NULL)
        stream_run(w, conn);
}

void stream_committed(struct worker *w, uint32_t slot, enum smtp_commit result)
{
    struct tcp_conn *conn = tcp_at(w->tcp, slot);

    if (conn == NULL)
        return;
    reply_commit(w, conn, slot, result);
    stream_run(w, conn);
}

/* ---- birth and death ---- */

static void start_session(struct worker *w, struct tcp_conn *conn, const struct smtp_peer *peer)
{
    uint32_t slot = tcp_slot(conn);
    struct session *s = &w->sessions[slot];
    uint32_t generation = s->generation + 1;
    struct smtp_out out;
    struct smtp_turn turn;
    enum smtp_want want;

    memset(s, 0, sizeof(*s));
    s->generation = generation;
    s->chunk = IPC_NO_CHUNK;
    s->holds = s->waits = (struct session_link){UINT32_MAX, UINT32_MAX};
    s->in_use = true;
    s->opened = w->now;
    s->client = peer->client;
    w->sessions_used++;
    count_one(&w->counters[CORE_SESSIONS]);
    out_begin_reserve(w, &out);
    turn = stream_turn(w, &out);
    want = smtp_open(session_smtp(s), &turn, peer);
    out_end(w, conn, s, &out);
    act(w, conn, slot, want);
}

void stream_ready(struct worker *w, const struct tcp_event *ev)
{
    const struct policy *policy = core_policy_now(w->core);
    struct smtp_peer peer = {.client = ev->key.remote,
                             .local = ev->key.local,
                             .client_port = ev->key.remote_port,
                             .local_port = ev->key.local_port,
                             .early = ev->early};
    struct policy_limits limits;
    struct tcp_conn *conn;
    uint32_t rule, now_open;

    /* Looked up again: a reload may have come between SYN and now. */
    peer.server =
        policy != NULL ? policy_listener(policy, &ev->key.local, ev->key.local_port) : POLICY_NONE;
    conn = peer.server != POLICY_NONE ? tcp_promote(w->tcp, ev->embryo, w->now) : NULL;
    if (conn == NULL) {
        count_one(&w->counters[CORE_NO_SLOT]);
        tcp_embryo_reset(w->tcp, ev->embryo);
        return;
    }
    peer.session = id_next(&w->last_id, w->wall_us, w->index);
    peer.refuse = policy_connect(policy, peer.server, &peer.client, &rule) != CONNECT_ALLOW;
    peer.trusted = policy_trusted(policy, peer.server, &peer.client);
    policy_limits(policy, &limits);
    now_open = clients_add(w->core->clients, &peer.client);
    peer.busy = !peer.trusted && limits.connections_per_client != 0 &&
                now_open > limits.connections_per_client;
    if (peer.busy)
        count_one(&w->counters[CORE_OVER_CLIENT]);
    start_session(w, conn, &peer);
    stream_run(w, conn); /* bytes that came with the handshake */
}

static enum smtp_end end_of(enum tcp_gone why)
{
    switch (why) {
    case TCP_GONE_RESET:
        return SMTP_END_CLIENT_RESET;
    case TCP_GONE_TIMEOUT:
        return SMTP_END_TIMEOUT;
    case TCP_GONE_ABORTED:
        return SMTP_END_ERROR;
    case TCP_GONE_CLOSED:
        break;
    }
    return SMTP_END_CLIENT_CLOSED;
}

void stream_gone(struct worker *w, uint32_t slot, enum tcp_gone why)
{
    struct session *s = &w->sessions[slot];

    if (!s->in_use)
        return;
    if (s->wait == SESSION_WAITS_COMMIT) {
        /* The client is gone before our 250: the message stays stored and is delivered once. */
        w->spool.committing--;
        s->wait = SESSION_RUNS;
        s->message = 0;
    }
    if (s->wait != SESSION_OVER)
        finish(w, NULL, slot, end_of(why));
    clients_drop(w->core->clients, &s->client);
    s->in_use = false;
    w->sessions_used--;
}

/* ---- time ---- */

static void timer_fired(struct worker *w, uint32_t slot)
{
    struct session *s = &w->sessions[slot];
    struct tcp_conn *conn = tcp_at(w->tcp, slot);
    struct smtp_out out;
    struct smtp_turn turn;
    enum smtp_want want;

    if (!s->in_use || s->wait == SESSION_OVER || conn == NULL)
        return;
    if (s->wait == SESSION_WAITS_COMMIT) {
        if (usec_reached(usec_add(s->asked, COMMIT_BUDGET_US), w->now)) {
            spool_cancel(w, slot);
            stream_committed(w, slot, SMTP_STORE_TIMEOUT);
        }
    } else if (usec_reached(smtp_deadline(session_smtp(s)), w->now)) {
        out_begin_reserve(w, &out);
        turn = stream_turn(w, &out);
        want = smtp_timer(session_smtp(s), &turn);
        out_end(w, conn, s, &out);
        act(w, conn, slot, want);
    }
    arm(w, slot);
}

void stream_timers(struct worker *w)
{
    uint32_t budget = TIMERS_A_TURN, slot;

    while ((slot = wheel_expire(&w->wheel, w->now, &budget)) != WHEEL_NONE)
        timer_fired(w, slot);
}

void stream_stop(struct worker *w)
{
    uint32_t end = w->stop_cursor + STOPS_A_TURN;

    for (; w->stop_cursor < end && w->stop_cursor < w->sessions_cap; w->stop_cursor++) {
        struct session *s = &w->sessions[w->stop_cursor];
        struct tcp_conn *conn =
            s->in_use && s->wait != SESSION_OVER ? tcp_at(w->tcp, w->stop_cursor) : NULL;
        struct smtp_out out;
        struct smtp_turn turn;
        enum smtp_want want;

        if (conn == NULL)
            continue;
        out_begin_reserve(w, &out);
        turn = stream_turn(w, &out);
        want = smtp_shutdown(session_smtp(s), &turn);
        out_end(w, conn, s, &out);
        act(w, conn, w->stop_cursor, want);
    }
}
