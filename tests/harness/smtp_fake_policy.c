/* smtp_fake_policy.c - the double of common/policy (contract: smtp_fake_policy.h).
 *
 * It defines every function of policy.h, so that nothing of the real library is linked. */
#include "smtp_fake_policy.h"

#include <errno.h>
#include <strings.h>

struct fake_policy fake;

void fake_policy_reset(void)
{
    fake = (struct fake_policy){
        .generation = 7,
        .server = {.name = span_str("inbound"), .hostname = span_str("mx1.example.net")},
        .limits = { .message_bytes = 100000,
                   .recipients = 100,
                   .connections_per_client = 50,
                   .bad_commands = 20,
                   .received_hops = 100,
                   .session_us = 3600000000ull,
                   .command_us = 300000000ull,
                   .data_us = 180000000ull},
    };
}

static bool same(struct span text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

int policy_open(struct policy *ret, const void *image, size_t bytes, const char **ret_why)
{
    (void)image;
    (void)bytes;
    *ret_why = "";
    *ret = (struct policy){0};
    return 0;
}

uint64_t policy_generation(const struct policy *p)
{
    (void)p;
    return fake.generation;
}

struct policy_source policy_rule_source(const struct policy *p, uint32_t rule)
{
    (void)p;
    return (struct policy_source){.line = rule};
}

uint32_t policy_listener(const struct policy *p, const struct ip_addr *local, uint16_t port)
{
    (void)p;
    (void)local;
    (void)port;
    return fake.listener;
}

uint32_t policy_servers(const struct policy *p)
{
    (void)p;
    return 1;
}

struct policy_server policy_server(const struct policy *p, uint32_t server)
{
    (void)p;
    (void)server;
    return fake.server;
}

void policy_limits(const struct policy *p, struct policy_limits *ret)
{
    (void)p;
    *ret = fake.limits;
}

enum policy_connect policy_connect(const struct policy *p, uint32_t server,
                                   const struct ip_addr *client, uint32_t *ret_rule)
{
    (void)p;
    (void)server;
    (void)client;
    *ret_rule = POLICY_NONE;
    return CONNECT_ALLOW;
}

bool policy_trusted(const struct policy *p, uint32_t server, const struct ip_addr *client)
{
    (void)p;
    (void)server;
    (void)client;
    return false;
}

enum policy_bare_newline policy_bare_newline(const struct policy *p, const struct ip_addr *client)
{
    (void)p;
    (void)client;
    return fake.bare;
}

static bool listed(struct span local_part)
{
    return same(local_part, "user") || same(local_part, "alice") || same(local_part, "bob") ||
           same(local_part, "50%off");
}

static enum policy_rcpt judge(struct span local_part, struct span domain)
{
    if (domain.len == 0)
        return same(local_part, "postmaster") ? RCPT_ACCEPT : RCPT_UNKNOWN;
    if (same(domain, "example.org"))
        return listed(local_part) ? RCPT_ACCEPT : RCPT_UNKNOWN;
    if (same(domain, "relay.example"))
        return RCPT_ACCEPT;
    if (same(domain, "xn--bcher-kva.example"))
        return RCPT_ACCEPT;
    if (same(domain, "refuse.example"))
        return RCPT_REFUSED;
    if (same(domain, "noroute.example"))
        return RCPT_NO_ROUTE;
    if (same(domain, "stale.example"))
        return RCPT_STALE;
    return fake.relay ? RCPT_ACCEPT : RCPT_RELAY_DENIED;
}

struct policy_answer policy_rcpt(const struct policy *p, uint32_t server,
                                 const struct policy_who *who, struct span local_part,
                                 struct span domain)
{
    (void)p;
    (void)server;
    (void)who;
    return (struct policy_answer){
        .verdict = judge(local_part, domain), .route = 0, .rule = POLICY_NONE};
}

uint32_t policy_route_of(const struct policy *p, struct span domain)
{
    (void)p;
    (void)domain;
    return 0;
}

uint32_t policy_route_for(const struct policy *p, struct span local_part, struct span domain)
{
    (void)p;
    (void)local_part;
    (void)domain;
    return 0;
}

struct policy_route policy_route(const struct policy *p, uint32_t route)
{
    (void)p;
    (void)route;
    return (struct policy_route){.name = span_str("inside"), .targets = 1};
}

struct span policy_route_target(const struct policy *p, uint32_t route, uint32_t target,
                                uint32_t *ret_weight)
{
    (void)p;
    (void)route;
    (void)target;
    *ret_weight = 1;
    return span_str("smtp://10.25.1.10:25");
}

uint32_t policy_route_by_name(const struct policy *p, struct span name)
{
    (void)p;
    (void)name;
    return 0;
}
