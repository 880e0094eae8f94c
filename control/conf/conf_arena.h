/* conf_arena.h - memory of one configuration: taken piece by piece, given back at once. */
#ifndef CONF_ARENA_H
#define CONF_ARENA_H

#include <stddef.h>

struct conf_arena;

struct conf_arena *conf_arena_new(void);
struct conf_arena *conf_arena_free(struct conf_arena *arena);

/* Zeroed, aligned for any type; NULL when out of memory.  0 bytes is a valid wish. */
void *conf_arena_take(struct conf_arena *arena, size_t count, size_t bytes);

/* A NUL-terminated copy of len bytes. */
char *conf_arena_text(struct conf_arena *arena, const char *text, size_t len);

#endif
