/* SPDX-License-Identifier: MIT */
/* `ingestlayer replay`: events that the spool still has, as the config makes them
 * today, beside what a destination has of them.
 *
 *   replay.c      what is asked for, and the job that does it
 *   replay_run.c  the spool, through the steps, to the destination
 *   replay_each.h where the destination takes events one by one
 *
 * The steps and the destination are instances of the replay's own, of a config
 * that is read for it; nothing of the lane that runs is touched, but that it sends
 * what is to go to a destination which takes events one by one.  They are opened
 * and closed by the main thread, as the plugins of a reload are, and used by the
 * job's thread in between. */
#ifndef REPLAY_H
#define REPLAY_H

#include "jobs.h"
#include "private.h"

#include "base/rate.h"

#define REPLAY_COLUMNS_MAX 256

/* What is asked for: {"mode":"diff","since":us,"until":us,"where":"...",
 * "columns":[...],"config":"...","samples":10,"rate":"10/s"}; its texts are
 * ours. */
struct replay_ask {
    char lane[DEAD_LANE_MAX + 1];
    uint32_t mode;               /* IL_REPLAY_... */
    uint64_t since_us, until_us; /* since 1970; until: UINT64_MAX: no end */
    char *where, *config;        /* NULL: not said */
    struct rate rate;            /* events 0: not said */
    char *columns[REPLAY_COLUMNS_MAX];
    uint32_t column_count, samples;
};

struct replay {
    struct host *h;
    struct job *job;
    struct replay_ask ask;
    /* set by the main thread */
    struct assembly *assembly;
    struct assembly_lane *lane;
    struct il_expr *where;
    char id[17];  /* of the same ask the same */
    uint64_t from,
        end; /* positions: where it reads from, and the lane's then */
    struct spool_hold *hold;
    struct lane_replay *through; /* the lane that sends; or NULL */
    int one_by_one;              /* as its destination takes events */
    /* the helper's */
    struct assembly_dry dry;
    struct spool_reader *reader;
    struct il_text frames, lines;
    struct il_replay to; /* the destination's */
    uint64_t *letters;   /* positions that `dead retry` is for, in order */
    size_t letter_count;
    uint64_t events, taken; /* of the range; of these, delivered today */
    uint64_t gone;          /* positions that the spool had let go of */
    struct replay_each *each; /* where one_by_one */
};

/* It is not needed any more; by the helper. */
void host_replay_done(struct replay *);
/* By the helper: all of it.  What goes wrong is said by the job. */
void host_replay_run(struct replay *);
/* One position more that is left out, before they are sorted: 0 or -ENOMEM; is this
 * one? */
int host_replay_leave_out(struct replay *, uint64_t position);
int host_replay_is_left_out(const struct replay *, uint64_t position);

/* replay_each.c: the same phases, and the report; errors after job_fail(), or as the
 * job was cancelled. */
int host_replay_each_begin(struct replay *);
int host_replay_each_batch(struct replay_each *, struct il_batch *,
                           uint64_t position);
int host_replay_each_end(struct replay_each *);
void host_replay_each_free(struct replay_each *, int done);
void host_replay_each_report(const struct replay_each *, struct json_out *);
/* The first position up to `at` that the spool should keep; and does an attempt
 * that goes on still have to do with this one? */
uint64_t host_replay_each_keeps(const struct replay_each *, uint64_t at);
int host_replay_each_knows(struct replay_each *, uint64_t position);
/* Where an earlier attempt had come; how many events there were. */
uint64_t host_replay_each_resumed(const struct replay_each *);
uint64_t host_replay_each_seen(const struct replay_each *);

#endif
