/* SPDX-License-Identifier: MIT */
/* The sources of the daemon, one by one. */
#include "private.h"

#include "gate/sender.h"
#include "plugin/serial.h"

#include <errno.h>
#include <string.h>

/* What the server calls of a source: made once, as calls that must take turns
 * share a lock, whichever site they come by. */
struct assembly_route {
    struct assembly_route *next;
    struct serial_route turns;
    struct il_route route;
    void *self;
};

static int
limit_source(struct host *h, struct assembly_source *source)
{
    const struct plan_source *plan = source->plan;
    struct gate_source *s = source->host.source;
    gate_source_limit(s, &plan->rate);
    if (!plan->max_undelivered)
        return 0;
    struct host_source *arg = conf_alloc(source->of->plan->conf, sizeof(*arg));
    *arg = (struct host_source){ h, plan->part.name };
    return gate_source_backlog(s, plan->max_undelivered, host_source_passed,
                               arg);
}

static void
wrap_routes(struct assembly_source *source)
{
    struct assembly_route **end = &source->routes;
    for (struct instance_route *i = source->host.routes; i; i = i->next) {
        struct assembly_route *r =
            conf_alloc(source->of->plan->conf, sizeof(*r));
        serial_route(&source->host, i, &r->turns, &r->route, &r->self);
        *end = r;
        end = &r->next;
    }
}

/* It is known to the gate before its routes are served. */
int
host_make_source(struct host *h, struct assembly_source *source)
{
    const struct plan_source *plan = source->plan;
    struct il_host *s = &source->host;
    const char *was = option_str(plan->part.place, "was", 0);
    int err = gate_source_new(
        h->gate, plan->part.name, plan->accept_undeclared || plan->ticks,
        s->plugin->desc.settled ? instance_settled : NULL, s, &s->source);
    if (err)
        return err;
    gate_source_declare(s->source, source->of->plan->schema);
    if (was)
        err = gate_source_was(s->source, was);
    if (!strcmp(option_str(plan->part.place, "ids", 0), "key"))
        gate_source_ids_of_keys(s->source);
    gate_source_room(s->source, s->plugin->desc.room ? instance_room : NULL);
    s->entities = h->entities;
    s->timers = h->timers;
    s->state_dir = h->state_dir;
    s->folder =
        conf_printf(source->of->plan->conf, "%s/instances/sources/%s",
                    h->state_dir, plan->part.name);
    wrap_routes(source);
    return err ? err : limit_source(h, source);
}

int
host_serve_source(struct assembly_source *source, struct http_site *site)
{
    struct gate_source *s = source->host.source;
    int err = 0;
    for (struct assembly_route *r = source->routes; r && !err; r = r->next)
        err = http_site_route(site, &r->route, r->self, s);
    if (!err)
        http_site_allow_origins(
            site, s,
            source->host.senders ? &source->host.senders->http : NULL);
    return err;
}

/* It is told that it is to end, and may still emit what it has at hand; then it
 * emits no more, and hears of all that it has emitted; and only then it is
 * stopped, so that nothing is settled after that. */
void
host_stop_source(struct assembly_source *source, int64_t deadline_us)
{
    struct il_host *s = &source->host;
    instance_cancel(s);
    instance_flush(s, deadline_us);
    if (s->source)
        gate_source_close(s->source, deadline_us);
    instance_stop(s);
}
