/* conf_keys.h - the one list of configuration keys: what may stand where, as what, by default.
 *
 * A row's path is that of the key from the top, "[]" after each list: routes[].to[].weight.
 * Children follow their parent's row.  The value goes to `at` in the struct that holds it: the
 * element's struct inside a list, struct conf outside.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "conf.h"

enum conf_type {
    CONF_MAP,          /* keys below it, same struct */
    CONF_LIST,         /* pointer to elements, a count beside it */
    CONF_LATER,        /* a key of the contract that this version does not have: refused */
    CONF_INCLUDE,      /* read by conf_load.c */
    CONF_BOOL,
    CONF_UINT,         /* of the field's width */
    CONF_SIZE,         /* uint64_t bytes */
    CONF_DURATION,     /* uint64_t microseconds */
    CONF_CHOICE,       /* one of row->choices */
    CONF_NAME,         /* struct conf_text, as are the next five */
    CONF_HOST,
    CONF_PATH,         /* made absolute */
    CONF_DEVICE,
    CONF_USER,
    CONF_ADMIN,        /* struct conf: admin_listen, admin_ip, admin_port */
    CONF_PREFIX_RULE,  /* struct conf_prefix; nothing beyond the prefix */
    CONF_PREFIX_HOST,  /* struct conf_prefix; an address with its subnet's length */
    CONF_WHOLE,        /* struct conf_prefix; one address */
    CONF_IP,           /* struct conf_ip */
    CONF_LISTEN,       /* struct conf_listen */
    CONF_ROUTE_DOMAIN, /* struct conf_route_domain */
    CONF_URL,          /* struct conf_target */
    CONF_RATE          /* struct conf: bounces.rate_* */
};

struct conf_choice {
    const char *name;  /* NULL ends the list */
    uint32_t    value;
    bool        later; /* in the contract, not in this version */
};

#define CONF_NOWHERE SIZE_MAX

struct conf_key {
    const char               *path;
    enum conf_type            type;
    bool                      required;
    size_t                    at, width;     /* field; LIST: of the pointer */
    size_t                    count_at;      /* LIST: of its uint32_t count */
    size_t                    where_at;      /* of a struct conf_where, or CONF_NOWHERE */
    size_t                    element;       /* LIST: bytes of one */
    size_t                    element_where; /* LIST of maps: where its struct conf_where is */
    const char               *alone;         /* LIST of maps: the key a bare scalar stands for */
    const char               *by_default;    /* as it would be written; NULL: nothing */
    uint64_t                  min, max;      /* number, text bytes, list length */
    const struct conf_choice *choices;
    const char               *doc;           /* what it is, for messages and the manual */
};

extern const struct conf_key conf_keys[];
extern const uint32_t conf_keys_count;

#define CONF_TOP UINT32_MAX /* the parent of the top-level keys */

/* If row child is a key directly in parent (element: in an element of the list parent), its
 * name; else NULL. */
const char *conf_key_name(uint32_t parent, bool element, uint32_t child);

/* Whether rows from child on may still lie below parent; loops over children stop there. */
bool conf_key_below(uint32_t parent, uint32_t child);

#endif
