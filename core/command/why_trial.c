/* SPDX-License-Identifier: MIT */
/* A lane's match, steps and `when` once more over single events, by the config
 * of that day, and what they ask while they decide. */
#define _GNU_SOURCE
#include "private.h"
#include "why.h"

#include "codec/json_out.h"
#include "conf/options.h"
#include "host/assembly.h"
#include "host/explain.h"
#include "lane/dry.h"
#include "spool/spool.h"
#include "store/entity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct why_trial {
    struct why *w;
    const struct history_entry *entry;
    int later;                 /* the lane ran by another before that */
    struct assembly *assembly; /* its own; NULL: it is the command's lane */
    struct assembly_lane *lane;
    struct assembly_dry dry;
    struct why_telling tell; /* of the event at hand */
    /* While the spool is walked: */
    size_t answers_at; /* the lane's index */
    const size_t *events;
    size_t n, next;
    int64_t oldest_us;        /* the first event of the spool */
    struct host_asked before; /* of all events before */
};

/* --- making one ------------------------------------------------------------ */

/* The first finding, in one line. */
static void
first_finding(struct conf *conf, struct il_text *out)
{
    char *all = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&all, &len);
    if (!f)
        return;
    conf_print(conf, f);
    fclose(f);
    text_put(out, all, strcspn(all, "\n"));
    free(all);
}

/* 1 and why: something in it is not open. */
static int
is_lame(const struct assembly_lane *l, struct il_text *why)
{
    for (size_t i = 0; i < l->step_count; i++)
        if (atomic_load(&l->steps[i].phase) < INSTANCE_OPEN) {
            text_printf(why, "step %s cannot be opened: ", l->steps[i].name);
            first_finding(l->of->plan->conf, why);
            return 1;
        }
    if (l->plan->part.place && option_has(l->plan->part.place, "when")
        && !l->when) {
        text_puts(why, "its `when` cannot be read");
        return 1;
    }
    return 0;
}

static int
open_lane(struct why_trial *t, const struct why_lane *l, struct il_text *why)
{
    t->lane = l->now;
    if (!t->entry)
        return 0;
    /* It has the secrets that are not noted. */
    const struct il_text *config = &t->entry->config;
    if (l->now
        && memmem(config->data, config->len, HISTORY_HIDDEN,
                  strlen(HISTORY_HIDDEN))
        && host_history_same(t->entry, l->now))
        t->entry = NULL;
    if (!t->entry)
        return 0;
    struct plan *plan = plan_parse_text("history", config->data, config->len);
    plan_load(plan);
    t->assembly = assembly_open(plan);
    if (t->assembly->lane_count == 1) {
        t->lane = t->assembly->lanes[0];
        return 0;
    }
    text_puts(why, "the config that is noted cannot be read: ");
    first_finding(plan->conf, why);
    return 1;
}

int
command_why_trial_new(struct why *w, struct why_lane *l,
                      const struct history_entry *entry, struct why_trial **out,
                      struct il_text *why)
{
    struct why_trial *t = *out = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->w = w;
    t->entry = entry;
    t->later = entry && entry != l->history.list;
    int r = open_lane(t, l, why);
    if (!r)
        r = is_lame(t->lane, why);
    return r ? r
             : assembly_dry_new(t->lane, w->entities, w->uuid, NULL, "why",
                                &t->dry);
}

void
command_why_trial_free(struct why_trial *t)
{
    if (!t)
        return;
    assembly_dry_free(&t->dry);
    if (t->assembly)
        assembly_free(t->assembly);
    text_clear(&t->tell.asked_text);
    free(t);
}

/* --- one event ------------------------------------------------------------- */

/* What a step remembered: was it made of just the events that were run through
 * it here, the same way? */
static void
doubt_memory(const struct why_trial *t, struct why_answer *a,
             const struct event *ev)
{
    const struct host_asked *b = &t->before;
    const int64_t since =
        b->forever ? INT64_MIN : ev->received_us - b->remembers_us;
    const char *why = NULL;
    if (t->w->first > 1 && since <= t->oldest_us)
        why = "what a step remembered may go back behind what the spool still "
              "has";
    else if (t->later && since <= t->entry->at_us)
        why = "the config has changed within the time that a step remembers";
    else if (b->entity_changed)
        why = "entities have changed since events before it passed, of which a "
              "step remembers something";
    if (!why)
        return;
    a->mark = WHY_UNKNOWN;
    text_puts(command_why_line(a, WHY_UNKNOWN, 0), why);
}

/* What was asked since the last time, which also stays in what was asked
 * before. */
