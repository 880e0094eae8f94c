/* base_wheel.h - hierarchical timer wheel: a million timers, each operation O(1).
 *
 * Nodes are the caller's: one struct wheel_node inside each element of an array, reached by
 * index and stride; a zeroed node is idle.  Time is cut in ticks.  A timer never fires before
 * its due time; it fires in the first wheel_expire() whose now is in a later tick, so up to one
 * tick late, and never in the tick in which it was armed (a handler that re-arms "now" cannot
 * spin).  Order within one tick is unspecified.
 *
 * Cost: add and cancel relink one node; a node moves down at most once per level (11 levels of
 * 64 slots cover every 64-bit time), and each move counts against expire's budget.
 * Threads: one.  Clock: now passed in.  Memory: the struct and the caller's nodes.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include "base_types.h"

#define WHEEL_NONE UINT32_MAX
#define WHEEL_LEVELS 11
#define WHEEL_SLOTS 64
#define WHEEL_NODES_MAX 0x7fffffffu

struct wheel_node { /* only base_wheel.c writes it */
    uint32_t next, prev; /* index + 1; prev of a first node: list | WHEEL_LIST; prev 0: idle */
    uint64_t due_tick;
};

struct wheel {
    uint8_t *nodes;   /* first node */
    uint32_t stride;  /* bytes from node to node */
    uint32_t count;
    uint32_t tick_us;
    uint32_t armed;   /* timers waiting, for gauges */
    uint64_t tick;    /* every list up to this tick has been taken off */
    uint32_t moving;  /* list of nodes on their way down a level: index + 1 */
    uint32_t due;     /* list of nodes that are due */
    uint64_t used[WHEEL_LEVELS]; /* bit per slot that holds something */
    uint32_t slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* first: the struct wheel_node of element 0; stride: sizeof the element. */
void wheel_init(struct wheel *wheel, void *first, uint32_t stride, uint32_t count,
                uint32_t tick_us, struct usec now);

/* Arms (or re-arms) node index for due. */
void wheel_add(struct wheel *wheel, uint32_t index, struct usec due);

/* Disarms; harmless where idle. */
void wheel_cancel(struct wheel *wheel, uint32_t index);

bool wheel_armed(const struct wheel *wheel, uint32_t index);

/* One node that is due, disarmed, or WHEEL_NONE.  Call until WHEEL_NONE; each timer and each
 * move costs one of *budget, and 0 left ends it: the rest comes in the next turn. */
uint32_t wheel_expire(struct wheel *wheel, struct usec now, uint32_t *budget);

/* No timer fires before this time; UINT64_MAX: none is armed.  For deciding how long to sleep. */
struct usec wheel_next(const struct wheel *wheel);

#endif
