#include "conf_check.h"

#include <stdlib.h>

#include "base_text.h"
#include "conf_arena.h"

#define check_error(error, where, ...) conf_error_add(error, &(where), __VA_ARGS__)

/* A name and where it stands, to find the same one twice among many. */
struct named {
    const char              *name;
    const struct conf_where *where;
    uint32_t                 owner; /* index of what it names */
};

static int named_compare(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order != 0)
        return order;
    return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static const struct named *named_find(const struct named *sorted, size_t count, const char *name)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(sorted[middle].name, name);

        if (order == 0)
            return &sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Sorts; complains of neighbours that are the same. */
static void named_unique(struct named *list, size_t count, const char *what,
                         struct conf_error *error)
{
    qsort(list, count, sizeof(*list), named_compare);
    for (size_t i = 1; i < count; i++)
        if (strcmp(list[i - 1].name, list[i].name) == 0)
            check_error(error, *list[i].where, "%s \"%s\" stands twice, first at %s:%u; rename or "
                                               "remove one", what, list[i].name,
                        list[i - 1].where->file, list[i - 1].where->line);
}

/* Of which port ip is an address; NULL for none. */
static const struct conf_port *port_of(const struct conf *conf, const struct ip_addr *ip)
{
    for (uint32_t p = 0; p < conf->dataplane.ports_count; p++)
        for (uint32_t a = 0; a < conf->dataplane.ports[p].addresses_count; a++)
            if (ip_equal(&conf->dataplane.ports[p].addresses[a].ip, ip))
                return &conf->dataplane.ports[p];
    return NULL;
}

/* Why no host can have this address; NULL if one can. */
static const char *no_host(const struct conf_prefix *a)
{
    if (!ip_is_v4(&a->ip)) {
        static const uint8_t zero[15];
        bool low = memcmp(a->ip.octets, zero, sizeof(zero)) == 0 && a->ip.octets[15] <= 1;

        return a->ip.octets[0] == 0xff ? "a multicast address"
               : low                   ? "the unspecified or the loopback address"
                                       : NULL;
    }

    uint32_t v4 = ip_to_v4(&a->ip);
    uint32_t host = a->bits >= 31 ? 0 : UINT32_MAX >> a->bits; /* RFC 3021: /31 has no broadcast */

    if (v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 28 >= 0xe)
        return "no host's address (RFC 1122 s3.2.1.3)";
    if (host != 0 && (v4 & host) == 0)
        return "the address of the subnet itself";
    if (host != 0 && (v4 & host) == host)
        return "the broadcast address of its subnet";
    return NULL;
}

static void check_port_addresses(const struct conf *conf, uint32_t index, struct conf_error *error)
{
    const struct conf_port *port = &conf->dataplane.ports[index];
    char text[CONF_IP_TEXT_BYTES];

    for (uint32_t a = 0; a < port->addresses_count; a++) {
        const struct conf_prefix *address = &port->addresses[a];
        const char *why = no_host(address);

        if (why != NULL)
            check_error(error, address->where, "%s is %s; give the port an address of its own",
                        conf_ip_text(&address->ip, text), why);
        if (!ip_is_v4(&address->ip) && port->mtu < 1280)
            check_error(error, address->where, "IPv6 needs an mtu of 1280 at least (RFC 8200 s5), "
                                               "this port has %u; raise `mtu`", port->mtu);
        for (uint32_t p = 0; p <= index; p++) {
            const struct conf_port *other = &conf->dataplane.ports[p];
            uint32_t end = p < index ? other->addresses_count : a;

            for (uint32_t b = 0; b < end; b++)
                if (ip_equal(&other->addresses[b].ip, &address->ip))
                    check_error(error, address->where, "%s is an address of a port already, at "
                                                       "%s:%u; remove one",
                                conf_ip_text(&address->ip, text), other->addresses[b].where.file,
                                other->addresses[b].where.line);
        }
    }
}

static void check_gateways(const struct conf *conf, const struct conf_port *port,
                           struct conf_error *error)
{
    bool have[2] = {false, false}, need[2] = {false, false}; /* by is_v4 */
    char text[CONF_IP_TEXT_BYTES];

    for (uint32_t g = 0; g < port->gateways_count; g++) {
        const struct conf_ip *gateway = &port->gateways[g];
        bool near = gateway->ip.octets[0] == 0xfe && (gateway->ip.octets[1] & 0xc0) == 0x80;

        for (uint32_t a = 0; a < port->addresses_count; a++)
            near |= ip_in_prefix(&gateway->ip, &port->addresses[a].ip, port->addresses[a].bits);
        if (!near)
            check_error(error, gateway->where, "gateway %s is on no subnet of this port; write one "
                                               "that `addresses` reaches",
                        conf_ip_text(&gateway->ip, text));
        if (port_of(conf, &gateway->ip) != NULL)
            check_error(error, gateway->where, "gateway %s is an address of our own; write the "
                                               "router's", conf_ip_text(&gateway->ip, text));
        have[ip_is_v4(&gateway->ip)] = true;
    }
    for (uint32_t a = 0; a < port->addresses_count; a++)
        need[ip_is_v4(&port->addresses[a].ip)] = true;
    for (int v4 = 0; v4 < 2; v4++)
        if (port->reply == CONF_REPLY_GATEWAY && need[v4] && !have[v4])
            check_error(error, port->where, "reply: gateway, but there is no %s gateway; add one "
                                            "to `gateways`", v4 ? "IPv4" : "IPv6");
}

