/* tcp_table.c - three chained tables through indices, one keyed hash for all.
 *
 * Each has as many heads as it may have entries, so a chain is short on average, and the key
 * (which no stranger can see through) keeps it short on purpose.  No table grows and none
 * takes from another.
 */
#include "tcp_core.h"

uint32_t tcp_table_heads(uint32_t entries)
{
    uint32_t heads = 1;

    while (heads < entries && heads < 1u << 31)
        heads <<= 1;
    return heads;
}

bool tcp_key_equal(const struct tcp_key *a, const struct tcp_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static uint32_t *head_of(const struct tcp_table *table, uint64_t hash)
{
    return &table->heads[(uint32_t)hash & table->mask];
}

struct tcp_conn *tcp_conn_find(struct tcp *tcp, const struct tcp_key *key, uint64_t hash)
{
    for (uint32_t at = *head_of(&tcp->conn_table, hash); at != 0;) {
        struct tcp_conn *c = tcp_conn_of(tcp, at - 1);

        if (tcp_key_equal(&c->key, key))
            return c;
        at = c->chain;
    }
    return NULL;
}

void tcp_conn_link(struct tcp *tcp, struct tcp_conn *c, uint64_t hash)
{
    uint32_t *head = head_of(&tcp->conn_table, hash);

    c->chain = *head;
    *head = c->slot + 1;
    tcp->live++;
}

void tcp_conn_unlink(struct tcp *tcp, struct tcp_conn *c)
{
    uint32_t *at = head_of(&tcp->conn_table, tcp_hash(tcp, &c->key));

    while (*at != c->slot + 1) {
        must(*at != 0);
        at = &tcp_conn_of(tcp, *at - 1)->chain;
    }
    *at = c->chain;
    tcp->live--;
}

struct tcp_embryo *tcp_embryo_find(struct tcp *tcp, const struct tcp_key *key, uint64_t hash)
{
    for (uint32_t at = *head_of(&tcp->embryo_table, hash); at != 0;) {
        struct tcp_embryo *e = tcp_embryo_of(tcp, at - 1);
        const struct tcp_door *door = &tcp->doors[e->door];

        if (e->remote_port == key->remote_port && ip_equal(&e->remote, &key->remote) &&
            door->port == key->local_port && ip_equal(&door->ip, &key->local))
            return e;
        at = e->chain;
    }
    return NULL;
}

void tcp_embryo_link(struct tcp *tcp, uint32_t index, uint64_t hash)
{
    uint32_t *head = head_of(&tcp->embryo_table, hash);

    tcp_embryo_of(tcp, index)->chain = *head;
    *head = index + 1;
}

void tcp_embryo_unlink(struct tcp *tcp, uint32_t index, uint64_t hash)
{
    uint32_t *at = head_of(&tcp->embryo_table, hash);

    while (*at != index + 1) {
        must(*at != 0);
        at = &tcp_embryo_of(tcp, *at - 1)->chain;
    }
    *at = tcp_embryo_of(tcp, index)->chain;
}

struct tcp_wait *tcp_wait_find(struct tcp *tcp, const struct tcp_key *key, uint64_t hash)
{
    for (uint32_t at = *head_of(&tcp->wait_table, hash); at != 0;) {
        struct tcp_wait *w = &tcp->waits[at - 1];

        if (w->hash == hash && w->remote_port == key->remote_port)
            return w;
        at = w->chain;
    }
    return NULL;
}

void tcp_wait_link(struct tcp *tcp, struct tcp_wait *w)
{
    uint32_t *head = head_of(&tcp->wait_table, w->hash);

    w->chain = *head;
    *head = (uint32_t)(w - tcp->waits) + 1;
    tcp->wait_live++;
}

void tcp_wait_unlink(struct tcp *tcp, struct tcp_wait *w)
{
    uint32_t *at = head_of(&tcp->wait_table, w->hash), me = (uint32_t)(w - tcp->waits) + 1;

    while (*at != me) {
        must(*at != 0);
        at = &tcp->waits[*at - 1].chain;
    }
    *at = w->chain;
    tcp->wait_live--;
}
