/* Goal: what is loaded is what is written, defaults are filled in, includes are joined.
 * Method: whole texts through conf_load_text(), an opener that serves files from a table. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"
#include "conf_limits.h"
#include "conf_read.h"
#include "conf_text.h"

struct file {
    const char *path, *text;
};

static const struct file *files; /* what the opener serves; ends with path NULL */

static int open_table(void *ctx, const char *path)
{
    (void)ctx;
    for (const struct file *f = files; f != NULL && f->path != NULL; f++) {
        if (strcmp(f->path, path) != 0)
            continue;
        int fd = memfd_create("conf", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, f->text, strlen(f->text)), (ssize_t)strlen(f->text));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
    }
    return -ENOENT;
}

static const struct conf_opener opener = {.open = open_table};

static struct conf *load(const char *text)
{
    struct conf *conf = NULL;
    struct conf_error error;
    int rc = conf_load_text("/etc/sluice/sluice.yaml", span_str(text), &opener, &conf, &error);

    for (uint32_t i = 0; i < error.count; i++)
        print_error("%s\n", error.line[i]);
    assert_int_equal(rc, 0);
    assert_int_equal(error.count, 0);
    return conf;
}

static void assert_where(struct conf_where where, const char *file, unsigned line, unsigned column)
{
    assert_string_equal(where.file, file);
    assert_int_equal(where.line, line);
    assert_int_equal(where.column, column);
}

static void assert_ip(struct ip_addr ip, const char *text)
{
    char have[CONF_IP_TEXT_BYTES];

    assert_string_equal(conf_ip_text(&ip, have), text);
}

#define MAIN "/etc/sluice/sluice.yaml"

static void example_dataplane(void **state)
{
    struct conf *c = load(CONF_TEXT_EXAMPLE);

    (void)state;
    assert_string_equal(c->instance.text, "mx1.example.net");
    assert_where(c->instance.where, MAIN, 1, 11);
    assert_string_equal(c->runtime_directory.text, "/run/sluice");
    assert_string_equal(c->runtime_user.text, "sluice");
    assert_int_equal(c->dataplane.cores_count, 1);
    assert_int_equal(c->dataplane.cores[0], 1);
    assert_where(c->dataplane.cores_where, MAIN, 8, 10);
    assert_int_equal(c->dataplane.memory_bytes, 512 << 20);
    assert_false(c->dataplane.shared_config);
    assert_int_equal(c->dataplane.hugepages, CONF_HUGE_AUTO);
    assert_int_equal(c->dataplane.sessions, 100000);
    assert_int_equal(c->dataplane.ports_count, 1);

    const struct conf_port *p = &c->dataplane.ports[0];

    assert_where(p->where, MAIN, 13, 7);
    assert_string_equal(p->device.text, "net_tap0,iface=sluice0");
    assert_int_equal(p->addresses_count, 2);
    assert_ip(p->addresses[0].ip, "10.25.0.25");
    assert_int_equal(p->addresses[0].bits, 24);
    assert_ip(p->addresses[1].ip, "fd25::25");
    assert_int_equal(p->addresses[1].bits, 64);
    assert_where(p->addresses[1].where, MAIN, 14, 34);
    assert_int_equal(p->gateways_count, 2);
    assert_ip(p->gateways[1].ip, "fd25::1");
    assert_int_equal(p->vlan, 0);
    assert_int_equal(p->mtu, 1500);
    assert_int_equal(p->reply, CONF_REPLY_SOURCE);
    assert_true(p->offload);
    assert_null(conf_free(c));
}

