/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include "plan_check.h"
#include "plan_place.h"
#include "settings.h"
#include "trial.h"
#include "http/options.h"
#include "gate/sender.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

/* --- plugins in their places --------------------------------------------- */

static void
say_at(struct plan *plan, const config_setting_t *at, const char *where,
       const char *key, const char *message)
{
    struct conf_finding f = { .place = conf_place(plan->conf, at),
                              .where = where,
                              .key = key,
                              .offset = -1 };
    conf_add(plan->conf, &f, "%s", message);
}

static void
load_part(struct plan *plan, struct plan_part *part, config_setting_t *setting,
          const struct il_option *common, int kind)
{
    const size_t before = conf_reports(plan->conf) - conf_strays(plan->conf);
    const char *name = conf_peek(setting, "plugin");
    if (name) {
        struct il_text why = { 0 };
        part->plugin = loader_get(plan->loader, name, kind, &why);
        if (!part->plugin)
            say_at(plan, config_setting_get_member(setting, "plugin"),
                   part->where, "plugin", text_str(&why));
        text_clear(&why);
    }
    plan_read_place(plan, part, setting, common);
    part->faults = conf_reports(plan->conf) - conf_strays(plan->conf) != before;
}

/* An element that is no group was reported by the table of the list. */
static config_setting_t *
element(const struct il_conf *g, const char *key, size_t i)
{
    return option_setting(option_group(g, key, i), NULL, 0);
}

/* --- sources ------------------------------------------------------------- */

static void
load_sources(struct plan *plan)
{
    const size_t n = option_count(plan->root, "sources");
    plan->sources =
        conf_alloc(plan->conf, (n + 1) * sizeof(struct plan_source));
    for (size_t i = 0; i < n; i++) {
        struct plan_source *s = &plan->sources[plan->source_count++];
        config_setting_t *setting = element(plan->root, "sources", i);
        const char *name = conf_peek(setting, "name");
        const char *plugin = conf_peek(setting, "plugin");
        s->part.name = name ? name : "";
        s->part.where = name ? conf_printf(plan->conf, "source \"%s\" (%s)",
                                           name, plugin ? plugin : "?")
                             : conf_printf(plan->conf, "source %zu (%s)", i + 1,
                                           plugin ? plugin : "?");
        load_part(plan, &s->part, setting, settings_source, IL_SOURCE);
        const char *undeclared = option_str(s->part.place, "undeclared", 0);
        s->accept_undeclared = undeclared && strcmp(undeclared, "accept") == 0;
        s->ticks = s->part.plugin && (s->part.plugin->desc.flags & IL_TICKS);
        gate_sender_rate(s->part.place, &s->rate);
        s->max_undelivered =
            (uint64_t) option_int(s->part.place, "max_undelivered", 0);
    }
}

/* --- pipelines ----------------------------------------------------------- */

static void
load_matches(struct plan *plan, struct plan_pipeline *p)
{
    const size_t n = option_count(p->options, "sources");
    p->matches = conf_alloc(plan->conf, (n + 1) * sizeof(struct lane_match));
    for (size_t i = 0; i < n; i++) {
        const struct il_conf *g = option_group(p->options, "sources", i);
        const char *source = option_str(g, "source", 0);
        const char *match = option_str(g, "match", 0);
        if (!source || !match || plan_check_source(plan, g, source))
            continue;
        p->matches[p->match_count++] =
            (struct lane_match){ slice_of(source, strlen(source)),
                                 slice_of(match, strlen(match)),
                                 plan_source_ticks(plan, source) };
    }
    plan_declared(plan, p->matches, p->match_count, &p->declared);
}

/* The steps in a pipeline's or destination's options.  of: whose they are, for
 * people; prefix: of the number that is the name of one that has none.  Returns
 * how many. */
static size_t
load_steps(struct plan *plan, const struct il_conf *options, const char *of,
           const char *prefix, struct plan_part **steps)
{
    const size_t n = option_count(options, "steps");
    *steps = conf_alloc(plan->conf, (n + 1) * sizeof(struct plan_part));
    for (size_t i = 0; i < n; i++) {
        struct plan_part *s = &(*steps)[i];
        config_setting_t *setting = element(options, "steps", i);
        const char *plugin = conf_peek(setting, "plugin");
        const char *name = conf_peek(setting, "name");
        s->name = name ? name : conf_printf(plan->conf, "%s%zu", prefix, i + 1);
        s->where = conf_printf(plan->conf, "%s, step %s (%s)", of, s->name,
                               plugin ? plugin : "?");
        load_part(plan, s, setting, settings_step, IL_STEP);
    }
    return n;
}

static void
load_destinations(struct plan *plan, struct plan_pipeline *p)
{
    const size_t n = option_count(p->options, "destinations");
    p->destinations =
        conf_alloc(plan->conf, (n + 1) * sizeof(struct plan_destination));
    for (size_t i = 0; i < n; i++) {
        struct plan_destination *d = &p->destinations[p->destination_count++];
        config_setting_t *setting = element(p->options, "destinations", i);
        const char *plugin = conf_peek(setting, "plugin");
        const char *name = conf_peek(setting, "name");
        d->part.name = name ? name : plugin ? plugin : "";
        d->part.where =
            conf_printf(plan->conf,
                        name ? "pipeline \"%s\", destination %s (%s)"
                             : "pipeline \"%s\", destination %s",
                        p->name,
                        name     ? name
                        : plugin ? plugin
                                 : "?",
                        plugin ? plugin : "?");
        d->lane = conf_printf(plan->conf, "%s/%s", p->name, d->part.name);
        load_part(plan, &d->part, setting, settings_destination,
                  IL_DESTINATION);
        d->step_count = load_steps(
            plan, d->part.place,
            conf_printf(plan->conf, "pipeline \"%s\", destination %s", p->name,
                        d->part.name),
            conf_printf(plan->conf, "%s.", d->part.name), &d->steps);
    }
}

