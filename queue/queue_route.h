/* queue_route.h - where a recipient goes, by the policy image of now.
 *
 * The last good image stays in use until a better one has been checked; before the first,
 * nothing has a route and nothing is attempted.
 */
#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include "policy.h"
#include "queue_limits.h"

struct route {
    struct policy policy;
    void         *map;
    size_t        bytes;
    uint64_t      generation; /* 0: no policy yet */
};

/* Maps a sealed image received as fd (borrowed).  0; or -errno and *ret_why, the old one kept. */
int  route_load(struct route *route, int fd, const char **ret_why);
/* Uses an image in the caller's memory (tests). */
int  route_use(struct route *route, const void *image, size_t bytes, const char **ret_why);
void route_done(struct route *route);

static inline bool route_ready(const struct route *route)
{
    return route->generation != 0;
}

/* The route's number in this generation, or POLICY_NONE. */
uint32_t    route_of(const struct route *route, struct span address);
struct span route_name(const struct route *route, uint32_t number);

/* The server for the attempts-th try of a message: an order of its own for each message, drawn
 * by weight, so that each retry goes to the next server.  Empty if the route has none. */
struct span route_target(const struct route *route, uint32_t number, uint64_t message,
                         uint32_t attempts);
/* The place in line of n weights at try number k. Pure. */
uint32_t    route_choose(const uint32_t *weights, uint32_t n, uint64_t seed, uint32_t k);

#endif
