/* smtp_param.c - SIZE, BODY, SMTPUTF8 (contract: smtp_param.h).
 *
 * AUTH=, RET=, ENVID=, NOTIFY=, ORCPT= and REQUIRETLS belong to extensions that are not
 * announced, so they are unknown: 555 5.5.4 (RFC 5321 s4.1.1.11).
 */
#include "smtp_param.h"

#include <errno.h>

#include "base_text.h"
#include "smtp_path.h"

struct param {
    struct span key, value;
    bool has_value;
};

static bool key_char(uint8_t c, bool first)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c == '-' && !first);
}

/* Cuts the next parameter off *text (not empty, no space in front); false: malformed. */
static bool next_param(struct span *text, struct param *ret)
{
    size_t n = 0, key;

    while (n < text->len && key_char(text->ptr[n], n == 0))
        n++;
    key = n;
    ret->key = span_of(text->ptr, key);
    ret->has_value = n < text->len && text->ptr[n] == '=';
    if (ret->has_value) {
        n++;
        while (n < text->len && text->ptr[n] > ' ' && text->ptr[n] != '=')
            n++;
        ret->value = span_of(text->ptr + key + 1, n - key - 1);
        if (ret->value.len == 0)
            return false;
    }
    if (key == 0 || (n < text->len && text->ptr[n] != ' ' && text->ptr[n] != '\t'))
        return false;
    *text = text_trim_left(span_skip(*text, n));
    return true;
}

/* RFC 1870 s4: 1 to 20 digits. */
static bool param_size(const struct param *p, struct smtp_params *ret)
{
    int rc;

    if (ret->size_given || !p->has_value || p->value.len > 20)
        return false;
    ret->size_given = true;
    rc = text_parse_u64(p->value, UINT64_MAX, &ret->size);
    if (rc == -ERANGE)
        ret->size = UINT64_MAX;
    return rc == 0 || rc == -ERANGE;
}

/* RFC 6152 s2; BINARYMIME (RFC 3030) is not announced. */
static enum smtp_reply param_body(const struct param *p, struct smtp_params *ret)
{
    if (ret->body_given || !p->has_value)
        return REPLY_PARAMETER_VALUE;
    ret->body_given = true;
    ret->body_8bit = text_is(p->value, "8BITMIME");
    return ret->body_8bit || text_is(p->value, "7BIT") ? REPLY_NONE : REPLY_PARAMETER;
}

enum smtp_reply smtp_mail_params(struct span text, struct smtp_params *ret)
{
    enum smtp_reply reply = REPLY_NONE;
    struct param p = {0};

    *ret = (struct smtp_params){0};
    while (text.len > 0 && reply == REPLY_NONE) {
        if (!next_param(&text, &p))
            return REPLY_PARAMETER_VALUE;
        if (text_is(p.key, "SIZE")) {
            reply = param_size(&p, ret) ? REPLY_NONE : REPLY_PARAMETER_VALUE;
        } else if (text_is(p.key, "BODY")) {
            reply = param_body(&p, ret);
        } else if (text_is(p.key, "SMTPUTF8")) {
            reply = p.has_value || ret->utf8 ? REPLY_PARAMETER_VALUE : REPLY_NONE;
            ret->utf8 = true;
        } else {
            reply = REPLY_PARAMETER;
        }
    }
    return reply;
}

enum smtp_reply smtp_rcpt_params(struct span text)
{
    struct param p = {0};

    if (text.len == 0)
        return REPLY_NONE;
    return next_param(&text, &p) ? REPLY_PARAMETER : REPLY_PARAMETER_VALUE;
}
