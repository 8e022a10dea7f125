/* SPDX-License-Identifier: MIT */
/* A replay into a lane whose destination takes events one by one.
 *
 *   replay_each.c  what is shown (diff), and what is sent (insert), in turn
 *   replay_kept.c  how far it is, on disk: STATE_DIR/replays/ID/
 *
 * Nobody can ask a receiver what it has.  So a diff says what an insert would send,
 * and an insert sends that, through the destination of the lane that runs
 * (lane/replay.h), at its own pace.  What fails comes again by the destination's own
 * schedule while the job goes on, and what that gives up is named in the answer.
 *
 * Events under way have a slot each, written down with how far the range was read,
 * every 100 ms at most: what a crash repeats is what was under way, and what was
 * delivered since.  Of the job's thread alone. */
#ifndef REPLAY_EACH_H
#define REPLAY_EACH_H

#include "replay.h"

#include "lane/replay.h"

#define REPLAY_SLOTS 256
#define REPLAY_BYTES (8u << 20) /* of events that wait here */
#define REPLAY_RATE "10/s"

enum replay_stage {
    REPLAY_NOBODY,
    REPLAY_ABSENT, /* an earlier attempt knew it: it is not read yet */
    REPLAY_HERE,   /* it waits to be sent (again) */
    REPLAY_AWAY    /* the lane has it */
};

struct replay_slot {
    enum replay_stage stage;
    uint64_t position;
    uint32_t attempts;
    int64_t first_us, since_us;      /* as lane_replay_event has them */
    int64_t set_us, delay_us;        /* when it comes: so long after that */
    struct lane_replay_event *event; /* HERE */
};

struct replay_each_counts {
    uint64_t events, taken, sent, failed, left_out;
};

struct replay_each {
    struct replay *r;
    struct replay_each_counts counts;
    uint64_t would_send, refused; /* of a diff */
    uint32_t shown, shown_refused;
    struct replay_slot slots[REPLAY_SLOTS];
    uint32_t used, away, away_most;
    size_t bytes;
    uint64_t at;      /* so far the range is sent, or has a slot */
    uint64_t was_at;  /* what an earlier attempt had come to */
    int64_t each_us;  /* the pace */
    int64_t next_us;  /* monotonic: when one more may go */
    int64_t quiet_us; /* monotonic: since when nothing has come to an end */
    int said;         /* why that is so */
    struct il_text packed;
    /* replay_kept.c */
    char folder[4096];
    int dir; /* -1: none */
    int failed_fd;
    uint64_t failed_bytes;
    int changed;
    int64_t kept_us; /* monotonic */
};

/* Open what an earlier attempt has left, or begin.  -1 after job_fail(). */
int host_replay_kept_open(struct replay_each *);
/* Write down how far it is, where that is not too soon after the last time; or now.
 * -1 after job_fail(). */
int host_replay_kept_write(struct replay_each *, int now);
/* A line for an event that was given up: before its slot is free.  As above. */
int host_replay_kept_fail(struct replay_each *, const struct il_text *line);
/* It is done: nothing is kept any more; or not, and it stays. */
void host_replay_kept_end(struct replay_each *, int done);

#endif
