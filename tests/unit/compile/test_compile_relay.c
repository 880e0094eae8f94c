/* Goal: an open relay cannot be configured by accident (requirements.md D1), however the rules
 * are cut up; what an operator asks for in so many words, he gets.
 * Method: rows of rules in a few words each, with the line that must be named; then random
 * rules within one /8 of public space, whose sum a reference counts /24 by /24. */
#include "compile_world.h"

#include "base_rand.h"

/* Rules by ';', each "[S:]WORD[!] ARG": S the server; ! i_accept_open_relay on it.
 * allow P, deny P: relay.rules; never P: relay.deny; local A; default.  Rule n stands in line n. */
static void add_rule(struct world *w, const char *text, uint32_t line)
{
    uint32_t server = text[1] == ':' ? (uint32_t)(text[0] - '0') : 0;
    char word[16] = "", arg[64] = "";
    struct conf_relay *relay = &w->server[server].relay;
    struct conf_relay_rule *rule;
    bool accept;

    assert_true(sscanf(text[1] == ':' ? text + 2 : text, "%15[a-z!] %63s", word, arg) >= 1);
    accept = strchr(word, '!') != NULL;
    word[strcspn(word, "!")] = '\0';
    if (strcmp(word, "default") == 0) {
        relay->default_allow = true;
        relay->i_accept_open_relay = accept;
        relay->default_where = world_line(line);
    } else if (strcmp(word, "never") == 0) {
        w->deny[server][relay->deny_count++] = world_prefix(arg, line);
    } else {
        rule = world_add_relay(w, server, arg, strcmp(word, "deny") != 0, line);
        rule->i_accept_open_relay = accept;
        rule->kind = strcmp(word, "local") == 0 ? CONF_RELAY_LOCAL : CONF_RELAY_CLIENT;
    }
}

static void add_rules(struct world *w, const char *rules)
{
    char text[1024], *rest = text, *rule;
    uint32_t line = 1;

    snprintf(text, sizeof(text), "%s", rules);
    for (uint32_t i = 0; i < 2; i++) {
        w->server[i].relay.rules_count = w->server[i].relay.deny_count = 0;
        w->server[i].relay.default_allow = w->server[i].relay.i_accept_open_relay = false;
        w->server[i].relay.default_where = (struct conf_where){"test.yaml", 0, 0};
    }
    while ((rule = strsep(&rest, ";")) != NULL)
        if (*(rule += strspn(rule, " ")) != '\0')
            add_rule(w, rule, line++);
}

static struct world *relay_world(void)
{
    struct world *w = world_new();

    world_server(w, "inbound", "10.25.0.25", "fd25::25", 25);
    world_server(w, "other", "8.8.8.8", "fd25::25", 26);
    return w;
}

