/* ipc_link.h - the sockets by which `sluice run` introduces its children to each other, and
 * the frame that every control message between processes uses.
 *
 * Each child finds its link to `run` as descriptor LINK_FD: a SOCK_SEQPACKET pair end.  A
 * message is struct link_head, an optional JSON text (jansson), and up to LINK_FDS_MAX
 * descriptors.  The first message to a child is SETTINGS; a child that cannot start says
 * FAILED with a text and exits.  The same frame runs on the control<->dataplane,
 * control<->queue, control<->deliver and queue<->deliver sockets that `run` hands out with
 * LINK (the queue<->deliver one carries ipc_attempt.h records instead of JSON).
 *
 *   run -> child   SETTINGS json            conf_settings.h says what is in it
 *                  REGION  kind worker epoch, fds [memfd, eventfd that wakes the queue side]
 *                  LINK    kind epoch, fds [socket to that peer]
 *                  GONE    kind epoch       the peer of that epoch has been reaped
 *                  STATS   epoch, fds [memfd of ipc_stats.h]
 *                  STOP                     finish in order and exit 0
 *                  FD      json {"path"}, fds [file] or json {"path","error"}
 *   child -> run   READY                    serving
 *                  FAILED  json {"error"}   why it cannot start
 *                  OPEN    json {"path"}    asks run to open a configuration, list or key file
 *                  RELOADED                 control: the set of configuration files changed; run
 *                                           re-reads it to know which paths OPEN may name
 *   control -> dataplane, queue   POLICY json {"generation"}, fds [sealed image]
 *                                 ORDER  json {"order": …}   see conf_settings.h / queue_admin
 *   dataplane, queue -> control   POLICY_SET json {"generation"} or {"generation","error"}
 *                                 ANSWER json
 */
#ifndef IPC_LINK_H
#define IPC_LINK_H

#include "ipc_region.h"

#define LINK_FD 3
#define LINK_FDS_MAX 4
#define LINK_BYTES_MAX (64u * 1024u)

enum link_type {
    LINK_SETTINGS = 1, LINK_REGION, LINK_LINK, LINK_GONE, LINK_STATS, LINK_STOP, LINK_GIVEN_FD,
    LINK_READY, LINK_FAILED, LINK_OPEN, LINK_RELOADED,
    LINK_POLICY, LINK_POLICY_SET, LINK_ORDER, LINK_ANSWER
};

struct link_head {
    uint32_t abi;    /* IPC_ABI; anything else is refused in words */
    uint32_t type;   /* enum link_type */
    uint32_t kind;   /* enum ipc_kind of the peer meant */
    uint32_t worker;
    uint32_t epoch;
    uint32_t token;  /* an ANSWER carries its ORDER's */
};

struct link_message {
    struct link_head head;
    char   text[LINK_BYTES_MAX]; /* NUL-terminated JSON, or empty */
    size_t text_bytes;
    int    fds[LINK_FDS_MAX];
    int    fd_count;             /* the receiver owns them */
};

/* Epochs.  A process's own epoch (SETTINGS) counts its incarnations from 1.  LINK and STATS carry
 * the incarnation of the peer they are about, REGION the region's own epoch (grows with every new
 * incarnation of either side); GONE carries the last epoch that was told about that peer. */

/* Sends; text may be NULL; fds are duplicated by the kernel and stay the caller's.
 * 0; -EAGAIN when the peer is slow (non-blocking sockets); -EPIPE when it is gone. */
int link_send(int socket, const struct link_head *head, const char *text, const int *fds, int fd_count);

/* Receives one message.  1; 0 when the peer closed; -EAGAIN; -EPROTO for a frame that is not
 * ours (too short, too long, other ABI: *ret_why says so), its descriptors already closed. */
int link_receive(int socket, struct link_message *ret, const char **ret_why);

/* Closes what the message still carries. */
void link_close_fds(struct link_message *message);

#endif
