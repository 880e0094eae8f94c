/* Goal: the order of precedence of requirements.md, one row for each line of the truth table.
 * Method: one policy that uses every kind of rule; rows ask it. */
#include "compile_world.h"

static struct world *w;

enum { INBOUND, SUBMISSION, OPEN };

static void set_up_servers(void)
{
    world_server(w, "inbound", "10.25.0.25", "fd25::25", 25);
    world_server(w, "submission", "10.25.0.25", "fd25::25", 587);
    world_server(w, "open", "8.8.8.8", "fd25::25", 2525);
    world_add_connect(w, INBOUND, "203.0.113.0/24", CONF_DROP, 20);
    world_add_connect(w, INBOUND, "203.0.113.64/26", CONF_ALLOW, 21);
    world_add_connect(w, INBOUND, "203.0.113.65", CONF_TARPIT, 22);
    world_add_connect(w, INBOUND, "198.51.100.0/24", CONF_ALLOW, 23);
    world_add_connect(w, INBOUND, "198.51.100.0/24", CONF_RESET, 24);
    world_add_connect(w, INBOUND, "198.51.100.0/24", CONF_DROP, 25);
    world_add_connect(w, INBOUND, "2001:db8::/32", CONF_REFUSE, 26);
    world_add_connect(w, INBOUND, "2001:db8:0:1::/64", CONF_ALLOW, 27);
    world_add_connect(w, SUBMISSION, "10.0.0.0/8", CONF_ALLOW, 28);
    w->server[SUBMISSION].connect_default = CONF_REFUSE;
    w->trusted[INBOUND][0] = world_prefix("192.0.2.7", 30);
    w->trusted[INBOUND][1] = world_prefix("fd00:1::/32", 31);
    w->server[INBOUND].trusted_count = 2;

    world_add_relay(w, INBOUND, "10.1.0.0/16", true, 60);
    world_add_relay(w, INBOUND, "10.1.2.0/24", false, 61);
    world_add_relay(w, INBOUND, "10.1.2.3", true, 62);
    world_add_relay(w, INBOUND, "10.3.0.0/16", true, 63);
    world_add_relay(w, INBOUND, "10.3.0.0/16", false, 64);
    world_add_relay(w, INBOUND, "fd00:9::/32", true, 65);
    world_add_relay(w, INBOUND, "10.4.0.0/16", true, 66);
    w->deny[INBOUND][0] = world_prefix("10.4.4.0/24", 67);
    w->deny[INBOUND][1] = world_prefix("fd00:9:9::/48", 68);
    w->server[INBOUND].relay.deny_count = 2;
    w->server[SUBMISSION].relay.authenticated = true;
    w->deny[SUBMISSION][0] = world_prefix("10.4.4.0/24", 70);
    w->server[SUBMISSION].relay.deny_count = 1;

    w->server[OPEN].relay.default_allow = true;
    w->server[OPEN].relay.i_accept_open_relay = true;
    world_add_relay(w, OPEN, "10.5.0.0/16", false, 80);
    w->relay[OPEN][1] = (struct conf_relay_rule){.kind = CONF_RELAY_LOCAL,
                                                 .match = world_prefix("8.8.8.8", 81),
                                                 .allow = true,
                                                 .i_accept_open_relay = true,
                                                 .where = world_line(81)};
    w->server[OPEN].relay.rules_count = 2;
    w->deny[OPEN][0] = world_prefix("10.6.0.0/16", 82);
    w->server[OPEN].relay.deny_count = 1;

    w->bare[0] =
        (struct conf_bare_rule){world_prefix("10.25.7.0/24", 90), CONF_BARE_NOTE, world_line(90)};
    w->bare[1] = (struct conf_bare_rule){world_prefix("10.25.7.0/24", 91), CONF_BARE_NORMALIZE,
                                         world_line(91)};
    w->bare[2] =
        (struct conf_bare_rule){world_prefix("fd07::/16", 92), CONF_BARE_NOTE, world_line(92)};
    w->conf.bare_newline.rules_count = 3;
}

