/* SPDX-License-Identifier: MIT */
/* Looking at a lane, or at what the gate has accepted, for one who asked. */
#include "tap_private.h"

#include "base/clock.h"
#include "lang/expr.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 200      /* how often it is seen that nobody looks any more */
#define GONE_US 30000000 /* so long may a lane be away, as in a reload */
#define TELL_US 1000000  /* how often it is told how many were skipped */
#define READ_BYTES (256u << 10)
#define EVENT_X 1000000         /* an event, in events_x */
#define BEHIND_BYTES (4u << 20) /* of the spool: further back nobody looks */

/* --- what is shown --------------------------------------------------------- */

static int
is_over(struct tap *t)
{
    pthread_mutex_lock(&t->taps->lock);
    int stops = t->taps->stops;
    pthread_mutex_unlock(&t->taps->lock);
    return stops || job_cancelled(t->job);
}

/* The line at hand, once the client has room for it: meanwhile the lane finds none
 * here, and skips. */
static int
put(struct tap *t)
{
    int err;
    const struct slice line = slice_of(t->show.line.data, t->show.line.len);
    while ((err = job_try(t->job, line)) == -EAGAIN) {
        if (is_over(t))
            return -ECANCELED;
        usleep(20000);
    }
    return err;
}

static int
tell_skipped(struct tap *t)
{
    int64_t now = clock_monotonic_us();
    if (!t->skipped || now - t->told_us < TELL_US)
        return 0;
    t->show.line.len = 0;
    int err = text_printf(&t->show.line, "{\"skipped\":%llu}",
                          (unsigned long long) t->skipped);
    t->skipped = 0;
    t->told_us = now;
    return err ? err : put(t);
}

/* --- at a lane ------------------------------------------------------------- */

static int
attach(struct tap *t)
{
    host_look_begin(t->host);
    const struct assembly_lane *l = host_find_lane(t->host, t->lane);
    int err = l && l->lane ? lane_tap_attach(t->tap, l->lane) : -ESRCH;
    host_look_end(t->host);
    return err;
}

static int
show_tapped(void *arg, const struct lane_tapped *seen)
{
    struct tap *t = arg;
    int err = host_tap_line(&t->show, seen);
    return err ? err : put(t);
}

/* 1: once a reload has replaced its lane by another, that is looked at. */
static int
is_at_lane(struct tap *t, int64_t *away_us)
{
    if (lane_tap_attached(t->tap) || !attach(t)) {
        *away_us = 0;
        return 1;
    }
    int64_t now = clock_monotonic_us();
    if (!*away_us)
        *away_us = now;
    if (now - *away_us < GONE_US)
        return 1;
    job_fail(t->job, "lane_gone",
             "the lane %s is not there any more, or has not the step that was "
             "looked at",
             t->lane);
    return 0;
}

static void
watch_lane(struct tap *t)
{
    int64_t away_us = 0;
    uint64_t skipped;
    int err = 0;
    while (!err && !is_over(t) && is_at_lane(t, &away_us)) {
        err = lane_tap_read(t->tap, LOOK_MS, show_tapped, t, &skipped);
        t->skipped += skipped;
        if (!err)
            err = tell_skipped(t);
    }
}

/* --- at the gate ----------------------------------------------------------- */

/* Does some pipeline take something out of it? */
static int
is_redacted(struct host *h, const struct event *ev)
{
    int found = 0;
    host_look_begin(h);
    const struct assembly *a = h->assembly;
    for (size_t i = 0; i < a->lane_count && !found; i++) {
        const struct assembly_lane *l = a->lanes[i];
        for (size_t k = 0; k < l->step_count && !found; k++)
            found = l->steps[k].plugin
                    && l->steps[k].plugin->desc.flags & IL_REDACTS
                    && lane_matches_take(l->pipeline->matches,
                                         l->pipeline->match_count, ev);
    }
    host_look_end(h);
    return found;
}

static int
note_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct tap *t = arg;
    t->list[t->count++] = (struct tap_frame){ position, offset, len };
    return 0;
}

/* 0 or a negative errno. */
static int
show_frame(struct tap *t, const struct tap_frame *f)
{
    const char *body = t->frames.data + f->offset;
    struct batch_event e = { .position = f->position };
    struct event_retry retry;
    if (event_is_marks(body, f->len) || event_unpack(body, f->len, &e.ev)
        || event_retry(body, f->len, &retry))
        return 0;
    if (t->events_x < EVENT_X) {
        t->skipped++;
        return 0;
    }
    if (t->where && expr_true(t->where, &e) != 1)
        return 0;
    t->events_x -= EVENT_X;
    int err = host_tap_gate_line(&t->show, f->position, &e.ev,
                                 !t->raw && is_redacted(t->host, &e.ev));
    return err ? err : put(t);
}

static void
earn(struct tap *t)
{
    const int64_t now = clock_monotonic_us(),
                  most = (int64_t) t->per_s * EVENT_X;
    const int64_t us = now - t->paid_until_us;
    t->paid_until_us = now;
    t->events_x += us > EVENT_X ? most : us * t->per_s;
    if (t->events_x > most)
        t->events_x = most;
}

/* Who looks has fallen behind: go on with what comes now. */
static void
catch_up(struct tap *t, struct spool_reader *r, uint64_t *last)
{
    struct spool *spool = t->host->spool;
    const uint64_t end = spool_durable(spool);
    if (end <= *last || spool_backlog_bytes(spool, *last) < BEHIND_BYTES)
        return;
    t->skipped += end - *last;
    *last = end;
    spool_reader_seek(r, end);
}

static void
watch_gate(struct tap *t)
{
    struct spool_reader *r;
    uint64_t last = spool_durable(t->host->spool);
    int err = spool_reader_open(t->host->spool, last, &r);
    if (err) {
        job_fail(t->job, "no_spool", "the spool cannot be read: %s",
                 strerror(-err));
        return;
    }
    t->paid_until_us = clock_monotonic_us();
    while (!err && !is_over(t)) {
        t->frames.len = t->count = 0;
        catch_up(t, r, &last);
        if (spool_reader_read(r, &t->frames, READ_BYTES, TAP_FRAMES, LOOK_MS,
                              &last, note_frame, t)
            < 0)
            usleep(LOOK_MS * 1000); /* the lanes tell of it */
        earn(t);
        for (size_t i = 0; i < t->count && !err; i++)
            err = show_frame(t, &t->list[i]);
        if (!err)
            err = tell_skipped(t);
    }
    spool_reader_close(r);
}

void
host_tap_watch(struct tap *t)
{
    if (t->lane)
        watch_lane(t);
    else
        watch_gate(t);
}
