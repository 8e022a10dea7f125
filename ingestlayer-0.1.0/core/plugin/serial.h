/* SPDX-License-Identifier: MIT */
/* Keeping the promise of il_plugin.threads where the host alone would break
 * it: calls that would overlap take turns at a lock. */
#ifndef SERIAL_H
#define SERIAL_H

#include "instance.h"

#include <pthread.h>

/* A plugin in front of a plugin: pass proxy and the struct itself as self. */
struct serial {
    struct il_plugin proxy;
    const struct il_plugin *real;
    void *self;
    pthread_mutex_t *lock;
};

/* What a lane calls: the plugin itself, or *s where its instances must take
 * turns.  *self is set to match.  Lanes have one thread each, so calls within
 * one instance never overlap. */
const struct il_plugin *serial_wrap(const struct il_host *, struct serial *s,
                                    void **self);

/* The same for a route of a source, which several threads of the server
 * may call.  *r lives as long as the server. */
struct serial_route {
    struct il_route real;
    void *self;
    pthread_mutex_t *lock;
};
/* Fill *route and *self for http_route(). */
void serial_route(const struct il_host *, const struct instance_route *,
                  struct serial_route *r, struct il_route *route, void **self);

#endif
