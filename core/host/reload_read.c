/* SPDX-License-Identifier: MIT */
/* The new config, and whether it may be taken at all. */
#include "reload.h"

#include "fingerprint.h"
#include "base/log.h"
#include "base/reserve.h"
#include "http/options.h"

#include <errno.h>
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