static void test_rows(void **state)
{
    /* clang-format off */
    static const struct {
        const char *rules;
        uint32_t line;  /* refused, the worst rule's; 0: taken */
        uint32_t line2; /* a second refusal */
    } rows[] = {
        {"", 0, 0},
        /* by size */
        {"allow 0.0.0.0/0", 1, 0},
        {"allow ::/0", 1, 0},
        {"allow 8.1.0.0/16", 0, 0},
        {"allow 8.0.0.0/15", 1, 0},
        {"allow 8.1.0.0/16; allow 9.0.0.1", 1, 0},
        {"allow 9.0.0.1; allow 8.1.0.0/16", 2, 0},
        {"allow 2a00:1::/32", 0, 0},
        {"allow 2a00::/31", 1, 0},
        {"allow 2a00:1::/32; allow 2a00:2::1", 1, 0},
        /* in sum, however cut */
        {"allow 0.0.0.0/1; allow 128.0.0.0/1", 1, 0},
        {"allow 0.0.0.0/2; allow 64.0.0.0/2; allow 128.0.0.0/2; allow 192.0.0.0/2", 3, 0},
        {"allow 8.1.0.0/17; allow 8.2.0.0/17", 0, 0},
        {"allow 8.1.0.0/17; allow 8.2.0.0/17; allow 8.3.0.0/32", 1, 0},
        {"allow ::/1; allow 8000::/1", 1, 0},
        {"allow 8.1.0.0/16; allow 2a00:1::/32", 0, 0}, /* families apart */
        {"allow 0.0.0.0/0; allow ::/0", 1, 2},
        /* what overlaps counts once */
        {"allow 8.1.0.0/16; allow 8.1.0.0/17; allow 8.1.2.3; allow 8.1.0.0/16", 0, 0},
        {"0:allow 8.1.0.0/16; 1:allow 8.1.0.0/16", 0, 0},
        {"0:allow 8.1.0.0/16; 1:allow 8.1.0.0/17", 0, 0},
        {"0:allow 8.1.0.0/17; 1:allow 8.2.0.0/17; 1:allow 8.3.0.0/30", 1, 0}, /* the edge as a whole */
        /* what is denied does not count */
        {"allow 8.0.0.0/15; deny 8.0.0.0/16", 0, 0},
        {"allow 8.0.0.0/15; never 8.1.0.0/16", 0, 0},
        {"allow 8.0.0.0/15; never 8.1.0.0/17; deny 8.1.128.0/17", 0, 0},
        {"allow 8.0.0.0/15; deny 8.0.0.0/15", 0, 0},
        {"allow 0.0.0.0/0; never 0.0.0.0/0", 0, 0},
        {"allow 8.0.0.0/15; deny 8.0.0.0/8", 1, 0}, /* a longer prefix wins */
        {"allow 8.0.0.0/15; 1:never 8.0.0.0/15", 1, 0}, /* another server's list */
        {"deny 0.0.0.0/0; allow 8.1.0.0/16", 0, 0},
        {"deny 0.0.0.0/1; allow 0.0.0.0/0", 2, 0},
        /* not public */
        {"allow 10.0.0.0/8; allow 172.16.0.0/12; allow 192.168.0.0/16; allow 100.64.0.0/10", 0, 0},
        {"allow 127.0.0.0/8; allow 169.254.0.0/16; allow 224.0.0.0/3; allow 0.0.0.0/8", 0, 0},
        {"allow 198.18.0.0/15; allow 203.0.113.0/24; allow 192.0.2.0/24; allow 8.1.0.0/16", 0, 0},
        {"allow 172.0.0.0/8", 1, 0},
        {"allow 10.0.0.0/7", 1, 0}, /* 11/8 */
        {"allow fc00::/7; allow fe80::/10; allow 2001:db8::/32; allow 3fff::/20; allow ff00::/8", 0, 0},
        {"allow f800::/5", 1, 0},
        {"allow 4000::/3", 1, 0}, /* unassigned today */
        /* default: allow, local addresses: everyone but the denied */
        {"default", 1, 0},
        {"deny 10.0.0.0/8; default", 2, 0},
        {"default; deny 0.0.0.0/0; deny ::/0", 0, 0},
        {"default; deny 0.0.0.0/0", 1, 0}, /* all of IPv6 is left */
        {"default; never 0.0.0.0/0; never ::/0", 0, 0},
        {"local 10.25.0.25", 1, 0},
        {"deny 0.0.0.0/0; deny ::/0; local 10.25.0.25", 3, 0}, /* a local address comes before prefixes */
        {"never 0.0.0.0/0; never ::/0; local 10.25.0.25", 0, 0},
        /* in so many words */
        {"allow! 0.0.0.0/0", 0, 0},
        {"allow! 0.0.0.0/0; allow! ::/0; default!; local! 8.8.8.8", 0, 0},
        {"default!", 0, 0},
        {"default!; allow 8.0.0.0/8", 2, 0}, /* not for other rules */
        {"allow! 8.0.0.0/8; allow 9.0.0.0/8", 2, 0},
        {"allow! 8.0.0.0/8; allow 9.0.0.0/16", 0, 0}, /* nor counted for them */
        {"allow! 0.0.0.0/0; allow 9.0.0.0/16; default", 3, 0}, /* IPv6 is left */
        {"local! 10.25.0.25; local 8.8.8.8", 2, 0},
        {"0:default!; 1:default", 2, 0},
        {"deny! 0.0.0.0/0; allow 0.0.0.0/1; allow 128.0.0.0/1", 2, 0}, /* on a deny it says nothing */
        /* our own addresses */
        {"allow 10.25.0.25", 1, 0},
        {"allow fd25::25", 1, 0},
        {"allow 8.8.8.8", 1, 0},
        {"1:allow 10.25.0.25/32", 1, 0},
        {"allow! 10.25.0.25", 0, 0},
        {"deny 10.25.0.25; never 10.25.0.25", 0, 0},
        {"allow 10.25.0.0/24; allow 10.25.0.26", 0, 0}, /* the neighbours */
        {"allow 10.25.0.25; allow 0.0.0.0/0", 1, 2},
    };
    /* clang-format on */
    struct world *w = relay_world();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t lines = rows[i].line == 0 ? 0 : rows[i].line2 == 0 ? 1 : 2;
        char want[32];
        int rc;

        add_rules(w, rows[i].rules);
        rc = world_compile(w);
        if (w->error.count != lines || (rc != 0) != (lines != 0))
            fail_msg("\"%s\": %d, %s", rows[i].rules, rc, w->error.line[0]);
        for (uint32_t k = 0; k < lines; k++) {
            snprintf(want, sizeof(want), "test.yaml:%u:7: ", k == 0 ? rows[i].line : rows[i].line2);
            if (strncmp(w->error.line[k], want, strlen(want)) != 0)
                fail_msg("\"%s\": not %s but %s", rows[i].rules, want, w->error.line[k]);
            if (strstr(w->error.line[k], "i_accept_open_relay") == NULL)
                fail_msg("\"%s\": no way out in %s", rows[i].rules, w->error.line[k]);
        }
    }
    world_free(w);
}

