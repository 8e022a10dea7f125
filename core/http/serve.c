/* SPDX-License-Identifier: MIT */
/* One request's way from its head to its answer, whatever brings its bytes. */
#include "base/api.h"

#include "private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* --- who takes it --------------------------------------------------------- */

static void
allow_header(struct il_request *req)
{
    char methods[HTTP_METHODS];
    http_methods(req, methods);
    http_request_respond_header(req, "Allow", methods);
}

static void
refuse_stranger(struct il_request *req)
{
    const char *value = http_request_header(req, "Authorization");
    if (!value)
        http_request_error(
            req, 401, "unauthorized",
            "no Authorization header: send \"Authorization: Bearer "
            "KEY\"");
    else if (!strncasecmp(value, "Basic ", 6))
        http_request_error(req, 401, "unauthorized",
                           "no key that is known here is the user name of the "
                           "Authorization header");
    else if (strncasecmp(value, "Bearer ", 7) || !value[7])
        http_request_error(
            req, 401, "unauthorized",
            "the Authorization header is not of the form \"Bearer "
            "KEY\"");
    else
        http_request_error(req, 401, "unauthorized",
                           "this key is not known here");
}

/* A URL that somebody put together often has a slash too many.  Other paths are
 * not told of: some are secrets. */
static void
refuse_path(struct il_request *req)
{
    const struct http_site *site = http_site_of(req);
    const char *hint = "";
    char path[256];
    size_t len = 0;
    const size_t whole = strlen(req->path);
    for (const char *c = req->path; *c && whole < sizeof(path); c++)
        if (*c != '/' || !len || path[len - 1] != '/')
            path[len++] = *c;
    if (len > 1 && path[len - 1] == '/')
        len--;
    for (size_t i = 0; i < site->route_count && len && len < whole; i++)
        if (http_route_has_path(site->routes[i], path, len))
            hint = "; it has a slash too many";
    http_request_error(req, 404, "not_found", "there is nothing at this path%s",
                       hint);
}

/* Find who takes the request, from a route on.  0, or -EINVAL after an
 * answer. */
static int
admit(struct il_request *req, size_t from)
{
    const struct http_site *site = http_site_of(req);
    size_t len = strlen(req->path);
    int path_known = 0, asked = 0, absent = 0;
    for (size_t i = from; i < site->route_count; i++) {
        struct http_route *r = site->routes[i];
        if (!http_route_has_path(r, req->path, len))
            continue;
        path_known = 1;
        if (!http_route_has_method(r, req->method))
            continue;
        req->route = r;
        req->sender = NULL;
        int rc = r->route.admit ? r->route.admit(r->self, req) : 0;
        asked |= rc != IL_NOT_HERE;
        absent |= rc == IL_NOT_HERE;
        if ((rc == 0 || rc == IL_UNPROVEN) && !req->status) {
            req->admitted = rc == 0;
            req->max_body =
                r->route.max_body ? r->route.max_body : site->max_body;
            return 0;
        }
        if ((rc == IL_NOT_MINE || rc == IL_NOT_HERE) && !req->status)
            continue;
        if (!req->status)
            http_request_error(req, 500, "internal",
                               "the source could not admit the request");
        req->admitted = req->sender != NULL;
        return -EINVAL;
    }
    req->route = NULL;
    req->sender = NULL;
    if (from) {
        http_request_error(req, 401, "unauthorized",
                           "this key is not known here");
    } else if (asked) {
        refuse_stranger(req);
    } else if (site->pages && http_cors_preflight(req)) {
        return -EINVAL;
    } else if (!strcmp(req->method, "OPTIONS")
               && (path_known || !strcmp(req->path, "*"))) {
        allow_header(req);
        http_out(req);
        http_respond_out(req, 204, NULL);
    } else if (path_known && !absent) {
        allow_header(req);
        http_request_error(req, 405, "method_not_allowed",
                           "%.20s is not possible on this path", req->method);
    } else {
        refuse_path(req);
    }
    return -EINVAL;
}

/* --- one request ---------------------------------------------------------- */

static void
refuse_head(struct il_request *req)
{
    struct head *head = &req->head;
    req->method = req->path = "";
    head->count = 0; /* nothing of it is believed */
    http_request_error(req, head->status, head->code, "%s", head->why);
}

static void
know_target(struct il_request *req)
{
    const struct head *head = &req->head;
    char *path = req->in + head->target;
    char *query = memchr(path, '?', head->target_len);
    size_t len = query ? (size_t) (query - path) : head->target_len;
    if (query) {
        *query = 0;
        req->query = query + 1;
    }
    path[http_head_unescape(path, len, 0)] = 0;
    req->path = path;
}

void
http_serve_begin(struct il_request *req)
{
    const struct head *head = &req->head;
    http_seat_sit(req);
    req->api = api_table();
    req->begun_us = req->conn->loop->now_us;
    req->max_body = http_site_of(req)->max_body;
    if (head->status) {
        refuse_head(req);
        return;
    }
    req->method = req->in + head->method;
    know_target(req);
    if (head->packings)
        req->packing = req->in + head->fields[head->packing].value;
    if (!admit(req, 0))
        http_body_begin(req);
    if (req->admitted)
        http_peer_known(req->conn);
    req->discard = req->status != 0;
}

/* What is on its way is taken in and thrown away where that is cheap; a sender
 * that waits for "100 Continue" is told at once. */
int
http_serve_drains(struct il_request *req)
{
    const struct head *head = &req->head;
    if (!head->status && !head->expects && !head_is_chunked(head)
        && head->length
               <= (req->admitted ? HTTP_DRAIN_ADMITTED : HTTP_DRAIN_STRANGER))
        return 1;
    http_request_tell_refused(req);
    return 0;
}

/* Who takes the request may find out from the body that it is another's. */
static void
request_handle(struct il_request *req)
{
    const struct http_site *site = http_site_of(req);
    for (;;) {
        req->handled = 1;
        req->declined = 0;
        req->route->route.handle(req->route->self, req);
        if (!req->declined || req->status || req->is_held)
            return;
        size_t next = 0;
        while (site->routes[next++] != req->route)
            ;
        req->handled = 0;
        if (admit(req, next))
            return;
        if (req->body.len > req->max_body) {
            http_request_error(req, 413, "body_too_large",
                               "the body is larger than %llu bytes",
                               (unsigned long long) req->max_body);
            return;
        }
    }
}

void
http_serve_end(struct il_request *req)
{
    metric_add(req->conn->loop->http->bytes, req->received);
    if (!req->status && http_body_end(req) == 0) {
        request_handle(req);
        if (req->sender)
            http_peer_known(req->conn);
        if (!req->is_held && !req->status)
            http_request_error(req, 500, "internal",
                               "the source did not answer");
    }
    if (req->deferred) {
        http_work_give(req); /* it is the worker's thread's from here on */
        return;
    }
    http_request_tell_refused(req);
    http_body_release(req);
}

void
http_serve_break(struct il_request *req)
{
    if (!req->status)
        http_request_error(req, 400, "bad_framing",
                           "the chunks of the body cannot be told apart");
    req->shut = 1;
    http_request_tell_refused(req);
}
