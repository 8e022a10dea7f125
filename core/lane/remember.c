/* SPDX-License-Identifier: MIT */
/* What the steps of a lane remember: made again after a start, written down now
 * and then.
 *
 * A checkpoint is of a position that is settled and in the cursor's file, on the
 * disk.  So a start that finds itself before the checkpoint was set back, and
 * whatever it finds between the two only has to be run through the steps
 * again. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

#define CHUNK_BYTES (1u << 20)

/* --- batches -------------------------------------------------------------- */

void
lane_unremember(struct lane *l, struct flight *f)
{
    if (!f->made)
        return;
    f->made = 0;
    l->stream = f->stream_before;
    if (l->cells)
        cells_undo(l->cells, &f->undo);
}

int
lane_remember_begin(struct lane *l, struct flight *f)
{
    lane_unremember(l, f);
    if (l->cells && cells_full(l->cells)) {
        int err = cells_wait(l->cells);
        if (err) {
            lane_trouble(l, LANE_WAITING,
                         "writing down what the steps remember: %s",
                         strerror(-err));
            return err;
        }
    }
    f->stream_before = l->stream;
    batch_stream_begin(f->batch, &l->stream);
    if (l->cells)
        cells_begin(l->cells, &f->undo);
    return 0;
}

/* Whether or not the steps have come to their end. */
void
lane_remember_end(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    if (b->count && l->spec.step_count) /* who else would ask */
        batch_stream_us(b, b->count - 1);
    l->stream = b->stream;
    if (l->cells)
        cells_made(l->cells, b->count);
    f->made = 1;
}

void
lane_remember_settle(struct flight *f)
{
    f->made = 0;
    cells_settle(&f->undo);
}

/* --- the hold ------------------------------------------------------------- */

void
lane_hold_move(struct lane *l, uint64_t position)
{
    atomic_store(&l->passed, position);
    if (l->cells && cells_position(l->cells) < position)
        position = cells_position(l->cells);
    spool_hold_move(l->hold, position);
}

/* --- checkpoints ---------------------------------------------------------- */

/* The lane's position is saved first; the worker syncs it. */
static int
checkpoint(struct lane *l)
{
    const struct cells_undo *undo[BATCH_IN_FLIGHT_MAX + 2];
    struct batch_stream stream = l->stream;
    uint64_t position = l->status.position; /* only this thread sets it */
    size_t n = 0;
    int err = lane_cursor_save(l, position, 0);
    if (err)
        return err;
    l->saved_position = position;
    for (uint32_t i = 0; i < l->used; i++) {
        const struct flight *f = lane_flight(l, i);
        if (!f->made)
            break;
        if (!n)
            stream = f->stream_before;
        undo[n++] = &f->undo;
    }
    return cells_checkpoint(l->cells, position, &stream, undo, n);
}

void
lane_remember(struct lane *l, int64_t *until_us)
{
    uint64_t before;
    int64_t then;
    if (!l->cells)
        return;
    before = cells_position(l->cells);
    cells_install(l->cells);
    if (cells_position(l->cells) != before)
        lane_hold_move(l, l->saved_position);
    int due = cells_due(l->cells, clock_monotonic_us(), &then);
    int err = due ? checkpoint(l) : 0;
    if (err)
        log_warn("lane %s: a checkpoint of what its steps remember has to "
                 "wait: %s",
                 l->spec.name, strerror(-err));
    if (then < *until_us)
        *until_us = then;
}

uint32_t
lane_remember_ms(struct lane *l, uint32_t ms)
{
    int64_t then, now = clock_monotonic_us();
    if (!l->cells || cells_due(l->cells, now, &then))
        return ms;
    return then - now < (int64_t) ms * 1000
               ? (uint32_t) ((then - now) / 1000 + 1)
               : ms;
}

void
lane_remember_last(struct lane *l)
{
    int64_t then;
    if (!l->cells || cells_wait(l->cells))
        return;
    if (cells_due(l->cells, INT64_MAX, &then) && !checkpoint(l))
        cells_wait(l->cells);
    lane_hold_move(l, l->saved_position);
}

/* --- made again ----------------------------------------------------------- */

/* An event of the i-th frame, if the lane took it: as lane_match() does, but for
 * what that notes of it. */
static int
recall_frame(struct lane *l, struct flight *f, uint32_t i)
{
    const struct frame_place *frame = &f->frames[i];
    const char *body = f->batch->frames.data + frame->offset;
    struct event_retry retry;
    struct event ev;
    int again = event_unpack(body, frame->len, &ev);
    if (!again)
        again = event_retry(body, frame->len, &retry);
    if (again < 0)
        return 0;
    if (again)
        return lane_retry_is_ours(l, &retry) ? lane_bring(l, f, i, &ev, &retry)
                                             : 0;
    int takes = lane_takes(l, &ev);
    return takes ? lane_add(f, frame, &ev, takes) : 0;
}

int
lane_recall_flight(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    int err = lane_remember_begin(l, f);
    batch_reset(b);
    f->looked_at = 0; /* nobody is shown what was */
    for (uint32_t i = 0; i < f->frame_count && !err; i++)
        err = recall_frame(l, f, i);
    if (!err) {
        err = lane_steps(l, f);
        lane_remember_end(l, f);
    }
    if (err)
        lane_unremember(l, f);
    else
        lane_remember_settle(f);
    return err;
}

