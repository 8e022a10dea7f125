/* SPDX-License-Identifier: MIT */
/* The lanes of the daemon: plugins started, threads run, all of it stopped. */
#include "notify.h"

#include "history.h"
#include "private.h"
#include "base/clock.h"
#include "base/log.h"

#include "base/state_dir.h"
#include "cells/cells.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A lane whose far side is away now will hardly get rid of its backlog before
 * the deadline; it gets this long to come back, and delivers after the next
 * start. */
#define AWAY_US 2000000
/* A drain that takes longer says how far it is, and so often. */
#define SAY_US 3000000

struct assembly_lane *
host_find_lane(const struct host *h, const char *name)
{
    return assembly_find_lane(h->assembly, name);
}

/* kind and below: its folder in that of the lane.  Names are unique where they
 * stand, and none begins with a dot or has a slash in it. */
static void
serve_plugin(struct host *h, struct il_host *instance, const char *kind,
             const char *below)
{
    instance->entities = h->entities;
    instance->timers = h->timers;
    instance->state_dir = h->state_dir;
    instance->folder = conf_printf(instance->conf, "%s/instances/lanes/%s/%s%s",
                                   h->state_dir, instance->lane, kind, below);
}

/* Of a path below state_dir. */
static int
sync_above(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = 0;
    int err = state_dir_sync(path);
    *slash = '/';
    return err;
}

/* What the plugins of a lane kept under the name that it had before.  What is
 * there under its own is of a lane that has never begun. */
static int
take_files_over(struct host *h, const struct assembly_lane *l)
{
    const char *was = lane_takes_over(l->lane);
    struct conf *conf = l->of->plan->conf;
    if (!was)
        return 0;
    char *from = conf_printf(conf, "%s/instances/lanes/%s", h->state_dir, was);
    char *to =
        conf_printf(conf, "%s/instances/lanes/%s", h->state_dir, l->plan->lane);
    if (access(from, F_OK))
        return 0;
    int err = state_dir_make_below(h->state_dir, to);
    if (!err)
        err = state_dir_remove_below(to);
    if (!err && rename(from, to))
        err = -errno;
    /* Its cursor moves after this, and then nobody looks for them any more. */
    if (!err)
        err = sync_above(to);
    if (!err)
        err = sync_above(from);
    if (err)
        log_error("lane %s: cannot take the files of %s over: %s",
                  l->plan->lane, was, strerror(-err));
    return err;
}

/* What the steps of a lane remember, in a folder beside those of its plugins. */
static int
start_memory(struct host *h, struct assembly_lane *l)
{
    struct il_memory *memories[CELLS_MEMORIES_MAX];
    if (!l->remembers)
        return 0;
    const size_t count = assembly_memories(l, memories);
    char *dir = conf_printf(l->of->plan->conf, "%s/instances/lanes/%s/memory",
                            h->state_dir, l->plan->lane);
    int err = state_dir_make_below(h->state_dir, dir);
    return err ? err : lane_remembers(l->lane, dir, memories, count);
}

static int
start_instances(struct host *h, struct assembly_lane *l)
{
    int err = take_files_over(h, l);
    if (!err)
        err = start_memory(h, l);
    for (size_t i = 0; i < l->step_count && !err; i++) {
        serve_plugin(h, &l->steps[i], "steps/", l->steps[i].name);
        err = instance_start(&l->steps[i]);
    }
    serve_plugin(h, &l->destination, "destination", "");
    return err ? err : instance_start(&l->destination);
}

static enum lane_begin_at
place_begin(const struct il_conf *place)
{
    const char *begin = option_str(place, "begin", 0);
    return !begin                      ? LANE_BEGIN_UNSAID
           : strcmp(begin, "now") == 0 ? LANE_BEGIN_NOW
                                       : LANE_BEGIN_OLDEST;
}

static int
is_said(const struct assembly_lane *l, const char *option, const char *value)
{
    const char *said = option_str(l->plan->part.place, option, 0);
    return said && strcmp(said, value) == 0;
}

static int
is_soft(const struct assembly_lane *l)
{
    return (l->destination.plugin->desc.flags & IL_PER_EVENT)
           && !is_said(l, "behind", "hold");
}

