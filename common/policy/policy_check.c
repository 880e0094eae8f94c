/* policy_check.c - nothing in a policy image is believed before it was checked here.
 *
 * What the look-ups rely on, and therefore what is proven, for any bytes whatever: every
 * section lies in the image; every index and string lies in its section; every enum has a
 * value of its list; every table is sorted and its last range ends the address space; every
 * bucket is short.  Each element is visited once (tables and locals must not share elements),
 * so the check is linear in the image.
 */
#include <errno.h>

#include "policy_hash.h"

#define IMAGE_TABLES_MAX    1024u
#define IMAGE_SERVERS_MAX   1024u
#define IMAGE_LISTENERS_MAX (1u << 20)
#define IMAGE_ROUTES_MAX    (1u << 20)

const uint32_t image_element_bytes[SECTIONS] = {
    [SECTION_STRINGS] = 1,
    [SECTION_RULES] = sizeof(struct image_rule),
    [SECTION_LISTENERS] = sizeof(struct image_listener),
    [SECTION_ADDRESSES] = sizeof(struct ip_addr),
    [SECTION_SERVERS] = sizeof(struct image_server),
    [SECTION_LOCALS] = sizeof(struct image_local),
    [SECTION_TABLES] = sizeof(struct image_table),
    [SECTION_V4_KEYS] = sizeof(uint32_t),
    [SECTION_V4_VALUES] = sizeof(uint32_t),
    [SECTION_V6_KEYS] = sizeof(struct image_v6),
    [SECTION_V6_VALUES] = sizeof(uint32_t),
    [SECTION_DOMAIN_INDEX] = sizeof(uint32_t),
    [SECTION_DOMAINS] = sizeof(struct image_domain),
    [SECTION_ROUTE_DOMAIN_INDEX] = sizeof(uint32_t),
    [SECTION_ROUTE_DOMAINS] = sizeof(struct image_domain),
    [SECTION_RECIPIENT_INDEX] = sizeof(uint32_t),
    [SECTION_RECIPIENTS] = sizeof(struct image_print),
    [SECTION_ROUTES] = sizeof(struct image_route),
    [SECTION_TARGETS] = sizeof(struct image_target),
};

static const uint32_t actions_of[TABLE_KINDS] = {
    [TABLE_CONNECT] = CONNECT_TARPIT + 1,
    [TABLE_MARK] = 1,
    [TABLE_RELAY] = RELAY_ALLOW + 1,
    [TABLE_BARE] = BARE_NOTE + 1,
};

static const char *check_header(const struct image_header *h, size_t bytes)
{
    if (h->magic != IMAGE_MAGIC)
        return "not a policy image";
    if (h->abi != IMAGE_ABI || h->header_bytes != sizeof(*h))
        return "policy image of another version";
    if (h->total_bytes != bytes)
        return "policy image is cut short or too long";
    if (h->checksum != image_checksum(h, bytes))
        return "policy image checksum is wrong";
    for (unsigned s = 0; s < SECTIONS; s++) {
        const struct image_extent *e = &h->section[s];
        uint64_t room = e->offset <= bytes ? bytes - e->offset : 0;

        if (e->offset < sizeof(*h) || e->offset > bytes || e->offset % IMAGE_ALIGN != 0)
            return "policy image section out of place";
        if (e->count > IMAGE_ELEMENTS_MAX && s != SECTION_STRINGS)
            return "policy image section too large";
        if (e->count > UINT32_MAX || e->count * image_element_bytes[s] > room)
            return "policy image section reaches beyond the end";
    }
    return NULL;
}

static bool string_ok(const struct policy *p, struct image_string s)
{
    return (uint64_t)s.offset + s.bytes <= image_header(p)->section[SECTION_STRINGS].count;
}

static bool rule_ok(const struct policy *p, uint32_t rule)
{
    return rule == POLICY_NONE || rule < image_count(p, SECTION_RULES);
}

static bool route_ok(const struct policy *p, uint32_t route)
{
    return route < image_count(p, SECTION_ROUTES);
}

static bool value_ok(const struct policy *p, const struct image_table *t, uint32_t value)
{
    return value == IMAGE_NO_VALUE || (value >> IMAGE_ACTION_SHIFT < actions_of[t->kind] &&
                                       (value & IMAGE_RULE_MASK) < image_count(p, SECTION_RULES));
}

