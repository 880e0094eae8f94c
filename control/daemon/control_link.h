/* control_link.h - sluice-control's ends: the link to run, the sockets to dataplane and queue,
 * the figures of dataplane, queue and deliver.
 *
 * Opening a file is a question to run and waits for its answer (LINK_OPEN_US at most); what run
 * says meanwhile is kept, in order, and comes out of links_receive() later.
 *
 * Threads: one.  Clock: poll's.  Memory: heap, bounded by LINKS_KEPT_MAX messages.
 */
#ifndef CONTROL_LINK_H
#define CONTROL_LINK_H

#include "conf.h"
#include "ipc_link.h"
#include "ipc_stats.h"

#define LINKS_KEPT_MAX 64u
#define LINK_OPEN_US 10000000u

struct peer {
    int      fd;          /* -1: no socket */
    bool     up;          /* introduced and not reaped */
    uint32_t epoch;       /* of the latest incarnation; 0: never seen */
    uint32_t stats_epoch;
    struct stats_region *stats; /* NULL: none */
};

struct links { /* only control_link.c writes the fields */
    int         run_fd;
    bool        closed; /* run is gone */
    struct peer peers[IPC_KINDS];
    struct link_message *kept[LINKS_KEPT_MAX];
    uint32_t    kept_count;
};

void links_init(struct links *l, int take_run_fd);
void links_done(struct links *l);

/* The next message of run: 1; 0: run closed; -EAGAIN; -EPROTO and *ret_why. */
int  links_receive(struct links *l, struct link_message *ret, const char **ret_why);
bool links_kept(const struct links *l); /* something waits that epoll will not tell of */

/* LINK, GONE and STATS: takes the descriptors.  The peer whose socket changed, or IPC_RUN. */
enum ipc_kind links_take(struct links *l, struct link_message *m);

/* 0, -EAGAIN, -EPIPE (no such peer now, or it is gone). */
int  links_send(struct links *l, enum ipc_kind kind, enum link_type type, uint32_t token,
                const char *text, int fd);
void links_drop(struct links *l, enum ipc_kind kind); /* closes the socket, not the figures */

/* Asks run for a file: descriptor or -errno. */
int links_open(struct links *l, const char *path);
struct conf_opener links_opener(struct links *l);

/* Restarts of a process since `sluice run` began: incarnations are counted from 1. */
static inline uint64_t links_restarts(const struct links *l, enum ipc_kind kind)
{
    return l->peers[kind].epoch > 0 ? l->peers[kind].epoch - 1 : 0;
}

#endif
