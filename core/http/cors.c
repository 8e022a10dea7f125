/* SPDX-License-Identifier: MIT */
/* Web pages as senders: which of them may read our answers (CORS).
 *
 * Browsers ask before they let a page send what a form could not send, and show
 * an answer to the page only where it says so.  Both depend on the origin of
 * the page alone: a preflight shows no key.  Whether the key may be used from
 * there is asked when it comes (il_request_sender()).
 *
 * Nothing here counts on what a browser adds by itself: no cookies, no
 * addresses that are trusted.  Access-Control-Allow-Credentials is never sent,
 * so that an origin that is told back gains nothing but to read the answer to
 * a request that showed a key. */
#include "origin.h"
#include "private.h"

#include <errno.h>
#include <string.h>

/* What browsers keep a preflight's answer for, at most: Chromium's limit. */
#define MAX_AGE "7200"
/* "*" does not cover Authorization; the others are named for browsers that take
 * it for a name. */
#define REQUEST_HEADERS                                                        \
    "Authorization, Content-Type, Content-Encoding, traceparent, tracestate, " \
    "baggage, *"
#define RESPONSE_HEADERS "Retry-After, Location"

void
http_site_allow_origins(struct http_site *site, const void *owner,
                        const struct http_sender *senders)
{
    for (const struct http_sender *s = senders; s; s = s->next)
        site->pages |= s->origin_count > 0;
    for (size_t i = 0; i < site->route_count; i++)
        if (site->routes[i]->owner == owner)
            site->routes[i]->senders = senders;
}

/* Of a list: does any of them name this origin ("*" for all: 2)? */
static int
knows_origin(const struct http_sender *s, const char *origin)
{
    int known = 0;
    for (; s; s = s->next)
        for (size_t i = 0; i < s->origin_count && known < 2; i++)
            if (http_origin_fits(&s->origins[i], origin))
                known = s->origins[i].all ? 2 : known ? known : 1;
    return known;
}

/* Has any source that serves the path senders on pages, and is this origin one
 * of theirs?  2: every origin is. */
static int
origin_known(const struct il_request *req, const char *origin, int *pages)
{
    const struct http_site *site = http_site_of(req);
    const struct http_sender *seen = NULL;
    size_t len = strlen(req->path);
    int known = 0;
    *pages = 0;
    for (size_t i = 0; i < site->route_count && known < 2; i++) {
        const struct http_route *r = site->routes[i];
        if (!r->senders || r->senders == seen
            || !http_route_has_path(r, req->path, len))
            continue;
        seen = r->senders;
        for (const struct http_sender *s = seen; s; s = s->next)
            *pages |= s->origin_count > 0;
        int here = origin ? knows_origin(seen, origin) : 0;
        known = here > known ? here : known;
    }
    return known;
}

static int
is_preflight(const struct il_request *req)
{
    return !strcmp(req->method, "OPTIONS")
           && http_request_header(req, "Access-Control-Request-Method");
}

int
http_cors_preflight(struct il_request *req)
{
    const char *origin = http_request_header(req, "Origin");
    int pages;
    if (!origin || !is_preflight(req))
        return 0;
    int known = origin_known(req, origin, &pages);
    if (!pages)
        return 0;
    if (!known) {
        http_request_error(
            req, 403, "origin_not_allowed",
            "no key that is known here may be used from pages of "
            "\"%.200s\"",
            origin);
        return 1;
    }
    http_out(req);
    http_respond_out(req, 204, NULL);
    return 1;
}

int
http_cors_answer(const struct il_request *req, struct il_text *head)
{
    const char *origin = http_request_header(req, "Origin");
    char methods[HTTP_METHODS];
    int pages;
    if (!origin && strcmp(req->method, "GET") && strcmp(req->method, "HEAD"))
        return 0; /* nobody keeps the answer for anybody else */
    int known = origin_known(req, origin, &pages);
    if (!pages)
        return 0;
    if (text_puts(head, "Vary: Origin\r\n"))
        return -ENOMEM;
    if (!known)
        return 0;
    if (text_printf(head, "Access-Control-Allow-Origin: %s\r\n",
                    known == 2 ? "*" : origin))
        return -ENOMEM;
    if (!is_preflight(req))
        return text_puts(head, "Access-Control-Expose-Headers: "
                               RESPONSE_HEADERS "\r\n");
    http_methods(req, methods);
    return text_printf(head,
                       "Access-Control-Allow-Methods: %s\r\n"
                       "Access-Control-Allow-Headers: " REQUEST_HEADERS "\r\n"
                       "Access-Control-Max-Age: " MAX_AGE "\r\n",
                       methods);
}
