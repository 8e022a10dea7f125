/* SPDX-License-Identifier: MIT */
/* A plugin that does not come back must not keep the daemon from ending: what
 * it has not settled is in the spool, so leaving without it loses nothing.  A
 * thread waits until the time for a stop is over and a few seconds more, names
 * whoever is still being called, and leaves.
 *
 * It runs from the start on, since start() may hang too: a signal to stop is
 * pending then until the main thread asks for it. */
#include <config.h>

#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "plugin/enter.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Beyond the drain, and for each call: a stop() that rolls back and says good
 * bye to a server across the world is done sooner. */
#define GRACE_US 5000000
#define LOOK_US 500000

struct watchdog {
    struct host *host;
    pthread_t thread;
    pthread_mutex_t lock; /* protects end */
    pthread_cond_t changed;
    int end;
};

int
host_stop_is_pending(void)
{
    sigset_t set;
    return sigpending(&set) == 0
           && (sigismember(&set, SIGTERM) == 1
               || sigismember(&set, SIGINT) == 1);
}

static int
name_one(void *arg, const struct il_host *h, const char *callback, int64_t us)
{
    int *count = arg;
    if (us < GRACE_US)
        return 0;
    ++*count;
    log_error("%s: has not come back from %s for %lld s; leaving without it, "
              "what it has not settled is delivered after the next start",
              h->instance, callback, (long long) (us / 1000000));
    return 0;
}

static void
look(struct host *h)
{
    int64_t by = atomic_load(&h->stop_by_us), now = clock_monotonic_us();
    int count = 0;
    if (!by && host_stop_is_pending())
        atomic_compare_exchange_strong(&h->stop_by_us, &by,
                                       now + atomic_load(&h->drain_us));
    if (!by || now < by + GRACE_US)
        return;
    instance_each_call(name_one, &count);
    if (count)
        _exit(1);
}

static void *
watchdog_run(void *arg)
{
    struct watchdog *w = arg;
    pthread_setname_np(pthread_self(), "watchdog");
    pthread_mutex_lock(&w->lock);
    while (!w->end) {
        int64_t us = clock_monotonic_us() + LOOK_US;
        struct timespec t = { (time_t) (us / 1000000),
                              (long) (us % 1000000) * 1000 };
        pthread_cond_timedwait(&w->changed, &w->lock, &t);
        pthread_mutex_unlock(&w->lock);
        look(w->host);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int
host_watchdog_start(struct host *h)
{
    pthread_condattr_t attr;
    struct watchdog *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->host = h;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    int err = -pthread_create(&w->thread, NULL, watchdog_run, w);
    if (err)
        free(w);
    else
        h->watchdog = w;
    return err;
}

void
host_watchdog_end(struct host *h)
{
    struct watchdog *w = h->watchdog;
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->end = 1;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    h->watchdog = NULL;
}
