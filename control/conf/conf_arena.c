#include "conf_arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 * 1024)
#define ALIGN_BYTES ((size_t)16)

struct block {
    struct block *next;
    size_t        used, room;
    _Alignas(16) unsigned char bytes[];
};

struct conf_arena {
    struct block *head;
};

struct conf_arena *conf_arena_new(void)
{
    return calloc(1, sizeof(struct conf_arena));
}

struct conf_arena *conf_arena_free(struct conf_arena *arena)
{
    if (arena == NULL)
        return NULL;
    for (struct block *b = arena->head, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
    return NULL;
}

void *conf_arena_take(struct conf_arena *arena, size_t count, size_t bytes)
{
    size_t want;

    if (__builtin_mul_overflow(count, bytes, &want) || want > SIZE_MAX / 2)
        return NULL;
    want = (want + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1);
    if (want == 0)
        want = ALIGN_BYTES;

    struct block *b = arena->head;

    if (b == NULL || b->room - b->used < want) {
        size_t room = want > BLOCK_BYTES ? want : BLOCK_BYTES;

        b = calloc(1, sizeof(*b) + room);
        if (b == NULL)
            return NULL;
        b->room = room;
        b->next = arena->head;
        arena->head = b;
    }
    b->used += want;
    return b->bytes + b->used - want;
}

char *conf_arena_text(struct conf_arena *arena, const char *text, size_t len)
{
    char *copy = conf_arena_take(arena, len + 1, 1);

    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}
