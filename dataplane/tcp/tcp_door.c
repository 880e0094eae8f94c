/* tcp_door.c - doors (the local ends of embryos) and the lists that embryos wait on.
 *
 * Everything an embryo waits for takes the same time as for the one before it on the same list,
 * so lists in order of arrival are lists in order of expiry: nothing is ever searched.
 */
#include "tcp_core.h"

_Static_assert(TCP_DOORS_MAX <= UINT16_MAX && (TCP_DOORS_MAX & (TCP_DOORS_MAX - 1)) == 0,
               "indices fit, and the head of a chain is found by a mask");

static uint64_t door_hash(const struct tcp *tcp, const struct tcp_seg *syn, uint32_t tag,
                          uint32_t wait_ticks, uint32_t hold_ticks)
{
    struct {
        struct ip_addr ip;
        uint32_t       tag, wait, hold;
        uint16_t       port, vlan;
        uint8_t        net_port, zero[3];
    } bytes = {syn->key.local,      tag,
               wait_ticks,          hold_ticks,
               syn->key.local_port, syn->path.vlan,
               syn->path.port,      {0}};

    return hash_quick(&tcp->hash, &bytes, sizeof(bytes));
}

static bool door_fits(const struct tcp_door *d, const struct tcp_seg *syn, uint32_t tag,
                      uint32_t wait_ticks, uint32_t hold_ticks)
{
    return d->port == syn->key.local_port && ip_equal(&d->ip, &syn->key.local) && d->tag == tag &&
           d->wait_ticks == wait_ticks && d->hold_ticks == hold_ticks &&
           d->vlan == syn->path.vlan && d->net_port == syn->path.port;
}

uint32_t tcp_door_take(struct tcp *tcp, const struct tcp_seg *syn, uint32_t tag, uint32_t wait_ticks,
                       uint32_t hold_ticks)
{
    uint64_t hash = door_hash(tcp, syn, tag, wait_ticks, hold_ticks);
    uint16_t *head = &tcp->door_heads[hash & (TCP_DOORS_MAX - 1)];
    struct tcp_door *d;
    uint32_t index;

    for (uint16_t at = *head; at != 0; at = tcp->doors[at - 1].chain) {
        d = &tcp->doors[at - 1];
        if (d->hash == hash && door_fits(d, syn, tag, wait_ticks, hold_ticks)) {
            d->users++;
            return at - 1u;
        }
    }
    if (tcp->door_free != 0) {
        index = tcp->door_free - 1u;
        tcp->door_free = tcp->doors[index].chain;
    } else if (tcp->doors_fresh < TCP_DOORS_MAX) {
        index = tcp->doors_fresh++;
    } else {
        return POOL_NONE;
    }
    tcp->doors[index] = (struct tcp_door){
        .ip = syn->key.local,
        .hash = hash,
        .tag = tag,
        .wait_ticks = wait_ticks,
        .hold_ticks = hold_ticks,
        .users = 1,
        .port = syn->key.local_port,
        .vlan = syn->path.vlan,
        .net_port = syn->path.port,
        .chain = *head,
    };
    *head = (uint16_t)(index + 1);
    return index;
}

void tcp_door_give(struct tcp *tcp, uint32_t index)
{
    struct tcp_door *d = &tcp->doors[index];
    uint16_t *at = &tcp->door_heads[d->hash & (TCP_DOORS_MAX - 1)];

    if (--d->users > 0)
        return;
    must(d->waiting.head == 0);
    while (*at != index + 1) {
        must(*at != 0);
        at = &tcp->doors[*at - 1].chain;
    }
    *at = d->chain;
    d->chain = tcp->door_free;
    tcp->door_free = (uint16_t)(index + 1);
}

/* Doors where somebody waits are on a list of their own: timers look only at those. */
static void door_busy(struct tcp *tcp, uint16_t index)
{
    struct tcp_door *d = &tcp->doors[index];

    d->prev_busy = 0;
    d->next_busy = tcp->busy_doors;
    if (d->next_busy != 0)
        tcp->doors[d->next_busy - 1].prev_busy = (uint16_t)(index + 1);
    tcp->busy_doors = (uint16_t)(index + 1);
}

static void door_idle(struct tcp *tcp, uint16_t index)
{
    struct tcp_door *d = &tcp->doors[index];

    if (d->next_busy != 0)
        tcp->doors[d->next_busy - 1].prev_busy = d->prev_busy;
    if (d->prev_busy != 0)
        tcp->doors[d->prev_busy - 1].next_busy = d->next_busy;
    else
        tcp->busy_doors = d->next_busy;
}

static struct tcp_fifo *list_of(struct tcp *tcp, const struct tcp_embryo *e)
{
    if (e->place <= P_STAGE_LAST)
        return &tcp->stage[e->place];
    if (e->place == P_WAITING)
        return &tcp->doors[e->door].waiting;
    return e->place == P_READY ? &tcp->ready : &tcp->handed;
}

void tcp_embryo_place(struct tcp *tcp, struct tcp_embryo *e, unsigned place)
{
    uint32_t me = (uint32_t)(e - tcp_embryo_of(tcp, 0)) + 1;
    struct tcp_fifo *list;

    e->place = place & 15;
    list = list_of(tcp, e);
    e->next = 0;
    e->prev = list->tail;
    if (list->tail != 0)
        tcp_embryo_of(tcp, list->tail - 1)->next = me;
    else
        list->head = me;
    list->tail = me;
    if (place > P_STAGE_LAST)
        e->since = tcp_tick(tcp);
    if (place == P_WAITING && list->head == me)
        door_busy(tcp, e->door);
}

void tcp_embryo_unplace(struct tcp *tcp, struct tcp_embryo *e)
{
    struct tcp_fifo *list = list_of(tcp, e);

    if (e->prev != 0)
        tcp_embryo_of(tcp, e->prev - 1)->next = e->next;
    else
        list->head = e->next;
    if (e->next != 0)
        tcp_embryo_of(tcp, e->next - 1)->prev = e->prev;
    else
        list->tail = e->prev;
    if (e->place == P_WAITING && list->head == 0)
        door_idle(tcp, e->door);
}
