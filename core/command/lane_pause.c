/* SPDX-License-Identifier: MIT */
/* `ingestlayer lane pause`, `lane resume`: the running daemon is asked; where
 * none runs it is written into the lane's cursor, for the next one. */
#include "lane.h"
#include "private.h"
#include "reply.h"

#include "base/clock.h"
#include "base/state_dir.h"
#include "base/text_plain.h"
#include "codec/event.h"
#include "codec/json.h"
#include "host/assembly.h"
#include "host/control.h"
#include "lane/left.h"
#include "spool/cursor.h"
#include "spool/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What was sent before the pause is as a rule back by then. */
#define SETTLE_US 5000000
#define LOOK_NS 50000000

struct job {
    const char *name;
    int pause; /* 0: resume */
    char state_dir[4096];
    const struct plan *plan; /* NULL: there is a daemon, or no config */
};

/* What came of it. */
struct outcome {
    int changed, offline, by_config, fenced;
    uint64_t position, waiting, in_flight;
    struct il_text paused, state, error; /* as they may be shown */
};

static void
outcome_clear(struct outcome *o)
{
    text_clear(&o->paused);
    text_clear(&o->state);
    text_clear(&o->error);
}

/* --- saying it ------------------------------------------------------------ */

static void
say_waiting(struct outcome *o)
{
    if (!o->waiting && !o->offline)
        puts("no events wait");
    else
        printf("%s%" PRIu64 " event%s\n", o->offline ? "at least " : "",
               o->waiting, o->waiting == 1 ? " waits" : "s wait");
}

static int
say_paused(const struct job *j, struct outcome *o)
{
    printf("%s is paused%s at position %" PRIu64 "; ", j->name,
           o->changed ? "" : " already,", o->position);
    say_waiting(o);
    if (!o->changed)
        puts(text_str(&o->paused));
    if (o->in_flight)
        printf("%" PRIu64 " batch%s still with its destination, and count%s "
               "once settled\n",
               o->in_flight, o->in_flight == 1 ? " is" : "es are",
               o->in_flight == 1 ? "s" : "");
    return 0;
}

static int
say_resumed(const struct job *j, struct outcome *o)
{
    if (o->fenced || o->by_config) {
        fprintf(stderr, "ingestlayer lane: %s %s, but %s\n", j->name,
                o->changed ? "is not paused by anybody any more"
                           : "was not paused by anybody",
                o->fenced ? "it is fenced: see ingestlayer status"
                          : "the configuration pauses it (status = "
                            "\"paused\"): it goes on at a start without that");
        return 1;
    }
    if (o->changed)
        printf("%s goes on after position %" PRIu64 "%s; ", j->name,
               o->position, o->offline ? " at the next start" : "");
    else
        printf("%s was not paused%s%s, at position %" PRIu64 "; ", j->name,
               o->offline ? "" : " by anybody: it is ", text_str(&o->state),
               o->position);
    say_waiting(o);
    if (!o->changed && o->error.len)
        puts(text_str(&o->error));
    return 0;
}

static int
say(const struct job *j, struct outcome *o)
{
    return j->pause ? say_paused(j, o) : say_resumed(j, o);
}

/* --- the running daemon ---------------------------------------------------- */

static int
is_true(const struct il_value *map, const char *key)
{
    struct il_value v = command_member(map, key);
    return v.type == IL_BOOL && v.num.i;
}

static void
take_text(struct il_text *out, const struct il_value *map, const char *key)
{
    struct il_value v = command_member(map, key);
    out->len = 0;
    if (v.type == IL_STRING)
        text_plain(out, slice_of(v.str, v.len), 0);
}

/* 0; or -EPROTO after a message. */
static int
read_answer(const struct il_value *all, struct outcome *o)
{
    if (command_member(all, "position").type == IL_MISSING) {
        command_answer_unknown();
        return -EPROTO;
    }
    o->position = command_number(all, "position");
    o->waiting = command_number(all, "lag_events");
    o->in_flight = command_number(all, "in_flight");
    o->changed |= is_true(all, "changed");
    o->by_config = is_true(all, "by_config");
    take_text(&o->paused, all, "paused");
    take_text(&o->state, all, "state");
    take_text(&o->error, all, "last_error");
    o->fenced = o->state.len && strcmp(text_str(&o->state), "fenced") == 0;
    return 0;
}

/* what: "/pause", "/resume"; "" looks. */
static int
ask(const struct job *j, const char *what, struct outcome *o)
{
    struct il_text path = { 0 }, packed = { 0 };
    struct il_value all;
    int err = command_lane_path(&path, j->name, what);
    struct control_call call = { .method = *what ? "POST" : "GET",
                                 .path = text_str(&path) };
    if (!err)
        err =
            command_ask(j->state_dir, "ingestlayer lane", &call, &packed, &all);
    if (!err)
        err = read_answer(&all, o);
    text_clear(&call.reply);
    text_clear(&packed);
    text_clear(&path);
    return err;
}

/* What was on its way when it was paused moves its position yet.  Where nobody
 * tells when that is over it is paused all the same. */
static int
with_daemon(const struct job *j)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    const int64_t until = clock_monotonic_us() + SETTLE_US;
    struct outcome o = { 0 };
    int failed = ask(j, j->pause ? "/pause" : "/resume", &o) != 0;
    int looks = !failed && j->pause;
    while (looks && o.in_flight && clock_monotonic_us() < until) {
        nanosleep(&pause, NULL);
        looks = !ask(j, "", &o);
    }
    if (!failed)
        failed = say(j, &o);
    outcome_clear(&o);
    return failed;
}

/* --- no daemon --------------------------------------------------------------- */

static int
name_one(void *arg, const struct lane_left *l)
{
    int *n = arg;
    fprintf(stderr, "%s %s", (*n)++ ? "," : "", l->name);
    return 0;
}

