/* SPDX-License-Identifier: MIT */
/* Routes, and one request's way from its first header to its answer. */
#include "clock.h"
#include "host_api.h"
#include "http_private.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

static const int counted[] = { 200, 201, 202, 204, 400, 401, 403, 404, 405,
                               408, 409, 411, 413, 414, 415, 417, 422, 429, 431,
                               500, 501, 503 };
#define COUNTED (sizeof(counted) / sizeof(counted[0]))

void
http_count_status(struct http *http, int status)
{
    size_t i = 0;
    while (i < COUNTED && counted[i] != status)
        i++;
    metric_add(http->requests[i], 1);
}

void
http_metrics(struct http *http)
{
    for (size_t i = 0; i <= COUNTED; i++) {
        struct il_text labels = { 0 };
        char code[16] = "other";
        if (i < COUNTED)
            snprintf(code, sizeof(code), "%d", counted[i]);
        if (!metric_label(&labels, "server", http->options.name)
            && !text_putc(&labels, ',') && !metric_label(&labels, "code", code))
            http->requests[i]
                = metric_counter("http_requests_total", text_str(&labels),
                                 "HTTP requests answered, by status.");
        text_clear(&labels);
    }
    struct il_text labels = { 0 };
    if (!metric_label(&labels, "server", http->options.name)) {
        http->connections
            = metric_gauge("http_connections", text_str(&labels),
                           "Open HTTP connections.");
        http->bytes = metric_counter("http_received_bytes_total",
                                     text_str(&labels),
                                     "Bytes of request bodies received.");
        http->refused_busy
            = metric_counter("http_busy_total", text_str(&labels),
                             "Requests refused because too many bodies were "
                             "in memory.");
        http->refused
            = metric_counter("http_connections_refused_total",
                             text_str(&labels),
                             "Connections closed at once, because there were "
                             "too many of them or of their address.");
    }
    text_clear(&labels);
}

/* --- routes --------------------------------------------------------------- */

static void
route_free(struct http_route *r)
{
    free((char *) (uintptr_t) r->route.method);
    free((char *) (uintptr_t) r->route.path);
    free(r);
}

int
http_route(struct http *http, const struct il_route *route, void *self,
           struct gate_source *owner)
{
    size_t size = route->struct_size, len = strlen(route->path);
    struct http_route **routes
        = realloc(http->routes, (http->route_count + 1) * sizeof(*routes));
    if (!routes)
        return -ENOMEM;
    http->routes = routes;
    struct http_route *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    memcpy(&r->route, route, size < sizeof(r->route) ? size : sizeof(r->route));
    r->below = len > 0 && route->path[len - 1] == '*';
    r->path_len = len - (r->below ? 1 : 0);
    r->self = self;
    r->owner = owner;
    r->route.method = strdup(route->method);
    r->route.path = strdup(route->path);
    if (!r->route.method || !r->route.path) {
        route_free(r);
        return -ENOMEM;
    }
    routes[http->route_count++] = r;
    return 0;
}

int
http_route_has_path(const struct http_route *r, const char *path, size_t len)
{
    return (r->below ? len >= r->path_len : len == r->path_len)
           && !memcmp(r->route.path, path, r->path_len);
}

static int
route_has_method(const struct http_route *r, const char *method)
{
    return !strcmp(r->route.method, method)
           || (!strcmp(method, "HEAD") && !strcmp(r->route.method, "GET"));
}

void
http_methods(const struct il_request *req, char out[HTTP_METHODS])
{
    static const char *const known[]
        = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    const struct http *http = req->conn->loop->http;
    size_t len = strlen(req->path);
    strcpy(out, "OPTIONS");
    for (size_t m = 0; m < sizeof(known) / sizeof(known[0]); m++)
        for (size_t i = 0; i < http->route_count; i++) {
            const struct http_route *r = http->routes[i];
            if (!http_route_has_path(r, req->path, len)
                || !route_has_method(r, known[m]))
                continue;
            strcat(out, ", ");
            strcat(out, known[m]);
            break;
        }
}

static void
allow_header(struct il_request *req)
{
    char methods[HTTP_METHODS];
    http_methods(req, methods);
    request_respond_header(req, "Allow", methods);
}

static void
refuse_stranger(struct il_request *req)
{
    const char *value = request_header(req, "Authorization");
    if (!value)
        request_error(req, 401, "unauthorized",
                      "no Authorization header: send \"Authorization: Bearer "
                      "KEY\"");
    else if (!strncasecmp(value, "Basic ", 6))
        request_error(req, 401, "unauthorized",
                      "no key that is known here is the user name of the "
                      "Authorization header");
    else if (strncasecmp(value, "Bearer ", 7) || !value[7])
        request_error(req, 401, "unauthorized",
                      "the Authorization header is not of the form \"Bearer "
                      "KEY\"");
    else
        request_error(req, 401, "unauthorized", "this key is not known here");
}

