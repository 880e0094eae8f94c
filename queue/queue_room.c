/* queue_room.c - when new mail is shut out (disk, log limit, number of messages) and when it
 * may come in again; what is queued keeps going out meanwhile (requirement G7).
 *
 * Reopening needs clearly more room than shutting left, so that the edge does not flap. */
#include "queue.h"

#define LOOK_US 1000000u

static void look_at_disk(struct queue *q)
{
    uint64_t segment = q->settings.segment_bytes, bytes;
    struct qlog_figures f;

    /* Now and then, since others fill the disk too, and whenever we took or gave some. */
    qlog_figures(q->log, &f);
    if (q->room.looked.us != 0 && usec_since(q->room.looked, q->now) < LOOK_US &&
        f.bytes_used == q->room.used_bytes)
        return;
    q->room.looked = q->now;
    q->room.used_bytes = f.bytes_used;
    if (q->io->free_bytes(q->io, &bytes) < 0)
        return;
    q->room.free_bytes = bytes;
    if (bytes < q->settings.reserve_bytes + segment)
        q->room.disk_low = true;
    else if (bytes >= q->settings.reserve_bytes + 3 * segment)
        q->room.disk_low = false;
    qlog_disk_low(q->log, q->room.disk_low);
}

/* Memory a message of ordinary size takes in the index, with slack for small queues. */
static uint64_t index_limit(const struct queue *q)
{
    uint64_t limit = q->settings.limit_messages;

    return limit > UINT64_MAX / 2048 ? UINT64_MAX : limit * 1024 + 16 * 1024 * 1024;
}

/* The limit that keeps new mail out, if any. */
static enum room_shut limit_reached(const struct queue *q, bool shut)
{
    uint64_t room = qlog_room(q->log), segment = q->settings.segment_bytes;
    uint64_t messages = index_count(q->index), limit = q->settings.limit_messages;
    uint64_t bytes = index_bytes(q->index), most = index_limit(q);
    struct qlog_figures f;

    /* An empty queue has at least a whole segment, even on a disk that stays full: that opens. */
    if (room < (shut ? segment / 4 * 3 : segment / 2)) {
        qlog_figures(q->log, &f);
        return q->room.disk_low || f.disk_full ? ROOM_DISK : ROOM_BYTES;
    }
    if (shut ? messages > limit - limit / 16 : messages >= limit)
        return ROOM_MESSAGES;
    if (shut ? bytes > most - most / 16 : bytes >= most)
        return ROOM_MEMORY;
    return ROOM_OPEN;
}

void room_turn(struct queue *q)
{
    static const enum queue_counter counter[] = {[ROOM_DISK] = Q_SHUT_DISK,
                                                 [ROOM_BYTES] = Q_SHUT_BYTES,
                                                 [ROOM_MESSAGES] = Q_SHUT_MESSAGES,
                                                 [ROOM_MEMORY] = Q_SHUT_MEMORY};
    enum room_shut why;

    look_at_disk(q);
    why = limit_reached(q, q->room.shut);
    if (why != ROOM_OPEN && !q->room.shut)
        q_count(q, counter[why], 1);
    q->room.shut = why != ROOM_OPEN;
    q->intake.shut = q->room.shut;
    intake_states(q);
}
