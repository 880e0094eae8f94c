/* core_loop.c - the poll loop: one turn after another, each in the same order, never waiting.
 *
 *   mailboxes and the queue's answers; frames in; timers; bytes out; housekeeping; quiescent
 *
 * When nothing has happened for a while the worker goes offline for RCU, sleeps a bounded
 * moment and comes back (spinning beside others costs everyone more).
 */
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

#include "core_log.h"
#include "core_policy.h"
#include "core_port.h"
#include "core_spool.h"

#define TCP_TIMERS_A_TURN 128
#define TICK_US           1000u
#define GAUGES_US         100000u
#define PORTS_US          1000000u /* many registers to read */
#define SESSIONS_START    1000000u /* our clock starts at one second, so that 0 means never */

struct usec core_now(const struct core *core)
{
    unsigned __int128 cycles = rte_rdtsc() - core->tsc_start;

    return (struct usec){.us = (uint64_t)(cycles * 1000000u / core->tsc_hz) + SESSIONS_START};
}

static void set_gauges(struct worker *w)
{
    struct tcp_census census = tcp_census(w->tcp);

    count_set(&w->counters[CORE_CONNECTIONS], census.connections);
    count_set(&w->counters[CORE_EMBRYOS], census.embryos);
    count_set(&w->counters[CORE_TIME_WAITS], census.time_waits);
    count_set(&w->counters[CORE_BLOCKS], census.blocks);
    count_set(&w->counters[CORE_OPEN_SESSIONS], w->sessions_used);
    count_set(&w->counters[CORE_WAITING_COMMIT], w->spool.committing);
    count_set(&w->counters[CORE_CHUNKS_FREE], w->spool.up ? w->spool.free_count : 0);
    if (w->index == 0) { /* one pool and one set of ports for all */
        count_set(&w->counters[CORE_MBUFS_FREE], rte_mempool_avail_count(w->mbufs));
        if (usec_since(w->ports_counted, w->now) >= PORTS_US) {
            w->ports_counted = w->now;
            core_ports_count(w);
        }
    }
    if (w->heap_bytes != NULL)
        count_set(&w->counters[CORE_HEAP_BYTES], *w->heap_bytes);
}

static unsigned turn(struct worker *w)
{
    unsigned work;

    w->now = core_now(w->core);
    w->wall_us = w->now.us + atomic_load_explicit(&w->core->wall_offset_us, memory_order_relaxed);
    work = spool_poll(w);
    work += frame_poll(w);
    tcp_timers(w->tcp, w->now, TCP_TIMERS_A_TURN);
    frame_events(w);
    stream_timers(w);
    if (atomic_load_explicit(&w->core->stopping, memory_order_relaxed))
        stream_stop(w);
    tcp_flush(w->tcp, w->now);
    if (usec_since(w->ticked, w->now) >= TICK_US) {
        w->ticked = w->now;
        if (w->index == 0) {
            frame_tick(w);
            frag_tick(w);
        }
    }
    frame_flush(w);
    spool_kick(w);
    core_log_give(w);
    if (usec_since(w->gauged, w->now) >= GAUGES_US) {
        w->gauged = w->now;
        set_gauges(w);
    }
    return work;
}

/* How long nothing can be due: bounded, so that a grace period and an answer wait little. */
static uint64_t sleep_us(const struct worker *w)
{
    struct usec due = tcp_next_due(w->tcp), timer = wheel_next(&w->wheel);
    uint64_t most = w->spool.committing > 0 ? IDLE_SLEEP_US_MIN : IDLE_SLEEP_US_MAX;
    uint64_t us = (uint64_t)(w->idle_turns - IDLE_TURNS_SPIN) * IDLE_SLEEP_US_MIN;

    if (timer.us < due.us)
        due = timer;
    if (us > most)
        us = most;
    if (due.us <= w->now.us)
        return 0;
    return us < due.us - w->now.us ? us : due.us - w->now.us;
}

static void idle(struct worker *w)
{
    struct timespec t = {0};
    uint64_t us;

    count_one(&w->counters[CORE_TURNS_IDLE]);
    if (++w->idle_turns <= IDLE_TURNS_SPIN) {
        rte_pause();
        return;
    }
    us = sleep_us(w);
    if (us == 0)
        return;
    count_one(&w->counters[CORE_SLEEPS]);
    t.tv_nsec = (long)(us * 1000);
    urcu_qsbr_thread_offline();
    nanosleep(&t, NULL);
    urcu_qsbr_thread_online();
}

/* jemalloc's running total for this thread, where jemalloc is what we run on. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

static void find_heap_bytes(struct worker *w)
{
    size_t len = sizeof(w->heap_bytes);

    void *volatile probe;

    if (mallctl != NULL && mallctl("thread.allocatedp", &w->heap_bytes, &len, NULL, 0) != 0)
        w->heap_bytes = NULL;
    probe = malloc(1); /* a figure that was never seen to move proves nothing */
    free(probe);
}

int worker_run(void *worker)
{
    struct worker *w = worker;

    urcu_qsbr_register_thread();
    find_heap_bytes(w);
    while (!atomic_load_explicit(&w->core->quit, memory_order_relaxed)) {
        struct usec began;

        if (turn(w) == 0) {
            idle(w);
        } else {
            began = w->now;
            w->idle_turns = 0;
            count_one(&w->counters[CORE_TURNS_BUSY]);
            histogram_add(&w->histograms[CORE_H_TURN], usec_since(began, core_now(w->core)));
        }
        urcu_qsbr_quiescent_state();
    }
    frame_flush(w);
    urcu_qsbr_unregister_thread();
    return 0;
}
