/* ipc_envelope.h - the envelope of a message as bytes: written by the SMTP machine, kept in
 * the queue's log, read by the scheduler and the tools.
 *
 * Form: a fixed header, then items { type u8, flags u8, length u16 little-endian, bytes },
 * in the order: HELO, SERVER (virtual server's name), HOSTNAME, SENDER, then RECIPIENT…
 * The reader bounds-checks every item and accepts only what the writer can make; fuzzed.
 */
#ifndef IPC_ENVELOPE_H
#define IPC_ENVELOPE_H

#include "base_types.h"

#define ENVELOPE_VERSION 1u
#define ENVELOPE_BYTES_MAX (512u * 1024u)
#define ENVELOPE_PATH_MAX 320u /* local part 64 + @ + domain 255: RFC 5321 s4.5.3.1 */

enum envelope_flag {
    ENVELOPE_8BIT = 1,     /* BODY=8BITMIME was declared */
    ENVELOPE_UTF8 = 2,     /* SMTPUTF8 was declared */
    ENVELOPE_ESMTP = 4     /* EHLO, not HELO */
};

enum envelope_item { ENVELOPE_HELO = 1, ENVELOPE_SERVER, ENVELOPE_HOSTNAME, ENVELOPE_SENDER, ENVELOPE_RECIPIENT };

/* In the stream: little-endian, packed by hand, ENVELOPE_HEADER_BYTES long. */
#define ENVELOPE_HEADER_BYTES 72u
struct envelope_header {
    uint32_t       version;
    uint32_t       flags;      /* enum envelope_flag */
    uint64_t       message;    /* ids: ipc_id.h */
    uint64_t       session;
    uint64_t       arrived_us; /* wall clock, microseconds since 1970 */
    struct ip_addr client, local;
    uint16_t       client_port, local_port;
    uint32_t       recipients;
};

/* Writes the header into out[ENVELOPE_HEADER_BYTES]. */
void envelope_put_header(uint8_t *out, const struct envelope_header *header);

/* Writes an item into out; bytes written, or 0 if room is too small or text too long (65535). */
size_t envelope_put_item(uint8_t *out, size_t room, enum envelope_item type, struct span text);

struct envelope { /* borrowed view into the bytes that were parsed */
    struct envelope_header header;
    struct span helo, server, hostname, sender; /* sender: empty for <> ; addresses without <> */
    struct span recipients;                     /* the recipient items, whole */
};

/* 0, or -EBADMSG with *ret_why a static text. */
int envelope_parse(struct span bytes, struct envelope *ret, const char **ret_why);

/* Walks env->recipients: takes the next address off *items; false at the end. */
bool envelope_next_recipient(struct span *items, struct span *ret_address);

#endif
