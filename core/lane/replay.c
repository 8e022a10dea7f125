/* SPDX-License-Identifier: MIT */
/* Events of a replay at the destination, in flights of their own.
 *
 * A lane_replay has two owners: who asked for it, and the lane, for as long as it
 * runs; a flight that is under way is a third.  Its lock guards all of it, and is
 * taken before the lane's, never with that held. */
#include "replay.h"

#include "private.h"

#include "base/clock.h"
#include "base/cond.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST_US 1000000 /* the lane sends nothing now */
#define BACK_US 1000000 /* what was given back comes again after this */

struct events {
    struct lane_replay_event *first, **end;
};

struct lane_replay {
    atomic_uint owners;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct lane *lane; /* NULL: it has ended */
    int left;          /* nobody waits any more */
    struct events queued, over;
    struct lane_replay_event *away; /* at the destination */
};

static void
events_add(struct events *q, struct lane_replay_event *e)
{
    e->next = NULL;
    *q->end = e;
    q->end = &e->next;
}

static struct lane_replay_event *
events_take(struct events *q)
{
    struct lane_replay_event *e = q->first;
    if (e && !(q->first = e->next))
        q->end = &q->first;
    return e;
}

static void
events_free(struct events *q)
{
    struct lane_replay_event *e;
    while ((e = events_take(q)))
        free(e);
}

static void
replay_unref(struct lane_replay *r)
{
    if (!r || atomic_fetch_sub(&r->owners, 1) > 1)
        return;
    events_free(&r->queued);
    events_free(&r->over);
    for (struct lane_replay_event *e = r->away, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->ended);
    free(r);
}

/* --- whoever asks ----------------------------------------------------------- */

/* One that was left gives way. */
static int
install(struct lane *l, struct lane_replay *r)
{
    struct lane_replay *was = l->parked->replay;
    int busy = 0;
    if (was) {
        pthread_mutex_lock(&was->lock);
        busy = !was->left;
        pthread_mutex_unlock(&was->lock);
    }
    if (busy)
        return -EBUSY;
    pthread_mutex_lock(&l->lock);
    l->parked->replay = r;
    pthread_mutex_unlock(&l->lock);
    replay_unref(was);
    return 0;
}

int
lane_replay_new(struct lane *l, struct lane_replay **out)
{
    struct lane_replay *r = l->parked ? calloc(1, sizeof *r) : NULL;
    *out = NULL;
    if (!r)
        return l->parked ? -ENOMEM : -ENOTSUP;
    atomic_init(&r->owners, 2);
    pthread_mutex_init(&r->lock, NULL);
    cond_init(&r->ended);
    r->lane = l;
    r->queued.end = &r->queued.first;
    r->over.end = &r->over.first;
    int err = install(l, r);
    if (err) {
        atomic_store(&r->owners, 1);
        replay_unref(r);
        return err;
    }
    *out = r;
    return 0;
}

void
lane_replay_free(struct lane_replay *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->left = 1;
    events_free(&r->queued);
    pthread_mutex_unlock(&r->lock);
    replay_unref(r);
}

int
lane_replay_send(struct lane_replay *r, struct lane_replay_event *e)
{
    pthread_mutex_lock(&r->lock);
    struct lane *l = r->lane;
    if (l) {
        e->fate = LANE_REPLAY_UNKNOWN;
        events_add(&r->queued, e);
        pthread_mutex_lock(&l->lock);
        lane_signal(l);
        pthread_mutex_unlock(&l->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return l ? 0 : -ESHUTDOWN;
}

struct lane_replay_event *
lane_replay_wait(struct lane_replay *r, int64_t us)
{
    struct lane_replay_event *e;
    pthread_mutex_lock(&r->lock);
    while (!(e = events_take(&r->over)) && r->lane
           && cond_wait_until(&r->ended, &r->lock, us) != -ETIMEDOUT)
        ;
    pthread_mutex_unlock(&r->lock);
    return e;
}

int
lane_replay_is_over(struct lane_replay *r)
{
    pthread_mutex_lock(&r->lock);
    int over = !r->lane && !r->over.first;
    pthread_mutex_unlock(&r->lock);
    return over;
}

void
lane_replay_why(struct lane_replay *r, char out[LANE_PAUSED_TEXT])
{
    struct lane_status s;
    *out = 0;
    pthread_mutex_lock(&r->lock);
    if (r->lane) {
        lane_status(r->lane, &s);
        lane_paused_text(&s, out, LANE_PAUSED_TEXT);
    }
    if (r->lane && !*out && s.hold_count)
        snprintf(out, LANE_PAUSED_TEXT, "%s%s%s", s.holds[0].target,
                 *s.holds[0].target ? ": " : "", s.holds[0].why);
    pthread_mutex_unlock(&r->lock);
}

/* --- what became of them ------------------------------------------------------ */

static void
note_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static void
note_reason(struct lane_replay_event *r, const struct il_reason *why)
{
    if (!why)
        return;
    note_text(r->code, sizeof r->code, why->code);
    note_text(r->message, sizeof r->message, why->message);
}

static void
note_fate(const struct flight *f, const struct batch_event *e,
          struct lane_replay_event *r)
{
    const struct batch_deferral *d = e->deferral;
    switch (e->state) {
    case BATCH_DONE:
        r->fate = LANE_REPLAY_DELIVERED;
        return;
    case BATCH_LIVE:
        r->fate =
            f->outcome == IL_OK ? LANE_REPLAY_DELIVERED : LANE_REPLAY_AGAIN;
        r->delay_us = BACK_US;
        note_text(r->message, sizeof r->message, f->why);
        return;
    case BATCH_DEFERRED:
        r->fate = LANE_REPLAY_AGAIN;
        r->delay_us = d->delay_us;
        r->since_us = d->since_us;
        if (!r->first_us)
            r->first_us = d->since_us;
        r->attempts += !(d->flags & IL_NO_ATTEMPT);
        note_reason(r, d->why);
        return;
    default:
        r->fate = LANE_REPLAY_GIVEN_UP;
        r->attempts += e->state == BATCH_REJECTED;
        note_reason(r, e->reason);
    }
}

static const struct batch_event *
find_event(const struct il_batch *b, uint64_t position)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].position == position)
            return &b->events[i];
    return NULL;
}

