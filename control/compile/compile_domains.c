/* compile_domains.c - our domains, the routes, and the domains of relayed mail. */
#include "compile_domains.h"

#include <stdlib.h>

#include "policy_hash.h"

_Static_assert((int)DOMAIN_AUTHORITATIVE == (int)CONF_AUTHORITATIVE &&
                   (int)DOMAIN_INTERNAL_RELAY == (int)CONF_INTERNAL_RELAY &&
                   (int)DOMAIN_EXTERNAL_RELAY == (int)CONF_EXTERNAL_RELAY &&
                   (int)DOMAIN_REFUSE == (int)CONF_DOMAIN_REFUSE,
               "one order of domain types");

/* A domain on its way into a bucket. */
struct entry {
    struct image_domain image;
    const char *name;
    const struct conf_where *where;
    uint32_t bucket;
};

static uint32_t labels_of(const char *name)
{
    uint32_t labels = 1;

    for (; *name != '\0'; name++)
        labels += *name == '.';
    return labels;
}

static int by_bucket(const void *va, const void *vb)
{
    const struct entry *a = va, *b = vb;
    int order;

    if (a->bucket != b->bucket)
        return a->bucket < b->bucket ? -1 : 1;
    order = strcmp(a->name, b->name);
    if (order != 0)
        return order;
    return a->image.rule < b->image.rule ? -1 : a->image.rule > b->image.rule;
}

/* Puts the entries into their buckets; the same name twice is refused. */
static void place(struct build *b, struct array *entries, enum image_section index_at,
                  enum image_section at, uint32_t *ret_labels)
{
    struct entry *e = (struct entry *)(void *)entries->ptr;
    uint32_t buckets = 1, *index, n = (uint32_t)entries->count;
    struct image_domain *domains;

    b->no_memory |= entries->no_memory;
    while (buckets < n)
        buckets *= 2;
    index = build_add(b, index_at, buckets + 1);
    domains = n > 0 ? build_add(b, at, n) : NULL;
    if (index == NULL || (n > 0 && domains == NULL) || b->no_memory)
        return;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t labels = labels_of(e[i].name);

        e[i].bucket = (uint32_t)policy_hash(b->header.key, span_str(e[i].name)) & (buckets - 1);
        index[e[i].bucket + 1]++;
        if (labels > *ret_labels)
            *ret_labels = labels;
    }
    for (uint32_t i = 0; i < buckets; i++)
        index[i + 1] += index[i];
    if (n > 1)
        qsort(e, n, sizeof(*e), by_bucket);
    for (uint32_t i = 0; i < n; i++) {
        domains[i] = e[i].image;
        if (i > 0 && strcmp(e[i].name, e[i - 1].name) == 0)
            conf_error_add(b->error, e[i].where,
                           "domain %s was given before, at %s:%u; remove one of them", e[i].name,
                           e[i - 1].where->file, e[i - 1].where->line);
    }
}

static void add(struct build *b, struct array *entries, const char *name,
                const struct conf_where *where, struct image_domain image)
{
    struct entry *e = array_add(entries, 1);

    if (e == NULL)
        return;
    image.name = build_text(b, name);
    image.rule = build_rule(b, where);
    *e = (struct entry){.image = image, .name = name, .where = where};
}

/* <postmaster> without a domain and postmaster@[our address] go where the mail of the first
 * of our domains goes, one whose recipients we know if there is any; else where bounces go. */
static void choose_postmaster(struct build *b, const struct array *entries)
{
    const struct entry *e = (const struct entry *)(const void *)entries->ptr;
    struct image_header *h = &b->header;
    uint32_t best = DOMAIN_REFUSE;

    h->postmaster_route = b->conf->bounces.route;
    for (size_t i = 0; i < entries->count; i++) {
        uint32_t rank =
            e[i].image.type == DOMAIN_INTERNAL_RELAY ? DOMAIN_AUTHORITATIVE : e[i].image.type;

        if (rank < best) {
            best = rank;
            h->postmaster_route = e[i].image.route;
            h->postmaster_rule = e[i].image.rule;
        }
    }
}

void compile_domains(struct build *b)
{
    const struct conf *conf = b->conf;
    struct array entries;

    array_init(&entries, sizeof(struct entry));
    for (uint32_t i = 0; i < conf->domains_count; i++) {
        const struct conf_domain *d = &conf->domains[i];

        add(b, &entries, d->name.text, &d->where,
            (struct image_domain){.type = (uint32_t)d->type,
                                  .flags = DOMAIN_ITSELF | (d->subdomains ? DOMAIN_BELOW : 0),
                                  .route = d->route,
                                  .rest = d->rest});
        compile_recipients(b, d);
    }
    choose_postmaster(b, &entries);
    place(b, &entries, SECTION_DOMAIN_INDEX, SECTION_DOMAINS, &b->header.domain_labels);
    array_done(&entries);
}

/* A name stands for itself and all below it. */
static void add_route_domains(struct build *b, struct array *entries, uint32_t route)
{
    const struct conf_route *r = &b->conf->routes[route];

    for (uint32_t i = 0; i < r->domains_count; i++) {
        const struct conf_route_domain *d = &r->domains[i];

        if (strcmp(d->name, "*") != 0)
            add(b, entries, d->name, &d->where,
                (struct image_domain){.type = DOMAIN_ROUTE,
                                      .flags = DOMAIN_ITSELF | DOMAIN_BELOW,
                                      .route = route,
                                      .rest = POLICY_NONE});
        else if (b->header.default_route == POLICY_NONE || b->header.default_route == route)
            b->header.default_route = route;
        else
            conf_error_add(b->error, &d->where,
                           "route %s has \"*\" already; let one route be the default",
                           b->conf->routes[b->header.default_route].name.text);
    }
}

void compile_routes(struct build *b)
{
    const struct conf *conf = b->conf;
    struct array entries;

    array_init(&entries, sizeof(struct entry));
    for (uint32_t i = 0; i < conf->routes_count; i++) {
        const struct conf_route *from = &conf->routes[i];
        uint32_t first = build_count(b, SECTION_TARGETS);
        struct image_target *targets = build_add(b, SECTION_TARGETS, from->to_count);
        struct image_route *route = build_add(b, SECTION_ROUTES, 1);

        if (route == NULL || (targets == NULL && from->to_count > 0))
            break;
        *route = (struct image_route){build_text(b, from->name.text), first, from->to_count};
        for (uint32_t k = 0; k < from->to_count; k++)
            targets[k] = (struct image_target){build_text(b, from->to[k].url), from->to[k].weight};
        add_route_domains(b, &entries, i);
    }
    place(b, &entries, SECTION_ROUTE_DOMAIN_INDEX, SECTION_ROUTE_DOMAINS,
          &b->header.route_domain_labels);
    array_done(&entries);
}
