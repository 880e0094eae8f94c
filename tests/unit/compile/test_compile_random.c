/* Goal: the compiled tables answer as the rules read.
 * Method: 20,000 random policies; a reference that walks the rules one by one, as they stand
 * in the configuration, is asked the same questions.  Prefixes are drawn from few bits, so
 * that they nest, touch and repeat; clients are at the edges of prefixes or near them. */
#include "compile_world.h"

#include "base_rand.h"
#include "base_scale.h"

#define POLICIES 20000
#define CLIENTS  24
#define RULES    14

static struct rand rng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)rand_below(&rng, n);
}

/* Within 10.0.0.0/8 and fd00::/8, where relaying is nobody's business but ours; a few bits at
 * each of three depths. */
static struct ip_addr random_ip(void)
{
    struct ip_addr ip = {.octets = {0xfd}};

    if (below(2) == 0) {
        uint32_t v4 = 10u << 24 | below(4) << 22 | below(4) << 14 | below(4) << 6 | below(4);

        return ip_from_v4(below(8) == 0 ? v4 | 0x3f : v4);
    }
    ip.octets[1] = (uint8_t)(below(4) << 6);
    ip.octets[7] = (uint8_t)below(4);
    ip.octets[8] = (uint8_t)(below(4) << 6);
    ip.octets[15] = (uint8_t)below(4);
    if (below(8) == 0)
        memset(ip.octets + 9, 0xff, 7);
    return ip;
}

static bool bit_of(const struct ip_addr *ip, unsigned bit)
{
    return ip->octets[bit / 8] >> (7 - bit % 8) & 1;
}

static struct conf_prefix random_prefix(uint32_t line)
{
    struct conf_prefix prefix = {.ip = random_ip(), .where = world_line(line)};
    bool v4 = ip_is_v4(&prefix.ip);
    static const uint8_t lengths4[] = {8, 9, 10, 16, 17, 18, 24, 25, 26, 30, 31, 32};
    static const uint8_t lengths6[] = {8, 9, 10, 62, 63, 64, 65, 66, 67, 126, 127, 128};

    prefix.bits = v4 ? lengths4[below(12)] : lengths6[below(12)];
    for (unsigned bit = prefix.bits + (v4 ? 96u : 0u); bit < 128; bit++)
        prefix.ip.octets[bit / 8] &= (uint8_t) ~(1u << (7 - bit % 8));
    return prefix;
}

/* Everything below looks at bits, not at ranges: the reference shares no idea with the code. */
static bool covers(const struct conf_prefix *prefix, const struct ip_addr *ip)
{
    if (ip_is_v4(&prefix->ip) != ip_is_v4(ip))
        return false;
    for (unsigned bit = 0; bit < prefix->bits + (ip_is_v4(ip) ? 96u : 0u); bit++)
        if (bit_of(&prefix->ip, bit) != bit_of(ip, bit))
            return false;
    return true;
}

static void random_world(struct world *w)
{
    struct conf_server *s = &w->server[0];

    s->connect_default = (enum conf_connect)below(4);
    s->connect_rules_count = below(RULES);
    for (uint32_t i = 0; i < s->connect_rules_count; i++)
        w->connect[0][i] = (struct conf_connect_rule){random_prefix(i), (enum conf_connect)below(5),
                                                      world_line(1000 + i)};
    s->trusted_count = below(4);
    for (uint32_t i = 0; i < s->trusted_count; i++)
        w->trusted[0][i] = random_prefix(i);
    s->relay.default_allow = below(2);
    s->relay.i_accept_open_relay = true;
    s->relay.rules_count = below(RULES);
    for (uint32_t i = 0; i < s->relay.rules_count; i++)
        w->relay[0][i] = (struct conf_relay_rule){
            .match = random_prefix(i), .allow = below(2), .where = world_line(2000 + i)};
    s->relay.deny_count = below(4);
    for (uint32_t i = 0; i < s->relay.deny_count; i++)
        w->deny[0][i] = random_prefix(3000 + i);
    w->conf.bare_newline.by_default = (enum conf_bare)below(3);
    w->conf.bare_newline.rules_count = below(RULES);
    for (uint32_t i = 0; i < w->conf.bare_newline.rules_count; i++)
        w->bare[i] = (struct conf_bare_rule){random_prefix(i), (enum conf_bare)below(3),
                                             world_line(4000 + i)};
}

