/* SPDX-License-Identifier: MIT */
/* Destinations that take events one by one: what becomes of each, and what a
 * batch leaves behind when it leaves. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "lang/template.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers ------------------------------------------------------------- */

static int
numbers_add(struct lane_numbers *n, uint64_t value)
{
    if (n->count == n->capacity) {
        size_t more = n->capacity ? n->capacity * 2 : 64;
        uint64_t *at = realloc(n->at, more * sizeof *at);
        if (!at)
            return -ENOMEM;
        n->at = at;
        n->capacity = more;
    }
    n->at[n->count++] = value;
    return 0;
}

/* Take one of this value out. */
static void
numbers_take(struct lane_numbers *n, uint64_t value)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->at[i] == value) {
            n->at[i] = n->at[--n->count];
            return;
        }
}

static int
numbers_have(const struct lane_numbers *n, uint64_t value)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->at[i] == value)
            return 1;
    return 0;
}

/* --- what the destination says of an event, from a thread of its own ------ */

/* Without memory for a mark the event may be sent twice, after a crash. */
static void
event_told(void *flight, uint32_t i)
{
    struct flight *f = flight;
    struct lane *l = f->lane;
    struct lane_parked *p = l->parked;
    const struct batch_event *e = &f->batch->events[i];
    pthread_mutex_lock(&l->lock);
    if (e->state == BATCH_DONE) {
        if (!p->done.count) {
            p->done_since_us = clock_monotonic_us();
            lane_signal(l);
        }
        numbers_add(&p->done, e->position);
    } else if (e->deferral->order
               && numbers_add(&p->orders, e->deferral->order))
        p->orders_lost = 1;
    pthread_mutex_unlock(&l->lock);
}

/* Those that are due are the first of their order, and not asked.  To say that
 * one waits where none does costs a round through the store. */
static int
event_waits(void *flight, uint32_t i, uint64_t order)
{
    const struct flight *f = flight;
    struct lane *l = f->lane;
    struct lane_parked *p = l->parked;
    (void) i;
    pthread_mutex_lock(&l->lock);
    int waits = p->orders_lost || numbers_have(&p->orders, order);
    pthread_mutex_unlock(&l->lock);
    return waits ? 1 : parked_holds(p->store, order);
}

/* As text: two that a person would call the same are the same. */
static uint64_t
event_order(void *flight, uint32_t i)
{
    const struct flight *f = flight;
    const struct il_template *order = f->lane->spec.intake.order;
    struct il_value v;
    char digits[24];
    if (!order || template_render(order, f->batch, i, &v))
        return 0;
    switch (v.type) {
    case IL_STRING:
    case IL_DECIMAL:
        return v.len ? batch_order(v.str, v.len) : 0;
    case IL_INT:
    case IL_UINT:
        snprintf(digits, sizeof digits,
                 v.type == IL_INT ? "%" PRId64 : "%" PRIu64, v.num.i);
        return batch_order(digits, strlen(digits));
    default:
        return 0;
    }
}

/* --- life ----------------------------------------------------------------- */

int
lane_parked_new(struct lane *l)
{
    struct lane_parked *p = calloc(1, sizeof *p);
    l->parked = p;
    if (!p)
        return -ENOMEM;
    p->due = calloc(LANE_DUE_MOST, sizeof *p->due);
    if (!p->due)
        return -ENOMEM;
    p->frames_most = p->matched_most =
        l->spec.intake.events ? l->spec.intake.events : l->spec.batch_events;
    for (uint32_t i = 0; i < l->flight_count; i++) {
        l->flights[i].batch->told = event_told;
        l->flights[i].batch->waits = event_waits;
        l->flights[i].batch->order = event_order;
    }
    return parked_lane(l->ctx.parked, l->spec.name, spool_id(l->ctx.spool),
                       &p->store);
}

void
lane_parked_free(struct lane *l)
{
    struct lane_parked *p = l->parked;
    if (!p)
        return;
    free(p->due);
    free(p->done.at);
    free(p->orders.at);
    free(p->was_done);
    text_clear(&p->packed);
    free(p);
    l->parked = NULL;
}

