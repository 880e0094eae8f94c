/* smtp_path.c - addresses (contract: smtp_path.h). */
#include "smtp_path.h"

#include <idn2.h>

#include "base_text.h"

static bool at_char(const struct span *c, uint8_t want)
{
    return c->len > 0 && c->ptr[0] == want;
}

static bool eat(struct span *c, uint8_t want)
{
    if (!at_char(c, want))
        return false;
    *c = span_skip(*c, 1);
    return true;
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 5322 s3.2.3, and RFC 6531 s3.3 for what is beyond ASCII. */
static bool is_atext(uint8_t c)
{
    return is_alnum(c) || c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool local_add(struct smtp_path *p, uint8_t c)
{
    if (p->local_bytes == SMTP_LOCAL_BYTES_MAX)
        return false;
    p->local[p->local_bytes++] = c;
    return true;
}

/* Dot-string = Atom *("." Atom) */
static bool local_dots(struct span *c, struct smtp_path *p)
{
    do {
        if (p->local_bytes > 0 && !local_add(p, '.'))
            return false;
        if (c->len == 0 || !is_atext(c->ptr[0]))
            return false;
        for (; c->len > 0 && is_atext(c->ptr[0]); *c = span_skip(*c, 1)) {
            if (!local_add(p, c->ptr[0]))
                return false;
        }
    } while (eat(c, '.'));
    return true;
}

/* Quoted-string = DQUOTE *(qtextSMTP | "\" %d32-126) DQUOTE; the first quote is eaten. */
static bool local_quoted(struct span *c, struct smtp_path *p)
{
    while (c->len > 0 && c->ptr[0] != '"') {
        bool escaped = eat(c, '\\');

        if (c->len == 0 || c->ptr[0] < ' ' || c->ptr[0] == 0x7f || (escaped && c->ptr[0] >= 0x80) ||
            !local_add(p, c->ptr[0]))
            return false;
        *c = span_skip(*c, 1);
    }
    return eat(c, '"');
}

/* The shortest form that means the same (RFC 5321 s4.1.2: quote only where it is needed).
 * False where that is longer than a local part may be. */
static bool local_text(struct smtp_path *p)
{
    struct smtp_path again = {0};
    struct span plain = path_local(p);
    uint16_t n = 0;

    if (local_dots(&plain, &again) && plain.len == 0) {
        memcpy(p->text, p->local, p->local_bytes);
        p->bytes = p->local_bytes;
        return true;
    }
    p->text[n++] = '"';
    for (unsigned i = 0; i < p->local_bytes; i++) {
        if (p->local[i] == '"' || p->local[i] == '\\')
            p->text[n++] = '\\';
        p->text[n++] = p->local[i];
    }
    p->text[n++] = '"';
    p->bytes = n;
    return n <= SMTP_LOCAL_BYTES_MAX;
}

static bool is_domain_char(uint8_t c)
{
    return is_alnum(c) || c == '-' || c == '_' || c == '.' || c >= 0x80;
}

/* Domain = sub-domain *("." sub-domain), in ASCII: labels of letters, digits, hyphens within. */
static bool domain_valid(struct span d)
{
    size_t label = 0;

    if (d.len == 0 || d.len > SMTP_DOMAIN_BYTES_MAX)
        return false;
    for (size_t i = 0; i <= d.len; i++) {
        if (i < d.len && d.ptr[i] != '.') {
            label++;
            continue;
        }
        if (label == 0 || label > SMTP_LABEL_BYTES_MAX || d.ptr[i - 1] == '-' ||
            d.ptr[i - label] == '-')
            return false;
        label = 0;
    }
    return true;
}

/* U-labels to A-labels; false: not a name that can be looked up (RFC 5891 s5). */
static bool domain_to_ascii(struct span in, uint8_t out[SMTP_DOMAIN_BYTES_MAX], size_t *ret_len)
{
    uint8_t u8[SMTP_DOMAIN_BYTES_MAX + 1], *found = NULL;
    size_t n;

    if (in.len > SMTP_DOMAIN_BYTES_MAX || !text_utf8_valid(in))
        return false;
    memcpy(u8, in.ptr, in.len);
    u8[in.len] = '\0';
    if (idn2_lookup_u8(u8, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    n = strlen((const char *)found);
    if (n <= SMTP_DOMAIN_BYTES_MAX) {
        memcpy(out, found, n);
        *ret_len = n;
    }
    idn2_free(found);
    return n <= SMTP_DOMAIN_BYTES_MAX;
}

/* The run of domain characters at *c. */
static struct span domain_run(struct span *c, bool *ret_utf8)
{
    size_t n = 0;

    for (; n < c->len && is_domain_char(c->ptr[n]); n++)
        *ret_utf8 = *ret_utf8 || c->ptr[n] >= 0x80;
    return span_of(c->ptr, n);
}

static bool path_name(struct span *c, struct smtp_path *p)
{
    uint8_t name[SMTP_DOMAIN_BYTES_MAX];
    bool utf8 = false;
    struct span run = domain_run(c, &utf8);
    size_t n = run.len;

    if (n == 0 || n > sizeof(name))
        return false;
    if (utf8) {
        if (!domain_to_ascii(run, name, &n))
            return false;
        p->utf8 = true;
    } else {
        memcpy(name, run.ptr, n);
    }
    if (!domain_valid(span_of(name, n)))
        return false;
    for (size_t i = 0; i < n; i++)
        p->text[p->bytes++] =
            name[i] >= 'A' && name[i] <= 'Z' ? (uint8_t)(name[i] - 'A' + 'a') : name[i];
    *c = span_skip(*c, run.len);
    return true;
}

/* address-literal = "[" ( IPv4 | "IPv6:" IPv6 ) "]"; general literals name no protocol we have. */
static bool path_literal(struct span *c, struct smtp_path *p)
{
    char ip[TEXT_IP_MAX];
    size_t n = 0, len;
    struct span text;
    bool v6;

    while (n < c->len && c->ptr[n] != ']')
        n++;
    if (n == c->len)
        return false;
    text = span_of(c->ptr, n);
    *c = span_skip(*c, n + 1);
    v6 = text.len > 5 && text_is(span_of(text.ptr, 5), "IPV6:");
    if (v6)
        text = span_skip(text, 5);
    if (text_parse_ip(text, &p->address) != 0 || (memchr(text.ptr, ':', text.len) != NULL) != v6)
        return false;
    p->literal = true;
    len = text_ip(ip, &p->address);
    p->text[p->bytes++] = '[';
    if (!ip_is_v4(&p->address)) {
        memcpy(p->text + p->bytes, "IPv6:", 5);
        p->bytes = (uint16_t)(p->bytes + 5);
    }
    memcpy(p->text + p->bytes, ip, len);
    p->bytes = (uint16_t)(p->bytes + len);
    p->text[p->bytes++] = ']';
    return true;
}

/* A-d-l = "@" Domain *("," "@" Domain) ":" - accepted and ignored (RFC 5321 s3.6.1, appendix C). */
static bool skip_route(struct span *c, struct smtp_path *p)
{
    do {
        struct span run;

        if (!eat(c, '@'))
            return false;
        run = domain_run(c, &p->utf8);
        if (run.len == 0 || run.len > SMTP_DOMAIN_BYTES_MAX)
            return false;
        *c = span_skip(*c, run.len);
    } while (eat(c, ','));
    return eat(c, ':');
}

static bool mailbox(struct span *c, struct smtp_path *p)
{
    if (!(eat(c, '"') ? local_quoted(c, p) : local_dots(c, p)) || !local_text(p))
        return false;
    for (unsigned i = 0; i < p->local_bytes; i++)
        p->utf8 = p->utf8 || p->local[i] >= 0x80;
    if (p->utf8 && !text_utf8_valid(path_local(p)))
        return false;
    p->domain_at = p->bytes;
    if (!eat(c, '@'))
        return true;
    p->text[p->bytes++] = '@';
    p->domain_at = p->bytes;
    return eat(c, '[') ? path_literal(c, p) : path_name(c, p);
}

bool smtp_path(struct span *args, struct smtp_path *ret)
{
    struct span c = text_trim_left(*args);
    bool angle = eat(&c, '<');

    *ret = (struct smtp_path){0};
    if (angle && eat(&c, '>')) {
        ret->null = true;
    } else {
        if (angle && at_char(&c, '@') && !skip_route(&c, ret))
            return false;
        if (!mailbox(&c, ret) || (angle && !eat(&c, '>')))
            return false;
    }
    if (c.len > 0 && c.ptr[0] != ' ' && c.ptr[0] != '\t')
        return false;
    *args = text_trim_left(c);
    return true;
}
