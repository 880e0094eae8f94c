/* smtp_drive.h - the caller that smtp.h asks for, as a test wants it: it feeds bytes cut as told,
 * does what the machine wants, keeps what was said and what was stored, and checks on the way
 * that the contract holds.
 */
#ifndef SMTP_DRIVE_H
#define SMTP_DRIVE_H

#include "smtp_fake_policy.h"
#include "smtp_session.h"

#define DRIVE_BLOCKS     4096u
#define DRIVE_SAID_MAX   (256u << 10)
#define DRIVE_STORED_MAX 8u
#define DRIVE_EVENTS     16u
#define DRIVE_CHUNK_MAX  65536u

struct stored {
    struct smtp_message message;
    uint8_t *bytes; /* message.total_bytes of them */
};

struct drive {
    struct smtp smtp;
    struct smtp_turn turn;
    struct smtp_peer peer;
    struct policy policy;
    struct pool blocks;
    void *block_memory;
    struct count counters[SMTP_COUNTERS];
    struct smtp_log log;
    struct smtp_log_event events[DRIVE_EVENTS];
    uint64_t last_id;

    uint8_t *out; /* the reply buffer of one call */
    size_t out_cap;
    char *said; /* everything replied so far, NUL-terminated */
    size_t said_len;

    uint8_t *chunk;
    uint32_t chunk_bytes;
    bool lent;            /* the machine holds the chunk */
    unsigned chunks_left; /* how many may be given before there are none */
    uint8_t *stream;      /* of the message under way */
    size_t stream_len, stream_cap;

    bool hold;               /* leave commits to the test */
    enum smtp_commit result; /* of commits otherwise */
    struct stored stored[DRIVE_STORED_MAX];
    unsigned commits, aborts, stored_count;
    enum smtp_want want; /* the last */
    bool closed;
};

void drive_init(struct drive *d); /* fake_policy_reset() and a session not yet open */
void drive_open(struct drive *d);
void drive_done(struct drive *d); /* smtp_done(), then no block may be missing */

/* Feeds bytes as one segment, more: others wait behind it.  Bytes not taken (suspended, held)
 * are returned. */
struct span drive_feed(struct drive *d, struct span in, bool more);

/* Feeds a text of '~'-separated groups (the client waits for replies between them), the
 * stream of all of them cut at `cut` (SIZE_MAX: nowhere; bytes each flush against a page that
 * cannot be read); step > 0: in segments of so many bytes instead. */
void drive_script(struct drive *d, struct span script, size_t cut, size_t step);

/* The queue's answer to a held commit. */
void drive_committed(struct drive *d, enum smtp_commit result);

/* What was said as codes: "220|250|250 2.1.0|", one for each reply; static storage. */
const char *drive_codes(const struct drive *d);

/* Content of a stored message behind our Received: header. */
struct span drive_content(const struct drive *d, unsigned index);

uint64_t drive_count(const struct drive *d, enum smtp_counter counter);

#endif
