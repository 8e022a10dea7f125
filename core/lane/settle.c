/* SPDX-License-Identifier: MIT */
/* A batch at its destination, and what becomes of it: write, settle, dead
 * letters, back-off, position. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_US 1000000
#define SAVE_EACH_US 100000 /* where a repeated event is one too many */

/* --- write --- */

/* How many of its kind are at the destination. */
static uint32_t *
flights_away(struct flight *f)
{
    return f->due ? &f->lane->parked->away : &f->lane->unsettled;
}

/* With the lock held. */
static void
flight_settle(struct flight *f, int outcome, const char *why)
{
    struct lane *l = f->lane;
    f->acks[f->ack].open = 0;
    batch_enter(f->batch, BATCH_NOBODY, NULL);
    f->outcome = outcome;
    f->why[0] = 0;
    if (why)
        snprintf(f->why, sizeof f->why, "%s", why);
    if (f->stage == FLIGHT_WRITTEN)
        --*flights_away(f);
    f->stage = FLIGHT_SETTLED;
    lane_signal(l);
}

/* Settle what an ack stands for: 1; or 0, once it has been, and then that
 * holds.  Any thread. */
static int
ack_settle(struct il_ack *ack, int outcome, const char *why)
{
    struct lane *l = ack->flight->lane;
    pthread_mutex_lock(&l->lock);
    int open = ack->open;
    if (open)
        flight_settle(ack->flight, outcome, why);
    pthread_mutex_unlock(&l->lock);
    return open;
}

void
lane_settle(struct il_ack *ack, int outcome, const char *why)
{
    struct lane *l = ack->flight->lane;
    char unknown[80];
    if (outcome < IL_OK || outcome > IL_SET_BACK) {
        snprintf(unknown, sizeof unknown,
                 "the destination settled with the outcome %d, which there is "
                 "not",
                 outcome);
        lane_fault(l, l->spec.host,
                   "settled a batch with the outcome %d, "
                   "which there is not",
                   outcome);
        outcome = IL_RETRY;
        why = unknown;
    }
    if (!ack_settle(ack, outcome, why))
        lane_fault(l, l->spec.host,
                   "settled a batch a second time, which counts for nothing");
}

/* Has one that is on its way failed?  With the lock held. */
int
lane_failed(struct lane *l)
{
    for (uint32_t i = 0; i < l->used; i++) {
        const struct flight *f = lane_flight(l, i);
        if (f->stage == FLIGHT_SETTLED && f->outcome != IL_OK
            && f->outcome != IL_REJECT)
            return 1;
    }
    return 0;
}

/* One place is for those that come again, where one of them waits for it and
 * there is more than one; else the two take turns. */
int
lane_room(const struct lane *l, int due)
{
    const struct lane_parked *p = l->parked;
    if (!p)
        return l->unsettled < l->in_flight;
    uint32_t away = l->unsettled + p->away;
    if (away >= l->in_flight)
        return 0;
    if (due)
        return l->in_flight == 1 ? p->turn || !l->used
                                 : p->away < (l->in_flight + 1) / 2;
    if (!p->wants)
        return 1;
    return l->in_flight == 1 ? !p->turn : p->away || away + 1 < l->in_flight;
}

/* 1: the destination takes another batch now.  Not once an older one has failed
 * or the lane is paused, which may have happened while this one was made. */
static int
flight_depart(struct lane *l, struct flight *f)
{
    pthread_mutex_lock(&l->lock);
    int room = lane_room(l, f->due) && (f->due || !lane_failed(l))
               && !lane_paused(l) && !lane_is_held(l, clock_monotonic_us());
    if (room && l->parked)
        l->parked->turn = !f->due;
    if (room) {
        f->stage = FLIGHT_WRITTEN;
        f->ack = (f->ack + 1) % FLIGHT_ACKS;
        f->acks[f->ack].open = 1;
        batch_enter(f->batch, BATCH_AT_DESTINATION, l->spec.host);
        ++*flights_away(f);
    }
    pthread_mutex_unlock(&l->lock);
    return room;
}

void
lane_settle_here(struct flight *f, int outcome)
{
    pthread_mutex_lock(&f->lane->lock);
    flight_settle(f, outcome, NULL);
    pthread_mutex_unlock(&f->lane->lock);
}