static int
parked_place(struct lane *l, uint64_t *position)
{
    struct lane_parked *p = l->parked;
    const uint8_t *spool = spool_id(l->ctx.spool);
    uint64_t stored = 0, last = 0;
    uint8_t of[16];
    int err = parked_position(p->store, &stored, of);
    if (!err && memcmp(of, spool, 16) == 0 && stored > *position)
        *position = stored;
    if (!err)
        err = parked_last(l->ctx.parked, p->store, spool, &last);
    p->until = last > *position ? last : 0;
    free(p->was_done);
    p->was_done = NULL;
    p->was_done_count = 0;
    if (!err)
        err = parked_done_list(p->store, *position, spool, &p->was_done,
                               &p->was_done_count);
    return err;
}

int
lane_parked_begin(struct lane *l, uint64_t *position)
{
    int err;
    while ((err = parked_place(l, position)) && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING, "reading what is parked: %s",
                     strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
    }
    return err ? -ECANCELED : 0;
}

static int
by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int
lane_was_done(const struct lane *l, uint64_t position)
{
    const struct lane_parked *p = l->parked;
    return p && p->was_done_count
           && bsearch(&position, p->was_done, p->was_done_count,
                      sizeof position, by_number);
}

uint64_t
lane_letters(const struct lane *l, struct parked_counts *counts)
{
    uint64_t n = dead_count(l->ctx.dead, l->spec.name);
    struct parked_counts have = { .next_due_us = INT64_MAX };
    if (l->parked && !parked_counts(l->parked->store, &have))
        n += have.letters;
    if (counts)
        *counts = have;
    return n;
}

uint64_t
lane_left_behind(const struct lane *l)
{
    struct parked_counts counts;
    struct dead_timed timed;
    uint64_t letters = lane_letters(l, &counts);
    dead_timed(l->ctx.dead, l->spec.name, &timed);
    return letters + counts.parked + timed.letters;
}

/* For `live` of them it took so many. */
static uint32_t
takes(const struct lane *l, uint64_t of, uint32_t live)
{
    uint64_t least = l->spec.intake.events, most = l->spec.batch_events;
    uint64_t n = live ? least * of / live : most;
    return (uint32_t) (n < least ? least : n > most ? most : n);
}

void
lane_learn(struct lane *l, const struct flight *f, uint32_t matched)
{
    struct lane_parked *p = l->parked;
    if (!p || !l->spec.intake.events)
        return;
    p->frames_most = takes(l, f->frame_count, f->batch->live);
    p->matched_most = takes(l, matched, f->batch->live);
}

/* --- a flight leaves ------------------------------------------------------ */

static struct parked_event
parked_of(const struct batch_event *e)
{
    const struct batch_deferral *d = e->deferral;
    uint32_t attempts = e->again ? e->again->attempts : 0;
    int64_t first = e->again ? e->again->first_us : 0;
    return (struct parked_event){
        .position = e->position,
        .attempts = attempts + !(d->flags & IL_NO_ATTEMPT),
        .first_us = first ? first : d->since_us,
        .since_us = d->since_us,
        .delay_us = d->delay_us,
        .code = d->why ? d->why->code : NULL,
        .message = d->why ? d->why->message : NULL,
        .target = d->target,
        .order_hash = d->order,
    };
}

static int
is_lost(const struct flight *f)
{
    return f->lost_to > f->before;
}

/* One letter for all that was let go of; there is no event to send again. */
static struct parked_letter
letter_of_lost(const struct lane *l, const struct flight *f, int64_t now,
               char text[256])
{
    snprintf(text, 256,
             "events %" PRIu64 " to %" PRIu64 " of the spool were let go of "
             "before this lane came to them, as there was no room left; "
             "behind = \"hold\" would keep them, and refuse new ones",
             f->before + 1, f->lost_to);
    log_error("lane %s: %s", l->spec.name, text);
    return (struct parked_letter){ .position = f->before + 1,
                                   .first_us = now,
                                   .at_us = now,
                                   .code = "behind",
                                   .message = text };
}

void
lane_note_lost(struct lane *l, struct flight *f)
{
    uint64_t next = f->frame_count ? f->frames[0].position : f->batch->last + 1;
    struct spool_stats st;
    f->lost_to = 0;
    if (!l->parked || next == f->before + 1)
        return;
    spool_stats(l->ctx.spool, &st);
    if (st.first > f->before + 1)
        f->lost_to = (st.first < next ? st.first : next) - 1;
}