static int
no_such(const struct job *j)
{
    int n = 0;
    if (j->plan && plan_find_lane(j->plan, j->name)) {
        fprintf(stderr,
                "ingestlayer lane: %s has never been started; status = "
                "\"paused\" in its pipeline keeps it from delivering when it "
                "is\n",
                j->name);
        return 1;
    }
    fprintf(stderr, "ingestlayer lane: there is no lane \"%s\" in %s; it has",
            j->name, j->plan ? "this config" : j->state_dir);
    if (!j->plan)
        lane_left_each(j->state_dir, NULL, name_one, &n);
    for (size_t i = 0; j->plan && i < j->plan->pipeline_count; i++)
        for (size_t k = 0; k < j->plan->pipelines[i].destination_count; k++)
            fprintf(stderr, "%s %s", n++ ? "," : "",
                    j->plan->pipelines[i].destinations[k].lane);
    fputs(n ? "\n" : " none\n", stderr);
    return 1;
}

/* The name of its cursor: until a lane with another name has begun, that of
 * before (lane/place.c). */
static const char *
cursor_name(const struct job *j)
{
    const struct plan_destination *d =
        j->plan ? plan_find_lane(j->plan, j->name) : NULL;
    const char *was = d ? option_str(d->part.place, "was", 0) : NULL;
    struct cursor c;
    uint64_t position;
    if (was && spool_cursor_exists(j->state_dir, was)
        && (spool_cursor_look(&c, j->state_dir, j->name, NULL, &position) <= 0
            || !c.begun))
        return was;
    return j->name;
}

static int
paused_by_config(const struct job *j)
{
    for (size_t i = 0; j->plan && i < j->plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &j->plan->pipelines[i];
        for (size_t k = 0; k < p->destination_count; k++)
            if (strcmp(p->destinations[k].lane, j->name) == 0)
                return p->status == PLAN_PAUSED;
    }
    return 0;
}

static void
say_who(const struct job *j, const struct cursor *c, struct il_text *out)
{
    char text[LANE_PAUSED_TEXT];
    struct lane_status s = { .name = j->name, .paused_us = c->paused_us };
    memcpy(s.paused_why, c->why, sizeof s.paused_why);
    lane_paused_text(&s, text, sizeof text);
    text_plain(out, slice_of(text, strlen(text)), 0);
}

static int
write_cursor(const struct job *j, struct outcome *o)
{
    struct cursor c;
    uint8_t spool[16];
    const char *name = cursor_name(j);
    int known = spool_cursor_look(&c, j->state_dir, name, NULL, &o->position);
    if (!known)
        return -ENOENT;
    memcpy(spool, c.spool, 16);
    int err = known < 0 ? known
                        : spool_cursor_open(&c, j->state_dir, name, spool,
                                            &o->position);
    if (err < 0)
        return err;
    o->changed = (c.paused_us != 0) != j->pause;
    err = o->changed
              ? spool_cursor_pause(&c, j->pause ? clock_wall_us() : 0, NULL)
              : 0;
    say_who(j, &c, &o->paused);
    spool_cursor_close(&c);
    return err;
}

static int
without_daemon(const struct job *j)
{
    struct outcome o = { .offline = 1, .by_config = paused_by_config(j) };
    int lock = state_dir_lock(j->state_dir);
    if (lock < 0)
        return 1;
    /* A name of state_dir is known there; of a config it must be in that. */
    int err = j->plan && !plan_find_lane(j->plan, j->name)
                  ? -ENOENT
                  : write_cursor(j, &o);
    uint64_t last = command_lane_last(j->state_dir);
    o.waiting = last > o.position ? last - o.position : 0;
    int failed = 1;
    if (!err)
        failed = say(j, &o);
    else if (err == -ENOENT)
        failed = no_such(j);
    else
        fprintf(stderr, "ingestlayer lane: %s is %s: writing its cursor: %s\n",
                j->name, j->pause ? "not paused" : "still paused",
                strerror(-err));
    close(lock);
    outcome_clear(&o);
    return failed;
}

/* --- which ------------------------------------------------------------------- */

static int
find_state_dir(struct job *j, const char *config, const char *state_dir)
{
    if (!state_dir
        && command_find_entities(config, j->state_dir, sizeof j->state_dir,
                                 NULL)) {
        fputs("ingestlayer: without its config: --state-dir DIR\n", stderr);
        return 1;
    }
    if (state_dir
        && (size_t) snprintf(j->state_dir, sizeof j->state_dir, "%s", state_dir)
               >= sizeof j->state_dir) {
        fputs("ingestlayer: the name of state_dir is too long\n", stderr);
        return 1;
    }
    return 0;
}

/* The config is read before we are the owner of state_dir, who may not be
 * allowed to; and only where it is needed, as that of a running daemon may have
 * been broken since. */
int
command_lane_pause(const char *config, const char *state_dir, const char *name,
                   int pause)
{
    struct job j = { .name = name, .pause = pause };
    if (strlen(name) > DEAD_LANE_MAX || strpbrk(name, "\r\n")) {
        fputs("ingestlayer lane: that is no name of a lane\n", stderr);
        return 1;
    }
    if (find_state_dir(&j, config, state_dir))
        return 1;
    int err = control_answers(j.state_dir);
    if (!err || err == -EACCES)
        return command_become_owner(j.state_dir, 0) || with_daemon(&j);
    struct assembly *a = state_dir ? NULL : command_assemble(config);
    if (!state_dir && !a)
        return 1;
    j.plan = a ? a->plan : NULL;
    int failed = command_become_owner(j.state_dir, 0) || without_daemon(&j);
    if (a)
        assembly_free(a);
    return failed;
}
