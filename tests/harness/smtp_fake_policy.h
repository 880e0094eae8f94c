/* smtp_fake_policy.h - a policy that a test sets by hand, under the functions of policy.h.
 *
 * Our domains: example.org (user, alice, bob, "50%off" and postmaster exist), relay.example
 * (everyone exists), refuse.example, noroute.example, stale.example (its table is too old to say
 * no); everything else is foreign and refused unless fake.relay is set.
 */
#ifndef SMTP_FAKE_POLICY_H
#define SMTP_FAKE_POLICY_H

#include "policy.h"

struct fake_policy {
    uint64_t generation;
    uint32_t listener; /* what policy_listener says */
    struct policy_server server;
    struct policy_limits limits;
    enum policy_bare_newline bare;
    bool relay;
};
extern struct fake_policy fake;

/* Everything as the configuration's defaults have it. */
void fake_policy_reset(void);

#endif
