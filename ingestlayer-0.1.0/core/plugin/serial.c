/* SPDX-License-Identifier: MIT */
#include "serial.h"

/* settled() takes no turn: it is called from the thread that makes events
 * durable, and somebody who holds the lock may wait for just that. */

static int
serial_process(void *self, struct il_batch *batch)
{
    struct serial *s = self;
    pthread_mutex_lock(s->lock);
    int err = s->real->process(s->self, batch);
    pthread_mutex_unlock(s->lock);
    return err;
}

static int
serial_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct serial *s = self;
    pthread_mutex_lock(s->lock);
    int err = s->real->write(s->self, batch, ack);
    pthread_mutex_unlock(s->lock);
    return err;
}

static int
serial_resume(void *self, struct il_position *position)
{
    struct serial *s = self;
    pthread_mutex_lock(s->lock);
    int err = s->real->resume(s->self, position);
    pthread_mutex_unlock(s->lock);
    return err;
}

static int
serial_flush(void *self, uint32_t deadline_ms)
{
    struct serial *s = self;
    pthread_mutex_lock(s->lock);
    int err = s->real->flush(s->self, deadline_ms);
    pthread_mutex_unlock(s->lock);
    return err;
}

const struct il_plugin *
serial_wrap(const struct il_host *h, struct serial *s, void **self)
{
    const struct il_plugin *real = &h->plugin->desc;
    *self = h->self;
    if (!h->plugin->serial)
        return real;
    *s = (struct serial){
        .proxy = *real, .real = real, .self = h->self, .lock = h->plugin->serial
    };
    if (real->process)
        s->proxy.process = serial_process;
    if (real->write)
        s->proxy.write = serial_write;
    if (real->resume)
        s->proxy.resume = serial_resume;
    if (real->flush)
        s->proxy.flush = serial_flush;
    *self = s;
    return &s->proxy;
}

/* --- routes -------------------------------------------------------------- */

static int
serial_admit(void *self, struct il_request *request)
{
    struct serial_route *r = self;
    pthread_mutex_lock(r->lock);
    int err = r->real.admit(r->self, request);
    pthread_mutex_unlock(r->lock);
    return err;
}

static void
serial_handle(void *self, struct il_request *request)
{
    struct serial_route *r = self;
    pthread_mutex_lock(r->lock);
    r->real.handle(r->self, request);
    pthread_mutex_unlock(r->lock);
}

void
serial_route(const struct il_host *h, const struct instance_route *from,
             struct serial_route *r, struct il_route *route, void **self)
{
    *route = from->route;
    *self = from->self;
    if (h->plugin->desc.threads == IL_PARALLEL)
        return;
    *r = (struct serial_route){ .real = from->route,
                                .self = from->self,
                                .lock = h->plugin->serial
                                            ? h->plugin->serial
                                            : (pthread_mutex_t *) &h->turn };
    if (route->admit)
        route->admit = serial_admit;
    route->handle = serial_handle;
    *self = r;
}
