/* policy_decide.c - who may connect, who may relay, who exists: the order of precedence of
 * requirements.md over the searches of policy_find.c. */
#include "base_text.h"
#include "policy_find.h"
#include "policy_hash.h"

static const struct image_server *server_at(const struct policy *p, uint32_t server)
{
    const struct image_server *servers = image_at(p, SECTION_SERVERS);

    return server < image_count(p, SECTION_SERVERS) ? &servers[server] : NULL;
}

enum policy_connect policy_connect(const struct policy *p, uint32_t server,
                                   const struct ip_addr *client, uint32_t *ret_rule)
{
    const struct image_server *s = server_at(p, server);
    uint32_t value;

    *ret_rule = POLICY_NONE;
    if (s == NULL) /* a server that this image does not have */
        return CONNECT_REFUSE;
    value = policy_find_prefix(p, s->connect_table, client);
    if (value == IMAGE_NO_VALUE)
        return (enum policy_connect)s->connect_default;
    *ret_rule = value & IMAGE_RULE_MASK;
    return (enum policy_connect)(value >> IMAGE_ACTION_SHIFT);
}

bool policy_trusted(const struct policy *p, uint32_t server, const struct ip_addr *client)
{
    const struct image_server *s = server_at(p, server);

    return s != NULL && policy_find_prefix(p, s->trusted_table, client) != IMAGE_NO_VALUE;
}

enum policy_bare_newline policy_bare_newline(const struct policy *p, const struct ip_addr *client)
{
    const struct image_header *h = image_header(p);
    uint32_t value = policy_find_prefix(p, h->bare_table, client);

    return (enum policy_bare_newline)(value == IMAGE_NO_VALUE ? h->bare_default
                                                              : value >> IMAGE_ACTION_SHIFT);
}

static bool is_postmaster(struct span local_part)
{
    static const char name[] = "postmaster";

    if (local_part.len != sizeof(name) - 1)
        return false;
    for (size_t i = 0; i < local_part.len; i++)
        if (policy_lower(local_part.ptr[i]) != (uint8_t)name[i])
            return false;
    return true;
}

/* "[10.25.0.25]" or "[IPv6:fd25::25]" (RFC 5321 s4.1.3) with an address of this machine. */
static bool is_own_literal(const struct policy *p, struct span domain)
{
    static const char tag[] = "ipv6:";
    struct span inside;
    struct ip_addr ip;
    size_t same = 0;
    bool tagged;

    if (domain.len < 3 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']')
        return false;
    inside = span_of(domain.ptr + 1, domain.len - 2);
    while (same < sizeof(tag) - 1 && same < inside.len &&
           policy_lower(inside.ptr[same]) == (uint8_t)tag[same])
        same++;
    tagged = same == sizeof(tag) - 1;
    if (tagged)
        inside = span_skip(inside, same);
    if (inside.len == 0 || tagged != (memchr(inside.ptr, ':', inside.len) != NULL) ||
        text_parse_ip(inside, &ip) != 0)
        return false;
    return policy_find_own(p, &ip);
}

/* A recipient that no virtual server, client or domain entry can refuse (RFC 5321 s4.5.1). */
static bool is_our_postmaster(const struct policy *p, struct span local_part, struct span domain)
{
    return (domain.len == 0 || domain.ptr[0] == '[') && is_postmaster(local_part) &&
           (domain.len == 0 || is_own_literal(p, domain));
}

static const struct image_domain *our_domain(const struct policy *p, struct span domain)
{
    /* An address literal names a host, never one of our domains. */
    return domain.len == 0 || domain.ptr[0] == '[' ? NULL : policy_find_domain(p, true, domain);
}

static struct policy_answer answer(enum policy_rcpt verdict, uint32_t route, uint32_t rule)
{
    return (struct policy_answer){.verdict = verdict, .route = route, .rule = rule};
}

/* user%other.example@here, other!user, "user@other"@here: some server behind might take them
 * for a way on (the percent hack and its kin), so an unauthenticated client cannot use them. */
static bool is_relay_trick(struct span local_part)
{
    for (size_t i = 0; i < local_part.len; i++)
        if (local_part.ptr[i] == '%' || local_part.ptr[i] == '!' || local_part.ptr[i] == '@')
            return true;
    return false;
}

