/* SPDX-License-Identifier: MIT */
#include "instance.h"

#include "enter.h"
#include "private.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
instance_open(struct il_host *h)
{
    const size_t before = conf_reports(h->conf);
    pthread_mutex_init(&h->turn, NULL);
    pthread_mutex_init(&h->lock, NULL);
    plugin_said_begin(h);
    atomic_store(&h->cancelled, 0);
    atomic_store(&h->phase, INSTANCE_OPENING);
    struct instance_was was = instance_enter(h, "open()");
    int err = h->plugin->desc.open(h, h->options, &h->self);
    instance_leave(was);
    if (err && conf_reports(h->conf) == before)
        option_error(h->options, NULL, 0, "cannot be opened: %s",
                     err < 0 ? strerror(-err) : "the plugin does not say why");
    atomic_store(&h->phase, err ? INSTANCE_NONE : INSTANCE_OPEN);
    /* A finding that open() reported and then forgot still counts. */
    if (conf_reports(h->conf) == before)
        return 0;
    instance_close(h);
    return err < 0 ? err : -EINVAL;
}

/* Other instances of the same plugin may be at work meanwhile. */
static struct instance_was
take_turn(struct il_host *h, const char *callback)
{
    if (h->plugin->serial) {
        struct instance_was was = instance_enter(h, INSTANCE_TURN);
        pthread_mutex_lock(h->plugin->serial);
        instance_leave(was);
    }
    return instance_enter(h, callback);
}

static void
end_turn(struct il_host *h, struct instance_was was)
{
    instance_leave(was);
    if (h->plugin->serial)
        pthread_mutex_unlock(h->plugin->serial);
}

int
instance_start(struct il_host *h)
{
    if (h->said)
        h->said->text[0] = 0; /* what open() found is no trouble any more */
    struct instance_was was = take_turn(h, "start()");
    atomic_store(&h->phase, INSTANCE_STARTING);
    int err = h->plugin->desc.start ? h->plugin->desc.start(h->self) : 0;
    end_turn(h, was);
    if (err) {
        log_error("%s: cannot start: %s", h->instance,
                  err < 0 ? strerror(-err) : "the plugin does not say why");
        atomic_store(&h->phase, INSTANCE_STOPPED);
        return err < 0 ? err : -EINVAL;
    }
    err = plugin_timers_begin(h);
    if (err)
        instance_stop(h);
    return err;
}

void
instance_cancel(struct il_host *h)
{
    atomic_store(&h->cancelled, 1);
}

void
instance_flush(struct il_host *h, int64_t deadline_us)
{
    int64_t left_ms = (deadline_us - clock_monotonic_us()) / 1000;
    if (atomic_load(&h->phase) != INSTANCE_STARTED || !h->plugin->desc.flush)
        return;
    left_ms = left_ms < 0 ? 0 : left_ms > UINT32_MAX ? UINT32_MAX : left_ms;
    struct instance_was was = take_turn(h, "flush()");
    int err = h->plugin->desc.flush(h->self, (uint32_t) left_ms);
    end_turn(h, was);
    if (err)
        log_warn("%s: has not pushed out all that it had: %s", h->instance,
                 strerror(err < 0 ? -err : EINVAL));
}

void
instance_stop(struct il_host *h)
{
    if (atomic_load(&h->phase) != INSTANCE_STARTED)
        return;
    instance_cancel(h);
    plugin_timers_end(h);
    struct instance_was was = take_turn(h, "stop()");
    if (h->plugin->desc.stop)
        h->plugin->desc.stop(h->self);
    end_turn(h, was);
    atomic_store(&h->phase, INSTANCE_STOPPED);
    plugin_doing_set(h, "", 0);
}

void
instance_close(struct il_host *h)
{
    if (atomic_load(&h->phase) >= INSTANCE_OPEN && h->plugin->desc.close) {
        struct instance_was was = instance_enter(h, "close()");
        h->plugin->desc.close(h->self);
        instance_leave(was);
    }
    instance_unseen();
    if (!h->said)
        return; /* never opened */
    atomic_store(&h->phase, INSTANCE_NONE);
    h->self = NULL;
    plugin_timers_forget(h);
    while (h->routes) {
        struct instance_route *r = h->routes;
        h->routes = r->next;
        free(r);
    }
    plugin_said_end(h);
}

/* --- other calls --------------------------------------------------------- */

