/* compile.c - configuration in, policy image out. */
#include "compile.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "compile_domains.h"
#include "compile_relay.h"

_Static_assert((int)CONNECT_ALLOW == (int)CONF_ALLOW && (int)CONNECT_DROP == (int)CONF_DROP &&
                   (int)CONNECT_RESET == (int)CONF_RESET &&
                   (int)CONNECT_REFUSE == (int)CONF_REFUSE &&
                   (int)CONNECT_TARPIT == (int)CONF_TARPIT,
               "one order of connection actions");
_Static_assert((int)BARE_REFUSE == (int)CONF_BARE_REFUSE &&
                   (int)BARE_NORMALIZE == (int)CONF_BARE_NORMALIZE &&
                   (int)BARE_NOTE == (int)CONF_BARE_NOTE,
               "one order of bare-newline actions");
_Static_assert((int)EARLY_REFUSE == (int)CONF_EARLY_REFUSE &&
                   (int)EARLY_NOTE == (int)CONF_EARLY_NOTE,
               "one order of early-talker actions");

/* Ranks at equal length: what denies comes first. */
enum { RANK_DENY, RANK_ALLOW };

/* Cuts the gathered prefixes into *ret; there is nothing in *ret to look at where it failed. */
static bool cut(struct build *b, struct ranges *ret, struct prefixes *p)
{
    bool done = ranges_cut(ret, p);

    prefixes_done(p);
    b->no_memory |= !done;
    return done;
}

static uint32_t table_of(struct build *b, enum image_table_kind kind, struct prefixes *p)
{
    struct ranges ranges;
    uint32_t table = 0;

    if (cut(b, &ranges, p))
        table = build_table(b, kind, &ranges.v4, &ranges.v6);
    ranges_done(&ranges);
    return table;
}

static uint32_t connect_table(struct build *b, const struct conf_server *server)
{
    struct prefixes p;

    prefixes_init(&p);
    for (uint32_t i = 0; i < server->connect_rules_count; i++) {
        const struct conf_connect_rule *rule = &server->connect_rules[i];

        prefixes_add(&p, &rule->match,
                     image_value((uint32_t)rule->action, build_rule(b, &rule->where)),
                     rule->action == CONF_ALLOW ? RANK_ALLOW : RANK_DENY);
    }
    return table_of(b, TABLE_CONNECT, &p);
}

/* Prefixes that are listed or not. */
static void mark_all(struct build *b, struct prefixes *p, const struct conf_prefix *list,
                     uint32_t n)
{
    prefixes_init(p);
    for (uint32_t i = 0; i < n; i++)
        prefixes_add(p, &list[i], image_value(0, build_rule(b, &list[i].where)), 0);
}

static int by_address(const void *va, const void *vb)
{
    const struct image_local *a = va, *b = vb;
    int order = memcmp(&a->ip, &b->ip, sizeof(a->ip));

    if (order != 0)
        return order;
    return a->rule < b->rule ? -1 : a->rule > b->rule;
}

/* The local addresses whose clients may relay, sorted, the first rule of each. */
static void add_locals(struct build *b, struct image_server *s, const struct conf_relay *relay,
                       uint32_t first_rule)
{
    struct array *section = &b->section[SECTION_LOCALS];
    struct image_local *locals;
    uint32_t n = 0, kept = 0;

    s->locals_first = build_count(b, SECTION_LOCALS);
    for (uint32_t i = 0; i < relay->rules_count; i++) {
        struct image_local *local;

        if (relay->rules[i].kind != CONF_RELAY_LOCAL)
            continue;
        local = build_add(b, SECTION_LOCALS, 1);
        if (local == NULL)
            return;
        *local = (struct image_local){relay->rules[i].match.ip, first_rule + i};
        n++;
    }
    if (n == 0) /* the section may have no memory yet */
        return;
    locals = (struct image_local *)(void *)section->ptr + s->locals_first;
    if (n > 1)
        qsort(locals, n, sizeof(*locals), by_address);
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || !ip_equal(&locals[kept - 1].ip, &locals[i].ip))
            locals[kept++] = locals[i];
    section->count = s->locals_first + kept;
    s->locals_count = kept;
}

