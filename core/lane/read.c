/* SPDX-License-Identifier: MIT */
/* From the spool to a batch: read, match, steps, when. */
#include "private.h"

#include "base/clock.h"
#include "base/memory.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define LANE_IDLE_MS 5000   /* then an idle lane gives its memory back */
#define LANE_SLEEP_MS 60000 /* and sleeps for longer */
#define LANE_SAVE_MS 1000   /* a cursor to be saved keeps it from sleeping */

/* --- read --- */

int
lane_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct flight *f = arg;
    if (f->frame_count == f->frame_capacity) {
        uint32_t more = f->frame_capacity ? f->frame_capacity * 2 : 64;
        struct frame_place *frames = realloc(f->frames, more * sizeof *frames);
        if (!frames)
            return -ENOMEM;
        f->frames = frames;
        f->frame_capacity = more;
    }
    f->frames[f->frame_count++] = (struct frame_place){ position, offset, len };
    return 0;
}

static uint32_t
lane_read_timeout(struct lane *l)
{
    uint32_t ms = l->trimmed && l->rests ? LANE_SLEEP_MS : LANE_IDLE_MS;
    if (l->saved_position != l->status.position)
        ms = LANE_SAVE_MS;
    ms = lane_timed_wait_ms(l, ms);
    ms = lane_remember_ms(l, ms);
    return l->parked ? lane_due_wait_ms(l, ms) : ms;
}

/* One read; the thread can be woken out of it. */
static int
lane_read_some(struct lane *l, struct flight *f, uint32_t timeout_ms,
               uint64_t *last)
{
    struct il_text *text = &f->batch->frames;
    const uint32_t most = lane_most(l), have = f->frame_count;
    pthread_mutex_lock(&l->lock);
    int busy = l->signals != l->seen;
    l->reading = !busy;
    pthread_mutex_unlock(&l->lock);
    int n = spool_reader_read(l->reader, text, lane_read_bytes(l, f),
                              most > have ? most - have : 1, busy ? 0 : timeout_ms, last, lane_frame, f);
    pthread_mutex_lock(&l->lock);
    l->reading = 0;
    pthread_mutex_unlock(&l->lock);
    return n;
}

/* More frames for a batch that may wait to fill. */
static int
lane_read_more(struct lane *l, struct flight *f, uint64_t *last)
{
    int64_t until =
                clock_monotonic_us() + (int64_t) l->spec.batch_wait_ms * 1000,
            now;
    int n = 1;
    while (n > 0 && f->frame_count < lane_most(l)
           && f->batch->frames.len < lane_most_bytes(l)
           && (now = clock_monotonic_us()) < until)
        n = lane_read_some(l, f, (uint32_t) ((until - now + 999) / 1000), last);
    return n < 0 ? n : 0;
}

/* Nobody has sent anything for a while.  What the steps remember goes once it is
 * written, which is why the lane looks again. */
void
lane_idle(struct lane *l)
{
    if (l->used || (l->trimmed && l->rests)
        || l->saved_position != l->status.position
        || clock_monotonic_us() - l->read_us < LANE_IDLE_MS * 1000)
        return;
    int rests = !l->cells || cells_rest(l->cells);
    if (l->trimmed && !rests)
        return;
    for (uint32_t i = 0; i < l->flight_count; i++)
        lane_trim(&l->flights[i]);
    if (l->entities)
        entity_reader_trim(l->entities);
    lane_note_size(l, NULL);
    memory_give_back();
    l->trimmed = 1;
    l->rests = rests;
}

/* Fill a free flight; its stage tells whether there was something. */
int
lane_read(struct lane *l, struct flight *f)
{
    uint64_t last = l->read_position;
    f->frame_count = 0;
    lane_fit(l, f);
    int n = lane_read_some(l, f, lane_read_timeout(l), &last);
    int err = n < 0 ? n : 0;
    if (n > 0 && l->spec.batch_wait_ms)
        err = lane_read_more(l, f, &last);
    if (err) {
        /* Whole or not at all: what was read comes again. */
        batch_clear(f->batch);
        spool_reader_seek(l->reader, l->read_position);
        lane_trouble(l, LANE_WAITING, "reading the spool after %llu: %s",
                     (unsigned long long) l->read_position, strerror(-err));
        return err;
    }
    if (last == l->read_position) {
        lane_idle(l);
        return 0;
    }
    f->before = l->read_position;
    f->batch->last = l->read_position = last;
    f->attempts = 0;
    f->stored = f->grows = f->made = 0;
    f->stage = FLIGHT_READ;
    lane_note_lost(l, f);
    pthread_mutex_lock(&l->lock);
    l->used++;
    pthread_mutex_unlock(&l->lock);
    l->trimmed = l->rests = 0;
    l->read_us = clock_monotonic_us();
    lane_note_size(l, f);
    if (f->frame_count)
        l->frame_bytes = f->batch->frames.len / f->frame_count;
    return 0;
}

/* More of what has come since, for the newest flight, which is to be written
 * again: its steps are due then for all of it.  0 or a negative errno. */
