#include "conf_read.h"

#include <stdio.h>

/* A mapping being read: whose keys, into what. */
struct scope {
    uint32_t           parent;  /* row, or CONF_TOP */
    bool               element; /* of the list parent */
    void              *base;
    struct conf_where  where;   /* of the mapping */
    struct conf_where *seen;    /* by ordinal among the direct children */
};

static void read_value(struct conf_reader *r, const struct scope *in, uint32_t row,
                       yaml_node_t *node);

static struct conf_where where_of(const struct conf_reader *r, const yaml_node_t *node)
{
    return (struct conf_where){.file = r->file, .line = (uint32_t)node->start_mark.line + 1,
                               .column = (uint32_t)node->start_mark.column + 1};
}

static bool enough(const struct conf_reader *r)
{
    return r->error->more || r->no_memory || r->values > CONF_VALUES_MAX;
}

static uint32_t first_child(uint32_t parent)
{
    return parent == CONF_TOP ? 0 : parent + 1;
}

static const char *path_of(uint32_t parent)
{
    return parent == CONF_TOP ? "the configuration" : conf_keys[parent].path;
}

/* The row of key name in the scope, and its ordinal there; CONF_NONE if there is none. */
static uint32_t find_key(const struct scope *in, const char *name, uint32_t *ret_ordinal)
{
    uint32_t ordinal = 0;

    for (uint32_t i = first_child(in->parent); conf_key_below(in->parent, i); i++) {
        const char *child = conf_key_name(in->parent, in->element, i);

        if (child == NULL)
            continue;
        if (strcmp(child, name) == 0) {
            *ret_ordinal = ordinal;
            return i;
        }
        ordinal++;
    }
    return CONF_NONE;
}

/* "name, listen, hostname": what may stand in the scope. */
static void known_keys(const struct scope *in, char *out, size_t room)
{
    size_t used = 0;

    out[0] = '\0';
    for (uint32_t i = first_child(in->parent); conf_key_below(in->parent, i); i++) {
        const char *child = conf_key_name(in->parent, in->element, i);

        if (child == NULL || conf_keys[i].type == CONF_LATER || used >= room)
            continue;
        int n = snprintf(out + used, room - used, "%s%s", used > 0 ? ", " : "", child);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* The text of a scalar node; NULL and a line for anything else. */
static const char *scalar_text(struct conf_reader *r, const yaml_node_t *node, const char *what)
{
    struct conf_where where = where_of(r, node);
    const char *text;

    if (node->type != YAML_SCALAR_NODE) {
        conf_error_add(r->error, &where, "%s must be a single value, not a list or a mapping; "
                                         "write one value", what);
        return NULL;
    }
    text = (const char *)node->data.scalar.value;
    if (node->data.scalar.length > CONF_TEXT_BYTES_MAX) {
        conf_error_add(r->error, &where, "%s is longer than %u bytes; shorten it", what,
                       CONF_TEXT_BYTES_MAX);
        return NULL;
    }
    for (size_t i = 0; i < node->data.scalar.length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            conf_error_add(r->error, &where, "%s holds a control character; remove it", what);
            return NULL;
        }
    return text;
}

static void read_scalar(struct conf_reader *r, uint32_t row, void *base, const yaml_node_t *node)
{
    const struct conf_key *key = &conf_keys[row];
    struct conf_where where = where_of(r, node);
    char what[128];
    const char *text;
    bool plain;

    snprintf(what, sizeof(what), "`%s`", key->path);
    text = scalar_text(r, node, what);
    if (text == NULL)
        return;
    plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (text[0] == '\0' || (plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0))) {
        conf_error_add(r->error, &where, "%s has no value; write %s", what, key->doc);
        return;
    }
    if (!plain && (key->type == CONF_BOOL || key->type == CONF_UINT)) {
        conf_error_add(r->error, &where, "%s is a quoted text, but must be %s; remove the quotes",
                       what, key->type == CONF_BOOL ? "true or false" : "a number");
        return;
    }
    conf_put(r, key, base, text, where);
}

/* Whether name may stand here (again). */
static bool first_time(struct conf_reader *r, const struct scope *in, uint32_t row,
                       struct conf_where *seen, const struct conf_where *where)
{
    bool joined = in->parent == CONF_TOP &&
                  (conf_keys[row].type == CONF_LIST || conf_keys[row].type == CONF_INCLUDE);

    /* Lists at the top may come in pieces, one from each file. */
    if (seen->line == 0 || (joined && seen->file != where->file)) {
        *seen = *where;
        return true;
    }
    conf_error_add(r->error, where, "`%s` stands twice, first at %s:%u; remove one of them",
                   conf_keys[row].path, seen->file, seen->line);
    return false;
}

static void read_key(struct conf_reader *r, const struct scope *in, const yaml_node_pair_t *pair)
{
    yaml_node_t *key_node = yaml_document_get_node(r->document, pair->key);
    yaml_node_t *value = yaml_document_get_node(r->document, pair->value);
    struct conf_where where = where_of(r, key_node);
    const char *name = scalar_text(r, key_node, "a key");
    uint32_t row, ordinal = 0;
    char known[320];

    if (name == NULL)
        return;
    row = find_key(in, name, &ordinal);
    if (row == CONF_NONE) {
        known_keys(in, known, sizeof(known));
        conf_error_add(r->error, &where, "unknown key \"%.64s\" in %s; known here: %s", name,
                       path_of(in->parent), known);
        return;
    }
    if (!first_time(r, in, row, &in->seen[ordinal], &where))
        return;
    if (conf_keys[row].type == CONF_LATER) {
        conf_error_add(r->error, &where, "`%s`: this version of sluice does not have %s yet; "
                                         "remove the key", conf_keys[row].path, conf_keys[row].doc);
        return;
    }
    read_value(r, in, row, value);
}

static void read_keys(struct conf_reader *r, const struct scope *in, const yaml_node_t *node)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top && !enough(r); pair++)
        read_key(r, in, pair);
}

