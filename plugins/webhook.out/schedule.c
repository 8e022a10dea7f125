/* SPDX-License-Identifier: MIT */
#include "schedule.h"

/* part / 2^16 of a share of ms, without overflow. */
static int64_t
share(int64_t ms, uint32_t percent, uint64_t part)
{
    return (int64_t) ((__int128) ms * percent * (int64_t) part / 100 / 65536);
}

int64_t
schedule_wait(const struct schedule *s, uint64_t failures, int64_t asked_ms,
              uint64_t random)
{
    if (!failures || failures > s->count)
        return SCHEDULE_OVER;
    int64_t delay = s->delays_ms[failures - 1];
    int64_t wait = delay - share(delay, s->jitter, 65536)
                   + 2 * share(delay, s->jitter, random % 65537);
    if (wait < 0)
        wait = 0;
    if (asked_ms <= wait)
        return wait;
    return asked_ms + share(asked_ms, s->jitter, random % 65537);
}
