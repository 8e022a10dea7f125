/* SPDX-License-Identifier: MIT */
#include "assembly.h"

#include "lineage.h"

#include "base/api.h"
#include "conf/options.h"
#include "gate/sender.h"

#include <stdlib.h>
#include <string.h>

/* Before it is opened, or options of the host's are read for it. */
static void
place_part(struct plan *plan, struct il_host *h, const struct plan_part *part,
           const char *lane)
{
    h->api = api_table();
    h->conf = plan->conf;
    h->plugin = part->plugin;
    h->options = part->options;
    h->name = part->name;
    h->instance = part->where;
    h->lane = lane;
}

static void
open_part(struct plan *plan, struct il_host *h, const struct plan_part *part,
          const char *lane)
{
    place_part(plan, h, part, lane);
    int open = part->plugin && !part->faults && instance_open(h) == 0;
    if (h->kinds && !open)
        h->kinds->unknown = 1;
}

/* --- keys of two sources -------------------------------------------------- */

static int
share_a_route(const struct il_host *a, const struct il_host *b)
{
    for (const struct instance_route *x = a->routes; x; x = x->next)
        for (const struct instance_route *y = b->routes; y; y = y->next)
            if (!strchr(x->route.path, '*')
                && !strcmp(x->route.path, y->route.path)
                && !strcmp(x->route.method, y->route.method))
                return 1;
    return 0;
}

static void
check_key(const struct il_sender *s, const struct il_host *other)
{
    const struct il_sender *o = other->senders;
    while (o && (!o->secret || strcmp(o->secret, s->secret)))
        o = gate_sender_next(o);
    if (o)
        option_error(s->options, s->secret_option, 0,
                     "is the same as that of the source \"%s\" at %s; it "
                     "decides which of them an event belongs to",
                     other->name,
                     option_origin(o->options, o->secret_option, 0));
}

/* Sources that serve the same paths are told apart by what their senders
 * show; below a path, what follows may do that. */
static void
check_keys(const struct assembly *a)
{
    for (size_t i = 1; i < a->plan->source_count; i++)
        for (size_t k = 0; k < i; k++) {
            /* two of one name are a finding already */
            if (!strcmp(a->sources[i].name, a->sources[k].name)
                || !share_a_route(&a->sources[i], &a->sources[k]))
                continue;
            for (const struct il_sender *s = a->sources[i].senders; s;
                 s = gate_sender_next(s))
                if (s->secret)
                    check_key(s, &a->sources[k]);
        }
}

/* --- opening -------------------------------------------------------------- */

static void
open_sources(struct assembly *a)
{
    static const struct lane_match all = { .type = { "*", 1 } };
    struct plan *plan = a->plan;
    struct schema_events declared;
    plan_declared(plan, &all, 1, &declared);
    a->sources = conf_alloc(plan->conf,
                            (plan->source_count + 1) * sizeof(struct il_host));
    for (size_t i = 0; i < plan->source_count; i++) {
        a->sources[i].declared = declared;
        open_part(plan, &a->sources[i], &plan->sources[i].part, NULL);
    }
    check_keys(a);
}

/* What is said of a lane whose destination takes events one by one, of one that
 * does not. */
static void
check_each(const struct il_host *h, const struct il_conf *place)
{
    const char *behind = option_str(place, "behind", 0);
    if (!h->plugin || (h->plugin->desc.flags & IL_PER_EVENT))
        return;
    if (behind && strcmp(behind, "letter") == 0)
        option_error(place, "behind", 0,
                     "is for destinations that take events one by one; %s "
                     "takes them all and in order, and what it has not taken "
                     "is kept",
                     h->plugin->desc.name);
    if (option_has(place, "max_age"))
        option_error(place, "max_age", 0,
                     "is for destinations that take events one by one, which "
                     "%s does not",
                     h->plugin->desc.name);
}

/* What events can have that come behind so many steps. */
static int
fields_behind(const struct plan_pipeline *p, size_t steps)
{
    return !p->closed ? FIELDS_OPEN : steps ? FIELDS_CHANGED : FIELDS_CLOSED;
}