static int
recall_read(struct flight *f, struct spool_reader *reader, uint64_t to,
            uint64_t *last)
{
    f->frame_count = 0;
    batch_clear(f->batch);
    int n = spool_reader_read(reader, &f->batch->frames, CHUNK_BYTES,
                              lane_most(f->lane), 0, last, lane_frame, f);
    while (f->frame_count && f->frames[f->frame_count - 1].position > to)
        f->frame_count--;
    return n < 0 ? n : 0;
}

static void
say_how_far(struct lane *l, uint64_t from, uint64_t at, uint64_t to)
{
    pthread_mutex_lock(&l->lock);
    l->status.recalling =
        at < to ? 1 + (int) ((at - from) * 99 / (to - from + 1)) : 0;
    pthread_mutex_unlock(&l->lock);
}

/* All of (from, to] that the spool has.  0, -ECANCELED, or a negative errno. */
static int
recall(struct lane *l, uint64_t from, uint64_t to)
{
    struct flight *f = &l->flights[0];
    struct spool_reader *reader;
    uint64_t last = from, before = from;
    int64_t then;
    int err = spool_reader_open(l->ctx.spool, from, &reader);
    if (err)
        return err;
    say_how_far(l, from, from, to);
    while (!err && last < to) {
        before = last;
        err = recall_read(f, reader, to, &last);
        if (!err && last == before)
            break; /* the spool ends before */
        if (!err && !lane_goes_on(l))
            err = -ECANCELED;
        while (!err && (err = lane_recall_flight(l, f)) && err != -ECANCELED) {
            lane_wait_until(l, lane_back_off(l, IL_RETRY));
            err = lane_goes_on(l) ? 0 : -ECANCELED;
        }
        say_how_far(l, from, last < to ? last : to, to);
        cells_install(l->cells);
        if (!err && !cells_uncovered(l->cells) && last < to
            && cells_due(l->cells, clock_monotonic_us(), &then))
            cells_checkpoint(l->cells, last, &l->stream, NULL, 0);
    }
    say_how_far(l, from, to, to);
    f->frame_count = 0;
    batch_clear(f->batch);
    spool_reader_close(reader);
    return err;
}

/* What is in the spool of that which is to be run again: none of it, or all but
 * what has gone. */
static void
say_what_is_lost(struct lane *l, uint64_t from, uint64_t to, int anew)
{
    struct spool_stats st;
    spool_stats(l->ctx.spool, &st);
    uint64_t first = st.first && st.first > from + 1 ? st.first : from + 1;
    if (!anew)
        log_info("lane %s: its steps run once more over events %llu to %llu, "
                 "to remember what came of them",
                 l->spec.name, (unsigned long long) first,
                 (unsigned long long) to);
    else
        log_info("lane %s: what its steps remember is made anew of events %llu "
                 "to %llu, as far as the spool reaches",
                 l->spec.name, (unsigned long long) first,
                 (unsigned long long) to);
}

static int
recall_all(struct lane *l, uint64_t position)
{
    uint64_t from = cells_position(l->cells);
    int err = 0, anew = !from || cells_uncovered(l->cells);
    if (from > position) {
        log_warn(
            "lane %s: it is at %llu, before what its steps remember (%llu)",
            l->spec.name, (unsigned long long) position,
            (unsigned long long) from);
        err = cells_reload(l->cells, 1);
        anew = 1;
    }
    l->stream = cells_stream(l->cells);
    if (anew) {
        from = 0;
        l->stream = (struct batch_stream){ .us = 0 };
    }
    if (!err && from < position) {
        say_what_is_lost(l, from, position, anew);
        err = recall(l, from, position);
    }
    if (!err)
        cells_cover(l->cells);
    return err;
}

int
lane_recall(struct lane *l, uint64_t position)
{
    int err = 0;
    if (!l->cells)
        return 0;
    if (l->recalled) /* it goes back */
        err = cells_reload(l->cells, 0);
    while ((err || (err = recall_all(l, position))) && err != -ECANCELED
           && lane_goes_on(l)) {
        lane_trouble(l, LANE_STARTING,
                     "making what the steps remember again: %s",
                     strerror(-err));
        lane_wait_until(l, lane_back_off(l, IL_RETRY));
        err = cells_reload(l->cells, 0);
    }
    if (err)
        return -ECANCELED;
    l->recalled = 1;
    l->failures = 0;
    return 0;
}

int
lane_remembers(struct lane *l, const char *dir,
               struct il_memory *const *memories, size_t count)
{
    struct cells_options o = { .lane = l->spec.name,
                               .dir = dir,
                               .memories = memories,
                               .count = count,
                               .sync = lane_cursor_sync,
                               .sync_arg = l };
    struct cells *cells;
    memcpy(o.spool, spool_id(l->ctx.spool), sizeof o.spool);
    int err = cells_open(&o, spool_durable(l->ctx.spool), &cells);
    pthread_mutex_lock(&l->lock);
    l->cells = err ? NULL : cells;
    pthread_mutex_unlock(&l->lock);
    /* Else all that the spool has may be wanted again. */
    if (!err && !cells_uncovered(cells)
        && cells_position(cells) <= l->status.position)
        lane_hold_move(l, l->status.position);
    return err;
}

int
lane_memory(struct lane *l, struct cells_stats *out)
{
    pthread_mutex_lock(&l->lock);
    struct cells *cells = l->cells;
    pthread_mutex_unlock(&l->lock);
    if (!cells)
        return -ENOENT;
    cells_stats(cells, out);
    return 0;
}
