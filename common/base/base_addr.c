/* base_addr.c - IP addresses, prefixes and endpoints to text and back (contract: base_text.h). */
#include <errno.h>

#include "base_text.h"

static size_t put_number(char *out, unsigned n)
{
    char text[TEXT_U64_MAX];
    size_t len = text_u64(text, n);

    memcpy(out, text, len + 1);
    return len;
}

static size_t put_v4(char *out, const uint8_t octets[4])
{
    size_t len = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            out[len++] = '.';
        len += put_number(out + len, octets[i]);
    }
    return len;
}

static size_t put_hex(char *out, unsigned group)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;

    for (int shift = 12; shift >= 0; shift -= 4) {
        if (len > 0 || shift == 0 || group >> shift != 0)
            out[len++] = hex[group >> shift & 15];
    }
    return len;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 s4.2). */
static void longest_zeros(const uint16_t groups[8], unsigned *ret_start, unsigned *ret_len)
{
    *ret_start = 8;
    *ret_len = 1;
    for (unsigned i = 0; i < 8;) {
        unsigned end = i;

        while (end < 8 && groups[end] == 0)
            end++;
        if (end - i > *ret_len) {
            *ret_start = i;
            *ret_len = end - i;
        }
        i = end + 1;
    }
}

size_t text_ip(char out[TEXT_IP_MAX], const struct ip_addr *ip)
{
    uint16_t groups[8];
    unsigned start, run;
    size_t len = 0;

    if (ip_is_v4(ip)) {
        len = put_v4(out, ip->octets + 12);
        out[len] = '\0';
        return len;
    }
    for (unsigned i = 0; i < 8; i++)
        groups[i] = (uint16_t)(ip->octets[2 * i] << 8 | ip->octets[2 * i + 1]);
    longest_zeros(groups, &start, &run);
    for (unsigned i = 0; i < 8; i++) {
        if (i == start) {
            out[len++] = ':';
            if (start + run == 8)
                out[len++] = ':';
            i += run - 1;
            continue;
        }
        if (i > 0)
            out[len++] = ':';
        len += put_hex(out + len, groups[i]);
    }
    out[len] = '\0';
    return len;
}

/* Dotted quad, no leading zeros (they have meant octal to some). */
static int parse_v4(struct span text, uint8_t octets[4])
{
    size_t at = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned value = 0, n = 0;

        if (i > 0 && (at >= text.len || text.ptr[at++] != '.'))
            return -EINVAL;
        while (at < text.len && n < 3 && text.ptr[at] >= '0' && text.ptr[at] <= '9') {
            value = value * 10 + (unsigned)(text.ptr[at++] - '0');
            n++;
        }
        if (n == 0 || value > 255 || (n > 1 && text.ptr[at - n] == '0'))
            return -EINVAL;
        octets[i] = (uint8_t)value;
    }
    return at == text.len ? 0 : -EINVAL;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct v6_parse {
    uint8_t octets[16];
    unsigned len; /* octets filled */
    int gap;      /* where "::" stood, or -1 */
};

/* One group off the front: hex digits, or a dotted quad as the last 32 bits. */
static int parse_group(struct v6_parse *v6, struct span *text)
{
    unsigned value = 0, n = 0;
    int digit;

    while (n < text->len && n < 5 && (digit = hex_value(text->ptr[n])) >= 0) {
        value = value << 4 | (unsigned)digit;
        n++;
    }
    if (n < text->len && text->ptr[n] == '.') {
        if (v6->len > 12 || parse_v4(*text, v6->octets + v6->len) != 0)
            return -EINVAL;
        v6->len += 4;
        *text = span_skip(*text, text->len);
        return 0;
    }
    if (n == 0 || n > 4 || v6->len > 14)
        return -EINVAL;
    v6->octets[v6->len++] = (uint8_t)(value >> 8);
    v6->octets[v6->len++] = (uint8_t)value;
    *text = span_skip(*text, n);
    return 0;
}

static bool starts_with(struct span text, const char *prefix, size_t n)
{
    return text.len >= n && memcmp(text.ptr, prefix, n) == 0;
}

static int parse_v6(struct span text, struct ip_addr *ret)
{
    struct v6_parse v6 = {.gap = -1};

    if (starts_with(text, "::", 2)) {
        v6.gap = 0;
        text = span_skip(text, 2);
    }
    while (text.len > 0) {
        if (parse_group(&v6, &text) != 0)
            return -EINVAL;
        if (text.len == 0)
            break;
        if (v6.gap < 0 && starts_with(text, "::", 2)) {
            v6.gap = (int)v6.len;
            text = span_skip(text, 2);
        } else if (text.ptr[0] == ':' && text.len > 1) {
            text = span_skip(text, 1);
        } else {
            return -EINVAL;
        }
    }
    /* "::" stands for at least one group. */
    if (v6.gap < 0 ? v6.len != 16 : v6.len > 14)
        return -EINVAL;
    memset(ret, 0, sizeof(*ret));
    if (v6.gap < 0) {
        memcpy(ret->octets, v6.octets, 16);
        return 0;
    }
    memcpy(ret->octets, v6.octets, (size_t)v6.gap);
    memcpy(ret->octets + 16 - (v6.len - (unsigned)v6.gap), v6.octets + v6.gap,
           v6.len - (unsigned)v6.gap);
    return 0;
}