/* Of what the pipeline takes. */
static uint64_t
lineage_of(const struct plan_pipeline *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->match_count; i++) {
        sum = lineage_bytes(sum, p->matches[i].source.ptr,
                            p->matches[i].source.len);
        sum =
            lineage_bytes(sum, p->matches[i].type.ptr, p->matches[i].type.len);
    }
    return sum;
}

static void
open_steps(struct plan *plan, struct assembly_lane *l,
           const struct plan_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t at = l->step_count++;
        struct il_host *h = &l->steps[at];
        struct lane_step *step = &l->lane_steps[at];
        h->kinds = l->destination.kinds;
        h->declared = l->pipeline->declared;
        h->closed = fields_behind(l->pipeline, at);
        h->lineage = l->lineage;
        open_part(plan, h, &parts[i], l->plan->lane);
        l->remembers |= h->memory != NULL;
        l->lineage = lineage_setting(
            lineage_text(l->lineage, h->plugin ? h->plugin->desc.name : NULL),
            h->options ? option_setting(h->options, NULL, 0) : NULL);
        step->name = parts[i].name;
        step->instance = h->instance;
        step->host = h;
        if (h->plugin)
            step->plugin = serial_wrap(h, &l->step_turns[at], &step->self);
    }
}

/* In the order of an event's way: what a step attaches is there for what comes
 * after it, and not before. */
static void
open_lane(struct assembly *a, struct assembly_lane *l,
          const struct plan_pipeline *p, const struct plan_destination *d)
{
    struct plan *plan = a->plan;
    const size_t n = p->step_count + d->step_count + 1;
    l->pipeline = p;
    l->plan = d;
    l->steps = conf_alloc(plan->conf, n * sizeof(*l->steps));
    l->lane_steps = conf_alloc(plan->conf, n * sizeof(*l->lane_steps));
    l->step_turns = conf_alloc(plan->conf, n * sizeof(*l->step_turns));
    l->destination.kinds =
        conf_alloc(plan->conf, sizeof(*l->destination.kinds));
    l->destination.declared = p->declared;
    l->lineage = lineage_of(p);
    open_steps(plan, l, p->steps, p->step_count);
    l->destination.closed = fields_behind(p, l->step_count);
    place_part(plan, &l->destination, &d->part, d->lane);
    if (d->part.place)
        instance_expr(&l->destination, d->part.place, "when", &l->when);
    l->lineage = lineage_text(l->lineage, option_str(d->part.place, "when", 0));
    open_steps(plan, l, d->steps, d->step_count);
    l->destination.closed = fields_behind(p, l->step_count);
    open_part(plan, &l->destination, &d->part, d->lane);
    if (d->part.place)
        check_each(&l->destination, d->part.place);
}

struct assembly *
assembly_open(struct plan *plan)
{
    struct assembly *a = conf_alloc(plan->conf, sizeof(*a));
    a->plan = plan;
    open_sources(a);
    size_t n = 0;
    for (size_t i = 0; i < plan->pipeline_count; i++)
        n += plan->pipelines[i].destination_count;
    a->lanes = conf_alloc(plan->conf, (n + 1) * sizeof(struct assembly_lane));
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t k = 0; k < p->destination_count; k++)
            open_lane(a, &a->lanes[a->lane_count++], p, &p->destinations[k]);
    }
    return a;
}

size_t
assembly_lanes_run(const struct assembly *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->lane_count; i++)
        n += a->lanes[i].pipeline->status != PLAN_DRAFT;
    return n;
}

void
assembly_close(struct assembly *a)
{
    for (size_t i = 0; i < a->lane_count; i++) {
        struct assembly_lane *l = &a->lanes[i];
        instance_close(&l->destination);
        for (size_t k = 0; k < l->step_count; k++)
            instance_close(&l->steps[k]);
    }
    for (size_t i = 0; i < a->plan->source_count; i++)
        instance_close(&a->sources[i]);
}

void
assembly_free(struct assembly *a)
{
    if (!a)
        return;
    assembly_close(a);
    for (size_t i = 0; i < a->lane_count; i++)
        expr_free(a->lanes[i].when);
    plan_free(a->plan); /* a is in there */
}
