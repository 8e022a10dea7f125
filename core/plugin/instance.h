/* SPDX-License-Identifier: MIT */
/* One configured instance of a plugin: what struct il_host is to the host.
 * Shared by the daemon and the test host, so it knows no servers and no
 * stores. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "loader.h"
#include "base/timers.h"
#include "schema/schema.h"

#include <stdatomic.h>

/* What a name that is not declared means to an instance. */
enum {
    FIELDS_OPEN,    /* nothing: undeclared fields are accepted */
    FIELDS_CHANGED, /* a warning: a step before may have made the field */
    FIELDS_CLOSED   /* an error: no event can have it */
};

struct entities;
struct gate_source;
struct lane;
struct il_sender;

/* The life of an instance.  It only moves on. */
enum {
    INSTANCE_NONE,
    INSTANCE_OPENING,  /* findings are taken, routes and senders too */
    INSTANCE_OPEN,     /* also all that a check ever sees */
    INSTANCE_STARTING, /* from here on it may have files */
    INSTANCE_STARTED,
    INSTANCE_STOPPING, /* no timer runs any more */
    INSTANCE_STOPPED
};

/* A route that a source registered, kept until the server is there. */
struct instance_route {
    struct instance_route *next;
    struct il_route route;
    void *self;
};

struct instance_timer {
    struct instance_timer *next;
    uint32_t ms;
    int once; /* ms after start(), and then no more */
    void (*fn)(void *arg);
    void *arg;
};

/* A kind of fault, and how often it was seen since it was logged. */
struct instance_fault {
    const char *fmt;
    int64_t logged_us;
    uint64_t unlogged;
};

/* What an instance says of itself, and the host of it, from any thread. */
struct instance_said {
    pthread_mutex_t lock; /* protects what follows */
    int64_t at_us;        /* of text */
    char text[400];       /* its last warning or error */
    char doing[400];      /* il_status_text() */
    struct instance_fault faults[8];
    struct il_counter *fault_count; /* set once; or NULL */
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
    const char *state_dir;
    const char *folder; /* its own, below that, made when it is asked for */

    struct lane *delivers; /* of a destination: whose it is */
    uint64_t lineage;      /* of a step: of what comes before it in its lane */
    struct il_memory *memory; /* what it remembers; NULL: nothing */

    const char *derives[8]; /* of a step: types of events that it makes */
    size_t derives_count;
    struct il_intake intake; /* as open() said; all 0 where it did not */
    void *self;
    pthread_mutex_t turn; /* IL_SERIAL_INSTANCE: one request at a time */
    struct instance_route *routes; /* in the order of registration */
    struct il_sender
        *senders; /* in the order of il_sender_from(); conf's memory */
    struct instance_said *said; /* NULL before open */
    atomic_int phase;           /* INSTANCE_..., changed by the main thread */
    atomic_int cancelled;       /* what il_cancelled() answers */

    pthread_mutex_t lock;          /* protects what follows; made by open */
    struct instance_timer *wanted; /* timers, until start */
    int folder_made;
};

/* Call the plugin.  0, or a negative errno after a finding (open) or a log
 * line (start).  Stop and close do nothing to what was not started, opened. */
int instance_open(struct il_host *);
int instance_start(struct il_host *);
void instance_stop(struct il_host *);
void instance_close(struct il_host *);

/* Callbacks that a plugin of this kind need not have; call those that it has.
 * settled(), room() and timers' functions have the shape that the gate and the
 * timers want, with the instance as what is handed back. */
void instance_settled(void *instance, uint64_t token, int outcome);
void instance_room(void *instance);
void instance_timer(const void *instance, void (*fn)(void *arg), void *arg);
int instance_ddl(const struct il_host *, struct il_text *out);
int instance_probe(const struct il_host *, struct il_text *out);
int instance_plan(const struct il_host *, struct il_text *json,
                  struct il_text *text);
int instance_apply(const struct il_host *, const char *json, size_t len,
                   const char *as, struct il_text *text);
int instance_describe(const struct il_host *, struct il_text *out);
int instance_assume(const struct il_host *, const char *json, size_t len,
                    struct il_text *why);
/* Of event i in a batch that is sealed and of nobody else. */
int instance_render(const struct il_host *, struct il_batch *, uint32_t i,
                    struct il_text *out);
int instance_find(const struct il_host *, struct il_batch *, uint32_t i,
                  struct il_text *out);
/* One phase of a replay, where it has that; the batch is what it is of
 * write(). */
int instance_replay(const struct il_host *, struct il_replay *,
                    struct il_batch *);

/* What it remembers, as one line; the step has show(). */
int instance_show(const struct il_host *, const char *key, size_t len,
                  const struct il_remembered *, struct il_text *out);

/* Push out what it has accepted, until the deadline.  Of a source, started. */
void instance_flush(struct il_host *, int64_t deadline_us);

/* From now on what it does is to come to its end. */
void instance_cancel(struct il_host *);

/* Remember that it says this. */
void instance_note(const struct il_host *, const char *text, size_t len);
/* What it has logged last as a warning or an error since it was started, and
 * since then on the monotonic clock; "" where nothing.  Any thread. */
void instance_said(const struct il_host *, int64_t since_us, char *out,
                   size_t size);

/* What it says it is doing now; "" where nothing, and after its stop.  Any
 * thread. */
void instance_doing(const struct il_host *, char *out, size_t size);

/* The plugin did what it must not: called something at a wrong time, with an
 * index past the end, twice.  Counted (instance_faults_total); the first of a
 * kind is logged at once, further ones with their number each minute.  fmt
 * tells the kind: a constant.  NULL: some plugin.  Any thread. */
void instance_fault(const struct il_host *, const char *fmt, ...)
    IL_PRINTF(2, 3);

/* What a counter or a gauge (gauge != 0) of the instance has, whatever its
 * unit.  1, or 0: there is none. */
int instance_metric(const struct il_host *, const char *name, int gauge,
                    int64_t *value);

/* Compile the expression in an option; NULL where it is absent.  0, or a
 * negative errno after a finding. */
int instance_expr(const struct il_host *, const struct il_conf *,
                  const char *key, struct il_expr **out);

/* Fill in what needs only the instance, its options, a batch, a value: all but
 * settle, prepare, entities, emit and requests. */
void instance_fill_api(struct il_api *);

#endif
