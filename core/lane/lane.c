/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "private.h"

#include "base/api.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* While a batch is on its way, gather for so long before reading a small one:
 * fewer, larger batches cost the far side less. */
#define LINGER_US 20000
#define LINGER_LOOK_US 500000 /* how often to look once a batch takes long */

/* --- waiting --- */

int
lane_goes_on(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    int done = lane_paused(l) ? !l->unsettled
                              : !l->used && l->status.position >= l->drain_to;
    int on = !l->stopping && !l->fenced && !(l->draining && done);
    l->seen = l->signals;
    pthread_mutex_unlock(&l->lock);
    return on;
}

void
lane_wait_until(struct lane *l, int64_t us)
{
    pthread_mutex_lock(&l->lock);
    while (l->signals == l->seen
           && cond_wait_until(&l->wake, &l->lock, us) != -ETIMEDOUT)
        ;
    pthread_mutex_unlock(&l->lock);
}

/* --- the loop --- */

/* Is there a full batch to read, or would waiting a little make it fuller?
 * With the lock held. */
static int
lane_worth_reading(struct lane *l, int64_t now, int64_t *look_again)
{
    uint64_t durable = spool_durable(l->ctx.spool);
    uint64_t there = durable > l->read_position ? durable - l->read_position
                                                : 0;
    if (!l->unsettled || l->draining || there >= lane_most(l)
        || spool_backlog_bytes(l->ctx.spool, l->read_position)
               >= lane_most_bytes(l))
        return 1;
    int64_t age = now - l->written_us;
    if (age >= LINGER_US && l->unsettled < l->in_flight)
        return 1;
    *look_again = now + (age < 1000000 ? LINGER_US : LINGER_LOOK_US);
    return 0;
}

/* What to work on: the oldest flight that is not at the destination, which it
 * goes to now unless it is parked, else a free one.  NULL: nothing before
 * *until, or before something happens. */
static struct flight *
lane_next(struct lane *l, int parks_on, int64_t *until)
{
    struct flight *next = NULL;
    int64_t now = clock_monotonic_us();
    *until = now + 1000000;
    if (lane_parked_full(l) || lane_timed_full(l))
        return NULL;
    pthread_mutex_lock(&l->lock);
    int failed = lane_failed(l);
    for (uint32_t i = 0; i < l->used && !next && !failed; i++) {
        struct flight *f = lane_flight(l, i);
        if (f->stage == FLIGHT_READ || f->stage == FLIGHT_READY)
            next = f;
    }
    int held = lane_is_held(l, now);
    if (next && next->stage == FLIGHT_READY && !parks_on
        && (!lane_room(l, 0) || held))
        next = NULL;
    else if (!next && !failed && l->used < l->flight_count
             && (!l->draining || l->read_position < l->drain_to)
             && lane_worth_reading(l, now, until))
        next = lane_flight(l, l->used);
    if (held && l->parked->held_until_us < *until)
        *until = l->parked->held_until_us;
    pthread_mutex_unlock(&l->lock);
    if (now < l->not_before_us) {
        *until = l->not_before_us;
        next = NULL;
    }
    if (l->pass_after_us > now && l->pass_after_us < *until)
        *until = l->pass_after_us;
    return next;
}

/* Make a batch of frames: matched, enriched, without what is not for here. */
static void
lane_make(struct lane *l, struct flight *f)
{
    int err = lane_remember_begin(l, f);
    if (!err && !(err = lane_match(l, f))) {
        lane_tap_begin(l, f);
        err = lane_steps(l, f);
    }
    lane_remember_end(l, f);
    if (err) {
        lane_unremember(l, f);
        l->not_before_us = lane_back_off(l, IL_RETRY);
        return;
    }
    lane_ready(l, f);
    if (lane_stays(l, f)) {
        f->stage = FLIGHT_READ;
        l->not_before_us = lane_back_off(l, IL_RETRY);
        return;
    }
    pthread_mutex_lock(&l->lock);
    if (f == lane_flight(l, 0))
        l->oldest_us = f->oldest_us;
    pthread_mutex_unlock(&l->lock);
}

/* What the steps have said beside the events is durable before the destination gets
 * these, as its position then says that the lane has passed them.  1: not yet. */
