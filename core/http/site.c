/* SPDX-License-Identifier: MIT */
/* What a server serves, and its replacement while it runs.
 *
 * A request ends with what it began with.  A loop takes a new site at the
 * beginning of a round; requests of before keep their seat, and so the site
 * that belongs to it.  A seat is its loop's alone; how many a site has is under
 * the server's lock, which nobody takes for a request. */
#include "private.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- making --------------------------------------------------------------- */

int
http_site_new(const struct http_options *o, struct http_site **out)
{
    struct http_site *site = calloc(1, sizeof(*site));
    *out = site;
    if (!site)
        return -ENOMEM;
    site->max_body = o->max_body ? o->max_body : HTTP_MAX_BODY;
    site->trusted = o->trusted;
    site->trusted_count = o->trusted_count;
    site->trust_unix = o->trust_unix;
    return 0;
}

static void
route_free(struct http_route *r)
{
    free((char *) (uintptr_t) r->route.method);
    free((char *) (uintptr_t) r->route.path);
    free(r);
}

void
http_site_free(struct http_site *site)
{
    if (!site)
        return;
    for (size_t i = 0; i < site->route_count; i++)
        route_free(site->routes[i]);
    free(site->routes);
    free(site);
}

int
http_site_route(struct http_site *site, const struct il_route *route,
                void *self, void *owner)
{
    size_t size = route->struct_size, len = strlen(route->path);
    struct http_route **routes =
        realloc(site->routes, (site->route_count + 1) * sizeof(*routes));
    if (!routes)
        return -ENOMEM;
    site->routes = routes;
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
    routes[site->route_count++] = r;
    return 0;
}

int
http_route(struct http *http, const struct il_route *route, void *self,
           void *owner)
{
    return http_site_route(http->site, route, self, owner);
}

struct http_site *
http_site(struct http *http)
{
    return http->site;
}

/* --- looking -------------------------------------------------------------- */

int
http_route_has_path(const struct http_route *r, const char *path, size_t len)
{
    return (r->below ? len >= r->path_len : len == r->path_len)
           && !memcmp(r->route.path, path, r->path_len);
}

int
http_route_has_method(const struct http_route *r, const char *method)
{
    return !strcmp(r->route.method, method)
           || (!strcmp(method, "HEAD") && !strcmp(r->route.method, "GET"));
}

void
http_methods(const struct il_request *req, char out[HTTP_METHODS])
{
    static const char *const known[] = { "GET", "HEAD",  "POST",
                                         "PUT", "PATCH", "DELETE" };
    const struct http_site *site = http_site_of(req);
    size_t len = strlen(req->path);
    strcpy(out, "OPTIONS");
    for (size_t m = 0; m < sizeof(known) / sizeof(known[0]); m++)
        for (size_t i = 0; i < site->route_count; i++) {
            const struct http_route *r = site->routes[i];
            if (!http_route_has_path(r, req->path, len)
                || !http_route_has_method(r, known[m]))
                continue;
            strcat(out, ", ");
            strcat(out, known[m]);
            break;
        }
}

/* --- replacing ------------------------------------------------------------ */

static void
seat_leave(struct http *http, struct http_seat *seat)
{
    pthread_mutex_lock(&http->site_lock);
    seat->site->seats--;
    pthread_mutex_unlock(&http->site_lock);
    free(seat);
}

void
http_seat_take(struct http_loop *loop)
{
    struct http *http = loop->http;
    struct http_seat *old = loop->seat;
    if (old && old->site == atomic_load(&http->site))
        return;
    struct http_seat *seat = calloc(1, sizeof(*seat));
    if (!seat)
        return; /* the next round is soon */
    pthread_mutex_lock(&http->site_lock);
    seat->site = atomic_load(&http->site);
    seat->site->seats++;
    pthread_mutex_unlock(&http->site_lock);
    loop->seat = seat;
    if (old && !old->requests)
        seat_leave(http, old);
}

void
http_seat_end(struct http_loop *loop)
{
    if (loop->seat && !loop->seat->requests)
        seat_leave(loop->http, loop->seat);
    loop->seat = NULL;
}

void
http_seat_sit(struct il_request *req)
{
    req->seat = req->conn->loop->seat;
    req->seat->requests++;
}

void
http_seat_rise(struct il_request *req)
{
    struct http_loop *loop = req->conn->loop;
    struct http_seat *seat = req->seat;
    req->seat = NULL;
    if (seat && !--seat->requests && seat != loop->seat)
        seat_leave(loop->http, seat);
}

struct http_site *
http_serve(struct http *http, struct http_site *site)
{
    pthread_mutex_lock(&http->site_lock);
    struct http_site *old = atomic_exchange(&http->site, site);
    pthread_mutex_unlock(&http->site_lock);
    for (size_t i = 0; i < http->loop_count; i++)
        if (http->loops[i].started)
            http_loop_ring(&http->loops[i]);
    return old;
}

int
http_site_in_use(struct http *http, const struct http_site *site)
{
    pthread_mutex_lock(&http->site_lock);
    int used = site->seats || atomic_load(&http->site) == site;
    pthread_mutex_unlock(&http->site_lock);
    return used;
}
