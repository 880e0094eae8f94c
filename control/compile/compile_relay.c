/* compile_relay.c - public address space that may relay without authentication, summed. */
#include "compile_relay.h"

#include <stdlib.h>

#define V4_GRANT_MAX ((address)1 << (32 - 16))
#define V6_GRANT_MAX ((address)1 << (128 - 32))

/* Space from which nobody on the Internet can come (IANA special-purpose address registries;
 * multicast).  What is merely unassigned today counts as public. */
/* clang-format off */
static const struct {
    const char *prefix, *rfc;
} reserved[] = {
    {"0.0.0.0/8",       "RFC 791 s3.2: this network"     },
    {"10.0.0.0/8",      "RFC 1918: private use"          },
    {"100.64.0.0/10",   "RFC 6598: shared address space" },
    {"127.0.0.0/8",     "RFC 1122 s3.2.1.3: loopback"    },
    {"169.254.0.0/16",  "RFC 3927: link local"           },
    {"172.16.0.0/12",   "RFC 1918: private use"          },
    {"192.0.0.0/24",    "RFC 6890 s2.1: IETF protocols"  },
    {"192.0.2.0/24",    "RFC 5737: documentation"        },
    {"192.168.0.0/16",  "RFC 1918: private use"          },
    {"198.18.0.0/15",   "RFC 2544: benchmarking"         },
    {"198.51.100.0/24", "RFC 5737: documentation"        },
    {"203.0.113.0/24",  "RFC 5737: documentation"        },
    {"224.0.0.0/4",     "RFC 1112: multicast"            },
    {"240.0.0.0/4",     "RFC 1112 s4: reserved"          },
    {"::/128",          "RFC 4291 s2.5.2: unspecified"   },
    {"::1/128",         "RFC 4291 s2.5.3: loopback"      },
    {"64:ff9b:1::/48",  "RFC 8215: local translation"    },
    {"100::/64",        "RFC 6666: discard only"         },
    {"2001:2::/48",     "RFC 5180: benchmarking"         },
    {"2001:db8::/32",   "RFC 3849: documentation"        },
    {"3fff::/20",       "RFC 9637: documentation"        },
    {"5f00::/16",       "RFC 9602: SRv6 SIDs"            },
    {"fc00::/7",        "RFC 4193: unique local"         },
    {"fe80::/10",       "RFC 4291 s2.5.6: link local"    },
    {"fec0::/10",       "RFC 3879: site local"           },
    {"ff00::/8",        "RFC 4291 s2.7: multicast"       },
};
/* clang-format on */

struct origin {
    const struct conf_where *where;
    const char *what; /* in a message */
    bool accepted;
    address sum[2];
};

struct grant {
    address first, last;
    size_t origin;
};

void relay_judge_init(struct relay_judge *judge)
{
    struct prefixes p;

    prefixes_init(&p);
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        struct conf_prefix prefix = {.bits = 0};

        if (conf_parse_prefix(reserved[i].prefix, &prefix.ip, &prefix.bits) == 0)
            prefixes_add(&p, &prefix, 0, 0);
    }
    /* Memory that runs out here leaves no last range, which relay_judge_server() sees. */
    ranges_cut(&judge->reserved, &p);
    prefixes_done(&p);
    array_init(&judge->grants[0], sizeof(struct grant));
    array_init(&judge->grants[1], sizeof(struct grant));
    array_init(&judge->origins, sizeof(struct origin));
}

void relay_judge_done(struct relay_judge *judge)
{
    ranges_done(&judge->reserved);
    array_done(&judge->grants[0]);
    array_done(&judge->grants[1]);
    array_done(&judge->origins);
}

static const struct range *ranges_in(const struct array *a)
{
    return (const struct range *)(const void *)a->ptr;
}

static struct origin *origins_in(struct relay_judge *judge)
{
    return (struct origin *)(void *)judge->origins.ptr;
}

/* Which of this server's origins a value of its relay table is a grant of; -1: of none. */
struct server_origins {
    size_t first, fallback; /* of rule first_rule; of default: allow */
    uint32_t first_rule;
    bool default_allow;
};

static ptrdiff_t origin_of(const struct server_origins *o, uint32_t value)
{
    if (value == IMAGE_NO_VALUE)
        return o->default_allow ? (ptrdiff_t)o->fallback : -1;
    if (value >> IMAGE_ACTION_SHIFT != RELAY_ALLOW)
        return -1;
    return (ptrdiff_t)(o->first + (value & IMAGE_RULE_MASK) - o->first_rule);
}

/* Walks three cuts of one family side by side. */
static void gather(struct relay_judge *judge, unsigned family, const struct server_origins *o,
                   const struct range *table, const struct range *deny, const struct range *space)
{
    address end = family == 0 ? V4_LAST : V6_LAST, first = 0;

    for (;;) {
        address last = table->last;
        ptrdiff_t origin = origin_of(o, table->value);
        struct grant *grant;

        if (deny->last < last)
            last = deny->last;
        if (space->last < last)
            last = space->last;
        if (origin >= 0 && !origins_in(judge)[origin].accepted && deny->value == IMAGE_NO_VALUE &&
            space->value == IMAGE_NO_VALUE) {
            grant = array_add(&judge->grants[family], 1);
            if (grant == NULL)
                return;
            *grant = (struct grant){first, last, (size_t)origin};
            origins_in(judge)[origin].sum[family] += last - first + 1;
        }
        if (last == end)
            return;
        first = last + 1;
        table += table->last == last;
        deny += deny->last == last;
        space += space->last == last;
    }
}