/* Hand a batch to the destination; one with nothing in it is settled. */
void
lane_write(struct lane *l, struct flight *f)
{
    if (!f->batch->live) {
        lane_settle_here(f, IL_OK);
        return;
    }
    if (!flight_depart(l, f))
        return;
    if (atomic_load_explicit(&l->taps, memory_order_relaxed))
        lane_tap_written(l, f);
    f->attempts++;
    l->written_us = f->written_us = clock_monotonic_us();
    struct il_ack *ack = &f->acks[f->ack];
    int err = l->spec.destination->write(l->spec.self, f->batch, ack);
    const char *why = strerror(err < 0 ? -err : EINVAL);
    /* It leaves in this thread alone, so the ack is still that of this call. */
    if (err && !ack_settle(ack, err == -ESTALE ? IL_FENCED : IL_RETRY, why))
        lane_fault(l, l->spec.host,
                   "settled a batch and then returned an "
                   "error from write() (%s); what it settled "
                   "holds",
                   why);
}

/* --- dead letters --- */

/* With those that were made before it came again.  That of a step is one. */
static uint32_t
letter_attempts(const struct flight *f, const struct batch_event *e)
{
    uint32_t before = e->again ? e->again->attempts : 0;
    if (e->state == BATCH_REJECTED)
        return before + f->attempts;
    int counts =
        e->stop && !(e->deferral && e->deferral->flags & IL_NO_ATTEMPT);
    return before + (uint32_t) counts;
}

/* A step wants it to come again by itself. */
static void
letter_defer(const struct batch_deferral *d, struct dead_letter *out)
{
    out->at_us = d->since_us;
    out->due_us = d->since_us + d->delay_us;
    if (out->due_us <= 0)
        out->due_us = 1;
    if (d->why)
        out->reason = *d->why;
    else
        out->reason =
            (struct il_reason){ IL_SIZED(struct il_reason), .code = "deferred",
                                .message = "a step put it aside" };
}

static int
letter_make(struct flight *f, uint32_t i, int64_t now, struct dead_letter *out)
{
    const struct batch_event *e = &f->batch->events[i];
    int64_t first = e->again ? e->again->first_us : 0;
    *out = (struct dead_letter){ .lane = f->lane->spec.name,
                                 .position = e->position,
                                 .at_us = now,
                                 .attempts = letter_attempts(f, e),
                                 .event = slice_of(e->body, e->body_len) };
    if (e->state == BATCH_DEFERRED)
        letter_defer(e->deferral, out);
    else
        out->reason = *e->reason;
    /* Where the clock went back meanwhile, how long it has waited is counted anew. */
    out->first_us = first && first < out->at_us ? first : out->at_us;
    batch_origin(f->batch, i, &out->origin);
    return lane_decided(f->lane, f, e, &out->decided);
}

/* Make the letters within the flight's range exactly the marked events; those
 * of events that were settled before are left alone.  Where events are taken one
 * by one, those of the destination are elsewhere. */
static int
flight_letters(struct flight *f)
{
    struct lane *l = f->lane;
    struct il_batch *b = f->batch;
    if (!b->letters && !b->deferred && !f->stored
        && f->before >= l->suspect_until)
        return 0; /* there can be none */
    struct dead_letter *letters =
        batch_alloc(b, (b->letters + b->deferred + 1) * sizeof *letters);
    uint64_t *kept = batch_alloc(b, (b->kept + 1) * sizeof *kept);
    size_t n = 0, keep = 0;
    int err = letters && kept ? 0 : -ENOMEM;
    int64_t now = clock_wall_us();
    for (uint32_t i = 0; i < b->count && !err; i++) {
        const struct batch_event *e = &b->events[i];
        if (e->kept)
            kept[keep++] = e->position;
        if (!e->kept
            && (lane_by_spool(e)
                || (!l->parked
                    && (e->state == BATCH_REFUSED
                        || e->state == BATCH_REJECTED))))
            err = letter_make(f, i, now, &letters[n++]);
    }
    /* Whatever comes of this, the store may hold some of them now. */
    f->stored |= n > 0;
    return err ? err
               : dead_settle_rest(l->ctx.dead, l->spec.name, f->before, b->last,
                                  letters, n, kept, keep);
}

