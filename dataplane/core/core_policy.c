/* core_policy.c - map, check, publish, wait, unmap. */
#include "core_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define _LGPL_SOURCE
#include <urcu/urcu-qsbr.h>

#define IMAGE_BYTES_MAX (4ull << 30)

struct policy_box {
    struct policy view;
    void *map;
    size_t bytes;
};

/* Without these seals whoever made the image could still change it after our check. */
static int check_seals(int fd, const char **ret_why)
{
    int seals = fcntl(fd, F_GET_SEALS), want = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

    if (seals < 0 || (seals & want) != want) {
        *ret_why = "the policy image is not sealed";
        return -EPERM;
    }
    return 0;
}

int core_policy_install(struct core *core, int fd, uint64_t *ret_generation, const char **ret_why)
{
    struct policy_box *box, *old;
    struct stat st;
    int rc = check_seals(fd, ret_why);

    if (rc < 0)
        return rc;
    *ret_why = "the policy image cannot be mapped";
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || (uint64_t)st.st_size > IMAGE_BYTES_MAX)
        return -EFBIG;
    box = calloc(1, sizeof(*box));
    if (box == NULL)
        return -ENOMEM;
    box->bytes = (size_t)st.st_size;
    box->map = mmap(NULL, box->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (box->map == MAP_FAILED) {
        rc = -errno;
        free(box);
        return rc;
    }
    rc = policy_open(&box->view, box->map, box->bytes, ret_why);
    if (rc < 0) {
        munmap(box->map, box->bytes);
        free(box);
        return rc;
    }
    *ret_generation = policy_generation(&box->view);
    old = core->policy;
    rcu_assign_pointer(core->policy, box);
    urcu_qsbr_synchronize_rcu();
    if (old != NULL) {
        munmap(old->map, old->bytes);
        free(old);
    }
    return 0;
}

const struct policy *core_policy_now(const struct core *core)
{
    const struct policy_box *box = rcu_dereference(((struct core *)(uintptr_t)core)->policy);

    return box != NULL ? &box->view : NULL;
}
