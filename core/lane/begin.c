/* SPDX-License-Identifier: MIT */
/* Where a lane begins: the greater of its cursor file and of what the
 * destination says, as far as the spool had come when the two last talked. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PEEK_FRAMES 100 /* that are no events, before the oldest event */

static int
peek_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    size_t *place = arg;
    (void) position;
    place[0] = offset;
    place[1] = len;
    return 0;
}

/* A lane that delivers nothing yet still says how far behind it is. */
void
lane_peek(struct lane *l)
{
    struct spool_reader *r;
    struct il_text text = { 0 };
    struct event ev;
    uint64_t last = 0;
    size_t place[2];
    if (l->oldest_us || spool_durable(l->ctx.spool) <= l->status.position
        || spool_reader_open(l->ctx.spool, l->status.position, &r))
        return;
    for (int i = 0; i < PEEK_FRAMES; i++, text.len = 0) {
        if (spool_reader_read(r, &text, 1, 1, 0, &last, peek_frame, place) <= 0)
            break;
        if (event_unpack(text.data + place[0], place[1], &ev))
            continue; /* how far a source has read, say */
        pthread_mutex_lock(&l->lock);
        l->oldest_us = ev.received_us;
        pthread_mutex_unlock(&l->lock);
        break;
    }
    text_clear(&text);
    spool_reader_close(r);
}

static void
begin_fenced(struct lane *l)
{
    char cause[400] = "";
    pthread_mutex_lock(&l->lock);
    l->fenced = 1;
    pthread_mutex_unlock(&l->lock);
    if (l->spec.said)
        l->spec.said(l->spec.host, 0, cause, sizeof cause);
    lane_trouble(l, LANE_FENCED, "%s; " LANE_FENCED_HELP,
                 *cause ? cause : "another process owns this lane",
                 l->spec.name);
}

/* Positions after l->given are given out a second time: the spool counts that,
 * durably, before anybody may go by it.  0, or -ECANCELED when the lane is to
 * stop. */
static int
begin_count(struct lane *l)
{
    int err;
    while ((err = spool_set_back(l->ctx.spool, l->given)) && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING,
                     "writing how often the spool was set back: %s",
                     strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
    }
    return err ? -ECANCELED : 0;
}

/* The destination is further than the spool was: take it back, so that it
 * does not pass over new events.  1: to be asked, unless the lane is to stop;
 * 0: it is where it should. */
static int
begin_rewind(struct lane *l, struct il_position *p)
{
    if (p->position <= l->given)
        return 0;
    if (p->flags & IL_POSITION_REWIND) {
        log_warn("lane %s: the destination cannot go back to %llu and may "
                 "pass over new events", l->spec.name,
                 (unsigned long long) l->given);
        p->position = l->given;
        return 0;
    }
    log_error("lane %s: the destination is at %llu, but the spool had ended at "
              "%llu: was state_dir restored from a backup? Going on with what "
              "came after that; events that are sent a second time now cannot "
              "be told from new ones",
              l->spec.name, (unsigned long long) p->position,
              (unsigned long long) l->given);
    if (!begin_count(l))
        p->flags |= IL_POSITION_REWIND;
    return 1;
}

/* resume() has no way to say why, but the destination has logged it. */
static void
begin_trouble(struct lane *l, int err)
{
    char cause[400] = "";
    if (l->spec.said)
        l->spec.said(l->spec.host, 0, cause, sizeof cause);
    if (!cause[0] && err != -EAGAIN && err != -EACCES)
        snprintf(cause, sizeof cause, "%s", strerror(err < 0 ? -err : err));
    if (err == -EACCES)
        lane_trouble(l, LANE_PAUSED,
                     "the destination refuses to say how far it is%s%s",
                     cause[0] ? ": " : "; its own messages tell what to mend",
                     cause);
    else
        lane_trouble(l, LANE_STARTING,
                     "waiting for the destination to say how far it is%s%s",
                     cause[0] ? ": " : "", cause);
}

/* What was settled there has gone, in a failover to a server that was behind,
 * say: go back to where it is.  1 or 0. */
static int
begin_set_back(struct lane *l, const struct il_position *p, uint64_t *position)
{
    uint64_t confirmed = l->cursor.confirmed;
    l->tells = p->there != UINT64_MAX;
    if (!l->tells)
        l->cursor.confirmed = 0;
    if (!l->tells || p->there >= confirmed)
        return 0;
    log_error("lane %s: the destination is at %llu, but had taken all up to "
              "%llu: it was set back; what comes after %llu is delivered "
              "again, as far as the spool has it",
              l->spec.name, (unsigned long long) p->there,
              (unsigned long long) confirmed, (unsigned long long) p->there);
    *position = l->cursor.confirmed = p->there;
    return 1;
}

