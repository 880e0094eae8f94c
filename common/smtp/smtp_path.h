/* smtp_path.h - the address grammar of RFC 5321 s4.1.2 and RFC 6531 s3.3.
 *
 * Pure.  Taken beyond the grammar, because real clients send it: an address without <>, space
 * before the address, underscores in a domain.  Source routes are parsed and dropped.
 *
 * A domain comes out in lower case and in its A-label form, so that it can be looked up and
 * compared as it stands.  Only for a domain with bytes beyond ASCII libidn2 is called, and it
 * allocates: BREAKS the rule of no heap on the hot path, for at most 255 octets at a time and
 * only under SMTPUTF8 input.  IDNA 2008 needs the Unicode tables that libidn2 has; half of it
 * written by hand would make two spellings of one domain.
 */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include "smtp_limits.h"

struct smtp_path {
    uint8_t text[ENVELOPE_PATH_MAX]; /* local@domain, quoted only where it must be; null: empty */
    uint16_t bytes;
    uint16_t domain_at;                  /* in text; == bytes where there is no domain */
    uint8_t local[SMTP_LOCAL_BYTES_MAX]; /* without quotes */
    uint8_t local_bytes;
    bool null;              /* <> */
    bool utf8;              /* needs SMTPUTF8 */
    bool literal;           /* the domain is an address literal, */
    struct ip_addr address; /* namely of this */
};

/* Takes the address and the white space behind it off *args; false: not an address. */
bool smtp_path(struct span *args, struct smtp_path *ret);

static inline struct span path_text(const struct smtp_path *p)
{
    return span_of(p->text, p->bytes);
}

static inline struct span path_local(const struct smtp_path *p)
{
    return span_of(p->local, p->local_bytes);
}

static inline struct span path_domain(const struct smtp_path *p)
{
    return span_of(p->text + p->domain_at, (size_t)(p->bytes - p->domain_at));
}

/* Equal but for ASCII case; word is in capitals. */
bool text_is(struct span text, const char *word);

struct span text_trim_left(struct span text);

bool text_utf8_valid(struct span text);

#endif
