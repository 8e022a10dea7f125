/* SPDX-License-Identifier: MIT */
#include "fingerprint.h"

#include "lineage.h"

static uint64_t
of_part(uint64_t before, const struct plan_part *part)
{
    before = lineage_text(before, part->name);
    if (part->plugin)
        before = lineage_text(before, part->plugin->desc.name);
    return option_sum(part->options, before);
}

static uint64_t
of_steps(uint64_t before, const struct plan_part *steps, size_t count)
{
    before = lineage_bytes(before, &count, sizeof count);
    for (size_t i = 0; i < count; i++)
        before = of_part(before, &steps[i]);
    return before;
}

/* The number of a declaration is its place in the config. */
static uint64_t
of_declared(uint64_t before, const struct plan *plan,
            const struct schema_event *event)
{
    return option_sum(option_group(plan->root, "events", event->number),
                      before);
}

static uint64_t
of_matches(uint64_t before, const struct plan_pipeline *p)
{
    for (size_t i = 0; i < p->match_count; i++) {
        const struct lane_match *m = &p->matches[i];
        before = lineage_bytes(before, m->source.ptr, m->source.len);
        before = lineage_bytes(before, m->type.ptr, m->type.len);
    }
    return lineage_bytes(before, &p->closed, sizeof p->closed);
}

uint64_t
fingerprint_lane(const struct plan *plan, const struct plan_pipeline *p,
                 const struct plan_destination *d)
{
    static const char *const own[] = { "when", "behind", "max_age",
                                       "max_age_then", "batch" };
    uint64_t sum = lineage_text(0, d->lane);
    sum = lineage_bytes(sum, &p->status, sizeof p->status);
    sum = of_matches(sum, p);
    for (size_t i = 0; i < p->declared.count; i++)
        sum = of_declared(sum, plan, p->declared.events[i]);
    sum = of_steps(sum, p->steps, p->step_count);
    sum = of_steps(sum, d->steps, d->step_count);
    for (size_t i = 0; d->part.place && i < sizeof own / sizeof *own; i++)
        sum = option_sum_of(d->part.place, own[i], sum);
    return of_part(sum, &d->part);
}

uint64_t
fingerprint_source(const struct plan *plan, size_t i)
{
    const struct plan_source *s = &plan->sources[i];
    uint64_t sum = of_part(0, &s->part);
    if (s->part.place)
        sum = option_sum(s->part.place, sum);
    for (size_t e = 0; e < schema_count(plan->schema); e++)
        sum = of_declared(sum, plan, schema_at(plan->schema, e));
    return sum;
}

uint64_t
fingerprint_setting(const struct plan *plan, const char *group, const char *key)
{
    const struct il_conf *of =
        group ? option_group(plan->root, group, 0) : plan->root;
    return option_sum_of(of, key, 0);
}
