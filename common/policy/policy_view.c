/* policy_view.c - what stands in the policy image, handed out. */
#include "policy_find.h"

uint64_t policy_generation(const struct policy *p)
{
    return image_header(p)->generation;
}

struct policy_source policy_rule_source(const struct policy *p, uint32_t rule)
{
    const struct image_rule *rules = image_at(p, SECTION_RULES);

    if (rule >= image_count(p, SECTION_RULES))
        return (struct policy_source){.file = span_of(NULL, 0)};
    return (struct policy_source){.file = image_text(p, rules[rule].file),
                                  .line = rules[rule].line,
                                  .column = rules[rule].column};
}

uint32_t policy_servers(const struct policy *p)
{
    return image_count(p, SECTION_SERVERS);
}

struct policy_server policy_server(const struct policy *p, uint32_t server)
{
    const struct image_server *s = image_at(p, SECTION_SERVERS);

    if (server >= image_count(p, SECTION_SERVERS))
        return (struct policy_server){.name = span_of(NULL, 0)};
    s += server;
    return (struct policy_server){.name = image_text(p, s->name),
                                  .hostname = image_text(p, s->hostname),
                                  .greeting_wait_us = s->greeting_wait_us,
                                  .early = (enum policy_early)s->early};
}

void policy_limits(const struct policy *p, struct policy_limits *ret)
{
    const struct image_header *h = image_header(p);

    *ret = (struct policy_limits){.message_bytes = h->message_bytes,
                                  .recipients = h->recipients,
                                  .connections_per_client = h->connections_per_client,
                                  .bad_commands = h->bad_commands,
                                  .received_hops = h->received_hops,
                                  .session_us = h->session_us,
                                  .command_us = h->command_us,
                                  .data_us = h->data_us};
}

struct policy_route policy_route(const struct policy *p, uint32_t route)
{
    const struct image_route *r = image_at(p, SECTION_ROUTES);

    if (route >= image_count(p, SECTION_ROUTES))
        return (struct policy_route){.name = span_of(NULL, 0)};
    r += route;
    return (struct policy_route){.name = image_text(p, r->name), .targets = r->targets_count};
}

struct span policy_route_target(const struct policy *p, uint32_t route, uint32_t target,
                                uint32_t *ret_weight)
{
    const struct image_route *r = image_at(p, SECTION_ROUTES);
    const struct image_target *t = image_at(p, SECTION_TARGETS);

    if (route >= image_count(p, SECTION_ROUTES) || target >= r[route].targets_count)
        return span_of(NULL, 0);
    r += route;
    t += r->targets_first + target;
    *ret_weight = t->weight;
    return image_text(p, t->url);
}

uint32_t policy_route_by_name(const struct policy *p, struct span name)
{
    const struct image_route *routes = image_at(p, SECTION_ROUTES);

    for (uint32_t i = 0; i < image_count(p, SECTION_ROUTES); i++)
        if (span_equal(image_text(p, routes[i].name), name))
            return i;
    return POLICY_NONE;
}
