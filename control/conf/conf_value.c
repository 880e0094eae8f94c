#include "conf_value.h"

#include <ctype.h>
#include <errno.h>

#include "base_text.h"

#define NAME_BYTES_MAX 64
#define LABEL_BYTES_MAX 63 /* RFC 1035 s2.3.4 */

int conf_value_bool(const char *text, bool *ret)
{
    if (strcmp(text, "true") == 0)
        *ret = true;
    else if (strcmp(text, "false") == 0)
        *ret = false;
    else
        return -EINVAL;
    return 0;
}

int conf_value_rate(const char *text, uint32_t *ret_count, uint64_t *ret_period_us)
{
    static const struct {
        const char *name;
        uint64_t    us;
    } periods[] = {{"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}};
    const char *slash = strchr(text, '/');
    uint64_t n;
    int rc;

    if (slash == NULL)
        return -EINVAL;
    rc = text_parse_u64(span_of(text, (size_t)(slash - text)), UINT32_MAX, &n);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(periods); i++)
        if (strcmp(slash + 1, periods[i].name) == 0) {
            *ret_count = (uint32_t)n;
            *ret_period_us = periods[i].us;
            return 0;
        }
    return rc != 0 ? rc : -EINVAL;
}

int conf_value_host(const char *text, char ret[CONF_HOST_BYTES])
{
    size_t len = strlen(text), label = 0;
    bool alpha = false; /* the label at hand has something other than digits */

    if (len == 0 || len >= CONF_HOST_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '.') {
            if (label == 0 || text[i - 1] == '-' || i + 1 == len)
                return -EINVAL;
            label = 0;
            alpha = false;
            continue;
        }
        if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_') || (c == '-' && label == 0))
            return -EINVAL;
        if (++label > LABEL_BYTES_MAX)
            return -EINVAL;
        alpha |= !isdigit(c);
    }
    if (!alpha || text[len - 1] == '-')
        return -EINVAL;
    for (size_t i = 0; i <= len; i++)
        ret[i] = (char)tolower((unsigned char)text[i]);
    return 0;
}

bool conf_value_is_name(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80 ||
            (!isalnum((unsigned char)text[i]) && strchr(".-_", text[i]) == NULL))
            return false;
    return true;
}
