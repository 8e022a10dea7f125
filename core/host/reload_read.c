/* SPDX-License-Identifier: MIT */
/* The new config beside the one that runs. */
#include "reload.h"

#include "fingerprint.h"
#include "base/log.h"
#include "base/reserve.h"
#include "http/options.h"
#include "spool/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far more than most configs and their plugins take. */
#define RESERVE (16u << 20)

void
reload_say(struct reload *r, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    log_error("reload: %s", line);
    text_printf(&r->why, "%s\n", line);
}

/* --- the file ------------------------------------------------------------- */

/* All that is wrong, where it is. */
static void
take_findings(struct reload *r, struct conf *conf)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    conf_print(conf, stderr);
    if (!f)
        return;
    conf_print(conf, f);
    if (!fclose(f))
        text_put(&r->findings, text, len);
    free(text);
}

static void
note_stale(struct reload *r, const struct plan_part *part)
{
    struct il_text *t = &r->stale;
    if (!part->plugin || !part->plugin->stale
        || (t->len && strstr(text_str(t), part->plugin->path)))
        return;
    text_printf(t, "plugin %s: %s is another file by now\n",
                part->plugin->desc.name, part->plugin->path);
    log_warn("reload: plugin %s: %s is another file by now, and what was "
             "loaded goes on: `ingestlayer upgrade` takes it",
             part->plugin->desc.name, part->plugin->path);
}

/* What stays as it was at the start, whatever the config says. */
static void
take_outer(struct reload *r)
{
    const struct plan *plan = r->to->plan;
    const char *name;
    for (size_t i = 0; (name = conf_fixed(plan->conf, i)); i++)
        text_printf(&r->unread, "%s\n", name);
    for (size_t i = 0; i < plan->source_count; i++)
        note_stale(r, &plan->sources[i].part);
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t k = 0; k < p->step_count; k++)
            note_stale(r, &p->steps[k]);
        for (size_t k = 0; k < p->destination_count; k++) {
            const struct plan_destination *d = &p->destinations[k];
            note_stale(r, &d->part);
            for (size_t n = 0; n < d->step_count; n++)
                note_stale(r, &d->steps[n]);
        }
    }
}

/* What only a start can do. */
static const struct {
    const char *group, *key;
} fixed[] = { { NULL, "state_dir" },      { NULL, "user" },
              { NULL, "group" },          { NULL, "core_dumps" },
              { "http", "listen" },       { "http", "threads" },
              { "http", "socket_mode" },  { "admin", "listen" },
              { "admin", "socket_mode" }, { "spool", "segment" },
              { "idempotency", "window" }, { "idempotency", "max_keys" },
              { "entities", "map_size" } };

static void
put_name(struct il_text *names, const char *group, const char *key)
{
    text_printf(names, "%s%s%s%s", names->len ? ", " : "", group ? group : "",
                group ? "." : "", key);
}

static int
has_tls(const struct plan *plan, const char *server)
{
    return option_group(option_group(plan->root, server, 0), "tls", 0) != NULL;
}

/* Keys are forgotten after the longest window that there was at the start. */
static int64_t
longest_window(const struct plan *plan)
{
    int64_t window = option_int(option_group(plan->root, "idempotency", 0),
                                "window", 0) * 1000;
    int64_t longest = schema_longest_window(plan->schema);
    return longest > window ? longest : window;
}

static int
check_fixed(struct reload *r)
{
    static const char *const servers[] = { "http", "admin" };
    const struct plan *old = r->from->plan, *new = r->to->plan;
    struct il_text names = { 0 };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (fingerprint_setting(old, fixed[i].group, fixed[i].key)
            != fingerprint_setting(new, fixed[i].group, fixed[i].key))
            put_name(&names, fixed[i].group, fixed[i].key);
    for (size_t i = 0; i < 2; i++)
        if (has_tls(old, servers[i]) != has_tls(new, servers[i]))
            put_name(&names, servers[i], "tls");
    if (longest_window(new) > r->h->longest_window_us)
        put_name(&names, "events", "window (longer than any before)");
    if (names.len)
        reload_say(r, "a change of %s takes a restart (`ingestlayer upgrade`)",
                   text_str(&names));
    int err = names.len ? -EINVAL : 0;
    text_clear(&names);
    return err;
}

/* A config tool that is half-way. */
static int
check_included(struct reload *r)
{
    if (r->ask.remove || conf_file_count(r->to->plan->conf) > 1
        || conf_file_count(r->from->plan->conf) == 1)
        return 0;
    reload_say(r, "include_dir has no files any more; if that is meant, "
                  "`ingestlayer reload --remove`");
    return -EINVAL;
}

int
reload_read(struct reload *r)
{
    /* Reading ends the process where memory ends. */
    if (reserve_check(RESERVE)) {
        reload_say(r, "%s: no memory to read it", r->h->config);
        return -EINVAL;
    }
    struct plan *plan = plan_parse(r->h->config);
    plan_load(plan);
    r->to = assembly_open(plan);
    const int nowhere = !option_str(plan->root, "state_dir", 0);
    take_findings(r, plan->conf);
    if (nowhere && !plan->broken)
        reload_say(r, "%s: state_dir is required", r->h->config);
    if (conf_errors(plan->conf) || nowhere)
        return -EINVAL;
    if (r->ask.by_file && !conf_same_files(r->from->plan->conf, plan->conf)) {
        reload_say(r,
                   "%s has changed, too: `ingestlayer reload` takes that and "
                   "the file of a secret",
                   r->h->config);
        return -EINVAL;
    }
    take_outer(r);
    int fixed_err = check_fixed(r), included_err = check_included(r);
    return fixed_err ? fixed_err : included_err;
}

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
                             spool_id(r->h->spool), &position) > 0
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
        l->what = is_same(r, r->from->lanes[old], new) ? RELOAD_SAME
                                                       : RELOAD_CHANGED;
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
               " events of the spool and %" PRIu64 " that wait to be sent again "
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
        s->what = old == r->from->plan->source_count ? RELOAD_NEW
                  : r->from->sources[old]->print == new->print
                      ? RELOAD_SAME
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
    r->lanes = calloc(r->to->lane_count + r->from->lane_count + 1,
                      sizeof(*r->lanes));
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

void
reload_free(struct reload *r)
{
    spool_hold_free(r->hold);
    free(r->lanes);
    free(r->sources);
    text_clear(&r->findings);
    text_clear(&r->unread);
    text_clear(&r->stale);
    text_clear(&r->why);
}
