/* SPDX-License-Identifier: MIT */
/* What other threads have the main thread do, as it is the one that changes the
 * assembly. */
#include "private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct errand {
    struct errand *next;
    host_errand_fn *fn;
    void *arg;
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
    struct errand *e = malloc(sizeof(*e)), **end = &h->errands;
    if (!e)
        return -ENOMEM;
    *e = (struct errand){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&h->errand_lock);
    const int runs = h->runs;
    while (*end)
        end = &(*end)->next;
    if (runs) {
        *end = e;
        pthread_kill(h->main, HOST_SIGNAL_ERRAND);
    }
    pthread_mutex_unlock(&h->errand_lock);
    if (!runs)
        free(e);
    return runs ? 0 : -ESHUTDOWN;
}

static int
do_next(struct host *h, int stopping)
{
    pthread_mutex_lock(&h->errand_lock);
    struct errand *e = h->errands;
    if (e)
        h->errands = e->next;
    if (stopping)
        h->runs = 0;
    pthread_mutex_unlock(&h->errand_lock);
    if (e)
        e->fn(h, e->arg, stopping);
    free(e);
    return e != NULL;
}

void
host_errands(struct host *h)
{
    while (do_next(h, 0))
        continue;
}

void
host_errands_end(struct host *h)
{
    while (do_next(h, 1))
        continue;
}
