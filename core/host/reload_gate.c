/* SPDX-License-Identifier: MIT */
/* The way in by a new config: sources, what is served, limits, certificates.
 *
 * A source that is called by requests starts beside the one that it replaces,
 * and is served from one moment on; requests of before end on the old one.  One
 * that fetches starts when the old one has ended, as both would fetch the same.
 *
 * What has been replaced is kept until its last request has its answer. */
#include "reload.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/options.h"
#include "http/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So long a source has to end. */
#define END_US 10000000

struct host_retired {
    struct host_retired *next;
    struct http_site *site;
    struct assembly *assembly; /* what it has, and nobody took over */
};

/* --- sources -------------------------------------------------------------- */

static struct assembly_source *
source_before(const struct reload *r, const struct reload_source *s)
{
    return s->from < r->from->plan->source_count ? r->from->sources[s->from]
                                                 : NULL;
}

static int
is_called(const struct assembly_source *s)
{
    return s->host.routes != NULL;
}

/* From here on it may take events. */
static int
let_in(struct assembly_source *s, const struct assembly_source *before)
{
    if (before)
        gate_source_follow(s->host.source, s->host.senders, before->host.source,
                           before->host.senders);
    return gate_source_begin(s->host.source);
}

static void
end_source(struct assembly_source *s)
{
    struct gate_source *source = s->host.source;
    host_stop_source(s, clock_monotonic_us() + END_US);
    s->host.source = NULL;
    if (source)
        gate_source_free(source);
}

static int
start_one(struct reload *r, struct assembly_source *s,
          struct assembly_source *before)
{
    int err = host_make_source(r->h, s);
    if (!err && !is_called(s)) {
        if (before && !is_called(before)) {
            host_stop_source(before, clock_monotonic_us() + END_US);
            gate_source_retire(before->host.source);
        }
        err = let_in(s, before);
    }
    return err ? err : instance_start(&s->host);
}

static int
start_source(struct reload *r, struct reload_source *s)
{
    struct assembly_source *new = r->to->sources[s->to];
    char said[256] = "";
    s->started = 1;
    if (!start_one(r, new, source_before(r, s)))
        return 0;
    instance_said(&new->host, 0, said, sizeof(said));
    reload_say(r, "source \"%s\": %s", new->host.name,
               *said ? said : "it cannot be started; the log says why");
    return -EINVAL;
}

/* Those first that disturb nobody. */
int
reload_sources(struct reload *r)
{
    for (int called = 1; called >= 0; called--)
        for (size_t i = 0; i < r->source_count; i++) {
            struct reload_source *s = &r->sources[i];
            if (s->what != RELOAD_SAME
                && is_called(r->to->sources[s->to]) == called
                && start_source(r, s))
                return -EINVAL;
        }
    return 0;
}

/* One that had to end before the other could begin. */
static void
start_old(struct reload *r, const struct reload_source *s)
{
    struct assembly_source *old = source_before(r, s);
    struct gate_source *ended = old->host.source;
    int err = assembly_open_source(r->from, s->from);
    if (!err)
        err = start_one(r, r->from->sources[s->from], NULL);
    if (err)
        reload_say(r,
                   "source \"%s\" cannot be started again as it was; the log "
                   "says why",
                   r->from->sources[s->from]->host.name);
    gate_source_free(ended);
}

void
reload_sources_back(struct reload *r)
{
    for (size_t i = 0; i < r->source_count; i++) {
        struct reload_source *s = &r->sources[i];
        struct assembly_source *old = source_before(r, s);
        if (!s->started)
            continue;
        end_source(r->to->sources[s->to]);
        if (old && !is_called(old) && !is_called(r->to->sources[s->to]))
            start_old(r, s);
    }
}

/* --- servers -------------------------------------------------------------- */

/* 0, or -EINVAL: it goes on with what it has. */
static int
use_certificate(struct reload *r, struct assembly *a, const char *server,
                struct tls *tls)
{
    struct tls_options o;
    struct tls_fault fault;
    const struct il_conf *g = option_group(a->plan->root, server, 0);
    if (!tls || !http_options_tls(a->plan->conf, g, &o)
        || !tls_use(tls, &o, &fault))
        return 0;
    reload_say(r, "%s.tls.%s: %s", server, fault.key, fault.why);
    return -EINVAL;
}