static void
load_pipelines(struct plan *plan)
{
    const size_t n = option_count(plan->root, "pipelines");
    static const struct option_table table = { settings_pipeline,
                                               sizeof(struct il_option) };
    plan->pipelines =
        conf_alloc(plan->conf, (n + 1) * sizeof(struct plan_pipeline));
    for (size_t i = 0; i < n; i++) {
        struct plan_pipeline *p = &plan->pipelines[plan->pipeline_count++];
        config_setting_t *setting = element(plan->root, "pipelines", i);
        const char *name = conf_peek(setting, "name");
        p->name = name ? name : conf_printf(plan->conf, "%zu", i + 1);
        p->options = option_read_group(&(struct option_read){
            .conf = plan->conf,
            .where = conf_printf(
                plan->conf, name ? "pipeline \"%s\"" : "pipeline %s", p->name),
            .groups = &setting,
            .group_count = 1,
            .tables = &table,
            .table_count = 1 });
        const char *status = option_str(p->options, "status", 0);
        p->status = !status                         ? PLAN_ACTIVE
                    : strcmp(status, "paused") == 0 ? PLAN_PAUSED
                    : strcmp(status, "draft") == 0  ? PLAN_DRAFT
                                                    : PLAN_ACTIVE;
        load_matches(plan, p);
        p->closed = plan_check_closed(plan, p);
        p->step_count = load_steps(
            plan, p->options,
            conf_printf(plan->conf, "pipeline \"%s\"", p->name), "", &p->steps);
        load_destinations(plan, p);
    }
}

/* --- the whole ----------------------------------------------------------- */

static const struct il_conf *
read_root(struct plan *plan)
{
    static const struct option_table table = { settings_root,
                                               sizeof(struct il_option) };
    const size_t n = conf_file_count(plan->conf);
    struct config_setting_t **roots =
        conf_alloc(plan->conf, n * sizeof(struct config_setting_t *));
    for (size_t i = 0; i < n; i++)
        roots[i] = conf_root(plan->conf, i);
    return option_read_group(&(struct option_read){ .conf = plan->conf,
                                                    .groups = roots,
                                                    .group_count = n,
                                                    .tables = &table,
                                                    .table_count = 1 });
}

static struct loader *
make_loader(struct plan *plan)
{
    const char *dirs[16];
    size_t n = 0;
    for (; n < option_count(plan->root, "plugin_dir") && n < 16; n++)
        dirs[n] = option_str(plan->root, "plugin_dir", n);
    return loader_new(dirs, n);
}

static struct plan *
parse(struct conf *conf, int broken)
{
    struct plan *plan = conf_alloc(conf, sizeof(*plan));
    plan->conf = conf;
    plan->broken = broken;
    plan->root = read_root(plan);
    http_options_check(option_group(plan->root, "http", 0));
    http_options_check(option_group(plan->root, "admin", 0));
    http_options_check_proxies(option_group(plan->root, "http", 0));
    const struct il_conf *http = option_group(plan->root, "http", 0);
    const struct il_conf *admin = option_group(plan->root, "admin", 0);
    if (!option_count(http, "trusted_proxies"))
        http_options_check_open(http,
                                "keys and events cross the network in plain "
                                "text; use tls, or name the proxy that does in "
                                "trusted_proxies");
    http_options_check_open(admin,
                            "whoever reaches this machine reads its metrics "
                            "and state; keep them private");
    http_options_check_apart(http, http);
    http_options_check_apart(admin, admin);
    http_options_check_apart(admin, http);
    return plan;
}

struct plan *
plan_parse(const char *path)
{
    struct conf *conf = conf_new();
    return parse(conf, conf_load(conf, path) != 0);
}

struct plan *
plan_parse_text(const char *name, const char *text, size_t len)
{
    struct conf *conf = conf_new();
    return parse(conf, conf_load_text(conf, name, "/", text, len) != 0);
}

void
plan_load(struct plan *plan)
{
    size_t tests;
    if (!(plan->loader = make_loader(plan)))
        conf_give_up();
    http_options_check_tls(plan->conf, option_group(plan->root, "http", 0));
    http_options_check_tls(plan->conf, option_group(plan->root, "admin", 0));
    plan_load_events(plan);
    load_sources(plan);
    plan_check_sources(plan);
    load_pipelines(plan);
    plan_check_pipelines(plan);
    plan_check_derived(plan);
    plan_check_was(plan);
    trial_cases(plan->conf, plan->root, plan, &tests);
}

void
plan_free(struct plan *plan)
{
    if (!plan)
        return;
    struct conf *conf = plan->conf;
    schema_free(plan->schema);
    loader_free(plan->loader);
    conf_free(conf); /* plan is in there */
}
