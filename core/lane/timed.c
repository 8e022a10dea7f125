/* SPDX-License-Identifier: MIT */
/* Events that a step has put aside: letters with a time, which nobody has to help
 * (store/dead.h).  Once that has come the lane writes a frame for its event, as
 * `dead retry` does for others; it goes on at the step, or after it.  So what
 * makes a letter that is tried again arrive once does the same for them, whatever
 * the destination is. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MOST 256         /* letters at a time */
#define LOOK_US 60000000 /* somebody else may have changed the store */
#define SOON_US 1000000

/* 0: all that was due is on its way; 1: some of it could not yet be; or a
 * negative errno after a log line. */
static int
bring(struct lane *l, const uint64_t *letters, size_t n)
{
    struct retry_item items[MOST];
    char why[256];
    int rest = 0;
    for (size_t i = 0; i < n; i++)
        items[i] = (struct retry_item){ .letter = letters[i] };
    int err = retry_letters(l->ctx.retry, l->spec.name, l->status.position, 0,
                            items, n, why, sizeof why);
    if (err) {
        lane_trouble(l, LANE_WAITING, "bringing back what steps put aside: %s",
                     why);
        l->timed_after_us = lane_back_off(l, IL_RETRY);
        return err;
    }
    for (size_t i = 0; i < n; i++)
        rest |= items[i].result != RETRY_DONE && items[i].result != RETRY_GONE;
    return rest;
}

static void
look(struct lane *l)
{
    uint64_t letters[MOST];
    int64_t now = clock_wall_us(), next;
    size_t n;
    int err = dead_due(l->ctx.dead, l->spec.name, now, &l->timed_back, letters,
                       MOST, &n, &next);
    if (err) {
        lane_trouble(l, LANE_WAITING, "reading what steps put aside: %s",
                     strerror(-err));
        l->timed_after_us = lane_back_off(l, IL_RETRY);
        return;
    }
    l->timed_some = n || next != INT64_MAX;
    int rest = n ? bring(l, letters, n) : 0;
    if (rest < 0)
        return;
    if (n && !l->used)
        lane_recovered(l);
    l->timed_looked_us = now;
    l->timed_look_us = rest                   ? now + SOON_US
                       : next > now + LOOK_US ? now + LOOK_US
                                              : next;
}

void
lane_timed(struct lane *l, int64_t *until)
{
    int64_t now = clock_monotonic_us();
    if (!l->ctx.retry || !l->spec.step_count)
        return;
    pthread_mutex_lock(&l->lock);
    int rests = l->draining || l->stopping;
    pthread_mutex_unlock(&l->lock);
    if (rests)
        return;
    if (lane_looks(l->timed_look_us, l->timed_looked_us)
        && now >= l->timed_after_us)
        look(l);
    int64_t wait = l->timed_look_us - clock_wall_us();
    int64_t at = now + (wait > 0 ? wait : 0);
    if (at < l->timed_after_us)
        at = l->timed_after_us;
    if (at < *until)
        *until = at;
}

uint32_t
lane_timed_wait_ms(const struct lane *l, uint32_t ms)
{
    if (!l->ctx.retry || !l->spec.step_count)
        return ms;
    int64_t wait = (l->timed_look_us - clock_wall_us() + 999) / 1000;
    int64_t after = (l->timed_after_us - clock_monotonic_us() + 999) / 1000;
    wait = wait < after ? after : wait;
    return wait < 0 ? 0 : wait < ms ? (uint32_t) wait : ms;
}

/* What is on its way already does not count: it is among what the lane has to
 * read before there is room. */
int
lane_timed_full(struct lane *l)
{
    struct dead_timed timed;
    if (!l->spec.step_count || !l->timed_some)
        return 0;
    const struct il_intake *in = &l->spec.intake;
    uint64_t events = in->max_parked ? in->max_parked : LANE_PARKED_MOST;
    uint64_t bytes =
        in->max_parked_bytes ? in->max_parked_bytes : LANE_PARKED_BYTES;
    dead_timed(l->ctx.dead, l->spec.name, &timed);
    if (timed.due < events && timed.due_bytes < bytes)
        return 0;
    lane_trouble(l, LANE_WAITING,
                 "steps have put aside %" PRIu64 " events (%" PRIu64
                 " bytes), and there may be no more: the lane reads on once "
                 "some have come again",
                 timed.due, timed.due_bytes);
    return 1;
}