static bool table_ok(const struct policy *p, uint32_t table, enum image_table_kind kind)
{
    const struct image_table *tables = image_at(p, SECTION_TABLES);

    return table < image_count(p, SECTION_TABLES) && tables[table].kind == kind;
}

/* The next node in ascending order of an Eytzinger tree of n nodes, or 0 after the last. */
static uint64_t next_in_order(uint64_t k, uint64_t n)
{
    if (2 * k + 1 <= n) {
        for (k = 2 * k + 1; 2 * k <= n;)
            k *= 2;
        return k;
    }
    while (k & 1)
        k /= 2;
    return k / 2;
}

static uint64_t first_in_order(uint64_t n)
{
    uint64_t k = 1;

    while (2 * k <= n)
        k *= 2;
    return k;
}

static bool check_v4(const struct policy *p, const struct image_table *t)
{
    const uint32_t *keys = (const uint32_t *)image_at(p, SECTION_V4_KEYS) + t->v4_first;
    const uint32_t *values = (const uint32_t *)image_at(p, SECTION_V4_VALUES) + t->v4_first;
    uint64_t n = t->v4_count - 1u;
    uint32_t last = 0;
    bool first = true;

    for (uint64_t k = first_in_order(n); k != 0; k = next_in_order(k, n)) {
        if ((!first && keys[k] <= last) || !value_ok(p, t, values[k]))
            return false;
        first = false;
        last = keys[k];
    }
    return last == UINT32_MAX;
}

static bool check_v6(const struct policy *p, const struct image_table *t)
{
    const struct image_v6 *keys =
        (const struct image_v6 *)image_at(p, SECTION_V6_KEYS) + t->v6_first;
    const uint32_t *values = (const uint32_t *)image_at(p, SECTION_V6_VALUES) + t->v6_first;
    uint64_t n = t->v6_count - 1u;
    struct image_v6 last = {0, 0};
    bool first = true;

    for (uint64_t k = first_in_order(n); k != 0; k = next_in_order(k, n)) {
        bool above =
            keys[k].high > last.high || (keys[k].high == last.high && keys[k].low > last.low);

        if ((!first && !above) || !value_ok(p, t, values[k]))
            return false;
        first = false;
        last = keys[k];
    }
    return last.high == UINT64_MAX && last.low == UINT64_MAX;
}

static const char *check_tables(const struct policy *p)
{
    const struct image_table *tables = image_at(p, SECTION_TABLES);
    uint64_t v4_end = 0, v6_end = 0;

    if (image_count(p, SECTION_TABLES) > IMAGE_TABLES_MAX)
        return "policy image has too many tables";
    if (image_count(p, SECTION_V4_KEYS) != image_count(p, SECTION_V4_VALUES) ||
        image_count(p, SECTION_V6_KEYS) != image_count(p, SECTION_V6_VALUES))
        return "policy image has keys without values";
    for (uint32_t i = 0; i < image_count(p, SECTION_TABLES); i++) {
        const struct image_table *t = &tables[i];

        if (t->kind >= TABLE_KINDS)
            return "policy image table of an unknown kind";
        if (t->v4_first < v4_end || t->v6_first < v6_end)
            return "policy image tables overlap";
        v4_end = (uint64_t)t->v4_first + t->v4_count;
        v6_end = (uint64_t)t->v6_first + t->v6_count;
        if (v4_end > image_count(p, SECTION_V4_KEYS) || v6_end > image_count(p, SECTION_V6_KEYS) ||
            t->v4_count == 1 || t->v6_count == 1)
            return "policy image table reaches beyond its keys";
        if ((t->v4_count != 0 && !check_v4(p, t)) || (t->v6_count != 0 && !check_v6(p, t)))
            return "policy image table is not in order";
    }
    return NULL;
}

static const char *check_listeners(const struct policy *p)
{
    const struct image_listener *l = image_at(p, SECTION_LISTENERS);
    const struct ip_addr *a = image_at(p, SECTION_ADDRESSES);

    if (image_count(p, SECTION_LISTENERS) > IMAGE_LISTENERS_MAX)
        return "policy image has too many listeners";
    for (uint32_t i = 0; i < image_count(p, SECTION_LISTENERS); i++) {
        int order = i == 0 ? -1 : memcmp(&l[i - 1].ip, &l[i].ip, sizeof(l->ip));

        if (l[i].server >= image_count(p, SECTION_SERVERS) || l[i].port > UINT16_MAX)
            return "policy image listener without a server";
        if (order > 0 || (order == 0 && l[i - 1].port >= l[i].port))
            return "policy image listeners are not in order";
    }
    for (uint32_t i = 1; i < image_count(p, SECTION_ADDRESSES); i++)
        if (memcmp(&a[i - 1], &a[i], sizeof(*a)) >= 0)
            return "policy image addresses are not in order";
    return NULL;
}

