/* SPDX-License-Identifier: MIT */
/* What a lane does for those who look at it: it copies events, by its own thread
 * and within the time that looking may take. */
#include "tap_private.h"

#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <time.h>

#define CREDIT_MAX_NS 5000000 /* gathered while nothing passes */
#define DEBT_MAX_NS                                                            \
    2000000 /* made by a look that took long: then none follows
                               * for 100 ms */
#define CLOCK_EVERY 32         /* events between two looks at the clock */
#define EVENT_X 1000000        /* an event, in struct lane_tap's events_x */
#define LOOK_NS 500            /* of a look, beside what the clock shows */

/* --- what it may take ------------------------------------------------------ */

/* What this thread has worked: that another has the processor meanwhile is not the
 * doing of who looks. */
static int64_t
worked_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
spend(struct lane_tap *t, int64_t ns)
{
    t->credit_ns -= ns;
    if (t->credit_ns < -DEBT_MAX_NS)
        t->credit_ns = -DEBT_MAX_NS;
}

/* Time has gone on: how much may this one take now? */
static void
earn(struct lane_tap *t, int64_t now)
{
    const int64_t us = now - t->paid_until_us;
    const int64_t most = (int64_t) t->spec.per_s * EVENT_X;
    t->paid_until_us = now;
    if (us <= 0)
        return;
    t->credit_ns += us * (1000 * LANE_TAP_PERCENT / 100);
    if (t->credit_ns > CREDIT_MAX_NS)
        t->credit_ns = CREDIT_MAX_NS;
    t->events_x += us > EVENT_X ? most : us * t->spec.per_s;
    if (t->events_x > most)
        t->events_x = most;
}

/* --- one event ------------------------------------------------------------- */

/* What steps behind the i-th would take out of an event before anybody sees it is
 * taken out of a copy: *out gets that, packed; 1: nobody knows what that would
 * be; or a negative errno. */
static int
mask(struct lane *l, struct lane_tap *t, struct flight *f, uint64_t position,
     size_t i, struct slice *out)
{
    const struct batch_again again = { 0 };
    if (!t->shadow && !(t->shadow = batch_new()))
        return -ENOMEM;
    struct il_batch *b = t->shadow;
    batch_clear(b);
    int err =
        batch_add_decided(b, position, t->packed.data, t->packed.len, &again);
    b->reader = f->batch->reader;
    batch_stream_begin(b, &f->batch->stream_before);
    const int unknown = err || lane_redact(&l->spec, i, b);
    b->reader = NULL;
    if (unknown)
        return 1;
    t->masked.len = 0;
    err = batch_decided(b, 0, &t->masked);
    *out = slice_of(t->masked.data, t->masked.len);
    return err;
}

static struct slice
slice_str(const char *s)
{
    return slice_of(s, s ? strlen(s) : 0);
}

/* With the tap's lock.  0, or -ENOSPC. */
static int
put(struct lane_tap *t, struct lane_tap_head *h, const struct slice parts[5])
{
    struct il_text *b = &t->buffer;
    size_t len = sizeof *h;
    for (int i = 0; i < 5; i++)
        len += parts[i].len;
    if (b->len + len > LANE_TAP_BYTES || text_reserve(b, len))
        return -ENOSPC;
    h->event = (uint32_t) parts[0].len;
    h->step = (uint32_t) parts[1].len;
    h->plugin = (uint32_t) parts[2].len;
    h->code = (uint32_t) parts[3].len;
    h->message = (uint32_t) parts[4].len;
    text_put(b, h, sizeof *h);
    for (int i = 0; i < 5; i++)
        text_put(b, parts[i].ptr, parts[i].len);
    return 0;
}

/* Event i, which step (its index; step_count: none) has ended or passed.  0 or a
 * negative errno. */
static int
copy(struct lane *l, struct lane_tap *t, struct flight *f, uint32_t i,
     size_t step, const char *ended_by)
{
    const struct batch_event *e = &f->batch->events[i];
    const int ended = ended_by != NULL;
    const struct il_reason *why = ended ? e->reason : NULL;
    struct lane_tap_head h = { .position = e->position, .state = e->state };
    struct slice parts[5] = { { NULL, 0 } };
    t->packed.len = 0;
    int err = batch_decided(f->batch, i, &t->packed);
    if (err)
        return err;
    parts[0] = slice_of(t->packed.data, t->packed.len);
    if (!t->spec.raw && lane_redacts(&l->spec, step + 1)) {
        int r = mask(l, t, f, e->position, step + 1, &parts[0]);
        if (r < 0)
            return r;
        h.hidden = r == 1;
    }
    if (f->stage == FLIGHT_WRITTEN)
        h.attempt = f->attempts + 1;
    parts[1] = slice_str(ended_by);
    if (ended && step < l->spec.step_count)
        parts[2] = slice_str(l->spec.steps[step].plugin->name);
    if (!why && e->deferral)
        why = e->deferral->why;
    parts[3] = slice_str(why ? why->code : NULL);
    parts[4] = slice_str(why ? why->message : NULL);
    if (pthread_mutex_trylock(&t->lock))
        return -EBUSY;
    err = put(t, &h, parts);
    pthread_mutex_unlock(&t->lock);
    return err;
}

/* --- a point of the lane --------------------------------------------------- */