static struct policy_answer our_recipient(const struct policy *p, const struct image_domain *d,
                                          bool authenticated, struct span local_part,
                                          struct span domain)
{
    if (d->type == DOMAIN_REFUSE)
        return answer(RCPT_REFUSED, POLICY_NONE, d->rule);
    if (is_postmaster(local_part) || policy_find_recipient(p, d, local_part, domain))
        return answer(RCPT_ACCEPT, d->route, d->rule);
    if (!authenticated && is_relay_trick(local_part))
        return answer(RCPT_RELAY_DENIED, POLICY_NONE, d->rule);
    if (d->type == DOMAIN_EXTERNAL_RELAY)
        return answer(RCPT_ACCEPT, d->route, d->rule);
    if (d->type == DOMAIN_INTERNAL_RELAY)
        return answer(RCPT_ACCEPT, d->rest, d->rule);
    return answer(RCPT_UNKNOWN, POLICY_NONE, d->rule);
}

/* The precedence of a relay question; *ret_rule says which rule decided. */
static bool may_relay(const struct policy *p, const struct image_server *s,
                      const struct policy_who *who, uint32_t *ret_rule)
{
    uint32_t value = policy_find_prefix(p, s->relay_deny_table, &who->client);

    *ret_rule = POLICY_NONE;
    if (value != IMAGE_NO_VALUE) { /* 1 */
        *ret_rule = value & IMAGE_RULE_MASK;
        return false;
    }
    if (who->authenticated && s->relay_authenticated) /* 2; 3, certificates, comes with TLS */
        return true;
    if (policy_find_local(p, s, &who->local, ret_rule)) /* 4 */
        return true;
    value = policy_find_prefix(p, s->relay_table, &who->client); /* 5; 6 comes with DNS */
    if (value != IMAGE_NO_VALUE) {
        *ret_rule = value & IMAGE_RULE_MASK;
        return value >> IMAGE_ACTION_SHIFT == RELAY_ALLOW;
    }
    return s->relay_default == RELAY_ALLOW; /* 7 */
}

/* Of mail that is not for us: routes[].domains, the longest that matches, or the default. */
static uint32_t relay_route(const struct policy *p, struct span domain)
{
    const struct image_domain *d = NULL;

    if (domain.len > 0 && domain.ptr[0] != '[')
        d = policy_find_domain(p, false, domain);
    return d != NULL ? d->route : image_header(p)->default_route;
}

struct policy_answer policy_rcpt(const struct policy *p, uint32_t server,
                                 const struct policy_who *who, struct span local_part,
                                 struct span domain)
{
    const struct image_header *h = image_header(p);
    const struct image_server *s = server_at(p, server);
    const struct image_domain *d;
    uint32_t rule = POLICY_NONE, route;

    if (h->postmaster_route != POLICY_NONE && is_our_postmaster(p, local_part, domain))
        return answer(RCPT_ACCEPT, h->postmaster_route, h->postmaster_rule);
    if (domain.len == 0)
        return answer(RCPT_UNKNOWN, POLICY_NONE, POLICY_NONE);
    d = our_domain(p, domain);
    if (d != NULL)
        return our_recipient(p, d, who->authenticated, local_part, domain);
    if (s == NULL || !may_relay(p, s, who, &rule))
        return answer(RCPT_RELAY_DENIED, POLICY_NONE, rule);
    if (!who->authenticated && is_relay_trick(local_part))
        return answer(RCPT_RELAY_DENIED, POLICY_NONE, POLICY_NONE);
    route = relay_route(p, domain);
    return answer(route == POLICY_NONE ? RCPT_NO_ROUTE : RCPT_ACCEPT, route, rule);
}

uint32_t policy_route_for(const struct policy *p, struct span local_part, struct span domain)
{
    const struct image_domain *d = our_domain(p, domain);

    if (d == NULL)
        return policy_route_of(p, domain);
    if (d->type == DOMAIN_INTERNAL_RELAY && !is_postmaster(local_part) &&
        !policy_find_recipient(p, d, local_part, domain))
        return d->rest;
    return d->route;
}

uint32_t policy_route_of(const struct policy *p, struct span domain)
{
    const struct image_domain *d;

    if (domain.len == 0 || is_own_literal(p, domain))
        return image_header(p)->postmaster_route;
    d = our_domain(p, domain);
    return d != NULL ? d->route : relay_route(p, domain);
}
