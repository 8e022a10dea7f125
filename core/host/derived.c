/* SPDX-License-Identifier: MIT */
/* Sources of events that steps make: one of each pipeline that has such steps.
 * They stay until the end, whatever is reloaded; what is made goes there as long as
 * a pipeline names it. */
#include "private.h"

#include "plan_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host_derived {
    struct host_derived *next;
    struct lane_derived to;
    struct schema *schema; /* of nothing */
    char *pipeline;
};

static int
makes_events(const struct assembly_lane *l)
{
    for (size_t i = 0; i < l->step_count; i++)
        if (l->steps[i].derives_count)
            return 1;
    return 0;
}

static void
derived_free(struct host_derived *d)
{
    schema_free(d->schema);
    free(d->pipeline);
    free(d);
}

static int
derived_new(struct host *h, const char *pipeline, struct host_derived **out)
{
    struct host_derived *d = calloc(1, sizeof *d);
    char name[256];
    if (!d)
        return -ENOMEM;
    snprintf(name, sizeof name, PLAN_DERIVED "%s", pipeline);
    d->pipeline = strdup(pipeline);
    d->schema = schema_new();
    int err = d->pipeline && d->schema ? gate_source_new(
                  h->gate, name, 1, lane_derived_settled, NULL, &d->to.source)
                                       : -ENOMEM;
    if (err) {
        derived_free(d);
        return err;
    }
    gate_source_declare(d->to.source, d->schema);
    gate_source_reserve(d->to.source);
    d->next = h->derived;
    *out = h->derived = d;
    return 0;
}

int
host_derived(struct host *h, const struct assembly_lane *l,
             struct lane_derived **out)
{
    const char *pipeline = l->pipeline->name;
    struct host_derived *d = h->derived;
    *out = NULL;
    if (!makes_events(l))
        return 0;
    while (d && strcmp(d->pipeline, pipeline) != 0)
        d = d->next;
    int err = d ? 0 : derived_new(h, pipeline, &d);
    if (!err)
        *out = &d->to;
    /* In a daemon that runs the gate is open. */
    if (!err && atomic_load(&h->serving))
        atomic_store(&d->to.open, 1);
    return err;
}

void
host_want_derived(struct host *h)
{
    const struct plan *plan = h->assembly->plan;
    for (struct host_derived *d = h->derived; d; d = d->next) {
        int wanted = 0;
        for (size_t i = 0; i < plan->pipeline_count && !wanted; i++)
            wanted = !strcmp(plan->pipelines[i].name, d->pipeline)
                     && plan_is_derived_from(plan, &plan->pipelines[i]);
        atomic_store(&d->to.wanted, wanted);
    }
}

void
host_open_derived(struct host *h)
{
    for (struct host_derived *d = h->derived; d; d = d->next)
        atomic_store(&d->to.open, 1);
}

void
host_close_derived(struct host *h, int64_t deadline_us)
{
    for (struct host_derived *d = h->derived; d; d = d->next) {
        atomic_store(&d->to.open, 0);
        gate_source_close(d->to.source, deadline_us);
    }
}

void
host_free_derived(struct host *h)
{
    while (h->derived) {
        struct host_derived *d = h->derived;
        h->derived = d->next;
        derived_free(d);
    }
}
