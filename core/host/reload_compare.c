/* SPDX-License-Identifier: MIT */
/* What of the new config differs from the one that runs, lane by lane and source by
 * source, and whether something would be lost by it. */
#include "reload.h"

#include "spool/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lanes ---------------------------------------------------------------- */

/* The place of one that runs, or lane_count. */
static size_t
find_running(const struct assembly *a, const char *name)
{
    size_t i = 0;
    while (i < a->lane_count
           && (!a->lanes[i]->lane || strcmp(a->lanes[i]->plan->lane, name)))
        i++;
    return i;
}

static const char *
place_text(const struct assembly_lane *l, const char *key)
{
    const char *text = option_str(l->plan->part.place, key, 0);
    return text ? text : "";
}

/* `was` and `begin` count until it has begun. */
static int
is_same(const struct reload *r, const struct assembly_lane *old,
        const struct assembly_lane *new)
{
    struct cursor c;
    uint64_t position;
    if (old->print != new->print)
        return 0;
    if (!strcmp(place_text(old, "begin"), place_text(new, "begin"))
        && !strcmp(place_text(old, "was"), place_text(new, "was")))
        return 1;
    return spool_cursor_look(&c, r->h->state_dir, old->plan->lane,
                             spool_id(r->h->spool), &position)
               > 0
           && c.begun;
}

static int
check_begins(struct reload *r, const struct assembly_lane *l)
{
    struct spool_stats st;
    spool_stats(r->h->spool, &st);
    if (!st.last || plan_begins(l->plan, r->h->state_dir))
        return 0;
    reload_say(r,
               "%s: %s: needs begin: this lane is new, and the spool has given "
               "out %" PRIu64 " event%s before; say begin = \"oldest\" or "
               "\"now\", or was = \"PIPELINE/DESTINATION\" if it had another "
               "name",
               option_origin(l->plan->part.place, NULL, 0), l->plan->lane,
               st.last, st.last == 1 ? "" : "s");
    return -EINVAL;
}

/* Of one in the new config. */
static int
compare_one(struct reload *r, size_t i)
{
    const struct assembly_lane *new = r->to->lanes[i];
    const char *was = option_str(new->plan->part.place, "was", 0);
    size_t old = find_running(r->from, new->plan->lane);
    struct reload_lane *l = &r->lanes[r->lane_count];
    if (new->pipeline->status == PLAN_DRAFT)
        return 0;
    *l = (struct reload_lane){ .what = RELOAD_NEW, .to = i, .from = old };
    snprintf(l->name, sizeof(l->name), "%s", new->plan->lane);
    r->lane_count++;
    if (old < r->from->lane_count) {
        l->what =
            is_same(r, r->from->lanes[old], new) ? RELOAD_SAME : RELOAD_CHANGED;
        return 0;
    }
    l->from = was ? find_running(r->from, was) : r->from->lane_count;
    if (l->from < r->from->lane_count)
        l->what = RELOAD_RENAMED;
    snprintf(l->was, sizeof(l->was), "%s", was ? was : "");
    return l->what == RELOAD_NEW ? check_begins(r, new) : 0;
}

static int
goes_on(const struct reload *r, size_t from)
{
    for (size_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].what <= RELOAD_RENAMED && r->lanes[i].from == from)
            return 1;
    return 0;
}

/* Nothing is removed by accident. */
static int
compare_removed(struct reload *r, size_t i)
{
    struct lane_status s;
    struct reload_lane *l = &r->lanes[r->lane_count++];
    *l = (struct reload_lane){ .what = RELOAD_REMOVED, .from = i };
    snprintf(l->name, sizeof(l->name), "%s", r->from->lanes[i]->plan->lane);
    lane_status(r->from->lanes[i]->lane, &s);
    if (r->ask.remove || !(s.lag_events || s.parked))
        return 0;
    reload_say(r,
               "lane %s is not in the new config, and %" PRIu64
               " events of the spool and %" PRIu64
               " that wait to be sent again "
               "are not delivered; `ingestlayer reload --remove` stops it and "
               "keeps all of that until `ingestlayer lane forget %s`, and "
               "was = \"%s\" in another lane lets that go on with it",
               l->name, s.lag_events, s.parked, l->name, l->name);
    return -EINVAL;
}

/* --- sources -------------------------------------------------------------- */

/* Requests go on calling it while its successor starts, and both would write to
 * the one folder. */
static int
check_folder(struct reload *r, const struct assembly_source *s)
{
    if (!s->host.folder_made || !s->host.routes)
        return 0;
    reload_say(
        r,
        "source \"%s\" is called by requests and keeps files of its own: "
        "a change of it takes a restart (`ingestlayer upgrade`)",
        s->host.name);
    return -EINVAL;
}

static int
compare_sources(struct reload *r)
{
    const size_t n = r->to->plan->source_count;
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        const struct assembly_source *new = r->to->sources[i];
        struct reload_source *s = &r->sources[r->source_count++];
        size_t old = 0;
        while (old < r->from->plan->source_count
               && strcmp(r->from->sources[old]->host.name, new->host.name))
            old++;
        *s = (struct reload_source){ .to = i, .from = old };
        snprintf(s->name, sizeof(s->name), "%s", new->host.name);
        s->what = old == r->from->plan->source_count           ? RELOAD_NEW
                  : r->from->sources[old]->print == new->print ? RELOAD_SAME
                                                               : RELOAD_CHANGED;
        if (s->what == RELOAD_CHANGED && check_folder(r, r->from->sources[old]))
            err = -EINVAL;
    }
    return err;
}

int
reload_compare(struct reload *r)
{
    int err = 0;
    r->lanes =
        calloc(r->to->lane_count + r->from->lane_count + 1, sizeof(*r->lanes));
    r->sources = calloc(r->to->plan->source_count + 1, sizeof(*r->sources));
    if (!r->lanes || !r->sources) {
        reload_say(r, "no memory");
        return -EINVAL;
    }
    for (size_t i = 0; i < r->to->lane_count; i++)
        err = compare_one(r, i) ? -EINVAL : err;
    for (size_t i = 0; i < r->from->lane_count; i++)
        if (r->from->lanes[i]->lane && !goes_on(r, i))
            err = compare_removed(r, i) ? -EINVAL : err;
    return compare_sources(r) ? -EINVAL : err;
}