static uint32_t line_of(const struct world *w, uint32_t rule)
{
    return rule == POLICY_NONE ? 0 : policy_rule_source(&w->policy, rule).line;
}

static void check_connect(struct world *w, const struct ip_addr *ip)
{
    const struct conf_server *s = &w->server[0];
    const struct conf_connect_rule *best = NULL;
    uint32_t rule;
    enum policy_connect got = policy_connect(&w->policy, 0, ip, &rule);

    for (uint32_t i = 0; i < s->connect_rules_count; i++) {
        const struct conf_connect_rule *r = &s->connect_rules[i];

        if (!covers(&r->match, ip))
            continue;
        if (best == NULL || r->match.bits > best->match.bits ||
            (r->match.bits == best->match.bits && best->action == CONF_ALLOW &&
             r->action != CONF_ALLOW))
            best = r;
    }
    assert_int_equal((int)got, (int)(best != NULL ? best->action : s->connect_default));
    assert_int_equal(line_of(w, rule), best != NULL ? best->where.line : 0);
}

static void check_relay(struct world *w, const struct ip_addr *ip)
{
    const struct conf_relay *relay = &w->server[0].relay;
    struct policy_who who = {.client = *ip, .local = w->address[0].ip, .local_port = 25};
    struct policy_answer a =
        policy_rcpt(&w->policy, 0, &who, span_str("a"), span_str("foreign.example"));
    const struct conf_relay_rule *best = NULL;
    bool want = relay->default_allow, denied = false;

    for (uint32_t i = 0; i < relay->deny_count; i++)
        denied |= covers(&relay->deny[i], ip);
    for (uint32_t i = 0; i < relay->rules_count; i++) {
        const struct conf_relay_rule *r = &relay->rules[i];

        if (covers(&r->match, ip) &&
            (best == NULL || r->match.bits > best->match.bits ||
             (r->match.bits == best->match.bits && best->allow && !r->allow)))
            best = r;
    }
    if (best != NULL)
        want = best->allow;
    assert_int_equal(a.verdict, !denied && want ? RCPT_ACCEPT : RCPT_RELAY_DENIED);
    if (denied)
        assert_in_range(line_of(w, a.rule), 3000, 3999);
    else
        assert_int_equal(line_of(w, a.rule), best != NULL ? best->where.line : 0);
}

static void check_others(struct world *w, const struct ip_addr *ip)
{
    const struct conf_bare_newline *bare = &w->conf.bare_newline;
    const struct conf_bare_rule *best = NULL;
    bool trusted = false;

    for (uint32_t i = 0; i < w->server[0].trusted_count; i++)
        trusted |= covers(&w->trusted[0][i], ip);
    assert_int_equal(policy_trusted(&w->policy, 0, ip), trusted);
    for (uint32_t i = 0; i < bare->rules_count; i++) {
        const struct conf_bare_rule *r = &bare->rules[i];

        if (covers(&r->match, ip) &&
            (best == NULL || r->match.bits > best->match.bits ||
             (r->match.bits == best->match.bits && r->action < best->action)))
            best = r;
    }
    assert_int_equal((int)policy_bare_newline(&w->policy, ip),
                     (int)(best != NULL ? best->action : bare->by_default));
}

/* One up or down from an address, so that ranges are met at their ends. */
static void step(struct ip_addr *ip, bool up)
{
    for (int i = 15; i >= (ip_is_v4(ip) ? 12 : 0); i--) {
        ip->octets[i] = (uint8_t)(ip->octets[i] + (up ? 1 : -1));
        if (ip->octets[i] != (up ? 0 : 0xff))
            return;
    }
}

static void test_prefixes(void **state)
{
    struct world *w = world_new();

    (void)state;
    rand_seed(&rng, 25, 1);
    world_server(w, "inbound", "10.25.0.25", "fd25::25", 25);
    world_route_domain(w, ROUTE_INTERNET, "*");
    for (uint32_t n = 0; n < scaled(POLICIES); n++) {
        random_world(w);
        world_must_compile(w);
        for (uint32_t i = 0; i < CLIENTS; i++) {
            struct ip_addr ip = random_ip();

            if (below(3) == 0)
                step(&ip, below(2));
            check_connect(w, &ip);
            check_relay(w, &ip);
            check_others(w, &ip);
        }
    }
    world_free(w);
}

