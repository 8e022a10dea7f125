/* SPDX-License-Identifier: MIT */
/* "derived/PIPELINE": events that the steps of a pipeline make, as a source of
 * others. */
#include "plan_check.h"

#include "base/nearest.h"

#include <string.h>

#define PREFIX (sizeof(PLAN_DERIVED) - 1)

int
plan_source_derived(const char *name)
{
    return strncmp(name, PLAN_DERIVED, PREFIX) == 0;
}

static int
is_of(struct slice source, const struct plan_pipeline *from)
{
    return strcmp(source.ptr + PREFIX, from->name) == 0;
}

static int
takes(const struct plan_pipeline *p, const struct plan_pipeline *from)
{
    for (size_t i = 0; i < p->match_count; i++) {
        const struct slice source = p->matches[i].source;
        if (plan_source_derived(source.ptr) && is_of(source, from))
            return 1;
    }
    return 0;
}

int
plan_is_derived_from(const struct plan *plan, const struct plan_pipeline *from)
{
    for (size_t i = 0; i < plan->pipeline_count; i++)
        if (takes(&plan->pipelines[i], from))
            return 1;
    return 0;
}

/* Do events that `from` makes come to it, over others or not?  depth: so many may
 * be between them. */
static int
reaches(const struct plan *plan, const struct plan_pipeline *from,
        const struct plan_pipeline *to, size_t depth)
{
    if (takes(to, from))
        return 1;
    for (size_t i = 0; depth && i < plan->pipeline_count; i++)
        if (takes(&plan->pipelines[i], from)
            && reaches(plan, &plan->pipelines[i], to, depth - 1))
            return 1;
    return 0;
}

const struct il_conf *
plan_match_option(const struct plan_pipeline *p, struct slice source)
{
    for (size_t i = 0; i < option_count(p->options, "sources"); i++) {
        const struct il_conf *g = option_group(p->options, "sources", i);
        if (option_str(g, "source", 0) == source.ptr)
            return g;
    }
    return p->options;
}

static void
check_one(struct plan *plan, const struct plan_pipeline *p, struct slice source)
{
    const size_t n = plan->pipeline_count;
    const char **names = conf_alloc(plan->conf, (n + 1) * sizeof(char *));
    const struct il_conf *at = plan_match_option(p, source);
    const struct plan_pipeline *from = NULL;
    for (size_t i = 0; i < n; i++) {
        names[i] = plan->pipelines[i].name;
        if (is_of(source, &plan->pipelines[i]))
            from = &plan->pipelines[i];
    }
    if (!from) {
        const char *meant = nearest_name(source.ptr + PREFIX, names, n);
        option_error(at, "source", 0,
                     "there is no pipeline \"%s\"%s%s%s", source.ptr + PREFIX,
                     meant ? "; did you mean \"" PLAN_DERIVED : "",
                     meant ? meant : "", meant ? "\"?" : "");
    } else if (from == p) {
        option_error(at, "source", 0,
                     "a pipeline takes nothing that its own steps make");
    } else if (reaches(plan, p, from, n)) {
        option_error(at, "source", 0,
                     "what the steps of \"%s\" make comes to \"%s\", too: "
                     "events would go round and round",
                     p->name, from->name);
    }
}

void
plan_check_derived(struct plan *plan)
{
    for (size_t i = 0; i < plan->pipeline_count; i++)
        for (size_t k = 0; k < plan->pipelines[i].match_count; k++) {
            const struct slice source = plan->pipelines[i].matches[k].source;
            if (plan_source_derived(source.ptr))
                check_one(plan, &plan->pipelines[i], source);
        }
}
