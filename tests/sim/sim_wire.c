/* sim_wire.c - a wire that loses, doubles, delays and reorders. */
#include "sim_wire.h"

#include "base_must.h"

#include <stdlib.h>

#define HEAP_MAX 65536

void sim_wire_init(struct sim_wire *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    rand_seed(&w->rand, seed, 1);
    w->heap = calloc(HEAP_MAX, sizeof(*w->heap));
    must(w->heap != NULL);
}

void sim_wire_done(struct sim_wire *w)
{
    while (w->count > 0)
        free(w->heap[--w->count]);
    free(w->heap);
}

static bool sooner(const struct sim_packet *a, const struct sim_packet *b)
{
    return a->due < b->due || (a->due == b->due && a->serial < b->serial);
}

static void heap_push(struct sim_wire *w, struct sim_packet *p)
{
    uint32_t i = w->count++;

    while (i > 0 && sooner(p, w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = p;
}

static struct sim_packet *heap_pop(struct sim_wire *w)
{
    struct sim_packet *first = w->heap[0], *p = w->heap[--w->count];
    uint32_t i = 0, child;

    while ((child = 2 * i + 1) < w->count) {
        if (child + 1 < w->count && sooner(w->heap[child + 1], w->heap[child]))
            child++;
        if (!sooner(w->heap[child], p))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = p;
    return first;
}

static void put(struct sim_wire *w, uint64_t now, unsigned to, const struct tcp_seg *seg,
                const struct span *text, unsigned pieces)
{
    struct sim_packet *p = malloc(sizeof(*p));
    size_t len = 0;

    must(p != NULL && w->count < HEAP_MAX);
    p->due = now + w->delay_us + (w->jitter_us > 0 ? rand_below(&w->rand, w->jitter_us) : 0);
    if (rand_chance(&w->rand, w->reorder))
        p->due += rand_below(&w->rand, w->reorder_us + 1);
    p->serial = w->serial++;
    p->to = to;
    p->seg = *seg;
    p->seg.key = (struct tcp_key){
        .remote = seg->key.local,
        .local = seg->key.remote,
        .remote_port = seg->key.local_port,
        .local_port = seg->key.remote_port,
    };
    for (unsigned i = 0; i < pieces; i++) {
        must(len + text[i].len <= sizeof(p->text));
        memcpy(p->text + len, text[i].ptr, text[i].len);
        len += text[i].len;
    }
    p->seg.text = span_of(p->text, len);
    heap_push(w, p);
}

void sim_wire_send(struct sim_wire *w, uint64_t now, unsigned to, const struct tcp_seg *seg,
                   const struct span *text, unsigned pieces)
{
    w->sent++;
    if (w->cut || w->count >= w->capacity || rand_chance(&w->rand, w->loss)) {
        w->lost++;
        return;
    }
    put(w, now, to, seg, text, pieces);
    if (rand_chance(&w->rand, w->dup)) {
        w->duplicated++;
        put(w, now, to, seg, text, pieces);
    }
}

uint64_t sim_wire_due(const struct sim_wire *w)
{
    return w->count > 0 ? w->heap[0]->due : UINT64_MAX;
}

struct sim_packet *sim_wire_take(struct sim_wire *w, uint64_t now)
{
    return w->count > 0 && w->heap[0]->due <= now ? heap_pop(w) : NULL;
}
