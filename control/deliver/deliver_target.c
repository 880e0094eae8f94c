/* deliver_target.c - see deliver_target.h */
#include "deliver_target.h"

#include <errno.h>

#include "base_text.h"

static bool starts(struct span s, const char *word)
{
    size_t n = strlen(word);

    return s.len >= n && memcmp(s.ptr, word, n) == 0;
}

static int bad(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EINVAL;
}

static bool port_read(struct span s, uint16_t *ret)
{
    uint64_t port;

    if (text_parse_u64(s, UINT16_MAX, &port) != 0 || port == 0)
        return false;
    *ret = (uint16_t)port;
    return true;
}

static bool host_read(struct span host, bool v6, struct target *t)
{
    bool colon = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;

    if (host.len == 0 || host.len >= sizeof(t->host) || colon != v6 ||
        text_parse_ip(host, &t->ip) != 0)
        return false;
    memcpy(t->host, host.ptr, host.len);
    t->host[host.len] = '\0';
    return true;
}

static int smtp_read(struct span s, struct target *t, const char **ret_why)
{
    bool v6 = s.len > 0 && s.ptr[0] == '[';
    const uint8_t *end = s.len == 0 ? NULL : memchr(s.ptr, v6 ? ']' : ':', s.len);
    struct span host = s, port = span_of(NULL, 0);

    if (v6) {
        if (end == NULL)
            return bad(ret_why, "the target's address lacks its closing bracket");
        host = span_of(s.ptr + 1, (size_t)(end - s.ptr) - 1);
        s = span_skip(s, (size_t)(end - s.ptr) + 1);
        if (s.len > 0 && s.ptr[0] != ':')
            return bad(ret_why, "the target's port must follow a colon");
        port = s.len > 0 ? span_skip(s, 1) : port;
    } else if (end != NULL) {
        host.len = (size_t)(end - s.ptr);
        port = span_skip(s, host.len + 1);
        s = span_skip(s, host.len);
    } else {
        s.len = 0;
    }
    if (!host_read(host, v6, t))
        return bad(ret_why, "the target's host must be an IPv4 or [IPv6] address: host names are "
                            "not looked up");
    t->port = 25;
    if (s.len > 0 && !port_read(port, &t->port))
        return bad(ret_why, "the target's port must be 1 to 65535");
    return 0;
}

int target_parse(struct span url, struct target *ret, const char **ret_why)
{
    struct target t = {0};
    int rc = 0;

    if (starts(url, "smtp://")) {
        t.kind = TARGET_SMTP;
        rc = smtp_read(span_skip(url, 7), &t, ret_why);
    } else if (starts(url, "maildir:")) {
        t.kind = TARGET_MAILDIR;
        t.path = span_skip(url, 8);
        if (t.path.len == 0 || t.path.ptr[0] != '/' || t.path.len > TARGET_PATH_MAX ||
            memchr(t.path.ptr, 0, t.path.len) != NULL)
            rc = bad(ret_why, "maildir: needs an absolute path");
    } else if (url.len == 8 && starts(url, "discard:")) {
        t.kind = TARGET_DISCARD;
    } else {
        rc = bad(ret_why, "the target is none of smtp://ADDRESS:PORT, maildir:/PATH, discard:");
    }
    if (rc == 0)
        *ret = t;
    return rc;
}
