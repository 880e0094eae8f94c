/* conf_value.h - scalars of the configuration that base_text.h does not know.
 *
 * All return 0 or -EINVAL (not of this form) or -ERANGE (of this form, but no number of ours
 * holds it), outputs untouched on failure.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "base_types.h"

#define CONF_HOST_BYTES 254 /* RFC 1035 s2.3.4: 253 octets as text */

int conf_value_bool(const char *text, bool *ret); /* true, false */
int conf_value_rate(const char *text, uint32_t *ret_count, uint64_t *ret_period_us); /* 10/s */

/* A host or domain name: lower-cased, labels of letters, digits, hyphen and underscore, not all
 * digits at the end (that is an address). */
int conf_value_host(const char *text, char ret[CONF_HOST_BYTES]);

/* A name of ours (virtual server, route): letters, digits, '.', '-' and '_'. */
bool conf_value_is_name(const char *text);

#endif
