/* SPDX-License-Identifier: MIT */
/* Requests to the running daemon: the table of them, and the two servers that
 * have it.  Paths name what there is, and '*' in one is a lane's name, which may
 * have slashes. */
#include "requests.h"

#include "effective.h"
#include "private.h"
#include "tap.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/json_out.h"
#include "http/http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Clients of the control socket at a time; one that says or hears nothing is
 * let go. */
#define CLIENTS_MAX 32
#define CLIENT_TIMEOUT_MS 5000
/* Two of the largest, and what is beside them. */
#define BUFFERED_MAX (2ull * CONTROL_MAX_BYTES + (32u << 20))
#define BODY_MAX (1u << 20)
#define ROUTE_MAX 64

enum {
    READS = 1, /* waits for nothing, and is answered at once */
    SHOWN = 2, /* also on the admin listener: it tells no payload */
    LOOKS = 4  /* at the assembly, which does not change meanwhile */
};

struct host_request_kind {
    const char *method, *path;
    host_request_fn *fn;
    int flags;
    uint64_t max_body; /* 0: BODY_MAX */
};

static int config(struct host_request *);
static int jobs(struct host_request *);
static int cancel(struct host_request *);

static const struct host_request_kind kinds[] = {
    { "GET", "/v1/status", host_status, READS | SHOWN | LOOKS, 0 },
    { "GET", "/v1/lanes", host_lanes, READS | SHOWN | LOOKS, 0 },
    { "GET", "/v1/lanes/*", host_look, READS | SHOWN | LOOKS, 0 },
    { "POST", "/v1/lanes/*/pause", host_pause, LOOKS, 0 },
    { "POST", "/v1/lanes/*/resume", host_resume, LOOKS, 0 },
    { "POST", "/v1/lanes/*/replay", host_replay, 0, 0 },
    { "POST", "/v1/lanes/*/forget", host_forget_request, 0, 0 },
    { "POST", "/v1/lanes/*/retry", host_retry, LOOKS, 0 },
    { "POST", "/v1/lanes/*/due", host_due, LOOKS, 0 },
    /* not shown: it tells more of far sides than whoever has no key should know */
    { "GET", "/v1/config", config, READS | LOOKS, 0 },
    { "POST", "/v1/emit", host_emit, 0, CONTROL_MAX_BYTES },
    { "GET", "/v1/upgrade", host_upgrade_look, READS, 0 },
    { "POST", "/v1/upgrade", host_upgrade_ask, 0, 0 },
    { "POST", "/v1/reload", host_reload_request, 0, 0 },
    { "GET", "/v1/tap", host_tap, LOOKS, 0 },
    { "GET", "/v1/jobs", jobs, READS | SHOWN, 0 },
    { "POST", "/v1/jobs/*/cancel", cancel, READS, 0 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* One of them at one of the servers. */
struct bound {
    struct host *host;
    const struct host_request_kind *kind;
    int (*admit)(struct host *, struct il_request *);
};

struct host_requests {
    struct bound shown[KINDS], all[KINDS];
    struct http *control;
    int dir; /* by which the control socket is named, or -1 */
};

/* --- answers --- */

void
host_answer_begin(struct host_request *r, struct json_out *o)
{
    json_out_begin(o, r->out);
    json_out_object(o, NULL);
}

int
host_answer(struct host_request *r, struct json_out *o)
{
    json_out_end(o);
    if (json_out_done(o) || text_putc(r->out, '\n'))
        return host_refuse(r, 503, "no_memory", "no memory");
    return 200;
}

int
host_refuse(struct host_request *r, int status, const char *code,
            const char *fmt, ...)
{
    struct il_text message = { 0 };
    struct json_out o;
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&message, fmt, ap);
    va_end(ap);
    r->out->len = 0;
    r->type = NULL;
    host_answer_begin(r, &o);
    json_out_object(&o, "error");
    json_out_str(&o, "message", text_str(&message));
    json_out_str(&o, "code", code);
    json_out_end(&o);
    json_out_end(&o);
    if (json_out_done(&o) || text_putc(r->out, '\n'))
        r->out->len = 0; /* the status must do */
    text_clear(&message);
    return status;
}

/* --- what is asked --- */

/* What stands for the '*' of a path. */
static int
find_name(const struct host_request_kind *kind, const char *path, char *out)
{
    const char *star = strchr(kind->path, '*');
    if (!star)
        return 0;
    const size_t before = (size_t) (star - kind->path);
    const size_t after = strlen(star + 1), len = strlen(path);
    if (len <= before + after || len - before - after > DEAD_LANE_MAX
        || strcmp(path + len - after, star + 1) != 0)
        return -ENOENT;
    snprintf(out, DEAD_LANE_MAX + 1, "%.*s", (int) (len - before - after),
             path + before);
    return 0;
}

static void
answer(void *arg, struct il_request *req)
{
    const struct bound *b = arg;
    struct host_request r = { .host = b->host,
                              .http = req,
                              .quotes = !b->admit };
    r.body.ptr = il_request_body(req, &r.body.len);
    r.out = http_out(req);
    find_name(b->kind, il_request_path(req), r.name);
    if (b->kind->flags & LOOKS)
        host_look_begin(b->host);
    int status = b->kind->fn(&r);
    if (b->kind->flags & LOOKS)
        host_look_end(b->host);
    if (status)
        http_respond_out(req, status, r.type ? r.type : "application/json");
}

static void
handle(void *self, struct il_request *req)
{
    const struct bound *b = self;
    if (b->kind->flags & READS)
        answer(self, req);
    else
        http_defer(req, answer, self);
}

static int
admit(void *self, struct il_request *req)
{
    const struct bound *b = self;
    char name[DEAD_LANE_MAX + 1];
    if (find_name(b->kind, il_request_path(req), name))
        return IL_NOT_HERE;
    return b->admit ? b->admit(b->host, req) : 0;
}

/* --- the two servers --- */

/* A route ends with its '*'. */
static int
put_route(struct bound *b, struct http *http)
{
    char path[ROUTE_MAX];
    const char *star = strchr(b->kind->path, '*');
    snprintf(path, sizeof(path), "%.*s",
             star ? (int) (star - b->kind->path) + 1 : ROUTE_MAX - 1,
             b->kind->path);
    const struct il_route route = { .struct_size = sizeof(route),
                                    .method = b->kind->method,
                                    .path = path,
                                    .max_body = b->kind->max_body,
                                    .admit = admit,
                                    .handle = handle };
    return http_route(http, &route, b, NULL);
}

static struct host_requests *
requests_of(struct host *h)
{
    if (!h->requests && (h->requests = calloc(1, sizeof(*h->requests))))
        h->requests->dir = -1;
    if (!h->jobs)
        h->jobs = host_jobs_new();
    if (!h->taps)
        h->taps = host_taps_new();
    return h->jobs && h->taps ? h->requests : NULL;
}

int
host_requests_show(struct host *h, struct http *admin)
{
    struct host_requests *r = requests_of(h);
    int err = r ? 0 : -ENOMEM;
    for (size_t i = 0; i < KINDS && !err; i++) {
        r->shown[i] = (struct bound){ h, &kinds[i], host_admin_admits };
        if ((kinds[i].flags & (READS | SHOWN)) == (READS | SHOWN))
            err = put_route(&r->shown[i], admin);
    }
    return err;
}

/* A copy, a backup or a power cut may have left a file in the socket's place.
 * The name is ours, and a start does not wait for somebody to clear it. */
static void
clear_control(const char *path)
{
    struct stat st;
    if (lstat(path, &st) || S_ISSOCK(st.st_mode) || S_ISDIR(st.st_mode))
        return;
    log_warn("control: \"%s\" is a file in the socket's place: removed", path);
    unlink(path);
}

static int
make_control(struct host_requests *r, const char *state_dir,
             struct http_inherited *inherited)
{
    char path[CONTROL_PATH_MAX], address[sizeof("unix:") + CONTROL_PATH_MAX];
    int err = control_path(state_dir, path, &r->dir);
    if (err) {
        log_error("cannot listen on the control socket in %s: %s", state_dir,
                  strerror(-err));
        return err;
    }
    clear_control(path);
    snprintf(address, sizeof(address), "unix:%s", path);
    const char *listen[] = { address };
    const struct http_options o = { .name = "control",
                                    .inherited = inherited,
                                    .listen = listen,
                                    .listen_count = 1,
                                    .socket_mode = 0600,
                                    .max_body = BODY_MAX,
                                    .max_buffered = BUFFERED_MAX,
                                    .max_connections = CLIENTS_MAX,
                                    .timeout_ms = CLIENT_TIMEOUT_MS };
    return http_new(&o, &r->control);
}

int
host_requests_start(struct host *h)
{
    struct host_requests *r = requests_of(h);
    int err = r ? make_control(r, h->state_dir, h->inherited) : -ENOMEM;
    for (size_t i = 0; i < KINDS && !err; i++) {
        r->all[i] = (struct bound){ h, &kinds[i], NULL };
        err = put_route(&r->all[i], r->control);
    }
    return err ? err : http_start(r->control);
}

void
host_requests_rest(struct host *h)
{
    if (h->requests && h->requests->control)
        http_rest(h->requests->control);
}

int64_t
host_requests_until(const struct host *h)
{
    return h->leaving ? h->deadline_us : clock_monotonic_us();
}

void
host_requests_stop(struct host *h)
{
    struct host_requests *r = h->requests;
    if (h->taps)
        host_taps_stop(h->taps);
    if (h->jobs)
        host_jobs_stop(h->jobs);
    if (r && r->control)
        http_stop(r->control, host_requests_until(h));
    host_stop_admin(h);
    if (!r)
        return;
    host_leave(h, r->control);
    http_free(r->control);
    if (r->dir >= 0)
        close(r->dir);
    free(r);
    if (h->taps)
        host_taps_free(h->taps);
    if (h->jobs)
        host_jobs_free(h->jobs);
    h->taps = NULL;
    h->requests = NULL;
    h->jobs = NULL;
}

/* --- those that are the doing of one function elsewhere --- */

static int
config(struct host_request *r)
{
    const struct plan *plan = r->host->taken;
    const char *as = il_request_query(r->http, "as");
    struct json_out o;
    if (as && !strcmp(as, "text")) {
        r->type = "text/plain; charset=utf-8";
        return host_effective_text(r->out, plan)
                   ? host_refuse(r, 503, "no_memory", "no memory")
                   : 200;
    }
    host_answer_begin(r, &o);
    host_effective_json(&o, plan);
    return host_answer(r, &o);
}

static int
jobs(struct host_request *r)
{
    struct json_out o;
    host_answer_begin(r, &o);
    host_jobs_put(r->host->jobs, &o);
    return host_answer(r, &o);
}

static int
cancel(struct host_request *r)
{
    struct json_out o;
    if (host_jobs_cancel(r->host->jobs, r->name))
        return host_refuse(r, 404, "unknown_job",
                           "there is no job %s, or it has ended", r->name);
    host_answer_begin(r, &o);
    json_out_str(&o, "id", r->name);
    json_out_bool(&o, "cancelled", 1);
    return host_answer(r, &o);
}
