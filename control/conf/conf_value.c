#include "conf_value.h"

#include <ctype.h>
#include <errno.h>

#define NAME_BYTES_MAX 64
#define LABEL_BYTES_MAX 63 /* RFC 1035 s2.3.4 */

struct unit {
    const char *name;
    uint64_t    factor;
};

static const struct unit sizes[] = {
    {"", 1}, {"K", 1024}, {"M", 1024 * 1024}, {"G", 1024 * 1024 * 1024}, {NULL, 0},
};

static const struct unit durations[] = {
    {"ms", 1000},          {"s", 1000000},         {"m", 60 * 1000000ULL},
    {"h", 3600 * 1000000ULL}, {"d", 86400 * 1000000ULL}, {NULL, 0},
};

/* Digits at the front of *text; moves it past them. */
static int digits(const char **text, uint64_t *ret)
{
    const char *at = *text;
    uint64_t n = 0;

    if (!isdigit((unsigned char)*at) || (at[0] == '0' && isdigit((unsigned char)at[1])))
        return -EINVAL;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
            return -ERANGE;
    *text = at;
    *ret = n;
    return 0;
}

static int with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
    uint64_t n;
    int rc = digits(&text, &n);

    if (rc != 0)
        return rc;
    for (; units->name != NULL; units++)
        if (strcmp(units->name, text) == 0) {
            if (__builtin_mul_overflow(n, units->factor, &n))
                return -ERANGE;
            *ret = n;
            return 0;
        }
    return -EINVAL;
}

int conf_value_uint(const char *text, uint64_t *ret)
{
    uint64_t n;
    int rc = digits(&text, &n);

    if (rc != 0)
        return rc;
    if (*text != '\0')
        return -EINVAL;
    *ret = n;
    return 0;
}

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

int conf_value_size(const char *text, uint64_t *ret)
{
    return with_unit(text, sizes, ret);
}

int conf_value_duration(const char *text, uint64_t *ret_us)
{
    return with_unit(text, durations, ret_us);
}

int conf_value_rate(const char *text, uint32_t *ret_count, uint64_t *ret_period_us)
{
    uint64_t n;
    int rc = digits(&text, &n);

    if (rc != 0)
        return rc;
    if (*text != '/')
        return -EINVAL;
    if (n > UINT32_MAX)
        return -ERANGE;
    text++;
    for (const struct unit *u = durations; u->name != NULL; u++)
        if (strcmp(u->name, text) == 0) {
            *ret_count = (uint32_t)n;
            *ret_period_us = u->factor;
            return 0;
        }
    return -EINVAL;
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
