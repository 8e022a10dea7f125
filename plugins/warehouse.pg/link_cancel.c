/* SPDX-License-Identifier: MIT */
/* Cancelling a statement that is given up, so that no process of Postgres goes
 * on with it: closing the socket is noticed only when it next reads or writes.
 *
 * PQcancel() makes a connection of its own and waits for its end, without a
 * limit and without a way to be interrupted.  So a thread does it, which is
 * left to itself when it takes too long.  It touches nothing of the plugin but
 * its code, which then has to stay mapped. */
#define _GNU_SOURCE /* dladdr */
#include "link.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define CANCEL_MS 500

struct cancel {
    PGcancel *handle;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int done, left; /* under lock */
};

static void
cancel_free(struct cancel *c)
{
    PQfreeCancel(c->handle);
    pthread_cond_destroy(&c->ended);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void *
cancel_run(void *arg)
{
    struct cancel *c = arg;
    char message[256];
    PQcancel(c->handle, message, sizeof message);
    pthread_mutex_lock(&c->lock);
    int left = c->left;
    c->done = 1;
    pthread_cond_signal(&c->ended);
    pthread_mutex_unlock(&c->lock);
    if (left)
        cancel_free(c);
    return NULL;
}

void
link_stay_mapped(void)
{
    Dl_info info;
    if (dladdr((void *) (uintptr_t) &cancel_run, &info))
        dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static struct cancel *
cancel_new(PGconn *db)
{
    struct cancel *c = calloc(1, sizeof *c);
    pthread_condattr_t monotonic;
    if (!c)
        return NULL;
    c->handle = PQgetCancel(db);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (c->handle)
        return c;
    cancel_free(c);
    return NULL;
}

void
link_cancel(struct link *l)
{
    struct cancel *c = cancel_new(l->db);
    struct timespec until;
    pthread_t thread;
    int late = 0;
    if (!c)
        return;
    if (pthread_create(&thread, NULL, cancel_run, c)) {
        cancel_free(c);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += CANCEL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&c->lock);
    while (!c->done && !late)
        late = pthread_cond_timedwait(&c->ended, &c->lock, &until) != 0;
    int done = c->done;
    c->left = !done;
    if (!done)
        link_stay_mapped();
    pthread_mutex_unlock(&c->lock);
    if (!done) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    cancel_free(c);
}
