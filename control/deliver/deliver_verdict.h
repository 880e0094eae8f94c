/* deliver_verdict.h - what became of each recipient of one attempt.
 *
 * A verdict is given once: whoever says first decides, later words are ignored.  So an error
 * handler may always say "deferred" to all, and touches only those still undecided.
 *
 * Memory: the caller's array.  Texts are cut to OUTCOME_TEXT_MAX and made printable ASCII.
 */
#ifndef DELIVER_VERDICT_H
#define DELIVER_VERDICT_H

#include "ipc_attempt.h"

struct verdict {
    uint8_t  result;    /* enum attempt_result, 0: undecided */
    uint8_t  status[3]; /* RFC 3463 */
    uint16_t code;      /* SMTP reply code, 0 where none came */
    uint16_t text_bytes;
    char     text[OUTCOME_TEXT_MAX];
};

struct verdicts {
    uint32_t       count;
    uint32_t       undecided;
    struct verdict of[ATTEMPT_RECIPIENTS_MAX];
};

#define STATUS(c, s, d) ((uint32_t)(c) << 16 | (uint32_t)(s) << 8 | (uint32_t)(d))

/* count is at most ATTEMPT_RECIPIENTS_MAX (attempt_parse sees to it). */
void verdicts_init(struct verdicts *v, uint32_t count);

void verdict_give(struct verdicts *v, uint32_t i, enum attempt_result result, uint32_t status,
                  const char *text);
/* With the server's code; text may hold any bytes. */
void verdict_reply(struct verdicts *v, uint32_t i, enum attempt_result result, uint16_t code,
                   uint32_t status, struct span text);
/* To every recipient that is undecided. */
void verdicts_give(struct verdicts *v, enum attempt_result result, uint32_t status,
                   const char *text);

#endif
