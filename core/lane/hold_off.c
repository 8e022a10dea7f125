/* SPDX-License-Identifier: MIT */
/* Far sides that take nothing for a while, as the destination tells. */
#include "private.h"

#include "base/clock.h"
#include "base/wtf8.h"

#include <stdio.h>
#include <string.h>

/* It ends when that much time has passed, or when the clock on the wall says
 * so, whichever is first: who set the clock back does not make it longer, and
 * who set it forth ends it. */
int
lane_is_held(const struct lane *l, int64_t now_us)
{
    return l->parked && now_us < l->parked->held_until_us
           && clock_wall_us() < l->parked->held_until_wall_us;
}

void
lane_holds(struct lane *l, struct lane_status *out)
{
    int64_t now = clock_wall_us();
    out->hold_count = 0;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; l->parked && i < LANE_HOLDS; i++) {
        const struct lane_hold *h = &l->parked->holds[i];
        if (h->until_us <= now)
            continue;
        struct lane_held *to = &out->holds[out->hold_count++];
        to->until_us = h->until_us;
        memcpy(to->target, h->target, sizeof to->target);
        memcpy(to->why, h->why, sizeof to->why);
    }
    pthread_mutex_unlock(&l->lock);
}

/* That of the target, or one to be used for it: free, or the first to end. */
static struct lane_hold *
hold_of(struct lane_parked *p, const char *target)
{
    struct lane_hold *best = &p->holds[0];
    for (int i = 0; i < LANE_HOLDS; i++) {
        struct lane_hold *h = &p->holds[i];
        if (h->until_us && strcmp(h->target, target) == 0)
            return h;
        if (h->until_us < best->until_us)
            best = h;
    }
    return best;
}

/* What was deferred for it comes now.  Of more than there is room for the rest
 * comes when it is due. */
static void
hold_ends(struct lane_parked *p, const char *target)
{
    for (uint32_t i = 0; i < p->wake_count; i++)
        if (strcmp(p->wakes[i], target) == 0)
            return;
    if (*target && p->wake_count < LANE_WAKES)
        snprintf(p->wakes[p->wake_count++], sizeof p->wakes[0], "%s", target);
}

void
lane_hold_off(struct lane *l, const char *target, int64_t until_us,
              const char *why)
{
    struct lane_parked *p = l->parked;
    if (!p)
        return;
    int64_t wall = clock_wall_us(), mono = clock_monotonic_us();
    char name[sizeof p->holds[0].target];
    snprintf(name, sizeof name, "%s", target ? target : "");
    utf8_mend(name, strlen(name));
    pthread_mutex_lock(&l->lock);
    struct lane_hold *h = hold_of(p, name);
    int same = h->until_us && strcmp(h->target, name) == 0;
    if (until_us > wall) {
        h->until_us = until_us;
        memcpy(h->target, name, sizeof name);
        snprintf(h->why, sizeof h->why, "%s", why ? why : "");
        utf8_mend(h->why, strlen(h->why));
    } else if (same) {
        h->until_us = 0;
    }
    if (target && until_us <= wall)
        hold_ends(p, name);
    if (!target)
        p->held_until_us = until_us > wall ? mono + (until_us - wall) : 0;
    if (!target)
        p->held_until_wall_us = until_us;
    lane_signal(l);
    pthread_mutex_unlock(&l->lock);
}