static int
lane_say(struct lane *l, struct flight *f)
{
    int err = lane_derive(l, f);
    if (!err)
        err = lane_tell(l, f);
    if (err < 0)
        l->not_before_us = lane_back_off(l, IL_RETRY);
    return err != 0;
}

/* Once all is written and somebody waits for the end: push it out. */
static void
lane_flush(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    int due = l->draining && l->unsettled && !l->flushed
              && l->unsettled == l->used && l->read_position >= l->drain_to;
    int64_t left = l->deadline_us - clock_monotonic_us();
    pthread_mutex_unlock(&l->lock);
    if (!due || !l->spec.destination->flush)
        return;
    l->flushed = 1;
    l->spec.destination->flush(l->spec.self,
                               left > 0 ? (uint32_t) (left / 1000) : 0);
}

/* Round and round: what was settled comes before what is next, so that a read
 * that waits for new events leaves nothing lying that was known before. */
static void
lane_loop(struct lane *l)
{
    while (lane_goes_on(l)) {
        int64_t until;
        lane_settled(l);
        if (!l->reader)
            break; /* it was to go back, and to stop before it knew where to */
        int on = lane_parks_on(l), paused = !on && lane_is_paused(l);
        if (paused)
            lane_give_back(l);
        lane_cursor(l, 0);
        lane_flush(l);
        lane_overdue(l);
        if (paused) {
            if (l->parked) {
                lane_due_settled(l);
                lane_replay_settled(l);
                lane_tell_done(l, NULL);
            }
            lane_stay(l);
            continue;
        }
        struct flight *f = lane_next(l, on, &until);
        lane_timed(l, &until);
        lane_remember(l, &until);
        if (l->parked) {
            lane_due(l, &until);
            lane_replay_go(l, &until);
            lane_tell_done(l, &until);
        }
        if (f && f->stage == FLIGHT_FREE && lane_read(l, f))
            l->not_before_us = lane_back_off(l, IL_RETRY);
        if (f && f->stage == FLIGHT_READY && f->grows && lane_grow(l, f))
            l->not_before_us = lane_back_off(l, IL_RETRY);
        if (f && f->stage == FLIGHT_READ)
            lane_make(l, f); /* match, steps, when */
        if (f && f->stage == FLIGHT_READY && lane_say(l, f))
            f = NULL;
        if (f && f->stage == FLIGHT_READY && on)
            lane_park_all(l, f);
        else if (f && f->stage == FLIGHT_READY)
            lane_write(l, f);
        if (!f)
            lane_wait_until(l, until);
    }
}

static void *
lane_run(void *arg)
{
    struct lane *l = arg;
    char name[16]; /* all that the kernel keeps: top -H tells lanes apart */
    snprintf(name, sizeof name, "%s", l->spec.name);
    pthread_setname_np(pthread_self(), name);
    lane_paused_say(l);
    if (!lane_rest(l) && !lane_begin(l))
        lane_loop(l);
    if (l->reader) {
        lane_cursor(l, 1);
        lane_remember_last(l);
    }
    lane_derive_end(l);
    pthread_mutex_lock(&l->lock);
    l->finished = 1;
    if (!l->fenced)
        l->status.state = LANE_STOPPED;
    pthread_cond_broadcast(&l->ended);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* --- life cycle --- */

/* Of a position in the lane's spool. */
static void
lane_origin(void *flight, uint64_t position, struct event_origin *out)
{
    const struct flight *f = flight;
    spool_origin(f->lane->ctx.spool, position, out);
}

static int
flight_new(struct lane *l, struct flight *f)
{
    for (uint32_t k = 0; k < FLIGHT_ACKS; k++)
        f->acks[k] = (struct il_ack){ .api = api_table(), .flight = f };
    f->lane = l;
    f->drops = calloc(l->spec.step_count + 1, sizeof *f->drops);
    f->batch = batch_new();
    if (!f->drops || !f->batch)
        return -ENOMEM;
    f->batch->lane = f;
    f->batch->origin = lane_origin;
    return 0;
}

static void
flight_end(struct flight *f)
{
    batch_free(f->batch);
    text_clear(&f->undo.was);
    free(f->drops);
    free(f->frames);
}

static int
lane_flights_new(struct lane *l)
{
    int err = 0;
    l->in_flight = l->spec.intake.in_flight;
    if (!l->in_flight)
        l->in_flight = l->spec.destination->in_flight;
    if (!l->in_flight)
        l->in_flight = 1;
    if (l->in_flight > BATCH_IN_FLIGHT_MAX)
        l->in_flight = BATCH_IN_FLIGHT_MAX;
    /* One to fill while another is away. */
    l->flight_count = l->in_flight < 2 ? 2 : l->in_flight;
    l->flights = calloc(l->flight_count, sizeof *l->flights);
    if (!l->flights)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->flight_count && !err; i++)
        err = flight_new(l, &l->flights[i]);
    if (!(l->spec.destination->flags & IL_PER_EVENT))
        return err;
    if (!err)
        err = lane_parked_new(l);
    for (int i = 0; i < LANE_DUE_FLIGHTS && !err; i++) {
        err = flight_new(l, &l->parked->flights[i]);
        l->parked->flights[i].due = 1;
    }
    for (int i = 0; i < LANE_REPLAY_FLIGHTS && !err; i++) {
        err = flight_new(l, &l->parked->replays[i]);
        l->parked->replays[i].due = 1;
    }
    return err;
}

