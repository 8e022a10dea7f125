/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include "clock.h"
#include "cond.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct timer {
    struct timer *next;
    int64_t interval_us; /* 0: once */
    int64_t due_us;
    void (*fn)(void *arg);
    void *arg;
    const void *owner;
};

struct timers {
    pthread_mutex_t lock; /* protects all below */
    pthread_cond_t changed;
    struct timer *list;
    const void *running; /* the owner whose function runs */
    /* Calls a function on behalf of its owner; NULL: directly. */
    void (*call)(const void *owner, void (*fn)(void *arg), void *arg);
    pthread_t thread;
    int started, stop;
};

struct timers *
timers_new(void)
{
    struct timers *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    cond_init(&t->changed);
    return t;
}

static struct timer *
next_due(const struct timers *t)
{
    struct timer *first = t->list;
    for (struct timer *i = first; i; i = i->next)
        if (i->due_us < first->due_us)
            first = i;
    return first;
}

/* The link that leads to a timer. */
static struct timer **
timer_place(struct timers *t, const struct timer *which)
{
    struct timer **at = &t->list;
    while (*at && *at != which)
        at = &(*at)->next;
    return at;
}

/* It is due: when does it come again?  One that does not is gone before it is
 * called, so that its function may ask for it anew. */
static void
timers_next(struct timers *t, struct timer *timer, int64_t now)
{
    if (!timer->interval_us) {
        *timer_place(t, timer) = timer->next;
        free(timer);
        return;
    }
    /* A function that took longer than its interval is not called twice at
     * once to make up for it. */
    timer->due_us += timer->interval_us;
    if (timer->due_us <= now)
        timer->due_us = now + timer->interval_us;
}

static void *
timers_run(void *arg)
{
    struct timers *t = arg;
    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        struct timer *first = next_due(t);
        int64_t now = clock_monotonic_us();
        if (!first || first->due_us > now) {
            cond_wait_until(&t->changed, &t->lock,
                            first ? first->due_us : INT64_MAX);
            continue;
        }
        void (*fn)(void *) = first->fn;
        void *fn_arg = first->arg;
        const void *owner = t->running = first->owner;
        timers_next(t, first, now);
        pthread_mutex_unlock(&t->lock);
        if (t->call)
            t->call(owner, fn, fn_arg);
        else
            fn(fn_arg);
        pthread_mutex_lock(&t->lock);
        t->running = NULL;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

void
timers_call_by(struct timers *t, void (*call)(const void *owner,
                                              void (*fn)(void *arg), void *arg))
{
    t->call = call;
}

int
timers_start(struct timers *t)
{
    int err = -pthread_create(&t->thread, NULL, timers_run, t);
    t->started = !err;
    return err;
}

/* With the lock. */
static int
timers_put(struct timers *t, const struct timer *what)
{
    struct timer *new = malloc(sizeof(*new));
    if (!new)
        return -ENOMEM;
    *new = *what;
    new->next = t->list;
    t->list = new;
    return 0;
}

int
timers_add(struct timers *t, uint32_t interval_ms, void (*fn)(void *arg),
           void *arg, const void *owner)
{
    int64_t interval_us = (int64_t) interval_ms * 1000;
    pthread_mutex_lock(&t->lock);
    int err = timers_put(
        t, &(struct timer){ .interval_us = interval_us,
                            .due_us = clock_monotonic_us() + interval_us,
                            .fn = fn,
                            .arg = arg,
                            .owner = owner });
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return err;
}

int
timers_once(struct timers *t, uint32_t delay_ms, void (*fn)(void *arg),
            void *arg, const void *owner)
{
    int64_t due_us = clock_monotonic_us() + (int64_t) delay_ms * 1000;
    int err = 0;
    pthread_mutex_lock(&t->lock);
    struct timer *known = t->list;
    while (known
           && (known->interval_us || known->owner != owner || known->fn != fn
               || known->arg != arg))
        known = known->next;
    if (known && delay_ms == IL_NEVER) {
        *timer_place(t, known) = known->next;
        free(known);
    } else if (known) {
        known->due_us = due_us;
    } else if (delay_ms != IL_NEVER) {
        err = timers_put(
            t, &(struct timer){
                   .due_us = due_us, .fn = fn, .arg = arg, .owner = owner });
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return err;
}

void
timers_remove(struct timers *t, const void *owner)
{
    pthread_mutex_lock(&t->lock);
    for (struct timer **at = &t->list; *at;) {
        if ((*at)->owner != owner) {
            at = &(*at)->next;
            continue;
        }
        struct timer *gone = *at;
        *at = gone->next;
        free(gone);
    }
    while (t->running == owner && owner)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

void
timers_free(struct timers *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = 1;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (t->started)
        pthread_join(t->thread, NULL);
    while (t->list) {
        struct timer *gone = t->list;
        t->list = gone->next;
        free(gone);
    }
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
