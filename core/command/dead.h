/* SPDX-License-Identifier: MIT */
/* Shared by command_dead*.c. */
#ifndef COMMAND_DEAD_H
#define COMMAND_DEAD_H

#include "codec/batch.h"
#include "store/dead.h"
#include "store/parked.h"

struct assembly;

/* What there is of an event that was not delivered, whichever store it is in.
 * Texts may be NULL. */
enum dead_kind {
    DEAD_LETTER,     /* of the gate, of a step, or of a destination that takes
                      * batches; or put aside by a step */
    DEAD_OWN_LETTER, /* of a lane that delivers event by event */
    DEAD_WAITING,    /* parked: it is sent again */
};

struct dead_item {
    enum dead_kind kind;
    const char *lane;
    uint64_t position;
    int64_t at_us; /* when it was given up; parked: put aside last */
    uint32_t attempts;
    const char *code, *message, *field, *rule;
    const char *key;    /* id of the key it came by */
    uint64_t retry;     /* where in the spool it is tried again; 0: not */
    struct slice decided; /* where it stopped, as it was packed; or empty */
    struct slice event; /* as its store has it */
    /* Of lanes that deliver event by event: */
    int64_t first_us; /* when it failed first */
    const char *target;
    /* Put aside: */
    int64_t due_us;
    uint64_t behind; /* what it waits for; 0: for its time alone */
    int was_letter;
};

struct dead_job {
    const char *config, *state_dir; /* as given */
    /* Which; NULL: any. */
    const char *lane, *pipeline, *code, *event, *reason;
    int64_t since_us; /* INT64_MIN: any */
    int waiting;      /* parked events, else letters */
    int json, all, wait, render, anew, raw, has_config;
    char dir[4096];            /* the state_dir */
    struct dead *store;        /* NULL: there is none yet */
    struct parked *parked;     /* likewise */
    struct assembly *assembly; /* to redact and to render with; or NULL */
    struct il_batch *batch;    /* what was unpacked last */
    int redacted, hidden;      /* that is a letter's event, as it may be seen;
                                * nothing of it may */
    struct il_text text, buffer, unpacked;
    uint64_t done;
    uint64_t timed; /* that a walk of letters has passed over */
    int whole;  /* show: with the event */
    int failed; /* it could not be rendered */
    int tell;   /* the daemon has to hear of it */
};

/* Of the command line: says what is wrong.  2. */
int command_dead_usage(const char *what, ...) IL_PRINTF(1, 2);
/* 1 after a message, unless err is 0. */
int command_dead_failed(int err);
/* The lane, perhaps by its option, and positions; at least one is left. */
int command_dead_take_lane(struct dead_job *, char ***args, int *n);
int command_dead_position(const char *text, uint64_t *out); /* 0 or -EINVAL */
/* Say that there is nothing at a position of the lane. */
void command_dead_no_such(const struct dead_job *, uint64_t position);

/* --- dead_item.c --- */

typedef int command_dead_fn(void *arg, const struct dead_item *);

/* Open the stores; one that does not exist holds nothing.  0, or the exit code
 * after a message. */
int command_dead_store(struct dead_job *, int read_only);
void command_dead_close(struct dead_job *);
int command_dead_is_gate(const char *lane);
int command_dead_waits(const struct dead_item *); /* it comes again by itself */
/* Walk those that were chosen: letters of both stores, or what is parked.  fn
 * may delete, and returns non-zero to stop, which is returned. */
int command_dead_each(struct dead_job *, command_dead_fn *, void *arg);
/* What the job's lane has at this position: letter or parked.  -ENOENT: no
 * such thing; -EIO: it is damaged, and that was said; else what fn answered. */
int command_dead_find(struct dead_job *, uint64_t position, command_dead_fn *,
                      void *arg);
/* How many events wait, of the lanes that were chosen; after a walk of letters. */
uint64_t command_dead_waiting(struct dead_job *);

/* What is known of the event, whether it was accepted or refused. */
struct known {
    struct slice id, type;
    struct event ev;
    const struct entity_link *entities;
    int accepted; /* ev is filled in */
    int hidden;   /* its payload is null: nobody knows what may be seen of it */
    int json;     /* refused, but its text is JSON */
};

/* It lives in the job, until the next one. */
void command_dead_known(struct dead_job *, const struct dead_item *,
                        struct known *out);

/* --- dead_redact.c --- */

/* Take out of it what a step of its lane would: in a batch of the job's, that
 * command_dead_render() renders. */
void command_dead_redact(struct dead_job *, const struct dead_item *,
                         struct known *);

/* --- dead_print.c --- */

/* Print it as the job asks. */
int command_dead_print(void *job, const struct dead_item *);

/* --- dead_render.c --- */

/* Open the plugins of the config, also where something in it is wrong unless it is
 * to be rendered.  0, or 1 after a message. */
int command_dead_assemble(struct dead_job *);
/* Append what the destination would send, or why nobody can tell: -EINVAL.
 * What command_dead_known() has unpacked must be of this one. */
int command_dead_render(struct dead_job *, const struct dead_item *,
                        struct il_text *out);

/* --- dead_retry.c --- */
int command_dead_retry(struct dead_job *, char **args, int n);

/* A letter that is on its way again, or an event that is due. */
struct dead_pending {
    struct dead_pending *next;
    uint64_t letter, position;
    int parked;    /* where it was, and not in the spool */
    uint32_t turn; /* of that */
    char lane[];
};

/* Until all of them have ended, or somebody has enough of it (Ctrl-C); says what
 * became of them.  1 where not all are settled.  Those that have ended are freed;
 * the others by the second one. */
int command_dead_wait(struct dead_job *, struct dead_pending **list);
void command_dead_pending_free(struct dead_pending **list);

#endif
