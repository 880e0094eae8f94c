/* ipc_spool.h - what a worker and the queue process say to each other about one message.
 *
 * A message is a stream of bytes, cut into chunks in order: first its envelope
 * (ipc_envelope.h, envelope_bytes long), then its content as it will be stored and sent
 * (our Received: line first, CRLF line ends, dots unstuffed).  The worker sends
 *     DATA* COMMIT        each carrying one chunk (COMMIT may carry none or the last one)
 *  or DATA* ABORT         the client went away or the message was refused
 * and after COMMIT, if it told the client 451 because the answer's budget ran out, CANCEL.
 * The queue answers
 *     CHUNK_BACK          its own copy is made (not yet durable); the chunk is the worker's again
 *     DURABLE             after fdatasync: only now may 250 be said (RFC 5321 s4.2.5)
 *     REFUSED             not stored; reason says which reply; sent once, at the first DATA or
 *                         at COMMIT, after which the rest of that message is ignored
 *     CANCELLED           answer to CANCEL: the message is not and will not be stored; or DURABLE
 *                         when CANCEL came too late to undo (then it is delivered: a duplicate at
 *                         worst, counted)
 *     STATE               intake open or shut (disk, queue limit, transfer off): for MAIL's 452
 * CHUNK_BACK may ride on DURABLE/REFUSED (chunk != IPC_NO_CHUNK).
 *
 * Every field from the peer is checked: unknown type, chunk not lent, sequence out of
 * order, lengths beyond a chunk: counted, that message refused, nothing else touched.
 */
#ifndef IPC_SPOOL_H
#define IPC_SPOOL_H

#include "ipc_region.h"

enum spool_ask_type { SPOOL_DATA = 1, SPOOL_COMMIT, SPOOL_ABORT, SPOOL_CANCEL };

struct spool_ask { /* worker to queue */
    uint32_t      type;           /* enum spool_ask_type */
    uint32_t      chunk;          /* IPC_NO_CHUNK: none */
    uint32_t      bytes;          /* used in the chunk */
    uint32_t      sequence;       /* 0, 1, 2 … over the asks of one message */
    struct handle session;        /* comes back in every answer */
    uint64_t      message;        /* message id, unique for ever (ipc_id.h) */
    uint32_t      envelope_bytes; /* in every ask of the message, the same */
    uint32_t      recipients;
    uint64_t      total_bytes;    /* COMMIT: envelope and content together */
    uint32_t      epoch;
    uint32_t      reserved[3];
};
_Static_assert(sizeof(struct spool_ask) == IPC_MESSAGE_BYTES, "ABI");

enum spool_answer_type { SPOOL_CHUNK_BACK = 1, SPOOL_DURABLE, SPOOL_REFUSED, SPOOL_CANCELLED, SPOOL_STATE };

enum spool_reason {
    SPOOL_OK = 0,
    SPOOL_FULL,      /* 452 4.3.1: disk or queue limit */
    SPOOL_IO_ERROR,  /* 451 4.3.0: a write or sync failed */
    SPOOL_MALFORMED, /* 451 4.3.0: the ask broke this contract */
    SPOOL_BUSY,      /* 451 4.3.2: too many messages in flight */
    SPOOL_TOO_BIG    /* 552 5.3.4: more than the log takes */
};

struct spool_answer { /* queue to worker */
    uint32_t      type;   /* enum spool_answer_type */
    uint32_t      reason; /* enum spool_reason; STATE: SPOOL_OK open, SPOOL_FULL shut */
    uint32_t      chunk;  /* IPC_NO_CHUNK: none */
    uint32_t      epoch;
    struct handle session;
    uint64_t      message;
    uint64_t      reserved[4];
};
_Static_assert(sizeof(struct spool_answer) == IPC_MESSAGE_BYTES, "ABI");

#endif