static struct parked_letter
letter_of(const struct flight *f, const struct batch_event *e, int64_t now)
{
    const struct batch_again *a = e->again;
    return (struct parked_letter){
        .position = e->position,
        .attempts = (a ? a->attempts : 0)
                    + (e->state == BATCH_REJECTED ? f->attempts : 0),
        .first_us = a && a->first_us ? a->first_us : now,
        .at_us = now,
        .code = e->reason->code,
        .message = e->reason->message,
    };
}

/* Those of steps are kept as the spool has them (flight_letters()). */
static int
is_letter(const struct batch_event *e)
{
    return (e->state == BATCH_REFUSED || e->state == BATCH_REJECTED)
           && !lane_by_spool(e);
}

static int
is_parked(const struct batch_event *e)
{
    return e->state == BATCH_DEFERRED && !lane_by_spool(e);
}

/* What nothing can read is kept as it lies in the spool. */
static int
pack_decided(struct il_batch *b, uint32_t i, struct il_text *out)
{
    const struct batch_event *e = &b->events[i];
    return e->ev.id.len ? batch_decided(b, i, out)
                        : text_put(out, e->body, e->body_len);
}

int
lane_park(struct lane *l, struct flight *f)
{
    struct lane_parked *p = l->parked;
    struct il_batch *b = f->batch;
    if (!b->letters && !b->deferred && !f->stored && !is_lost(f)
        && f->before >= p->until)
        return 0; /* nothing is there, and nothing was */
    struct parked_event *events =
        batch_alloc(b, (b->deferred + 1) * sizeof *events);
    struct parked_letter *letters =
        batch_alloc(b, (b->letters + 2) * sizeof *letters);
    char lost[256];
    size_t n = 0, m = 0;
    int64_t now = clock_wall_us();
    int err = events && letters ? 0 : -ENOMEM;
    p->packed.len = 0;
    if (!err && is_lost(f))
        letters[m++] = letter_of_lost(l, f, now, lost);
    for (uint32_t i = 0; i < b->count && !err; i++) {
        const struct batch_event *e = &b->events[i];
        size_t begin = p->packed.len;
        if (!is_parked(e) && !is_letter(e))
            continue;
        err = pack_decided(b, i, &p->packed);
        if (is_parked(e)) {
            events[n] = parked_of(e);
            events[n++].event_len = p->packed.len - begin;
        } else {
            letters[m] = letter_of(f, e, now);
            letters[m++].event_len = p->packed.len - begin;
        }
    }
    /* They have come to rest only now. */
    const char *at = p->packed.data;
    n = 0;
    m = is_lost(f);
    for (uint32_t i = 0; i < b->count && !err; i++) {
        const struct batch_event *e = &b->events[i];
        if (is_parked(e)) {
            events[n].event = at;
            at += events[n++].event_len;
        } else if (is_letter(e)) {
            letters[m].event = at;
            at += letters[m++].event_len;
        }
    }
    f->stored |= n + m > 0;
    if (!err)
        err = parked_settle(p->store, f->before, b->last,
                            spool_id(l->ctx.spool), events, n, letters, m);
    if (err)
        return err;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < n; i++)
        if (events[i].order_hash)
            numbers_take(&p->orders, events[i].order_hash);
    if (!p->orders.count && l->used <= 1)
        p->orders_lost = 0;
    pthread_mutex_unlock(&l->lock);
    if (n)
        p->look_us = 0;
    metric_add(l->count_parked, n);
    if (is_lost(f))
        metric_add(p->count_lost, f->lost_to - f->before);
    f->lost_to = 0;
    return 0;
}

/* --- too old --------------------------------------------------------------- */

int
lane_too_old(struct lane *l, struct il_batch *b, uint32_t i)
{
    static const struct il_reason why = {
        IL_SIZED(struct il_reason), .code = "max_age",
        .message = "it was older than max_age when its turn came"
    };
    const struct batch_event *e = &b->events[i];
    if (!l->spec.max_age_us || e->state != BATCH_LIVE
        || clock_wall_us() - e->ev.received_us <= l->spec.max_age_us)
        return 0;
    if (l->spec.max_age_drops)
        batch_drop(b, i);
    else
        batch_reject(b, i, &why);
    metric_add(l->parked->count_old, 1);
    return 1;
}

/* --- parked without an attempt --------------------------------------------- */