static void put_where(const struct conf_key *key, void *base, struct conf_where where)
{
    if (key->where_at != CONF_NOWHERE)
        *(struct conf_where *)(void *)((char *)base + key->where_at) = where;
}

/* Defaults of the scope's keys that were not seen.  demand: complain of those required. */
static void fill_in(struct conf_reader *r, const struct scope *in, bool demand)
{
    struct conf_where nowhere = {.file = r->file}, begin = {r->file, 1, 1};
    struct conf_where none[CONF_CHILDREN_MAX] = {0};
    uint32_t ordinal = 0;

    for (uint32_t i = first_child(in->parent); conf_key_below(in->parent, i); i++) {
        const struct conf_key *key = &conf_keys[i];
        const char *name = conf_key_name(in->parent, in->element, i);

        if (name == NULL || in->seen[ordinal++].line != 0)
            continue;
        if (key->required && demand)
            conf_error_add(r->error, in->where.line != 0 ? &in->where : &begin,
                           "%s has no `%s`; add it: %s", path_of(in->parent), name, key->doc);
        if (key->by_default != NULL)
            conf_put(r, key, in->base, key->by_default, nowhere);
        if (key->type == CONF_MAP) {
            struct scope below = {.parent = i, .base = in->base, .where = in->where, .seen = none};

            put_where(key, in->base, in->where);
            fill_in(r, &below, false);
        } else if (key->by_default != NULL) {
            put_where(key, in->base, nowhere);
        }
    }
}

static void read_map(struct conf_reader *r, uint32_t row, bool element, void *base,
                     const yaml_node_t *node)
{
    struct conf_where seen[CONF_CHILDREN_MAX] = {0};
    struct scope scope = {.parent = row, .element = element, .base = base,
                          .where = where_of(r, node), .seen = seen};

    if (node->type != YAML_MAPPING_NODE) {
        conf_error_add(r->error, &scope.where, "`%s`%s must be a mapping (key: value); write one",
                       conf_keys[row].path, element ? ": each entry" : "");
        return;
    }
    read_keys(r, &scope, node);
    if (!enough(r))
        fill_in(r, &scope, true);
}

/* Room for n more elements after those a list has.  NULL when out of memory. */
static char *more_elements(struct conf_reader *r, const struct conf_key *key, void *base,
                           uint32_t n)
{
    void **list = (void **)(void *)((char *)base + key->at);
    uint32_t *count = (uint32_t *)(void *)((char *)base + key->count_at);
    char *all = conf_arena_take(r->conf->arena, (size_t)*count + n, key->element);

    if (all == NULL) {
        r->no_memory = true;
        return NULL;
    }
    if (*count > 0)
        memcpy(all, *list, (size_t)*count * key->element);
    all += (size_t)*count * key->element;
    *list = all - (size_t)*count * key->element;
    *count += n;
    return all;
}

