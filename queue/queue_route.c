/* queue_route.c - the policy image as the queue uses it; see queue_route.h. */
#include "queue_route.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base_rand.h"
#include "queue_index.h"

#define IMAGE_BYTES_MAX (4ull << 30)

int route_use(struct route *route, const void *image, size_t bytes, const char **ret_why)
{
    struct policy policy;
    int rc = policy_open(&policy, image, bytes, ret_why);

    if (rc < 0)
        return rc;
    route_done(route);
    route->policy = policy;
    route->generation = policy_generation(&policy);
    if (route->generation == 0)
        route->generation = 1;
    return 0;
}

int route_load(struct route *route, int fd, const char **ret_why)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(fd, F_GET_SEALS), rc;
    struct stat st;
    void *map;

    *ret_why = "the policy image is not a sealed memory file";
    if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &st) != 0)
        return -EBADMSG;
    if (st.st_size <= 0 || (uint64_t)st.st_size > IMAGE_BYTES_MAX)
        return -EBADMSG;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        *ret_why = "the policy image cannot be mapped";
        return -errno;
    }
    rc = route_use(route, map, (size_t)st.st_size, ret_why);
    if (rc < 0) {
        (void)munmap(map, (size_t)st.st_size);
        return rc;
    }
    route->map = map;
    route->bytes = (size_t)st.st_size;
    return 0;
}

void route_done(struct route *route)
{
    if (route->map != NULL)
        (void)munmap(route->map, route->bytes);
    memset(route, 0, sizeof(*route));
}

/* The local part as policy knows it: a stored address keeps the quotes it needs. */
static struct span unquote(struct span local, uint8_t *out, size_t room)
{
    size_t n = 0;

    if (local.len < 2 || local.ptr[0] != '"')
        return local;
    for (size_t i = 1; i + 1 < local.len && n < room; i++) {
        if (local.ptr[i] == '\\' && i + 2 < local.len)
            i++;
        out[n++] = local.ptr[i];
    }
    return span_of(out, n);
}

uint32_t route_of(const struct route *route, struct span address)
{
    struct span domain = address_domain(address);
    uint8_t lower[ENVELOPE_PATH_MAX], plain[ENVELOPE_PATH_MAX];
    struct span local = span_of(address.ptr, address.len - domain.len - (domain.ptr != NULL));

    if (!route_ready(route) || domain.len > sizeof(lower))
        return POLICY_NONE;
    for (size_t i = 0; i < domain.len; i++)
        lower[i] = domain.ptr[i] >= 'A' && domain.ptr[i] <= 'Z' ? (uint8_t)(domain.ptr[i] + 32)
                                                                : domain.ptr[i];
    return policy_route_for(&route->policy, unquote(local, plain, sizeof(plain)),
                            span_of(lower, domain.len));
}

struct span route_name(const struct route *route, uint32_t number)
{
    return policy_route(&route->policy, number).name;
}

uint32_t route_choose(const uint32_t *weights, uint32_t n, uint64_t seed, uint32_t k)
{
    uint32_t left[TARGETS_MAX];
    uint64_t sum = 0;
    struct rand rand;
    uint32_t at = 0;

    for (uint32_t i = 0; i < n; i++) {
        left[i] = weights[i] == 0 ? 1 : weights[i];
        sum += left[i];
    }
    rand_seed(&rand, seed, 3);
    k %= n;
    for (uint32_t round = 0; round <= k; round++) {
        uint64_t r = rand_below(&rand, sum);

        for (at = 0; r >= left[at]; at++)
            r -= left[at];
        sum -= left[at];
        left[at] = 0; /* drawn: not again in this order */
    }
    return at;
}

struct span route_target(const struct route *route, uint32_t number, uint64_t message,
                         uint32_t attempts)
{
    uint32_t n = policy_route(&route->policy, number).targets;
    uint32_t weights[TARGETS_MAX], weight;

    if (n == 0)
        return span_of(NULL, 0);
    if (n > TARGETS_MAX)
        n = TARGETS_MAX;
    for (uint32_t i = 0; i < n; i++)
        (void)policy_route_target(&route->policy, number, i, &weights[i]);
    return policy_route_target(&route->policy, number, route_choose(weights, n, message, attempts),
                               &weight);
}
