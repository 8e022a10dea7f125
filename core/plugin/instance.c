/* SPDX-License-Identifier: MIT */
#include "instance.h"

#include "enter.h"
#include "private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/timers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
instance_open(struct il_host *h)
{
    const size_t before = conf_reports(h->conf);
    pthread_mutex_init(&h->turn, NULL);
    h->said = calloc(1, sizeof(*h->said));
    if (h->said)
        pthread_mutex_init(&h->said->lock, NULL);
    struct instance_was was = instance_enter(h, "open()");
    int err = h->plugin->desc.open(h, h->options, &h->self);
    instance_leave(was);
    h->opened = !err;
    if (err && conf_reports(h->conf) == before)
        option_error(h->options, NULL, 0, "cannot be opened: %s",
                     err < 0 ? strerror(-err) : "the plugin does not say why");
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

void
instance_note(const struct il_host *h, const char *text, size_t len)
{
    if (!h->said)
        return;
    pthread_mutex_lock(&h->said->lock);
    if (len >= sizeof(h->said->text))
        len = sizeof(h->said->text) - 1;
    memcpy(h->said->text, text, len);
    h->said->text[len] = 0;
    h->said->at_us = clock_monotonic_us();
    pthread_mutex_unlock(&h->said->lock);
}

void
instance_said(const struct il_host *h, int64_t since_us, char *out,
              size_t size)
{
    *out = 0;
    if (!h->said)
        return;
    pthread_mutex_lock(&h->said->lock);
    if (h->said->at_us >= since_us)
        snprintf(out, size, "%s", h->said->text);
    pthread_mutex_unlock(&h->said->lock);
}

int
instance_start(struct il_host *h)
{
    if (h->said)
        h->said->text[0] = 0; /* what open() found is no trouble any more */
    struct instance_was was = take_turn(h, "start()");
    int err = h->plugin->desc.start ? h->plugin->desc.start(h->self) : 0;
    end_turn(h, was);
    if (err) {
        log_error("%s: cannot start: %s", h->instance,
                  err < 0 ? strerror(-err) : "the plugin does not say why");
        return err < 0 ? err : -EINVAL;
    }
    h->started = 1;
    for (; h->timers && h->wanted && !err;) {
        struct instance_timer *t = h->wanted;
        err = timers_add(h->timers, t->interval_ms, t->fn, t->arg, h);
        h->wanted = t->next;
        free(t);
    }
    if (err)
        instance_stop(h);
    return err;
}

void
instance_stop(struct il_host *h)
{
    if (!h->started)
        return;
    if (h->timers)
        timers_remove(h->timers, h);
    struct instance_was was = take_turn(h, "stop()");
    if (h->plugin->desc.stop)
        h->plugin->desc.stop(h->self);
    end_turn(h, was);
    h->started = 0;
}

void
instance_close(struct il_host *h)
{
    if (h->opened && h->plugin->desc.close) {
        struct instance_was was = instance_enter(h, "close()");
        h->plugin->desc.close(h->self);
        instance_leave(was);
    }
    instance_unseen();
    h->opened = 0;
    h->self = NULL;
    while (h->wanted) {
        struct instance_timer *t = h->wanted;
        h->wanted = t->next;
        free(t);
    }
    while (h->routes) {
        struct instance_route *r = h->routes;
        h->routes = r->next;
        free(r);
    }
    if (h->said)
        pthread_mutex_destroy(&h->said->lock);
    free(h->said);
    h->said = NULL;
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

void
instance_fill_api(struct il_api *api)
{
    *api = (struct il_api){ .struct_size = sizeof(*api),
                            .abi_major = IL_ABI_MAJOR,
                            .abi_minor = IL_ABI_MINOR };
    plugin_fill_host_api(api);
    plugin_fill_conf_api(api);
    plugin_fill_batch_api(api);
}
