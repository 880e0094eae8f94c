/* compile_build.c - additions to an image that is being put together. */
#include "compile_build.h"

#include <stdlib.h>

void build_init(struct build *b, const struct conf *conf, const struct conf_opener *opener,
                uint64_t generation, struct conf_error *error)
{
    *b = (struct build){.conf = conf, .opener = opener, .error = error};
    for (unsigned s = 0; s < SECTIONS; s++)
        array_init(&b->section[s], image_element_bytes[s]);
    b->header = (struct image_header){.magic = IMAGE_MAGIC,
                                      .abi = IMAGE_ABI,
                                      .header_bytes = sizeof(b->header),
                                      .generation = generation,
                                      .default_route = POLICY_NONE,
                                      .postmaster_route = POLICY_NONE,
                                      .postmaster_rule = POLICY_NONE};
}

void build_done(struct build *b)
{
    for (unsigned s = 0; s < SECTIONS; s++)
        array_done(&b->section[s]);
    while (b->prints != NULL) {
        struct print_block *next = b->prints->next;

        free(b->prints);
        b->prints = next;
    }
}

void *build_add(struct build *b, enum image_section section, uint32_t n)
{
    struct array *a = &b->section[section];
    uint64_t most = section == SECTION_STRINGS ? UINT32_MAX
                    : section == SECTION_RULES ? IMAGE_RULE_MASK
                                               : IMAGE_ELEMENTS_MAX;
    void *at;

    if (a->count + n > most) {
        b->too_large = true;
        return NULL;
    }
    at = array_add(a, n);
    b->no_memory |= at == NULL && n > 0;
    return at;
}

uint32_t build_count(const struct build *b, enum image_section section)
{
    return (uint32_t)b->section[section].count;
}

struct image_string build_text(struct build *b, const char *text)
{
    struct image_string s = {build_count(b, SECTION_STRINGS), (uint32_t)strlen(text)};
    void *at = build_add(b, SECTION_STRINGS, s.bytes);

    if (at != NULL)
        memcpy(at, text, s.bytes);
    else
        s.bytes = 0;
    return s;
}

uint32_t build_rule(struct build *b, const struct conf_where *where)
{
    uint32_t number = build_count(b, SECTION_RULES);
    struct image_rule *rule = build_add(b, SECTION_RULES, 1);

    if (rule == NULL)
        return 0;
    if (where->file != NULL && where->file != b->file) {
        b->file = where->file;
        b->file_text = build_text(b, where->file);
    }
    *rule = (struct image_rule){.line = where->line, .column = where->column};
    if (where->file != NULL)
        rule->file = b->file_text;
    return number;
}

void build_print(struct build *b, struct image_print print)
{
    struct print_block *block = b->prints;

    if (b->prints_count >= IMAGE_ELEMENTS_MAX) {
        b->too_large = true;
        return;
    }
    if (block == NULL || block->count == PRINT_BLOCK) {
        block = malloc(sizeof(*block));
        if (block == NULL) {
            b->no_memory = true;
            return;
        }
        block->next = b->prints;
        block->count = 0;
        b->prints = block;
    }
    block->print[block->count++] = print;
    b->prints_count++;
}

/* Eytzinger order: the in-order walk of the implicit tree of n nodes takes the ranges in their
 * order.  Element 0 is left zero. */
static uint64_t first_node(uint64_t n)
{
    uint64_t k = 1;

    while (2 * k <= n)
        k *= 2;
    return k;
}

static uint64_t node_after(uint64_t k, uint64_t n)
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

/* Where no rule is, there is no tree.  Room for a tree of n ranges that starts on a line. */
static uint32_t tree_of(struct build *b, const struct array *ranges, enum image_section keys,
                        enum image_section values, uint32_t line, uint32_t *ret_first)
{
    const struct range *r = (const struct range *)(const void *)ranges->ptr;
    uint32_t first = build_count(b, keys), pad = (line - first % line) % line;

    *ret_first = first;
    if (ranges->count == 0 || (ranges->count == 1 && r[0].value == IMAGE_NO_VALUE))
        return 0;
    if (ranges->count >= IMAGE_ELEMENTS_MAX) {
        b->too_large = true;
        return 0;
    }
    *ret_first = first + pad;
    if (build_add(b, keys, pad + (uint32_t)ranges->count + 1) == NULL ||
        build_add(b, values, pad + (uint32_t)ranges->count + 1) == NULL)
        return 0;
    return (uint32_t)ranges->count + 1;
}

uint32_t build_table(struct build *b, enum image_table_kind kind, const struct array *v4,
                     const struct array *v6)
{
    const struct range *r4 = (const struct range *)(const void *)v4->ptr;
    const struct range *r6 = (const struct range *)(const void *)v6->ptr;
    struct image_table t = {.kind = kind};
    uint32_t number = build_count(b, SECTION_TABLES), *values;
    struct image_table *at = build_add(b, SECTION_TABLES, 1);
    uint64_t k;

    t.v4_count = tree_of(b, v4, SECTION_V4_KEYS, SECTION_V4_VALUES, 16, &t.v4_first);
    t.v6_count = tree_of(b, v6, SECTION_V6_KEYS, SECTION_V6_VALUES, 4, &t.v6_first);
    if (b->no_memory || b->too_large)
        return 0;
    *at = t;
    if (t.v4_count > 0) {
        uint32_t *keys = (uint32_t *)(void *)b->section[SECTION_V4_KEYS].ptr + t.v4_first;

        values = (uint32_t *)(void *)b->section[SECTION_V4_VALUES].ptr + t.v4_first;
        for (k = first_node(v4->count); k != 0; k = node_after(k, v4->count), r4++) {
            keys[k] = (uint32_t)r4->last;
            values[k] = r4->value;
        }
    }
    if (t.v6_count > 0) {
        struct image_v6 *keys =
            (struct image_v6 *)(void *)b->section[SECTION_V6_KEYS].ptr + t.v6_first;

        values = (uint32_t *)(void *)b->section[SECTION_V6_VALUES].ptr + t.v6_first;
        for (k = first_node(v6->count); k != 0; k = node_after(k, v6->count), r6++) {
            keys[k] = (struct image_v6){(uint64_t)(r6->last >> 64), (uint64_t)r6->last};
            values[k] = r6->value;
        }
    }
    return number;
}