static void example_servers(void **state)
{
    struct conf *c = load(CONF_TEXT_EXAMPLE);
    const struct conf_server *in = &c->servers[0], *out = &c->servers[1];

    (void)state;
    assert_int_equal(c->servers_count, 2);
    assert_where(in->where, MAIN, 19, 5);
    assert_string_equal(in->name.text, "inbound");
    assert_int_equal(in->listen_count, 2);
    assert_ip(in->listen[1].ip, "fd25::25");
    assert_int_equal(in->listen[1].port, 25);
    assert_where(in->listen[1].where, MAIN, 20, 31);
    assert_int_equal(in->connect_default, CONF_ALLOW);
    assert_int_equal(in->connect_rules_count, 2);
    assert_ip(in->connect_rules[0].match.ip, "203.0.113.0");
    assert_int_equal(in->connect_rules[0].match.bits, 24);
    assert_int_equal(in->connect_rules[0].action, CONF_DROP);
    assert_where(in->connect_rules[0].where, MAIN, 25, 11);
    assert_int_equal(in->connect_rules[1].match.bits, 32);
    assert_int_equal(in->connect_rules[1].action, CONF_TARPIT);
    assert_false(in->relay.default_allow);
    assert_where(in->relay.where, MAIN, 29, 12);
    assert_where(in->relay.default_where, MAIN, 29, 22);
    assert_int_equal(in->greeting_wait_us, 0);
    assert_int_equal(in->greeting_early, CONF_EARLY_REFUSE);
    assert_int_equal(in->trusted_count, 0);

    assert_string_equal(out->hostname.text, "mail.example.net");
    assert_int_equal(out->connect_default, CONF_ALLOW);
    assert_int_equal(out->relay.rules_count, 2);
    assert_int_equal(out->relay.rules[0].kind, CONF_RELAY_CLIENT);
    assert_true(out->relay.rules[0].allow);
    assert_int_equal(out->relay.rules[0].match.bits, 28);
    assert_false(out->relay.rules[0].i_accept_open_relay);
    assert_int_equal(out->relay.rules[1].kind, CONF_RELAY_LOCAL);
    assert_ip(out->relay.rules[1].match.ip, "10.25.0.25");
    assert_int_equal(out->relay.rules[1].match.bits, 32);
    assert_true(out->relay.rules[1].i_accept_open_relay);
    assert_where(out->relay.rules[1].where, MAIN, 39, 11);
    assert_int_equal(out->relay.deny_count, 1);
    assert_ip(out->relay.deny[0].ip, "198.51.100.0");
    assert_int_equal(out->trusted_count, 1);
    conf_free(c);
}

static void example_mail(void **state)
{
    struct conf *c = load(CONF_TEXT_EXAMPLE);
    uint32_t count;
    const struct conf_file *list = conf_files(c, &count);

    (void)state;
    assert_int_equal(c->domains_count, 2);
    assert_string_equal(c->domains[0].name.text, "example.org");
    assert_int_equal(c->domains[0].type, CONF_AUTHORITATIVE);
    assert_string_equal(c->domains[0].recipients_file.text, "/etc/sluice/recipients.txt");
    assert_int_equal(c->domains[0].route, 0);
    assert_int_equal(c->domains[0].rest, CONF_NONE);
    assert_int_equal(c->domains[1].type, CONF_INTERNAL_RELAY);
    assert_int_equal(c->domains[1].rest, 1);
    assert_int_equal(c->routes_count, 2);
    assert_int_equal(c->routes[0].to_count, 1);
    assert_string_equal(c->routes[0].to[0].url, "smtp://10.25.1.10:25");
    assert_int_equal(c->routes[0].to[0].kind, CONF_TARGET_SMTP);
    assert_ip(c->routes[0].to[0].ip, "10.25.1.10");
    assert_int_equal(c->routes[0].to[0].port, 25);
    assert_int_equal(c->routes[0].to[0].weight, 1);
    assert_int_equal(c->routes[1].to_count, 2);
    assert_string_equal(c->routes[1].to[0].url, "maildir:/etc/sluice/outbound");
    assert_string_equal(c->routes[1].to[0].path, "/etc/sluice/outbound");
    assert_int_equal(c->routes[1].to[0].weight, 3);
    assert_int_equal(c->routes[1].to[1].kind, CONF_TARGET_DISCARD);
    assert_string_equal(c->routes[1].domains[0].name, "*");
    assert_int_equal(c->bounces.route, 0);
    assert_int_equal(c->bounces.rate_count, 10);
    assert_int_equal(c->bounces.rate_period_us, 1000000);
    assert_int_equal(c->queue.retry_first_us, 5000000);
    assert_int_equal(c->queue.retry_maximum_us, 3600000000);
    assert_int_equal(c->queue.expire_us, 5 * UINT64_C(86400000000));
    assert_int_equal(c->bare_newline.rules_count, 1);
    assert_int_equal(c->bare_newline.rules[0].action, CONF_BARE_NORMALIZE);
    assert_int_equal(c->limits.message_bytes, 50 << 20);
    assert_string_equal(c->admin_listen.text, "127.0.0.1:8025");
    assert_ip(c->admin_ip, "127.0.0.1");
    assert_int_equal(c->admin_port, 8025);
    assert_int_equal(count, 3);
    assert_int_equal(list[0].kind, CONF_FILE_CONFIG);
    assert_string_equal(list[0].path, MAIN);
    assert_int_equal(list[2].kind, CONF_FILE_RECIPIENTS);
    assert_string_equal(list[2].path, "/etc/sluice/partner.txt");
    conf_free(c);
}