/* An element that is a mapping, or the bare scalar that stands for one. */
static void read_element(struct conf_reader *r, uint32_t row, char *at, const yaml_node_t *node)
{
    const struct conf_key *key = &conf_keys[row];

    if (key->element_where == CONF_NOWHERE) {
        read_scalar(r, row + 1, at, node); /* the row "path[]" follows its list's */
        return;
    }
    *(struct conf_where *)(void *)(at + key->element_where) = where_of(r, node);
    if (key->alone != NULL && node->type == YAML_SCALAR_NODE) {
        struct conf_where seen[CONF_CHILDREN_MAX] = {0};
        struct scope scope = {.parent = row, .element = true, .base = at,
                              .where = where_of(r, node), .seen = seen};
        uint32_t ordinal = 0, child = find_key(&scope, key->alone, &ordinal);

        read_scalar(r, child, at, node);
        seen[ordinal] = scope.where;
        fill_in(r, &scope, true);
        return;
    }
    read_map(r, row, true, at, node);
}

static void read_list(struct conf_reader *r, uint32_t row, void *base, const yaml_node_t *node)
{
    const struct conf_key *key = &conf_keys[row];
    struct conf_where where = where_of(r, node);

    if (node->type != YAML_SEQUENCE_NODE) {
        conf_error_add(r->error, &where, "`%s` must be a list; write [ ... ] or one \"- \" line "
                                         "for each", key->path);
        return;
    }
    put_where(key, base, where);

    yaml_node_item_t *item = node->data.sequence.items.start;
    size_t n = (size_t)(node->data.sequence.items.top - item);
    uint32_t have = *(const uint32_t *)(const void *)((const char *)base + key->count_at);

    if (have + n < key->min || have + n > key->max) {
        conf_error_add(r->error, &where, "`%s` has %zu entries; write %u to %u", key->path,
                       have + n, (unsigned)key->min, (unsigned)key->max);
        return;
    }

    char *at = more_elements(r, key, base, (uint32_t)n);

    for (size_t i = 0; i < n && at != NULL && !enough(r); i++) {
        r->values++;
        read_element(r, row, at + i * key->element, yaml_document_get_node(r->document, item[i]));
    }
}

/* include: [files] - noted for conf_load.c. */
static void read_includes(struct conf_reader *r, uint32_t row, const yaml_node_t *node)
{
    struct conf_where where = where_of(r, node);

    if (node->type != YAML_SEQUENCE_NODE) {
        conf_error_add(r->error, &where, "`include` must be a list of files; write "
                                         "include: [more.yaml]");
        return;
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top && !enough(r); item++) {
        const yaml_node_t *entry = yaml_document_get_node(r->document, *item);
        const char *text = scalar_text(r, entry, "a file in `include`");

        if (r->includes_count >= conf_keys[row].max) {
            conf_error_add(r->error, &where, "`include` names more than %u files; join some",
                           (unsigned)conf_keys[row].max);
            return;
        }
        if (text == NULL || text[0] == '\0')
            continue;
        text = conf_put_path(r, text);
        r->values++;
        if (text != NULL)
            r->includes[r->includes_count++] =
                (struct conf_text){.text = text, .where = where_of(r, entry)};
    }
}

static void read_value(struct conf_reader *r, const struct scope *in, uint32_t row,
                       yaml_node_t *node)
{
    const struct conf_key *key = &conf_keys[row];

    r->values++;
    switch (key->type) {
    case CONF_MAP:
        put_where(key, in->base, where_of(r, node));
        read_map(r, row, false, in->base, node);
        break;
    case CONF_LIST:
        read_list(r, row, in->base, node);
        break;
    case CONF_INCLUDE:
        read_includes(r, row, node);
        break;
    default:
        put_where(key, in->base, where_of(r, node));
        read_scalar(r, row, in->base, node);
        break;
    }
}

void conf_read_file(struct conf_reader *r)
{
    yaml_node_t *root = yaml_document_get_root_node(r->document);
    struct scope top = {.parent = CONF_TOP, .base = r->conf, .where = where_of(r, root),
                        .seen = r->seen};

    r->includes_count = 0;
    if (root->type != YAML_MAPPING_NODE) {
        conf_error_add(r->error, &top.where, "the file is no mapping; write keys, as "
                                             "instance: mx1.example.net");
        return;
    }
    read_keys(r, &top, root);
    if (r->values > CONF_VALUES_MAX)
        conf_error_add(r->error, &top.where, "more than %u values, aliases (*) counted at each "
                                             "use; use fewer", CONF_VALUES_MAX);
}

void conf_read_done(struct conf_reader *r)
{
    struct scope top = {.parent = CONF_TOP, .base = r->conf, .where = {.file = r->file},
                        .seen = r->seen};

    fill_in(r, &top, true);
}
