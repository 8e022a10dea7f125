/* SPDX-License-Identifier: MIT */
/* Events that were parked and are due: back to the destination, as they were
 * decided, in flights of their own.
 *
 * One that is under way stands in the store as before, so a crash forgets
 * nothing; what became of it changes only a record that still is as it was
 * read, so that what a person has dropped meanwhile does not come back. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

#define REST_US 1000000 /* nothing may go: the clocks may jump meanwhile */
#define LOOK_US 60000000 /* somebody else may have changed the store */
#define EVENTS 64        /* of a flight, where the destination says nothing */
#define WAKE_MOST 512    /* parked events that are made due in one go */

static uint32_t
due_events(const struct lane *l)
{
    uint32_t most = l->spec.intake.events ? l->spec.intake.events : EVENTS;
    return most < LANE_DUE_MOST / LANE_DUE_FLIGHTS
               ? most
               : LANE_DUE_MOST / LANE_DUE_FLIGHTS;
}

/* --- what became of them --------------------------------------------------- */

static int
result_of(const struct flight *f, const struct batch_event *e, int64_t now,
          struct parked_result *r)
{
    const struct batch_deferral *d = e->deferral;
    *r = (struct parked_result){ .position = e->position,
                                 .turn = e->again->turn,
                                 .attempts = e->again->attempts,
                                 .at_us = now };
    switch (e->state) {
    case BATCH_LIVE:
        r->outcome = PARKED_DELIVERED;
        return f->outcome == IL_OK;
    case BATCH_DONE:
    case BATCH_DROPPED: /* too old */
        r->outcome = PARKED_DELIVERED;
        return 1;
    case BATCH_DEFERRED:
        r->outcome = PARKED_AGAIN;
        r->attempts += !(d->flags & IL_NO_ATTEMPT);
        r->at_us = d->since_us;
        r->delay_us = d->delay_us;
        r->code = d->why ? d->why->code : NULL;
        r->message = d->why ? d->why->message : NULL;
        r->target = d->target;
        return 1;
    default:
        r->outcome = PARKED_GIVEN_UP;
        r->attempts += e->state == BATCH_REJECTED;
        r->code = e->reason->code;
        r->message = e->reason->message;
        return 1;
    }
}

/* One is no longer in the store once it was delivered or dropped; those that
 * somebody has dropped meanwhile do not count. */
static void
due_count(struct lane *l, const struct il_batch *b,
          const struct parked_result *results, size_t n)
{
    uint64_t delivered = 0, dropped = 0, dead = 0, again = 0;
    const struct batch_event *e = b->events;
    for (size_t i = 0; i < n; i++, e++) {
        while (e->position != results[i].position)
            e++;
        if (!results[i].stood)
            continue;
        dead += results[i].outcome == PARKED_GIVEN_UP;
        again += results[i].outcome == PARKED_AGAIN;
        if (results[i].outcome != PARKED_DELIVERED)
            continue;
        dropped += e->state == BATCH_DROPPED;
        delivered += e->state != BATCH_DROPPED;
        lane_delivered(l, e, 1);
    }
    metric_add(l->delivered, delivered);
    metric_add(l->dead_letters, dead);
    metric_add(l->count_parked, again);
    pthread_mutex_lock(&l->lock);
    l->status.delivered += delivered;
    l->status.dropped += dropped;
    l->status.rejected += dead;
    if (delivered)
        l->status.last_ok_us = clock_wall_us();
    pthread_mutex_unlock(&l->lock);
}

/* It is settled: into the store with it.  A store that fails is asked again;
 * the request is not made again. */
static void
due_leave(struct lane *l, struct flight *f)
{
    struct lane_parked *p = l->parked;
    struct il_batch *b = f->batch;
    int64_t now = clock_wall_us();
    if (f->outcome == IL_REJECT)
        lane_reject_all(f);
    struct parked_result *results =
        batch_alloc(b, (b->count + 1) * sizeof *results);
    size_t n = 0;
    for (uint32_t i = 0; results && i < b->count; i++)
        n += (size_t) result_of(f, &b->events[i], now, &results[n]);
    int err = results ? n ? parked_retried(p->store, results, n) : 0 : -ENOMEM;
    if (err) {
        lane_trouble(l, LANE_WAITING,
                     "keeping what became of parked events: %s",
                     strerror(-err));
        p->not_before_us = lane_back_off(l, IL_RETRY);
        return;
    }
    due_count(l, b, results, n);
    if (b->letters)
        lane_refused(l, b);
    p->not_before_us = 0;
    if (f->outcome != IL_OK && f->outcome != IL_REJECT) {
        lane_trouble(l, f->outcome == IL_PAUSE ? LANE_PAUSED : LANE_WAITING,
                     "%s", f->why[0] ? f->why : "the delivery failed");
        p->not_before_us = lane_back_off(l, f->outcome);
    } else if (!l->used) {
        l->failures = 0;
        lane_recovered(l);
    }
    batch_clear(b);
    pthread_mutex_lock(&l->lock);
    f->stage = FLIGHT_FREE;
    pthread_mutex_unlock(&l->lock);
    p->look_us = 0;
}

