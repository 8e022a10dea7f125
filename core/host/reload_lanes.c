/* SPDX-License-Identifier: MIT */
/* The lanes that a new config changes: stopped, started anew, watched for a
 * moment, and where one of them cannot do what the config asks for, all of them
 * taken back. */
#include "reload.h"

#include "jobs.h"
#include "notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "spool/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* What the destinations have may settle so long; what has not comes again. */
#define SETTLE_US 30000000
#define SETTLE_BACK_US 5000000
/* Who has been trying for so long has met somebody who is not there. */
#define AWAY_US 2000000
#define LOOK_MS 10

/* Of one that has another instance, before and after. */
static int
differs(const struct reload_lane *l)
{
    return l->what == RELOAD_CHANGED || l->what == RELOAD_RENAMED;
}

static int
begins(const struct reload_lane *l)
{
    return differs(l) || l->what == RELOAD_NEW;
}

static struct assembly_lane *
lane_before(const struct reload *r, const struct reload_lane *l)
{
    return r->from->lanes[l->from];
}

static struct assembly_lane *
lane_after(const struct reload *r, const struct reload_lane *l)
{
    return r->to->lanes[l->to];
}

/* --- away with the old, here with the new --------------------------------- */

/* All are asked at once, so that they settle at the same time. */
static void
stop_old(struct reload *r)
{
    const int64_t by = clock_monotonic_us() + SETTLE_US;
    struct lane_status s;
    for (size_t i = 0; i < r->lane_count; i++)
        if (differs(&r->lanes[i]))
            lane_halt(lane_before(r, &r->lanes[i])->lane);
    for (size_t i = 0; i < r->lane_count; i++) {
        struct reload_lane *l = &r->lanes[i];
        if (!differs(l))
            continue;
        lane_status(lane_before(r, l)->lane, &s);
        l->was_paused = s.paused_us != 0;
        l->was_fenced = s.state == LANE_FENCED;
        host_stop_lane(r->h, lane_before(r, l), by);
        l->stopped = 1;
    }
}

/* An assembly has what goes on, and is what others look at; the other one had it. */
static void
show(struct reload *r, struct assembly *a)
{
    const int new = a == r->to;
    struct assembly *other = new ? r->from : r->to;
    host_change_begin(r->h);
    for (size_t i = 0; i < r->lane_count; i++) {
        const struct reload_lane *l = &r->lanes[i];
        if (l->what == RELOAD_SAME)
            assembly_take_lane(a, new ? l->to : l->from,
                               other->lanes[new ? l->from : l->to]);
    }
    for (size_t i = 0; i < r->source_count; i++) {
        const struct reload_source *s = &r->sources[i];
        if (s->what == RELOAD_SAME)
            assembly_take_source(a, new ? s->to : s->from,
                                 other->sources[new ? s->from : s->to]);
    }
    host_lanes_lock(r->h);
    r->h->assembly = a;
    host_lanes_unlock(r->h);
    host_change_end(r->h);
}

static int
broken(struct reload *r, struct reload_lane *l, const char *why)
{
    l->verdict = RELOAD_BROKEN;
    snprintf(l->why, sizeof(l->why), "%s", why);
    reload_say(r, "lane %s: %s", l->name, why);
    return -EINVAL;
}

static int
make_new(struct reload *r)
{
    int err = host_open_parked(r->h);
    if (err)
        reload_say(r, "the store of what waits to be sent again: %s",
                   strerror(-err));
    for (size_t i = 0; i < r->lane_count && !err; i++) {
        struct reload_lane *l = &r->lanes[i];
        struct lane_status s;
        if (!begins(l))
            continue;
        err = host_make_lane(r->h, lane_after(r, l));
        if (err)
            return broken(r, l, "it cannot be made; the log says why");
        l->started = 1;
        lane_status(lane_after(r, l)->lane, &s);
        l->delivered = s.delivered;
        l->rejected = s.rejected;
    }
    return err ? -EINVAL : 0;
}

static int
run_new(struct reload *r)
{
    for (size_t i = 0; i < r->lane_count; i++) {
        struct reload_lane *l = &r->lanes[i];
        char said[256] = "";
        if (!begins(l))
            continue;
        if (host_run_lane(r->h, lane_after(r, l))) {
            instance_said(&lane_after(r, l)->destination, 0, said,
                          sizeof(said));
            return broken(
                r, l, *said ? said : "it cannot be started; the log says why");
        }
        l->runs = 1;
    }
    return 0;
}

/* --- does it work? -------------------------------------------------------- */

static int
look_paused(struct reload *r, struct reload_lane *l,
            const struct lane_status *s)
{
    if (s->paused_by_config || (s->paused_us && l->was_paused)) {
        l->verdict = RELOAD_RESTS;
        lane_paused_text(s, l->why, sizeof(l->why));
        return 0;
    }
    if (s->paused_us && !*s->paused_why) { /* by a person, just now */
        l->verdict = RELOAD_RESTS;
        return 0;
    }
    return broken(r, l, s->paused_us ? s->paused_why : s->last_error);
}

