/* ipc_id.h - session and message ids: one 64-bit number, one text form, in every log line,
 * ring message, Received: header and tool.
 *
 * Number: wall-clock microseconds since 1970 at birth << 8 | worker, bumped so that one
 * worker never gives the same twice (54 bits of time last until 2540).
 * Text: 13 characters of Crockford base 32 (no I L O U), most significant first, so ids sort
 * by birth.
 */
#ifndef IPC_ID_H
#define IPC_ID_H

#include "base_types.h"

#define ID_TEXT_LEN 13

/* The next id after *last (updated). */
uint64_t id_next(uint64_t *last, uint64_t wall_us, uint32_t worker);

/* Writes ID_TEXT_LEN characters and a NUL. */
void id_text(uint64_t id, char out[ID_TEXT_LEN + 1]);

/* 0, or -EINVAL for anything that is not exactly one id (either case is read). */
int id_parse(struct span text, uint64_t *ret_id);

#endif
