/* base_text.h - numbers and addresses to text and back, without libc's I/O or locale.
 *
 * Parsers take the whole span or nothing: 0, or -EINVAL (-ERANGE where the number is too
 * large) with the outputs untouched.  Writers put a NUL and return the length without it.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base_types.h"

#define TEXT_IP_MAX 40       /* with NUL: "ffff:…:ffff" */
#define TEXT_PREFIX_MAX 44   /* with "/128" */
#define TEXT_ENDPOINT_MAX 48 /* "[…]:65535" */
#define TEXT_U64_MAX 21
#define TEXT_TIME_MAX 28     /* "2026-01-02T03:04:05.000006Z" */

size_t text_u64(char out[TEXT_U64_MAX], uint64_t n);
int    text_parse_u64(struct span text, uint64_t max, uint64_t *ret); /* decimal digits only */

/* IPv4 dotted (no leading zeros), IPv6 in RFC 5952 form out, any RFC 4291 form in.  An IPv4-
 * mapped IPv6 address is the IPv4 address, here as everywhere. */
size_t text_ip(char out[TEXT_IP_MAX], const struct ip_addr *ip);
int    text_parse_ip(struct span text, struct ip_addr *ret);

/* ADDR/BITS; bits count in the family written (0..32, 0..128); without "/", a full-length one.
 * Host bits may be set (an interface's address); ip_prefix_base() clears them. */
size_t text_prefix(char out[TEXT_PREFIX_MAX], const struct ip_addr *ip, uint8_t bits);
int    text_parse_prefix(struct span text, struct ip_addr *ret_ip, uint8_t *ret_bits);
struct ip_addr ip_prefix_base(const struct ip_addr *ip, uint8_t bits);
bool           ip_in_prefix(const struct ip_addr *ip, const struct ip_addr *base, uint8_t bits);

/* "10.0.0.1:25", "[fd25::25]:25". */
size_t text_endpoint(char out[TEXT_ENDPOINT_MAX], const struct ip_addr *ip, uint16_t port);
int    text_parse_endpoint(struct span text, struct ip_addr *ret_ip, uint16_t *ret_port);

/* "4096", "512K", "50M", "2G", "1T": binary. */
int text_parse_size(struct span text, uint64_t *ret_bytes);

/* "0s", "250ms", "5s", "10m", "1h", "5d"; a unit is required, except for a plain 0. */
int text_parse_duration(struct span text, uint64_t *ret_us);

/* RFC 3339 in UTC with microseconds; from microseconds since 1970. */
size_t text_time(char out[TEXT_TIME_MAX], uint64_t wall_us);

/* The date of a day count since 1970-01-01 (proleptic Gregorian). */
struct text_date {
    uint32_t year;
    uint8_t  month, day, weekday; /* 1..12, 1..31, 0 = Sunday */
};
struct text_date text_date(uint64_t days);

#endif