static void compile_relay(struct build *b, struct image_server *s, const struct conf_server *server,
                          struct relay_judge *judge)
{
    const struct conf_relay *relay = &server->relay;
    uint32_t first_rule = build_count(b, SECTION_RULES);
    struct ranges table, deny;
    struct prefixes p;

    prefixes_init(&p);
    for (uint32_t i = 0; i < relay->rules_count; i++) {
        const struct conf_relay_rule *rule = &relay->rules[i];
        uint32_t number = build_rule(b, &rule->where);

        if (rule->kind == CONF_RELAY_CLIENT)
            prefixes_add(&p, &rule->match,
                         image_value(rule->allow ? RELAY_ALLOW : RELAY_DENY, number),
                         rule->allow ? RANK_ALLOW : RANK_DENY);
    }
    cut(b, &table, &p);
    mark_all(b, &p, relay->deny, relay->deny_count);
    cut(b, &deny, &p);
    if (!b->no_memory && !b->too_large) {
        s->relay_table = build_table(b, TABLE_RELAY, &table.v4, &table.v6);
        s->relay_deny_table = build_table(b, TABLE_MARK, &deny.v4, &deny.v6);
        add_locals(b, s, relay, first_rule);
        relay_judge_server(judge, b, server, &table, &deny, first_rule);
    }
    ranges_done(&table);
    ranges_done(&deny);
    s->relay_default = relay->default_allow ? RELAY_ALLOW : RELAY_DENY;
    s->relay_authenticated = relay->authenticated;
}

static void compile_server(struct build *b, const struct conf_server *server,
                           struct relay_judge *judge)
{
    uint32_t number = build_count(b, SECTION_SERVERS);
    struct image_server s = {.greeting_wait_us = server->greeting_wait_us,
                             .early = (uint32_t)server->greeting_early,
                             .connect_default = (uint32_t)server->connect_default};
    struct image_server *at = build_add(b, SECTION_SERVERS, 1);
    struct prefixes p;

    s.name = build_text(b, server->name.text);
    s.hostname = build_text(b, server->hostname.text);
    s.connect_table = connect_table(b, server);
    mark_all(b, &p, server->trusted, server->trusted_count);
    s.trusted_table = table_of(b, TABLE_MARK, &p);
    compile_relay(b, &s, server, judge);
    if (at != NULL)
        *at = s;
    for (uint32_t i = 0; i < server->listen_count; i++) {
        struct image_listener *l = build_add(b, SECTION_LISTENERS, 1);

        if (l != NULL)
            *l = (struct image_listener){server->listen[i].ip, server->listen[i].port, number};
    }
}

static int by_endpoint(const void *va, const void *vb)
{
    const struct image_listener *a = va, *b = vb;
    int order = memcmp(&a->ip, &b->ip, sizeof(a->ip));

    return order != 0 ? order : (int)a->port - (int)b->port;
}

static int by_octets(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ip_addr));
}

static void sort_listeners(struct build *b)
{
    struct array *a = &b->section[SECTION_LISTENERS];
    struct image_listener *l = (struct image_listener *)(void *)a->ptr;

    if (a->count > 1)
        qsort(l, a->count, sizeof(*l), by_endpoint);
    for (size_t i = 1; i < a->count; i++) {
        if (by_endpoint(&l[i - 1], &l[i]) == 0) {
            const struct conf_server *second = &b->conf->servers[l[i].server];

            conf_error_add(b->error, &second->where,
                           "virtual servers %s and %s listen on the same address and port %u; "
                           "give each its own",
                           b->conf->servers[l[i - 1].server].name.text, second->name.text,
                           l[i].port);
        }
    }
}

