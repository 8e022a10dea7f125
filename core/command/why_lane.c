/* SPDX-License-Identifier: MIT */
/* What became of events in one lane: from what is written down, as far as that
 * goes, and then from what the steps make of them again. */
#include "private.h"
#include "why.h"

#include "base/time.h"
#include "conf/options.h"
#include "host/assembly.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- written down ---------------------------------------------------------- */

static const struct why_kept *
find_kept(const struct why *w, const char *lane, size_t event)
{
    const struct why_kept *found = NULL;
    for (size_t i = 0; i < w->kept_count; i++) {
        const struct why_kept *k = &w->kept[i];
        if (k->event == event && !strcmp(k->lane, lane)
            && (!found || k->at_us >= found->at_us))
            found = k;
    }
    return found;
}

static void
put_reason(struct why_answer *a, const struct why_kept *k)
{
    struct il_text *t = command_why_line(a, WHY_RECORDED, 0);
    text_printf(t, "%s%s%s", k->code ? k->code : "without a code",
                k->field ? ", field " : "", k->field ? k->field : "");
    text_printf(t, "%s%s%s%s", k->rule ? ", rule " : "", k->rule ? k->rule : "",
                k->message ? ": " : "", k->message ? k->message : "");
}

static void
put_times(struct why_answer *a, const struct why_kept *k)
{
    char first[TIME_TEXT], last[TIME_TEXT];
    struct il_text *t = command_why_line(a, WHY_RECORDED, 0);
    time_format(first, k->first_us ? k->first_us : k->at_us);
    time_format(last, k->at_us);
    text_printf(t, "%" PRIu32 " attempt%s%s%s, first failed %s, last %s",
                k->attempts, k->attempts == 1 ? "" : "s",
                k->target ? ", to " : "", k->target ? k->target : "", first,
                last);
}

static void
answer_kept(struct why_answer *a, const struct why_kept *k)
{
    char due[TIME_TEXT];
    time_format(due, k->due_us);
    a->kept = k;
    if (k->waits && k->behind)
        command_why_head(a, WHY_PARKED, WHY_RECORDED,
                         "parked, behind the one at %" PRIu64
                         ", which comes first",
                         k->behind);
    else if (k->waits)
        command_why_head(a, WHY_PARKED, WHY_RECORDED,
                         "parked, and sent again at %s", due);
    else
        command_why_head(a, WHY_LETTER, WHY_RECORDED,
                         "a dead letter, at position %" PRIu64, k->position);
    put_reason(a, k);
    put_times(a, k);
    if (k->retry)
        text_printf(command_why_line(a, WHY_RECORDED, 0),
                    "being tried again, as position %" PRIu64, k->retry);
}

/* --- by which config ------------------------------------------------------- */

static int
is_ahead(const struct why_lane *l, const struct why_event *e)
{
    return !l->known || e->position > l->position;
}

/* 0: nothing says by what; 1: *entry, where NULL is the config of the command. */
static int
find_config(const struct why *w, const struct why_lane *l,
            const struct why_event *e, const struct history_entry **entry)
{
    *entry = NULL;
    if (is_ahead(l, e) && !w->daemon && l->now)
        return 1; /* as the next start will see it */
    *entry = host_history_at(&l->history, e->position);
    return *entry || (l->now && (is_ahead(l, e) || !l->history.count));
}

static void
answer_without(const struct why_lane *l, struct why_answer *a)
{
    if (!l->history.count) {
        command_why_head(a, WHY_UNDECIDED, WHY_UNKNOWN,
                         "by which config it ran was never noted, and there is "
                         "no such lane in the config");
        return;
    }
    command_why_head(a, WHY_BEFORE, WHY_RECORDED,
                     "not for this lane: the first config that is noted of it "
                     "began after position %" PRIu64,
                     l->history.list[0].from);
}

static void
say_config(const struct why_lane *l, const struct why_event *e,
           struct why_answer *a)
{
    char at[TIME_TEXT];
    if (a->config) {
        time_format(at, a->config->at_us);
        text_printf(command_why_line(a, WHY_RECORDED, 0),
                    "by the config of %s, from position %" PRIu64 " on", at,
                    a->config->from + 1);
    } else if (!is_ahead(l, e)) {
        if (a->mark == WHY_RECOMPUTED)
            a->mark = WHY_UNKNOWN;
        text_puts(command_why_line(a, WHY_UNKNOWN, 0),
                  "by which config it ran was not noted: this is by that of "
                  "today");
    }
}

/* --- behind the steps ------------------------------------------------------ */

