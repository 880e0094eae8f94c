/* queue_limits.h - every bound of the queue process in one place. */
#ifndef QUEUE_LIMITS_H
#define QUEUE_LIMITS_H

#include "ipc_attempt.h"
#include "ipc_envelope.h"
#include "ipc_region.h"

/* The log. */
#define SEGMENT_BYTES_DEFAULT (64u * 1024u * 1024u)
#define SEGMENT_BYTES_MIN     (64u * 1024u)
#define SEGMENT_BYTES_MAX     (1024u * 1024u * 1024u)
#define SEGMENTS_MAX          65536u
#define SEGMENTS_MIN          8u
#define SEGMENTS_RESERVED     2u /* kept for outcomes and copying when mail is shut out */
#define SPARES_AHEAD          2u /* prepared before they are needed */
#define SPARES_MAX            4u /* more than these are given back to the file system */
#define BATCH_BYTES           (2u * 1024u * 1024u)
#define BATCHES               4u
#define BATCH_ITEMS           16384u
#define FILL_SLICE_BYTES      (1024u * 1024u)
#define RECORD_PAYLOAD_MAX    (576u * 1024u)
#define LOG_RETRY_US          1000000u  /* after a failed write, before the next segment is tried */
#define FULL_RETRY_US         10000000u /* after ENOSPC, before another file is tried */

/* One message. */
#define MESSAGE_RECORDS_MAX 4000u /* DATA records; below ATTEMPT_EXTENTS_MAX with the last chunk */
#define MESSAGE_BYTES_MAX   (64ull * 1024u * 1024u)
/* Over MESSAGE_RECORDS_MAX and longer than this: too big for ever.  Shorter: cut into many small
 * pieces, no fault of the client's (the edge takes slow senders' chunks early when it is short of
 * them), which may come again. */
#define MESSAGE_BYTES_BIG   (60ull * 1024u * 1024u)
#define RECIPIENTS_MAX      10000u
#define REASON_BYTES_MAX    200u
_Static_assert(MESSAGE_RECORDS_MAX + 1 < ATTEMPT_EXTENTS_MAX, "content fits one attempt");
_Static_assert(RECORD_PAYLOAD_MAX + 8192u <= BATCH_BYTES, "a record fits a batch with a header");

/* Intake. */
#define INTAKE_WORKERS_MAX  64u
#define INTAKE_PARTIALS_MAX 65536u                /* for one worker */
#define INTAKE_REFUSED_MAX  4096u                 /* refused ids remembered for one worker */
#define INTAKE_BYTES_MAX    (128ull * 1024 * 1024) /* memory of all messages not yet committed */
#define INTAKE_BURST        256u                  /* asks taken from one ring in a turn */

/* Delivery. */
#define DESTINATIONS_MAX       1024u /* routes known by name; the rest share one line */
#define DESTINATION_ACTIVE_MAX 20u
#define ATTEMPTS_MAX           200u
#define ATTEMPT_DEADLINE_US    (30ull * 60 * 1000000)
#define CRASHES_FREE           3u /* attempts lost with the delivery process that cost no delay */
#define TARGETS_MAX            64u

/* Work in one turn of the loop, so that no part starves another. */
#define TURN_DUE      1024u
#define TURN_ATTEMPTS 256u
#define TURN_DIRTY    4096u
#define TURN_OUTCOMES 256u
#define TURN_ADMIN    4096u
#define SWEEP_SLICE_BYTES (2u * 1024u * 1024u)
_Static_assert(2 * (MESSAGE_BYTES_MAX / SWEEP_SLICE_BYTES) <= ATTEMPT_SEGMENTS_MAX,
               "a message copied slice by slice fits the descriptors of one packet");

/* Orders. */
#define ADMIN_WAITING_MAX 8u
#define ADMIN_LIST_MAX    1000u
#define ADMIN_TEXT_MAX    (56u * 1024u)

#endif
