/* queue_retry.c - exponential backoff and expiry; see queue_retry.h. */
#include "queue_retry.h"

uint64_t retry_wait_us(const struct retry *retry, uint32_t attempts, uint64_t random)
{
    uint64_t wait = retry->first_us, span;

    for (uint32_t i = 1; i < attempts && wait < retry->maximum_us; i++) {
        if (wait > UINT64_MAX / 2)
            break;
        wait *= 2;
    }
    if (wait > retry->maximum_us)
        wait = retry->maximum_us;
    span = wait / 100 * RETRY_JITTER;
    return wait - span + random % (2 * span + 1);
}

uint64_t retry_next(const struct retry *retry, uint64_t stored_us, uint64_t wall_us,
                    uint32_t attempts, uint64_t random)
{
    uint64_t end =
        retry->expire_us > UINT64_MAX - stored_us ? UINT64_MAX : stored_us + retry->expire_us;
    uint64_t wait = retry_wait_us(retry, attempts, random);

    if (wall_us >= end)
        return 0;
    return wait > end - wall_us ? end : wall_us + wait;
}
