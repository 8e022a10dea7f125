/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct timer {
    struct timer *next;
    int64_t interval_us, due_us;
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
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
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

static void
wait_until(struct timers *t, const struct timer *first)
{
    if (!first) {
        pthread_cond_wait(&t->changed, &t->lock);
        return;
    }
    struct timespec at = { .tv_sec = first->due_us / 1000000,
                           .tv_nsec = first->due_us % 1000000 * 1000 };
    pthread_cond_timedwait(&t->changed, &t->lock, &at);
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
            wait_until(t, first);
            continue;
        }
        /* A function that took longer than its interval is not called twice
         * at once to make up for it. */
        first->due_us += first->interval_us;
        if (first->due_us <= now)
            first->due_us = now + first->interval_us;
        void (*fn)(void *) = first->fn;
        void *fn_arg = first->arg;
        const void *owner = t->running = first->owner;
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

int
timers_add(struct timers *t, uint32_t interval_ms, void (*fn)(void *arg),
           void *arg, const void *owner)
{
    struct timer *new = malloc(sizeof(*new));
    if (!new)
        return -ENOMEM;
    int64_t interval_us = (int64_t) (interval_ms ? interval_ms : 1) * 1000;
    *new = (struct timer){ .interval_us = interval_us,
                           .due_us = clock_monotonic_us() + interval_us,
                           .fn = fn,
                           .arg = arg,
                           .owner = owner };
    pthread_mutex_lock(&t->lock);
    new->next = t->list;
    t->list = new;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return 0;
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