static void defaults(void **state)
{
    struct conf *c = load(CONF_TEXT_LEAST);

    (void)state;
    assert_string_equal(c->runtime_directory.text, "/run/sluice");
    assert_string_equal(c->runtime_user.text, "sluice");
    assert_int_equal(c->dataplane.memory_bytes, 512 << 20);
    assert_int_equal(c->dataplane.sessions, 100000);
    assert_int_equal(c->servers[0].relay.where.line, 3);
    assert_int_equal(c->servers[0].greeting_early, CONF_EARLY_REFUSE);
    assert_int_equal(c->bounces.what, CONF_RETURN_HEADERS);
    assert_int_equal(c->bounces.rate_count, 10);
    assert_string_equal(c->queue.directory.text, "/var/spool/sluice");
    assert_int_equal(c->queue.sync, CONF_SYNC_ALWAYS);
    assert_int_equal(c->queue.limit_bytes, UINT64_C(64) << 30);
    assert_int_equal(c->queue.limit_messages, 1000000);
    assert_int_equal(c->queue.reserve_bytes, 64 << 20);
    assert_int_equal(c->queue.where.line, 0);
    assert_string_equal(c->queue.where.file, MAIN);
    assert_int_equal(c->bare_newline.by_default, CONF_BARE_REFUSE);
    assert_int_equal(c->limits.message_bytes, 50 << 20);
    assert_int_equal(c->limits.recipients, 1000);
    assert_int_equal(c->limits.connections_per_client, 50);
    assert_int_equal(c->limits.bad_commands, 20);
    assert_int_equal(c->limits.hops, 100);
    assert_int_equal(c->limits.session_us, UINT64_C(7200000000));
    assert_int_equal(c->limits.command_us, 300000000);
    assert_int_equal(c->limits.data_us, 180000000);
    assert_string_equal(c->admin_listen.text, "");
    assert_int_equal(c->admin_port, 0);
    assert_int_equal(c->log.format, CONF_LOG_JSON);
    assert_int_equal(c->log.refusals_per_second, 100);
    conf_free(c);
}

static void includes_are_joined(void **state)
{
    static const struct file table[] = {
        {"/etc/sluice/a/one.yaml", "include: [../two.yaml]\n"
                                   "domains: [{name: one.example, type: authoritative, route: in,"
                                   " recipients: {file: list}}]\n"},
        {"/etc/sluice/a/../two.yaml", "domains: [{name: two.example, type: refuse}]\n"
                                      "limits: {hops: 7}\n"},
        {0}};
    uint32_t count;
    struct conf *c;

    (void)state;
    files = table;
    c = load(CONF_TEXT_LEAST "include: [a/one.yaml]\n"
                             "domains: [{name: zero.example, type: refuse}]\n");
    assert_int_equal(c->domains_count, 3);
    assert_string_equal(c->domains[0].name.text, "zero.example");
    assert_string_equal(c->domains[1].name.text, "one.example");
    assert_string_equal(c->domains[1].recipients_file.text, "/etc/sluice/a/list");
    assert_where(c->domains[2].where, "/etc/sluice/a/../two.yaml", 1, 11);
    assert_int_equal(c->limits.hops, 7);

    const struct conf_file *list = conf_files(c, &count);

    assert_int_equal(count, 4);
    assert_int_equal(list[1].kind, CONF_FILE_INCLUDE);
    assert_string_equal(list[1].path, "/etc/sluice/a/one.yaml");
    assert_string_equal(list[3].path, "/etc/sluice/a/list");
    conf_free(c);
    files = NULL;
}

