/* base_count.h - counters and histograms with one writer each, readable from outside.
 *
 * A counter is a uint64_t that only its owner adds to, with relaxed stores so that another
 * process may read it at any time.  Names, meanings and metric names stand in one list per
 * owner, *.def files of COUNTER(name, "metric", "help") rows.
 */
#ifndef BASE_COUNT_H
#define BASE_COUNT_H

#include <stdatomic.h>

#include "base_types.h"

struct count {
    _Atomic uint64_t n;
};

static inline void count_add(struct count *c, uint64_t n)
{
    atomic_store_explicit(&c->n, atomic_load_explicit(&c->n, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void count_one(struct count *c)
{
    count_add(c, 1);
}

static inline void count_set(struct count *c, uint64_t n)
{
    atomic_store_explicit(&c->n, n, memory_order_relaxed);
}

static inline uint64_t count_get(const struct count *c)
{
    return atomic_load_explicit(&((struct count *)(uintptr_t)c)->n, memory_order_relaxed);
}

/* Times in microseconds, buckets of powers of two: bucket i holds values < 2^i us (the last
 * one everything).  Written like counters. */
#define HISTOGRAM_BUCKETS 36

struct histogram {
    struct count bucket[HISTOGRAM_BUCKETS];
    struct count sum_us;
};

static inline void histogram_add(struct histogram *h, uint64_t us)
{
    unsigned i = us == 0 ? 0 : 64u - (unsigned)__builtin_clzll(us);

    count_one(&h->bucket[i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1]);
    count_add(&h->sum_us, us);
}

#endif
