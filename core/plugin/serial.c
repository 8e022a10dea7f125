/* SPDX-License-Identifier: MIT */
#include "serial.h"

#include "enter.h"

/* settled() takes no turn: it is called from the thread that makes events
 * durable, and somebody who holds the lock may wait for just that. */

static struct instance_was
serial_begin(const struct il_host *h, pthread_mutex_t *lock,
             const char *callback)
{
    if (lock && pthread_mutex_trylock(lock)) {
        struct instance_was was = instance_enter(h, INSTANCE_TURN);
        pthread_mutex_lock(lock);
        instance_leave(was);
    }
    return instance_enter(h, callback);
}

static void
serial_end(struct instance_was was, pthread_mutex_t *lock)
{
    instance_leave(was);
    if (lock)
        pthread_mutex_unlock(lock);
}

static int
serial_process(void *self, struct il_batch *batch)
{
    const struct serial *s = self;
    struct instance_was was = serial_begin(s->host, s->lock, "process()");
    int err = s->host->plugin->desc.process(s->host->self, batch);
    serial_end(was, s->lock);
    return err;
}

static int
serial_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    const struct serial *s = self;
    struct instance_was was = serial_begin(s->host, s->lock, "write()");
    int err = s->host->plugin->desc.write(s->host->self, batch, ack);
    serial_end(was, s->lock);
    return err;
}

static int
serial_resume(void *self, struct il_position *position)
{
    const struct serial *s = self;
    struct instance_was was = serial_begin(s->host, s->lock, "resume()");
    int err = s->host->plugin->desc.resume(s->host->self, position);
    serial_end(was, s->lock);
    return err;
}

static int
serial_flush(void *self, uint32_t deadline_ms)
{
    const struct serial *s = self;
    struct instance_was was = serial_begin(s->host, s->lock, "flush()");
    int err = s->host->plugin->desc.flush(s->host->self, deadline_ms);
    serial_end(was, s->lock);
    return err;
}

const struct il_plugin *
serial_wrap(const struct il_host *h, struct serial *s, void **self)
{
    const struct il_plugin *real = &h->plugin->desc;
    *s =
        (struct serial){ .proxy = *real, .host = h, .lock = h->plugin->serial };
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
    const struct serial_route *r = self;
    struct instance_was was = serial_begin(r->host, r->lock, "admit()");
    int err = r->real.admit(r->self, request);
    serial_end(was, r->lock);
    return err;
}

static void
serial_handle(void *self, struct il_request *request)
{
    const struct serial_route *r = self;
    struct instance_was was = serial_begin(r->host, r->lock, "handle()");
    r->real.handle(r->self, request);
    serial_end(was, r->lock);
}

void
serial_route(const struct il_host *h, const struct instance_route *from,
             struct serial_route *r, struct il_route *route, void **self)
{
    *route = from->route;
    *r = (struct serial_route){ .real = from->route,
                                .self = from->self,
                                .host = h };
    if (h->plugin->serial)
        r->lock = h->plugin->serial;
    else if (h->plugin->desc.threads != IL_PARALLEL)
        r->lock = (pthread_mutex_t *) &h->turn;
    if (route->admit)
        route->admit = serial_admit;
    route->handle = serial_handle;
    *self = r;
}