static void aliases_are_values(void **state)
{
    struct conf *c = load(CONF_TEXT_INSTANCE CONF_TEXT_DATAPLANE
                          "virtual_servers:\n"
                          "  - {name: a, listen: [\"10.0.0.2:25\"], hostname: a.example,\n"
                          "     trusted: &friends [192.0.2.1, 192.0.2.2]}\n"
                          "  - {name: b, listen: [\"10.0.0.2:26\"], hostname: a.example,\n"
                          "     trusted: *friends}\n" CONF_TEXT_ROUTES CONF_TEXT_BOUNCES);

    (void)state;
    assert_int_equal(c->servers[1].trusted_count, 2);
    assert_ip(c->servers[1].trusted[1].ip, "192.0.2.2");
    conf_free(c);
}

/* From a file on disk, by the direct opener, path relative to where we are. */
static void direct(void **state)
{
    char dir[] = "conf-XXXXXX", path[64], here[4096], want[4200];
    struct conf *c = NULL;
    struct conf_error error;
    uint32_t count;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sluice.yaml", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(CONF_TEXT_LEAST "queue: {directory: spool}\n", f);
    fclose(f);
    assert_int_equal(conf_load(path, NULL, &c, &error), 0);
    assert_non_null(getcwd(here, sizeof(here)));
    snprintf(want, sizeof(want), "%s/%s/spool", here, dir);
    assert_string_equal(c->queue.directory.text, want);
    snprintf(want, sizeof(want), "%s/%s", here, path);
    assert_string_equal(conf_files(c, &count)->path, want);
    assert_string_equal(c->instance.where.file, path);
    conf_free(c);

    struct conf *untouched = (struct conf *)dir;

    unlink(path);
    assert_int_equal(conf_load(path, NULL, &untouched, &error), -ENOENT);
    assert_ptr_equal(untouched, dir);
    assert_int_equal(error.count, 1);
    assert_non_null(strstr(error.line[0], "No such file or directory"));
    assert_int_equal(conf_load(dir, NULL, &untouched, &error), -EISDIR);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(conf_load(path, NULL, &untouched, &error), -EINVAL);
    assert_non_null(strstr(error.line[0], "not a regular file"));
    unlink(path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)CONF_FILE_BYTES_MAX + 1), 0);
    fclose(f);
    assert_int_equal(conf_load(path, NULL, &untouched, &error), -EFBIG);
    assert_non_null(strstr(error.line[0], "larger than 8M"));
    unlink(path);
    rmdir(dir);
    assert_null(conf_free(NULL));
}

/* The table itself: what the reader relies on. */
static void table_is_sound(void **state)
{
    (void)state;
    for (uint32_t parent = 0; parent <= conf_keys_count; parent++) {
        uint32_t at = parent == conf_keys_count ? CONF_TOP : parent, children = 0;
        bool element = at != CONF_TOP && conf_keys[at].type == CONF_LIST;

        for (uint32_t i = at == CONF_TOP ? 0 : at + 1; conf_key_below(at, i); i++)
            children += conf_key_name(at, element, i) != NULL;
        assert_in_range(children, 0, CONF_CHILDREN_MAX);
        if (at == CONF_TOP)
            continue;
        assert_true(conf_keys[at].doc != NULL && conf_keys[at].doc[0] != '\0');
        assert_true((conf_keys[at].type == CONF_CHOICE) == (conf_keys[at].choices != NULL));
        if (conf_keys[at].type == CONF_MAP)
            assert_true(conf_key_below(at, at + 1));
        if (conf_keys[at].type != CONF_LIST)
            continue;
        assert_true(conf_keys[at].element > 0 && conf_keys[at].max > 0);
        if (conf_keys[at].element_where == CONF_NOWHERE) {
            char path[128];

            snprintf(path, sizeof(path), "%s[]", conf_keys[at].path);
            assert_string_equal(conf_keys[at + 1].path, path);
        } else {
            assert_true(children > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_dataplane), cmocka_unit_test(example_servers),
        cmocka_unit_test(example_mail),      cmocka_unit_test(defaults),
        cmocka_unit_test(includes_are_joined), cmocka_unit_test(aliases_are_values),
        cmocka_unit_test(direct),            cmocka_unit_test(table_is_sound),
    };

    return cmocka_run_group_tests_name("conf_load", tests, NULL, NULL);
}