int
lane_prepare(struct il_batch *b)
{
    struct flight *f = b->lane;
    if (!f)
        return 0;
    if (b->phase == BATCH_AT_DESTINATION)
        return f->lane->parked ? 0 : flight_letters(f);
    lane_fault(f->lane, b->instance, "il_prepare() outside write() and settle");
    return -EPERM;
}

void
lane_reject_all(struct flight *f)
{
    struct il_batch *b = f->batch;
    struct il_reason why = {
        IL_SIZED(struct il_reason), .code = "rejected",
        .message = f->why[0] ? f->why : "the destination refused the batch"
    };
    for (uint32_t i = 0; i < b->count && b->live; i++)
        if (batch_live(b, i))
            batch_reject(b, i, &why);
}

/* --- settle --- */

/* The oldest flight is done with: the lane has passed it. */
static void
flight_leave(struct lane *l, struct flight *f)
{
    const struct il_batch *b = f->batch;
    uint32_t delivered = b->live + b->done;
    uint32_t timed = 0;
    for (uint32_t i = 0; b->deferred && i < b->count; i++)
        timed += b->events[i].state == BATCH_DEFERRED && b->events[i].stop;
    if (timed) {
        metric_add(l->count_parked, timed);
        l->timed_look_us = 0;
        l->timed_some = 1;
    }
    for (size_t i = 0; i < l->spec.step_count; i++)
        metric_add(l->dropped[i], f->drops[i]);
    metric_add(l->elsewhere, f->elsewhere);
    metric_add(l->delivered, delivered);
    if (delivered)
        lane_delivered(l, b->events, b->count);
    metric_add(l->dead_letters, b->letters);
    if (b->letters)
        lane_refused(l, b);
    pthread_mutex_lock(&l->lock);
    l->status.position = b->last;
    l->status.delivered += delivered;
    l->status.dropped += b->dropped;
    l->status.rejected += b->letters;
    if (delivered)
        l->status.last_ok_us = clock_wall_us();
    f->stage = FLIGHT_FREE;
    /* With none under way begin at the first again: where each is settled at
     * once the others are never filled, and take no memory. */
    l->head = --l->used ? (l->head + 1) % l->flight_count : 0;
    l->oldest_us = l->used ? lane_flight(l, 0)->oldest_us : 0;
    l->signals += (uint64_t) l->draining; /* it may have been the last */
    pthread_mutex_unlock(&l->lock);
    lane_remember_settle(f);
    batch_clear(f->batch);
    l->failures = 0;
    if (l->tells && delivered)
        l->cursor.confirmed = l->status.position;
    l->answered_us = clock_monotonic_us();
    if (delivered)
        l->set_back_failures = 0;
    if (!l->set_back_failures)
        lane_recovered(l);
}

/* What a person mends may be a migration that takes a second. */
int64_t
lane_back_off(struct lane *l, int outcome)
{
    int64_t most = (int64_t) l->spec.retry_max_ms * 1000, us = most;
    int64_t least = (int64_t) l->spec.retry_min_ms * 1000;
    if (outcome == IL_PAUSE)
        least *= 10;
    if (l->failures < 20)
        us = least << l->failures;
    if (us > most)
        us = most;
    /* Up to a quarter less, so that lanes do not return in step. */
    unsigned seed = (unsigned) clock_monotonic_us() ^ (unsigned) (uintptr_t) l;
    us -= us * (int64_t) (rand_r(&seed) % 256) / 1024;
    if (l->failures < UINT32_MAX)
        l->failures++;
    return clock_monotonic_us() + us;
}

static int
flight_failed(const struct flight *f)
{
    return f->stage == FLIGHT_SETTLED && f->outcome != IL_OK
           && f->outcome != IL_REJECT;
}

/* Whether it is an event that cannot go in or the far side that takes none is
 * seen by what else goes in.  So the last of those that come again takes along
 * what has come since. */
static void
lane_widen(struct lane *l)
{
    struct flight *f;
    while ((f = lane_flight(l, l->used - 1))->stage == FLIGHT_READ
           || (f->stage == FLIGHT_READY && !f->attempts))
        lane_unread(l, f);
    f->grows = f->stage == FLIGHT_READY;
}

