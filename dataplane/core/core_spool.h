/* core_spool.h - the worker's half of the conversation with the queue (ipc_spool.h).
 *
 * Chunks: a session holds at most one; full ones are lent at once and come back when the
 * queue has made its copy.  When few are left, half-full chunks of the senders that have
 * been silent longest are lent early, so that a thousand slow senders hold nothing; the last
 * tenth is kept for trusted clients and for messages already begun.
 *
 * Ring room: DATA goes only while the ring is less than half full, COMMIT while it is less
 * than three quarters full; ABORT and CANCEL always, or into a list with one place a slot.
 */
#ifndef CORE_SPOOL_H
#define CORE_SPOOL_H

#include "core_worker.h"

enum chunk_state { CHUNK_FREE = 0, CHUNK_HELD, CHUNK_LENT };

#define SPOOL_RESERVE (IPC_CHUNKS / 10)      /* for the trusted and for what has begun */
#define SPOOL_LOW (IPC_CHUNKS / 4)           /* below: reclaim from slow senders */
#define SPOOL_DATA_ROOM (IPC_RING_TO_PEER / 2)
#define SPOOL_COMMIT_ROOM (IPC_RING_TO_PEER / 4)

void spool_init(struct spool *spool, struct spool_ask_later *later, uint32_t cap);

/* Once a turn: mailboxes, answers (chunks back, verdicts), asks put off.  Number of answers. */
unsigned spool_poll(struct worker *w);

/* A chunk for the session: true and the machine has it; false: none now. */
bool spool_give_chunk(struct worker *w, uint32_t slot, bool first, bool trusted);

/* The session's chunk is full (or taken early): lends it.  False: no room now, keep it. */
bool spool_flush(struct worker *w, uint32_t slot);

/* Asks for durability; the session waits.  False: it could not be asked. */
bool spool_commit(struct worker *w, uint32_t slot);

/* Forgets the message under way: the chunk is free again, the queue is told. */
void spool_abort(struct worker *w, uint32_t slot);

/* The answer's budget is over. */
void spool_cancel(struct worker *w, uint32_t slot);

/* Puts the session at the end of the line of those who wait for a chunk. */
void spool_wait(struct worker *w, uint32_t slot);
/* Takes it out of whichever list it is in. */
void spool_unlist(struct worker *w, uint32_t slot);

/* Wakes the queue if it sleeps; once a turn. */
void spool_kick(struct worker *w);

#endif
