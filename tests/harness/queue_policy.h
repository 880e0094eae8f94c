/* queue_policy.h - a policy for the queue's tests, in place of common/policy: a domain
 * "rN.test" has route N, "discard.test" the discarding one, any other none. */
#ifndef QUEUE_POLICY_H
#define QUEUE_POLICY_H

#include <stdio.h>
#include <stdlib.h>

#include "policy.h"

#define FAKE_ROUTES  64u
#define FAKE_DISCARD (FAKE_ROUTES - 1)

static uint64_t fake_generation = 1;

int policy_open(struct policy *ret, const void *image, size_t bytes, const char **ret_why)
{
    *ret_why = "bad";
    if (bytes == 0)
        return -74; /* EBADMSG */
    *ret = (struct policy){.base = image, .bytes = bytes};
    return 0;
}

uint64_t policy_generation(const struct policy *p)
{
    (void)p;
    return fake_generation;
}

uint32_t policy_route_for(const struct policy *p, struct span local_part, struct span domain)
{
    uint32_t n = 0;

    (void)p;
    (void)local_part;
    if (span_equal(domain, span_str("discard.test")))
        return FAKE_DISCARD;
    if (domain.len < 7 || domain.ptr[0] != 'r' ||
        memcmp(domain.ptr + domain.len - 5, ".test", 5) != 0)
        return POLICY_NONE;
    for (size_t i = 1; i + 5 < domain.len; i++)
        n = n * 10 + (uint32_t)(domain.ptr[i] - '0');
    return n < FAKE_DISCARD ? n : POLICY_NONE;
}

struct policy_route policy_route(const struct policy *p, uint32_t route)
{
    static char names[FAKE_ROUTES][16];

    (void)p;
    snprintf(names[route], sizeof(names[route]), "route%u", route);
    return (struct policy_route){.name = span_str(names[route]), .targets = 2};
}

struct span policy_route_target(const struct policy *p, uint32_t route, uint32_t target,
                                uint32_t *ret_weight)
{
    static char targets[FAKE_ROUTES][2][32];

    (void)p;
    *ret_weight = 1;
    if (route == FAKE_DISCARD)
        return span_str("discard:");
    snprintf(targets[route][target], sizeof(targets[route][target]), "smtp://h%u.%u:25", route,
             target);
    return span_str(targets[route][target]);
}

#endif