static int set_up(void **state)
{
    (void)state;
    w = world_new();
    set_up_servers();
    world_file(w, "/org", "user\nAlice@Example.org\nodd%one\n\"john doe\"\n");
    world_file(w, "/partner", "known\nonly@deep.partner.example\n");
    world_domain(w, "example.org", CONF_AUTHORITATIVE, "/org", false);         /* 100 */
    world_domain(w, "partner.example", CONF_INTERNAL_RELAY, "/partner", true); /* 101 */
    world_domain(w, "external.example", CONF_EXTERNAL_RELAY, "", false);       /* 102 */
    world_domain(w, "bad.example", CONF_DOMAIN_REFUSE, "", true);              /* 103 */
    world_domain(w, "own.bad.example", CONF_EXTERNAL_RELAY, "", true)->route =
        ROUTE_PARTNER;                                              /* 104 */
    world_domain(w, "empty.example", CONF_AUTHORITATIVE, "", true); /* 105 */
    world_route_domain(w, ROUTE_PARTNER, "foreign.example");
    world_route_domain(w, ROUTE_REST, "far.foreign.example");
    world_route_domain(w, ROUTE_INTERNET, "net");
    world_must_compile(w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    w = world_free(w);
    return 0;
}

static uint32_t line_of(uint32_t rule)
{
    return rule == POLICY_NONE ? 0 : policy_rule_source(&w->policy, rule).line;
}

static void test_connect(void **state)
{
    /* clang-format off */
    static const struct {
        uint32_t server;
        const char *client;
        enum policy_connect want;
        uint32_t line; /* 0: the default decided */
    } rows[] = {
        {INBOUND,    "192.0.2.1",       CONNECT_ALLOW,  0 },
        {INBOUND,    "203.0.113.1",     CONNECT_DROP,   20},
        {INBOUND,    "203.0.113.63",    CONNECT_DROP,   20},
        {INBOUND,    "203.0.113.64",    CONNECT_ALLOW,  21}, /* longest wins */
        {INBOUND,    "203.0.113.65",    CONNECT_TARPIT, 22},
        {INBOUND,    "203.0.113.66",    CONNECT_ALLOW,  21},
        {INBOUND,    "203.0.113.127",   CONNECT_ALLOW,  21},
        {INBOUND,    "203.0.113.128",   CONNECT_DROP,   20},
        {INBOUND,    "203.0.113.255",   CONNECT_DROP,   20},
        {INBOUND,    "203.0.114.0",     CONNECT_ALLOW,  0 },
        {INBOUND,    "203.0.112.255",   CONNECT_ALLOW,  0 },
        {INBOUND,    "198.51.100.9",    CONNECT_RESET,  24}, /* deny at equal length; the first */
        {INBOUND,    "2001:db8::1",     CONNECT_REFUSE, 26},
        {INBOUND,    "2001:db8:0:1::1", CONNECT_ALLOW,  27},
        {INBOUND,    "2001:db8:0:2::",  CONNECT_REFUSE, 26},
        {INBOUND,    "2001:db9::",      CONNECT_ALLOW,  0 },
        {INBOUND,    "0.0.0.0",         CONNECT_ALLOW,  0 },
        {INBOUND,    "255.255.255.255", CONNECT_ALLOW,  0 },
        {INBOUND,    "::",              CONNECT_ALLOW,  0 },
        {SUBMISSION, "10.200.0.1",      CONNECT_ALLOW,  28}, /* only the listed */
        {SUBMISSION, "11.0.0.1",        CONNECT_REFUSE, 0 },
        {SUBMISSION, "fd00::1",         CONNECT_REFUSE, 0 },
        {99,         "10.0.0.1",        CONNECT_REFUSE, 0 },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_addr ip = world_ip(rows[i].client);
        uint32_t rule = 7;
        enum policy_connect got = policy_connect(&w->policy, rows[i].server, &ip, &rule);

        if (got != rows[i].want || line_of(rule) != rows[i].line)
            fail_msg("%s at %u: %d line %u", rows[i].client, rows[i].server, got, line_of(rule));
    }
}

static void test_recipients(void **state)
{
    static const char in[] = "10.25.0.25", out[] = "8.8.8.8";
    /* clang-format off */
    static const struct {
        uint32_t server;
        const char *client, *local;
        bool authenticated;
        const char *local_part, *domain;
        enum policy_rcpt want;
        uint32_t route;
        uint32_t line;
    } rows[] = {
#define NO POLICY_NONE
        /* our domains: who exists */
        {INBOUND, "192.0.2.1", in, false, "user", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "USER", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "alice", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "John Doe", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "bob", "example.org", RCPT_UNKNOWN, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "users", "example.org", RCPT_UNKNOWN, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "", "example.org", RCPT_UNKNOWN, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "PostMaster", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "postmasterx", "example.org", RCPT_UNKNOWN, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "user", "sub.example.org", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "sub.example.org", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "user", "xexample.org", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "user", "org", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "anyone", "empty.example", RCPT_UNKNOWN, NO, 105},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "a.empty.example", RCPT_ACCEPT, ROUTE_INSIDE, 105},
        /* a relay deny list says nothing about our own recipients */
        {INBOUND, "10.4.4.4", in, false, "user", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {99, "10.4.4.4", in, false, "user", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        /* internal relay: the listed one way, the rest another */
        {INBOUND, "192.0.2.1", in, false, "known", "partner.example", RCPT_ACCEPT, ROUTE_INSIDE, 101},
        {INBOUND, "192.0.2.1", in, false, "known", "x.y.partner.example", RCPT_ACCEPT, ROUTE_INSIDE, 101},
        {INBOUND, "192.0.2.1", in, false, "other", "partner.example", RCPT_ACCEPT, ROUTE_REST, 101},
        {INBOUND, "192.0.2.1", in, false, "only", "deep.partner.example", RCPT_ACCEPT, ROUTE_INSIDE, 101},
        {INBOUND, "192.0.2.1", in, false, "only", "partner.example", RCPT_ACCEPT, ROUTE_REST, 101},
        {INBOUND, "192.0.2.1", in, false, "only", "x.deep.partner.example", RCPT_ACCEPT, ROUTE_REST, 101},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "partner.example", RCPT_ACCEPT, ROUTE_INSIDE, 101},
        /* external relay takes any, here only itself */
        {INBOUND, "192.0.2.1", in, false, "any", "external.example", RCPT_ACCEPT, ROUTE_INSIDE, 102},
        {INBOUND, "192.0.2.1", in, false, "any", "x.external.example", RCPT_RELAY_DENIED, NO, 0},
        /* refuse beats all, but the longer name is another domain */
        {INBOUND, "10.1.2.3", in, true, "postmaster", "bad.example", RCPT_REFUSED, NO, 103},
        {OPEN, "10.1.2.3", out, true, "any", "x.bad.example", RCPT_REFUSED, NO, 103},
        {INBOUND, "192.0.2.1", in, false, "any", "own.bad.example", RCPT_ACCEPT, ROUTE_PARTNER, 104},
        {INBOUND, "192.0.2.1", in, false, "any", "x.own.bad.example", RCPT_ACCEPT, ROUTE_PARTNER, 104},
        /* tricks, unless listed or authenticated */
        {INBOUND, "192.0.2.1", in, false, "odd%one", "example.org", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "user%foreign.example", "example.org", RCPT_RELAY_DENIED, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "foreign.example!user", "example.org", RCPT_RELAY_DENIED, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "user@foreign.example", "example.org", RCPT_RELAY_DENIED, NO, 100},
        {INBOUND, "192.0.2.1", in, false, "a%b", "external.example", RCPT_RELAY_DENIED, NO, 102},
        {INBOUND, "192.0.2.1", in, false, "a%b", "partner.example", RCPT_RELAY_DENIED, NO, 101},
        {INBOUND, "192.0.2.1", in, true, "a%b", "external.example", RCPT_ACCEPT, ROUTE_INSIDE, 102},
        {INBOUND, "192.0.2.1", in, true, "a%b", "example.org", RCPT_UNKNOWN, NO, 100},
        {INBOUND, "10.1.0.1", in, false, "a%b", "foreign.example", RCPT_RELAY_DENIED, NO, 0},
        /* postmaster of the machine, and address literals */
        {INBOUND, "192.0.2.1", in, false, "Postmaster", "", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "user", "", RCPT_UNKNOWN, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[10.25.0.25]", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[8.8.8.8]", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[ipv6:fd25::25]", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[IPv6:fd25:0::0:25]", RCPT_ACCEPT, ROUTE_INSIDE, 100},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[10.25.0.26]", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[fd25::25]", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[ipv6:10.25.0.25]", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[10.25.0.25", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "postmaster", "[]", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, false, "user", "[10.25.0.25]", RCPT_RELAY_DENIED, NO, 0},
        /* relay: 1 the deny list wins over everything */
        {INBOUND, "10.4.4.4", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 67},
        {INBOUND, "10.4.5.4", in, false, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 66},
        {SUBMISSION, "10.4.4.4", in, true, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 70},
        {OPEN, "10.6.0.1", out, true, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 82},
        {INBOUND, "fd00:9:9::1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 68},
        /* 2 who authenticates, where that is the rule */
        {SUBMISSION, "192.0.2.1", in, true, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 0},
        {SUBMISSION, "192.0.2.1", in, true, "a%b", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 0},
        {SUBMISSION, "192.0.2.1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 0},
        {INBOUND, "192.0.2.1", in, true, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 0},
        /* 4 the local address wins over prefixes */
        {OPEN, "10.5.0.1", out, false, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 81},
        {OPEN, "10.5.0.1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 80},
        /* 5 longest prefix, deny before allow */
        {INBOUND, "10.1.1.1", in, false, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 60},
        {INBOUND, "10.1.2.1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 61},
        {INBOUND, "10.1.2.3", in, false, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 62},
        {INBOUND, "10.3.0.1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 64},
        {INBOUND, "fd00:9::1", in, false, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 65},
        {INBOUND, "fd00:a::1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 0},
        {99, "10.1.1.1", in, true, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 0},
        /* 7 the default */
        {INBOUND, "192.0.2.1", in, false, "a", "foreign.example", RCPT_RELAY_DENIED, NO, 0},
        {OPEN, "192.0.2.1", in, false, "a", "foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 0},
        /* the route of relayed mail: the longest name, or none */
        {INBOUND, "10.1.1.1", in, false, "a", "x.foreign.example", RCPT_ACCEPT, ROUTE_PARTNER, 60},
        {INBOUND, "10.1.1.1", in, false, "a", "x.far.foreign.example", RCPT_ACCEPT, ROUTE_REST, 60},
        {INBOUND, "10.1.1.1", in, false, "a", "some.net", RCPT_ACCEPT, ROUTE_INTERNET, 60},
        {INBOUND, "10.1.1.1", in, false, "a", "nowhere.example", RCPT_NO_ROUTE, NO, 60},
        {INBOUND, "10.1.1.1", in, false, "a", "[10.9.9.9]", RCPT_NO_ROUTE, NO, 60},
        {INBOUND, "10.1.1.1", in, false, "user", "[10.25.0.25]", RCPT_NO_ROUTE, NO, 60},
        {INBOUND, "10.1.1.1", in, false, "user", "sub.example.org", RCPT_NO_ROUTE, NO, 60},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct policy_who who = {.client = world_ip(rows[i].client),
                                 .local = world_ip(rows[i].local),
                                 .local_port = 25,
                                 .authenticated = rows[i].authenticated};
        struct policy_answer a =
            policy_rcpt(&w->policy, rows[i].server, &who, span_str(rows[i].local_part),
                        span_str(rows[i].domain));

        if (a.verdict != rows[i].want || a.route != rows[i].route ||
            line_of(a.rule) != rows[i].line)
            fail_msg("row %zu, %s@%s from %s at %u: verdict %d route %u line %u", i,
                     rows[i].local_part, rows[i].domain, rows[i].client, rows[i].server, a.verdict,
                     a.route, line_of(a.rule));
        if (a.verdict == RCPT_ACCEPT)
            assert_int_equal(policy_route_for(&w->policy, span_str(rows[i].local_part),
                                              span_str(rows[i].domain)),
                             a.route);
    }
}

static void test_routes(void **state)
{
    /* clang-format off */
    static const struct {
        const char *domain;
        uint32_t want;
    } rows[] = {
        {"example.org",           ROUTE_INSIDE  }, {"partner.example", ROUTE_INSIDE },
        {"a.partner.example",     ROUTE_INSIDE  }, {"sub.example.org", POLICY_NONE  },
        {"bad.example",           POLICY_NONE   }, {"foreign.example", ROUTE_PARTNER},
        {"x.far.foreign.example", ROUTE_REST    }, {"",                ROUTE_INSIDE },
        {"[10.25.0.25]",          ROUTE_INSIDE  }, {"[10.25.0.99]",    POLICY_NONE  },
        {"net",                   ROUTE_INTERNET}, {"unknown.example", POLICY_NONE  },
    };
    /* clang-format on */
    uint32_t weight = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(policy_route_of(&w->policy, span_str(rows[i].domain)), rows[i].want);
    assert_int_equal(policy_route_for(&w->policy, span_str("other"), span_str("partner.example")),
                     ROUTE_REST);
    assert_int_equal(policy_route_for(&w->policy, span_str("known"), span_str("partner.example")),
                     ROUTE_INSIDE);
    assert_int_equal(policy_route_by_name(&w->policy, span_str("partner")), ROUTE_PARTNER);
    assert_int_equal(policy_route_by_name(&w->policy, span_str("none")), POLICY_NONE);
    assert_int_equal(policy_route(&w->policy, ROUTE_PARTNER).targets, 2);
    assert_true(span_equal(policy_route(&w->policy, ROUTE_PARTNER).name, span_str("partner")));
    assert_true(span_equal(policy_route_target(&w->policy, ROUTE_PARTNER, 0, &weight),
                           span_str("maildir:/mail")));
    assert_int_equal(weight, 3);
    assert_int_equal(policy_route_target(&w->policy, ROUTE_PARTNER, 2, &weight).len, 0);
    assert_int_equal(policy_route(&w->policy, 4).targets, 0);
    assert_int_equal(policy_route_target(&w->policy, 4, 0, &weight).len, 0);
}

static void test_default_route(void **state)
{
    (void)state;
    world_route_domain(w, ROUTE_INTERNET, "*");
    world_must_compile(w);
    assert_int_equal(policy_route_of(&w->policy, span_str("unknown.example")), ROUTE_INTERNET);
    assert_int_equal(policy_route_of(&w->policy, span_str("[10.25.0.99]")), ROUTE_INTERNET);
    assert_int_equal(policy_route_of(&w->policy, span_str("foreign.example")), ROUTE_PARTNER);
    world_route_domain(w, ROUTE_PARTNER, "*");
    assert_int_not_equal(world_compile(w), 0);
    assert_non_null(strstr(w->error.line[0], "test.yaml:310:7: "));
    w->route[ROUTE_PARTNER].domains_count--;
    w->route[ROUTE_INTERNET].domains_count--;
    world_must_compile(w);
}

static void test_rest(void **state)
{
    /* clang-format off */
    static const struct {
        const char *client;
        enum policy_bare_newline bare;
        bool trusted;
    } rows[] = {
        {"192.0.2.1", BARE_REFUSE,    false}, {"192.0.2.7", BARE_REFUSE, true },
        {"10.25.7.1", BARE_NORMALIZE, false}, {"fd07::1",   BARE_NOTE,   false},
        {"fd00:1::9", BARE_REFUSE,    true },
    };
    /* clang-format on */
    struct ip_addr v4 = world_ip("10.25.0.25"), v6 = world_ip("fd25::25"),
                   no = world_ip("10.25.0.26");
    struct policy_limits limits;
    struct policy_server server = policy_server(&w->policy, INBOUND);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_addr ip = world_ip(rows[i].client);

        assert_int_equal(policy_bare_newline(&w->policy, &ip), rows[i].bare);
        assert_int_equal(policy_trusted(&w->policy, INBOUND, &ip), rows[i].trusted);
        assert_false(policy_trusted(&w->policy, SUBMISSION, &ip));
        assert_false(policy_trusted(&w->policy, 99, &ip));
    }
    assert_int_equal(policy_listener(&w->policy, &v4, 25), INBOUND);
    assert_int_equal(policy_listener(&w->policy, &v6, 25), INBOUND);
    assert_int_equal(policy_listener(&w->policy, &v4, 587), SUBMISSION);
    assert_int_equal(policy_listener(&w->policy, &v6, 2525), OPEN);
    assert_int_equal(policy_listener(&w->policy, &v4, 2525), POLICY_NONE);
    assert_int_equal(policy_listener(&w->policy, &v4, 26), POLICY_NONE);
    assert_int_equal(policy_listener(&w->policy, &no, 25), POLICY_NONE);
    assert_int_equal(policy_generation(&w->policy), 42);
    assert_int_equal(policy_servers(&w->policy), 3);
    assert_true(span_equal(server.name, span_str("inbound")));
    assert_true(span_equal(server.hostname, span_str("mx1.example.net")));
    assert_int_equal(server.greeting_wait_us, 1500);
    assert_int_equal(server.early, EARLY_NOTE);
    assert_int_equal(policy_server(&w->policy, 3).name.len, 0);
    policy_limits(&w->policy, &limits);
    assert_int_equal(limits.message_bytes, 50u << 20);
    assert_int_equal(limits.recipients, 1000);
    assert_int_equal(limits.received_hops, 100);
    assert_int_equal(limits.data_us, 3);
    assert_true(span_equal(policy_rule_source(&w->policy, 0).file, span_str("test.yaml")));
    assert_int_equal(policy_rule_source(&w->policy, 0).column, 7);
    assert_int_equal(policy_rule_source(&w->policy, POLICY_NONE).line, 0);
    assert_int_equal(w->result.domains, 6);
    assert_int_equal(w->result.recipients, 7); /* "known" counts twice: there and below */
}

/* Without a domain whose mail we take, postmaster goes where bounces go. */
static void test_postmaster_alone(void **state)
{
    struct world *alone = world_new();
    struct policy_who who = {.client = world_ip("192.0.2.1"), .local = world_ip("10.25.0.25")};
    struct policy_answer a;

    (void)state;
    world_server(alone, "inbound", "10.25.0.25", "fd25::25", 25);
    world_domain(alone, "bad.example", CONF_DOMAIN_REFUSE, "", false);
    world_must_compile(alone);
    a = policy_rcpt(&alone->policy, 0, &who, span_str("postmaster"), span_str(""));
    assert_int_equal(a.verdict, RCPT_ACCEPT);
    assert_int_equal(a.route, ROUTE_REST);
    assert_int_equal(a.rule, POLICY_NONE);
    world_free(alone);
}

static void test_twice(void **state)
{
    (void)state;
    world_domain(w, "example.org", CONF_EXTERNAL_RELAY, "", false);
    assert_int_not_equal(world_compile(w), 0);
    assert_non_null(strstr(w->error.line[0], "test.yaml:106:7: domain example.org"));
    w->conf.domains_count--;
    w->listen[SUBMISSION][0].port = 25;
    assert_int_not_equal(world_compile(w), 0);
    assert_non_null(strstr(w->error.line[0], "inbound and submission"));
    w->listen[SUBMISSION][0].port = 587;
    world_must_compile(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect), cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_routes),  cmocka_unit_test(test_default_route),
        cmocka_unit_test(test_rest),    cmocka_unit_test(test_postmaster_alone),
        cmocka_unit_test(test_twice),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