/* Names of up to five labels out of three. */
static void random_name(char name[32])
{
    static const char *const labels[] = {"a", "b", "cc"};
    uint32_t n = 1 + below(5);

    name[0] = '\0';
    while (n-- > 0) {
        strcat(name, labels[below(3)]);
        if (n > 0)
            strcat(name, ".");
    }
}

static bool is_below(const char *name, const char *parent)
{
    size_t n = strlen(name), m = strlen(parent);

    return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, parent) == 0;
}

static void test_domains(void **state)
{
    static char names[WORLD_DOMAINS][32], via[8][32];
    struct world *w = world_new();

    (void)state;
    rand_seed(&rng, 25, 2);
    for (uint32_t n = 0; n < scaled(3000); n++) {
        uint32_t routes = 1 + below(7);

        w->conf.domains_count = 0;
        w->route[ROUTE_PARTNER].domains_count = w->route[ROUTE_INTERNET].domains_count = 0;
        for (uint32_t i = 0; i < 8; i++) {
            bool twice = false;

            random_name(names[i]);
            for (uint32_t k = 0; k < w->conf.domains_count; k++)
                twice |= strcmp(w->domain[k].name.text, names[i]) == 0;
            if (!twice)
                world_domain(w, names[i], CONF_EXTERNAL_RELAY, "", below(2))->route = below(2);
        }
        for (uint32_t i = 0; i < routes; i++) {
            bool twice = false;

            random_name(via[i]);
            for (uint32_t k = 0; k < i; k++)
                twice |= strcmp(via[k], via[i]) == 0;
            if (twice)
                via[i][0] = '\0';
            else
                world_route_domain(w, ROUTE_PARTNER + i % 2, via[i]);
        }
        world_must_compile(w);
        for (uint32_t i = 0; i < 30; i++) {
            const struct conf_domain *best = NULL;
            uint32_t want = POLICY_NONE;
            size_t longest = 0;
            char name[32];

            random_name(name);
            for (uint32_t k = 0; k < w->conf.domains_count; k++) {
                const struct conf_domain *d = &w->domain[k];

                if ((strcmp(d->name.text, name) == 0 ||
                     (d->subdomains && is_below(name, d->name.text))) &&
                    (best == NULL || strlen(d->name.text) > strlen(best->name.text)))
                    best = d;
            }
            for (uint32_t k = 0; k < routes && best == NULL; k++)
                if (via[k][0] != '\0' && (strcmp(via[k], name) == 0 || is_below(name, via[k])) &&
                    strlen(via[k]) > longest) {
                    longest = strlen(via[k]);
                    want = ROUTE_PARTNER + k % 2;
                }
            assert_int_equal(policy_route_of(&w->policy, span_str(name)),
                             best != NULL ? best->route : want);
        }
    }
    world_free(w);
}

/* A large table: every prefix is found from its first and its last address. */
static void test_many(void **state)
{
    const uint32_t n = 100000;
    struct world *w = world_new();
    struct conf_connect_rule *rules = calloc(n, sizeof(*rules));

    (void)state;
    assert_non_null(rules);
    world_server(w, "inbound", "10.25.0.25", "fd25::25", 25);
    for (uint32_t i = 0; i < n; i++) { /* disjoint: a /28 each, and a /64 each */
        struct ip_addr v6 = {
            .octets = {0x20, 0x01, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

        rules[i] = (struct conf_connect_rule){.action = CONF_DROP, .where = world_line(i + 1)};
        rules[i].match.ip = i % 2 == 0 ? ip_from_v4(i * 33 << 4) : v6;
        rules[i].match.bits = i % 2 == 0 ? 28 : 64;
    }
    w->server[0].connect_rules = rules;
    w->server[0].connect_rules_count = n;
    world_must_compile(w);
    for (uint32_t i = 0; i < n; i++) {
        struct ip_addr ip = rules[i].match.ip;
        uint32_t rule;

        assert_int_equal(policy_connect(&w->policy, 0, &ip, &rule), CONNECT_DROP);
        assert_int_equal(line_of(w, rule), i + 1);
        if (i % 2 == 0)
            ip.octets[15] |= 15;
        else
            memset(ip.octets + 8, 0xff, 8);
        assert_int_equal(policy_connect(&w->policy, 0, &ip, &rule), CONNECT_DROP);
        assert_int_equal(line_of(w, rule), i + 1);
        step(&ip, true);
        assert_int_equal(policy_connect(&w->policy, 0, &ip, &rule), CONNECT_ALLOW);
    }
    free(rules);
    world_free(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
