/* conf_put.c - one scalar value, checked, into its field. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base_text.h"
#include "conf_read.h"
#include "conf_value.h"

#define put_error(r, where, ...) conf_error_add((r)->error, &(where), __VA_ARGS__)
#define FIELD_OF(base, type, key) ((type *)(void *)((char *)(base) + (key)->at))

static const char *keep(struct conf_reader *r, const char *text)
{
    const char *copy = conf_arena_text(r->conf->arena, text, strlen(text));

    if (copy == NULL)
        r->no_memory = true;
    return copy != NULL ? copy : "";
}

static void put_text(struct conf_reader *r, const struct conf_key *key, void *base,
                     const char *text, struct conf_where where)
{
    *FIELD_OF(base, struct conf_text, key) =
        (struct conf_text){.text = keep(r, text), .where = where};
}

const char *conf_put_path(struct conf_reader *r, const char *text)
{
    size_t dir = strlen(r->directory), len = strlen(text);
    char *path;

    if (text[0] == '/')
        return keep(r, text);
    path = conf_arena_take(r->conf->arena, dir + len + 2, 1);
    if (path == NULL) {
        r->no_memory = true;
        return NULL;
    }
    memcpy(path, r->directory, dir);
    if (dir == 0 || path[dir - 1] != '/')
        path[dir++] = '/';
    memcpy(path + dir, text, len);
    return path;
}

static void put_path(struct conf_reader *r, const struct conf_key *key, void *base,
                     const char *text, struct conf_where where)
{
    const char *path = conf_put_path(r, text);

    if (path == NULL)
        return;
    if (strlen(path) > key->max)
        put_error(r, where, "`%s`: %s is longer than %" PRIu64 " bytes; choose a shorter path",
                  key->path, path, key->max);
    *FIELD_OF(base, struct conf_text, key) = (struct conf_text){.text = path, .where = where};
}

static void put_number(void *base, const struct conf_key *key, uint64_t n)
{
    char *at = (char *)base + key->at;

    switch (key->width) {
    case 1:
        *(uint8_t *)at = (uint8_t)n;
        break;
    case 2:
        *(uint16_t *)(void *)at = (uint16_t)n;
        break;
    case 4:
        *(uint32_t *)(void *)at = (uint32_t)n;
        break;
    case 8:
        *(uint64_t *)(void *)at = n;
        break;
    default: /* nothing to keep: the value only had to be a permitted one */
        break;
    }
}

/* n as somebody would write it: 64K, 5s. */
static const char *number_text(enum conf_type type, uint64_t n, char text[32])
{
    static const struct {
        uint64_t    factor;
        const char *unit;
    } sizes[] = {{UINT64_C(1) << 40, "T"}, {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}},
      times[] = {{86400000000, "d"}, {3600000000, "h"}, {60000000, "m"}, {1000000, "s"},
                 {1000, "ms"}};
    const size_t count = type == CONF_SIZE ? ARRAY_LEN(sizes) : ARRAY_LEN(times);

    if (n == 0 || (type != CONF_SIZE && type != CONF_DURATION)) {
        snprintf(text, 32, "%" PRIu64 "%s", n, type == CONF_DURATION ? "s" : "");
        return text;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t factor = type == CONF_SIZE ? sizes[i].factor : times[i].factor;

        if (n % factor != 0)
            continue;
        snprintf(text, 32, "%" PRIu64 "%s", n / factor,
                 type == CONF_SIZE ? sizes[i].unit : times[i].unit);
        break;
    }
    return text;
}