static void check_dataplane(const struct conf *conf, struct conf_error *error)
{
    const struct conf_dataplane *d = &conf->dataplane;

    for (uint32_t p = 0; p < d->ports_count; p++) {
        check_port_addresses(conf, p, error);
        check_gateways(conf, &d->ports[p], error);
        for (uint32_t q = 0; q < p; q++)
            if (strcmp(d->ports[p].device.text, d->ports[q].device.text) == 0)
                check_error(error, d->ports[p].device.where, "device %s is a port already, at "
                                                             "%s:%u; remove one",
                            d->ports[p].device.text, d->ports[q].device.where.file,
                            d->ports[q].device.where.line);
    }
    if (d->shared_config && d->hugepages == CONF_HUGE_OFF)
        check_error(error, d->shared_config_where, "shared_config needs huge pages, and "
                                                   "`hugepages` is off; change one of them");
}

static void check_listen(const struct conf *conf, uint32_t server, uint32_t index,
                         struct conf_error *error)
{
    const struct conf_listen *l = &conf->servers[server].listen[index];
    char text[CONF_IP_TEXT_BYTES];

    conf_ip_text(&l->ip, text);
    if (port_of(conf, &l->ip) == NULL)
        check_error(error, l->where, "listener %s is on no port; add the address to "
                                     "`dataplane.ports[].addresses` or listen on one of those",
                    text);
    for (uint32_t s = 0; s <= server; s++) {
        const struct conf_server *other = &conf->servers[s];
        uint32_t end = s < server ? other->listen_count : index;

        for (uint32_t i = 0; i < end; i++)
            if (other->listen[i].port == l->port && ip_equal(&other->listen[i].ip, &l->ip))
                check_error(error, l->where, "listener %s port %u overlaps the one of \"%s\" at "
                                             "%s:%u; remove one", text, l->port, other->name.text,
                            other->listen[i].where.file, other->listen[i].where.line);
    }
}

static void check_relay_rules(const struct conf *conf, const struct conf_relay *relay,
                              struct conf_error *error)
{
    char text[CONF_IP_TEXT_BYTES];

    for (uint32_t i = 0; i < relay->rules_count; i++) {
        struct conf_relay_rule *rule = &relay->rules[i];
        bool match = rule->match.where.line != 0, local = rule->local.where.line != 0;

        if (match == local) {
            check_error(error, rule->where, "a relay rule needs `match` (a client) or `local` (our "
                                            "address), one of the two; %s",
                        match ? "remove one" : "add one");
            continue;
        }
        rule->kind = local ? CONF_RELAY_LOCAL : CONF_RELAY_CLIENT;
        if (!local)
            continue;
        rule->match = rule->local;
        if (!rule->allow)
            check_error(error, rule->where, "a `local` relay rule can only allow; write "
                                            "action: allow or remove the rule");
        if (port_of(conf, &rule->local.ip) == NULL)
            check_error(error, rule->local.where, "%s is no address of ours; write one of "
                                                  "`dataplane.ports[].addresses`",
                        conf_ip_text(&rule->local.ip, text));
    }
}

static void check_servers(const struct conf *conf, struct conf_error *error)
{
    struct named names[CONF_SERVERS_MAX];

    for (uint32_t s = 0; s < conf->servers_count; s++) {
        const struct conf_server *server = &conf->servers[s];

        names[s] = (struct named){server->name.text, &server->name.where, s};
        for (uint32_t i = 0; i < server->listen_count; i++)
            check_listen(conf, s, i, error);
        check_relay_rules(conf, &server->relay, error);
    }
    named_unique(names, conf->servers_count, "virtual server", error);
}

