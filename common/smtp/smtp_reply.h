/* smtp_reply.h - the replies of replies.def, written to turn->out and counted. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "smtp.h"

enum smtp_reply {
    REPLY_NONE,
#define REPLY(id, code, class, subject, detail, words) REPLY_##id,
#define REPLY_BARE(id, code, words)                    REPLY_##id,
#include "replies.def"
#undef REPLY
#undef REPLY_BARE
    REPLIES
};
_Static_assert(REPLIES <= UINT8_MAX, "struct smtp keeps them in a byte");

struct reply_row {
    const char *line; /* "554 5.6.0 words", no CRLF */
    uint16_t code;
    uint8_t status[3]; /* RFC 3463; zeros: none */
};
const struct reply_row *reply_row(enum smtp_reply id);

/* Words of a reply without its codes, for the log. */
struct span reply_words(enum smtp_reply id);

/* Writes the reply; where the output has no room for it (only replies that close may meet that)
 * it is left out and counted. */
void smtp_reply(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id);

/* The same with tail after the words. */
void smtp_reply_with(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id, struct span tail);

/* Room left for replies. */
static inline size_t reply_room(const struct smtp_turn *turn)
{
    return turn->out->cap - turn->out->len;
}

/* Appends raw bytes of a reply of several lines; the caller has checked the room. */
void reply_raw(struct smtp_turn *turn, struct span text);

#endif
