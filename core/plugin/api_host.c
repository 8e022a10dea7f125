/* SPDX-License-Identifier: MIT */
/* The function table: an instance and its surroundings. */
#include "private.h"

#include "instance.h"
#include "base/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "codec/batch.h"
#include "gate/sender.h"
#include "lang/ref.h"

#include <errno.h>
#include <stdio.h>
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
api_state_dir(const struct il_host *host, const char **path)
{
    struct il_host *h = (struct il_host *) host;
    int phase = atomic_load(&h->phase), err = 0;
    *path = NULL;
    if (phase < INSTANCE_STARTING)
        return -EPERM;
    pthread_mutex_lock(&h->lock);
    if (!h->folder)
        err = -ENOENT;
    else if (!h->folder_made)
        err = state_dir_make_below(h->state_dir, h->folder);
    h->folder_made = !err;
    pthread_mutex_unlock(&h->lock);
    if (!err)
        *path = h->folder;
    return err;
}

static int
api_cancelled(const struct il_host *h)
{
    return atomic_load_explicit(&h->cancelled, memory_order_relaxed);
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

static int
api_intake(const struct il_host *host, const struct il_intake *theirs)
{
    struct il_host *h = (struct il_host *) host;
    struct il_intake full;
    if (atomic_load(&h->phase) != INSTANCE_OPENING
        || h->plugin->desc.kind != IL_DESTINATION) {
        instance_fault(h, "il_intake() outside open() of a destination");
        return -EPERM;
    }
    if (api_copy(&full, sizeof(full), theirs, API_INTAKE_1_0)
        || full.in_flight > BATCH_IN_FLIGHT_MAX) {
        instance_fault(h, "il_intake() with a struct_size of %u, %u batches",
                       theirs->struct_size, full.in_flight);
        return -EINVAL;
    }
    h->intake = full;
    return 0;
}

/* Deep: the plugin may have built the route on its stack. */
static int
api_route_add(const struct il_host *host, const struct il_route *route,
              void *self)
{
    struct il_host *h = (struct il_host *) host;
    struct il_route full;
    if (atomic_load(&h->phase) != INSTANCE_OPENING) {
        instance_fault(h, "il_route_add() outside open()");
        return -EPERM;
    }
    if (api_copy(&full, sizeof(full), route, API_ROUTE_1_0)) {
        instance_fault(h, "il_route_add() with a struct_size of %u",
                       route->struct_size);
        return -EINVAL;
    }
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

static int
api_result_kind(const struct il_host *h, struct il_kind **out)
{
    char name[sizeof REF_STEP + 256];
    *out = NULL;
    if (h->plugin->desc.kind != IL_STEP
        || snprintf(name, sizeof name, REF_STEP "%s", h->name)
               >= (int) sizeof name)
        return -EINVAL;
    return api_kind_named(h, name, out);
}

void
plugin_fill_host_api(struct il_api *api)
{
    api->instance = api_instance;
    api->name = api_name;
    api->lane = api_lane;
    api->log_level = api_log_level;
    api->state_dir = api_state_dir;
    api->cancelled = api_cancelled;
    api->log_text = api_log_text;
    api->status_text = plugin_doing_set;
    api->now_us = api_now_us;
    api->monotonic_us = api_monotonic_us;
    api->sender_from = api_sender_from;
    api->route_add = api_route_add;
    api->intake = api_intake;
    api->kind_named = api_kind_named;
    api->result_kind = api_result_kind;
}