static const char *check_server(const struct policy *p, const struct image_server *s,
                                uint64_t *locals_end)
{
    const struct image_local *locals = image_at(p, SECTION_LOCALS);

    if (!string_ok(p, s->name) || !string_ok(p, s->hostname))
        return "policy image server without a name";
    if (s->early > EARLY_NOTE || s->connect_default > CONNECT_TARPIT ||
        s->relay_default > RELAY_ALLOW || s->relay_authenticated > 1)
        return "policy image server with an unknown setting";
    if (!table_ok(p, s->connect_table, TABLE_CONNECT) ||
        !table_ok(p, s->trusted_table, TABLE_MARK) ||
        !table_ok(p, s->relay_deny_table, TABLE_MARK) || !table_ok(p, s->relay_table, TABLE_RELAY))
        return "policy image server without its tables";
    if (s->locals_first < *locals_end ||
        (uint64_t)s->locals_first + s->locals_count > image_count(p, SECTION_LOCALS))
        return "policy image server's local addresses are out of place";
    *locals_end = (uint64_t)s->locals_first + s->locals_count;
    for (uint64_t i = s->locals_first; i < *locals_end; i++) {
        if (i > s->locals_first &&
            memcmp(&locals[i - 1].ip, &locals[i].ip, sizeof(locals->ip)) >= 0)
            return "policy image local addresses are not in order";
        if (!rule_ok(p, locals[i].rule))
            return "policy image local address without a rule";
    }
    return NULL;
}

static const char *check_servers(const struct policy *p)
{
    const struct image_server *servers = image_at(p, SECTION_SERVERS);
    uint64_t locals_end = 0;

    if (image_count(p, SECTION_SERVERS) > IMAGE_SERVERS_MAX)
        return "policy image has too many servers";
    for (uint32_t i = 0; i < image_count(p, SECTION_SERVERS); i++) {
        const char *why = check_server(p, &servers[i], &locals_end);

        if (why != NULL)
            return why;
    }
    return NULL;
}

/* An index of 2^k buckets, in order, none too long, over exactly `count` elements. */
static bool index_ok(const uint32_t *index, uint32_t index_count, uint32_t count)
{
    uint32_t buckets = index_count - 1;

    if (index_count < 2 || (buckets & (buckets - 1)) != 0 || index[0] != 0 ||
        index[buckets] != count)
        return false;
    for (uint32_t b = 0; b < buckets; b++)
        if (index[b + 1] < index[b] || index[b + 1] - index[b] > IMAGE_BUCKET_MAX)
            return false;
    return true;
}

static uint32_t labels_of(struct span name)
{
    uint32_t labels = 1;

    for (size_t i = 0; i < name.len; i++)
        labels += name.ptr[i] == '.';
    return labels;
}

static const char *check_domain(const struct policy *p, const struct image_domain *d, bool ours,
                                uint32_t labels_max)
{
    if (!string_ok(p, d->name) || d->name.bytes == 0 || d->name.bytes > IMAGE_DOMAIN_MAX ||
        labels_of(image_text(p, d->name)) > labels_max)
        return "policy image domain without a name";
    if (d->type >= DOMAIN_TYPES || ours == (d->type == DOMAIN_ROUTE))
        return "policy image domain of an unknown type";
    if ((d->flags & ~(DOMAIN_ITSELF | DOMAIN_BELOW)) != 0 || !rule_ok(p, d->rule))
        return "policy image domain with an unknown setting";
    if ((d->type != DOMAIN_REFUSE && !route_ok(p, d->route)) ||
        (d->type == DOMAIN_INTERNAL_RELAY && !route_ok(p, d->rest)))
        return "policy image domain without a route";
    return NULL;
}

