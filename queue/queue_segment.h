/* queue_segment.h - the bytes of a log segment: its header block and its records.
 *
 *   0      header block, SEGMENT_BLOCK bytes: magic, birth, tag, tail, CRC
 *   4096   records, 8-byte aligned; each batch begins on a block of its own:
 *          { struct record_head, payload, zeros to 8 }
 *
 * A record on disk is absent, torn or whole, and only a whole one is believed: magic, the
 * segment's tag, a length that fits, and CRC32C over head and payload.  The tag is random and
 * new each time a segment is taken into use.  So a stale record of the segment's earlier life
 * is never taken as current, and neither are bytes of a message that imitate a record, since
 * its sender cannot know the tag.
 *
 * Numbers are in the host's order; the file's ABI is little-endian machines only.
 * Pure: no I/O, no memory.  Fuzzed (fuzz_log).
 */
#ifndef QUEUE_SEGMENT_H
#define QUEUE_SEGMENT_H

#include "base_types.h"
#include "queue_limits.h"

#define SEGMENT_BLOCK     4096u
#define RECORD_ALIGN      8u
#define RECORD_HEAD_BYTES 40u

enum record_type {
    RECORD_DATA = 1, /* a piece of the stream, in order of sequence */
    RECORD_COMMIT,   /* struct commit_head, recipient states, the last piece of the stream */
    RECORD_OUTCOME,  /* recipient states that changed */
    RECORD_DONE,     /* the message is finished, cancelled or deleted */
    RECORD_TRIM      /* u64: segments born before this one hold nothing any more */
};

struct record_head {
    uint32_t magic, crc;
    uint64_t tag;
    uint64_t message;
    uint32_t length;   /* of the payload */
    uint32_t sequence; /* DATA: 0, 1, …; COMMIT: how many DATA came before */
    uint32_t copy;     /* 0 as received; one more each time it is copied forward */
    uint8_t  type;     /* enum record_type */
    uint8_t  zero[3];
};
_Static_assert(sizeof(struct record_head) == RECORD_HEAD_BYTES, "on disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "on disk");

struct segment_header {
    uint64_t magic;
    uint32_t version, segment_bytes;
    uint64_t birth;      /* 1, 2, 3 …: the order of the log */
    uint64_t tag;
    uint64_t tail;       /* oldest birth that still counted when this segment was taken */
    uint32_t zero, crc;
};

struct commit_head {
    uint64_t total_bytes; /* envelope and content */
    uint64_t stored_us;   /* wall clock; expiry counts from here */
    uint32_t envelope_bytes, content_crc, recipients, state_bytes;
};
_Static_assert(sizeof(struct commit_head) == 32, "on disk");

enum recipient_state {
    RECIPIENT_WAITING = 1, /* queued, or deferred once it has been tried */
    RECIPIENT_DELIVERED,
    RECIPIENT_HELD /* failed for good, expired or held by order: kept until someone decides */
};

/* One recipient's state in a COMMIT or OUTCOME record, followed by the text. */
struct state_entry {
    uint64_t next_us; /* wall clock; 0: at once */
    uint32_t recipient, attempts;
    uint16_t code, text_bytes;
    uint8_t  state; /* enum recipient_state */
    uint8_t  status[3];
};
_Static_assert(sizeof(struct state_entry) == 24, "on disk");

static inline uint32_t align_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

/* Bytes a record takes in the segment. */
static inline uint32_t record_bytes(uint32_t payload)
{
    return RECORD_HEAD_BYTES + align_up(payload, RECORD_ALIGN);
}

/* Fills the header block. */
void segment_header_put(uint8_t block[SEGMENT_BLOCK], uint32_t segment_bytes, uint64_t birth,
                        uint64_t tag, uint64_t tail);
/* 0; -ENOENT for a block of zeros (prepared, never used); -EBADMSG. */
int segment_header_get(const uint8_t block[SEGMENT_BLOCK], struct segment_header *ret);

/* Puts head before the payload that already stands RECORD_HEAD_BYTES after at, zeroes the
 * padding, computes the CRC.  head: type, message, length, sequence, copy set. */
void record_seal(uint8_t *at, uint64_t tag, struct record_head *head);

enum record_read {
    RECORD_WHOLE,
    RECORD_MORE, /* the window ends inside it: *ret_need bytes are wanted */
    RECORD_NONE  /* zeros, torn, stale or garbage */
};

/* Looks at the record that begins the window. */
enum record_read record_read(struct span window, uint64_t tag, struct record_head *ret,
                             struct span *ret_payload, uint32_t *ret_need);

/* Appends one entry to out; bytes written, or 0 if it does not fit. */
size_t state_put(uint8_t *out, size_t room, const struct state_entry *entry, struct span text);
/* Takes the next entry off *states: 1; 0 at the end; -EBADMSG. */
int state_get(struct span *states, struct state_entry *ret, struct span *ret_text);

/* Splits a COMMIT's payload.  0 or -EBADMSG. */
int commit_get(struct span payload, struct commit_head *ret, struct span *ret_states,
               struct span *ret_data);

#endif
