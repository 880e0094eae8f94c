/* smtp_session.h - the session's memory, and what the files of this room ask of each other.
 *
 * Nobody outside common/smtp includes it but tests: callers hold SMTP_BYTES of storage.
 * Every function here belongs to the session's one thread; `s` and `turn` are borrowed for the
 * call.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "smtp.h"
#include "smtp_chain.h"
#include "smtp_counters.h"
#include "smtp_limits.h"
#include "smtp_log.h"
#include "smtp_reply.h"

enum smtp_state {
#define STATE(id, bit, name, from) S_##id = (bit),
#include "smtp_states.def"
#undef STATE
    /* Where a command may stand. */
    S_ANY = S_GREETED | S_READY | S_MAIL | S_RCPT | S_BDAT
};

/* What the bytes of the input are. */
enum smtp_body {
    BODY_NONE, /* command lines */
    BODY_ASK,  /* DATA was legal: a chunk, then 354 */
    BODY_DATA, /* content up to CRLF.CRLF */
    BODY_BDAT  /* content, bdat_left octets of it */
};

/* What was last seen of the content. */
enum smtp_at {
    AT_LINE_START, /* CRLF, or nothing yet */
    AT_TEXT,       /* anything else */
    AT_CR,         /* CR after text or CRLF */
    AT_DOT,        /* CRLF . */
    AT_DOT_CR      /* CRLF . CR */
};

struct smtp {
    struct smtp_peer peer;
    struct policy_limits limits; /* of generation */
    uint64_t generation;
    struct usec opened, due, session_due;

    struct smtp_chain line;     /* the part of a command line that has come so far */
    struct smtp_chain helo;     /* what the client calls itself */
    struct smtp_chain envelope; /* ipc_envelope.h, our Received: behind it from DATA on */

    /* The transaction. */
    struct smtp_cursor written; /* of the envelope, into chunks */
    uint64_t message;           /* id; 0 before DATA */
    uint64_t declared_bytes;    /* SIZE=, 0: not said */
    uint64_t content_bytes;
    uint64_t bdat_left;
    uint32_t envelope_bytes; /* without the Received: header */
    uint32_t sender_bytes, first_rcpt_at, first_rcpt_bytes;
    uint32_t recipients;
    uint32_t hops;  /* Received: lines met */
    uint8_t *chunk; /* lent, or NULL */
    uint32_t chunk_bytes, chunk_used;

    /* Figures of the session. */
    uint32_t commands, messages, recipients_all, refused;
    uint32_t bad_commands, idle_commands, refused_logged;
    uint32_t line_swallowed;

    uint8_t state;        /* enum smtp_state, written by smtp_enter() only */
    uint8_t body;         /* enum smtp_body */
    uint8_t at;           /* enum smtp_at */
    uint8_t owed;         /* enum smtp_want to be said next; SMTP_WANT_INPUT: nothing */
    uint8_t verdict;      /* enum smtp_reply: why the message is being thrown away */
    uint8_t last_refusal; /* enum smtp_reply */
    uint8_t end;          /* enum smtp_end, where ended */
    uint8_t bare;         /* enum policy_bare_newline */
    uint8_t commit;       /* enum smtp_commit + 1 that waits for room in out */
    uint8_t header_match; /* how much of "Received:" this line has; HEADER_NO_MATCH */
    bool ended, esmtp, body_8bit, utf8, null_sender, rcpt_tried;
    bool started; /* a message the queue may know of */
    bool bdat_last;
    bool in_header, line_empty;
    bool line_cr, line_skip, line_nul;
    bool bare_noted, early_noted;
    bool eof, stopping, server_gone;
};
_Static_assert(sizeof(struct smtp) <= SMTP_BYTES, "the caller's table has this stride");
#define STATE(id, bit, name, from)                                                                 \
    _Static_assert((bit) <= UINT8_MAX && ((bit) & ((bit)-1)) == 0, "one bit of a byte: " name);
#include "smtp_states.def"
#undef STATE

#define HEADER_NO_MATCH UINT8_MAX

/* smtp_session.c */
void smtp_enter(struct smtp *s, enum smtp_state state);
void smtp_close(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id, enum smtp_end end);
/* Ends the transaction without a commit: ABORT is owed if one was started. */
void smtp_reset(struct smtp *s, struct smtp_turn *turn);
/* The virtual server as this turn's policy has it. */
struct policy_server smtp_server(const struct smtp *s, const struct smtp_turn *turn);