static bool is_own(const struct conf *conf, const struct ip_addr *ip)
{
    for (uint32_t i = 0; i < conf->dataplane.ports_count; i++)
        for (uint32_t k = 0; k < conf->dataplane.ports[i].addresses_count; k++)
            if (ip_equal(&conf->dataplane.ports[i].addresses[k].ip, ip))
                return true;
    return false;
}

static void judge_own_address(struct build *b, const struct conf_relay_rule *rule)
{
    char text[CONF_IP_TEXT_BYTES];

    if (rule->kind != CONF_RELAY_CLIENT || !rule->allow || rule->i_accept_open_relay ||
        rule->match.bits != (ip_is_v4(&rule->match.ip) ? 32 : 128) ||
        !is_own(b->conf, &rule->match.ip))
        return;
    conf_error_add(b->error, &rule->where,
                   "%s is an address of this edge itself, and what comes from it may come from "
                   "anyone; list the clients' own addresses, or set i_accept_open_relay: true on "
                   "this rule",
                   conf_ip_text(&rule->match.ip, text));
}

void relay_judge_server(struct relay_judge *judge, struct build *b,
                        const struct conf_server *server, const struct ranges *table,
                        const struct ranges *deny, uint32_t first_rule)
{
    const struct conf_relay *relay = &server->relay;
    struct server_origins o = {judge->origins.count, judge->origins.count + relay->rules_count,
                               first_rule, relay->default_allow};
    struct origin *origin = array_add(&judge->origins, (size_t)relay->rules_count + 1);

    if (origin == NULL || judge->reserved.v4.no_memory || judge->reserved.v6.no_memory) {
        b->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < relay->rules_count; i++) {
        origin[i] = (struct origin){.where = &relay->rules[i].where,
                                    .what = relay->rules[i].kind == CONF_RELAY_LOCAL
                                                ? "this rule by local address"
                                                : "this rule",
                                    .accepted = relay->rules[i].i_accept_open_relay};
        judge_own_address(b, &relay->rules[i]);
    }
    origin[relay->rules_count] = (struct origin){
        .where = relay->default_where.line != 0 ? &relay->default_where : &relay->where,
        .what = "default: allow",
        .accepted = relay->i_accept_open_relay};
    gather(judge, 0, &o, ranges_in(&table->v4), ranges_in(&deny->v4),
           ranges_in(&judge->reserved.v4));
    gather(judge, 1, &o, ranges_in(&table->v6), ranges_in(&deny->v6),
           ranges_in(&judge->reserved.v6));
    for (uint32_t i = 0; i < relay->rules_count; i++) {
        /* A local address says nothing of where the client comes from: everyone. */
        uint32_t everyone = image_value(RELAY_ALLOW, first_rule + i);
        struct range v4 = {V4_LAST, everyone}, v6 = {V6_LAST, everyone};

        if (relay->rules[i].kind != CONF_RELAY_LOCAL || relay->rules[i].i_accept_open_relay)
            continue;
        gather(judge, 0, &o, &v4, ranges_in(&deny->v4), ranges_in(&judge->reserved.v4));
        gather(judge, 1, &o, &v6, ranges_in(&deny->v6), ranges_in(&judge->reserved.v6));
    }
    b->no_memory |= judge->grants[0].no_memory || judge->grants[1].no_memory;
}

static int by_first(const void *va, const void *vb)
{
    const struct grant *a = va, *b = vb;

    return a->first < b->first ? -1 : a->first > b->first;
}

/* Addresses in all grants, each counted once. */
static address sum_of(struct array *grants)
{
    const struct grant *g = (const struct grant *)(const void *)grants->ptr;
    address sum = 0, next = 0;

    if (grants->count > 1)
        qsort(grants->ptr, grants->count, grants->element, by_first);
    for (size_t i = 0; i < grants->count; i++) {
        address first = i > 0 && g[i].first < next ? next : g[i].first;

        /* Public space ends before the last address of either family: next stays in range. */
        if (g[i].last >= first) {
            sum += g[i].last - first + 1;
            next = g[i].last + 1;
        }
    }
    return sum;
}

static size_t worst_of(struct relay_judge *judge, unsigned family)
{
    const struct origin *origins = origins_in(judge);
    size_t worst = 0;

    for (size_t i = 1; i < judge->origins.count; i++)
        if (origins[i].sum[family] > origins[worst].sum[family])
            worst = i;
    return worst;
}

void relay_judge_all(struct relay_judge *judge, struct build *b)
{
    const struct origin *origins = origins_in(judge);
    address v4 = sum_of(&judge->grants[0]), v6 = sum_of(&judge->grants[1]);
    size_t worst4 = worst_of(judge, 0), worst6 = worst_of(judge, 1);

    if (v4 > V4_GRANT_MAX)
        conf_error_add(b->error, origins[worst4].where,
                       "open relay: %s lets %llu public IPv4 addresses relay without "
                       "authentication, all rules together %llu, and more than 65536 (a /16) is "
                       "refused; list fewer, or set i_accept_open_relay: true %s",
                       origins[worst4].what, (unsigned long long)origins[worst4].sum[0],
                       (unsigned long long)v4,
                       strcmp(origins[worst4].what, "default: allow") == 0 ? "on relay itself"
                                                                           : "on this rule");
    if (v6 > V6_GRANT_MAX && (v4 <= V4_GRANT_MAX || worst4 != worst6))
        conf_error_add(b->error, origins[worst6].where,
                       "open relay: %s and the other rules let more public IPv6 address space "
                       "relay without authentication than a /32 (in all, over %llu of them); list "
                       "less, or set i_accept_open_relay: true %s",
                       origins[worst6].what, (unsigned long long)((v6 - 1) >> 96),
                       strcmp(origins[worst6].what, "default: allow") == 0 ? "on relay itself"
                                                                           : "on this rule");
}