int
lane_grow(struct lane *l, struct flight *f)
{
    struct il_text *text = &f->batch->frames;
    uint32_t count = f->frame_count;
    size_t len = text->len;
    uint64_t last = l->read_position;
    f->grows = 0;
    if (count >= lane_most(l) || len >= lane_most_bytes(l)
        || spool_durable(l->ctx.spool) <= last)
        return 0;
    int n = lane_read_some(l, f, 0, &last);
    /* Events of before point into text, which may have moved. */
    f->stage = FLIGHT_READ;
    if (n < 0) {
        f->frame_count = count;
        text->len = len;
        spool_reader_seek(l->reader, l->read_position);
        lane_trouble(l, LANE_WAITING, "reading the spool after %llu: %s",
                     (unsigned long long) l->read_position, strerror(-n));
        return n;
    }
    f->batch->last = l->read_position = last;
    return 0;
}

/* Give a flight back to the spool that was read last and never written. */
void
lane_unread(struct lane *l, struct flight *f)
{
    l->read_position = f->before;
    spool_reader_seek(l->reader, f->before);
    lane_unremember(l, f);
    batch_clear(f->batch);
    f->stage = FLIGHT_FREE;
    pthread_mutex_lock(&l->lock);
    l->used--;
    pthread_mutex_unlock(&l->lock);
}

/* --- match --- */

#define MATCH_ENTRIES 64 /* source and type pairs remembered per lane */
#define MATCH_TEXT 192

/* What a source and a type came to the last time. */
struct match_entry {
    uint32_t source_len, type_len;
    int takes;
    char text[MATCH_TEXT];
};

int
lane_matches_new(struct lane *l)
{
    l->matches = calloc(MATCH_ENTRIES, sizeof *l->matches);
    return l->matches ? 0 : -ENOMEM;
}

int
lane_matches_take(const struct lane_match *matches, size_t n,
                  const struct event *ev)
{
    for (size_t i = 0; i < n; i++)
        if (slice_equal(matches[i].source, ev->source_id)
            && expr_glob_match(matches[i].type, ev->type))
            return matches[i].ticks ? LANE_TICKS : LANE_TAKES;
    return 0;
}

int
lane_takes(struct lane *l, const struct event *ev)
{
    struct slice source = ev->source_id, type = ev->type;
    if (source.len + type.len > MATCH_TEXT)
        return lane_matches_take(l->spec.matches, l->spec.match_count, ev);
    uint64_t hash = XXH3_64bits_withSeed(type.ptr, type.len, source.len);
    struct match_entry *e = &l->matches[hash % MATCH_ENTRIES];
    if (e->source_len != source.len || e->type_len != type.len
        || !bytes_same(e->text, source.ptr, source.len)
        || !bytes_same(e->text + source.len, type.ptr, type.len)) {
        e->source_len = (uint32_t) source.len;
        e->type_len = (uint32_t) type.len;
        memcpy(e->text, source.ptr, source.len);
        memcpy(e->text + source.len, type.ptr, type.len);
        e->takes = lane_matches_take(l->spec.matches, l->spec.match_count, ev);
    }
    return e->takes;
}

int
lane_add(struct flight *f, const struct frame_place *frame,
         const struct event *ev, int takes)
{
    const char *body = f->batch->frames.data + frame->offset;
    return (takes == LANE_TICKS ? batch_add_tick : batch_add_event)(
        f->batch, frame->position, body, frame->len, ev);
}

/* Make an event of the i-th frame, if it is for this lane.  0 or a negative
 * errno. */
static int
lane_match_frame(struct lane *l, struct flight *f, uint32_t i)
{
    struct il_batch *b = f->batch;
    const struct frame_place *frame = &f->frames[i];
    const char *body = b->frames.data + frame->offset;
    struct event_retry retry;
    struct event ev;
    int takes, again = event_unpack(body, frame->len, &ev);
    if (!again)
        again = event_retry(body, frame->len, &retry);
    if (again < 0 && event_is_marks(body, frame->len))
        return 0; /* how far a source has read is for the gate alone */
    if (again < 0)
        return batch_add_unreadable(b, frame->position, body, frame->len);
    int later = lane_counted_later(l, f, i);
    if (later)
        return later < 0 ? later : 0;
    if (again) {
        /* It had a match, and now somebody has asked for it by name. */
        takes = lane_retry(l, f, i, &retry);
    } else {
        if (ev.received_us < f->oldest_us)
            f->oldest_us = ev.received_us;
        takes = lane_takes(l, &ev);
    }
    if (takes <= 0)
        return takes;
    return again ? lane_bring(l, f, i, &ev, &retry)
                 : lane_add(f, frame, &ev, takes);
}

/* Has it, of its first i frames, all that it should have?  One that was written
 * before keeps what it had. */
static int
lane_is_full(const struct lane *l, const struct flight *f, uint32_t i)
{
    return l->parked && !f->attempts && i
           && f->batch->live >= l->parked->matched_most;
}

