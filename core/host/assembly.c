/* SPDX-License-Identifier: MIT */
#include "assembly.h"

#include "fingerprint.h"
#include "lineage.h"
#include "plan_check.h"

#include "base/api.h"
#include "conf/options.h"
#include "gate/sender.h"

#include <errno.h>
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
            const struct il_host *one = &a->sources[i]->host,
                                 *other = &a->sources[k]->host;
            if (!strcmp(one->name, other->name) || !share_a_route(one, other))
                continue;
            for (const struct il_sender *s = one->senders; s;
                 s = gate_sender_next(s))
                if (s->secret)
                    check_key(s, other);
        }
}

/* --- opening -------------------------------------------------------------- */

static void
open_source(struct assembly *a, size_t i)
{
    static const struct lane_match all = { .type = { "*", 1 } };
    struct plan *plan = a->plan;
    struct assembly_source *s = conf_alloc(plan->conf, sizeof(*s));
    *s = (struct assembly_source){ .of = a,
                                   .held = a,
                                   .plan = &plan->sources[i],
                                   .print = fingerprint_source(plan, i) };
    plan_declared(plan, &all, 1, &s->host.declared);
    open_part(plan, &s->host, &s->plan->part, NULL);
    a->sources[i] = s;
}

static void
open_sources(struct assembly *a)
{
    a->sources = conf_alloc(a->plan->conf,
                            (a->plan->source_count + 1) * sizeof(*a->sources));
    for (size_t i = 0; i < a->plan->source_count; i++)
        open_source(a, i);
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
static struct assembly_lane *
open_lane(struct assembly *a, const struct plan_pipeline *p,
          const struct plan_destination *d)
{
    struct plan *plan = a->plan;
    const size_t n = p->step_count + d->step_count + 1;
    struct assembly_lane *l = conf_alloc(plan->conf, sizeof(*l));
    *l = (struct assembly_lane){ .of = a, .held = a, .pipeline = p, .plan = d };
    l->print = fingerprint_lane(plan, p, d);
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
    return l;
}

/* Does a step of the pipeline that is named make events that this match takes?
 * Where not all steps could be opened, one might. */
static int
is_derived(const struct assembly *a, const struct lane_match *m)
{
    for (size_t i = 0; i < a->lane_count; i++) {
        const struct assembly_lane *l = a->lanes[i];
        if (strcmp(l->pipeline->name, m->source.ptr + strlen(PLAN_DERIVED)))
            continue;
        for (size_t k = 0; k < l->step_count; k++) {
            const struct il_host *h = &l->steps[k];
            if (!h->self)
                return 1;
            for (size_t n = 0; n < h->derives_count; n++)
                if (expr_glob_match(m->type, slice_of(h->derives[n],
                                                      strlen(h->derives[n]))))
                    return 1;
        }
    }
    return 0;
}

static void
check_derived(const struct assembly *a)
{
    const struct plan *plan = a->plan;
    if (conf_errors(plan->conf))
        return;
    for (size_t i = 0; i < plan->pipeline_count; i++)
        for (size_t k = 0; k < plan->pipelines[i].match_count; k++) {
            const struct lane_match *m = &plan->pipelines[i].matches[k];
            if (plan_source_derived(m->source.ptr) && !is_derived(a, m))
                option_error(plan_match_option(&plan->pipelines[i], m->source),
                             "match", 0,
                             "no step of that pipeline makes events that fit "
                             "\"%.*s\"",
                             (int) m->type.len, m->type.ptr);
        }
}

struct assembly *
assembly_open(struct plan *plan)
{
    struct assembly *a = conf_alloc(plan->conf, sizeof(*a));
    a->plan = plan;
    a->users = 1;
    open_sources(a);
    size_t n = 0;
    for (size_t i = 0; i < plan->pipeline_count; i++)
        n += plan->pipelines[i].destination_count;
    a->lanes = conf_alloc(plan->conf, (n + 1) * sizeof(*a->lanes));
    for (size_t i = 0; i < plan->pipeline_count; i++) {
        const struct plan_pipeline *p = &plan->pipelines[i];
        for (size_t k = 0; k < p->destination_count; k++)
            a->lanes[a->lane_count++] = open_lane(a, p, &p->destinations[k]);
    }
    check_derived(a);
    return a;
}

/* --- looking -------------------------------------------------------------- */

size_t
assembly_lanes_run(const struct assembly *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->lane_count; i++)
        n += a->lanes[i]->pipeline->status != PLAN_DRAFT;
    return n;
}

