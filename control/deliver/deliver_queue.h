/* deliver_queue.h - the socket to the queue: ATTEMPT packets in, OUTCOME packets out.
 *
 * Threads: one.  Clock: none.
 */
#ifndef DELIVER_QUEUE_H
#define DELIVER_QUEUE_H

#include "ipc_attempt.h"

struct queue_packet {
    size_t   bytes;
    uint32_t fd_count;
    int      fds[ATTEMPT_SEGMENTS_MAX]; /* the receiver's */
    uint8_t  data[ATTEMPT_BYTES_MAX];
};

/* 1: a packet; 0: the queue closed; -EAGAIN; -EMSGSIZE: one that is too large was dropped,
 * descriptors and all; another -errno: the socket is of no more use. */
int queue_receive(int socket, struct queue_packet *ret);

/* 0; -EAGAIN; -EPIPE. */
int queue_send(int socket, struct span packet);

#endif
