/* SPDX-License-Identifier: MIT */
/* `ingestlayer test`: what a test says, and a daemon that tries it.
 *
 * The daemon is the real one, from the gate to what a destination would send,
 * with a state_dir of its own; but it has no servers, its destinations are
 * asked for render() instead of write(), and clock, ids and randomness are the
 * test's. */
#ifndef TRIAL_H
#define TRIAL_H

#include "conf/options.h"

struct catalog;
struct config_setting_t;
struct plan;

/* --- what a test says (trial_case.c) --- */

struct trial_entity {
    const char *kind, *id;
    const char *traits; /* JSON */
};

struct trial_given {
    const char *source;               /* NULL: the config's only one */
    const char *type;                 /* NULL: nothing comes, time passes */
    const char *payload;              /* JSON; NULL: none */
    const char *id, *key, *timestamp; /* or NULL */
    int64_t after_us;
    struct conf_place place;
};

enum trial_kind {
    TRIAL_ROWS,
    TRIAL_REQUESTS,
    TRIAL_DROP,
    TRIAL_DEAD,
    TRIAL_GATE,
    TRIAL_ENTITY
};

struct trial_expect {
    enum trial_kind kind;
    const char *key;  /* as it is written: "rows" */
    const char *lane; /* or NULL */
    size_t event;     /* number among given; SIZE_MAX: none is named */
    /* Of TRIAL_ROWS and TRIAL_REQUESTS: how many, and what each is to be; NULL:
     * only their number counts. */
    size_t count;
    struct config_setting_t **each;
    const char *name;                /* step, code, or entity */
    struct config_setting_t *traits; /* or NULL */
    int status;
    struct conf_place place;
};

struct trial_case {
    const struct conf *conf; /* that the settings are in */
    const char *name;
    int64_t at_us;
    struct trial_entity *entities;
    struct trial_given *given;
    struct trial_expect *expect;
    size_t entity_count, given_count, expect_count;
    struct conf_place place;
};

/* Read the `tests` of a group, which is in conf; what is wrong is a finding there.
 * plan (may be NULL): the config that they are about, whose sources and lanes they
 * name.  Memory of conf's. */
struct trial_case *trial_cases(struct conf *conf, const struct il_conf *group,
                               const struct plan *plan, size_t *count);

/* --- what came of it --- */

/* An end, or a stop, of an event in a lane. */
enum trial_what {
    TRIAL_DELIVERED, /* text: what the destination would send */
    TRIAL_DROPPED,   /* by a step */
    TRIAL_LETTER     /* name: its code; text: its message */
};

struct trial_sight {
    enum trial_what what;
    uint32_t lane;      /* in trial_result.lanes */
    uint64_t position;  /* where the event first stood */
    const char *name;   /* of the step; or the code */
    const char *plugin; /* of the step */
    const char *text;
    size_t text_len;
};

/* What the gate said of what was given. */
struct trial_answer {
    int status;        /* 0: nothing came */
    uint64_t position; /* 0: no new event */
    const char *id;    /* of the event, if it has one; else NULL */
    const char *code;  /* of the refusal; else NULL */
    const char *text;  /* the whole answer */
    int duplicate;
};

struct trial_lane {
    const char *name;
    int runs; /* 0: paused or a draft */
    int has_when;
    char *takes; /* for each given: its pipeline does */
};

struct trial_result {
    struct conf *memory;          /* of all that follows but the sights */
    struct conf *seen;            /* of those: lanes filled it as they ran */
    struct trial_answer *answers; /* one for each given */
    const char *
        *entities; /* traits as JSON, for each expected; NULL: unknown */
    struct trial_lane *lanes;
    size_t lane_count;
    struct trial_sight *sights; /* in the order of each lane */
    size_t sight_count;
    const char *error; /* it could not be tried to its end; else NULL */
};

struct trial_options {
    const char *config;
    const char *folder;            /* an empty one, for its state_dir */
    const struct catalog *catalog; /* of its far sides; or NULL */
    int log_level;
    /* A step looks for an entity; NULL: nobody wants to know.  By threads of the
     * lanes, one at a time. */
    void (*asked)(void *arg, struct slice kind, struct slice id);
    void *arg;
};

/* Try it.  One at a time in a process, which has no other daemon.  Always a
 * result; trial_free() it. */
struct trial_result *trial_run(const struct trial_options *,
                               const struct trial_case *);
void trial_free(struct trial_result *);

#endif
