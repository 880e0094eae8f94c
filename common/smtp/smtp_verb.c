/* smtp_verb.c - the only list of verbs, and the way from a line to one of them. */
#include "smtp_path.h"
#include "smtp_session.h"

enum {
    IDLE = 1,    /* brings no mail nearer: bounded by SMTP_IDLE_COMMANDS_MAX */
    NO_ARGS = 2, /* takes no argument */
    HELLO = 4    /* EHLO or HELO */
};

enum { SHORT = SMTP_COMMAND_BYTES_MAX, WIDE = SMTP_LINE_BYTES_MAX }; /* with CRLF */

static void verb_quit(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    smtp_close(s, turn, REPLY_BYE, SMTP_END_QUIT);
}

static void verb_rset(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    if (s->state != S_GREETED)
        smtp_reset(s, turn);
    smtp_reply(s, turn, REPLY_OK);
}

static void verb_noop(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    smtp_reply(s, turn, REPLY_OK);
}

static void verb_vrfy(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    smtp_reply(s, turn, REPLY_VERIFY);
}

static void verb_help(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    smtp_reply(s, turn, REPLY_HELP);
}

static void verb_not_here(struct smtp *s, struct smtp_turn *turn, struct span args)
{
    (void)args;
    smtp_junk(s, turn, REPLY_NOT_HERE);
}

static const struct verb {
    char name[9];
    uint8_t legal_in; /* mask of enum smtp_state; elsewhere `wrong` is the reply */
    uint8_t flags, wrong;
    uint16_t bytes_max; /* of the line with its CRLF */
    void (*run)(struct smtp *s, struct smtp_turn *turn, struct span args);
} verbs[] = {
    /* name      legal_in         flags           wrong              bytes  run */
    {"EHLO",     S_ANY,           IDLE | HELLO,   REPLY_NONE,        SHORT, verb_ehlo    },
    {"HELO",     S_ANY,           IDLE | HELLO,   REPLY_NONE,        SHORT, verb_helo    },
    {"MAIL",     S_READY,         0,              REPLY_NESTED_MAIL, WIDE,  verb_mail    },
    {"RCPT",     S_MAIL | S_RCPT, 0,              REPLY_MAIL_FIRST,  WIDE,  verb_rcpt    },
    {"DATA",     S_MAIL | S_RCPT, NO_ARGS,        REPLY_MAIL_FIRST,  SHORT, verb_data    },
    {"BDAT",     S_ANY,           0,              REPLY_NONE,        SHORT, verb_bdat    },
    {"RSET",     S_ANY,           IDLE | NO_ARGS, REPLY_NONE,        SHORT, verb_rset    },
    {"NOOP",     S_ANY,           IDLE,           REPLY_NONE,        SHORT, verb_noop    },
    {"QUIT",     S_ANY,           0,              REPLY_NONE,        SHORT, verb_quit    },
    {"VRFY",     S_ANY,           IDLE,           REPLY_NONE,        SHORT, verb_vrfy    },
    {"HELP",     S_ANY,           IDLE,           REPLY_NONE,        SHORT, verb_help    },
    {"EXPN",     S_ANY,           0,              REPLY_NONE,        SHORT, verb_not_here},
    {"STARTTLS", S_ANY,           0,              REPLY_NONE,        SHORT, verb_not_here},
    {"AUTH",     S_ANY,           0,              REPLY_NONE,        SHORT, verb_not_here},
};

static const struct verb *verb_find(struct span word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (text_is(word, verbs[i].name))
            return &verbs[i];
    }
    return NULL;
}

/* Why a verb is out of place here. */
static enum smtp_reply sequence_reply(const struct smtp *s, const struct verb *v)
{
    if (s->state == S_GREETED)
        return REPLY_HELLO_FIRST;
    if (s->state == S_BDAT)
        return REPLY_BDAT_OPEN;
    return (enum smtp_reply)v->wrong;
}

static bool has_control(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if ((line.ptr[i] < ' ' && line.ptr[i] != '\t') || line.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

void smtp_command(struct smtp *s, struct smtp_turn *turn, struct span line, bool more)
{
    size_t bytes = line.len + 2, word = 0;
    const struct verb *v;
    struct span args;

    s->commands++;
    count_one(&turn->counters[SMTP_COUNT_COMMANDS]);
    if (turn->closing || s->server_gone) {
        smtp_close(s, turn, REPLY_STOPPING, SMTP_END_SHUTDOWN);
        return;
    }
    while (line.len > 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
        line.len--;
    while (word < line.len && line.ptr[word] != ' ' && line.ptr[word] != '\t')
        word++;
    v = verb_find(span_of(line.ptr, word));
    args = text_trim_left(span_skip(line, word));
    if (v == NULL)
        smtp_junk(s, turn, REPLY_UNKNOWN);
    else if (bytes > v->bytes_max)
        smtp_junk(s, turn, REPLY_LINE_LONG);
    else if (has_control(line))
        smtp_junk(s, turn, REPLY_CONTROL);
    else if (!(v->legal_in & s->state))
        smtp_junk(s, turn, sequence_reply(s, v));
    else if ((v->flags & NO_ARGS) && args.len > 0)
        smtp_junk(s, turn, REPLY_ARGUMENT);
    else if (!(v->flags & IDLE) || smtp_idle(s, turn)) {
        /* RFC 2920 s3.1 ends a group at EHLO: what comes with the first one was sent before the
         * client could know that we pipeline.  Served in order, but counted. */
        if ((v->flags & HELLO) && s->state == S_GREETED && more)
            count_one(&turn->counters[SMTP_COUNT_PIPELINED_HELLO]);
        v->run(s, turn, args);
    }
}
