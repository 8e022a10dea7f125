/* SPDX-License-Identifier: MIT */
/* Shared by trial.c, the daemon of a test, trial_event.c, what goes into it, and
 * trial_plugin.c, what stands before its plugins. */
#ifndef TRIAL_PRIVATE_H
#define TRIAL_PRIVATE_H

#include "private.h"
#include "trial.h"

/* What is seen while the lanes run, from their threads. */
struct trial_watch {
    pthread_mutex_t lock; /* of all that follows */
    struct conf *memory;  /* for it alone: lanes take from it, too */
    struct trial_sight *sights;
    size_t count, capacity;
    const struct trial_options *options;
};

struct trial {
    const struct trial_options *options;
    const struct trial_case *test;
    struct trial_result *result;
    struct trial_watch watch;
    struct host *host;
    int64_t now_us;
};

/* It cannot be tried to its end: the first message is the one.  -EINVAL. */
int trial_fail(struct trial *, const char *fmt, ...) IL_PRINTF(2, 3);

/* --- trial_event.c --- */
/* One event, to the gate; 0 or a negative errno after trial_fail(). */
int trial_give(struct trial *, const struct trial_given *,
               struct trial_answer *);
/* The letters there are, among the sights; the entities that are expected. */
void trial_note_letters(struct trial *);
void trial_note_entities(struct trial *);

/* --- trial_plugin.c --- */
/* Put ourselves before the plugins of a lane that is open and has not started:
 * steps are watched, and the destination is asked what it would send.  number:
 * of the lane. */
void trial_stand_before(struct trial_watch *, struct assembly_lane *,
                        uint32_t number);
/* From now on, until a plugin is given another function table, tell
 * options->asked what entities steps look for. */
void trial_listen(struct trial_watch *);
/* Note it once.  name, plugin and text are copied; text may be NULL. */
void trial_note(struct trial_watch *, const struct trial_sight *);

#endif
