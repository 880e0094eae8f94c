/* run_house.h - all of one edge as `sluice run` sees it; shared by run_*.c only. */
#ifndef RUN_HOUSE_H
#define RUN_HOUSE_H

#include "conf.h"
#include "ipc_link.h"
#include "run_child.h"
#include "run_files.h"
#include "run_place.h"

#define HOUSE_CHILDREN 4

enum house_phase { HOUSE_STARTING, HOUSE_SERVING, HOUSE_STOPPING };

struct house {
    const struct conf *conf;    /* as it was at the start */
    struct run_files   files;
    struct run_place   place;
    const char        *programs;
    bool               force;
    int                signals; /* signalfd */
    enum house_phase   phase;
    unsigned           step;    /* STARTING, STOPPING: whose turn it is */
    struct usec        step_due;
    int                status;  /* exit status to be */
    struct usec        now;
    struct run_child   children[HOUSE_CHILDREN]; /* in the order of their start */
    struct link_message message;
};

struct run_child *house_child(struct house *house, enum ipc_kind kind);

/* run_peers.c: everything a child is given and told.  A child that does not read its link is
 * killed: there is nothing else it could be told. */
void peers_send(struct house *house, struct run_child *to, const struct link_head *head,
                const char *text, const int *fds, int fd_count);
/* A child was just started: its settings and figures, then it and the others meet. */
int  peers_welcome(struct house *house, struct run_child *child);
/* It has been reaped: everybody who knew it hears GONE. */
void peers_gone(struct house *house, const struct run_child *child);

/* run_serve.c: what children say. */
void serve_child(struct house *house, struct run_child *child);

/* run_step.c: starting, restarting and stopping; each looks at house->now. */
void step_forward(struct house *house);          /* whatever is due */
void step_ended(struct house *house, struct run_child *child, int status, bool by_signal);
void step_ready(struct house *house, struct run_child *child);
void step_stop(struct house *house, const char *why);
bool step_over(const struct house *house);       /* stopped, and nobody is left */
struct usec step_due(const struct house *house); /* when step_forward has something to do */

#endif
