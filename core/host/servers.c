/* SPDX-License-Identifier: MIT */
/* The way in: sources, the gate, the two servers. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/options.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#define EVENT_MAX_BYTES (1u << 20)
/* The admin server's requests have no body worth mentioning. */
#define ADMIN_MAX_BODY 4096

static int
make_http(struct host *h, const char *name, struct http_options *o,
          struct tls **tls_out, struct http **out)
{
    const struct il_conf *g = option_group(h->root, name, 0);
    o->listen_count = option_count(g, "listen");
    const char **listen = calloc(o->listen_count + 1, sizeof(char *));
    if (!listen)
        return -ENOMEM;
    for (size_t i = 0; i < o->listen_count; i++)
        listen[i] = option_str(g, "listen", i);
    o->listen = listen;
    o->inherited = h->inherited;
    o->socket_mode = http_options_socket_mode(g);
    struct tls_options tls;
    int err = 0;
    if (http_options_tls(h->assembly->plan->conf, g, &tls))
        err = tls_new(o->name, &tls, tls_out);
    o->tls = *tls_out;
    if (!err)
        err = http_new(o, out);
    free(listen);
    return err;
}

#define ADMIN_CONNECTIONS 100
#define ADMIN_PER_ADDRESS 50

/* Files that are to be had by others than connections, beside those that are
 * open by now: segments, runs and copies that come and go, and what each lane
 * has: readers, a cursor, a destination's connections. */
#define FILES_OF_STORES 24
#define FILES_OF_A_LANE 8
#define FILES_OF_A_LOOP 4
/* However few there may be. */
#define CONNECTIONS_MIN 8

static uint64_t
files_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;
    if (!dir)
        return FILES_OF_STORES;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static uint64_t
files_of_others(const struct host *h, uint32_t loops)
{
    const struct il_conf *http = option_group(h->root, "http", 0);
    const struct il_conf *admin = option_group(h->root, "admin", 0);
    return files_open() + FILES_OF_STORES
           + h->assembly->lane_count * FILES_OF_A_LANE
           + loops * (FILES_OF_A_LOOP + option_count(http, "listen"))
           + FILES_OF_A_LOOP + option_count(admin, "listen");
}

/* Each connection is a file; the limit that a process begins with is often
 * 1024, which it may raise.  What cannot be is not promised: a connection that
 * is let in must not cost the spool its next segment. */
static void
clamp_connections(const struct host *h, struct http_options *o, uint32_t *admin)
{
    struct rlimit limit;
    const rlim_t others = files_of_others(h, o->threads);
    const rlim_t want = others + o->max_connections + ADMIN_CONNECTIONS;
    *admin = ADMIN_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
        return;
    rlim_t had = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        limit.rlim_cur = had;
    if (limit.rlim_cur >= want)
        return;
    rlim_t left = limit.rlim_cur > others ? limit.rlim_cur - others : 0;
    if (left < CONNECTIONS_MIN)
        left = CONNECTIONS_MIN;
    *admin = (uint32_t) (left / 4 < ADMIN_CONNECTIONS ? left / 4
                                                      : ADMIN_CONNECTIONS);
    left -= *admin;
    log_warn("gate: no more than %llu files may be open, and some are needed "
             "for the spool, stores and destinations: http.max_connections is "
             "%llu, not %u; raise LimitNOFILE= or ulimit -n",
             (unsigned long long) limit.rlim_cur, (unsigned long long) left,
             o->max_connections);
    if (left < o->max_connections)
        o->max_connections = (uint32_t) left;
}

uint32_t
host_gate_options(struct host *h, struct plan *plan, struct http_options *o)
{
    const struct il_conf *g = option_group(plan->root, "http", 0);
    uint32_t admin;
    *o = (struct http_options){
        .name = "gate",
        .threads = (uint32_t) option_int(g, "threads", 0),
        .max_body = (uint64_t) option_int(g, "max_body", 0),
        .max_buffered = (uint64_t) option_int(g, "max_buffered", 0),
        .max_connections = (uint32_t) option_int(g, "max_connections", 0),
        .max_per_address =
            (uint32_t) option_int(g, "max_connections_per_address", 0),
        .timeout_ms = (uint32_t) option_int(g, "timeout", 0)
    };
    o->trusted =
        http_options_proxies(plan->conf, g, &o->trusted_count, &o->trust_unix);
    clamp_connections(h, o, &admin);
    return admin;
}

