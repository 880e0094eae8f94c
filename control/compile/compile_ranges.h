/* compile_ranges.h - prefixes cut into disjoint ranges of the address space.
 *
 * An address is a number of 32 or 128 bits.  Longest prefix wins; at equal length the lower
 * rank, then the lower rule number (so: deny before allow, then the first in the file).
 */
#ifndef COMPILE_RANGES_H
#define COMPILE_RANGES_H

#include "conf.h"

__extension__ typedef unsigned __int128 address;

#define V4_LAST ((address)UINT32_MAX)
#define V6_LAST (~(address)0)

/* An array that grows by doubling; memory that runs out is a sticky failure. */
struct array {
    uint8_t *ptr;
    size_t count, room;
    size_t element; /* bytes */
    bool no_memory;
};

void array_init(struct array *a, size_t element);
void array_done(struct array *a);
void *array_add(struct array *a, size_t n); /* n zeroed elements, or NULL */

struct prefix {
    address first;
    uint32_t value;
    uint8_t bits; /* of the family's 32 or 128 */
    uint8_t rank;
};

/* Prefixes of both families, as gathered. */
struct prefixes {
    struct array v4, v6; /* struct prefix */
};

void prefixes_init(struct prefixes *p);
void prefixes_done(struct prefixes *p);
void prefixes_add(struct prefixes *p, const struct conf_prefix *prefix, uint32_t value,
                  uint8_t rank);

struct range { /* from the end of the one before to last */
    address last;
    uint32_t value; /* IMAGE_NO_VALUE where no prefix holds */
};

struct ranges {
    struct array v4, v6; /* struct range; at least one each, the last ends the space */
};

/* Sorts p.  False when memory ran out (also earlier, while p was gathered). */
bool ranges_cut(struct ranges *ret, struct prefixes *p);
void ranges_done(struct ranges *r);

#endif