static int
parked_room(struct lane *l, struct parked_counts *counts)
{
    const struct il_intake *in = &l->spec.intake;
    uint64_t events = in->max_parked ? in->max_parked : LANE_PARKED_MOST;
    uint64_t bytes =
        in->max_parked_bytes ? in->max_parked_bytes : LANE_PARKED_BYTES;
    lane_letters(l, counts);
    return counts->parked < events && counts->parked_bytes < bytes;
}

int
lane_parks_on(struct lane *l)
{
    struct parked_counts counts;
    int64_t now = clock_monotonic_us();
    if (!l->parked)
        return 0;
    pthread_mutex_lock(&l->lock);
    int shut = !l->draining && !l->stopping
               && (lane_paused(l) || lane_is_held(l, now));
    pthread_mutex_unlock(&l->lock);
    return shut
           && spool_backlog_bytes(l->ctx.spool, l->status.position)
                  > spool_segment_bytes(l->ctx.spool)
           && parked_room(l, &counts);
}

/* Why nothing goes out, and for how long. */
static int64_t
shut_why(struct lane *l, struct il_reason *why, char text[256])
{
    struct lane_parked *p = l->parked;
    int64_t now = clock_monotonic_us(), us = 0;
    *why = (struct il_reason){ IL_SIZED(struct il_reason), .code = "held_off",
                               .message = text };
    snprintf(text, 256, "the far side took nothing");
    pthread_mutex_lock(&l->lock);
    if (lane_paused(l)) {
        why->code = "paused";
        snprintf(text, 256, "the lane was paused");
    } else {
        us = p->held_until_us - now;
        for (int i = 0; i < LANE_HOLDS; i++)
            if (p->holds[i].until_us && !*p->holds[i].target
                && *p->holds[i].why)
                snprintf(text, 256, "%s", p->holds[i].why);
    }
    pthread_mutex_unlock(&l->lock);
    return us > 0 ? us : 0;
}

void
lane_park_all(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    struct il_reason why;
    char text[256];
    const struct il_deferral how = {
        IL_SIZED(struct il_deferral), .flags = IL_NO_ATTEMPT,
        .delay_ms = (uint64_t) shut_why(l, &why, text) / 1000, .why = &why
    };
    int err = 0;
    for (uint32_t i = 0; i < b->count && !err; i++)
        err = batch_defer(b, i, &how);
    if (err) {
        lane_trouble(l, LANE_WAITING, "parking a batch: %s", strerror(-err));
        l->not_before_us = lane_back_off(l, IL_RETRY);
        return;
    }
    lane_settle_here(f, IL_OK);
}

int
lane_parked_full(struct lane *l)
{
    struct parked_counts counts;
    if (!l->parked || parked_room(l, &counts))
        return 0;
    lane_trouble(l, LANE_WAITING,
                 "%" PRIu64 " events (%" PRIu64 " bytes) are parked, and there "
                 "may be no more (max_parked, max_parked_size): the lane reads "
                 "on once some have gone",
                 counts.parked, counts.parked_bytes);
    return 1;
}

/* --- done marks ----------------------------------------------------------- */

/* Those of flights that have left are of no use any more. */
static size_t
done_positions(struct lane *l, uint64_t *out)
{
    struct lane_parked *p = l->parked;
    size_t n = 0;
    for (size_t i = 0; i < p->done.count; i++)
        if (p->done.at[i] > l->status.position)
            out[n++] = p->done.at[i];
    p->done.count = 0;
    return n;
}

void
lane_tell_done(struct lane *l, int64_t *until)
{
    struct lane_parked *p = l->parked;
    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&l->lock);
    size_t n = p->done.count;
    int64_t at = p->done_since_us + LANE_TELL_US;
    if (n && until && now < at) {
        *until = at < *until ? at : *until;
        n = 0;
    }
    uint64_t *positions = n ? malloc(n * sizeof *positions) : NULL;
    if (positions)
        n = done_positions(l, positions);
    pthread_mutex_unlock(&l->lock);
    if (!positions)
        return;
    int err = n ? parked_done(p->store, positions, n, l->status.position,
                              spool_id(l->ctx.spool))
                : 0;
    if (err)
        log_warn("lane %s: cannot write down what was delivered of a batch: "
                 "%s; after a crash %zu events would be sent again",
                 l->spec.name, strerror(-err), n);
    free(positions);
}