/* 0, or -EINVAL: it does not. */
static int
look(struct reload *r, struct reload_lane *l, int64_t us)
{
    struct lane_status s;
    lane_status(lane_after(r, l)->lane, &s);
    l->verdict = RELOAD_UNTRIED;
    l->count = s.delivered - l->delivered;
    l->refused = s.rejected - l->rejected;
    if (s.state == LANE_PAUSED)
        return look_paused(r, l, &s);
    if (l->count)
        l->verdict = RELOAD_WORKS;
    else if (s.state == LANE_FENCED && !l->was_fenced)
        return broken(r, l,
                      *s.last_error ? s.last_error : "another process has it");
    else if (s.state == LANE_FENCED)
        l->verdict = RELOAD_RESTS;
    else if ((s.state == LANE_WAITING || s.state == LANE_STARTING)
             && *s.last_error && us >= AWAY_US)
        l->verdict = RELOAD_AWAY;
    snprintf(l->why, sizeof(l->why), "%s",
             l->verdict >= RELOAD_RESTS ? s.last_error : "");
    return 0;
}

/* How many are not known yet, or -EINVAL. */
static int
look_at_all(struct reload *r, int64_t us)
{
    int left = 0, err = 0;
    for (size_t i = 0; i < r->lane_count; i++) {
        struct reload_lane *l = &r->lanes[i];
        if (begins(l) && look(r, l, us))
            err = -EINVAL;
        left += begins(l) && l->verdict == RELOAD_UNTRIED;
    }
    return err ? err : left;
}

static int
watch_new(struct reload *r)
{
    const int64_t from = clock_monotonic_us();
    for (;;) {
        const int64_t us = clock_monotonic_us() - from;
        int left = look_at_all(r, us);
        if (left <= 0 || us >= r->ask.wait_us || host_stop_is_pending())
            return left < 0 ? left : 0;
        if (r->ask.job)
            job_progress(r->ask.job, (uint64_t) (us / 1000000),
                         (uint64_t) (r->ask.wait_us / 1000000), "seconds");
        poll(NULL, 0, LOOK_MS);
        notify_alive();
    }
}

int
reload_lanes(struct reload *r)
{
    stop_old(r);
    show(r, r->to);
    int err = make_new(r);
    if (!err)
        err = run_new(r);
    return err ? err : watch_new(r);
}

/* --- and back ------------------------------------------------------------- */

static void
stop_new(struct reload *r)
{
    const int64_t by = clock_monotonic_us() + SETTLE_BACK_US;
    for (size_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].runs)
            lane_halt(lane_after(r, &r->lanes[i])->lane);
    for (size_t i = 0; i < r->lane_count; i++) {
        struct reload_lane *l = &r->lanes[i];
        if (l->started)
            host_stop_lane(r->h, lane_after(r, l), l->runs ? by : 0);
    }
}

/* What it had goes back to its name of before, where it had moved by then. */
static void
name_back(struct reload *r, const struct reload_lane *l,
          struct assembly_lane *lane)
{
    struct cursor c;
    uint64_t position;
    if (l->what == RELOAD_RENAMED
        && spool_cursor_look(&c, r->h->state_dir, l->name,
                             spool_id(r->h->spool), &position)
               > 0
        && c.begun)
        lane->was = conf_strndup(r->from->plan->conf, l->name, strlen(l->name));
}

/* A fresh instance: the old one has said good bye. */
static void
open_old(struct reload *r, struct reload_lane *l)
{
    l->reopened = assembly_open_lane(r->from, l->from) == 0;
    name_back(r, l, lane_before(r, l));
}

/* What the destination was not content with was the new config. */
static int
run_old(struct reload *r, struct reload_lane *l)
{
    struct assembly_lane *lane = lane_before(r, l);
    struct lane_status s;
    int err = host_make_lane(r->h, lane);
    if (err)
        return err;
    lane_status(lane->lane, &s);
    if (s.paused_us && !l->was_paused && *s.paused_why)
        err = lane_resume(lane->lane);
    return err < 0 ? err : host_run_lane(r->h, lane);
}

void
reload_lanes_back(struct reload *r)
{
    stop_new(r);
    for (size_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].stopped)
            open_old(r, &r->lanes[i]);
    show(r, r->from);
    for (size_t i = 0; i < r->lane_count; i++) {
        struct reload_lane *l = &r->lanes[i];
        if (l->stopped && (!l->reopened || run_old(r, l)))
            reload_say(r,
                       "lane %s cannot be started again as it was; the log "
                       "says why, and what it has not delivered is kept",
                       lane_before(r, l)->plan->lane);
    }
    host_find_left(r->h); /* what a new one has noted */
}

/* --- the end of those that are gone --------------------------------------- */

void
reload_lanes_end(struct reload *r)
{
    const int64_t by = clock_monotonic_us() + SETTLE_US;
    for (size_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].what == RELOAD_REMOVED)
            lane_halt(lane_before(r, &r->lanes[i])->lane);
    for (size_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].what == RELOAD_REMOVED)
            host_stop_lane(r->h, lane_before(r, &r->lanes[i]), by);
    host_find_left(r->h);
}
