/* ipc_id.c - ids and their Crockford base 32 text. */
#include "ipc_id.h"

#include <errno.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
_Static_assert(sizeof(alphabet) == 33, "base 32");

#define WORKER_BITS 8

uint64_t id_next(uint64_t *last, uint64_t wall_us, uint32_t worker)
{
    uint64_t time = wall_us, before = *last >> WORKER_BITS;

    /* A clock that stands still or goes back must not give an id twice. */
    if (time <= before)
        time = before + 1;
    *last = time << WORKER_BITS | (worker & 0xff);
    return *last;
}

void id_text(uint64_t id, char out[ID_TEXT_LEN + 1])
{
    for (unsigned i = ID_TEXT_LEN; i-- > 0; id >>= 5)
        out[i] = alphabet[id & 31];
    out[ID_TEXT_LEN] = '\0';
}

int id_parse(struct span text, uint64_t *ret_id)
{
    uint64_t id = 0;

    if (text.len != ID_TEXT_LEN)
        return -EINVAL;
    for (size_t i = 0; i < ID_TEXT_LEN; i++) {
        uint8_t c = text.ptr[i];
        const char *at;

        if (c >= 'a' && c <= 'z')
            c = (uint8_t)(c - 'a' + 'A');
        at = c == '\0' ? NULL : strchr(alphabet, c);
        if (at == NULL)
            return -EINVAL;
        /* 13 characters hold 65 bits: the first is at most F. */
        if (i == 0 && at - alphabet > 15)
            return -EINVAL;
        id = id << 5 | (uint64_t)(at - alphabet);
    }
    *ret_id = id;
    return 0;
}
