/* SPDX-License-Identifier: MIT */
/* What steps ask the host while they decide about an event, told to somebody: for
 * commands.  A daemon has the functions as they are; here none of them changes
 * anything. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "lang/expr.h"

struct il_conf;
struct il_host;
struct il_remembered;

struct host_told {
    void *arg;
    /* An expression of an option was asked. */
    void (*expr)(void *arg, const struct il_host *, const struct il_conf *,
                 const char *key, size_t i, const struct expr_explained *);
    /* An entity was looked up; found NULL: there is none. */
    void (*entity)(void *arg, const struct il_host *, struct slice kind,
                   struct slice id, const struct il_entity *found);
    /* What a step remembers under a key was; found NULL: nothing. */
    void (*memory)(void *arg, const struct il_host *, struct slice key,
                   const struct il_remembered *found);
};

/* Once, after host_api_init() and before any plugin is opened. */
void host_explain_init(void);
/* From now on it is told of what instances ask; NULL: nobody is. */
void host_explain(const struct host_told *);

/* Of all that was asked since the last call of this, told or not. */
struct host_asked {
    int entity_changed;   /* one has changed since the event came */
    int entity_unknown;   /* one was not there: perhaps it was, and is gone */
    int64_t remembers_us; /* for so long at most is anything remembered */
    int forever;          /* ... or without an end */
};
void host_asked(struct host_asked *out);

#endif
