/* deliver_smtp.h - the SMTP client as a machine: bytes in, bytes and verdicts out.
 *
 * One machine is one connection and one message.  It neither reads a clock nor touches a
 * socket: whoever drives it (deliver_conn.c, a test) tells it what arrived, what was sent, what
 * time it is, and feeds it the content when it asks.
 *
 *   connect - greeting - EHLO (HELO where EHLO is unknown, RFC 5321 s3.2) - MAIL, RCPT… (in one
 *   go where PIPELINING is offered, RFC 2920) - DATA - content - dot - QUIT
 *
 * What becomes a verdict:
 *   4yz and 5yz to MAIL, RCPT, DATA and to the dot are the server's word about the mail:
 *   deferred or failed; 552 to RCPT means "too many" and is deferred (RFC 5321 s4.5.3.1.10).
 *   Everything else that goes wrong (no connection, a refusal of the greeting or of HELO, a
 *   reply that is no reply, silence, a connection that ends in any state) says nothing about the
 *   mail: deferred.  When the reply to the dot is lost, the message may have been taken: it is
 *   deferred, and a duplicate is the correct price (RFC 5321 s4.5.3.2.6, RFC 1047).
 *
 * DATA is sent only once the RCPT replies are in, also with PIPELINING: it costs a round trip,
 * and there is never a 354 for a message that nobody may get.
 *
 * 8-bit content for a server without 8BITMIME is sent as it is, and counted: RFC 6152 would
 * have it converted or returned, but every server in use passes eight bits, and a returned
 * message helps nobody.  SMTPUTF8 is different, since addresses would be mangled: where it is
 * needed (an address or the header section holds 8-bit bytes) and not offered, 5.6.7 (RFC 6531
 * s3.5).
 *
 * Timeouts: RFC 5321 s4.5.3.2, each reply has its own; they do not grow while a server drips
 * bytes.  Everything together is bounded by total.
 *
 * Memory: the struct.  Threads: one.  Clock: passed in.
 */
#ifndef DELIVER_SMTP_H
#define DELIVER_SMTP_H

#include "deliver_reply.h"
#include "deliver_verdict.h"

#define CLIENT_OUT_BYTES 32768u
#define CLIENT_CONTENT_MAX 15000u /* a span of content at most doubles when its dots are stuffed */
#define CLIENT_ADDRESS_MAX 320u   /* RFC 5321 s4.5.3.1 */

struct client_timeouts { /* microseconds */
    uint64_t connect, greeting, hello, mail, rcpt, data, block, dot, quit, total;
};
extern const struct client_timeouts client_timeouts_rfc5321;

struct client_job { /* borrowed until the machine is closed */
    const char        *server; /* "10.25.1.10:25", for messages */
    struct span        helo;   /* our name */
    struct span        sender;
    const struct span *recipients; /* one for each of verdicts->count */
    uint64_t           content_bytes;
    uint32_t           flags;       /* enum envelope_flag */
    bool               header_8bit; /* of an SMTPUTF8 message: its header section needs it */
    const struct client_timeouts *timeouts;
    struct verdicts   *verdicts;
};

enum client_state {
    CLIENT_CONNECT, CLIENT_GREETING, CLIENT_EHLO, CLIENT_HELO, CLIENT_ENVELOPE, CLIENT_DATA,
    CLIENT_BODY, CLIENT_DOT, CLIENT_QUIT, CLIENT_CLOSED
};

enum client_extension {
    CLIENT_PIPELINING = 1, CLIENT_SIZE = 2, CLIENT_8BITMIME = 4, CLIENT_SMTPUTF8 = 8
};

struct client { /* only deliver_smtp*.c write the fields */
    const struct client_job *job;
    enum client_state state;
    uint32_t          extensions; /* enum client_extension */
    uint64_t          size_limit; /* of SIZE, 0: none said */
    struct usec       due, total_due;
    uint32_t          order[ATTEMPT_RECIPIENTS_MAX]; /* recipients in the order of their RCPT */
    uint8_t           accepted[ATTEMPT_RECIPIENTS_MAX];
    uint32_t          order_count, accepted_count;
    uint32_t          commands, replies; /* of the envelope: MAIL is 0, RCPT from 1 */
    bool              line_start, seen_cr;
    bool              content_8bit;      /* what was sent held bytes above 127 */
    uint32_t          out_head, out_bytes;
    uint8_t           out[CLIENT_OUT_BYTES];
    struct reply_parser reply;
};

void client_start(struct client *c, const struct client_job *job, struct usec now);
void client_connected(struct client *c, struct usec now);

/* Bytes from the server, all eaten.  Bytes after the machine is closed are ignored. */
void client_input(struct client *c, struct span in, struct usec now);

/* What is to be sent now; may be empty.  client_sent() says how much of it went out. */
struct span client_output(const struct client *c);
void        client_sent(struct client *c, size_t n, struct usec now);

/* True: feed up to CLIENT_CONTENT_MAX bytes with client_content(), or the end. */
bool client_wants_content(const struct client *c);
void client_content(struct client *c, struct span in, struct usec now);
/* All content was given and its checksum holds: sends the dot. */
void client_content_end(struct client *c, struct usec now);

/* The connection could not be made, ended, or must be given up (content that cannot be read):
 * every undecided recipient is deferred with status and "SERVER: text", and the machine is
 * closed. */
void client_lost(struct client *c, uint32_t status, const char *text);

/* When client_tick() must be called at the latest. */
struct usec client_due(const struct client *c);
void        client_tick(struct client *c, struct usec now);

/* Closed: the socket can go. */
static inline bool client_is_closed(const struct client *c)
{
    return c->state == CLIENT_CLOSED;
}

/* "the reply to DATA", for messages. */
const char *client_waits_for(const struct client *c);

#endif
