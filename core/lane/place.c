/* SPDX-License-Identifier: MIT */
/* Where a lane begins is decided once; from then on its cursor says so, and
 * neither `was` nor `begin` means anything.  Until then, in this order: where
 * the lane was under the name that it had before; where its destination is; at
 * the oldest event, where the spool had given out none when the lane was first
 * in a config that was started; where `begin` says.  Else somebody has to.
 *
 * A lane with another name goes on with the cursor file of before, and keeps
 * that file's hold on the spool, until all else that it had has its new name:
 * rows, then letters, then the folder of its plugins' files.  The file itself
 * is renamed last: that is the sign that all is done, and what a crash leaves
 * before it is done once more. */
#include "private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNDECIDED_US 10000000 /* how often to look */

int
lane_place_open(struct lane *l)
{
    const char *dir = l->ctx.state_dir;
    const uint8_t *spool = spool_id(l->ctx.spool);
    struct spool_stats st;
    int known = spool_cursor_open(&l->cursor, dir, l->spec.name, spool,
                                  &l->status.position);
    if (known < 0)
        return known;
    l->asks_was = l->spec.was && !l->cursor.begun && (known || l->cursor.made);
    if (l->asks_was && spool_cursor_exists(dir, l->spec.was)) {
        l->moves = 1;
        spool_cursor_close(&l->cursor);
        known = spool_cursor_open(&l->cursor, dir, l->spec.was, spool,
                                  &l->status.position);
        if (known < 0)
            return known;
    }
    /* Of what cannot be read no more is known than where the destination is, as
     * ever. */
    if (!known && !l->cursor.made)
        l->cursor.begun = 1;
    if (known && (l->cursor.begun || l->cursor.noted))
        return known;
    if (!l->cursor.begun && !l->cursor.noted) {
        spool_stats(l->ctx.spool, &st);
        l->cursor.noted = st.last + 1;
        l->cursor.begun = st.last == 0 && !l->asks_was;
    }
    /* From here on there is always a record that somebody can pause. */
    int err = lane_cursor_save(l, l->status.position, 1);
    return err ? err : known;
}

const char *
lane_takes_over(const struct lane *l)
{
    return l->asks_was ? l->spec.was : NULL;
}

static int
place_move_parked(struct lane *l)
{
    if (!l->ctx.parked)
        return 0;
    int err = parked_lane_rename(l->ctx.parked, l->spec.was, l->spec.name);
    if (err == -ENOENT)
        err = 0; /* it had none, or this is done */
    if (!err && l->parked)
        err = parked_lane(l->ctx.parked, l->spec.name, spool_id(l->ctx.spool),
                          &l->parked->store);
    return err;
}

/* Rows have been moved by the destination: letters, and the file. */
static int
place_move(struct lane *l)
{
    int err;
    while ((err = dead_rename(l->ctx.dead, l->spec.was, l->spec.name)
                      ?: place_move_parked(l)
                      ?: (l->moves ? lane_cursor_rename(l) : 0))
           && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING, "taking over what %s had: %s",
                     l->spec.was, strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
    }
    if (err)
        return -ECANCELED;
    if (l->moves)
        log_info("lane %s: goes on as what %s was", l->spec.name, l->spec.was);
    l->moves = l->asks_was = 0;
    return 0;
}

/* Nobody has said where: it keeps the spool, and the others go on. */
static int
place_missing(struct lane *l)
{
    while (lane_goes_on(l)) {
        lane_trouble(l, LANE_PAUSED,
                     "needs begin: this lane is new, and the spool has given "
                     "out %" PRIu64
                     " event%s before; say begin = \"oldest\" or "
                     "\"now\", or was = \"PIPELINE/DESTINATION\" if it had "
                     "another name",
                     l->cursor.noted - 1, l->cursor.noted == 2 ? "" : "s");
        lane_peek(l);
        lane_wait_until(l, clock_monotonic_us() + UNDECIDED_US);
    }
    return -ECANCELED;
}

int
lane_place_decide(struct lane *l, uint64_t *position)
{
    if (l->asks_was && place_move(l))
        return -ECANCELED;
    if (l->cursor.begun)
        return 0;
    if (!*position && l->cursor.noted > 1) {
        if (l->spec.begin == LANE_BEGIN_UNSAID)
            return place_missing(l);
        if (l->spec.begin == LANE_BEGIN_NOW)
            *position = l->cursor.noted - 1;
    }
    l->cursor.begun = 1;
    l->undecided = 1;
    return 0;
}
