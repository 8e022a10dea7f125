/* SPDX-License-Identifier: MIT */
/* The admin server: /healthz (the process answers), /readyz (events are
 * accepted, or why not), /metrics (Prometheus), and of requests.c what only
 * shows. */
#include "private.h"

#include "base/metrics.h"
#include "codec/json_out.h"
#include "conf/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
healthz(void *self, struct il_request *req)
{
    struct il_text *out = http_out(req);
    struct json_out o;
    (void) self;
    /* A plugin that hangs is no reason to restart: its lane waits, the others
     * go on. */
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_str(&o, "status", "ok");
    host_put_waiting(&o);
    json_out_end(&o);
    if (json_out_done(&o) || text_putc(out, '\n'))
        il_respond_error(req, 503, "no_memory", "no memory");
    else
        http_respond_out(req, 200, "application/json");
}

/* A name of an attacker's domain has a dot; an address, which a browser took
 * from no name, is digits and dots alone, or in brackets. */
static int
host_is_ours(const struct il_conf *admin, const char *host)
{
    size_t len = *host == '[' ? strlen(host) : strcspn(host, ":");
    while (len && host[len - 1] == '.')
        len--;
    if (*host == '[' || !memchr(host, '.', len)
        || (len > 10 && !strncasecmp(host + len - 10, ".localhost", 10))
        || strspn(host, "0123456789.") >= len)
        return 1;
    for (size_t i = 0; i < option_count(admin, "hosts"); i++) {
        const char *name = option_str(admin, "hosts", i);
        if (strlen(name) == len && !strncasecmp(name, host, len))
            return 1;
    }
    return 0;
}

int
host_admin_admits(struct host *h, struct il_request *req)
{
    const char *host = il_request_header(req, "Host");
    host_look_begin(h);
    int ours = !host || host_is_ours(option_group(h->root, "admin", 0), host);
    host_look_end(h);
    if (ours)
        return 0;
    il_respond_error(req, 403, "host_not_allowed",
                     "the name \"%.200s\" is not among admin.hosts", host);
    return -EACCES;
}

static int
admit(void *self, struct il_request *req)
{
    return host_admin_admits(self, req);
}

/* A lane that somebody else has is no reason to send events elsewhere, but one
 * to look. */
static void
put_fenced(struct json_out *o, struct host *h)
{
    json_out_array(o, "fenced");
    host_look_begin(h);
    const struct assembly *a = h->assembly;
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->lane && lane_is_fenced(a->lanes[i]->lane))
            json_out_str(o, NULL, a->lanes[i]->plan->lane);
    host_look_end(h);
    json_out_end(o);
}

static void
readyz(void *self, struct il_request *req)
{
    struct host *h = self;
    struct il_text *out = http_out(req);
    struct json_out o;
    char why[512] = "not ready";
    int gate = gate_ready(h->gate, why, sizeof(why));
    int serving = atomic_load(&h->serving);
    int ready = !gate && serving;
    json_out_begin(&o, out);
    json_out_object(&o, NULL);
    json_out_str(&o, "status", ready ? "ready" : "not ready");
    if (!ready)
        json_out_array(&o, "reasons");
    if (gate)
        json_out_str(&o, NULL, why);
    if (!serving)
        json_out_str(&o, NULL, "starting or stopping");
    if (!ready)
        json_out_end(&o);
    host_look_begin(h);
    if (serving)
        put_fenced(&o, h);
    host_look_end(h);
    json_out_end(&o);
    if (json_out_done(&o) || text_putc(out, '\n'))
        il_respond_error(req, 503, "no_memory", "no memory");
    else
        http_respond_out(req, ready ? 200 : 503, "application/json");
}

static void
metrics(void *self, struct il_request *req)
{
    (void) self;
    if (metric_export(http_out(req)))
        il_respond_error(req, 503, "no_memory", "no memory");
    else
        http_respond_out(req, 200, "text/plain; version=0.0.4; charset=utf-8");
}

int
host_admin_routes(struct host *h)
{
    static const struct {
        const char *path;
        void (*handle)(void *self, struct il_request *);
    } routes[] = { { "/healthz", healthz },
                   { "/readyz", readyz },
                   { "/metrics", metrics } };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct il_route r = { .struct_size = sizeof(r),
                              .method = "GET",
                              .path = routes[i].path,
                              .admit = admit,
                              .handle = routes[i].handle };
        int err = http_route(h->admin_http, &r, h, NULL);
        if (err)
            return err;
    }
    return host_requests_show(h, h->admin_http);
}
