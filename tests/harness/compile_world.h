/* compile_world.h - a small configuration by hand for the policy compiler's tests, and files
 * that exist only in memory.
 */
#ifndef COMPILE_WORLD_H
#define COMPILE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "compile.h"
#include "policy_image.h"

#define WORLD_RULES   64
#define WORLD_SERVERS 3
#define WORLD_DOMAINS 16

struct world_file {
    const char *path, *text;
};

struct world {
    struct conf conf;
    struct conf_port port;
    struct conf_prefix address[3];
    struct conf_server server[WORLD_SERVERS];
    struct conf_listen listen[WORLD_SERVERS][2];
    struct conf_connect_rule connect[WORLD_SERVERS][WORLD_RULES];
    struct conf_relay_rule relay[WORLD_SERVERS][WORLD_RULES];
    struct conf_prefix deny[WORLD_SERVERS][WORLD_RULES];
    struct conf_prefix trusted[WORLD_SERVERS][WORLD_RULES];
    struct conf_bare_rule bare[WORLD_RULES];
    struct conf_domain domain[WORLD_DOMAINS];
    struct conf_route route[4];
    struct conf_target target[4][2];
    struct conf_route_domain route_domain[4][8];
    struct world_file file[8];
    uint32_t files;
    struct conf_opener opener;
    struct conf_error error;
    /* the image, once compiled */
    struct compile_result result;
    void *image;
    struct policy policy;
};

enum { ROUTE_INSIDE, ROUTE_REST, ROUTE_PARTNER, ROUTE_INTERNET };

static inline struct conf_where world_line(uint32_t line)
{
    return (struct conf_where){"test.yaml", line, 7};
}

static inline struct conf_text world_text(const char *text)
{
    return (struct conf_text){.text = text, .where = {"test.yaml", 0, 0}};
}

static inline struct ip_addr world_ip(const char *text)
{
    struct ip_addr ip;

    assert_int_equal(conf_parse_ip(text, &ip), 0);
    return ip;
}

static inline struct conf_prefix world_prefix(const char *text, uint32_t line)
{
    struct conf_prefix prefix = {.where = world_line(line)};

    assert_int_equal(conf_parse_prefix(text, &prefix.ip, &prefix.bits), 0);
    return prefix;
}

static inline int world_open(void *ctx, const char *path)
{
    struct world *w = ctx;

    for (uint32_t i = 0; i < w->files; i++) {
        if (strcmp(w->file[i].path, path) == 0) {
            int fd = memfd_create("file", MFD_CLOEXEC);
            size_t n = strlen(w->file[i].text);

            assert_true(fd >= 0);
            assert_int_equal(write(fd, w->file[i].text, n), n);
            assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
            return fd;
        }
    }
    return -2; /* ENOENT */
}

static inline void world_file(struct world *w, const char *path, const char *text)
{
    w->file[w->files++] = (struct world_file){path, text};
}

static inline struct conf_domain *world_domain(struct world *w, const char *name,
                                               enum conf_domain_type type, const char *file,
                                               bool subdomains)
{
    struct conf_domain *d = &w->domain[w->conf.domains_count];

    *d = (struct conf_domain){.where = world_line(100 + w->conf.domains_count),
                              .name = world_text(name),
                              .type = type,
                              .recipients_file = {file, world_line(200 + w->conf.domains_count)},
                              .route = type == CONF_DOMAIN_REFUSE ? CONF_NONE : ROUTE_INSIDE,
                              .rest = type == CONF_INTERNAL_RELAY ? ROUTE_REST : CONF_NONE,
                              .subdomains = subdomains};
    w->conf.domains_count++;
    return d;
}

static inline void world_server(struct world *w, const char *name, const char *v4, const char *v6,
                                uint16_t port)
{
    uint32_t i = w->conf.servers_count++;

    w->listen[i][0] = (struct conf_listen){world_ip(v4), port, world_line(10)};
    w->listen[i][1] = (struct conf_listen){world_ip(v6), port, world_line(10)};
    w->server[i] = (struct conf_server){
        .where = world_line(9),
        .name = world_text(name),
        .listen = w->listen[i],
        .listen_count = 2,
        .hostname = world_text("mx1.example.net"),
        .connect_default = CONF_ALLOW,
        .connect_rules = w->connect[i],
        .relay = {.where = world_line(50),
                  .default_where = world_line(51),
                  .rules = w->relay[i],
                  .deny = w->deny[i]},
        .greeting_wait_us = 1500,
        .greeting_early = CONF_EARLY_NOTE,
        .trusted = w->trusted[i],
    };
}