static void
note_asked(struct why_trial *t, struct host_asked *out)
{
    struct host_asked *b = &t->before, now;
    host_asked(&now);
    b->entity_changed |= now.entity_changed;
    b->forever |= now.forever;
    if (now.remembers_us > b->remembers_us)
        b->remembers_us = now.remembers_us;
    if (out)
        *out = now;
}

/* May what is computed be another than what was?  Then say why. */
static void
doubt(struct why_trial *t, struct why_answer *a, const struct event *ev)
{
    struct host_asked now;
    note_asked(t, &now);
    if (now.entity_changed || now.entity_unknown) {
        a->mark = WHY_UNKNOWN;
        text_puts(command_why_line(a, WHY_UNKNOWN, 0),
                  now.entity_changed
                      ? "an entity that a step looked up has changed since; "
                        "this is by what it is now"
                      : "an entity that a step looked up is not there now; it "
                        "may have been, and was deleted");
    }
    if (t->tell.remembered)
        doubt_memory(t, a, ev);
}

static void
head_of_end(struct why_trial *t, struct why_answer *a,
            const struct lane_dry_end *end)
{
    const enum why_mark mark = a->mark;
    const struct batch_event *e = end->event;
    const char *not_so_sure = mark == WHY_RECOMPUTED ? "" : "probably ";
    if (end->step >= 0) {
        a->step = strdup(t->lane->lane_steps[end->step].name);
        a->plugin = strdup(t->lane->lane_steps[end->step].plugin->name);
    }
    if (!end->takes)
        command_why_head(a, WHY_NO_MATCH, mark,
                         "not for this lane: its pipeline takes no such type "
                         "from this source");
    else if (end->at_when)
        command_why_head(a, WHY_ELSEWHERE, mark,
                         "%snot for this destination, "
                         "as its when says",
                         not_so_sure);
    else if (e->state == BATCH_DROPPED)
        command_why_head(a, WHY_DROPPED, mark, "%sdropped by step %s (%s)",
                         not_so_sure, a->step ? a->step : "?",
                         a->plugin ? a->plugin : "?");
    else
        command_why_head(a, WHY_PASSED, mark, "passed on");
    if (end->takes && e->state == BATCH_REFUSED && e->reason) {
        a->code = strdup(e->reason->code ? e->reason->code : "");
        a->message = strdup(e->reason->message ? e->reason->message : "");
    }
}

static int
show(struct why_trial *t, size_t event)
{
    struct why *w = t->w;
    const struct why_event *e = &w->events[event];
    struct why_answer *a = &w->answers[event * w->lane_count + t->answers_at];
    struct lane_dry_end end;
    int err = lane_dry_settle(t->dry.steps);
    note_asked(t, NULL);
    a->mark = WHY_RECOMPUTED;
    command_why_tell(&t->tell, a, t->lane, t->entry);
    if (!err)
        err = lane_dry_show(t->dry.steps, e->position, e->body.data,
                            e->body.len, &end);
    host_explain(NULL);
    if (err == -ENOMEM)
        return err;
    if (err) {
        command_why_head(a, WHY_UNDECIDED, WHY_UNKNOWN,
                         "its steps fail when they are asked again: %s",
                         strerror(-err));
        return 0;
    }
    if (end.takes && end.at_when)
        command_why_tell_when(&t->tell, end.event);
    doubt(t, a, &e->ev);
    head_of_end(t, a, &end);
    if (!end.at_when && end.step < 0)
        a->place.len = 0; /* of a condition that let it pass */
    return 0;
}

/* --- all of them ----------------------------------------------------------- */

static int
walk(void *arg, const char *segment, uint64_t offset, uint64_t position,
     const char *body, size_t len, const char *damage)
{
    struct why_trial *t = arg;
    struct event ev;
    (void) segment;
    (void) offset;
    if (damage)
        return 0;
    if (t->next == t->n)
        return 1;
    if (!t->oldest_us && !event_is_marks(body, len)
        && !event_unpack(body, len, &ev))
        t->oldest_us = ev.received_us;
    if (position != t->w->events[t->events[t->next]].position)
        return lane_dry_pass(t->dry.steps, position, body, len);
    return show(t, t->events[t->next++]);
}

int
command_why_trial_run(struct why *w, size_t lane, struct why_trial *t,
                      const size_t *events, size_t n)
{
    int err = 0;
    t->answers_at = lane;
    t->events = events;
    t->n = n;
    if (!t->lane->remembers) {
        for (size_t i = 0; i < n && !err; i++)
            err = show(t, events[i]);
        return err;
    }
    const struct spool_part part = { .to = w->events[events[n - 1]].position };
    err = spool_walk_part(w->spool, &part, walk, t);
    return err < 0 ? err : 0;
}