static void
answer_not_yet(const struct why *w, struct why_lane *l,
               const struct why_event *e, struct why_answer *a)
{
    const uint64_t before =
        l->known ? e->position - l->position - 1 : e->position - 1;
    a->before = before;
    command_why_head(a, WHY_NOT_YET, WHY_RECORDED,
                     "the lane has not come to it: %" PRIu64
                     " position%s before it",
                     before, before == 1 ? "" : "s");
    struct il_text *t = command_why_line(a, WHY_RECORDED, 0);
    if (!w->daemon)
        text_puts(t, "no daemon runs");
    else if (!l->state[0])
        text_puts(t, "the daemon that runs has no such lane");
    else
        text_printf(t, "the lane is %s%s%s", l->state, *l->trouble ? ": " : "",
                    l->trouble);
    if (l->per_s)
        text_printf(command_why_line(a, WHY_RECORDED, 0),
                    "at %" PRIu64 " a second, as just now, in about %" PRIu64
                    " s",
                    l->per_s, before / l->per_s + 1);
}

/* A letter that is gone, as a frame which brought its event again was passed. */
static int
was_retried(struct why *w, const char *lane, uint64_t position)
{
    uint64_t letter;
    size_t n = 0;
    return w->dead.store
           && !dead_counted(w->dead.store, lane, position - 1, position,
                            &letter, 1, &n)
           && n == 1;
}

static void
answer_passed(struct why *w, struct why_lane *l, const struct why_event *e,
              struct why_answer *a)
{
    if (was_retried(w, l->name, e->position))
        command_why_head(a, WHY_GONE, WHY_RECORDED,
                         "it was a dead letter and was tried again, which the "
                         "lane has passed");
    else if (a->code)
        command_why_head(a, WHY_GONE, a->mark,
                         "a dead letter of step %s (%s) that is not there any "
                         "more: it was retried or dropped",
                         a->step, a->plugin);
    else if (a->step)
        command_why_head(a, WHY_PASSED, a->mark,
                         "put aside by step %s (%s) at first; it has come "
                         "again since, and left nothing behind",
                         a->step, a->plugin);
    else
        command_why_head(a, WHY_PASSED, a->mark,
                         "passed on to the destination, with all up to %" PRIu64
                         "; it left neither a letter nor anything parked",
                         l->position);
}

/* --- one after the other --------------------------------------------------- */

/* All that ran by one config, from the i-th on. */
static int
answer_by(struct why *w, size_t lane, const struct history_entry *entry,
          const size_t *events, size_t n)
{
    struct why_trial *t = NULL;
    struct il_text why = { 0 };
    int r = command_why_trial_new(w, &w->lanes[lane], entry, &t, &why);
    if (!r)
        r = command_why_trial_run(w, lane, t, events, n);
    for (size_t i = 0; i < n && r >= 0; i++) {
        struct why_answer *a = &w->answers[events[i] * w->lane_count + lane];
        const struct why_event *e = &w->events[events[i]];
        a->config = entry;
        if (r == 1 && is_ahead(&w->lanes[lane], e))
            answer_not_yet(w, &w->lanes[lane], e, a);
        else if (r == 1)
            command_why_head(a, WHY_UNDECIDED, WHY_UNKNOWN,
                             "the lane has passed it, and its steps cannot be "
                             "asked again: %s",
                             text_str(&why));
        else if (is_ahead(&w->lanes[lane], e) && a->fate != WHY_NO_MATCH)
            answer_not_yet(w, &w->lanes[lane], e, a);
        else if (a->fate == WHY_PASSED)
            answer_passed(w, &w->lanes[lane], e, a);
        say_config(&w->lanes[lane], e, a);
    }
    command_why_trial_free(t);
    text_clear(&why);
    return r < 0 ? command_why_failed("lane %s: %s", w->lanes[lane].name,
                                      strerror(-r))
                 : 0;
}

/* What is written down, or that nothing can be found out; 1: the steps are to be
 * asked. */
static int
answer_first(struct why *w, size_t lane, size_t event,
             const struct history_entry **entry)
{
    struct why_answer *a = &w->answers[event * w->lane_count + lane];
    struct why_lane *l = &w->lanes[lane];
    const struct why_event *e = &w->events[event];
    const struct why_kept *k = find_kept(w, l->name, event);
    if (k) {
        answer_kept(a, k);
        return 0;
    }
    if (e->gone) {
        command_why_head(a, WHY_UNDECIDED, WHY_UNKNOWN,
                         "the spool has let go of it, and this lane has "
                         "neither a letter of it nor anything parked");
        return 0;
    }
    if (find_config(w, l, e, entry))
        return 1;
    answer_without(l, a);
    return 0;
}

int
command_why_lane(struct why *w, size_t lane)
{
    const struct history_entry *entry, *by = NULL;
    size_t *events = calloc(w->event_count + 1, sizeof *events), n = 0;
    int failed = events ? 0 : command_why_failed("out of memory");
    for (size_t i = 0; i < w->event_count && !failed; i++) {
        if (!answer_first(w, lane, i, &entry))
            continue;
        if (n && entry != by) {
            failed = answer_by(w, lane, by, events, n);
            n = 0;
        }
        by = entry;
        events[n++] = i;
    }
    if (n && !failed)
        failed = answer_by(w, lane, by, events, n);
    for (size_t i = 0; w->online && i < w->event_count && !failed; i++)
        command_why_online(&w->lanes[lane], &w->events[i],
                           &w->answers[i * w->lane_count + lane]);
    free(events);
    return failed;
}