/* --- what is due ------------------------------------------------------------ */

/* A batch of those that are free is empty. */
static int
under_way(const struct lane_parked *p, uint64_t position)
{
    for (int i = 0; i < LANE_DUE_FLIGHTS; i++) {
        const struct il_batch *b = p->flights[i].batch;
        for (uint32_t k = 0; k < b->count; k++)
            if (b->events[k].position == position)
                return 1;
    }
    return 0;
}

/* Of a newer version, say: a letter, with what was kept. */
static int
due_add_unreadable(struct il_batch *b, uint64_t position, const char *bytes,
                   const struct parked_event *e)
{
    struct batch_again *again = batch_alloc(b, sizeof *again);
    if (!again)
        return -ENOMEM;
    *again = (struct batch_again){ .attempts = e->attempts, .turn = e->turn };
    int err = batch_add_unreadable(b, position, bytes, e->event_len);
    if (!err)
        b->events[b->count - 1].again = again;
    return err;
}

/* 1: it is in the batch; 0: there is none; or a negative errno. */
static int
due_add(struct lane *l, struct flight *f, uint64_t position)
{
    struct lane_parked *p = l->parked;
    struct parked_event e;
    int have = parked_read(p->store, position, &p->packed, &e);
    if (have <= 0)
        return have == -EIO ? 0 : have; /* damaged: the store has told */
    char *bytes = batch_alloc(f->batch, e.event_len);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, e.event, e.event_len);
    const struct batch_again again = { .attempts = e.attempts,
                                       .turn = e.turn,
                                       .first_us = e.first_us,
                                       .since_us = e.since_us,
                                       .code = *e.code ? e.code : NULL,
                                       .message = *e.message ? e.message : NULL,
                                       .order = e.order_hash,
                                       .passed = BATCH_ALL };
    int err = batch_add_decided(f->batch, position, bytes, e.event_len, &again);
    if (err == -EINVAL)
        err = due_add_unreadable(f->batch, position, bytes, &e);
    return err ? err : 1;
}

/* Fill a flight.  0 or a negative errno. */
static int
due_fill(struct lane *l, struct flight *f)
{
    struct lane_parked *p = l->parked;
    uint32_t room = due_events(l);
    int64_t next, now = clock_wall_us();
    int n = parked_due(p->store, now, NULL, p->due, LANE_DUE_MOST, &next);
    int err = n < 0 ? n : 0;
    p->look_us = next;
    p->looked_us = now;
    for (int i = 0; i < n && !err; i++) {
        if (under_way(p, p->due[i].position))
            continue;
        if (!room) {
            p->look_us = now;
            break;
        }
        int added = due_add(l, f, p->due[i].position);
        err = added < 0 ? added : 0;
        room -= added > 0;
    }
    if (p->look_us > now + LOOK_US)
        p->look_us = now + LOOK_US;
    if (err) {
        batch_clear(f->batch);
        p->look_us = 0;
        return err;
    }
    if (!f->batch->count)
        return 0;
    for (uint32_t i = 0; i < f->batch->count; i++)
        lane_too_old(l, f->batch, i);
    batch_seal(f->batch);
    f->attempts = 0;
    f->stage = FLIGHT_READY;
    return 0;
}

/* --- a target takes again --------------------------------------------------- */

/* The next one, with the lock held. */
static int
wake_next(struct lane_parked *p)
{
    if (*p->waking || !p->wake_count)
        return *p->waking != 0;
    memcpy(p->waking, p->wakes[--p->wake_count], sizeof p->waking);
    p->wake_from = 0;
    return 1;
}

