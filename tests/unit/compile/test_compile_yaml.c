/* Goal: from the text an operator writes to the answer a client gets, and a refusal with the
 * line he must look at.
 * Method: whole configurations through conf_load_text(). */
#include "compile_world.h"

/* clang-format off */
#define HEAD                                                                                       \
    "instance: mx1.example.net\n"                                                     /*  1 */     \
    "dataplane:\n"                                                                    /*  2 */     \
    "  cores: [1]\n"                                                                  /*  3 */     \
    "  ports: [{device: \"net_tap0,iface=t0\", addresses: [10.25.0.25/24]}]\n"        /*  4 */     \
    "bounces: {route: inside}\n"                                                      /*  5 */     \
    "routes:\n"                                                                       /*  6 */     \
    "  - {name: inside, to: [\"maildir:/mail\"]}\n"                                   /*  7 */     \
    "  - {name: out, to: [\"smtp://10.25.1.1:25\"], domains: [\"*\"]}\n"              /*  8 */     \
    "domains:\n"                                                                      /*  9 */     \
    "  - {name: Example.ORG, type: authoritative, recipients: {file: r}, route: inside}\n"         \
    "virtual_servers:\n"                                                              /* 11 */     \
    "  - name: inbound\n"                                                             /* 12 */     \
    "    listen: [\"10.25.0.25:25\"]\n"                                               /* 13 */     \
    "    hostname: mx1.example.net\n"                                                 /* 14 */

/* clang-format on */
static int compile_text(struct world *w, const char *text)
{
    struct conf *conf = NULL;
    int rc = conf_load_text("/etc/test.yaml", span_str(text), &w->opener, &conf, &w->error);

    if (rc != 0)
        fail_msg("not loaded: %s", w->error.line[0]);
    world_drop_image(w);
    rc = compile_policy(conf, &w->opener, 7, &w->result, &w->error);
    if (rc == 0) {
        const char *why;

        w->image = mmap(NULL, w->result.bytes, PROT_READ, MAP_SHARED, w->result.fd, 0);
        assert_true(w->image != MAP_FAILED);
        assert_int_equal(policy_open(&w->policy, w->image, w->result.bytes, &why), 0);
    }
    conf_free(conf);
    return rc;
}

static struct policy_answer ask(struct world *w, const char *client, const char *local_part,
                                const char *domain)
{
    struct policy_who who = {
        .client = world_ip(client), .local = world_ip("10.25.0.25"), .local_port = 25};

    return policy_rcpt(&w->policy, 0, &who, span_str(local_part), span_str(domain));
}

static void test_answers(void **state)
{
    struct world *w = world_new();
    struct policy_answer a;
    struct ip_addr bad = world_ip("203.0.113.5");
    uint32_t rule;

    (void)state;
    world_file(w, "/etc/r", "user\npostmaster\n");
    /* clang-format off */
    assert_int_equal(compile_text(w, HEAD "    connections:\n"                                /* 15 */
                                          "      rules:\n"                                    /* 16 */
                                          "        - {match: 203.0.113.0/24, action: drop}\n" /* 17 */
                                          "    relay:\n"                                      /* 18 */
                                          "      deny: [10.9.0.0/16]\n"                       /* 19 */
                                          "      rules:\n"                                    /* 20 */
                                          "        - {match: 10.0.0.0/8, action: allow}\n"),  /* 21 */
                     0);
    /* clang-format on */
    assert_int_equal(policy_connect(&w->policy, 0, &bad, &rule), CONNECT_DROP);
    assert_int_equal(policy_rule_source(&w->policy, rule).line, 17);
    assert_true(span_equal(policy_rule_source(&w->policy, rule).file, span_str("/etc/test.yaml")));
    assert_int_equal(ask(w, "192.0.2.1", "User", "example.org").verdict, RCPT_ACCEPT);
    assert_int_equal(ask(w, "192.0.2.1", "nobody", "example.org").verdict, RCPT_UNKNOWN);
    a = ask(w, "10.1.0.1", "x", "foreign.example");
    assert_int_equal(a.verdict, RCPT_ACCEPT);
    assert_true(span_equal(policy_route(&w->policy, a.route).name, span_str("out")));
    assert_int_equal(policy_rule_source(&w->policy, a.rule).line, 21);
    a = ask(w, "10.9.0.1", "x", "foreign.example");
    assert_int_equal(a.verdict, RCPT_RELAY_DENIED);
    assert_int_equal(policy_rule_source(&w->policy, a.rule).line, 19);
    assert_int_equal(ask(w, "192.0.2.1", "x", "foreign.example").verdict, RCPT_RELAY_DENIED);
    world_free(w);
}

static void test_open_relay(void **state)
{
    /* clang-format off */
    static const struct {
        const char *relay, *want; /* "": taken */
    } rows[] = {
        {"    relay: {default: allow}\n", "/etc/test.yaml:15:"},
        {"    relay: {default: allow, i_accept_open_relay: true}\n", ""},
        {"    relay:\n      default: allow\n", "/etc/test.yaml:16:"},
        {"    relay:\n      rules:\n        - {match: 0.0.0.0/1, action: allow}\n"
         "        - {match: 128.0.0.0/1, action: allow}\n", "/etc/test.yaml:17:"},
        {"    relay:\n      rules:\n        - {match: 0.0.0.0/0, action: allow}\n", "/etc/test.yaml:17:"},
        {"    relay:\n      rules:\n        - {match: 0.0.0.0/0, action: allow, i_accept_open_relay: true}\n", ""},
        {"    relay:\n      rules:\n        - {local: 10.25.0.25, action: allow}\n", "/etc/test.yaml:17:"},
        {"    relay:\n      rules:\n        - {match: 10.25.0.25, action: allow}\n", "/etc/test.yaml:17:"},
        {"    relay:\n      rules:\n        - {match: 8.8.0.0/255.255.0.0, action: allow}\n", ""},
        {"    relay: {rules: []}\n", ""},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = world_new();
        char text[4096];
        int rc;

        world_file(w, "/etc/r", "user\n");
        snprintf(text, sizeof(text), "%s%s", HEAD, rows[i].relay);
        rc = compile_text(w, text);
        if ((rc != 0) != (rows[i].want[0] != '\0') ||
            strncmp(w->error.line[0], rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("row %zu: %d, %s", i, rc, w->error.line[0]);
        world_free(w);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_open_relay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
