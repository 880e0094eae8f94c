/* smtp_line.c - the resumable line machine (contract: smtp_line.h). */
#include "smtp_line.h"

size_t smtp_clean_run(struct span text)
{
    const uint64_t ones = UINT64_MAX / 255;
    size_t n = 0;

    for (;;) {
        /* Eight bytes at a time while none is below 14; tabs and the like only cost a look. */
        while (text.len - n >= 8) {
            uint64_t word;

            memcpy(&word, text.ptr + n, 8);
            if (((word - ones * 14) & ~word & ones * 128) != 0)
                break;
            n += 8;
        }
        for (unsigned i = 0; i < 8; i++) {
            if (n == text.len || text.ptr[n] == '\r' || text.ptr[n] == '\n' || text.ptr[n] == '\0')
                return n;
            n++;
        }
    }
}

/* The line is over: forgets what it gathered and says what it was. */
static enum line_result line_end(struct smtp *s, struct smtp_turn *turn, struct span rest,
                                 uint8_t *scratch, struct span *ret_line)
{
    enum line_result result = s->line_nul ? LINE_NUL : s->line_skip ? LINE_LONG : LINE_READY;

    *ret_line = rest;
    if (s->line.bytes > 0 && result == LINE_READY) {
        uint32_t kept = s->line.bytes;

        chain_read(turn->blocks, &s->line, 0, scratch, kept);
        if (rest.len > 0)
            memcpy(scratch + kept, rest.ptr, rest.len);
        *ret_line = span_of(scratch, kept + rest.len);
    }
    chain_free(turn->blocks, &s->line);
    s->line_cr = s->line_skip = s->line_nul = false;
    s->line_swallowed = 0;
    return result;
}

/* Takes a run of ordinary bytes into account; false when the line will never end. */
static bool line_grow(struct smtp *s, struct smtp_turn *turn, struct span run)
{
    if (!s->line_skip && s->line.bytes + run.len > SMTP_LINE_BYTES_MAX - 2) {
        s->line_skip = true;
        s->line_swallowed = s->line.bytes;
        chain_free(turn->blocks, &s->line);
    }
    if (s->line_skip) {
        if (run.len > SMTP_LINE_SWALLOW_MAX - s->line_swallowed)
            return false;
        s->line_swallowed += (uint32_t)run.len;
    }
    return true;
}

/* A NUL spoils the line: the rest is only looked through for its end. */
static bool line_nul(struct smtp *s, struct smtp_turn *turn)
{
    s->line_nul = true;
    s->line_skip = true;
    chain_free(turn->blocks, &s->line);
    if (s->line_swallowed == SMTP_LINE_SWALLOW_MAX)
        return false;
    s->line_swallowed++;
    return true;
}

/* What stands after a run of ordinary bytes, at *in: 0 a line end (taken off), 1 go on, 2 bare
 * and refused, 3 endless. */
enum stop { STOP_END, STOP_GO_ON, STOP_BARE, STOP_ENDLESS };

static enum stop line_stop(struct smtp *s, struct smtp_turn *turn, struct span *in)
{
    uint8_t c = in->ptr[0];

    if (s->line_cr && c != '\n') /* CR x: x belongs to the next line */
        return smtp_bare_refused(s, turn) ? STOP_BARE : STOP_END;
    if (c != '\n' || s->line_cr)
        *in = span_skip(*in, 1);
    if (c == '\r') {
        s->line_cr = true;
        return STOP_GO_ON;
    }
    if (c == '\0')
        return line_nul(s, turn) ? STOP_GO_ON : STOP_ENDLESS;
    if (s->line_cr) /* CR LF */
        return STOP_END;
    if (smtp_bare_refused(s, turn)) /* x LF */
        return STOP_BARE;
    *in = span_skip(*in, 1);
    return STOP_END;
}

enum line_result smtp_line(struct smtp *s, struct smtp_turn *turn, struct span *in,
                           uint8_t scratch[SMTP_LINE_BYTES_MAX], struct span *ret_line)
{
    struct span run = span_of(in->ptr, 0); /* not yet in the chain */

    while (in->len > 0) {
        size_t n = s->line_cr ? 0 : smtp_clean_run(*in);

        if (n > 0) {
            run = span_of(in->ptr, n);
            *in = span_skip(*in, n);
            if (!line_grow(s, turn, run))
                return LINE_ENDLESS;
            if (s->line_skip)
                run.len = 0;
            continue;
        }
        switch (line_stop(s, turn, in)) {
        case STOP_END:
            return line_end(s, turn, s->line_skip ? span_of(NULL, 0) : run, scratch, ret_line);
        case STOP_BARE:
            return LINE_BARE;
        case STOP_ENDLESS:
            return LINE_ENDLESS;
        case STOP_GO_ON:
            break;
        }
    }
    if (!s->line_skip && !chain_put(turn->blocks, &s->line, run)) {
        count_one(&turn->counters[SMTP_COUNT_NO_BLOCKS]);
        return LINE_NO_BLOCKS;
    }
    return LINE_MORE;
}