/* Where a batch is. */
struct point {
    struct lane *lane;
    struct flight *flight;
    size_t step;          /* index; step_count: at the destination, or at its
                           * `when` */
    const char *ended_by; /* those that it ended; NULL: those that go on */
    uint32_t there;       /* how many they are */
};

static int
is_there(const struct point *p, uint32_t i)
{
    const struct flight *f = p->flight;
    if (p->ended_by)
        return f->noted[i] == 2;
    return f->stage == FLIGHT_WRITTEN ? batch_live(f->batch, i)
                                      : f->batch->events[i].state == BATCH_LIVE;
}

static int
may_look(const struct lane_tap *t)
{
    return t->credit_ns > 0 && t->events_x >= EVENT_X;
}

/* One of them: 1, it is shown. */
static int
look_at(const struct point *p, struct lane_tap *t, uint32_t i, uint64_t *lost)
{
    if (t->spec.where
        && expr_true(t->spec.where, &p->flight->batch->events[i]) != 1)
        return 0;
    int err = copy(p->lane, t, p->flight, i, p->step, p->ended_by);
    *lost += err != 0;
    if (!err)
        t->events_x -= EVENT_X;
    return !err;
}

/* All of the events that are there, as far as time allows: that is found out
 * without a look at the others. */
static void
look(const struct point *p, struct lane_tap *t)
{
    const uint32_t count = p->flight->batch->count;
    int64_t now, began = worked_ns();
    uint64_t lost = 0;
    uint32_t seen = 0, shown = 0;
    earn(t, clock_monotonic_us());
    for (uint32_t i = 0; i < count && seen < p->there && may_look(t); i++) {
        if (p->ended_by && !p->flight->noted)
            break;
        if (!is_there(p, i))
            continue;
        shown += (uint32_t) look_at(p, t, i, &lost);
        if (++seen % CLOCK_EVERY)
            continue;
        now = worked_ns();
        spend(t, now - began);
        began = now;
    }
    spend(t, worked_ns() - began + LOOK_NS);
    lost += p->there - seen;
    if ((!lost && !shown) || pthread_mutex_trylock(&t->lock))
        return;
    t->skipped += lost;
    if (shown)
        pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static int
wants(const struct point *p, const struct lane_tap *t)
{
    if (t->spec.dropped != (p->ended_by != NULL))
        return 0;
    if (t->after >= 0)
        return (size_t) t->after == p->step;
    return t->spec.dropped || p->flight->stage == FLIGHT_WRITTEN;
}

static void
look_all(const struct point *p)
{
    struct lane *l = p->lane;
    if (!p->there || pthread_mutex_trylock(&l->taps_lock))
        return; /* somebody comes or goes */
    for (struct lane_tap *t = atomic_load(&l->taps); t; t = t->next)
        if (wants(p, t))
            look(p, t);
    pthread_mutex_unlock(&l->taps_lock);
}

/* --- what has ended -------------------------------------------------------- */

/* Those that are not live any more, and were when the point before was looked
 * at. */
static void
note_ended(struct flight *f)
{
    for (uint32_t i = 0; i < f->batch->count; i++)
        if (f->noted[i])
            f->noted[i] = 1;
        else if (f->batch->events[i].state != BATCH_LIVE)
            f->noted[i] = 2;
}

/* For a batch that is looked through for what has ended; 0: nobody has time for
 * that. */
static int
pay_for_notes(struct lane *l, int64_t ns)
{
    int some = 0;
    if (pthread_mutex_trylock(&l->taps_lock))
        return 0;
    for (struct lane_tap *t = atomic_load(&l->taps); t; t = t->next) {
        if (!t->spec.dropped)
            continue;
        earn(t, clock_monotonic_us());
        spend(t, ns);
        some |= may_look(t);
    }
    pthread_mutex_unlock(&l->taps_lock);
    return some;
}

void
lane_tap_begin(struct lane *l, struct flight *f)
{
    const unsigned wanted =
        atomic_load_explicit(&l->taps_want, memory_order_relaxed);
    f->noted = NULL;
    f->looked_at = wanted != 0;
    f->live_before = f->batch->live;
    if (!(wanted & LANE_TAPS_ENDED) || !pay_for_notes(l, 0))
        return;
    f->noted = batch_alloc(f->batch, f->batch->count + 1);
    if (!f->noted)
        return;
    memset(f->noted, 0, f->batch->count + 1);
    note_ended(f);
}

/* How many have, since the point before. */
static uint32_t
count_ended(struct lane *l, struct flight *f)
{
    const uint32_t before = f->live_before, live = f->batch->live;
    f->live_before = live;
    if (live >= before)
        return 0;
    if (f->noted) {
        int64_t began = worked_ns();
        note_ended(f);
        pay_for_notes(l, worked_ns() - began + LOOK_NS);
    }
    return before - live;
}

void
lane_tap_step(struct lane *l, struct flight *f, size_t step)
{
    const uint32_t ended = count_ended(l, f);
    look_all(&(struct point){ l, f, step, NULL, f->batch->live });
    look_all(&(struct point){ l, f, step, l->spec.steps[step].name, ended });
}

void
lane_tap_other(struct lane *l, struct flight *f, const char *who)
{
    const uint32_t ended = count_ended(l, f);
    look_all(&(struct point){ l, f, l->spec.step_count, who, ended });
}

void
lane_tap_written(struct lane *l, struct flight *f)
{
    const struct il_batch *b = f->batch;
    look_all(&(struct point){ l, f, l->spec.step_count, NULL, b->live });
}
