/* SPDX-License-Identifier: MIT */
/* `ingestlayer dead retry --wait`: what became of each. */
#include "dead.h"
#include "private.h"
#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_NS 200000000

/* What became of one. */
enum fate {
    FATE_OPEN,
    FATE_DELIVERED,
    FATE_LETTER,
    FATE_WAITS,
    FATE_STAYS /* it was dropped, or lost on its way: the letter is still there */
};

static int
waits(void *arg, const struct dead_letter *l)
{
    (void) arg;
    return l->due_us != 0;
}

/* What there is at a position beside the lane.  OPEN: nobody knows yet, or it
 * is parked as often as it was. */
static enum fate
parked_fate(struct dead_job *j, const char *name, uint64_t position,
            uint32_t turn)
{
    struct parked_lane *lane;
    struct parked_event e;
    struct parked_letter l;
    int found = j->parked ? parked_lane_find(j->parked, name, &lane) : -ENOENT;
    if (found)
        return found == -ENOENT ? FATE_DELIVERED : FATE_OPEN;
    found = parked_read(lane, position, &j->buffer, &e);
    if (found > 0)
        return e.turn == turn ? FATE_OPEN : FATE_WAITS;
    if (!found)
        found = parked_letter_read(lane, position, &j->buffer, &l);
    return !found                       ? FATE_DELIVERED
           : found > 0 || found == -EIO ? FATE_LETTER
                                        : FATE_OPEN; /* asked again */
}

/* Has another frame got it than this one, or none? */
static int
is_released(void *arg, const struct dead_letter *l)
{
    const struct dead_pending *p = arg;
    return l->retry != p->position;
}

/* Of one that goes through the spool: it is over once its letter is gone, or is
 * no longer tried again by that frame.  Its event was parked or given up there,
 * or not. */
static enum fate
spool_fate(struct dead_job *j, const struct dead_pending *p)
{
    void *arg = (void *) (uintptr_t) p;
    int released =
        j->store ? dead_get(j->store, p->lane, p->letter, is_released, arg)
                 : -ENOENT;
    if (released != -ENOENT)
        return released == 1 && p->position != p->letter ? FATE_STAYS
                                                         : FATE_OPEN;
    int again = j->store ? dead_get(j->store, p->lane, p->position, waits, NULL)
                         : -ENOENT;
    if (again >= 0)
        return again ? FATE_WAITS : FATE_LETTER;
    return parked_fate(j, p->lane, p->position, 0);
}

/* Look at all that are open; how many have ended. */
static uint64_t
look_at_all(struct dead_job *j, struct dead_pending **at,
            uint64_t ended[FATE_STAYS + 1])
{
    uint64_t n = 0;
    while (*at) {
        struct dead_pending *p = *at;
        enum fate fate = p->parked ? parked_fate(j, p->lane, p->letter, p->turn)
                                   : spool_fate(j, p);
        if (fate == FATE_OPEN) {
            at = &p->next;
            continue;
        }
        ended[fate]++;
        n++;
        *at = p->next;
        free(p);
    }
    return n;
}

int
command_dead_wait(struct dead_job *j, struct dead_pending **list)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    uint64_t ended[FATE_STAYS + 1] = { 0 }, total = 0, n = 0;
    struct command_progress progress;
    for (const struct dead_pending *p = *list; p; p = p->next)
        total++;
    command_progress_begin(&progress, "retry", "events", total, PROGRESS_READS);
    n = look_at_all(j, list, ended);
    while (*list && !command_progress_at(&progress, n)) {
        nanosleep(&pause, NULL);
        n += look_at_all(j, list, ended);
    }
    command_progress_end(&progress);
    printf("settled %" PRIu64 ", dead letters again %" PRIu64,
           ended[FATE_DELIVERED], ended[FATE_LETTER]);
    if (ended[FATE_WAITS])
        printf(", waiting again %" PRIu64, ended[FATE_WAITS]);
    if (ended[FATE_STAYS])
        printf(", dropped %" PRIu64 " (their letters stay)", ended[FATE_STAYS]);
    if (*list)
        printf(", still on their way %" PRIu64, total - n);
    putchar('\n');
    return *list || ended[FATE_LETTER] || ended[FATE_WAITS]
           || ended[FATE_STAYS];
}

void
command_dead_pending_free(struct dead_pending **list)
{
    while (*list) {
        struct dead_pending *p = *list;
        *list = p->next;
        free(p);
    }
}
