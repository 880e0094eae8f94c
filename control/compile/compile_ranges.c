/* compile_ranges.c - sort, then one sweep with a stack of the prefixes that are open. */
#include "compile_ranges.h"

#include <stdlib.h>

#include "policy_image.h"

void array_init(struct array *a, size_t element)
{
    *a = (struct array){.element = element};
}

void array_done(struct array *a)
{
    free(a->ptr);
    a->ptr = NULL;
    a->count = a->room = 0;
}

void *array_add(struct array *a, size_t n)
{
    void *at;

    if (a->no_memory)
        return NULL;
    if (n > a->room - a->count) {
        size_t room = a->room < 64 ? 64 : a->room * 2, bytes;
        uint8_t *ptr;

        if (room < a->count + n)
            room = a->count + n;
        ptr = __builtin_mul_overflow(room, a->element, &bytes) ? NULL : realloc(a->ptr, bytes);
        if (ptr == NULL) {
            a->no_memory = true;
            return NULL;
        }
        a->ptr = ptr;
        a->room = room;
    }
    at = a->ptr + a->count * a->element;
    if (n > 0)
        memset(at, 0, n * a->element);
    a->count += n;
    return at;
}

void prefixes_init(struct prefixes *p)
{
    array_init(&p->v4, sizeof(struct prefix));
    array_init(&p->v6, sizeof(struct prefix));
}

void prefixes_done(struct prefixes *p)
{
    array_done(&p->v4);
    array_done(&p->v6);
}

static address number_of(const struct ip_addr *ip)
{
    address n = 0;

    if (ip_is_v4(ip))
        return ip_to_v4(ip);
    for (unsigned i = 0; i < sizeof(ip->octets); i++)
        n = n << 8 | ip->octets[i];
    return n;
}

/* All ones below a prefix of so many bits. */
static address host_mask(unsigned width, unsigned bits)
{
    address all = width == 32 ? V4_LAST : V6_LAST;

    return bits == 0 ? all : (((address)1 << (width - bits)) - 1) & all;
}

void prefixes_add(struct prefixes *p, const struct conf_prefix *prefix, uint32_t value,
                  uint8_t rank)
{
    bool v4 = ip_is_v4(&prefix->ip);
    struct prefix *entry = array_add(v4 ? &p->v4 : &p->v6, 1);

    if (entry == NULL)
        return;
    *entry = (struct prefix){.value = value, .bits = prefix->bits, .rank = rank};
    entry->first = number_of(&prefix->ip) & ~host_mask(v4 ? 32 : 128, prefix->bits);
}

static int by_precedence(const void *va, const void *vb)
{
    const struct prefix *a = va, *b = vb;
    uint32_t a_rule = a->value & IMAGE_RULE_MASK, b_rule = b->value & IMAGE_RULE_MASK;

    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->bits != b->bits)
        return a->bits < b->bits ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a_rule < b_rule ? -1 : a_rule > b_rule;
}

static void emit(struct array *ranges, address last, uint32_t value)
{
    struct range *all = (struct range *)(void *)ranges->ptr, *end;

    if (ranges->count > 0 && all[ranges->count - 1].value == value) {
        all[ranges->count - 1].last = last;
        return;
    }
    end = array_add(ranges, 1);
    if (end != NULL)
        *end = (struct range){.last = last, .value = value};
}

/* Prefixes are nested or apart, so the open ones are a stack: at most one of each length. */
static void cut(struct array *ret, struct array *prefixes, unsigned width)
{
    struct range open[130];
    unsigned depth = 0;
    const struct prefix *p = (const struct prefix *)(const void *)prefixes->ptr;
    address next = 0; /* the first address not yet in a range */

    if (prefixes->count > 1)
        qsort(prefixes->ptr, prefixes->count, prefixes->element, by_precedence);
    open[depth++] = (struct range){host_mask(width, 0), IMAGE_NO_VALUE};
    for (size_t i = 0; i < prefixes->count; i++) {
        if (i > 0 && p[i].first == p[i - 1].first && p[i].bits == p[i - 1].bits)
            continue; /* the one before has precedence */
        while (open[depth - 1].last < p[i].first) {
            depth--;
            if (next <= open[depth].last) {
                emit(ret, open[depth].last, open[depth].value);
                next = open[depth].last + 1;
            }
        }
        if (next < p[i].first) {
            emit(ret, p[i].first - 1, open[depth - 1].value);
            next = p[i].first;
        }
        open[depth++] = (struct range){p[i].first | host_mask(width, p[i].bits), p[i].value};
    }
    while (depth-- > 0) {
        if (next <= open[depth].last) {
            emit(ret, open[depth].last, open[depth].value);
            if (open[depth].last == open[0].last)
                return; /* the end of the space; next would begin again at 0 */
            next = open[depth].last + 1;
        }
    }
}

bool ranges_cut(struct ranges *ret, struct prefixes *p)
{
    array_init(&ret->v4, sizeof(struct range));
    array_init(&ret->v6, sizeof(struct range));
    cut(&ret->v4, &p->v4, 32);
    cut(&ret->v6, &p->v6, 128);
    return !(p->v4.no_memory || p->v6.no_memory || ret->v4.no_memory || ret->v6.no_memory);
}

void ranges_done(struct ranges *r)
{
    array_done(&r->v4);
    array_done(&r->v6);
}
