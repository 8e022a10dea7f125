/* SPDX-License-Identifier: MIT */
#include "cond.h"

#include <time.h>

int
cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc)
        return -rc;
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!rc)
        rc = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return -rc;
}

int
cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us)
{
    if (until_us == INT64_MAX)
        return -pthread_cond_wait(cond, lock);
    if (until_us < 0)
        until_us = 0;
    struct timespec until = { (time_t) (until_us / 1000000),
                              (long) (until_us % 1000000) * 1000 };
    return -pthread_cond_timedwait(cond, lock, &until);
}