/* Find who takes the request, from a route on.  0, or -EINVAL after an
 * answer. */
static int
admit(struct http *http, struct il_request *req, size_t from)
{
    size_t len = strlen(req->path);
    int path_known = 0, asked = 0, absent = 0;
    for (size_t i = from; i < http->route_count; i++) {
        struct http_route *r = http->routes[i];
        if (!http_route_has_path(r, req->path, len))
            continue;
        path_known = 1;
        if (!route_has_method(r, req->method))
            continue;
        req->route = r;
        req->sender = NULL;
        int rc = r->route.admit ? r->route.admit(r->self, req) : 0;
        asked |= rc != IL_NOT_HERE;
        absent |= rc == IL_NOT_HERE;
        if ((rc == 0 || rc == IL_UNPROVEN) && !req->status) {
            req->admitted = rc == 0;
            req->max_body = r->route.max_body ? r->route.max_body
                                              : http->options.max_body;
            return 0;
        }
        if ((rc == IL_NOT_MINE || rc == IL_NOT_HERE) && !req->status)
            continue;
        if (!req->status)
            request_error(req, 500, "internal",
                          "the source could not admit the request");
        req->admitted = req->sender != NULL;
        return -EINVAL;
    }
    req->route = NULL;
    req->sender = NULL;
    if (from) {
        request_error(req, 401, "unauthorized", "this key is not known here");
    } else if (asked) {
        refuse_stranger(req);
    } else if (http->pages && http_cors_preflight(req)) {
        return -EINVAL;
    } else if (!strcmp(req->method, "OPTIONS")
               && (path_known || !strcmp(req->path, "*"))) {
        allow_header(req);
        http_out(req);
        http_respond_out(req, 204, NULL);
    } else if (path_known && !absent) {
        allow_header(req);
        request_error(req, 405, "method_not_allowed",
                      "%.20s is not possible on this path", req->method);
    } else {
        request_error(req, 404, "not_found", "there is nothing at this path");
    }
    return -EINVAL;
}

/* --- one request ---------------------------------------------------------- */

static enum MHD_Result
answer(struct il_request *req)
{
    struct http *http = req->conn->loop->http;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        req->out.len, req->out.len ? req->out.data : (void *) "",
        MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    if (req->type_text[0])
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                req->type_text);
    for (uint32_t at = 0; at < req->extra_len;) {
        const char *name = req->extra + at, *value = name + strlen(name) + 1;
        MHD_add_response_header(response, name, value);
        at = (uint32_t) (value + strlen(value) + 1 - req->extra);
    }
    if (http->pages)
        http_cors_answer(req, response);
    if (req->shut || atomic_load(&http->quiesce))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result rc
        = MHD_queue_response(req->mhd, (unsigned) req->status, response);
    MHD_destroy_response(response);
    if (rc == MHD_YES)
        http_count_status(http, req->status);
    req->queued = 1;
    return rc;
}

static void
request_reset(struct il_request *req)
{
    req->mhd = NULL;
    req->route = NULL;
    req->sender = NULL;
    req->received = 0;
    req->encoding = HTTP_IDENTITY;
    req->active = req->ended = req->discard = req->admitted = 0;
    req->chunked = req->shut = req->queued = 0;
    req->deferred = req->handled = req->declined = 0;
    req->code = NULL;
    req->status = req->receipt = 0;
    req->out.len = 0;
    req->type_text[0] = req->peer[0] = 0;
    req->extra_len = 0;
    req->ready = NULL;
    if (req->out.cap > 65536)
        text_clear(&req->out);
}

/* The headers are in. */
static enum MHD_Result
request_begin(struct il_request *req, const char *version,
              const char *target_end)
{
    struct http *http = req->conn->loop->http;
    int expects = head_check(req, version, target_end);
    if (expects >= 0 && admit(http, req, 0) == 0)
        body_begin(req);
    if (!req->status)
        return MHD_YES;
    /* Refused.  What is on its way is taken in and thrown away where that is
     * cheap; a sender that waits for "100 Continue" is told at once. */
    req->discard = 1;
    if (!req->max_body)
        req->max_body = http->options.max_body;
    if (!req->shut && expects <= 0 && !req->chunked
        && req->length
               <= (req->admitted ? HTTP_DRAIN_ADMITTED : HTTP_DRAIN_STRANGER))
        return MHD_YES;
    req->shut = 1;
    request_tell_refused(req);
    return answer(req);
}

/* Who takes the request may find out from the body that it is another's. */
static void
request_handle(struct il_request *req)
{
    struct http *http = req->conn->loop->http;
    for (;;) {
        req->handled = 1;
        req->declined = 0;
        req->route->route.handle(req->route->self, req);
        if (!req->declined || req->status || req->is_held)
            return;
        size_t next = 0;
        while (http->routes[next++] != req->route)
            ;
        req->handled = 0;
        if (admit(http, req, next))
            return;
        if (req->body.len > req->max_body) {
            request_error(req, 413, "body_too_large",
                          "the body is larger than %llu bytes",
                          (unsigned long long) req->max_body);
            return;
        }
    }
}

