/* SPDX-License-Identifier: MIT */
/* Who looks at what a reload changes. */
#include "private.h"

void
host_change_begin(struct host *h)
{
    pthread_rwlock_wrlock(&h->changes);
}

void
host_change_end(struct host *h)
{
    if (h->assembly)
        host_want_derived(h);
    pthread_rwlock_unlock(&h->changes);
}

void
host_look_begin(struct host *h)
{
    pthread_rwlock_rdlock(&h->changes);
}

void
host_look_end(struct host *h)
{
    pthread_rwlock_unlock(&h->changes);
}

void
host_lanes_lock(struct host *h)
{
    pthread_mutex_lock(&h->lanes_lock);
}

void
host_lanes_unlock(struct host *h)
{
    pthread_mutex_unlock(&h->lanes_lock);
}