/* The addresses of this edge: those of its ports and those it listens on. */
static void compile_addresses(struct build *b)
{
    struct array *a = &b->section[SECTION_ADDRESSES];
    struct ip_addr *own;
    size_t kept = 0;

    for (uint32_t i = 0; i < b->conf->dataplane.ports_count; i++)
        for (uint32_t k = 0; k < b->conf->dataplane.ports[i].addresses_count; k++) {
            own = build_add(b, SECTION_ADDRESSES, 1);
            if (own != NULL)
                *own = b->conf->dataplane.ports[i].addresses[k].ip;
        }
    for (uint32_t i = 0; i < build_count(b, SECTION_LISTENERS); i++) {
        own = build_add(b, SECTION_ADDRESSES, 1);
        if (own != NULL)
            *own = ((struct image_listener *)(void *)b->section[SECTION_LISTENERS].ptr)[i].ip;
    }
    own = (struct ip_addr *)(void *)a->ptr;
    if (a->count > 1)
        qsort(own, a->count, sizeof(*own), by_octets);
    for (size_t i = 0; i < a->count; i++)
        if (kept == 0 || !ip_equal(&own[kept - 1], &own[i]))
            own[kept++] = own[i];
    a->count = kept;
}

static void compile_limits(struct build *b)
{
    const struct conf_limits *limits = &b->conf->limits;
    const struct conf_bare_newline *bare = &b->conf->bare_newline;
    struct image_header *h = &b->header;
    struct prefixes p;

    h->message_bytes = limits->message_bytes;
    h->recipients = limits->recipients;
    h->connections_per_client = limits->connections_per_client;
    h->bad_commands = limits->bad_commands;
    h->received_hops = limits->hops;
    h->session_us = limits->session_us;
    h->command_us = limits->command_us;
    h->data_us = limits->data_us;
    h->bare_default = (uint32_t)bare->by_default;
    prefixes_init(&p);
    for (uint32_t i = 0; i < bare->rules_count; i++)
        prefixes_add(
            &p, &bare->rules[i].match,
            image_value((uint32_t)bare->rules[i].action, build_rule(b, &bare->rules[i].where)),
            (uint8_t)bare->rules[i].action); /* the strictest first */
    h->bare_table = table_of(b, TABLE_BARE, &p);
}

static void compile_all(struct build *b)
{
    struct relay_judge judge;

    relay_judge_init(&judge);
    for (uint32_t i = 0; i < b->conf->servers_count; i++)
        compile_server(b, &b->conf->servers[i], &judge);
    if (!b->no_memory && !b->too_large && b->conf->servers_count > 0)
        relay_judge_all(&judge, b);
    relay_judge_done(&judge);
    sort_listeners(b);
    compile_addresses(b);
    compile_limits(b);
    compile_routes(b);
    compile_domains(b);
}

int compile_policy(const struct conf *conf, const struct conf_opener *opener, uint64_t generation,
                   struct compile_result *ret, struct conf_error *ret_error)
{
    struct build b;
    int rc = 0;

    ret_error->count = 0;
    ret_error->more = false;
    build_init(&b, conf, opener, generation, ret_error);
    if (getrandom(b.header.key, sizeof(b.header.key), 0) != (ssize_t)sizeof(b.header.key))
        rc = -EIO;
    if (rc == 0)
        compile_all(&b);
    if (rc == 0 && b.no_memory)
        rc = -ENOMEM;
    if (rc == 0 && ret_error->count > 0)
        rc = -EINVAL;
    if (rc == 0 && b.too_large) {
        conf_error_add(ret_error, NULL,
                       "the policy is too large for an image; use fewer rules, "
                       "names or recipients");
        rc = -EINVAL;
    }
    if (rc == 0)
        rc = build_image(&b, ret);
    build_done(&b);
    if (rc != 0 && ret_error->count == 0)
        conf_error_add(ret_error, NULL, "cannot compile the policy: %s", strerror(-rc));
    return rc;
}
