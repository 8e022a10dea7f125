/* SPDX-License-Identifier: MIT */
/* A lane that has neither spool nor destination: a flight of its own, and the
 * way that a start takes to make again what the steps remember. */
#include "dry.h"
#include "private.h"

#include "base/clock.h"
#include "base/cond.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 512 /* that go through the steps together */

struct lane_dry {
    struct lane lane;
    uint64_t last;
    int shown; /* the flight has been through the steps, and is looked at */
};

/* --- beginning and end ----------------------------------------------------- */

static int
open_memory(struct lane *l, const char *dir, struct il_memory *const *memories,
            size_t count, const uint8_t spool[16])
{
    struct cells_options o = {
        .lane = l->spec.name, .dir = dir, .memories = memories, .count = count
    };
    memcpy(o.spool, spool, sizeof o.spool);
    int err = cells_open(&o, UINT64_MAX, &l->cells);
    if (!err)
        cells_cover(l->cells);
    return err;
}

int
lane_dry_new(const struct lane_spec *spec, struct entities *entities,
             const char *memory, struct il_memory *const *memories,
             size_t count, const uint8_t spool[16], struct lane_dry **out)
{
    struct lane_dry *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d)
        return -ENOMEM;
    struct lane *l = &d->lane;
    l->spec = *spec;
    l->status.name = spec->name;
    pthread_mutex_init(&l->lock, NULL);
    cond_init(&l->wake);
    l->flights = calloc(1, sizeof *l->flights);
    l->flight_count = 1;
    int err = l->flights ? lane_matches_new(l) : -ENOMEM;
    if (!err) {
        struct flight *f = l->flights;
        f->lane = l;
        f->batch = batch_new();
        f->drops = calloc(spec->step_count + 1, sizeof *f->drops);
        err = f->batch && f->drops ? 0 : -ENOMEM;
    }
    if (!err && entities)
        err = entity_reader_new(entities, &l->entities);
    if (!err && count)
        err = open_memory(l, memory, memories, count, spool);
    if (err)
        lane_dry_free(d);
    else
        *out = d;
    return err;
}

void
lane_dry_free(struct lane_dry *d)
{
    if (!d)
        return;
    struct lane *l = &d->lane;
    if (l->cells)
        cells_close(l->cells);
    if (l->entities)
        entity_reader_free(l->entities);
    if (l->flights) {
        text_clear(&l->flights->undo.was);
        batch_free(l->flights->batch);
        free(l->flights->drops);
        free(l->flights->frames);
    }
    free(l->flights);
    free(l->matches);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(d);
}

/* --- frames ---------------------------------------------------------------- */

/* Those that wait go through the steps.  What these have changed goes into the
 * folder before it is more than memory is for. */
static int
run(struct lane_dry *d)
{
    struct lane *l = &d->lane;
    struct flight *f = l->flights;
    int64_t then;
    if (l->cells)
        cells_install(l->cells);
    int err = lane_recall_flight(l, f);
    if (!err && l->cells && cells_due(l->cells, clock_monotonic_us(), &then))
        cells_checkpoint(l->cells, d->last, &l->stream, NULL, 0);
    return err;
}

static int
add_frame(struct lane_dry *d, uint64_t position, const char *body, size_t len)
{
    struct flight *f = d->lane.flights;
    size_t at = f->batch->frames.len;
    int err = text_put(&f->batch->frames, body, len);
    d->last = position;
    return err ? err : lane_frame(f, position, at, len);
}

static void
say_end(struct lane_dry *d, struct lane_dry_end *end)
{
    const struct lane *l = &d->lane;
    struct il_batch *b = l->flights->batch;
    *end = (struct lane_dry_end){ .step = -1 };
    if (!b->count)
        return;
    const struct batch_event *e = b->events;
    const struct lane_step *step = lane_step_at(l, e->stop);
    if (e->state == BATCH_TICK)
        return; /* its steps see the time, and no event */
    end->takes = 1;
    end->event = e;
    end->batch = b;
    /* Dropping notes nothing in the event: it has to be quick. */
    for (size_t i = 0; i < l->spec.step_count; i++)
        if (e->state == BATCH_DROPPED && l->flights->drops[i])
            end->step = (long) i;
    if (e->state == BATCH_ELSEWHERE
        || (e->state != BATCH_LIVE && e->stop == lane_stop_of_when(l)))
        end->at_when = 1;
    else if (e->state != BATCH_LIVE && step)
        end->step = (long) (step - l->spec.steps);
}

int
lane_dry_pass(struct lane_dry *d, uint64_t position, const char *body,
              size_t len)
{
    int err = 0;
    if (d->shown || d->lane.flights->frame_count == FRAMES)
        err = lane_dry_settle(d);
    return err ? err : add_frame(d, position, body, len);
}

int
lane_dry_add(struct lane_dry *d, uint64_t position, const char *body,
             size_t len)
{
    int err = d->shown ? lane_dry_settle(d) : 0;
    return err ? err : add_frame(d, position, body, len);
}

int
lane_dry_batch(struct lane_dry *d, struct il_batch **out)
{
    int err = run(d);
    d->shown = 1;
    *out = d->lane.flights->batch;
    return err;
}

int
lane_dry_settle(struct lane_dry *d)
{
    struct flight *f = d->lane.flights;
    int err = f->frame_count && !d->shown ? run(d) : 0;
    d->shown = 0;
    f->frame_count = 0;
    batch_clear(f->batch);
    return err;
}

int
lane_dry_show(struct lane_dry *d, uint64_t position, const char *body,
              size_t len, struct lane_dry_end *end)
{
    int err = lane_dry_settle(d);
    d->shown = 1;
    if (!err)
        err = add_frame(d, position, body, len);
    if (!err)
        err = run(d);
    if (!err)
        say_end(d, end);
    return err;
}