static int
make_lane(struct host *h, struct assembly_lane *l, struct lane **out)
{
    struct lane_derived *derived = NULL;
    int err = h->gate ? host_derived(h, l, &derived) : 0;
    if (err)
        return err;
    const struct il_conf *batch = option_group(l->plan->part.place, "batch", 0);
    const struct lane_context shared = { .spool = h->spool,
                                         .dead = h->dead,
                                         .retry = h->retry,
                                         .parked = h->parked,
                                         .entities = h->entities,
                                         .state_dir = h->state_dir };
    struct lane_spec spec = assembly_decides(l);
    spec.was = l->was ? l->was : option_str(l->plan->part.place, "was", 0);
    spec.begin = place_begin(l->plan->part.place);
    spec.derived = derived;
    spec.batch_events = (uint32_t) option_int(batch, "events", 0);
    spec.batch_bytes = (uint64_t) option_int(batch, "bytes", 0);
    spec.batch_wait_ms = (uint32_t) option_int(batch, "wait", 0);
    spec.intake = l->destination.intake;
    spec.soft = is_soft(l);
    spec.max_age_us = option_int(l->plan->part.place, "max_age", 0) * 1000;
    spec.max_age_drops = is_said(l, "max_age_then", "drop");
    spec.paused = l->pipeline->status == PLAN_PAUSED;
    spec.said = instance_said;
    spec.fault = instance_fault;
    spec.begins = host_history_append;
    spec.host = &l->destination;
    spec.destination = serial_wrap(&l->destination, &l->turns, &spec.self);
    return lane_new(&spec, &shared, out);
}

static void
show_lane(struct host *h, struct assembly_lane *l, struct lane *lane)
{
    host_change_begin(h);
    host_lanes_lock(h);
    l->lane = lane;
    host_lanes_unlock(h);
    host_change_end(h);
}

int
host_make_lane(struct host *h, struct assembly_lane *l)
{
    struct lane *lane = NULL;
    int err = make_lane(h, l, &lane);
    l->destination.delivers = lane;
    show_lane(h, l, lane);
    return err;
}

int
host_start_lane(struct host *h, struct assembly_lane *l)
{
    int err = host_make_lane(h, l);
    if (err)
        return err;
    serve_plugin(h, &l->destination, "destination", "");
    return instance_start(&l->destination);
}

int
host_run_lane(struct host *h, struct assembly_lane *l)
{
    int err = start_instances(h, l);
    return err ? err : lane_start(l->lane);
}

/* First all of them, so that every lane holds its place in the spool before
 * any can move on; then their threads. */
int
host_start_lanes(struct host *h)
{
    struct assembly *a = h->assembly;
    int err = 0;
    for (size_t i = 0; i < a->lane_count && !err; i++)
        if (a->lanes[i]->pipeline->status != PLAN_DRAFT)
            err = host_make_lane(h, a->lanes[i]);
    if (!err)
        err = host_find_left(h);
    for (size_t i = 0; i < a->lane_count && !err; i++)
        if (a->lanes[i]->lane)
            err = host_run_lane(h, a->lanes[i]);
    return err;
}

/* --- what sources have undelivered --- */

static int
takes_from(const struct assembly_lane *l, const char *source)
{
    const struct plan_pipeline *p = l->pipeline;
    struct slice name = slice_of(source, strlen(source));
    for (size_t i = 0; i < p->match_count; i++)
        if (slice_equal(p->matches[i].source, name))
            return l->lane != NULL;
    return 0;
}

uint64_t
host_source_passed(void *arg)
{
    const struct host_source *s = arg;
    uint64_t passed = UINT64_MAX;
    host_lanes_lock(s->host);
    const struct assembly *a = s->host->assembly;
    for (size_t i = 0; i < a->lane_count; i++) {
        if (!takes_from(a->lanes[i], s->name))
            continue;
        uint64_t position = lane_passed(a->lanes[i]->lane);
        passed = position < passed ? position : passed;
    }
    host_lanes_unlock(s->host);
    return passed;
}

/* --- draining ------------------------------------------------------------ */

enum { DONE, BUSY, AWAY };

static int
progress(struct lane *lane)
{
    struct lane_status s;
    lane_status(lane, &s);
    switch (s.state) {
    case LANE_PAUSED:
        /* What it had sent before somebody paused it. */
        return s.paused_us && s.in_flight ? AWAY : DONE;
    case LANE_STOPPED:
    case LANE_FENCED:
        return DONE;
    case LANE_WAITING:
    case LANE_STARTING:
        return AWAY;
    default:
        return BUSY;
    }
}