/* What comes after the first frames of the flight, which is that read last, is
 * read again for another. */
static void
lane_cut(struct lane *l, struct flight *f, uint32_t count)
{
    f->frame_count = count;
    f->batch->last = l->read_position = f->frames[count - 1].position;
    spool_reader_seek(l->reader, l->read_position);
}

/* Make events of those frames that the pipeline takes.  May run again over
 * the same frames: a step that failed sees the events as they were. */
int
lane_match(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    uint64_t last = b->last;
    int err = 0;
    batch_reset(b);
    f->claim_count = f->claims_seen = 0;
    f->counted = NULL;
    f->counted_count = f->counted_seen = 0;
    f->oldest_us = clock_wall_us();
    uint32_t i = 0;
    for (; i < f->frame_count && !err && !lane_is_full(l, f, i); i++)
        err = lane_match_frame(l, f, i);
    b->last = last;
    if (!err && i < f->frame_count)
        lane_cut(l, f, i);
    f->matched = b->live;
    if (err)
        lane_trouble(l, LANE_WAITING, "reading a batch: %s", strerror(-err));
    return err;
}

/* --- steps --- */

static int
lane_step(struct lane *l, struct flight *f, size_t i)
{
    const struct lane_step *step = &l->spec.steps[i];
    uint32_t before = f->batch->dropped;
    batch_enter(f->batch, BATCH_IN_STEP, step->host);
    f->batch->step = (uint16_t) lane_stop_of(l, i);
    int err = step->plugin->process(step->self, f->batch);
    f->batch->step = 0;
    batch_enter(f->batch, BATCH_NOBODY, NULL);
    if (f->batch->agains)
        batch_undo(f->batch, lane_stop_of(l, i));
    f->drops[i] = f->batch->dropped - before;
    if (err)
        lane_trouble(l, LANE_WAITING, "%s: %s", step->instance,
                     strerror(err < 0 ? -err : EINVAL));
    return err;
}

/* --- when --- */

/* Nobody knows whether it is for this destination. */
static void
when_unknown(struct il_batch *b, uint32_t i)
{
    static const struct il_reason why = {
        IL_SIZED(struct il_reason),
        .code = "regex_limit",
        .message = "a regular expression of when met its limit",
        .field = "when",
    };
    batch_reject(b, i, &why);
}

/* Leave out what is not for this destination. */
static void
lane_when(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    const uint32_t when = lane_stop_of_when(l);
    f->elsewhere = 0;
    b->step = (uint16_t) when;
    for (uint32_t i = 0; l->spec.when && i < b->count; i++) {
        if (b->events[i].state != BATCH_LIVE || batch_passed(b, i, when))
            continue;
        int holds = expr_true(l->spec.when, &b->events[i]);
        if (holds < 0)
            when_unknown(b, i);
        else if (!holds)
            batch_elsewhere(b, i);
        f->elsewhere += !holds;
    }
    b->step = 0;
}

/* --- all of it --- */

static int
lane_run_steps(struct lane *l, struct flight *f, size_t from, size_t to)
{
    int err = 0;
    for (size_t i = from; i < to && batch_for_steps(f->batch) && !err; i++)
        if (!(err = lane_step(l, f, i)) && f->looked_at)
            lane_tap_step(l, f, i);
    return err;
}

static int
lane_read_entities(struct lane *l, struct il_batch *b)
{
    int err = l->entities ? entity_reader_begin(l->entities) : 0;
    if (err)
        lane_trouble(l, LANE_WAITING, "reading the entity store: %s",
                     strerror(-err));
    else
        b->reader = l->entities;
    return err;
}

/* Run the pipeline's steps, ask `when`, and run the destination's own; all pass,
 * or none has: then the batch is made anew. */
int
lane_steps(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    const size_t count = l->spec.step_count, own = count - l->spec.own_count;
    memset(f->drops, 0, count * sizeof *f->drops);
    int reads = count && batch_for_steps(b);
    int err = reads ? lane_read_entities(l, b) : 0;
    if (err)
        return err;
    err = lane_run_steps(l, f, 0, own);
    if (!err) {
        lane_when(l, f);
        if (f->looked_at)
            lane_tap_other(l, f, "when");
        err = lane_run_steps(l, f, own, count);
    }
    b->reader = NULL;
    if (reads && l->entities)
        entity_reader_end(l->entities);
    return err;
}

/* What has passed is to be written. */
void
lane_ready(struct lane *l, struct flight *f)
{
    struct il_batch *b = f->batch;
    /* Not before the steps, which remember it. */
    for (uint32_t i = 0; l->parked && i < b->count; i++)
        if (lane_was_done(l, b->events[i].position))
            batch_was_done(b, i);
    for (uint32_t i = 0; l->parked && i < b->count; i++)
        lane_too_old(l, b, i);
    if (f->looked_at)
        lane_tap_other(l, f, "max_age");
    f->looked_at = 0;
    lane_learn(l, f, f->matched);
    batch_seal(b);
    f->stage = FLIGHT_READY;
}
