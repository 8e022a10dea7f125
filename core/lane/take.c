/* SPDX-License-Identifier: MIT */
/* A lane whose rows are somebody else's: where the two stand, and taking it.
 * There is no thread of the lane then: the caller's does it. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define TAKE_WAIT_US 30000000 /* for a far side that is away */

/* Ask until there is an answer or the time is over. */
static int
take_resume(struct lane *l, struct il_position *p)
{
    int64_t until = clock_monotonic_us() + TAKE_WAIT_US;
    const uint64_t position = p->position;
    const uint32_t flags = p->flags;
    int err;
    do {
        *p = (struct il_position){ .struct_size = sizeof *p,
                                   .lane = l->spec.name,
                                   .flags = flags,
                                   .position = position,
                                   .given = l->given,
                                   .set_backs = spool_set_backs(l->ctx.spool),
                                   .there = UINT64_MAX };
        memcpy(p->spool, spool_id(l->ctx.spool), 16);
        err = l->spec.destination->resume(l->spec.self, p);
    } while (err == -EAGAIN && clock_monotonic_us() < until);
    return err;
}

int
lane_look(struct lane *l, struct lane_stand *out)
{
    struct il_position p = { .position = l->status.position };
    struct spool_stats st;
    if (!l->spec.destination->resume)
        return -ENOTSUP;
    int err = take_resume(l, &p);
    spool_stats(l->ctx.spool, &st);
    *out = (struct lane_stand){ .fenced = err == -ESTALE,
                                .cursor = l->status.position,
                                .row = p.there,
                                .given = l->given,
                                .first = st.first,
                                .last = st.last };
    return err == -ESTALE ? 0 : err;
}

/* Whoever had the lane had a spool like this one and gave out positions after
 * l->given, whether or not they got as far as the row: steps drop events, and
 * there are other lanes.  So they count as given out before. */
int
lane_take(struct lane *l, int from_row, uint64_t *position)
{
    struct il_position p = { .flags = IL_POSITION_REWIND,
                             .position =
                                 from_row ? l->given : l->status.position };
    int err = spool_set_back(l->ctx.spool, l->given);
    if (!err)
        err = take_resume(l, &p);
    if (err)
        return err;
    *position = from_row ? p.position : l->status.position;
    l->cursor.fresh = 0;
    l->cursor.confirmed = p.there < *position ? p.there : *position;
    err = lane_cursor_save(l, *position, 0);
    return err ? err : lane_cursor_save(l, *position, 1);
}
