/* core_link.h - the main lcore's talk with `sluice run` and with control.
 *
 * All of it happens on the main lcore: settings at start, regions and sockets of peers as
 * they come and go, policy images, orders.  Workers see only mailboxes.
 */
#ifndef CORE_LINK_H
#define CORE_LINK_H

#include "core_worker.h"
#include "ipc_link.h"

struct core_link {
    struct core *core;
    int  run, control;           /* sockets, -1: none */
    bool have_settings, stop;
    struct pending_region {      /* received, not yet with its worker */
        bool waits;
        struct spool_handover box;
    } pending[CORE_WORKERS_MAX];
    struct link_message message; /* the one under way */
};

void core_link_init(struct core_link *link, struct core *core, int run);

/* Waits (bounded) for SETTINGS and STATS.  0; -1 and *ret_why. */
int core_link_settings(struct core_link *link, const char **ret_why);

/* Waits up to timeout_ms for messages and acts on them; hands regions over. */
void core_link_poll(struct core_link *link, int timeout_ms);

void core_link_ready(struct core_link *link);
void core_link_failed(struct core_link *link, const char *why);

#endif