enum MHD_Result
http_serve(void *cls, struct MHD_Connection *mhd, const char *url,
           const char *method, const char *version, const char *data,
           size_t *size, void **state)
{
    (void) cls;
    const union MHD_ConnectionInfo *info
        = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_conn *conn = info ? info->socket_context : NULL;
    if (!conn)
        return MHD_NO;
    struct il_request *req = &conn->req;
    if (!req->active) {
        const char *target_end = *state;
        *state = req;
        req->api = host_api();
        req->active = 1;
        req->mhd = mhd;
        req->method = method;
        req->path = url;
        req->begun_us = clock_monotonic_us();
        return request_begin(req, version, target_end);
    }
    if (*size) {
        int err = body_take(req, data, *size);
        *size = 0;
        return err ? MHD_NO : MHD_YES;
    }
    if (!req->ended) {
        req->ended = 1;
        metric_add(conn->loop->http->bytes, req->received);
        if (!req->status && body_end(req) == 0) {
            request_handle(req);
            if (!req->is_held && !req->status)
                request_error(req, 500, "internal",
                              "the source did not answer");
        }
        /* One that was deferred belongs to the worker's thread by now. */
        if (!req->deferred) {
            request_tell_refused(req);
            body_release(req);
        }
        if (req->is_held)
            return MHD_YES;
    }
    if (req->queued || (req->is_held && !http_hold_ask(req)))
        return MHD_YES;
    return answer(req);
}

void
http_completed(void *cls, struct MHD_Connection *mhd, void **state,
               enum MHD_RequestTerminationCode why)
{
    (void) cls;
    (void) why;
    const union MHD_ConnectionInfo *info
        = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_conn *conn = info ? info->socket_context : NULL;
    if (!conn || !conn->req.active)
        return;
    struct il_request *req = &conn->req;
    if (req->is_held)
        http_hold_remove(req);
    body_release(req);
    req->conn->since_us = clock_monotonic_us();
    request_reset(req);
    *state = NULL;
}


/* --- the server ----------------------------------------------------------- */

static int
options_copy(struct http *http, const struct http_options *from)
{
    struct http_options *o = &http->options;
    *o = *from;
    o->max_body = o->max_body ? o->max_body : 4 << 20;
    o->max_buffered = o->max_buffered ? o->max_buffered : 64 << 20;
    o->max_connections = o->max_connections ? o->max_connections : 10000;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : 30000;
    o->threads = o->threads ? o->threads : 1;
    o->socket_mode = o->socket_mode ? o->socket_mode : 0660;
    o->name = http->name = strdup(from->name);
    http->listeners = calloc(o->listen_count + 1, sizeof(*http->listeners));
    if (!http->name || !http->listeners)
        return -ENOMEM;
    for (size_t i = 0; i < o->listen_count; i++)
        if (!(http->listeners[i].text = strdup(from->listen[i])))
            return -ENOMEM;
    o->listen = NULL;
    return 0;
}

int
http_new(const struct http_options *options, struct http **out)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http)
        return -ENOMEM;
    int err = options_copy(http, options);
    if (!err) {
        http->loops = calloc(http->options.threads, sizeof(*http->loops));
        err = http->loops ? 0 : -ENOMEM;
    }
    if (err) {
        http_free(http);
        return err;
    }
    pthread_mutex_init(&http->peers.lock, NULL);
    if (getrandom(&http->peers.seed, sizeof(http->peers.seed), 0) < 0)
        http->peers.seed = (uint64_t) (uintptr_t) http;
    atomic_init(&http->refused_told, INT64_MIN / 2);
    pthread_mutex_init(&http->work_lock, NULL);
    pthread_cond_init(&http->work_wake, NULL);
    http->loop_count = http->options.threads;
    http->lax_library = head_library_is_lax();
    for (size_t i = 0; i < http->loop_count; i++) {
        http->loops[i].http = http;
        http->loops[i].epoll = http->loops[i].wake = -1;
    }
    http_metrics(http);
    *out = http;
    return 0;
}

void
http_free(struct http *http)
{
    if (!http)
        return;
    http_stop(http, 0);
    for (size_t i = 0; i < http->loop_count; i++)
        http_loop_close(&http->loops[i]);
    for (size_t i = 0; i < http->route_count; i++)
        route_free(http->routes[i]);
    for (size_t i = 0; http->listeners && i < http->options.listen_count; i++) {
        http_unlisten(&http->listeners[i]);
        free(http->listeners[i].text);
    }
    free(http->peers.table);
    if (http->loop_count) {
        pthread_mutex_destroy(&http->peers.lock);
        pthread_mutex_destroy(&http->work_lock);
        pthread_cond_destroy(&http->work_wake);
    }
    free(http->routes);
    free(http->loops);
    free(http->listeners);
    free(http->name);
    free(http);
}
