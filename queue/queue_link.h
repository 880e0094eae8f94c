/* queue_link.h - the sockets of sluice-queue: to run, to control, to deliver; see ipc_link.h.
 *
 * Nothing here blocks.  What a peer says is checked; a peer that breaks the frame is dropped. */
#ifndef QUEUE_LINK_H
#define QUEUE_LINK_H

#include "ipc_link.h"
#include "queue_admin.h"

struct queue_link {
    struct queue     *q; /* NULL until SETTINGS */
    struct io_real   *io;
    struct admin     *admin;
    int               run, control, deliver;
    uint32_t          control_epoch, deliver_epoch;
    int               kicks[INTAKE_WORKERS_MAX]; /* eventfd of each region; -1 */
    struct queue_port port;
    bool              stop;    /* run said STOP, or is gone */
    bool              changed; /* descriptors to watch are others now */
    int               failed;  /* exit status when it cannot start */
    char             *answer;  /* not yet taken by control */
    uint32_t          answer_token;
};

void link_init(struct queue_link *link, int take_run);
void link_done(struct queue_link *link);
void link_run_ready(struct queue_link *link, struct usec now, uint64_t wall_us);
void link_control_ready(struct queue_link *link);
void link_deliver_ready(struct queue_link *link);
/* Orders: a slice, and answers. How much was done. */
uint32_t link_orders(struct queue_link *link);
/* SETTINGS' text. 0, or -EINVAL and *ret_why. */
int link_settings(const char *text, struct queue_settings *ret, bool *ret_maillog,
                  const char **ret_why);

#endif
