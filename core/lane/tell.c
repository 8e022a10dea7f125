/* SPDX-License-Identifier: MIT */
/* What steps tell of entities, from the flights into the store: before the destination
 * gets the first of them, and for all together that have been through the steps by
 * then.
 *
 * Who has been listened to up to where is a mark in the same transaction.  A
 * pipeline's step has one for all lanes of the pipeline, each of which comes to
 * the same: the first at a position tells it, the others find that it is told.
 * A lane that goes back tells nothing again that is older than what came since.
 * The steps of a destination are the lane's alone, and so is what comes again,
 * as it comes by a frame of its own: they have marks of the lane's. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/entity_bulk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAY_US 60000000

struct told {
    const struct batch_upsert *upsert;
    size_t order;
};

/* A transaction in the making. */
struct telling {
    struct lane *lane;
    struct told *told;
    struct entity_put *puts;
    size_t count;
    struct entity_mark *marks;
    size_t mark_count;
    uint32_t
        *mark_of; /* of each step two: the pipeline's, the lane's; 0: none */
    struct il_text names;
};

static void
telling_end(struct telling *t)
{
    free(t->told);
    free(t->puts);
    free(t->marks);
    free(t->mark_of);
    text_clear(&t->names);
}

static int
by_position(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    if (x->upsert->position != y->upsert->position)
        return x->upsert->position < y->upsert->position ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Of the flights that have passed the steps, what is not in the store yet; as if
 * each event had gone through all steps before the next. */
static int
gather(struct telling *t)
{
    struct lane *l = t->lane;
    const size_t steps = l->spec.step_count;
    size_t n = 0;
    for (uint32_t i = 0; i < l->used && lane_flight(l, i)->made; i++) {
        const struct il_batch *b = lane_flight(l, i)->batch;
        const struct batch_upsert *u = b->upserts_put ? NULL : b->upserts;
        for (; u; u = u->next)
            n++;
    }
    t->told = malloc((n + 1) * sizeof *t->told);
    t->puts = calloc(n + 1, sizeof *t->puts);
    t->marks = calloc(2 * steps + 1, sizeof *t->marks);
    t->mark_of = calloc(2 * steps + 1, sizeof *t->mark_of);
    if (!t->told || !t->puts || !t->marks || !t->mark_of)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->used && lane_flight(l, i)->made; i++) {
        const struct il_batch *b = lane_flight(l, i)->batch;
        const struct batch_upsert *u = b->upserts_put ? NULL : b->upserts;
        for (; u; u = u->next, t->count++)
            t->told[t->count] = (struct told){ u, t->count };
    }
    qsort(t->told, t->count, sizeof *t->told, by_position);
    return 0;
}

/* Append the name of a mark of a step, where the lane has this name. */
static int
name_mark(struct telling *t, const char *lane, const char *step, int own,
          struct slice *out)
{
    const size_t before = t->names.len;
    const size_t pipeline = strcspn(lane, "/");
    int err =
        text_put(&t->names, (const char *) spool_id(t->lane->ctx.spool), 16);
    if (!err)
        err = text_printf(&t->names, "%.*s/%s/%s",
                          (int) (own ? strlen(lane) : pipeline), lane,
                          own ? "" : "/", step);
    /* The text may move: so far it is only a place in it. */
    *out = slice_of((const char *) (uintptr_t) before, t->names.len - before);
    return err;
}

/* The mark that counts for what was told. */
static int
mark_for(struct telling *t, const struct batch_upsert *u, uint32_t *mark)
{
    const struct lane *l = t->lane;
    const struct lane_step *step = lane_step_at(l, u->stop);
    const int own = u->again || u->stop > lane_stop_of_when(l);
    uint32_t *at = &t->mark_of[2 * (size_t) (step - l->spec.steps) + own];
    int err = 0;
    if (!*at) {
        struct entity_mark *m = &t->marks[t->mark_count];
        err = name_mark(t, l->spec.name, step->name, own, &m->name);
        if (!err && l->spec.was)
            err = name_mark(t, l->spec.was, step->name, own, &m->was);
        if (err)
            return err;
        *at = (uint32_t) ++t->mark_count;
    }
    *mark = *at - 1;
    return 0;
}

static int
prepare(struct telling *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct batch_upsert *u = t->told[i].upsert;
        struct entity_put *put = &t->puts[i];
        int err = mark_for(t, u, &put->mark);
        if (err)
            return err;
        put->kind = slice_of(u->kind->name, u->kind->len);
        put->id = u->id;
        put->traits = u->traits;
        put->seen_us = u->seen_us;
        put->position = u->position;
        put->flags = ENTITY_PUT_LENIENT | ENTITY_PUT_NEWS;
    }
    for (size_t i = 0; i < t->mark_count; i++) {
        struct entity_mark *m = &t->marks[i];
        m->name.ptr = t->names.data + (uintptr_t) m->name.ptr;
        if (t->lane->spec.was)
            m->was.ptr = t->names.data + (uintptr_t) m->was.ptr;
    }
    return 0;
}

/* Of those that the store cannot have, the last, now and then. */
static void
say_refused(struct lane *l, const struct telling *t)
{
    const struct entity_put *last = NULL;
    int64_t now = clock_monotonic_us();
    for (size_t i = 0; i < t->count; i++)
        if (t->puts[i].error) {
            last = &t->puts[i];
            l->untold++;
        }
    if (!last || (l->untold_us && now - l->untold_us < SAY_US))
        return;
    log_warn("lane %s: %" PRIu64 " times what a step tells of an entity could "
             "not be kept, last of the %.*s \"%.*s\" (event %" PRIu64 "): %s",
             l->spec.name, l->untold, (int) last->kind.len, last->kind.ptr,
             (int) last->id.len, last->id.ptr, last->position,
             entity_strerror(last->error));
    l->untold = 0;
    l->untold_us = now;
}

int
lane_tell(struct lane *l, const struct flight *f)
{
    struct telling t = { .lane = l };
    if (!f->batch->upserts || f->batch->upserts_put)
        return 0;
    int err = l->ctx.entities ? gather(&t) : -ENOTCONN;
    if (!err)
        err = prepare(&t);
    if (!err)
        err = entity_apply(l->ctx.entities, t.marks, t.mark_count, t.puts,
                           t.count, NULL);
    if (err) {
        lane_trouble(l, LANE_WAITING, "keeping what steps tell of entities: %s",
                     entity_strerror(err));
    } else {
        say_refused(l, &t);
        for (uint32_t i = 0; i < l->used && lane_flight(l, i)->made; i++)
            lane_flight(l, i)->batch->upserts_put = 1;
    }
    telling_end(&t);
    return err;
}