/* The words an operator sees. */
static void test_words(void **state)
{
    struct world *w = relay_world();

    (void)state;
    add_rules(w, "allow 8.1.0.0/16; allow 9.0.0.0/24");
    assert_int_equal(world_compile(w), -22);
    assert_string_equal(w->error.line[0],
                        "test.yaml:1:7: open relay: this rule lets 65536 public IPv4 addresses "
                        "relay without authentication, all rules together 65792, and more than "
                        "65536 (a /16) is refused; list fewer, or set i_accept_open_relay: true "
                        "on this rule");
    add_rules(w, "default");
    assert_int_equal(world_compile(w), -22);
    assert_non_null(strstr(w->error.line[0], "default: allow lets"));
    assert_non_null(strstr(w->error.line[0], "on relay itself"));
    /* default: allow without a line of its own is the relay section's */
    w->server[0].relay.default_where.line = 0;
    assert_int_equal(world_compile(w), -22);
    assert_non_null(strstr(w->error.line[0], "test.yaml:50:7: "));
    world_free(w);
}

static struct rand rng;

/* Two servers' rules within 8.0.0.0/8; the reference asks each /24 of it. */
static void test_random(void **state)
{
    struct world *w = relay_world();
    unsigned refused = 0;

    (void)state;
    rand_seed(&rng, 16, 1);
    for (uint32_t n = 0; n < 150; n++) {
        uint64_t sum = 0;
        int rc;

        add_rules(w, "");
        for (uint32_t i = 0, rules = 1 + (uint32_t)rand_below(&rng, 8); i < rules; i++) {
            static const char *const words[] = {"allow",  "allow", "allow",
                                                "allow!", "deny",  "never"};
            uint32_t bits = 13 + (uint32_t)rand_below(&rng, 8);
            uint32_t v4 = (8u << 24 | (uint32_t)rand_below(&rng, 64) << 13) & UINT32_MAX
                                                                                  << (32 - bits);
            char text[64];

            snprintf(text, sizeof(text), "%u:%s %u.%u.%u.0/%u", (unsigned)rand_below(&rng, 2),
                     words[rand_below(&rng, ARRAY_LEN(words))], v4 >> 24, v4 >> 16 & 255,
                     v4 >> 8 & 255, bits);
            add_rule(w, text, i + 1);
        }
        for (uint32_t block = 0; block < 2048; block++) { /* 64 << 13 is 2048 times a /24 */
            uint32_t v4 = 8u << 24 | block << 8;
            bool granted = false;

            for (uint32_t s = 0; s < 2; s++) {
                const struct conf_relay *relay = &w->server[s].relay;
                const struct conf_relay_rule *best = NULL;
                bool denied = false;

                for (uint32_t i = 0; i < relay->deny_count; i++)
                    denied |=
                        (ip_to_v4(&relay->deny[i].ip) ^ v4) >> (32 - relay->deny[i].bits) == 0;
                for (uint32_t i = 0; i < relay->rules_count; i++) {
                    const struct conf_relay_rule *r = &relay->rules[i];

                    if ((ip_to_v4(&r->match.ip) ^ v4) >> (32 - r->match.bits) == 0 &&
                        (best == NULL || r->match.bits > best->match.bits ||
                         (r->match.bits == best->match.bits && best->allow && !r->allow)))
                        best = r;
                }
                granted |= !denied && best != NULL && best->allow && !best->i_accept_open_relay;
            }
            sum += granted ? 256 : 0;
        }
        rc = world_compile(w);
        assert_int_equal(rc != 0, sum > 65536);
        if (rc != 0) {
            char want[64];

            snprintf(want, sizeof(want), "all rules together %llu,", (unsigned long long)sum);
            assert_non_null(strstr(w->error.line[0], want));
            refused++;
        }
    }
    assert_in_range(refused, 20, 130); /* both answers were met */
    world_free(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