static inline void world_route(struct world *w, uint32_t i, const char *name, const char *url)
{
    w->target[i][0] = (struct conf_target){.where = world_line(300), .url = url, .weight = 3};
    w->target[i][1] =
        (struct conf_target){.where = world_line(300), .url = "discard:", .weight = 1};
    w->route[i] = (struct conf_route){.where = world_line(300),
                                      .name = world_text(name),
                                      .to = w->target[i],
                                      .to_count = 2,
                                      .domains = w->route_domain[i]};
}

static inline void world_route_domain(struct world *w, uint32_t route, const char *name)
{
    struct conf_route *r = &w->route[route];

    w->route_domain[route][r->domains_count++] = (struct conf_route_domain){name, world_line(310)};
}

/* An edge at 10.25.0.25 and fd25::25 with no virtual server, no domain and four routes. */
static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->address[0] = world_prefix("10.25.0.25/24", 1);
    w->address[1] = world_prefix("fd25::25/64", 1);
    w->address[2] = world_prefix("8.8.8.8/24", 1);
    w->port = (struct conf_port){.addresses = w->address, .addresses_count = 3};
    w->conf = (struct conf){
        .instance = world_text("mx1.example.net"),
        .dataplane = {.ports = &w->port, .ports_count = 1},
        .servers = w->server,
        .domains = w->domain,
        .routes = w->route,
        .routes_count = 4,
        .bounces = {.route = ROUTE_REST},
        .bare_newline = {.by_default = CONF_BARE_REFUSE, .rules = w->bare},
        .limits = {.message_bytes = 50u << 20,
                   .recipients = 1000,
                   .connections_per_client = 50,
                   .bad_commands = 10,
                   .hops = 100,
                   .session_us = 1,
                   .command_us = 2,
                   .data_us = 3},
    };
    world_route(w, ROUTE_INSIDE, "inside", "smtp://10.25.1.10:25");
    world_route(w, ROUTE_REST, "rest", "smtp://10.25.1.11:25");
    world_route(w, ROUTE_PARTNER, "partner", "maildir:/mail");
    world_route(w, ROUTE_INTERNET, "internet", "discard:");
    w->opener = (struct conf_opener){w, world_open};
    return w;
}

static inline void world_add_connect(struct world *w, uint32_t server, const char *prefix,
                                     enum conf_connect action, uint32_t line)
{
    struct conf_server *s = &w->server[server];

    w->connect[server][s->connect_rules_count++] =
        (struct conf_connect_rule){world_prefix(prefix, line), action, world_line(line)};
}

static inline struct conf_relay_rule *world_add_relay(struct world *w, uint32_t server,
                                                      const char *prefix, bool allow, uint32_t line)
{
    struct conf_relay *relay = &w->server[server].relay;
    struct conf_relay_rule *rule = &w->relay[server][relay->rules_count++];

    *rule = (struct conf_relay_rule){.kind = CONF_RELAY_CLIENT,
                                     .match = world_prefix(prefix, line),
                                     .allow = allow,
                                     .where = world_line(line)};
    return rule;
}

static inline void world_drop_image(struct world *w)
{
    if (w->image != NULL) {
        munmap(w->image, w->result.bytes);
        close(w->result.fd);
        w->image = NULL;
    }
}

static inline int world_compile(struct world *w)
{
    int rc;

    world_drop_image(w);
    rc = compile_policy(&w->conf, &w->opener, 42, &w->result, &w->error);
    if (rc == 0) {
        const char *why = "";

        assert_int_equal(w->error.count, 0);
        w->image = mmap(NULL, w->result.bytes, PROT_READ, MAP_SHARED, w->result.fd, 0);
        assert_true(w->image != MAP_FAILED);
        if (policy_open(&w->policy, w->image, w->result.bytes, &why) != 0)
            fail_msg("policy_open: %s", why);
    } else {
        assert_true(w->error.count > 0);
    }
    return rc;
}

static inline void world_must_compile(struct world *w)
{
    if (world_compile(w) != 0)
        fail_msg("refused: %s", w->error.line[0]);
}

static inline struct world *world_free(struct world *w)
{
    if (w != NULL)
        world_drop_image(w);
    free(w);
    return NULL;
}

#endif