static void
lane_locks_new(struct lane *l)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->cursor_lock, NULL);
    pthread_mutex_init(&l->taps_lock, NULL);
    cond_init(&l->wake);
    cond_init(&l->ended);
}

/* Positions that this lane has passed, or has letters of, are not given out
 * again, whatever became of the spool. */
static int
lane_advance(struct lane *l, uint64_t position)
{
    const char *name = l->moves ? l->spec.was : l->spec.name;
    uint64_t last;
    if (!dead_last(l->ctx.dead, name, &last) && last > position)
        position = last;
    if (l->ctx.parked
        && !parked_last(l->ctx.parked, NULL, spool_id(l->ctx.spool), &last)
        && last > position)
        position = last;
    return spool_advance(l->ctx.spool, position);
}

/* From now on the spool takes events.  Should the destination turn out to be
 * further than what was given out before, these are not what it has seen: the
 * mark is kept until the two have talked. */
static int
lane_mark(struct lane *l)
{
    struct spool_stats st;
    if (!l->spec.destination->resume)
        return 0;
    l->given = l->cursor.fresh - 1;
    if (l->cursor.fresh)
        return 0;
    spool_stats(l->ctx.spool, &st);
    l->given = st.last;
    l->cursor.fresh = st.last + 1;
    int err = lane_cursor_save(l, l->status.position, 1);
    if (err)
        log_error("lane %s: cannot write the cursor %s: %s", l->spec.name,
                  l->cursor.path, strerror(-err));
    return err;
}

/* Stores are derived from nothing: what was in one is gone with it. */
static void
lane_letters_lost(const struct lane *l)
{
    uint64_t here = lane_left_behind(l);
    int parked = (l->spec.destination->flags & IL_PER_EVENT)
                 && parked_is_new(l->ctx.parked);
    if (l->cursor.letters > here && (parked || dead_is_new(l->ctx.dead)))
        log_error("lane %s: the store of %s was missing; the %llu that this "
                  "lane had are lost, but for what the spool still holds "
                  "(ingestlayer spool export)",
                  l->spec.name,
                  parked ? "parked events and dead letters" : "dead letters",
                  (unsigned long long) (l->cursor.letters - here));
}

/* What the cursor file says, and a hold on what comes after it. */
static int
lane_place(struct lane *l)
{
    int known = lane_place_open(l);
    if (known < 0)
        return known;
    l->cursor_known = known;
    l->saved_position = l->status.position;
    lane_paused_note(l);
    lane_letters_lost(l);
    l->cursor.letters = lane_left_behind(l);
    int err = lane_advance(l, l->status.position);
    if (!err)
        err = lane_mark(l);
    if (err)
        return err;
    /* What steps remember may have to be made again from further back: that is
     * seen when they are asked. */
    atomic_store(&l->passed, l->status.position);
    l->hold = spool_hold_new(l->ctx.spool, l->spec.name,
                             l->spec.remembers ? 0 : l->status.position);
    if (l->hold && l->spec.soft)
        spool_hold_soften(l->hold);
    return l->hold ? 0 : -ENOMEM;
}