static const char *check_domains(const struct policy *p, bool ours)
{
    enum image_section at = ours ? SECTION_DOMAINS : SECTION_ROUTE_DOMAINS;
    enum image_section index_at = ours ? SECTION_DOMAIN_INDEX : SECTION_ROUTE_DOMAIN_INDEX;
    const struct image_header *h = image_header(p);
    const struct image_domain *domains = image_at(p, at);
    const uint32_t *index = image_at(p, index_at);
    uint32_t labels_max = ours ? h->domain_labels : h->route_domain_labels;
    uint32_t buckets = image_count(p, index_at) - 1;

    if (!index_ok(index, image_count(p, index_at), image_count(p, at)) ||
        labels_max > IMAGE_LABELS_MAX)
        return "policy image domain index is wrong";
    for (uint32_t b = 0; b < buckets; b++)
        for (uint32_t i = index[b]; i < index[b + 1]; i++) {
            const char *why = check_domain(p, &domains[i], ours, labels_max);

            if (why != NULL)
                return why;
            if ((policy_hash(h->key, image_text(p, domains[i].name)) & (buckets - 1)) != b)
                return "policy image domain in the wrong bucket";
        }
    return NULL;
}

static const char *check_recipients(const struct policy *p)
{
    const struct image_print *prints = image_at(p, SECTION_RECIPIENTS);
    const uint32_t *index = image_at(p, SECTION_RECIPIENT_INDEX);
    uint32_t buckets = image_count(p, SECTION_RECIPIENT_INDEX) - 1;

    if (!index_ok(index, image_count(p, SECTION_RECIPIENT_INDEX),
                  image_count(p, SECTION_RECIPIENTS)))
        return "policy image recipient index is wrong";
    for (uint32_t b = 0; b < buckets; b++)
        for (uint32_t i = index[b]; i < index[b + 1]; i++)
            if ((prints[i].a & (buckets - 1)) != b)
                return "policy image recipient in the wrong bucket";
    return NULL;
}

static const char *check_routes(const struct policy *p)
{
    const struct image_header *h = image_header(p);
    const struct image_route *routes = image_at(p, SECTION_ROUTES);
    const struct image_target *targets = image_at(p, SECTION_TARGETS);

    if (image_count(p, SECTION_ROUTES) > IMAGE_ROUTES_MAX)
        return "policy image has too many routes";
    for (uint32_t i = 0; i < image_count(p, SECTION_ROUTES); i++)
        if (!string_ok(p, routes[i].name) ||
            (uint64_t)routes[i].targets_first + routes[i].targets_count >
                image_count(p, SECTION_TARGETS))
            return "policy image route is wrong";
    for (uint32_t i = 0; i < image_count(p, SECTION_TARGETS); i++)
        if (!string_ok(p, targets[i].url))
            return "policy image route target is wrong";
    if ((h->default_route != POLICY_NONE && !route_ok(p, h->default_route)) ||
        (h->postmaster_route != POLICY_NONE && !route_ok(p, h->postmaster_route)) ||
        !rule_ok(p, h->postmaster_rule))
        return "policy image default route is wrong";
    return NULL;
}

static const char *check_rules(const struct policy *p)
{
    const struct image_header *h = image_header(p);
    const struct image_rule *rules = image_at(p, SECTION_RULES);

    for (uint32_t i = 0; i < image_count(p, SECTION_RULES); i++)
        if (!string_ok(p, rules[i].file))
            return "policy image rule without a file";
    if (h->bare_default > BARE_NOTE || !table_ok(p, h->bare_table, TABLE_BARE))
        return "policy image bare-newline rules are wrong";
    return NULL;
}

static const char *check_all(const struct policy *p)
{
    const char *why = check_tables(p);

    if (why == NULL)
        why = check_rules(p);
    if (why == NULL)
        why = check_listeners(p);
    if (why == NULL)
        why = check_servers(p);
    if (why == NULL)
        why = check_routes(p);
    if (why == NULL)
        why = check_domains(p, true);
    if (why == NULL)
        why = check_domains(p, false);
    return why != NULL ? why : check_recipients(p);
}

int policy_open(struct policy *ret, const void *image, size_t bytes, const char **ret_why)
{
    struct policy p = {.base = image, .bytes = bytes};
    const char *why;

    if (bytes < sizeof(struct image_header))
        why = "policy image is cut short or too long";
    else if ((uintptr_t)image % IMAGE_ALIGN != 0)
        why = "policy image is not aligned in memory";
    else
        why = check_header(image_header(&p), bytes);
    if (why == NULL)
        why = check_all(&p);
    if (why != NULL) {
        *ret_why = why;
        return -EBADMSG;
    }
    *ret = p;
    return 0;
}
