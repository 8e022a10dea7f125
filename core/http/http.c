/* SPDX-License-Identifier: MIT */
/* The server as a whole. */
#include "base/clock.h"

#include "private.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int counted[] = { 200, 201, 202, 204, 400, 401, 403, 404, 405,
                               408, 409, 411, 413, 414, 415, 417, 422, 429, 431,
                               500, 501, 503, 505 };
#define COUNTED (sizeof(counted) / sizeof(counted[0]))

void
http_count_status(struct http *http, int status)
{
    size_t i = 0;
    while (i < COUNTED && counted[i] != status)
        i++;
    metric_add(http->requests[i], 1);
}

static void
http_metrics(struct http *http)
{
    for (size_t i = 0; i <= COUNTED; i++) {
        struct il_text labels = { 0 };
        char code[16] = "other";
        if (i < COUNTED)
            snprintf(code, sizeof(code), "%d", counted[i]);
        if (!metric_label(&labels, "server", http->options.name)
            && !text_putc(&labels, ',') && !metric_label(&labels, "code", code))
            http->requests[i] = metric_counter(
                "http_requests_total", text_str(&labels), IL_UNIT_NONE,
                "HTTP requests answered, by status.");
        text_clear(&labels);
    }
    struct il_text labels = { 0 };
    if (!metric_label(&labels, "server", http->options.name)) {
        http->connections =
            metric_gauge("http_connections", text_str(&labels), IL_UNIT_NONE,
                         "Open HTTP connections.");
        http->bytes =
            metric_counter("http_received_bytes_total", text_str(&labels),
                           IL_UNIT_BYTES, "Bytes of request bodies received.");
        http->times = metric_histogram(
            "http_request_seconds", text_str(&labels),
            "From the end of a request's head to the beginning of its answer.");
        http->refused_busy =
            metric_counter("http_busy_total", text_str(&labels), IL_UNIT_NONE,
                           "Requests refused because too many bodies were "
                           "in memory.");
        http->refused = metric_counter(
            "http_connections_refused_total", text_str(&labels), IL_UNIT_NONE,
            "Connections closed at once, because there were "
            "too many of them or of their address.");
    }
    text_clear(&labels);
}

/* --- the server ----------------------------------------------------------- */

/* Where they are 0. */
static void
limits_default(struct http_options *o)
{
    o->max_buffered = o->max_buffered ? o->max_buffered : 64 << 20;
    o->max_connections = o->max_connections ? o->max_connections : 10000;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : 30000;
}

static int
options_copy(struct http *http, const struct http_options *from)
{
    struct http_options *o = &http->options;
    *o = *from;
    limits_default(o);
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

void
http_limit(struct http *http, const struct http_options *from)
{
    struct http_options *to = &http->options, o = *from;
    limits_default(&o);
    __atomic_store_n(&to->max_buffered, o.max_buffered, __ATOMIC_RELAXED);
    __atomic_store_n(&to->max_connections, o.max_connections, __ATOMIC_RELAXED);
    __atomic_store_n(&to->max_per_address, o.max_per_address, __ATOMIC_RELAXED);
    __atomic_store_n(&to->timeout_ms, o.timeout_ms, __ATOMIC_RELAXED);
}

int
http_new(const struct http_options *options, struct http **out)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http)
        return -ENOMEM;
    int err = options_copy(http, options);
    struct http_site *site = NULL;
    if (!err)
        err = http_site_new(options, &site);
    atomic_init(&http->site, site);
    if (!err) {
        http->loops = calloc(http->options.threads, sizeof(*http->loops));
        err = http->loops ? 0 : -ENOMEM;
    }
    if (err) {
        http_free(http);
        return err;
    }
    pthread_mutex_init(&http->peers.lock, NULL);
    pthread_mutex_init(&http->site_lock, NULL);
    atomic_init(&http->refused_logged_us, INT64_MIN / 2);
    atomic_init(&http->files_logged_us, INT64_MIN / 2);
    pthread_mutex_init(&http->work_lock, NULL);
    pthread_cond_init(&http->work_wake, NULL);
    http->loop_count = http->options.threads;
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
    http_site_free(atomic_load(&http->site));
    for (size_t i = 0; http->listeners && i < http->options.listen_count; i++) {
        http_unlisten(&http->listeners[i]);
        free(http->listeners[i].text);
    }
    free(http->peers.list);
    table_clear(&http->peers.table);
    if (http->loop_count) {
        pthread_mutex_destroy(&http->peers.lock);
        pthread_mutex_destroy(&http->site_lock);
        pthread_mutex_destroy(&http->work_lock);
        pthread_cond_destroy(&http->work_wake);
    }
    free(http->loops);
    free(http->listeners);
    free(http->name);
    free(http);
}
