/* SPDX-License-Identifier: MIT */
#include "plan_check.h"

#include "base/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Names become file names and labels: letters, digits, and . _ - inside. */
#define NAME_MAX_BYTES 64

static void
check_name(const struct il_conf *g, const char *name)
{
    size_t len = strlen(name);
    int fine =
        len > 0 && len <= NAME_MAX_BYTES && isalnum((unsigned char) *name);
    for (const char *p = name; *p && fine; p++)
        fine = isalnum((unsigned char) *p) || strchr("._-", *p);
    if (!fine)
        option_error(g, "name", 0,
                     "a name has 1 to %d letters, digits, '.', '_' or '-', "
                     "and begins with a letter or digit",
                     NAME_MAX_BYTES);
}

/* names[i] and options[i] against those before. */
static void
check_unique(const struct il_conf *g, const struct il_conf *other,
             const char *name, const char *other_name)
{
    if (strcmp(name, other_name) == 0)
        option_error(g, "name", 0, "\"%s\" is already used at %s", name,
                     option_origin(other, "name", 0));
}

int
plan_check_source(struct plan *plan, const struct il_conf *from,
                  const char *name)
{
    if (plan->broken || plan_source_derived(name))
        return 0; /* pipelines are known later */
    const size_t n = plan->source_count;
    const char **names = conf_alloc(plan->conf, (n + 1) * sizeof(const char *));
    for (size_t i = 0; i < n; i++) {
        names[i] = plan->sources[i].part.name;
        if (strcmp(names[i], name) == 0)
            return 0;
    }
    const char *meant = nearest_name(name, names, n);
    if (meant)
        return option_error(from, "source", 0,
                            "there is no source \"%s\"; did you mean "
                            "\"%s\"?",
                            name, meant);
    struct il_text all = { 0 };
    for (size_t i = 0; i < n; i++)
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    if (n)
        option_error(from, "source", 0,
                     "there is no source \"%s\"; there "
                     "are: %s",
                     name, text_str(&all));
    else
        option_error(from, "source", 0,
                     "there is no source \"%s\", nor any other", name);
    text_clear(&all);
    return -EINVAL;
}

static int
accepts_undeclared(const struct plan *plan, struct slice source)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        const char *name = plan->sources[i].part.name;
        if (slice_equal(source, slice_of(name, strlen(name))))
            return plan->sources[i].accept_undeclared;
    }
    return 1;
}

/* Does any declared event type fit? */
static int
fits_type(const struct plan *plan, struct slice glob)
{
    for (size_t i = 0; i < schema_count(plan->schema); i++) {
        const struct schema_event *e = schema_at(plan->schema, i);
        if (expr_glob_match(glob, slice_of(e->type, e->type_len)))
            return 1;
    }
    return 0;
}

static void
say_no_type(struct plan *plan, const struct plan_pipeline *p, struct slice glob)
{
    const size_t n = schema_count(plan->schema);
    const char **types = conf_alloc(plan->conf, (n + 1) * sizeof(const char *));
    for (size_t i = 0; i < n; i++)
        types[i] = schema_at(plan->schema, i)->type;
    const char *meant = nearest_name(glob.ptr, types, n);
    for (size_t i = 0; i < option_count(p->options, "sources"); i++) {
        const struct il_conf *g = option_group(p->options, "sources", i);
        if (option_str(g, "match", 0) != glob.ptr)
            continue;
        option_error(g, "match", 0,
                     "no declared event type fits \"%s\", and the source "
                     "refuses others%s%s%s",
                     glob.ptr, meant ? "; did you mean \"" : "",
                     meant ? meant : "", meant ? "\"?" : "");
    }
}

int
plan_source_ticks(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->source_count; i++)
        if (strcmp(plan->sources[i].part.name, name) == 0)
            return plan->sources[i].ticks;
    return 0;
}

int
plan_check_closed(struct plan *plan, const struct plan_pipeline *p)
{
    int open = 0;
    /* Of a declaration that was not understood one fault is enough. */
    if (!schema_count(plan->schema) || plan->broken || plan->events_lack)
        return 0;
    for (size_t i = 0; i < p->match_count; i++) {
        if (p->matches[i].ticks)
            continue; /* no step sees a field of it */
        if (accepts_undeclared(plan, p->matches[i].source))
            open = 1;
        else if (!fits_type(plan, p->matches[i].type))
            say_no_type(plan, p, p->matches[i].type);
    }
    return !open;
}

void
plan_check_sources(struct plan *plan)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        const struct plan_part *a = &plan->sources[i].part;
        if (!option_has(a->place, "name"))
            continue;
        check_name(a->place, a->name);
        for (size_t k = 0; k < i; k++) {
            const struct plan_part *b = &plan->sources[k].part;
            check_unique(a->place, b->place, a->name, b->name);
        }
    }
}

static void
check_destinations(const struct plan_pipeline *p)
{
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct plan_part *a = &p->destinations[i].part;
        if (option_has(a->place, "name"))
            check_name(a->place, a->name);
        for (size_t k = 0; k < i; k++) {
            const struct plan_part *b = &p->destinations[k].part;
            if (strcmp(a->name, b->name) != 0 || !*a->name)
                continue;
            if (option_has(a->place, "name"))
                check_unique(a->place, b->place, a->name, b->name);
            else
                option_error(a->place, NULL, 0,
                             "two destinations of this pipeline are called "
                             "\"%s\" (see %s); give them a name each",
                             a->name, option_origin(b->place, NULL, 0));
        }
    }
}

/* Steps of one lane, of which each keeps files under its name, or its number. */
static void
check_two_steps(const struct plan_part *a, const struct plan_part *b)
{
    if (strcmp(a->name, b->name) != 0)
        return;
    const struct plan_part *named = option_has(a->place, "name") ? a : b;
    option_error(
        named->place, "name", 0, "the step at %s is called \"%s\", too",
        option_origin(named == a ? b->place : a->place, NULL, 0), a->name);
}

static void
check_steps(const struct plan_part *steps, size_t count,
            const struct plan_part *before, size_t before_count)
{
    for (size_t i = 0; i < count; i++) {
        if (option_has(steps[i].place, "name"))
            check_name(steps[i].place, steps[i].name);
        for (size_t k = 0; k < before_count; k++)
            check_two_steps(&steps[i], &before[k]);
        for (size_t k = 0; k < i; k++)
            check_two_steps(&steps[i], &steps[k]);
    }
}

void
plan_check_pipelines(struct plan *plan)
{
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *a = &plan->pipelines[i];
        check_steps(a->steps, a->step_count, NULL, 0);
        for (size_t k = 0; k < a->destination_count; k++)
            check_steps(a->destinations[k].steps, a->destinations[k].step_count,
                        a->steps, a->step_count);
        check_destinations(a);
        if (!option_has(a->options, "name"))
            continue;
        check_name(a->options, a->name);
        for (size_t k = 0; k < i; k++) {
            const struct plan_pipeline *b = &plan->pipelines[k];
            check_unique(a->options, b->options, a->name, b->name);
        }
    }
}
