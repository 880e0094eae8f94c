/* smtp_reply.c - replies to bytes (contract: smtp_reply.h). */
#include "smtp_reply.h"

#include "base_must.h"
#include "smtp_session.h"

static const struct reply_row rows[REPLIES] = {
    [REPLY_NONE] = {"", 0, {0, 0, 0}},
#define REPLY(id, code, class, subject, detail, words)                                             \
    [REPLY_##id] = {#code " " #class "." #subject "." #detail " " words,                           \
                    code,                                                                          \
                    {class, subject, detail}},
#define REPLY_BARE(id, code, words) [REPLY_##id] = {#code " " words, code, {0, 0, 0}},
#include "replies.def"
#undef REPLY
#undef REPLY_BARE
};

/* A tail is a host name, an id or a number. */
#define REPLY(id, code, class, subject, detail, words)                                             \
    _Static_assert(sizeof(#code " " #class "." #subject "." #detail " " words) + 32 <              \
                       SMTP_REPLY_BYTES_MAX,                                                       \
                   "RFC 5321 s4.5.3.1.5");
#define REPLY_BARE(id, code, words)
#include "replies.def"
#undef REPLY
#undef REPLY_BARE

const struct reply_row *reply_row(enum smtp_reply id)
{
    return &rows[id];
}

struct span reply_words(enum smtp_reply id)
{
    struct span line = span_str(rows[id].line);
    size_t codes = rows[id].status[0] != 0 ? sizeof("554 5.6.0 ") - 1 : sizeof("554 ") - 1;

    return codes < line.len ? span_skip(line, codes) : span_of(NULL, 0);
}

void reply_raw(struct smtp_turn *turn, struct span text)
{
    struct smtp_out *out = turn->out;

    must(text.len <= out->cap - out->len);
    if (text.len > 0)
        memcpy(out->ptr + out->len, text.ptr, text.len);
    out->len += text.len;
}

static void reply_count(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id)
{
    unsigned class = rows[id].code / 100;

    count_one(&turn->counters[SMTP_COUNT_REPLIES_2 + class - 2]);
    if (class >= 4) {
        s->last_refusal = (uint8_t)id;
        s->refused++;
    }
}

void smtp_reply_with(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id, struct span tail)
{
    struct span line = span_str(rows[id].line);

    reply_count(s, turn, id);
    if (line.len + tail.len + 2 > reply_room(turn)) {
        count_one(&turn->counters[SMTP_COUNT_REPLIES_UNSENT]);
        return;
    }
    reply_raw(turn, line);
    reply_raw(turn, tail);
    reply_raw(turn, span_str("\r\n"));
}

void smtp_reply(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id)
{
    smtp_reply_with(s, turn, id, span_of(NULL, 0));
}
