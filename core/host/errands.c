/* SPDX-License-Identifier: MIT */
/* What other threads have the main thread do, as it is the one that changes the
 * assembly. */
#include "private.h"

#include <errno.h>
#include <signal.h>

struct errand {
    struct errand *next;
    host_errand_fn *fn;
    void *arg;
    int done; /* 1, or -ECANCELED */
};

void
host_errands_begin(struct host *h)
{
    pthread_mutex_lock(&h->errand_lock);
    h->main = pthread_self();
    h->runs = 1;
    pthread_mutex_unlock(&h->errand_lock);
}

int
host_send(struct host *h, host_errand_fn *fn, void *arg)
{
    struct errand e = { .fn = fn, .arg = arg }, **end = &h->errands;
    pthread_mutex_lock(&h->errand_lock);
    if (!h->runs)
        e.done = -ECANCELED;
    while (*end)
        end = &(*end)->next;
    if (!e.done) {
        *end = &e;
        pthread_kill(h->main, HOST_SIGNAL_ERRAND);
    }
    while (!e.done)
        pthread_cond_wait(&h->errand_done, &h->errand_lock);
    pthread_mutex_unlock(&h->errand_lock);
    return e.done < 0 ? e.done : 0;
}

static struct errand *
take(struct host *h, int end)
{
    pthread_mutex_lock(&h->errand_lock);
    struct errand *e = h->errands;
    if (e)
        h->errands = e->next;
    if (end)
        h->runs = 0;
    pthread_mutex_unlock(&h->errand_lock);
    return e;
}

static void
give(struct host *h, struct errand *e, int done)
{
    pthread_mutex_lock(&h->errand_lock);
    e->done = done;
    pthread_cond_broadcast(&h->errand_done);
    pthread_mutex_unlock(&h->errand_lock);
}

void
host_errands(struct host *h)
{
    for (struct errand *e; (e = take(h, 0));) {
        e->fn(h, e->arg);
        give(h, e, 1);
    }
}

void
host_errands_end(struct host *h)
{
    for (struct errand *e; (e = take(h, 1));)
        give(h, e, -ECANCELED);
}