void
instance_settled(void *instance, uint64_t token, int outcome)
{
    const struct il_host *h = instance;
    struct instance_was was = instance_enter(h, "settled()");
    h->plugin->desc.settled(h->self, token, outcome);
    instance_leave(was);
}

void
instance_room(void *instance)
{
    const struct il_host *h = instance;
    struct instance_was was = instance_enter(h, "room()");
    h->plugin->desc.room(h->self);
    instance_leave(was);
}

void
instance_timer(const void *instance, void (*fn)(void *arg), void *arg)
{
    struct instance_was was = instance_enter(instance, "a timer's function");
    fn(arg);
    instance_leave(was);
}

int
instance_ddl(const struct il_host *h, struct il_text *out)
{
    struct instance_was was = instance_enter(h, "ddl()");
    int err = h->plugin->desc.ddl(h->self, out);
    instance_leave(was);
    return err;
}

int
instance_probe(const struct il_host *h, struct il_text *out)
{
    struct instance_was was = instance_enter(h, "probe()");
    int err = h->plugin->desc.probe(h->self, out);
    instance_leave(was);
    return err;
}

int
instance_plan(const struct il_host *h, struct il_text *json,
              struct il_text *text)
{
    struct instance_was was = instance_enter(h, "plan()");
    int err = h->plugin->desc.plan(h->self, json, text);
    instance_leave(was);
    return err;
}

int
instance_apply(const struct il_host *h, const char *json, size_t len,
               const char *as, struct il_text *text)
{
    struct instance_was was = instance_enter(h, "apply()");
    int err = h->plugin->desc.apply(h->self, json, len, as, text);
    instance_leave(was);
    return err;
}

int
instance_describe(const struct il_host *h, struct il_text *out)
{
    struct instance_was was = instance_enter(h, "describe()");
    int err = h->plugin->desc.describe(h->self, out);
    instance_leave(was);
    return err;
}

int
instance_assume(const struct il_host *h, const char *json, size_t len,
                struct il_text *why)
{
    struct instance_was was = instance_enter(h, "assume()");
    int err = h->plugin->desc.assume(h->self, json, len, why);
    instance_leave(was);
    return err;
}

/* It reads as write() does; what it marks nobody looks at. */
int
instance_render(const struct il_host *h, struct il_batch *b, uint32_t i,
                struct il_text *out)
{
    struct instance_was was = instance_enter(h, "render()");
    batch_enter(b, BATCH_AT_DESTINATION, h);
    int err = h->plugin->desc.render(h->self, b, i, out);
    batch_enter(b, BATCH_NOBODY, NULL);
    instance_leave(was);
    return err;
}

int
instance_find(const struct il_host *h, struct il_batch *b, uint32_t i,
              struct il_text *out)
{
    struct instance_was was = instance_enter(h, "find()");
    batch_enter(b, BATCH_AT_DESTINATION, h);
    int r = h->plugin->desc.find(h->self, b, i, out);
    batch_enter(b, BATCH_NOBODY, NULL);
    instance_leave(was);
    return r;
}

int
instance_replay(const struct il_host *h, struct il_replay *r,
                struct il_batch *b)
{
    pthread_mutex_t *serial = h->plugin->serial;
    if (serial)
        pthread_mutex_lock(serial);
    struct instance_was was = instance_enter(h, "replay()");
    if (b)
        batch_enter(b, BATCH_AT_DESTINATION, h);
    int err = h->plugin->desc.replay(h->self, r, b);
    if (b)
        batch_enter(b, BATCH_NOBODY, NULL);
    instance_leave(was);
    if (serial)
        pthread_mutex_unlock(serial);
    return err;
}

int
instance_show(const struct il_host *h, const char *key, size_t len,
              const struct il_remembered *cell, struct il_text *out)
{
    struct instance_was was = instance_enter(h, "show()");
    int err = h->plugin->desc.show(h->self, key, len, cell, out);
    instance_leave(was);
    return err;
}

void
instance_fill_api(struct il_api *api)
{
    *api = (struct il_api){ .struct_size = sizeof(*api),
                            .abi_major = IL_ABI_MAJOR,
                            .abi_minor = IL_ABI_MINOR };
    plugin_fill_host_api(api);
    plugin_fill_metrics_api(api);
    plugin_fill_timers_api(api);
    plugin_fill_conf_api(api);
    plugin_fill_batch_api(api);
    plugin_fill_edit_api(api);
}