static void put_range(struct conf_reader *r, const struct conf_key *key, void *base,
                      const char *text, struct conf_where where)
{
    const char *form = "a whole number; write digits only";
    char low[32], high[32];
    uint64_t n = 0;
    int rc;

    if (key->type == CONF_SIZE) {
        form = "a size; write one, as 512K, 64M or 2G";
        rc = text_parse_size(span_str(text), &n);
    } else if (key->type == CONF_DURATION) {
        form = "a time; write one, as 100ms, 5s, 3m, 1h or 5d";
        rc = text_parse_duration(span_str(text), &n);
    } else {
        rc = text_parse_u64(span_str(text), UINT64_MAX, &n);
    }
    /* 010 is ten to some and eight to others. */
    if (rc == -EINVAL || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
        put_error(r, where, "`%s`: \"%s\" is not %s", key->path, text, form);
    else if (rc != 0 || n < key->min || n > key->max)
        put_error(r, where, "`%s`: %s is out of range; write %s to %s", key->path, text,
                  number_text(key->type, key->min, low), number_text(key->type, key->max, high));
    else
        put_number(base, key, n);
}

static void put_bool(struct conf_reader *r, const struct conf_key *key, void *base,
                     const char *text, struct conf_where where)
{
    bool yes;

    if (conf_value_bool(text, &yes) != 0)
        put_error(r, where, "`%s`: \"%s\" is neither true nor false; write true or false",
                  key->path, text);
    else
        put_number(base, key, yes);
}

/* "none, optional or required", of what this version has. */
static void choices_text(const struct conf_choice *choices, char *out, size_t room)
{
    size_t used = 0, left = 0;

    for (const struct conf_choice *c = choices; c->name != NULL; c++)
        left += !c->later;
    out[0] = '\0';
    for (const struct conf_choice *c = choices; c->name != NULL && used < room; c++) {
        if (c->later)
            continue;
        left--;
        int n = snprintf(out + used, room - used, "%s%s", c->name,
                         left > 1 ? ", " : left == 1 ? " or " : "");
        used += n > 0 ? (size_t)n : 0;
    }
}

static void put_choice(struct conf_reader *r, const struct conf_key *key, void *base,
                       const char *text, struct conf_where where)
{
    const struct conf_choice *c = key->choices;
    char all[128];

    while (c->name != NULL && strcmp(c->name, text) != 0)
        c++;
    choices_text(key->choices, all, sizeof(all));
    if (c->name == NULL)
        put_error(r, where, "`%s` cannot be \"%s\"; write %s", key->path, text, all);
    else if (c->later)
        put_error(r, where, "`%s`: this version of sluice does not have \"%s\" yet; write %s",
                  key->path, text, all);
    else
        put_number(base, key, c->value);
}

static void put_name(struct conf_reader *r, const struct conf_key *key, void *base,
                     const char *text, struct conf_where where)
{
    if (!conf_value_is_name(text))
        put_error(r, where, "`%s`: \"%s\" is no name; write up to 64 letters, digits, '.', '-' "
                            "and '_'", key->path, text);
    else
        put_text(r, key, base, text, where);
}

static void put_host(struct conf_reader *r, const struct conf_key *key, void *base,
                     const char *text, struct conf_where where)
{
    char host[CONF_HOST_BYTES];

    if (conf_value_host(text, host) != 0)
        put_error(r, where, "`%s`: \"%s\" is no host or domain name; write it as mx1.example.net "
                            "(international names in their xn-- form)", key->path, text);
    else
        put_text(r, key, base, host, where);
}

static void put_device(struct conf_reader *r, const struct conf_key *key, void *base,
                       const char *text, struct conf_where where)
{
    bool good = strlen(text) <= key->max && text[0] != '-';

    for (const char *c = text; good && *c != '\0'; c++)
        good = *c > ' ' && *c < 0x7f;
    if (!good)
        put_error(r, where, "`%s`: \"%s\" is no device; write a PCI address or DPDK devargs "
                            "without blanks, as \"net_tap0,iface=sluice0\"", key->path, text);
    else
        put_text(r, key, base, text, where);
}

static void put_user(struct conf_reader *r, const struct conf_key *key, void *base,
                     const char *text, struct conf_where where)
{
    if (!conf_value_is_name(text) || strlen(text) > 32 || text[0] == '-')
        put_error(r, where, "`%s`: \"%s\" is no user name; write one that exists, as sluice",
                  key->path, text);
    else
        put_text(r, key, base, text, where);
}

static void put_prefix(struct conf_reader *r, const struct conf_key *key, void *base,
                       const char *text, struct conf_where where)
{
    struct conf_prefix p = {.where = where};
    char ip[CONF_IP_TEXT_BYTES];

    if (conf_parse_prefix(text, &p.ip, &p.bits) != 0) {
        char host[CONF_HOST_BYTES];

        if (conf_value_host(text[0] == '.' ? text + 1 : text, host) == 0)
            put_error(r, where, "`%s`: this version of sluice does not match by name yet (\"%s\"); "
                                "write an address or a subnet, as 203.0.113.0/24", key->path, text);
        else
            put_error(r, where, "`%s`: \"%s\" is no address or subnet; write one, as "
                                "203.0.113.0/24 or 2001:db8::/32", key->path, text);
        return;
    }

    struct ip_addr first = ip_prefix_base(&p.ip, p.bits);

    /* Bits beyond the prefix: meant for another subnet, or a slip of the pen. */
    if (!ip_equal(&first, &p.ip)) {
        put_error(r, where, "`%s`: %s has bits set beyond its prefix; write %s/%u for the whole "
                            "subnet, or the address alone", key->path, text,
                  conf_ip_text(&first, ip), p.bits);
        return;
    }
    *FIELD_OF(base, struct conf_prefix, key) = p;
}

static void put_port_address(struct conf_reader *r, const struct conf_key *key, void *base,
                             const char *text, struct conf_where where)
{
    struct conf_prefix p = {.where = where};

    if (strchr(text, '/') == NULL || conf_parse_prefix(text, &p.ip, &p.bits) != 0 || p.bits == 0)
        put_error(r, where, "`%s`: \"%s\" is no address with its subnet; write it as "
                            "10.25.0.25/24 or fd25::25/64", key->path, text);
    else
        *FIELD_OF(base, struct conf_prefix, key) = p;
}

static void put_address(struct conf_reader *r, const struct conf_key *key, void *base,
                        const char *text, struct conf_where where)
{
    struct ip_addr ip;

    if (conf_parse_ip(text, &ip) != 0) {
        put_error(r, where, "`%s`: \"%s\" is no address; write one, as 10.25.0.1 or fd25::1",
                  key->path, text);
    } else if (key->type == CONF_IP) {
        *FIELD_OF(base, struct conf_ip, key) = (struct conf_ip){.ip = ip, .where = where};
    } else {
        *FIELD_OF(base, struct conf_prefix, key) = (struct conf_prefix){
            .ip = ip, .bits = ip_is_v4(&ip) ? 32 : 128, .where = where};
    }
}

static void put_listen(struct conf_reader *r, const struct conf_key *key, void *base,
                       const char *text, struct conf_where where)
{
    struct conf *conf = r->conf;
    struct conf_listen l = {.where = where};

    if (conf_parse_listen(text, &l.ip, &l.port) != 0) {
        put_error(r, where, "`%s`: \"%s\" is no address and port; write them as \"10.25.0.25:25\" "
                            "or \"[fd25::25]:25\"", key->path, text);
    } else if (key->type == CONF_LISTEN) {
        *FIELD_OF(base, struct conf_listen, key) = l;
    } else {
        put_text(r, key, base, text, where);
        conf->admin_ip = l.ip;
        conf->admin_port = l.port;
    }
}

static void put_route_domain(struct conf_reader *r, const struct conf_key *key, void *base,
                             const char *text, struct conf_where where)
{
    char host[CONF_HOST_BYTES];

    if (strcmp(text, "*") != 0 && conf_value_host(text, host) != 0)
        put_error(r, where, "`%s`: \"%s\" is no domain; write one, as example.net, or \"*\" for "
                            "all", key->path, text);
    else
        *FIELD_OF(base, struct conf_route_domain, key) = (struct conf_route_domain){
            .name = keep(r, strcmp(text, "*") == 0 ? text : host), .where = where};
}

static void put_smtp_url(struct conf_reader *r, const struct conf_key *key,
                         struct conf_target *target, const char *text, struct conf_where where)
{
    char url[TEXT_ENDPOINT_MAX + sizeof("smtp://")] = "smtp://";

    if (conf_parse_listen(text + strlen("smtp://"), &target->ip, &target->port) != 0) {
        put_error(r, where, "`%s`: \"%s\" names no address and port (this version of sluice looks "
                            "up no host names yet); write it as smtp://10.25.1.10:25 or "
                            "smtp://[fd25::10]:25", key->path, text);
        return;
    }
    text_endpoint(url + strlen(url), &target->ip, target->port);
    target->kind = CONF_TARGET_SMTP;
    target->url = keep(r, url);
}

static void put_maildir_url(struct conf_reader *r, const struct conf_key *key,
                            struct conf_target *target, const char *text, struct conf_where where)
{
    const char *path = text + strlen("maildir:");
    size_t len;
    char *url;

    path = *path != '\0' ? conf_put_path(r, path) : NULL;
    if (path == NULL || strlen(path) > CONF_PATH_BYTES_MAX) {
        put_error(r, where, "`%s`: \"%s\" names no Maildir; write it as maildir:/var/mail/edge",
                  key->path, text);
        return;
    }
    len = strlen("maildir:") + strlen(path) + 1;
    url = conf_arena_take(r->conf->arena, len, 1);
    if (url == NULL) {
        r->no_memory = true;
        return;
    }
    snprintf(url, len, "maildir:%s", path);
    target->kind = CONF_TARGET_MAILDIR;
    target->path = path;
    target->url = url;
}

static void put_url(struct conf_reader *r, const struct conf_key *key, void *base,
                    const char *text, struct conf_where where)
{
    static const char *const later[] = {"mx:", "lmtp:", "smtps:"};
    struct conf_target *target = FIELD_OF(base, struct conf_target, key);

    target->url = target->path = "";
    if (target->where.line == 0)
        target->where = where;
    if (strncmp(text, "smtp://", 7) == 0) {
        put_smtp_url(r, key, target, text, where);
        return;
    }
    if (strncmp(text, "maildir:", 8) == 0) {
        put_maildir_url(r, key, target, text, where);
        return;
    }
    if (strcmp(text, "discard:") == 0) {
        target->kind = CONF_TARGET_DISCARD;
        target->url = "discard:";
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (strncmp(text, later[i], strlen(later[i])) == 0) {
            put_error(r, where, "`%s`: this version of sluice does not have %s routes yet; write "
                                "smtp://ADDRESS:PORT, maildir:/path or discard:", key->path,
                      later[i]);
            return;
        }
    put_error(r, where, "`%s`: \"%s\" is no route; write smtp://ADDRESS:PORT, maildir:/path or "
                        "discard:", key->path, text);
}

static void put_rate(struct conf_reader *r, const struct conf_key *key, const char *text,
                     struct conf_where where)
{
    uint64_t period_us;
    uint32_t count;
    int rc = conf_value_rate(text, &count, &period_us);

    if (rc == -EINVAL) {
        put_error(r, where, "`%s`: \"%s\" is no rate; write it as 10/s, 60/m or 1000/h",
                  key->path, text);
    } else if (rc != 0 || count < key->min || count > key->max) {
        put_error(r, where, "`%s`: %s is out of range; write %" PRIu64 " to %" PRIu64
                            " before the /", key->path, text, key->min, key->max);
    } else {
        r->conf->bounces.rate_count = count;
        r->conf->bounces.rate_period_us = period_us;
    }
}

void conf_put(struct conf_reader *r, const struct conf_key *key, void *base, const char *text,
              struct conf_where where)
{
    switch (key->type) {
    case CONF_BOOL:
        put_bool(r, key, base, text, where);
        break;
    case CONF_UINT:
    case CONF_SIZE:
    case CONF_DURATION:
        put_range(r, key, base, text, where);
        break;
    case CONF_CHOICE:
        put_choice(r, key, base, text, where);
        break;
    case CONF_NAME:
        put_name(r, key, base, text, where);
        break;
    case CONF_HOST:
        put_host(r, key, base, text, where);
        break;
    case CONF_PATH:
        put_path(r, key, base, text, where);
        break;
    case CONF_DEVICE:
        put_device(r, key, base, text, where);
        break;
    case CONF_USER:
        put_user(r, key, base, text, where);
        break;
    case CONF_PREFIX_RULE:
        put_prefix(r, key, base, text, where);
        break;
    case CONF_PREFIX_HOST:
        put_port_address(r, key, base, text, where);
        break;
    case CONF_WHOLE:
    case CONF_IP:
        put_address(r, key, base, text, where);
        break;
    case CONF_LISTEN:
    case CONF_ADMIN:
        put_listen(r, key, base, text, where);
        break;
    case CONF_ROUTE_DOMAIN:
        put_route_domain(r, key, base, text, where);
        break;
    case CONF_URL:
        put_url(r, key, base, text, where);
        break;
    case CONF_RATE:
        put_rate(r, key, text, where);
        break;
    case CONF_MAP:
    case CONF_LIST:
    case CONF_LATER:
    case CONF_INCLUDE:
        break; /* no scalars: conf_read.c */
    }
}
