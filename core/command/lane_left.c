/* SPDX-License-Identifier: MIT */
/* Lanes as state_dir has them: `lane list`, `lane forget`, and what check says
 * of those that are not in the config.
 *
 * A lane is what has a cursor.  Counts are "at least": the spool's end stands in a
 * hint that a daemon which was killed may have left behind.  A daemon that runs is
 * asked to forget, as it holds the spool for that lane; else whoever has the lock of
 * the state_dir does it. */
#include "lane.h"
#include "private.h"
#include "reply.h"

#include "base/state_dir.h"
#include "base/time.h"
#include "host/assembly.h"
#include "host/control.h"
#include "host/forget.h"
#include "host/history.h"
#include "host/plan.h"
#include "lane/left.h"
#include "spool/cursor.h"
#include "spool/spool.h"
#include "store/dead.h"
#include "store/parked.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct look {
    const struct plan *plan;
    const char *name; /* forget: this one */
    struct lane_left found;
    struct dead *dead;     /* or NULL */
    struct parked *parked; /* likewise */
    uint64_t last;     /* that the spool has given out, as far as is known */
    int lines;
};

static uint64_t
undelivered(const struct look *k, const struct lane_left *l)
{
    return k->last > l->position ? k->last - l->position : 0;
}

/* What waits to be sent again, and all dead letters. */
static uint64_t
left_behind(const struct look *k, const char *lane, uint64_t *letters)
{
    struct parked_counts counts = { .parked = 0 };
    struct dead_timed timed = { .letters = 0 };
    struct parked_lane *l;
    if (k->parked && !parked_lane_find(k->parked, lane, &l))
        parked_counts(l, &counts);
    *letters = counts.letters + (k->dead ? dead_count(k->dead, lane) : 0);
    if (k->dead)
        dead_timed(k->dead, lane, &timed);
    return counts.parked + timed.letters;
}

static int
furthest(void *arg, const struct lane_left *l)
{
    struct look *k = arg;
    k->last = l->position > k->last ? l->position : k->last;
    return 0;
}

/* How far the spool is stands in a hint, which a daemon that was killed may
 * have left behind: so many events at least. */
static void
look_last(struct look *k, const char *state_dir)
{
    char path[4096];
    if (!state_dir_path(path, sizeof path, state_dir, "spool"))
        k->last = spool_hint_read(path);
    lane_left_each(state_dir, NULL, furthest, k);
}

uint64_t
command_lane_last(const char *state_dir)
{
    struct look k = { .last = 0 };
    look_last(&k, state_dir);
    return k.last;
}

static void
look_open(struct look *k, const char *state_dir)
{
    char path[4096];
    look_last(k, state_dir);
    if (!state_dir_path(path, sizeof path, state_dir, "dead")
        && access(path, F_OK) == 0)
        dead_open(path, 1, &k->dead);
    parked_open(state_dir, PARKED_READ, NULL, &k->parked);
}

static void
look_close(struct look *k)
{
    if (k->dead)
        dead_close(k->dead);
    parked_close(k->parked);
}

/* --- check --------------------------------------------------------------- */

static int
say_left(void *arg, const struct lane_left *l)
{
    struct look *k = arg;
    uint64_t letters, parked = left_behind(k, l->name, &letters);
    if (!plan_find_lane(k->plan, l->name) && !plan_find_was(k->plan, l->name))
        printf("lane %s is not in this config any more: at least %" PRIu64
               " events and %" PRIu64 " dead letters are kept for it, and "
               "%" PRIu64 " that wait to be sent again, until `ingestlayer "
               "lane forget %s`\n",
               l->name, undelivered(k, l), letters, parked, l->name);
    return 0;
}

void
command_say_left(const struct plan *plan)
{
    const char *state_dir = option_str(plan->root, "state_dir", 0);
    struct look k = { .plan = plan };
    if (!state_dir || access(state_dir, R_OK | X_OK))
        return;
    look_open(&k, state_dir);
    lane_left_each(state_dir, NULL, say_left, &k);
    look_close(&k);
}

int
command_check_begin(const struct plan *plan)
{
    const char *state_dir = option_str(plan->root, "state_dir", 0);
    struct look k = { .plan = plan };
    int failed = 0;
    if (!state_dir || access(state_dir, R_OK | X_OK))
        return 0;
    look_last(&k, state_dir);
    for (size_t i = 0; k.last && i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t n = 0; n < p->destination_count; n++) {
            const struct plan_destination *d = &p->destinations[n];
            if (p->status == PLAN_DRAFT || plan_begins(d, state_dir))
                continue;
            fprintf(stderr,
                    "%s: %s: begin: lane %s is new, and the spool has given "
                    "out at least %" PRIu64
                    " event%s before; say \"oldest\" or "
                    "\"now\", or was = \"PIPELINE/DESTINATION\" if it had "
                    "another name\n",
                    option_origin(d->part.place, NULL, 0), d->part.where,
                    d->lane, k.last, k.last == 1 ? "" : "s");
            failed = 1;
        }
    }
    return failed;
}

