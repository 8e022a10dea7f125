/* SPDX-License-Identifier: MIT */
/* One configured instance of a plugin: what struct il_host is to the host.
 * Shared by the daemon and the test host, so it knows no servers and no
 * stores. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "loader.h"
#include "schema/schema.h"

/* What a name that is not declared means to an instance. */
enum {
    FIELDS_OPEN,    /* nothing: undeclared fields are accepted */
    FIELDS_CHANGED, /* a warning: a step before may have made the field */
    FIELDS_CLOSED   /* an error: no event can have it */
};

struct entities;
struct gate_source;
struct il_sender;
struct timers;

/* A route that a source registered, kept until the server is there. */
struct instance_route {
    struct instance_route *next;
    struct il_route route;
    void *self;
};

struct instance_timer {
    struct instance_timer *next;
    uint32_t interval_ms;
    void (*fn)(void *arg);
    void *arg;
};

/* Steps and destinations log from any thread. */
struct instance_said {
    pthread_mutex_t lock; /* protects what follows */
    int64_t at_us;
    char text[400];
};

/* The kinds of entities that the steps of a lane have resolved so far: no other
 * $entity.KIND can be there. */
struct instance_kinds {
    const struct il_kind *kinds[32];
    size_t count;
    int unknown; /* there are others: a step could not be opened */
};

struct il_host {
    const struct il_api *api; /* first, as in every object of the host */
    struct conf *conf;        /* takes findings while it is opened */
    const struct plugin *plugin;
    const struct il_conf *options;
    const char *name;     /* as the config names it */
    const char *instance; /* pipeline "orders", step 1 (filter.match) */
    const char *lane;     /* NULL outside a pipeline */
    struct schema_events declared; /* that reach it */
    int closed; /* only these and their fields can be there (FIELDS_*) */
    struct instance_kinds *kinds; /* of its lane; NULL outside a pipeline */

    /* Given by the daemon, NULL elsewhere. */
    struct entities *entities;
    struct gate_source *source;
    struct timers *timers;

    void *self;
    pthread_mutex_t turn; /* IL_SERIAL_INSTANCE: one request at a time */
    struct instance_route *routes; /* in the order of registration */
    struct instance_timer *wanted; /* timers, until start */
    struct il_sender
        *senders; /* in the order of il_sender_from(); conf's memory */
    struct instance_said *said; /* its last trouble, for its lane's status */
    int opened, started;
};

/* Call the plugin.  0, or a negative errno after a finding (open) or a log
 * line (start).  Stop and close do nothing to what was not started, opened. */
int instance_open(struct il_host *);
int instance_start(struct il_host *);
void instance_stop(struct il_host *);
void instance_close(struct il_host *);

/* Callbacks that a plugin of this kind need not have; call those that it has.
 * settled() and timers' functions have the shape that the gate and the timers
 * want, with the instance as what is handed back. */
void instance_settled(void *instance, uint64_t token, int outcome);
void instance_timer(const void *instance, void (*fn)(void *arg), void *arg);
int instance_ddl(const struct il_host *, struct il_text *out);
int instance_probe(const struct il_host *, struct il_text *out);

/* Remember that it says this. */
void instance_note(const struct il_host *, const char *text, size_t len);
/* What it has logged last as a warning or an error since it was started, and
 * since then on the monotonic clock; "" where nothing.  Any thread. */
void instance_said(const struct il_host *, int64_t since_us, char *out,
                   size_t size);

/* Compile the expression in an option; NULL where it is absent.  0, or a
 * negative errno after a finding. */
int instance_expr(const struct il_host *, const struct il_conf *,
                  const char *key, struct il_expr **out);

/* Fill in what needs only the instance, its options, a batch, a value: all but
 * settle, prepare, entities, emit and requests. */
void instance_fill_api(struct il_api *);

#endif