static bool contains(struct span text, uint8_t c)
{
    return text.len > 0 && memchr(text.ptr, c, text.len) != NULL;
}

int text_parse_ip(struct span text, struct ip_addr *ret)
{
    struct ip_addr ip = {
        .octets = {[10] = 0xff, [11] = 0xff}
    };
    int rc = contains(text, ':') ? parse_v6(text, &ip) : parse_v4(text, ip.octets + 12);

    if (rc == 0)
        *ret = ip;
    return rc;
}

size_t text_prefix(char out[TEXT_PREFIX_MAX], const struct ip_addr *ip, uint8_t bits)
{
    size_t len = text_ip(out, ip);

    out[len++] = '/';
    return len + put_number(out + len, bits);
}

int text_parse_prefix(struct span text, struct ip_addr *ret_ip, uint8_t *ret_bits)
{
    size_t slash = 0;
    struct ip_addr ip;
    uint64_t bits;

    while (slash < text.len && text.ptr[slash] != '/')
        slash++;
    if (text_parse_ip(span_of(text.ptr, slash), &ip) != 0)
        return -EINVAL;
    bits = ip_is_v4(&ip) ? 32 : 128;
    if (slash < text.len) {
        struct span number = span_skip(text, slash + 1);

        /* "::ffff:10.0.0.0/104" is written as IPv6 but is IPv4: refused rather than guessed. */
        if (ip_is_v4(&ip) && contains(span_of(text.ptr, slash), ':'))
            return -EINVAL;
        if (number.len > 3 || text_parse_u64(number, bits, &bits) != 0)
            return -EINVAL;
    }
    *ret_ip = ip;
    *ret_bits = (uint8_t)bits;
    return 0;
}

/* bits counted over the sixteen octets. */
static unsigned wide_bits(const struct ip_addr *ip, uint8_t bits)
{
    unsigned wide = ip_is_v4(ip) ? 96u + bits : bits;

    return wide < 128 ? wide : 128;
}

struct ip_addr ip_prefix_base(const struct ip_addr *ip, uint8_t bits)
{
    struct ip_addr base = *ip;
    unsigned wide = wide_bits(ip, bits);

    for (unsigned i = 0; i < 16; i++) {
        if (wide <= 8 * i)
            base.octets[i] = 0;
        else if (wide < 8 * (i + 1))
            base.octets[i] &= (uint8_t)(0xff00u >> (wide - 8 * i));
    }
    return base;
}

bool ip_in_prefix(const struct ip_addr *ip, const struct ip_addr *base, uint8_t bits)
{
    struct ip_addr a, b;

    /* 0.0.0.0/0 is all of IPv4 and nothing of IPv6, and the other way round. */
    if (ip_is_v4(ip) != ip_is_v4(base))
        return false;
    a = ip_prefix_base(ip, bits);
    b = ip_prefix_base(base, bits);
    return ip_equal(&a, &b);
}

size_t text_endpoint(char out[TEXT_ENDPOINT_MAX], const struct ip_addr *ip, uint16_t port)
{
    size_t len = 0;

    if (ip_is_v4(ip)) {
        len = text_ip(out, ip);
    } else {
        out[len++] = '[';
        len += text_ip(out + len, ip);
        out[len++] = ']';
    }
    out[len++] = ':';
    return len + put_number(out + len, port);
}

int text_parse_endpoint(struct span text, struct ip_addr *ret_ip, uint16_t *ret_port)
{
    bool bracket = text.len > 0 && text.ptr[0] == '[';
    struct span host, rest;
    struct ip_addr ip;
    uint64_t port;
    size_t end = 0;

    if (bracket)
        text = span_skip(text, 1);
    while (end < text.len && text.ptr[end] != (bracket ? ']' : ':'))
        end++;
    if (end == text.len)
        return -EINVAL;
    host = span_of(text.ptr, end);
    rest = span_skip(text, bracket ? end + 1 : end);
    if (contains(host, ':') != bracket || !starts_with(rest, ":", 1) || rest.len > 6 ||
        text_parse_ip(host, &ip) != 0 ||
        text_parse_u64(span_skip(rest, 1), UINT16_MAX, &port) != 0 || port == 0)
        return -EINVAL;
    *ret_ip = ip;
    *ret_port = (uint16_t)port;
    return 0;
}
