/* SPDX-License-Identifier: MIT */
/* Timers of an instance.  Those that it asks for before its start() has
 * returned wait, so that none runs in a half-open plugin; from its stop() on
 * there are none.  h->lock makes both exact, whichever thread asks. */
#include "instance.h"

#include "private.h"

#include <errno.h>
#include <stdlib.h>

/* The place in wanted of a timer that is to go off once, or of the end. */
static struct instance_timer **
wanted_place(struct il_host *h, void (*fn)(void *arg), void *arg)
{
    struct instance_timer **at = &h->wanted;
    while (*at && !((*at)->once && (*at)->fn == fn && (*at)->arg == arg))
        at = &(*at)->next;
    return at;
}

static int
wanted_add(struct il_host *h, int once, uint32_t ms, void (*fn)(void *arg),
           void *arg)
{
    struct instance_timer **at = &h->wanted, *t;
    if (once)
        at = wanted_place(h, fn, arg);
    if (*at && once && ms == IL_NEVER) {
        t = *at;
        *at = t->next;
        free(t);
    } else if (*at && once) {
        (*at)->ms = ms;
    } else if (!once || ms != IL_NEVER) {
        if (!(t = malloc(sizeof(*t))))
            return -ENOMEM;
        *t = (struct instance_timer){ h->wanted, ms, once, fn, arg };
        h->wanted = t;
    }
    return 0;
}

static int
timer_add(struct il_host *h, int once, uint32_t ms, void (*fn)(void *arg),
          void *arg)
{
    if (!once)
        return timers_add(h->timers, ms, fn, arg, h);
    return timers_once(h->timers, ms, fn, arg, h);
}

static int
timer_ask(const struct il_host *host, int once, uint32_t ms,
          void (*fn)(void *arg), void *arg)
{
    struct il_host *h = (struct il_host *) host; /* the plugin may not write */
    int err = 0;
    pthread_mutex_lock(&h->lock);
    int phase = atomic_load(&h->phase);
    if (phase == INSTANCE_STARTED && h->timers)
        err = timer_add(h, once, ms, fn, arg);
    else if (phase <= INSTANCE_STARTED)
        err = wanted_add(h, once, ms, fn, arg);
    pthread_mutex_unlock(&h->lock);
    return err;
}

static int
api_timer_every(const struct il_host *h, uint32_t interval_ms,
                void (*fn)(void *arg), void *arg)
{
    return interval_ms ? timer_ask(h, 0, interval_ms, fn, arg) : -EINVAL;
}

static int
api_timer_once(const struct il_host *h, uint32_t delay_ms,
               void (*fn)(void *arg), void *arg)
{
    return timer_ask(h, 1, delay_ms, fn, arg);
}

int
plugin_timers_begin(struct il_host *h)
{
    int err = 0;
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->phase, INSTANCE_STARTED);
    while (h->timers && h->wanted && !err) {
        struct instance_timer *t = h->wanted;
        err = timer_add(h, t->once, t->ms, t->fn, t->arg);
        h->wanted = t->next;
        free(t);
    }
    pthread_mutex_unlock(&h->lock);
    return err;
}

void
plugin_timers_end(struct il_host *h)
{
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->phase, INSTANCE_STOPPING);
    pthread_mutex_unlock(&h->lock);
    if (h->timers)
        timers_remove(h->timers, h);
}

void
plugin_timers_forget(struct il_host *h)
{
    while (h->wanted) {
        struct instance_timer *t = h->wanted;
        h->wanted = t->next;
        free(t);
    }
}

void
plugin_fill_timers_api(struct il_api *api)
{
    api->timer_every = api_timer_every;
    api->timer_once = api_timer_once;
}
