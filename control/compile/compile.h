/* compile.h - from the configuration to the policy image that the other processes read.
 *
 * Everything that takes work is done here, once: prefixes are cut into disjoint ranges, names
 * and recipients hashed, and the whole is judged as it will act.  In particular an open relay
 * (requirements.md D1) is judged here, on the ranges as they will be looked up and not on how
 * the rules are written: what all virtual servers together let relay without authentication,
 * after their deny rules, must not be more public address space than a /16 of IPv4 or a /32 of
 * IPv6, unless i_accept_open_relay stands on the rule that does it.
 *
 * Time and memory are linear in the configuration (sorting apart): a million prefixes take
 * about a second; a recipient takes 16 bytes in the image and 16 while compiling.
 *
 * Threads: none shared.  Calls of the system: memfd_create, ftruncate, mmap, munmap, fcntl,
 * getrandom, and on what the opener opened fstat, read, close.
 */
#ifndef COMPILE_H
#define COMPILE_H

#include "conf.h"

struct compile_result {
    int      fd;         /* sealed memfd with the image; the caller closes it */
    uint64_t bytes;
    uint64_t generation;
    uint32_t rules, domains, recipients;
};

/* 0 and *ret; or -EINVAL (the configuration or a recipient file is refused), -ENOMEM, or what
 * memfd_create and its like answered; then *ret is untouched and *ret_error has lines
 * "file:line:column: what; what to do".  opener NULL: conf_opener_direct.
 *
 * Recipient files: one address a line; blank lines and what follows '#' at the start of a line
 * or after a blank are ignored.  "user" is user in the domain the file belongs to and, where
 * that has subdomains: true, in all below it; "user@domain" only there.  Quoted local parts
 * stand as in SMTP ("john doe"@example.org).  Case does not count. */
int compile_policy(const struct conf *conf, const struct conf_opener *opener, uint64_t generation,
                   struct compile_result *ret, struct conf_error *ret_error);

#endif