/* smtp_verb.c: one whole line without its CRLF; more: input behind it is here already. */
void smtp_command(struct smtp *s, struct smtp_turn *turn, struct span line, bool more);

/* smtp_hello.c */
void verb_ehlo(struct smtp *s, struct smtp_turn *turn, struct span args);
void verb_helo(struct smtp *s, struct smtp_turn *turn, struct span args);
/* The name the client gave, copied to out; its length (0: none). */
size_t smtp_helo_name(const struct smtp *s, const struct smtp_turn *turn,
                      uint8_t out[SMTP_HELO_BYTES_MAX]);

/* smtp_envelope.c */
void verb_mail(struct smtp *s, struct smtp_turn *turn, struct span args);
void verb_rcpt(struct smtp *s, struct smtp_turn *turn, struct span args);
/* Addresses of the open transaction, copied to out; length. */
size_t smtp_sender(const struct smtp *s, const struct smtp_turn *turn,
                   uint8_t out[ENVELOPE_PATH_MAX]);
size_t smtp_first_recipient(const struct smtp *s, const struct smtp_turn *turn,
                            uint8_t out[ENVELOPE_PATH_MAX]);

/* smtp_trace.c: gives the message its id, completes the envelope's header and puts our Received:
 * header behind it.  False where the pool is dry. */
bool smtp_begin_message(struct smtp *s, struct smtp_turn *turn);

/* smtp_content.c: what DATA and BDAT share. */
/* Throws the message away from here on; ABORT is owed if one was started. */
void content_refuse(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id);
/* True where n bytes can be written now (or need not be: the message is refused); otherwise a
 * want is owed. */
bool content_room(struct smtp *s, uint32_t n);
/* Puts the envelope into chunks; true when all of it is there. */
bool content_envelope(struct smtp *s, struct smtp_turn *turn);
/* Takes text up to and with the next line end, in states AT_TEXT and AT_CR; false where it must
 * stop: the input is empty, something is owed or the session is closed. */
bool content_text(struct smtp *s, struct smtp_turn *turn, struct span *in);
/* A bare CR or LF in the content: false if the session ends for it or room is wanted. */
bool content_bare(struct smtp *s, struct smtp_turn *turn);
bool content_newline(struct smtp *s, struct smtp_turn *turn);
/* Ends the last line where the client did not (BDAT). */
bool content_last_newline(struct smtp *s);
/* The message is whole: asks for the commit, or says why it was thrown away. */
void content_end(struct smtp *s, struct smtp_turn *turn);

/* smtp_body.c, smtp_bdat.c: false where they can do no more now. */
void verb_data(struct smtp *s, struct smtp_turn *turn, struct span args);
/* Input came before our 354: refused, and the session ends. */
void smtp_data_pipelined(struct smtp *s, struct smtp_turn *turn);
bool smtp_ask_step(struct smtp *s, struct smtp_turn *turn, struct span *in);
bool smtp_data_step(struct smtp *s, struct smtp_turn *turn, struct span *in);
void verb_bdat(struct smtp *s, struct smtp_turn *turn, struct span args);
bool smtp_bdat_step(struct smtp *s, struct smtp_turn *turn, struct span *in);

/* smtp_limit.c */
/* Replies and counts a bad command; over the limit 421 and the end. */
void smtp_junk(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id);
/* Counts a harmless command; false and 421 where there were too many without mail. */
bool smtp_idle(struct smtp *s, struct smtp_turn *turn);
/* Takes over limits and server of this turn's policy where it is a new one. */
void smtp_follow_policy(struct smtp *s, const struct smtp_turn *turn);
void smtp_due_in(struct smtp *s, const struct smtp_turn *turn, uint64_t us);
/* Counts a bare CR or LF by what is done about it; true: refuse. */
bool smtp_bare_refused(struct smtp *s, struct smtp_turn *turn);

/* smtp_event.c */
/* The addresses are what the command named; where they are empty, those of the transaction. */
void smtp_log_refused(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id,
                      struct span sender, struct span recipient);
#define NO_ADDRESS span_of(NULL, 0)
void smtp_log_accepted(struct smtp *s, struct smtp_turn *turn);
void smtp_log_session(struct smtp *s, struct smtp_turn *turn, uint64_t bytes_in,
                      uint64_t bytes_out);

#endif
