/* run_child.h - one child process: started with nothing but its link, watched by descriptor.
 *
 * A child gets: the link as descriptor LINK_FD, /dev/null as input, our output and log, no other
 * descriptor; its own session (the terminal's Ctrl-C is ours); SIGKILL when we die; and, unless
 * it must start as root, the edge's user with no group but its own and no way to new privileges.
 */
#ifndef RUN_CHILD_H
#define RUN_CHILD_H

#include <sys/types.h>

#include "ipc_region.h"

struct run_child { /* run_child.c writes pid, pidfd, link; the others are run_loop.c's */
    enum ipc_kind kind;
    pid_t       pid;      /* 0: not running */
    int         pidfd;    /* -1 */
    int         link;     /* -1 */
    int         stats;    /* memfd of this incarnation; -1 */
    uint32_t    epoch;    /* incarnations, from 1 */
    unsigned    deaths;   /* in a row, for the delay */
    bool        ready;    /* this incarnation said so */
    bool        served;   /* some incarnation did */
    bool        stopping; /* STOP was sent */
    struct usec born;
    struct usec spawn_due; /* not running: when to start; UINT64_MAX: not again */
    struct usec kill_due;  /* running: when patience ends; UINT64_MAX: never */
    char        error[512];      /* what it said with FAILED */
    uint32_t    told[IPC_KINDS]; /* the last epoch it was told about that peer; 0: nothing */
};

void child_init(struct run_child *child, enum ipc_kind kind);

/* Starts program as uid:gid (as root and unchanged where as_root).  0 or -errno. */
struct child_start {
    const char *program; /* path */
    bool        as_root;
    uid_t       uid;
    gid_t       gid;
};
int child_spawn(struct run_child *child, const struct child_start *start);

/* If the child has ended: true, *ret_status is waitid's si_status with *ret_signal telling which
 * kind it is, and its descriptors are closed. */
bool child_reap(struct run_child *child, int *ret_status, bool *ret_signal);

void child_kill(struct run_child *child); /* SIGKILL; harmless when it is not running */

/* How long to wait before the restart after so many deaths in a row (1: the first). */
uint64_t child_delay_us(unsigned deaths);

#endif
