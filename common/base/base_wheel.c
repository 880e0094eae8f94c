/* base_wheel.c - hierarchical timer wheel over the caller's nodes.
 *
 * A node's level is the highest base-64 digit in which its due tick differs from the current
 * tick, its slot that digit of the due tick.  So all of a level's occupied slots lie ahead of
 * the current tick's digit, everything in a lower level is due before anything in a higher one,
 * and the next event is the lowest bit of the lowest level in use.  Reaching the start of a slot
 * above level 0 takes its whole list off (one store) and puts its nodes down a level one by one,
 * against the budget; nothing moves on before that is done.
 */
#include "base_wheel.h"

#include "base_must.h"

#define DIGIT_BITS  6u
#define LIST_FLAG   0x80000000u /* in prev: the node is first of the list whose number follows */
#define LIST_MOVING (WHEEL_LEVELS * WHEEL_SLOTS)
#define LIST_DUE    (LIST_MOVING + 1)

_Static_assert(WHEEL_SLOTS == 1u << DIGIT_BITS, "a digit is a slot number");
_Static_assert(WHEEL_LEVELS *DIGIT_BITS >= 64, "every tick has a place");
_Static_assert(sizeof(struct wheel_node) == 16, "cheap to embed");

static struct wheel_node *node_at(const struct wheel *w, uint32_t index)
{
    return (struct wheel_node *)(void *)(w->nodes + (size_t)index * w->stride);
}

static uint32_t *list_head(struct wheel *w, uint32_t list)
{
    if (list == LIST_MOVING)
        return &w->moving;
    if (list == LIST_DUE)
        return &w->due;
    return &w->slot[list / WHEEL_SLOTS][list % WHEEL_SLOTS];
}

static void push(struct wheel *w, uint32_t list, uint32_t index)
{
    struct wheel_node *node = node_at(w, index);
    uint32_t *head = list_head(w, list);

    node->next = *head;
    node->prev = LIST_FLAG | list;
    if (node->next != 0)
        node_at(w, node->next - 1)->prev = index + 1;
    *head = index + 1;
    if (list < LIST_MOVING)
        w->used[list / WHEEL_SLOTS] |= 1ull << list % WHEEL_SLOTS;
}

static void unlink_node(struct wheel *w, struct wheel_node *node)
{
    if (node->next != 0)
        node_at(w, node->next - 1)->prev = node->prev;
    if (node->prev & LIST_FLAG) {
        uint32_t list = node->prev & ~LIST_FLAG;

        *list_head(w, list) = node->next;
        if (node->next == 0 && list < LIST_MOVING)
            w->used[list / WHEEL_SLOTS] &= ~(1ull << list % WHEEL_SLOTS);
    } else {
        node_at(w, node->prev - 1)->next = node->next;
    }
    node->next = 0;
    node->prev = 0;
}

/* Links a node, whose due_tick lies ahead, where it belongs. */
static void place(struct wheel *w, uint32_t index, uint64_t due_tick)
{
    uint32_t level = (63u - (uint32_t)__builtin_clzll(due_tick ^ w->tick)) / DIGIT_BITS;
    uint32_t digit = (uint32_t)(due_tick >> level * DIGIT_BITS) & (WHEEL_SLOTS - 1);

    push(w, level * WHEEL_SLOTS + digit, index);
}

void wheel_init(struct wheel *w, void *first, uint32_t stride, uint32_t count, uint32_t tick_us,
                struct usec now)
{
    must(count <= WHEEL_NODES_MAX && tick_us > 0);
    must(stride >= sizeof(struct wheel_node) && stride % _Alignof(struct wheel_node) == 0);
    memset(w, 0, sizeof(*w));
    w->nodes = first;
    w->stride = stride;
    w->count = count;
    w->tick_us = tick_us;
    w->tick = now.us / tick_us;
}

void wheel_add(struct wheel *w, uint32_t index, struct usec due)
{
    struct wheel_node *node;

    must_hot(index < w->count);
    node = node_at(w, index);
    if (node->prev != 0)
        unlink_node(w, node);
    else
        w->armed++;
    /* Rounded up: never early. */
    node->due_tick = due.us / w->tick_us + (due.us % w->tick_us != 0);
    if (node->due_tick <= w->tick)
        node->due_tick = w->tick + 1;
    place(w, index, node->due_tick);
}

void wheel_cancel(struct wheel *w, uint32_t index)
{
    struct wheel_node *node;

    must_hot(index < w->count);
    node = node_at(w, index);
    if (node->prev == 0)
        return;
    unlink_node(w, node);
    w->armed--;
}

bool wheel_armed(const struct wheel *w, uint32_t index)
{
    return node_at(w, index)->prev != 0;
}

/* The start of the first occupied slot; false where the wheel is empty. */
static bool next_slot(const struct wheel *w, uint32_t *ret_list, uint64_t *ret_tick)
{
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t digit, shift = level * DIGIT_BITS;
        uint64_t above;

        if (w->used[level] == 0)
            continue;
        digit = (uint32_t)__builtin_ctzll(w->used[level]);
        above =
            shift + DIGIT_BITS >= 64 ? 0 : w->tick >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
        *ret_list = level * WHEEL_SLOTS + digit;
        *ret_tick = above | (uint64_t)digit << shift;
        return true;
    }
    return false;
}

/* Moves the clock to the next slot not after target and takes its list off; false: at target. */
static bool advance(struct wheel *w, uint64_t target)
{
    uint32_t list = 0, *from, *to;
    uint64_t start = 0;

    if (!next_slot(w, &list, &start) || start > target) {
        if (target > w->tick)
            w->tick = target;
        return false;
    }
    w->tick = start;
    from = list_head(w, list);
    to = list < WHEEL_SLOTS ? &w->due : &w->moving;
    *to = *from;
    *from = 0;
    node_at(w, *to - 1)->prev = LIST_FLAG | (list < WHEEL_SLOTS ? LIST_DUE : LIST_MOVING);
    w->used[list / WHEEL_SLOTS] &= ~(1ull << list % WHEEL_SLOTS);
    return true;
}

uint32_t wheel_expire(struct wheel *w, struct usec now, uint32_t *budget)
{
    uint64_t target = now.us / w->tick_us;

    for (; *budget > 0; (*budget)--) {
        uint32_t index;
        struct wheel_node *node;

        while (w->due == 0 && w->moving == 0) {
            if (!advance(w, target))
                return WHEEL_NONE;
        }
        index = (w->due != 0 ? w->due : w->moving) - 1;
        node = node_at(w, index);
        unlink_node(w, node);
        if (node->due_tick > w->tick) {
            place(w, index, node->due_tick);
            continue;
        }
        w->armed--;
        (*budget)--;
        return index;
    }
    return WHEEL_NONE;
}

struct usec wheel_next(const struct wheel *w)
{
    uint32_t list;
    uint64_t start;

    if (w->due != 0 || w->moving != 0)
        return (struct usec){.us = w->tick * w->tick_us};
    if (!next_slot(w, &list, &start) || start > UINT64_MAX / w->tick_us)
        return (struct usec){.us = UINT64_MAX};
    return (struct usec){.us = start * w->tick_us};
}