/* Some of what waits for it is due now.  1: there is more to do. */
static int
due_wake(struct lane *l)
{
    struct lane_parked *p = l->parked;
    static const struct parked_ask none;
    struct parked_ask asks[WAKE_MOST];
    uint64_t positions[WAKE_MOST];
    pthread_mutex_lock(&l->lock);
    int any = wake_next(p);
    pthread_mutex_unlock(&l->lock);
    if (!any)
        return 0;
    int n = parked_for_target(p->store, p->waking, "held_off", &p->wake_from,
                              positions, WAKE_MOST);
    for (int i = 0; i < n; i++) {
        asks[i] = none;
        asks[i].position = positions[i];
    }
    if (n > 0 && parked_ask(p->store, asks, (size_t) n, clock_wall_us()))
        n = -EIO; /* they come when they are due */
    if (n > 0)
        p->look_us = 0;
    if (n < 0 || !p->wake_from)
        *p->waking = 0;
    return 1;
}

/* One at this stage, or NULL. */
static struct flight *
due_at(struct lane *l, int stage)
{
    struct flight *found = NULL;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < LANE_DUE_FLIGHTS && !found; i++)
        if (l->parked->flights[i].stage == stage)
            found = &l->parked->flights[i];
    pthread_mutex_unlock(&l->lock);
    return found;
}

/* Write one that is ready, and make it if something is due. */
static void
due_send(struct lane *l)
{
    struct lane_parked *p = l->parked;
    struct flight *ready = due_at(l, FLIGHT_READY);
    struct flight *free_one = due_at(l, FLIGHT_FREE);
    if (!ready && free_one && lane_looks(p->look_us, p->looked_us)) {
        int err = due_fill(l, free_one);
        if (err) {
            lane_trouble(l, LANE_WAITING, "reading what is parked: %s",
                         strerror(-err));
            p->not_before_us = lane_back_off(l, IL_RETRY);
            return;
        }
    }
    ready = due_at(l, FLIGHT_READY);
    if (ready)
        lane_write(l, ready);
    int wants = due_at(l, FLIGHT_READY) != NULL;
    pthread_mutex_lock(&l->lock);
    p->wants = wants;
    pthread_mutex_unlock(&l->lock);
}

void
lane_due_settled(struct lane *l)
{
    struct flight *f;
    while (clock_monotonic_us() >= l->parked->not_before_us
           && (f = due_at(l, FLIGHT_SETTLED)))
        due_leave(l, f);
}

void
lane_due(struct lane *l, int64_t *until)
{
    struct lane_parked *p = l->parked;
    int64_t now = clock_monotonic_us();
    lane_due_settled(l);
    pthread_mutex_lock(&l->lock);
    if (p->changed)
        p->look_us = 0;
    p->changed = 0;
    const int held = lane_is_held(l, now);
    const int rests = l->draining || l->stopping || lane_paused(l) || held;
    int64_t rests_until = now + REST_US;
    if (held && p->held_until_us < rests_until)
        rests_until = p->held_until_us;
    pthread_mutex_unlock(&l->lock);
    if (due_wake(l))
        *until = now;
    if (!rests && now >= p->not_before_us)
        due_send(l);
    int64_t wait = p->look_us - clock_wall_us();
    int64_t at = now + (wait > 0 ? wait : 0);
    if (at < p->not_before_us)
        at = p->not_before_us;
    /* What may be due by now cannot go: it is the end of the hold that is waited
     * for, or that of a flight, which wakes the lane. */
    if (rests || !due_at(l, FLIGHT_FREE) || due_at(l, FLIGHT_READY))
        at = rests_until;
    p->wake_us = at;
    if (at < *until)
        *until = at;
}

uint32_t
lane_due_wait_ms(struct lane *l, uint32_t ms)
{
    const struct lane_parked *p = l->parked;
    int64_t wait = (p->wake_us - clock_monotonic_us() + 999) / 1000;
    pthread_mutex_lock(&l->lock);
    if (p->done.count && wait > LANE_TELL_US / 1000)
        wait = LANE_TELL_US / 1000;
    if (*p->waking || p->wake_count)
        wait = 0;
    pthread_mutex_unlock(&l->lock);
    if (wait < 0)
        wait = 0;
    return wait < ms ? (uint32_t) wait : ms;
}

void
lane_due_changed(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->parked)
        l->parked->changed = 1;
    lane_signal(l);
    pthread_mutex_unlock(&l->lock);
}
