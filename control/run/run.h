/* run.h - `sluice run`: starts the processes, introduces them to each other, watches, restarts
 * and stops them.  The only one that stays root; it reads nothing from the network.
 *
 * Order: queue, deliver, control, dataplane, each when the one before is READY (or has taken
 * RUN_START_WAIT_US); stopping: dataplane, deliver, queue, control.  A child whose first
 * incarnation ends or says FAILED before it was READY ends the whole start with 1; later ones
 * are restarted at once, then after 1, 2, 4, 8, 10, 10 … s, counted anew after a minute alive.
 *
 * What the children are told is the configuration as it was at the start (what a reload may
 * change comes from sluice-control); which files run opens for control follows the reloads.
 *
 * Threads: one poll loop.  Signals: TERM and INT stop (a second one kills), HUP reloads.
 */
#ifndef RUN_H
#define RUN_H

#include "base_types.h"

struct run_options {
    const char *config;   /* path as given */
    bool        force;    /* --force: a NIC that carries the default route may be taken */
    const char *programs; /* folder of sluice-queue and so on; NULL: this program's own */
};

/* The exit status: 0 after an ordered stop, 1 when it could not start (said on stderr). */
int run_main(const struct run_options *options);

#endif
