/* run_step.c - starts in order, restarts after a death, stops in order. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "log_line.h"
#include "run_house.h"
#include "run_limits.h"

#define NEVER ((struct usec){.us = UINT64_MAX})

/* The data plane takes no more mail; deliver ends what it has begun and tells the queue, which must
 * still be there to write it down: else those messages went out twice. */
static const enum ipc_kind stop_order[HOUSE_CHILDREN] = {IPC_DATAPLANE, IPC_DELIVER, IPC_QUEUE,
                                                         IPC_CONTROL};

static void log_child(const char *event, const struct run_child *child, const char *error)
{
    struct log_line line;

    log_begin(&line, event);
    log_str(&line, "child", ipc_kind_name(child->kind));
    log_u64(&line, "pid", (uint64_t)child->pid);
    log_u64(&line, "epoch", child->epoch);
    log_str(&line, "error", error);
    log_end(&line);
}

/* Cannot start: said where the operator looks, and everything ends with 1. */
static void give_up(struct house *house, const struct run_child *child, const char *why)
{
    fprintf(stderr, "sluice run: %s did not start: %s\n", ipc_kind_name(child->kind), why);
    house->status = 1;
    step_stop(house, "a process could not start");
}

static void start_child(struct house *house, struct run_child *child)
{
    char program[PATH_MAX];
    struct child_start start = {
        .program = program,
        /* Opens its devices, then drops to the user by itself. */
        .as_root = child->kind == IPC_DATAPLANE,
        .uid = house->place.uid,
        .gid = house->place.gid,
    };
    int rc;

    snprintf(program, sizeof(program), "%s/sluice-%s", house->programs, ipc_kind_name(child->kind));
    child->spawn_due = NEVER;
    child->kill_due = NEVER;
    child->ready = false;
    child->stopping = false;
    child->error[0] = '\0';
    child->epoch++;
    child->born = house->now;
    rc = child_spawn(child, &start);
    if (rc == 0) {
        (void)place_write_pid(&house->place, ipc_kind_name(child->kind), child->pid);
        log_child("child-started", child, NULL);
        rc = peers_welcome(house, child);
        if (rc == 0)
            return;
        child_kill(child); /* half introduced: once more, from the start */
    } else {
        child->deaths++;
        child->spawn_due = usec_add(house->now, RUN_DELAY_MAX_US);
    }
    log_child("child-not-started", child, strerror(-rc));
    if (!child->served && child->pid == 0)
        give_up(house, child, strerror(-rc));
}

static void log_ready(struct house *house)
{
    struct log_line line;

    log_begin(&line, "ready");
    log_str(&line, "runtime", house->conf->runtime_directory.text);
    log_u64(&line, "workers", house->conf->dataplane.cores_count);
    log_end(&line);
}

/* STARTING: the next one, when the one before is ready or has had its time. */
static void start_next(struct house *house)
{
    while (house->phase == HOUSE_STARTING) {
        if (house->step > 0 && !house->children[house->step - 1].ready &&
            !usec_reached(house->step_due, house->now))
            return;
        if (house->step == HOUSE_CHILDREN) {
            house->phase = HOUSE_SERVING;
            log_ready(house);
            return;
        }
        house->step_due = usec_add(house->now, RUN_START_WAIT_US);
        start_child(house, &house->children[house->step++]);
    }
}

static bool is_running(const struct run_child *child)
{
    return child->pid != 0;
}

/* STOPPING: STOP to the next one that still runs, when the one before has ended. */
static void stop_next(struct house *house)
{
    for (; house->step < HOUSE_CHILDREN; house->step++) {
        struct run_child *child = house_child(house, stop_order[house->step]);
        struct link_head head = {.type = LINK_STOP, .kind = (uint32_t)child->kind};

        if (!is_running(child))
            continue;
        if (!child->stopping) {
            child->stopping = true;
            child->kill_due = usec_add(house->now, RUN_STOP_WAIT_US);
            peers_send(house, child, &head, NULL, NULL, 0);
        }
        return;
    }
}

void step_forward(struct house *house)
{
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        struct run_child *child = &house->children[i];

        if (is_running(child) && usec_reached(child->kill_due, house->now)) {
            log_child("child-killed", child, "it did not end in time");
            child_kill(child);
            child->kill_due = NEVER;
        }
        if (house->phase != HOUSE_STOPPING && !is_running(child) &&
            usec_reached(child->spawn_due, house->now))
            start_child(house, child);
    }
    start_next(house);
    if (house->phase == HOUSE_STOPPING)
        stop_next(house);
}

void step_ready(struct house *house, struct run_child *child)
{
    if (child->ready)
        return;
    child->ready = true;
    child->served = true;
    log_child("child-ready", child, NULL);
    (void)house;
}

static void how_it_ended(char *out, size_t room, int status, bool by_signal)
{
    const char *name = by_signal ? sigabbrev_np(status) : NULL;

    if (by_signal)
        snprintf(out, room, "signal SIG%s", name != NULL ? name : "?");
    else
        snprintf(out, room, "exit status %d", status);
}

void step_ended(struct house *house, struct run_child *child, int status, bool by_signal)
{
    uint64_t alive_us = usec_since(child->born, house->now), delay_us;
    struct log_line line;
    char how[64], why[sizeof(child->error) + sizeof(how)];

    how_it_ended(how, sizeof(how), status, by_signal);
    if (alive_us >= RUN_ALIVE_US)
        child->deaths = 0;
    child->deaths++;
    delay_us = child_delay_us(child->deaths);
    log_begin(&line, "child-ended");
    log_str(&line, "child", ipc_kind_name(child->kind));
    log_u64(&line, "epoch", child->epoch);
    log_str(&line, "how", how);
    log_seconds(&line, "alive", alive_us);
    if (house->phase != HOUSE_STOPPING)
        log_seconds(&line, "restart_in", delay_us);
    log_end(&line);
    peers_gone(house, child);
    child->kill_due = NEVER;
    if (house->phase == HOUSE_STOPPING) {
        place_remove(&house->place, ipc_kind_name(child->kind), ".pid");
        return;
    }
    child->spawn_due = usec_add(house->now, delay_us);
    if (child->served)
        return;
    snprintf(why, sizeof(why), "%s", child->error);
    if (why[0] == '\0')
        snprintf(why, sizeof(why), "it ended with %s", how);
    give_up(house, child, why);
}

void step_stop(struct house *house, const char *why)
{
    struct log_line line;

    if (house->phase == HOUSE_STOPPING) {
        for (size_t i = 0; i < HOUSE_CHILDREN; i++)
            child_kill(&house->children[i]);
        return;
    }
    house->phase = HOUSE_STOPPING;
    house->step = 0;
    log_begin(&line, "stopping");
    log_str(&line, "reason", why);
    log_end(&line);
}

bool step_over(const struct house *house)
{
    if (house->phase != HOUSE_STOPPING)
        return false;
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        if (is_running(&house->children[i]))
            return false;
    }
    return true;
}

struct usec step_due(const struct house *house)
{
    struct usec due = NEVER;

    if (house->phase == HOUSE_STARTING)
        due = house->step > 0 && house->children[house->step - 1].ready ? house->now
                                                                        : house->step_due;
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        const struct run_child *child = &house->children[i];
        struct usec one = is_running(child) ? child->kill_due : child->spawn_due;

        if (!is_running(child) && house->phase == HOUSE_STOPPING)
            continue;
        if (one.us < due.us)
            due = one;
    }
    return due;
}
