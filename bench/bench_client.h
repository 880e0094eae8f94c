/* bench_client.h - the client's side of one SMTP session, as a machine: replies in, bytes out.
 *
 * A session is a script: a list of steps, each a text to send (none for the greeting) and the
 * reply code that must follow.  The text belongs to the script and is shared by all sessions,
 * so a session is a few bytes whatever it sends.
 *
 * Every reply is read as RFC 5321 s4.2 says: lines of three digits, "-" or space, text, CRLF, the
 * same code in each.  A reply that comes before the whole text of its step is sent is wrong.
 *
 * No I/O, no clock, no memory but the caller's.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "base_types.h"

#define CLIENT_LINE_MAX 512 /* RFC 5321 s4.5.3.1.5, CRLF included */
#define CLIENT_STEPS_MAX 8

struct client_step {
    const char *name; /* for the report: "rcpt" */
    struct span send;
    uint16_t    expect;
    bool        hold; /* once its reply is here, waits for client_go() */
};

struct client_script {
    unsigned           count;
    struct client_step step[CLIENT_STEPS_MAX];
};

struct client { /* only bench_client.c writes it */
    uint8_t  step;
    uint8_t  at;         /* where in a reply line */
    bool     held, first, last;
    uint16_t code, line_code, line_bytes;
    uint64_t sent;       /* of the step's text */
};

enum client_verdict {
    CLIENT_MORE,   /* nothing decided yet */
    CLIENT_STEP,   /* the reply was right: client_output() has the next text */
    CLIENT_HELD,   /* the reply was right, and client_go() is waited for */
    CLIENT_OVER,   /* the last reply was right: the server is to close now */
    CLIENT_CODE,   /* the wrong code: client->code */
    CLIENT_SYNTAX, /* no SMTP reply */
    CLIENT_EARLY   /* a reply, or bytes, that nothing asked for */
};

void client_init(struct client *client);

/* Takes bytes off the front of *in, at most to the end of one reply: call again while some are
 * left.  After CODE, SYNTAX, EARLY the session is spoilt and is not to be called again. */
enum client_verdict client_input(struct client *client, const struct client_script *script,
                                 struct span *in);

/* What is to be sent and is not yet; client_sent() says how much of it was. */
struct span client_output(const struct client *client, const struct client_script *script);
void        client_sent(struct client *client, size_t n);
void        client_go(struct client *client);

static inline bool client_is_over(const struct client *client, const struct client_script *script)
{
    return client->step == script->count;
}

#endif