/* --- list ---------------------------------------------------------------- */

static int
list_one(void *arg, const struct lane_left *l)
{
    struct look *k = arg;
    uint64_t letters, parked = left_behind(k, l->name, &letters);
    const struct plan_destination *d =
        k->plan ? plan_find_lane(k->plan, l->name) : NULL;
    if (!k->lines++)
        printf("%-40s %12s %12s %6s %8s  %s\n", "lane", "position", "behind",
               "dead", "parked", "");
    const char *what = !k->plan || d ? l->begun ? "" : "has not begun"
                       : plan_find_was(k->plan, l->name) ? "to be renamed"
                                                         : "not in the config";
    char paused[sizeof "paused since " + TIME_TEXT] = "", since[TIME_TEXT];
    if (l->paused_us) {
        time_format(since, l->paused_us - l->paused_us % 1000000);
        snprintf(paused, sizeof paused, "paused since %s", since);
    }
    printf("%-40s %12" PRIu64 " %12" PRIu64 " %6" PRIu64 " %8" PRIu64
           "  %s%s%s\n",
           l->name, l->position, undelivered(k, l), letters, parked, what,
           *what && l->paused_us ? ", " : "", paused);
    return 0;
}

int
command_lane_list(const struct plan *plan, const char *state_dir)
{
    struct look k = { .plan = plan };
    look_open(&k, state_dir);
    int err = lane_left_each(state_dir, NULL, list_one, &k);
    look_close(&k);
    if (err)
        fprintf(stderr, "ingestlayer lane: %s: %s\n", state_dir,
                strerror(-err));
    return err != 0;
}

/* --- forget -------------------------------------------------------------- */

static int
find_one(void *arg, const struct lane_left *l)
{
    struct look *k = arg;
    if (strcmp(l->name, k->name) != 0)
        return 0;
    k->found = *l;
    return 1;
}

static void
say_forgotten(const char *name, const char *about, uint64_t events,
              uint64_t position, uint64_t letters, uint64_t parked)
{
    printf("lane %s: forgotten, with %s%" PRIu64 " events after %" PRIu64
           " that it had not come to, %" PRIu64 " dead letters and %" PRIu64
           " events that waited to be sent again; what its destination keeps "
           "of it stays there\n",
           name, about, events, position, letters, parked);
}

static int
forget_locked(struct look *k, const char *state_dir)
{
    char path[4096];
    if (lane_left_each(state_dir, NULL, find_one, k) <= 0) {
        fprintf(stderr, "ingestlayer lane: state_dir knows no lane \"%s\"\n",
                k->name);
        return 1;
    }
    int err = state_dir_path(path, sizeof path, state_dir, "dead");
    look_last(k, state_dir);
    if (!err && access(path, F_OK) == 0)
        err = dead_open(path, 0, &k->dead);
    if (!err)
        err = parked_open(state_dir, PARKED_CHANGE, NULL, &k->parked);
    if (err == -ENOENT)
        err = 0;
    uint64_t dead, parked = left_behind(k, k->name, &dead);
    uint64_t n = undelivered(k, &k->found);
    if (!err)
        err = host_forget(state_dir, k->name, k->dead, k->parked);
    look_close(k);
    if (err)
        fprintf(stderr, "ingestlayer lane: %s is not forgotten: %s\n", k->name,
                strerror(-err));
    else
        say_forgotten(k->name, "at least ", n, k->found.position, dead, parked);
    return err != 0;
}

static int
take_forgotten(void *arg, struct slice line, const struct il_value *v)
{
    (void) line;
    say_forgotten(
        arg, "", command_number(v, "events"), command_number(v, "position"),
        command_number(v, "dead_letters"), command_number(v, "parked"));
    return 0;
}

int
command_lane_have_forgotten(const char *state_dir, const char *name)
{
    struct il_text path = { 0 };
    struct control_call call = { .method = "POST" };
    int err = command_lane_path(&path, name, "/forget");
    call.path = text_str(&path);
    if (!err)
        err = command_job(state_dir, "ingestlayer lane", &call, take_forgotten,
                          (void *) (uintptr_t) name);
    text_clear(&call.reply);
    text_clear(&path);
    return err != 0;
}

int
command_lane_forget(const struct plan *plan, const char *state_dir,
                    const char *name)
{
    struct look k = { .plan = plan, .name = name };
    if (plan_find_lane(plan, name)) {
        fprintf(stderr,
                "ingestlayer lane: %s is in the config; only one that "
                "is not can be forgotten\n",
                name);
        return 1;
    }
    int lock = state_dir_lock(state_dir);
    if (lock < 0)
        return 1;
    int failed = forget_locked(&k, state_dir);
    close(lock);
    return failed;
}
