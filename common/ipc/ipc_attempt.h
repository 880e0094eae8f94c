/* ipc_attempt.h - one delivery attempt: the queue says what and where, sluice-deliver how it
 * went.  SOCK_SEQPACKET, one record a packet, at most ATTEMPT_BYTES_MAX.
 *
 * ATTEMPT carries the content as extents of log segments whose descriptors (read-only) ride on
 * the packet.  sluice-deliver reads with pread, in order; content_crc (CRC32C of the content)
 * lets it check what it read before it says the last byte to anyone.
 *
 * Layout: struct attempt_head, extents, then strings, each u16 length little-endian + bytes:
 * target URL, sender, then one per recipient.  OUTCOME: struct outcome_head, then per recipient
 * { result u8, status u8[3] (class, subject, detail), code u16, text u16 length + bytes }, then
 * one string: the remote host's name and address as "name[addr]:port", or "".
 */
#ifndef IPC_ATTEMPT_H
#define IPC_ATTEMPT_H

#include "base_types.h"

#define ATTEMPT_BYTES_MAX (96u * 1024u)
#define ATTEMPT_RECIPIENTS_MAX 100u
#define ATTEMPT_SEGMENTS_MAX 64u   /* descriptors on one packet; below SCM_MAX_FD 253 */
#define ATTEMPT_EXTENTS_MAX 4096u  /* 64 MiB of 16 KiB chunks; adjacent ones are merged */
#define OUTCOME_TEXT_MAX 512u

struct attempt_extent {
    uint32_t segment; /* index into the packet's descriptors */
    uint32_t bytes;
    uint64_t offset;  /* in that file */
};

struct attempt_head {
    uint64_t attempt; /* the queue's token, comes back */
    uint64_t message, session;
    uint64_t content_bytes;
    uint64_t arrived_us;
    uint32_t content_crc;
    uint32_t extents, segments, recipients;
    uint32_t flags;   /* enum envelope_flag */
    uint32_t abi;     /* IPC_ABI */
};

enum attempt_result { ATTEMPT_DELIVERED = 1, ATTEMPT_DEFERRED, ATTEMPT_FAILED };

struct outcome_head {
    uint64_t attempt;
    uint64_t message;
    uint32_t recipients;
    uint32_t abi;
    uint64_t took_us;
};

/* A parsed ATTEMPT: views into the packet. */
struct attempt {
    struct attempt_head          head;
    const uint8_t               *extents; /* head.extents × struct attempt_extent, unaligned */
    struct span target, sender;
    struct span recipients[ATTEMPT_RECIPIENTS_MAX];
};

struct outcome_recipient {
    enum attempt_result result;
    uint8_t     status[3];  /* RFC 3463 class.subject.detail */
    uint16_t    code;       /* SMTP reply code, 0 where none came */
    struct span text;
};

struct outcome {
    struct outcome_head      head;
    struct span              remote;
    struct outcome_recipient recipients[ATTEMPT_RECIPIENTS_MAX];
};

/* Writers: bytes written, or 0 if it does not fit.  Readers: 0 or -EBADMSG; everything is
 * bounds-checked, extents must add up to content_bytes.  Fuzzed (fuzz_attempt). */
size_t attempt_write(uint8_t *out, size_t room, const struct attempt *a, const struct attempt_extent *extents);
int    attempt_parse(struct span packet, struct attempt *ret);
struct attempt_extent attempt_extent_at(const struct attempt *a, uint32_t i);
size_t outcome_write(uint8_t *out, size_t room, const struct outcome *o);
int    outcome_parse(struct span packet, struct outcome *ret);

#endif
