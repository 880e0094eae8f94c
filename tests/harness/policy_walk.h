/* policy_walk.h - every look-up of a policy image, once and with awkward arguments.
 *
 * For images that policy_open() took although somebody played with their bytes: nothing may
 * reach outside the image, loop, or answer with what the contract does not know.
 */
#ifndef POLICY_WALK_H
#define POLICY_WALK_H

#include <stdlib.h>

#include "policy_image.h"

#define WALK_CHECK(cond)                                                                           \
    do {                                                                                           \
        if (!(cond))                                                                               \
            abort();                                                                               \
    } while (0)

/* Reads every byte, so that a sanitizer or a guard page sees where it lies. */
static inline unsigned walk_bytes(struct span s)
{
    unsigned sum = 0;

    for (size_t i = 0; i < s.len; i++)
        sum += s.ptr[i];
    return sum;
}

static inline void walk_rule(const struct policy *p, uint32_t rule)
{
    WALK_CHECK(rule == POLICY_NONE || rule < image_count(p, SECTION_RULES));
    walk_bytes(policy_rule_source(p, rule).file);
}

static inline void walk_route(const struct policy *p, uint32_t route)
{
    WALK_CHECK(route == POLICY_NONE || route < image_count(p, SECTION_ROUTES));
    struct policy_route r = policy_route(p, route);

    walk_bytes(r.name);
    for (uint32_t t = 0; t < r.targets && t < 64; t++) {
        uint32_t weight = 0;

        walk_bytes(policy_route_target(p, route, t, &weight));
    }
}

static inline void walk_client(const struct policy *p, uint32_t server, const struct ip_addr *ip)
{
    static const char *const locals[] = {
        "user",  "Postmaster", "a%b",
        "alice", "",           "01234567890123456789012345678901234567890123456789012345678901234"};
    static const char *const domains[] = {"example.org",  "a.b.c.sub.example.org", "",
                                          "[10.25.0.25]", "[IPv6:fd25::25]",       "[",
                                          "...",          "foreign.example",       "org"};
    struct policy_who who = {.client = *ip, .local = *ip, .local_port = 25};
    uint32_t rule;

    WALK_CHECK(policy_connect(p, server, ip, &rule) <= CONNECT_TARPIT);
    walk_rule(p, rule);
    WALK_CHECK(policy_bare_newline(p, ip) <= BARE_NOTE);
    (void)policy_trusted(p, server, ip);
    (void)policy_listener(p, ip, 25);
    for (size_t i = 0; i < ARRAY_LEN(locals) * ARRAY_LEN(domains); i++) {
        struct span local = span_str(locals[i % ARRAY_LEN(locals)]);
        struct span domain = span_str(domains[i / ARRAY_LEN(locals)]);
        struct policy_answer a = policy_rcpt(p, server, &who, local, domain);

        WALK_CHECK(a.verdict <= RCPT_STALE);
        WALK_CHECK((a.verdict == RCPT_ACCEPT) == (a.route != POLICY_NONE));
        walk_rule(p, a.rule);
        walk_route(p, a.route);
        walk_route(p, policy_route_of(p, domain));
        walk_route(p, policy_route_for(p, local, domain));
        who.authenticated = !who.authenticated;
    }
}

static inline void policy_walk(const struct policy *p)
{
    static const struct ip_addr fixed[] = {
        {.octets = {0}},
        {.octets = {[10] = 0xff, [11] = 0xff}},
        {.octets = {[10] = 0xff, [11] = 0xff, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff}},
        {.octets = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 25, [14] = 0, [15] = 25}},
        {.octets = {0xfd, 0x25, [15] = 0x25}},
        {.octets = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
        {.octets = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0xff, 0xff}},
    };
    uint32_t servers = policy_servers(p);
    struct policy_limits limits;

    policy_limits(p, &limits);
    (void)policy_generation(p);
    for (uint32_t s = 0; s <= servers && s < 8; s++) {
        struct policy_server server = policy_server(p, s);

        walk_bytes(server.name);
        walk_bytes(server.hostname);
        WALK_CHECK(server.early <= EARLY_NOTE);
        for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
            walk_client(p, s, &fixed[i]);
    }
    walk_client(p, POLICY_NONE, &fixed[3]);
    for (uint32_t i = 0; i < image_count(p, SECTION_RULES) && i < 1000; i++)
        walk_rule(p, i);
    for (uint32_t i = 0; i < image_count(p, SECTION_ROUTES) && i < 100; i++) {
        walk_route(p, i);
        walk_route(p, policy_route_by_name(p, policy_route(p, i).name));
    }
}

#endif