struct assembly_lane *
assembly_find_lane(const struct assembly *a, const char *name)
{
    for (size_t i = 0; i < a->lane_count; i++)
        if (strcmp(a->lanes[i]->plan->lane, name) == 0)
            return a->lanes[i];
    return NULL;
}

struct assembly_source *
assembly_find_source(const struct assembly *a, const char *name)
{
    for (size_t i = 0; i < a->plan->source_count; i++)
        if (strcmp(a->sources[i]->host.name, name) == 0)
            return a->sources[i];
    return NULL;
}

struct lane_spec
assembly_decides(const struct assembly_lane *l)
{
    return (struct lane_spec){ .name = l->plan->lane,
                               .instance = l->destination.instance,
                               .matches = l->pipeline->matches,
                               .match_count = l->pipeline->match_count,
                               .steps = l->lane_steps,
                               .step_count = l->step_count,
                               .own_count = l->plan->step_count,
                               .remembers = l->remembers,
                               .when = l->when };
}

size_t
assembly_memories(const struct assembly_lane *l,
                  struct il_memory *out[CELLS_MEMORIES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < l->step_count && n < CELLS_MEMORIES_MAX; i++)
        if (l->steps[i].memory)
            out[n++] = l->steps[i].memory;
    return n;
}

/* --- taking over, and closing --------------------------------------------- */

static void
close_lane(struct assembly_lane *l)
{
    instance_close(&l->destination);
    for (size_t k = 0; k < l->step_count; k++)
        instance_close(&l->steps[k]);
    expr_free(l->when);
    l->when = NULL;
}

static void
let_go(struct assembly *a)
{
    if (--a->users)
        return;
    for (struct assembly_need *n = a->needs; n; n = n->next)
        let_go(n->of);
    plan_free(a->plan); /* a is in there */
}

/* Who shows one that is in another's memory needs that memory for as long as it
 * shows it, also when a third has taken it over and closes it. */
static void
need(struct assembly *a, struct assembly *of)
{
    if (of != a)
        of->users++;
}

static void
need_no_more(struct assembly *a, struct assembly *of)
{
    if (of != a)
        let_go(of);
}

void
assembly_take_lane(struct assembly *a, size_t i, struct assembly_lane *l)
{
    struct assembly_lane *own = a->lanes[i];
    if (own != l && own->held == a)
        close_lane(own);
    need(a, l->of);
    need_no_more(a, own->of);
    a->lanes[i] = l;
    l->held = a;
}

void
assembly_take_source(struct assembly *a, size_t i, struct assembly_source *s)
{
    struct assembly_source *own = a->sources[i];
    if (own != s && own->held == a)
        instance_close(&own->host);
    need(a, s->of);
    need_no_more(a, own->of);
    a->sources[i] = s;
    s->held = a;
}

/* The one that was there before is closed, where that is still to be done. */
static int
opened(struct assembly *a, size_t errors)
{
    return conf_errors(a->plan->conf) == errors ? 0 : -EINVAL;
}

int
assembly_open_lane(struct assembly *a, size_t i)
{
    struct assembly_lane *l = a->lanes[i];
    const size_t errors = conf_errors(a->plan->conf);
    if (l->held == a)
        close_lane(l);
    if (l->of != a) {
        /* The new one stands in that plan as well. */
        struct assembly_need *n = conf_alloc(a->plan->conf, sizeof(*n));
        *n = (struct assembly_need){ a->needs, l->of };
        a->needs = n;
    }
    a->lanes[i] = open_lane(a, l->pipeline, l->plan);
    return opened(a, errors);
}

int
assembly_open_source(struct assembly *a, size_t i)
{
    const size_t errors = conf_errors(a->plan->conf);
    struct assembly *of = a->sources[i]->of;
    if (a->sources[i]->held == a)
        instance_close(&a->sources[i]->host);
    open_source(a, i);
    need_no_more(a, of);
    return opened(a, errors);
}

void
assembly_close(struct assembly *a)
{
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->held == a)
            close_lane(a->lanes[i]);
    for (size_t i = 0; i < a->plan->source_count; i++)
        if (a->sources[i]->held == a)
            instance_close(&a->sources[i]->host);
}

void
assembly_free(struct assembly *a)
{
    if (!a)
        return;
    assembly_close(a);
    for (size_t i = 0; i < a->lane_count; i++)
        need_no_more(a, a->lanes[i]->of);
    for (size_t i = 0; i < a->plan->source_count; i++)
        need_no_more(a, a->sources[i]->of);
    let_go(a);
}