/* All that failed goes again, in order, once nothing is on its way any more.
 * One that was settled OK behind a failed one stays: it is there already. */
static void
lane_again(struct lane *l, struct flight *oldest)
{
    int outcome = oldest->outcome;
    if (outcome == IL_FENCED) {
        pthread_mutex_lock(&l->lock);
        l->fenced = 1;
        pthread_mutex_unlock(&l->lock);
        lane_trouble(
            l, LANE_FENCED,
            "another process has taken this lane over: %s; " LANE_FENCED_HELP,
            oldest->why, l->spec.name);
        return;
    }
    if (outcome == IL_SET_BACK) {
        lane_trouble(l, LANE_STARTING, "%s", oldest->why);
        metric_add(l->set_backs, 1);
        lane_go_back(l);
        /* Where nothing is delivered in between it may say so for ever. */
        l->failures = l->set_back_failures;
        l->not_before_us = lane_back_off(l, IL_RETRY);
        l->set_back_failures = l->failures;
        return;
    }
    lane_trouble(l, outcome == IL_PAUSE ? LANE_PAUSED : LANE_WAITING, "%s",
                 oldest->why[0] ? oldest->why : "the delivery failed");
    for (uint32_t i = 0; i < l->used; i++) {
        struct flight *f = lane_flight(l, i);
        if (!flight_failed(f))
            continue;
        batch_rewind(f->batch);
        f->stage = FLIGHT_READY;
        metric_add(l->retries, 1);
        pthread_mutex_lock(&l->lock);
        l->status.retries++;
        pthread_mutex_unlock(&l->lock);
    }
    if (outcome == IL_PAUSE)
        lane_widen(l);
    l->not_before_us = lane_back_off(l, outcome);
}

/* The oldest flight's outcome is OK or REJECT; 0 once it has left. */
static int
lane_pass(struct lane *l, struct flight *f)
{
    if (f->outcome == IL_REJECT)
        lane_reject_all(f);
    int err = flight_letters(f);
    if (!err && l->parked)
        err = lane_park(l, f);
    if (!err)
        err = lane_retried(l, f);
    if (err) {
        lane_trouble(l, LANE_WAITING, "keeping dead letters: %s",
                     strerror(-err));
        l->pass_after_us = lane_back_off(l, IL_RETRY);
        return err;
    }
    flight_leave(l, f);
    return 0;
}

/* Look at what was settled, oldest first. */
void
lane_settled(struct lane *l)
{
    while (l->used && !l->fenced) {
        struct flight *f = lane_flight(l, 0);
        pthread_mutex_lock(&l->lock);
        int settled = f->stage == FLIGHT_SETTLED, failed = flight_failed(f);
        uint32_t unsettled = l->unsettled;
        pthread_mutex_unlock(&l->lock);
        if (!settled)
            break;
        if (failed && unsettled)
            break; /* the others come back first */
        if (failed) {
            lane_again(l, f);
            break;
        }
        if (clock_monotonic_us() < l->pass_after_us || lane_pass(l, f))
            break;
    }
}

/* --- cursor --- */

/* Save the position about once a second and at the end; then the spool may let
 * go of what lies behind it.  Where no destination can be asked the file is
 * the only record of what was delivered: then it is synced each time, so that
 * a power failure repeats a second of deliveries at most.  Else the sync waits
 * until the end. */
void
lane_cursor(struct lane *l, int final)
{
    uint64_t position = l->status.position; /* only this thread sets it */
    int64_t now = clock_monotonic_us();
    lane_refusals_tell(l, final);
    if (position == l->saved_position && !final)
        return;
    if (!final && now - l->saved_us < (l->parked ? SAVE_EACH_US : SAVE_US))
        return;
    l->saved_us = now;
    l->cursor.letters = lane_left_behind(l);
    int err =
        lane_cursor_save(l, position, final || !l->spec.destination->resume);
    if (err && !l->cursor_failed)
        log_error("lane %s: cannot save the cursor %s: %s; segments of the "
                  "spool are kept until it can",
                  l->spec.name, l->cursor.path, strerror(-err));
    l->cursor_failed = err != 0;
    if (err)
        return;
    l->saved_position = position;
    lane_hold_move(l, position);
}
