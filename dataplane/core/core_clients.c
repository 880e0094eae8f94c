/* core_clients.c - the count-min sketch. */
#include "core_clients.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base_hash.h"

#define ROW_CELLS (1u << 18)

struct clients {
    uint8_t key[HASH_KEY_BYTES];
    _Atomic uint32_t rows[2][ROW_CELLS];
};

struct clients *clients_new(const uint8_t key[16])
{
    struct clients *c = calloc(1, sizeof(*c));

    if (c != NULL)
        memcpy(c->key, key, sizeof(c->key));
    return c;
}

struct clients *clients_free(struct clients *c)
{
    free(c);
    return NULL;
}

static void cells(const struct clients *c, const struct ip_addr *client, uint32_t out[2])
{
    /* One IPv6 customer has at least a /64: counting addresses would count nothing. */
    uint64_t h = hash_sip(c->key, span_of(client->octets, ip_is_v4(client) ? 16 : 8));

    out[0] = (uint32_t)h & (ROW_CELLS - 1);
    out[1] = (uint32_t)(h >> 32) & (ROW_CELLS - 1);
}

uint32_t clients_add(struct clients *c, const struct ip_addr *client)
{
    uint32_t at[2], a, b;

    cells(c, client, at);
    a = atomic_fetch_add_explicit(&c->rows[0][at[0]], 1, memory_order_relaxed) + 1;
    b = atomic_fetch_add_explicit(&c->rows[1][at[1]], 1, memory_order_relaxed) + 1;
    return a < b ? a : b;
}

void clients_drop(struct clients *c, const struct ip_addr *client)
{
    uint32_t at[2];

    cells(c, client, at);
    atomic_fetch_sub_explicit(&c->rows[0][at[0]], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->rows[1][at[1]], 1, memory_order_relaxed);
}