/* Ask the destination how far it is, until it answers. */
static int
begin_resume(struct lane *l, uint64_t *position)
{
    struct il_position p = { .struct_size = sizeof p,
                             .lane = l->spec.name,
                             .there = UINT64_MAX };
    memcpy(p.spool, spool_id(l->ctx.spool), 16);
    if (l->asks_was)
        p.was = l->spec.was;
    while (!lane_rest(l)) {
        p.position = p.flags & IL_POSITION_REWIND ? l->given : *position;
        p.given = l->given;
        p.set_backs = spool_set_backs(l->ctx.spool);
        int err = l->spec.destination->resume(l->spec.self, &p);
        if (!err) {
            if (begin_set_back(l, &p, position))
                return 0;
            if (!l->begun && begin_rewind(l, &p))
                continue;
            if (p.position > *position)
                *position = p.position;
            return 0;
        }
        if (err == -ESTALE) {
            begin_fenced(l);
            return -ECANCELED;
        }
        begin_trouble(l, err);
        lane_peek(l);
        lane_wait_until(l, lane_back_off(l, err == -EACCES ? IL_PAUSE
                                                           : IL_RETRY));
    }
    return -ECANCELED;
}

/* The two have talked: from the first batch on the destination may be ahead of
 * the mark.  Both slots forget it, so that no torn one brings it back; and
 * neither keeps a position that the lane went back from. */
static int
begin_unmark(struct lane *l, uint64_t position)
{
    int err;
    int both = l->cursor.fresh || position < l->saved_position;
    if (!both && !l->undecided)
        return 0;
    l->cursor.fresh = 0;
    l->undecided = 0;
    while ((err = lane_cursor_save(l, position, !both)
                      ?: both ? lane_cursor_save(l, position, 1)
                              : 0)
           && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING, "writing the cursor %s: %s",
                     l->cursor.path, strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
    }
    if (err)
        return -ECANCELED;
    l->saved_position = position;
    lane_hold_move(l, position);
    return 0;
}

/* Say where and why, when it is not simply where the lane stopped. */
static void
say_where_it_begins(struct lane *l, uint64_t position, int known)
{
    struct spool_stats st;
    spool_stats(l->ctx.spool, &st);
    if (!known)
        log_info("lane %s: no cursor yet, beginning at the oldest event of "
                 "the spool (%llu)", l->spec.name,
                 (unsigned long long) st.first);
    else if (position + 1 < st.first && st.first <= st.last)
        log_warn("lane %s: events %llu to %llu are no longer in the spool",
                 l->spec.name, (unsigned long long) position + 1,
                 (unsigned long long) st.first - 1);
}

/* Letters behind the position are of an attempt that may not have come to its
 * end: batches over them are settled with care.  Those that were being tried
 * again before it are done with. */
static int
begin_letters(struct lane *l, uint64_t position)
{
    uint64_t last = 0;
    int err;
    while (((err = dead_last(l->ctx.dead, l->spec.name, &last))
            || (err = lane_retries_begin(l, position))
            || (err = dead_counted_last(l->ctx.dead, l->spec.name,
                                        &l->counted_until)))
           && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING, "reading the dead letters: %s",
                     strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
    }
    l->suspect_until = !err && last > position ? last : 0;
    return err ? -ECANCELED : 0;
}

int
lane_begin(struct lane *l)
{
    uint64_t position = l->status.position;
    if (l->spec.destination->resume && begin_resume(l, &position))
        return -ECANCELED;
    if (lane_place_decide(l, &position))
        return -ECANCELED;
    if (l->parked && lane_parked_begin(l, &position))
        return -ECANCELED;
    if (position < l->saved_position)
        lane_hold_move(l, position);
    say_where_it_begins(l, position, l->cursor_known || position);
    if (begin_letters(l, position) || begin_unmark(l, position))
        return -ECANCELED;
    int err, again = l->begun;
    while ((err = spool_reader_open(l->ctx.spool, position, &l->reader))
           && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING, "opening the spool: %s", strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
    }
    if (err || lane_recall(l, position))
        return -ECANCELED;
    if (l->spec.begins)
        l->spec.begins(l->spec.host, spool_id_text(l->ctx.spool), position);
    lane_hold_move(l,
                   l->saved_position < position ? l->saved_position : position);
    l->begun = 1;
    l->read_position = position;
    l->failures = 0;
    pthread_mutex_lock(&l->lock);
    l->status.position = position;
    l->oldest_us = 0;
    pthread_mutex_unlock(&l->lock);
    if (!again) /* else once something is delivered */
        lane_recovered(l);
    lane_state_set(l, LANE_RUNNING);
    return 0;
}

int
lane_go_back(struct lane *l)
{
    for (uint32_t i = 0; i < l->used; i++) {
        struct flight *f = lane_flight(l, i);
        lane_remember_settle(f); /* it is made again from further back */
        batch_clear(f->batch);
        f->stage = FLIGHT_FREE;
    }
    l->used = 0;
    spool_reader_close(l->reader);
    l->reader = NULL;
    return lane_begin(l);
}