uint64_t
host_lanes_left(const struct assembly *a)
{
    uint64_t events = 0;
    for (size_t i = 0; i < a->lane_count; i++) {
        struct lane_status s;
        if (!a->lanes[i]->lane || progress(a->lanes[i]->lane) == DONE)
            continue;
        lane_status(a->lanes[i]->lane, &s);
        events += s.lag_events;
    }
    return events;
}

/* Whoever waits for the end sees that there is one. */
static void
say_left(const struct assembly *a, int64_t left_us)
{
    log_info("stopping: %llu deliveries are left, for at most %lld s; what is "
             "not done by then is done after the next start",
             (unsigned long long) host_lanes_left(a),
             (long long) (left_us / 1000000));
}

void
host_drain_lanes(struct host *h)
{
    struct assembly *a = h->assembly;
    int64_t away_until = clock_monotonic_us() + AWAY_US;
    int64_t say_us = clock_monotonic_us() + SAY_US;
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->lane)
            lane_drain(a->lanes[i]->lane, h->deadline_us);
    for (;;) {
        int busy = 0, away = 0;
        for (size_t i = 0; i < a->lane_count; i++) {
            int p = a->lanes[i]->lane ? progress(a->lanes[i]->lane) : DONE;
            busy |= p == BUSY;
            away |= p == AWAY;
        }
        int64_t now = clock_monotonic_us();
        if (now >= h->deadline_us || !(busy || (away && now < away_until)))
            return;
        if (now >= say_us) {
            say_left(a, h->deadline_us - now);
            say_us += SAY_US;
        }
        poll(NULL, 0, 20);
        notify_alive();
    }
}

/* --- stopping ------------------------------------------------------------ */

/* The drain is over: whoever still works is to come to an end. */
static void
cancel_lane(struct assembly_lane *l)
{
    for (size_t k = 0; k < l->step_count; k++)
        instance_cancel(&l->steps[k]);
    instance_cancel(&l->destination);
}

/* This waits for the batch at hand only. */
static void
end_lane(struct host *h, struct assembly_lane *l)
{
    struct lane *lane = l->lane;
    if (lane_stop(lane, clock_monotonic_us()) != 1 && !h->changing) {
        struct lane_status s;
        lane_status(lane, &s);
        log_info("lane %s: %llu events will be delivered after the next "
                 "start",
                 l->plan->lane, (unsigned long long) s.lag_events);
    }
    instance_stop(&l->destination);
    for (size_t k = l->step_count; k-- > 0;)
        instance_stop(&l->steps[k]);
    l->destination.delivers = NULL;
    show_lane(h, l, NULL);
    lane_free(lane);
}

static int
has_ended(struct lane *lane)
{
    struct lane_status s;
    lane_status(lane, &s);
    return s.state == LANE_STOPPED || s.state == LANE_FENCED;
}

void
host_stop_lane(struct host *h, struct assembly_lane *l, int64_t deadline_us)
{
    if (!l->lane)
        return;
    lane_halt(l->lane);
    while (!has_ended(l->lane) && clock_monotonic_us() < deadline_us) {
        poll(NULL, 0, 5);
        notify_alive();
    }
    cancel_lane(l);
    end_lane(h, l);
}

void
host_halt_lanes(struct host *h)
{
    for (size_t i = 0; i < h->assembly->lane_count; i++)
        if (h->assembly->lanes[i]->lane)
            lane_halt(h->assembly->lanes[i]->lane);
}

int
host_lanes_rest(const struct host *h)
{
    for (size_t i = 0; i < h->assembly->lane_count; i++)
        if (h->assembly->lanes[i]->lane
            && !has_ended(h->assembly->lanes[i]->lane))
            return 0;
    return 1;
}

void
host_stop_lanes(struct host *h)
{
    struct assembly *a = h->assembly;
    /* Lanes that have ended hold nothing, and the spool goes on. */
    if (h->keeps)
        spool_hold_move(h->keeps, 0);
    for (size_t i = 0; a && i < a->lane_count; i++)
        cancel_lane(a->lanes[i]);
    host_close_derived(h, clock_monotonic_us());
    /* the metrics still look at what sources have undelivered */
    if (h->gate)
        gate_lanes_gone(h->gate);
    for (size_t i = 0; a && i < a->lane_count; i++)
        if (a->lanes[i]->lane)
            end_lane(h, a->lanes[i]);
}