static int
use_certificates(struct reload *r)
{
    struct host *h = r->h;
    int err = use_certificate(r, r->to, "http", h->gate_tls);
    if (err || !use_certificate(r, r->to, "admin", h->admin_tls))
        return err;
    use_certificate(r, r->from, "http", h->gate_tls);
    return -EINVAL;
}

/* NULL after a message. */
static struct http_site *
make_site(struct reload *r, const struct http_options *o)
{
    struct http_site *site;
    int err = http_site_new(o, &site);
    for (size_t i = 0; i < r->to->plan->source_count && !err; i++)
        err = host_serve_source(r->to->sources[i], site);
    if (!err)
        return site;
    reload_say(r, "what is served: %s", strerror(-err));
    http_site_free(site);
    return NULL;
}

/* Of the new config's, those that take no restart. */
static void
use_settings(struct reload *r, const struct http_options *o)
{
    struct host *h = r->h;
    const struct il_conf *root = r->to->plan->root;
    const struct il_conf *g = option_group(root, "spool", 0);
    const struct spool_options spool = {
        .retain_us = option_int(g, "retain", 0) * 1000,
        .retain_bytes = (uint64_t) option_int(g, "retain_size", 0),
        .max_bytes = (uint64_t) option_int(g, "max_size", 0),
        .min_free = (uint64_t) option_int(g, "min_free", 0)
    };
    http_limit(h->gate_http, o);
    spool_limit(h->spool, &spool);
    host_use(h, r->to->plan);
}

static void
retire(struct reload *r, struct host_retired *old, struct http_site *site)
{
    *old = (struct host_retired){ .next = r->h->retired,
                                  .site = site,
                                  .assembly = r->from };
    r->h->retired = old;
    for (size_t i = 0; i < r->from->plan->source_count; i++) {
        struct assembly_source *s = r->from->sources[i];
        if (s->held == r->from && s->host.source)
            gate_source_retire(s->host.source);
    }
}

int
reload_serve(struct reload *r)
{
    struct http_options o;
    struct host_retired *old = malloc(sizeof(*old));
    host_gate_options(r->h, r->to->plan, &o);
    struct http_site *site = old ? make_site(r, &o) : NULL;
    int err = site ? use_certificates(r) : -EINVAL;
    for (size_t i = 0; i < r->source_count && !err; i++) {
        const struct reload_source *s = &r->sources[i];
        if (s->what != RELOAD_SAME && is_called(r->to->sources[s->to]))
            err = let_in(r->to->sources[s->to], source_before(r, s));
    }
    if (err) {
        http_site_free(site);
        free(old);
        return -EINVAL;
    }
    site = http_serve(r->h->gate_http, site);
    use_settings(r, &o);
    retire(r, old, site);
    return 0;
}

/* --- what has been replaced ----------------------------------------------- */

/* Sources that fetch, and nobody wants any more. */
void
reload_sources_end(struct reload *r)
{
    for (size_t i = 0; i < r->from->plan->source_count; i++) {
        struct assembly_source *s = r->from->sources[i];
        if (s->held == r->from && !is_called(s))
            host_stop_source(s, clock_monotonic_us() + END_US);
    }
}

void
host_retired_stop(struct host *h)
{
    for (struct host_retired *old = h->retired; old; old = old->next)
        for (size_t i = 0; i < old->assembly->plan->source_count; i++)
            if (old->assembly->sources[i]->held == old->assembly)
                host_stop_source(old->assembly->sources[i],
                                 clock_monotonic_us());
}

static void
retired_free(struct host_retired *old)
{
    for (size_t i = 0; i < old->assembly->plan->source_count; i++) {
        struct assembly_source *s = old->assembly->sources[i];
        if (s->held == old->assembly)
            end_source(s);
    }
    http_site_free(old->site);
    assembly_free(old->assembly);
    free(old);
}

void
host_collect(struct host *h, int all)
{
    for (struct host_retired **at = &h->retired; *at;) {
        struct host_retired *old = *at;
        if (!all && http_site_in_use(h->gate_http, old->site)) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        retired_free(old);
    }
}
