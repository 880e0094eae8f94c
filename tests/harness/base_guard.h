/* base_guard.h - bytes that end flush against a page nobody may touch, so that reading one
 * byte too many faults here and not in production.
 *
 *     struct guard g = guard_new(bytes, n);    g.ptr[n] faults
 *     guard_free(&g);
 */
#ifndef BASE_GUARD_H
#define BASE_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *ptr;
    size_t   len;
    void    *map;
    size_t   map_bytes;
};

static inline struct guard guard_new(const void *bytes, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (len + page - 1) / page * page;
    struct guard g = {.len = len, .map_bytes = body + page};

    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect((uint8_t *)g.map + body, page, PROT_NONE) != 0)
        abort();
    g.ptr = (uint8_t *)g.map + body - len;
    if (len > 0 && bytes != NULL)
        memcpy(g.ptr, bytes, len);
    return g;
}

static inline void guard_free(struct guard *g)
{
    munmap(g->map, g->map_bytes);
    g->map = NULL;
}

#endif