/* What a type of domain must and must not say. */
static void check_domain(const struct conf_domain *d, struct conf_error *error)
{
    static const struct {
        const char *name;
        bool        recipients, route, rest;
    } types[] = {
        [CONF_AUTHORITATIVE] = {"authoritative", true, true, false},
        [CONF_INTERNAL_RELAY] = {"internal-relay", true, true, true},
        [CONF_EXTERNAL_RELAY] = {"external-relay", false, true, false},
        [CONF_DOMAIN_REFUSE] = {"refuse", false, false, false},
    };
    const struct {
        const char             *key;
        const struct conf_text *value;
        bool                    wanted;
    } keys[] = {
        {"recipients", &d->recipients_file, types[d->type].recipients},
        {"route", &d->route_name, types[d->type].route},
        {"rest", &d->rest_name, types[d->type].rest},
    };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        bool given = keys[i].value->text[0] != '\0';

        if (keys[i].wanted && !given)
            check_error(error, d->where, "domain \"%s\" of type %s has no `%s`; add it",
                        d->name.text, types[d->type].name, keys[i].key);
        if (!keys[i].wanted && given)
            check_error(error, keys[i].value->where, "domain \"%s\" of type %s has no use for "
                                                     "`%s`; remove it", d->name.text,
                        types[d->type].name, keys[i].key);
    }
}

static uint32_t resolve_route(const struct named *routes, size_t count,
                              const struct conf_text *name, struct conf_error *error)
{
    const struct named *found;

    if (name->text[0] == '\0')
        return CONF_NONE;
    found = named_find(routes, count, name->text);
    if (found == NULL)
        check_error(error, name->where, "there is no route \"%s\"; add it to `routes` or name one "
                                        "of those", name->text);
    return found != NULL ? found->owner : CONF_NONE;
}

/* routes[].domains: each once, and none of ours. */
static void check_route_domains(struct conf *conf, const struct named *domains,
                                struct conf_error *error)
{
    size_t count = 0, n = 0;
    struct named *all;

    for (uint32_t i = 0; i < conf->routes_count; i++)
        count += conf->routes[i].domains_count;
    all = conf_arena_take(conf->arena, count, sizeof(*all));
    if (all == NULL) {
        conf_error_add(error, NULL, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < conf->routes_count; i++)
        for (uint32_t d = 0; d < conf->routes[i].domains_count; d++) {
            const struct conf_route_domain *domain = &conf->routes[i].domains[d];

            if (named_find(domains, conf->domains_count, domain->name) != NULL)
                check_error(error, domain->where, "%s is one of `domains`, and its route is said "
                                                  "there; remove it here", domain->name);
            all[n] = (struct named){domain->name, &domain->where, (uint32_t)n};
            n++;
        }
    named_unique(all, count, "domain of a route", error);
}

static void check_mail(struct conf *conf, struct conf_error *error)
{
    struct named *routes = conf_arena_take(conf->arena, conf->routes_count, sizeof(*routes));
    struct named *domains = conf_arena_take(conf->arena, conf->domains_count, sizeof(*domains));

    if (routes == NULL || domains == NULL) {
        conf_error_add(error, NULL, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < conf->routes_count; i++)
        routes[i] = (struct named){conf->routes[i].name.text, &conf->routes[i].name.where, i};
    named_unique(routes, conf->routes_count, "route", error);
    for (uint32_t i = 0; i < conf->domains_count; i++) {
        struct conf_domain *d = &conf->domains[i];

        check_domain(d, error);
        d->route = resolve_route(routes, conf->routes_count, &d->route_name, error);
        d->rest = resolve_route(routes, conf->routes_count, &d->rest_name, error);
        domains[i] = (struct named){d->name.text, &d->name.where, i};
    }
    named_unique(domains, conf->domains_count, "domain", error);
    check_route_domains(conf, domains, error);
    conf->bounces.route =
        resolve_route(routes, conf->routes_count, &conf->bounces.route_name, error);
}

static void check_times(const struct conf *conf, struct conf_error *error)
{
    const struct conf_queue *q = &conf->queue;

    if (q->retry_first_us > q->retry_maximum_us)
        check_error(error, q->retry_where, "`queue.retry`: first is longer than maximum; lower "
                                           "first or raise maximum");
    if (q->expire_us < q->retry_first_us)
        check_error(error, q->where, "`queue.expire` is over before the first retry; raise it");
    if (q->limit_bytes < conf->limits.message_bytes * 2)
        check_error(error, q->where, "`queue.limit.bytes` has no room for two messages of "
                                     "`limits.message_size`; raise it");
}

/* Texts that nobody wrote are empty, not NULL. */
static void fill_texts(struct conf *conf)
{
    if (conf->admin_listen.text == NULL)
        conf->admin_listen.text = "";
    for (uint32_t i = 0; i < conf->domains_count; i++) {
        struct conf_text *texts[] = {&conf->domains[i].recipients_file,
                                     &conf->domains[i].route_name, &conf->domains[i].rest_name};

        for (size_t t = 0; t < ARRAY_LEN(texts); t++)
            if (texts[t]->text == NULL)
                texts[t]->text = "";
    }
}

void conf_check(struct conf *conf, struct conf_error *error)
{
    fill_texts(conf);
    check_dataplane(conf, error);
    check_servers(conf, error);
    check_mail(conf, error);
    check_times(conf, error);
}