int
lane_new(const struct lane_spec *spec, const struct lane_context *ctx,
         struct lane **out)
{
    struct lane *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return -ENOMEM;
    l->spec = *spec;
    l->ctx = *ctx;
    l->cursor.fd = -1;
    l->trimmed = l->rests = 1;
    lane_note_size(l, NULL);
    if (!l->spec.batch_events)
        l->spec.batch_events = 10000;
    if (!l->spec.batch_bytes)
        l->spec.batch_bytes = 4u << 20;
    if (!l->spec.retry_min_ms)
        l->spec.retry_min_ms = 100;
    if (!l->spec.retry_max_ms)
        l->spec.retry_max_ms = 30000;
    lane_locks_new(l);
    int err = strlen(spec->name) > DEAD_LANE_MAX   ? -ENAMETOOLONG
              : spec->step_count > BATCH_STEPS_MAX ? -E2BIG
                                                   : 0;
    if (!err)
        err = lane_flights_new(l);
    if (!err)
        err = lane_place(l);
    if (!err)
        err = lane_matches_new(l);
    if (!err && ctx->entities && spec->step_count)
        err = entity_reader_new(ctx->entities, &l->entities);
    if (!err)
        err = lane_metrics(l);
    if (!err) {
        *out = l;
        return 0;
    }
    log_error("lane %s: cannot be set up: %s", spec->name, strerror(-err));
    lane_free(l);
    return err;
}

int
lane_start(struct lane *l)
{
    int rc = pthread_create(&l->thread, NULL, lane_run, l);
    if (rc)
        log_error("lane %s: cannot start its thread: %s", l->spec.name,
                  strerror(rc));
    l->started = !rc;
    return -rc;
}

void
lane_signal(struct lane *l)
{
    l->signals++;
    pthread_cond_signal(&l->wake);
    if (l->reading)
        spool_reader_wake(l->reader);
}

void
lane_drain(struct lane *l, int64_t deadline_us)
{
    uint64_t to = spool_durable(l->ctx.spool);
    pthread_mutex_lock(&l->lock);
    if (!l->draining) {
        l->draining = 1;
        l->drain_to = lane_paused(l) ? 0 : to;
        l->deadline_us = deadline_us;
        lane_signal(l);
    }
    pthread_mutex_unlock(&l->lock);
}

void
lane_halt(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    l->halting = l->draining = 1;
    l->drain_to = 0;
    l->deadline_us = 0;
    lane_signal(l);
    pthread_mutex_unlock(&l->lock);
}

int
lane_stop(struct lane *l, int64_t deadline_us)
{
    lane_drain(l, deadline_us);
    pthread_mutex_lock(&l->lock);
    while (l->started && !l->finished && clock_monotonic_us() < deadline_us)
        cond_wait_until(&l->ended, &l->lock, deadline_us);
    l->stopping = 1;
    lane_signal(l);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    l->started = 0;
    pthread_mutex_lock(&l->lock);
    int done =
        lane_paused(l) || (!l->used && l->status.position >= l->drain_to);
    pthread_mutex_unlock(&l->lock);
    return done;
}

void
lane_free(struct lane *l)
{
    if (!l)
        return;
    if (l->started)
        lane_stop(l, 0);
    if (l->reader) {
        /* What the destination settled while it stopped. */
        lane_settled(l);
        if (l->parked) {
            int64_t never = INT64_MAX;
            lane_due(l, &never);
            lane_tell_done(l, NULL);
        }
        lane_cursor(l, 1);
    }
    if (l->parked)
        lane_replay_end(l);
    lane_taps_end(l);
    lane_metrics_end(l);
    lane_note_size(l, NULL);
    cells_close(l->cells);
    for (uint32_t i = 0; l->flights && i < l->flight_count; i++)
        flight_end(&l->flights[i]);
    for (int i = 0; l->parked && i < LANE_DUE_FLIGHTS; i++)
        flight_end(&l->parked->flights[i]);
    for (int i = 0; l->parked && i < LANE_REPLAY_FLIGHTS; i++)
        flight_end(&l->parked->replays[i]);
    free(l->flights);
    lane_parked_free(l);
    free(l->matches);
    free(l->dropped);
    entity_reader_free(l->entities);
    spool_reader_close(l->reader);
    spool_hold_free(l->hold);
    spool_cursor_close(&l->cursor);
    pthread_cond_destroy(&l->ended);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->taps_lock);
    pthread_mutex_destroy(&l->cursor_lock);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
