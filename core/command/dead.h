/* SPDX-License-Identifier: MIT */
/* Shared by command_dead*.c. */
#ifndef COMMAND_DEAD_H
#define COMMAND_DEAD_H

#include "codec/event.h"
#include "store/dead.h"

struct dead_job {
    const char *config, *state_dir; /* as given */
    /* Which letters; NULL: any. */
    const char *lane, *pipeline, *code, *event;
    int json, all, wait;
    char dir[4096];     /* the state_dir */
    struct dead *store; /* NULL: there is none yet */
    struct il_text text;
    uint64_t done;
    int whole; /* show: with the event */
};

/* Of the command line: says what is wrong.  2. */
int command_dead_usage(const char *what, ...) IL_PRINTF(1, 2);
/* 1 after a message, unless err is 0. */
int command_dead_failed(int err);
/* Open the store; one that does not exist holds no letters.  0, or the exit
 * code after a message. */
int command_dead_store(struct dead_job *, int read_only);
/* Is it one of those that were chosen? */
int command_dead_chosen(const struct dead_job *, const struct dead_letter *);
/* The lane, perhaps by its option, and positions; at least one is left. */
int command_dead_take_lane(struct dead_job *, char ***args, int *n);
int command_dead_position(const char *text, uint64_t *out); /* 0 or -EINVAL */

/* What is known of the event, whether it was accepted or refused. */
struct known {
    struct slice id, type;
    struct event ev;
    int accepted; /* ev is filled in */
    int json;     /* refused, but its text is JSON */
};

/* unpacked must live as long as *out. */
void command_dead_known(const struct dead_letter *, struct il_text *unpacked,
                        struct known *out);
/* For dead_each(): print it as the job asks. */
int command_dead_print(void *job, const struct dead_letter *);

/* dead_retry.c */
int command_dead_retry(struct dead_job *, char **args, int n);

#endif
