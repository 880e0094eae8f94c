/* base_text.c - numbers, sizes, durations and times to text and back. */
#include "base_text.h"

#include <errno.h>

size_t text_u64(char out[TEXT_U64_MAX], uint64_t n)
{
    char digits[TEXT_U64_MAX];
    size_t len = 0;

    do {
        digits[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    out[len] = '\0';
    return len;
}

int text_parse_u64(struct span text, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;

    if (text.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -EINVAL;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(text.ptr[i] - '0');

        if (n > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        n = n * 10 + digit;
    }
    if (n > max)
        return -ERANGE;
    *ret = n;
    return 0;
}

/* The number before a unit: cuts it off *text. */
static int leading_number(struct span *text, uint64_t *ret)
{
    size_t n = 0;
    int rc;

    while (n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9')
        n++;
    rc = text_parse_u64(span_of(text->ptr, n), UINT64_MAX, ret);
    if (rc == 0)
        *text = span_skip(*text, n);
    return rc;
}

struct unit {
    char name[4];
    uint64_t factor;
};

static int number_with_unit(struct span text, const struct unit *units, size_t count, uint64_t *ret)
{
    uint64_t n = 0;
    int rc = leading_number(&text, &n);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (!span_equal(text, span_str(units[i].name)))
            continue;
        if (n > UINT64_MAX / units[i].factor)
            return -ERANGE;
        *ret = n * units[i].factor;
        return 0;
    }
    return -EINVAL;
}

int text_parse_size(struct span text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"",  1         },
        {"K", 1ull << 10},
        {"M", 1ull << 20},
        {"G", 1ull << 30},
        {"T", 1ull << 40},
    };

    return number_with_unit(text, units, ARRAY_LEN(units), ret_bytes);
}

int text_parse_duration(struct span text, uint64_t *ret_us)
{
    static const struct unit units[] = {
        {"us", 1              },
        {"ms", 1000           },
        {"s",  1000000        },
        {"m",  60000000       },
        {"h",  3600000000ull  },
        {"d",  86400000000ull },
        {"w",  604800000000ull},
    };

    if (span_equal(text, span_str("0"))) {
        *ret_us = 0;
        return 0;
    }
    return number_with_unit(text, units, ARRAY_LEN(units), ret_us);
}

struct text_date text_date(uint64_t days)
{
    /* Howard Hinnant's civil_from_days: eras of 400 years, years from 1 March. */
    uint64_t z = days + 719468, era = z / 146097, day_of_era = z % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */
    struct text_date date = {
        .day = (uint8_t)(day_of_year - (153 * month + 2) / 5 + 1),
        .month = (uint8_t)(month < 10 ? month + 3 : month - 9),
        .weekday = (uint8_t)((days + 4) % 7), /* 1970-01-01 was a Thursday */
    };

    date.year = (uint32_t)(year_of_era + era * 400 + (date.month <= 2));
    return date;
}

static char *digits(char *at, uint64_t n, unsigned width)
{
    for (unsigned i = width; i-- > 0; n /= 10)
        at[i] = (char)('0' + n % 10);
    return at + width;
}

size_t text_time(char out[TEXT_TIME_MAX], uint64_t wall_us)
{
    uint64_t seconds = wall_us / 1000000, of_day = seconds % 86400;
    struct text_date date = text_date(seconds / 86400);
    char *at = out;

    at = digits(at, date.year, 4); /* four digits last until 9999 */
    *at++ = '-';
    at = digits(at, date.month, 2);
    *at++ = '-';
    at = digits(at, date.day, 2);
    *at++ = 'T';
    at = digits(at, of_day / 3600, 2);
    *at++ = ':';
    at = digits(at, of_day / 60 % 60, 2);
    *at++ = ':';
    at = digits(at, of_day % 60, 2);
    *at++ = '.';
    at = digits(at, wall_us % 1000000, 6);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - out);
}