/* All of the batch that are away are over. */
static void
replay_leave(struct lane_replay *r, struct flight *f)
{
    pthread_mutex_lock(&r->lock);
    for (struct lane_replay_event **at = &r->away, *e; (e = *at);) {
        const struct batch_event *have = find_event(f->batch, e->position);
        if (!have) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        note_fate(f, have, e);
        events_add(&r->over, e);
    }
    pthread_cond_broadcast(&r->ended);
    pthread_mutex_unlock(&r->lock);
}

static struct flight *
replay_flight(struct lane *l, int stage)
{
    struct flight *found = NULL;
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < LANE_REPLAY_FLIGHTS && !found; i++)
        if (l->parked->replays[i].stage == stage)
            found = &l->parked->replays[i];
    pthread_mutex_unlock(&l->lock);
    return found;
}

static void
flight_end_of(struct lane *l, struct flight *f)
{
    struct lane_replay *r = f->replay;
    if (f->outcome == IL_REJECT)
        lane_reject_all(f);
    if (r)
        replay_leave(r, f);
    f->replay = NULL;
    batch_clear(f->batch);
    pthread_mutex_lock(&l->lock);
    f->stage = FLIGHT_FREE;
    pthread_mutex_unlock(&l->lock);
    replay_unref(r);
}

void
lane_replay_settled(struct lane *l)
{
    struct flight *f;
    while ((f = replay_flight(l, FLIGHT_SETTLED)))
        flight_end_of(l, f);
}

/* --- to the destination -------------------------------------------------------- */

static int
add(struct flight *f, const struct lane_replay_event *e)
{
    const struct batch_again again = { .attempts = e->attempts,
                                       .first_us = e->first_us,
                                       .since_us = e->since_us,
                                       .code = *e->code ? e->code : NULL,
                                       .message =
                                           *e->message ? e->message : NULL,
                                       .replayed = 1,
                                       .passed = BATCH_ALL };
    char *bytes = batch_alloc(f->batch, e->len);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, e->event, e->len);
    return batch_add_decided(f->batch, e->position, bytes, e->len, &again);
}

/* What cannot go is over at once. */
static void
fill(struct lane *l, struct lane_replay *r, struct flight *f)
{
    struct lane_replay_event *e;
    uint32_t room = l->spec.intake.events ? l->spec.intake.events : 64;
    pthread_mutex_lock(&r->lock);
    while (room && !r->left && (e = events_take(&r->queued))) {
        int err = add(f, e);
        if (err) {
            e->fate = err == -EINVAL ? LANE_REPLAY_GIVEN_UP : LANE_REPLAY_AGAIN;
            e->delay_us = BACK_US;
            note_text(e->code, sizeof e->code,
                      err == -EINVAL ? "unreadable" : "memory");
            note_text(e->message, sizeof e->message, strerror(-err));
            events_add(&r->over, e);
            pthread_cond_broadcast(&r->ended);
            continue;
        }
        e->next = r->away;
        r->away = e;
        room--;
    }
    pthread_mutex_unlock(&r->lock);
    if (!f->batch->count)
        return;
    batch_seal(f->batch);
    f->attempts = 0;
    f->replay = r;
    atomic_fetch_add(&r->owners, 1);
    pthread_mutex_lock(&l->lock);
    f->stage = FLIGHT_READY;
    pthread_mutex_unlock(&l->lock);
}

void
lane_replay_go(struct lane *l, int64_t *until)
{
    struct lane_parked *p = l->parked;
    lane_replay_settled(l);
    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&l->lock);
    struct lane_replay *r = p->replay;
    const int rests =
        l->draining || l->stopping || lane_paused(l) || lane_is_held(l, now);
    if (r)
        atomic_fetch_add(&r->owners, 1);
    pthread_mutex_unlock(&l->lock);
    struct flight *f = replay_flight(l, FLIGHT_READY);
    if (r && !rests) {
        struct flight *free_one = f ? NULL : replay_flight(l, FLIGHT_FREE);
        if (free_one)
            fill(l, r, free_one);
        if ((f = replay_flight(l, FLIGHT_READY)))
            lane_write(l, f);
    }
    replay_unref(r);
    if ((rests || f) && r && now + REST_US < *until)
        *until = now + REST_US;
}

void
lane_replay_end(struct lane *l)
{
    struct lane_parked *p = l->parked;
    lane_replay_settled(l);
    for (int i = 0; i < LANE_REPLAY_FLIGHTS; i++)
        if (p->replays[i].replay) {
            p->replays[i].outcome = IL_RETRY;
            flight_end_of(l, &p->replays[i]);
        }
    struct lane_replay *r = p->replay;
    p->replay = NULL;
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->lane = NULL;
    pthread_cond_broadcast(&r->ended);
    pthread_mutex_unlock(&r->lock);
    replay_unref(r);
}
