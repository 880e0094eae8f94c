/* deliver_verdict.c - see deliver_verdict.h */
#include "deliver_verdict.h"

#include "base_must.h"

void verdicts_init(struct verdicts *v, uint32_t count)
{
    must(count <= ATTEMPT_RECIPIENTS_MAX);
    v->count = v->undecided = count;
    for (uint32_t i = 0; i < count; i++)
        v->of[i].result = 0;
}

void verdict_reply(struct verdicts *v, uint32_t i, enum attempt_result result, uint16_t code,
                   uint32_t status, struct span text)
{
    struct verdict *one = &v->of[i];

    must(i < v->count);
    if (one->result != 0)
        return;
    one->result = (uint8_t)result;
    one->code = code;
    one->status[0] = (uint8_t)(status >> 16);
    one->status[1] = (uint8_t)(status >> 8);
    one->status[2] = (uint8_t)status;
    one->text_bytes = (uint16_t)(text.len < OUTCOME_TEXT_MAX ? text.len : OUTCOME_TEXT_MAX);
    for (uint16_t k = 0; k < one->text_bytes; k++) {
        uint8_t c = text.ptr[k];

        one->text[k] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    v->undecided--;
}

void verdict_give(struct verdicts *v, uint32_t i, enum attempt_result result, uint32_t status,
                  const char *text)
{
    verdict_reply(v, i, result, 0, status, span_str(text));
}

void verdicts_give(struct verdicts *v, enum attempt_result result, uint32_t status,
                   const char *text)
{
    for (uint32_t i = 0; i < v->count; i++)
        verdict_give(v, i, result, status, text);
}
