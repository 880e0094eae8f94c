/* policy_find.c - prefixes, listeners, domains, recipients: the searches. */
#include "policy_find.h"

#include "policy_hash.h"

/* The smallest key not below `key`: the walk leaves the tree at its foot, and the turns to the
 * left since then (the trailing ones of k) are undone.  The greatest key is the end of the
 * address space, so there always is one (Khuong, Morin 2017, "Array layouts"). */
static inline uint64_t undo_right_turns(uint64_t k)
{
    return k >> (__builtin_ctzll(~k) + 1);
}

static uint32_t find_v4(const struct policy *p, const struct image_table *t, uint32_t key)
{
    const uint32_t *keys = (const uint32_t *)image_at(p, SECTION_V4_KEYS) + t->v4_first;
    const uint32_t *values = (const uint32_t *)image_at(p, SECTION_V4_VALUES) + t->v4_first;
    uint64_t k = 1;

    if (t->v4_count == 0)
        return IMAGE_NO_VALUE;
    while (k < t->v4_count) {
        /* Four levels down lie 16 keys side by side: one line. */
        __builtin_prefetch((const void *)((uintptr_t)keys + 16 * k * sizeof(*keys)));
        k = 2 * k + (keys[k] < key);
    }
    return values[undo_right_turns(k)];
}

static uint32_t find_v6(const struct policy *p, const struct image_table *t, struct image_v6 key)
{
    const struct image_v6 *keys =
        (const struct image_v6 *)image_at(p, SECTION_V6_KEYS) + t->v6_first;
    const uint32_t *values = (const uint32_t *)image_at(p, SECTION_V6_VALUES) + t->v6_first;
    uint64_t k = 1;

    if (t->v6_count == 0)
        return IMAGE_NO_VALUE;
    while (k < t->v6_count) {
        __builtin_prefetch((const void *)((uintptr_t)keys + 4 * k * sizeof(*keys)));
        k = 2 * k +
            ((keys[k].high < key.high) | ((keys[k].high == key.high) & (keys[k].low < key.low)));
    }
    return values[undo_right_turns(k)];
}

uint32_t policy_find_prefix(const struct policy *p, uint32_t table, const struct ip_addr *ip)
{
    const struct image_table *t = (const struct image_table *)image_at(p, SECTION_TABLES) + table;
    struct image_v6 key;

    if (ip_is_v4(ip))
        return find_v4(p, t, ip_to_v4(ip));
    memcpy(&key, ip->octets, sizeof(key));
    key.high = __builtin_bswap64(key.high);
    key.low = __builtin_bswap64(key.low);
    return find_v6(p, t, key);
}

uint32_t policy_listener(const struct policy *p, const struct ip_addr *local, uint16_t port)
{
    const struct image_listener *listeners = image_at(p, SECTION_LISTENERS);
    uint32_t from = 0, to = image_count(p, SECTION_LISTENERS);

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const struct image_listener *l = &listeners[middle];
        int order = memcmp(&l->ip, local, sizeof(*local));

        if (order == 0 && l->port == port)
            return l->server;
        if (order < 0 || (order == 0 && l->port < port))
            from = middle + 1;
        else
            to = middle;
    }
    return POLICY_NONE;
}

bool policy_find_own(const struct policy *p, const struct ip_addr *ip)
{
    const struct ip_addr *addresses = image_at(p, SECTION_ADDRESSES);
    uint32_t from = 0, to = image_count(p, SECTION_ADDRESSES);

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = memcmp(&addresses[middle], ip, sizeof(*ip));

        if (order == 0)
            return true;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

bool policy_find_local(const struct policy *p, const struct image_server *server,
                       const struct ip_addr *local, uint32_t *ret_rule)
{
    const struct image_local *locals = image_at(p, SECTION_LOCALS);
    uint32_t from = server->locals_first, to = from + server->locals_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = memcmp(&locals[middle].ip, local, sizeof(*local));

        if (order == 0) {
            *ret_rule = locals[middle].rule;
            return true;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

static const struct image_domain *find_name(const struct policy *p, bool ours, struct span name)
{
    enum image_section index_at = ours ? SECTION_DOMAIN_INDEX : SECTION_ROUTE_DOMAIN_INDEX;
    const struct image_domain *domains =
        image_at(p, ours ? SECTION_DOMAINS : SECTION_ROUTE_DOMAINS);
    const uint32_t *index = image_at(p, index_at);
    uint64_t mask = image_count(p, index_at) - 2u; /* 2^k buckets and the end */
    uint64_t bucket = policy_hash(image_header(p)->key, name) & mask;

    for (uint32_t i = index[bucket]; i < index[bucket + 1]; i++)
        if (span_equal(image_text(p, domains[i].name), name))
            return &domains[i];
    return NULL;
}

/* The name without its first label; empty after the last. */
static struct span parent_of(struct span name)
{
    const uint8_t *dot = memchr(name.ptr, '.', name.len);

    if (dot == NULL)
        return span_skip(name, name.len);
    return span_skip(name, (size_t)(dot - name.ptr) + 1);
}

const struct image_domain *policy_find_domain(const struct policy *p, bool ours, struct span name)
{
    const struct image_header *h = image_header(p);
    uint32_t labels_max = ours ? h->domain_labels : h->route_domain_labels;
    uint32_t wanted = DOMAIN_ITSELF, labels = 1;

    if (name.len == 0 || name.len > IMAGE_DOMAIN_MAX)
        return NULL;
    for (size_t i = 0; i < name.len; i++)
        labels += name.ptr[i] == '.';
    for (; name.len > 0; name = parent_of(name), labels--, wanted = DOMAIN_BELOW) {
        const struct image_domain *d;

        if (labels > labels_max) /* no name that long is there: a deep name costs no hashing */
            continue;
        d = find_name(p, ours, name);
        if (d != NULL && (d->flags & wanted))
            return d;
    }
    return NULL;
}

static bool find_print(const struct policy *p, struct image_print print)
{
    const uint32_t *index = image_at(p, SECTION_RECIPIENT_INDEX);
    const struct image_print *prints = image_at(p, SECTION_RECIPIENTS);
    uint64_t bucket = print.a & (image_count(p, SECTION_RECIPIENT_INDEX) - 2u);

    for (uint32_t i = index[bucket]; i < index[bucket + 1]; i++)
        if (prints[i].a == print.a && prints[i].b == print.b)
            return true;
    return false;
}

bool policy_find_recipient(const struct policy *p, const struct image_domain *entry,
                           struct span local_part, struct span domain)
{
    const uint8_t *key = image_header(p)->key;
    struct span name = image_text(p, entry->name);
    struct image_print print;

    if (policy_fingerprint(key, local_part, domain, false, &print) && find_print(p, print))
        return true;
    return !span_equal(name, domain) && policy_fingerprint(key, local_part, name, true, &print) &&
           find_print(p, print);
}
