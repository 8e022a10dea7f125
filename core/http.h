/* SPDX-License-Identifier: MIT */
/* One HTTP server; what answers (libmicrohttpd) shows nowhere else.
 *
 * Each server runs its own loop threads (several loops on one port through
 * SO_REUSEPORT).  A request may be answered at once, or held and answered
 * later by its own loop thread: http_hold(), and a wake function that the loop
 * calls after http_wake(). */
#ifndef HTTP_H
#define HTTP_H

#include "text.h"

struct http;
struct gate_source;

struct http_options {
    const char *name;    /* "gate", "admin": for logs and metrics */
    const char *const *listen; /* "127.0.0.1:8080", "[::1]:8080", ":8080" */
    size_t listen_count;
    uint32_t threads;         /* loops; 0: 1 */
    uint64_t max_body;        /* bytes, also after unpacking */
    uint64_t max_buffered;    /* bodies of all requests together; above: 503 */
    uint32_t max_connections; /* above: accepted later */
    uint32_t timeout_ms;      /* idle or slow connections */
};

int http_new(const struct http_options *, struct http **out);
/* Before http_start.  The owner is what a request's events come from; NULL for
 * routes of the host. */
int http_route(struct http *, const struct il_route *, void *self,
               struct gate_source *owner);
/* Bind and serve.  0 or a negative errno after a log line naming the
 * address. */
int http_start(struct http *);
/* The port that the i-th address got (for "127.0.0.1:0"). */
int http_port(const struct http *, size_t i);
/* Stop accepting connections; requests at hand are finished and answered with
 * Connection: close. */
void http_quiesce(struct http *);
/* Wait for them until deadline (clock_monotonic_us), then close everything. */
void http_stop(struct http *, int64_t deadline_us);
void http_free(struct http *);

#endif