static int
make_gate_http(struct host *h, uint32_t *admin)
{
    struct http_options o;
    *admin = host_gate_options(h, h->assembly->plan, &o);
    return make_http(h, "http", &o, &h->gate_tls, &h->gate_http);
}

static int
make_admin_http(struct host *h, uint32_t connections)
{
    struct http_options o = { .name = "admin",
                              .threads = 1,
                              .max_body = ADMIN_MAX_BODY,
                              .max_connections = connections,
                              .max_per_address = ADMIN_PER_ADDRESS,
                              .timeout_ms = 10000 };
    return make_http(h, "admin", &o, &h->admin_tls, &h->admin_http);
}

int
host_make_gate(struct host *h)
{
    const struct gate_options o = { .spool = h->spool,
                                    .idem = h->idem,
                                    .dead = h->dead,
                                    .entities = h->entities,
                                    .marks = h->marks,
                                    .window_us = option_int(option_group(
                                        h->root, "idempotency", 0),
                                        "window", 0) * 1000,
                                    .depth_max = MSG_DEPTH_MAX,
                                    .max_event_bytes = EVENT_MAX_BYTES };
    return gate_new(&o, &h->gate);
}

int
host_prepare_servers(struct host *h)
{
    uint32_t admin = ADMIN_CONNECTIONS;
    int err = host_make_gate(h);
    if (!err)
        err = make_gate_http(h, &admin);
    if (!err)
        err = make_admin_http(h, admin);
    if (!err)
        err = host_admin_routes(h);
    for (size_t i = 0; i < h->assembly->plan->source_count && !err; i++) {
        struct assembly_source *source = h->assembly->sources[i];
        err = host_make_source(h, source);
        if (!err)
            err = host_serve_source(source, http_site(h->gate_http));
    }
    /* Before a lane connects to anything. */
    if (!err)
        err = http_bind(h->admin_http);
    return err ? err : http_bind(h->gate_http);
}

int
host_start_servers(struct host *h)
{
    int err = gate_start(h->gate);
    if (!err)
        host_open_derived(h);
    if (!err)
        err = http_start(h->admin_http);
    for (size_t i = 0; i < h->assembly->plan->source_count && !err; i++)
        err = instance_start(&h->assembly->sources[i]->host);
    return err ? err : http_start(h->gate_http);
}

void
host_cancel_sources(struct host *h)
{
    for (size_t i = 0; i < h->assembly->plan->source_count; i++)
        instance_cancel(&h->assembly->sources[i]->host);
}

/* Requests at hand are answered; the admin server stays until the end, to say
 * what is going on. */
void
host_quiesce(struct host *h)
{
    http_quiesce(h->gate_http);
    /* Requests at hand first: they still call their sources. */
    http_stop(h->gate_http, h->deadline_us);
    for (size_t i = 0; i < h->assembly->plan->source_count; i++)
        host_stop_source(h->assembly->sources[i], h->deadline_us);
}

void
host_rest(struct host *h)
{
    http_rest(h->gate_http);
    http_rest(h->admin_http);
    host_requests_rest(h);
}

void
host_leave(struct host *h, struct http *http)
{
    if (!h->leaving || !http)
        return;
    int err = http_leave(http, h->leaving->list, &h->leaving->left);
    if (err)
        h->leaving->err = err;
}

void
host_stop_admin(struct host *h)
{
    if (h->admin_http)
        http_stop(h->admin_http, host_requests_until(h));
}

void
host_stop_servers(struct host *h)
{
    host_stop_admin(h);
    if (h->gate_http)
        http_stop(h->gate_http, clock_monotonic_us());
    for (size_t i = 0; h->gate && i < h->assembly->plan->source_count; i++)
        host_stop_source(h->assembly->sources[i], clock_monotonic_us());
    host_retired_stop(h);
    if (h->gate)
        gate_stop(h->gate);
    host_free_derived(h);
    host_leave(h, h->admin_http);
    host_leave(h, h->gate_http);
    http_free(h->admin_http);
    http_free(h->gate_http);
    host_collect(h, 1); /* requests of before had their seats until here */
    timers_free(h->timers);
    h->admin_http = h->gate_http = NULL;
    tls_free(h->admin_tls);
    tls_free(h->gate_tls);
    h->admin_tls = h->gate_tls = NULL;
    h->timers = NULL;
}
