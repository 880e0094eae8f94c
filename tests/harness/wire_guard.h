/* wire_guard.h - bytes that end flush against a PROT_NONE page, so that an over-read faults. */
#ifndef WIRE_GUARD_H
#define WIRE_GUARD_H

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base_types.h"

#define GUARD_ROOM 20480u
#define GUARD_PAGE 4096u

/* A copy of n (at most GUARD_ROOM) bytes; valid until the next call. */
static inline struct span guarded(const void *bytes, size_t n)
{
    static uint8_t *area;

    if (area == NULL) {
        area = mmap(NULL, GUARD_ROOM + GUARD_PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED || mprotect(area + GUARD_ROOM, GUARD_PAGE, PROT_NONE) != 0)
            abort();
    }
    if (n > GUARD_ROOM)
        abort();
    if (n > 0)
        memcpy(area + GUARD_ROOM - n, bytes, n);
    return span_of(area + GUARD_ROOM - n, n);
}

#endif
