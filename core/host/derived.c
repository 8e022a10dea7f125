/* SPDX-License-Identifier: MIT */
/* Sources of events that steps make: one of each pipeline that another names. */
#include "private.h"

#include "plan_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct host_derived {
    struct host_derived *next;
    struct lane_derived to;
    const char *pipeline;
};

static int
add(struct host *h, const struct plan_pipeline *p)
{
    struct host_derived *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->pipeline = p->name;
    d->next = h->derived;
    h->derived = d;
    const char *name =
        conf_printf(h->assembly->plan->conf, PLAN_DERIVED "%s", p->name);
    int err = gate_source_new(h->gate, name, 1, lane_derived_settled, NULL,
                              &d->to.source);
    if (!err)
        gate_source_reserve(d->to.source);
    return err;
}

int
host_prepare_derived(struct host *h)
{
    const struct plan *plan = h->assembly->plan;
    int err = 0;
    for (size_t i = 0; i < plan->pipeline_count && !err; i++)
        if (plan_is_derived_from(plan, &plan->pipelines[i]))
            err = add(h, &plan->pipelines[i]);
    return err;
}

void
host_open_derived(struct host *h)
{
    for (struct host_derived *d = h->derived; d; d = d->next)
        atomic_store(&d->to.open, 1);
}

struct lane_derived *
host_find_derived(const struct host *h, const char *pipeline)
{
    struct host_derived *d = h->derived;
    while (d && strcmp(d->pipeline, pipeline) != 0)
        d = d->next;
    return d ? &d->to : NULL;
}

void
host_close_derived(struct host *h, int64_t deadline_us)
{
    for (struct host_derived *d = h->derived; d; d = d->next) {
        atomic_store(&d->to.open, 0);
        if (d->to.source)
            gate_source_close(d->to.source, deadline_us);
    }
}

void
host_free_derived(struct host *h)
{
    while (h->derived) {
        struct host_derived *d = h->derived;
        h->derived = d->next;
        free(d);
    }
}
