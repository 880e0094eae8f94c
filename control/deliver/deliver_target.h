/* deliver_target.h - the URL of a route's target, read.
 *
 *   smtp://10.25.1.10:25   smtp://[fd25::10]:25   maildir:/absolute/path   discard:
 *
 * Addresses only: a name would be a question to the resolver, which blocks; the configuration
 * refuses names too.  The port may be left out (25).
 *
 * Pure.  The path borrows the URL.
 */
#ifndef DELIVER_TARGET_H
#define DELIVER_TARGET_H

#include "base_types.h"

enum target_kind { TARGET_SMTP = 1, TARGET_MAILDIR, TARGET_DISCARD };

#define TARGET_PATH_MAX 3072u /* leaves room for new/ and a file name below PATH_MAX */
#define TARGET_HOST_MAX 64u

struct target {
    enum target_kind kind;
    struct span      path;                  /* MAILDIR */
    struct ip_addr   ip;                    /* SMTP */
    uint16_t         port;                  /* SMTP */
    char             host[TARGET_HOST_MAX]; /* SMTP: the address as text, without brackets */
};

/* 0; -EINVAL and *ret_why, a static text. */
int target_parse(struct span url, struct target *ret, const char **ret_why);

#endif
