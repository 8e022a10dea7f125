/* SPDX-License-Identifier: MIT */
/* The function table: an instance and its surroundings. */
#include "private.h"

#include "instance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/timers.h"
#include "codec/batch.h"
#include "gate/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *
api_instance(const struct il_host *h)
{
    return h->instance;
}

static const char *
api_name(const struct il_host *h)
{
    return h->name;
}

static const char *
api_lane(const struct il_host *h)
{
    return h->lane;
}

static int
api_log_level(const struct il_host *h)
{
    (void) h;
    return log_level();
}

static void
api_log_text(const struct il_host *h, int level, const char *text, size_t len)
{
    if (level <= IL_LOG_WARN)
        instance_note(h, text, len);
    log_text(level, h->instance, text, len);
}

static int64_t
api_now_us(const struct il_host *h)
{
    (void) h;
    return clock_wall_us();
}

static int64_t
api_monotonic_us(const struct il_host *h)
{
    (void) h;
    return clock_monotonic_us();
}

/* Before start() the timers wait, so that none runs in a half-open plugin. */
static int
api_timer_every(const struct il_host *host, uint32_t interval_ms,
                void (*fn)(void *arg), void *arg)
{
    struct il_host *h = (struct il_host *) host; /* the plugin may not write */
    if (h->started && h->timers)
        return timers_add(h->timers, interval_ms, fn, arg, h);
    struct instance_timer *t = malloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct instance_timer){ h->wanted, interval_ms, fn, arg };
    h->wanted = t;
    return 0;
}

static struct il_counter *
api_counter_new(const struct il_host *h, const char *name, int unit,
                const char *help)
{
    static const char *const units[] = { "", "_seconds", "_bytes" };
    struct il_text full = { 0 }, labels = { 0 };
    struct il_counter *c = NULL;
    if (text_printf(&full, "plugin_%s%s_total", name, units[unit]) == 0
        && metric_label(&labels, "instance", h->instance) == 0
        && (!h->lane
            || (text_putc(&labels, ',') == 0
                && metric_label(&labels, "lane", h->lane) == 0)))
        c = metric_counter(text_str(&full), text_str(&labels), help);
    text_clear(&full);
    text_clear(&labels);
    return c;
}

/* Deep: the plugin may have built the route on its stack. */
static int
api_route_add(const struct il_host *host, const struct il_route *route,
              void *self)
{
    struct il_host *h = (struct il_host *) host;
    struct il_route full = { 0 };
    memcpy(&full, route,
           route->struct_size < sizeof(full) ? route->struct_size
                                             : sizeof(full));
    if (!full.method || !full.path || !full.handle || *full.path != '/')
        return -EINVAL;
    size_t method = strlen(full.method) + 1, path = strlen(full.path) + 1;
    struct instance_route *r = malloc(sizeof(*r) + method + path);
    if (!r)
        return -ENOMEM;
    *r = (struct instance_route){ .route = full, .self = self };
    char *texts = (char *) (r + 1);
    r->route.struct_size = sizeof(full);
    r->route.method = memcpy(texts, full.method, method);
    r->route.path = memcpy(texts + method, full.path, path);
    struct instance_route **at = &h->routes;
    while (*at)
        at = &(*at)->next;
    *at = r;
    return 0;
}

static int
api_sender_from(const struct il_host *host, const struct il_conf *conf,
                const char *secret, struct il_sender **out)
{
    struct il_host *h = (struct il_host *) (uintptr_t) host;
    return gate_sender_open(h->conf, h->name, &h->senders, conf, secret, out);
}

static int
api_kind_named(const struct il_host *h, const char *name, struct il_kind **out)
{
    struct instance_kinds *k = h->kinds;
    *out = batch_kind(name, strlen(name));
    if (k && k->count == sizeof k->kinds / sizeof *k->kinds)
        k->unknown = 1;
    else if (k && *out)
        k->kinds[k->count++] = *out;
    return *out ? 0 : -ENOMEM;
}

void
plugin_fill_host_api(struct il_api *api)
{
    api->instance = api_instance;
    api->name = api_name;
    api->lane = api_lane;
    api->log_level = api_log_level;
    api->log_text = api_log_text;
    api->now_us = api_now_us;
    api->monotonic_us = api_monotonic_us;
    api->timer_every = api_timer_every;
    api->counter_new = api_counter_new;
    api->counter_add = metric_add;
    api->sender_from = api_sender_from;
    api->route_add = api_route_add;
    api->kind_named = api_kind_named;
}
