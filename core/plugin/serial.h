/* SPDX-License-Identifier: MIT */
/* What lanes and the server call in place of a plugin.  Each call is entered
 * (enter.h); and where calls would overlap against what il_plugin.threads says
 * they take turns at a lock. */
#ifndef SERIAL_H
#define SERIAL_H

#include "instance.h"

#include <pthread.h>

/* A plugin in front of a plugin: pass proxy and the struct itself as self. */
struct serial {
    struct il_plugin proxy;
    const struct il_host *host;
    pthread_mutex_t *lock; /* NULL: no turns */
};

/* What a lane calls; *self is set to match.  Lanes have one thread each, so
 * calls within one instance never overlap: only instances that must take turns
 * have a lock. */
const struct il_plugin *serial_wrap(const struct il_host *, struct serial *s,
                                    void **self);

/* The same for a route of a source, which several threads of the server
 * may call.  *r lives as long as the server. */
struct serial_route {
    struct il_route real;
    void *self;
    const struct il_host *host;
    pthread_mutex_t *lock;
};
/* Fill *route and *self for http_route(). */
void serial_route(const struct il_host *, const struct instance_route *,
                  struct serial_route *r, struct il_route *route, void **self);

#endif
