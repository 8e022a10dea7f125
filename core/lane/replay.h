/* SPDX-License-Identifier: MIT */
/* Events that a lane delivers once more, for whoever has them: `ingestlayer replay`
 * of a lane whose destination takes events one by one.
 *
 * They go to the destination of the lane that runs, beside what is due there, so
 * its breaker, its rates and its pauses hold for them, too; nothing of them gets
 * into the lane's position, its parked events or its letters.  What became of each
 * is told to whoever has sent it, who decides what is next.
 *
 * One thread has a lane_replay; of a lane there is one at a time. */
#ifndef LANE_REPLAY_H
#define LANE_REPLAY_H

#include "lane.h"

enum lane_replayed {
    LANE_REPLAY_UNKNOWN, /* it has not been sent, or nobody knows any more */
    LANE_REPLAY_DELIVERED,
    LANE_REPLAY_AGAIN,   /* it is to be sent again, after delay_us */
    LANE_REPLAY_GIVEN_UP /* it would be a dead letter */
};

struct lane_replay_event {
    struct lane_replay_event *next; /* whoever has it, has this as well */
    uint64_t position;
    /* As il_again() tells of it, raised by what became of it. */
    uint32_t attempts;
    int64_t first_us, since_us;
    /* What became of it. */
    enum lane_replayed fate;
    int64_t delay_us;
    char code[64], message[512];
    /* As batch_decided() packs it, in memory that follows. */
    size_t len;
    char event[];
};

struct lane_replay;

/* By the thread that starts and stops lanes.  0; -EBUSY: there is one; -ENOTSUP: its
 * destination takes no events one by one; or -ENOMEM. */
int lane_replay_new(struct lane *, struct lane_replay **out);
/* What is under way comes to an end that nobody hears of.  Copes with NULL. */
void lane_replay_free(struct lane_replay *);

/* Takes it over: 0; or -ESHUTDOWN, and does not: the lane has ended. */
int lane_replay_send(struct lane_replay *, struct lane_replay_event *);
/* One that has come to an end, which is the caller's again (to be freed with
 * free()); or NULL: there is none until then, or the lane has ended and gives
 * back no more. */
struct lane_replay_event *lane_replay_wait(struct lane_replay *,
                                           int64_t monotonic_us);
/* Has the lane ended? */
int lane_replay_is_over(struct lane_replay *);
/* Why the lane sends nothing now; "": no reason is known. */
void lane_replay_why(struct lane_replay *, char out[LANE_PAUSED_TEXT]);

#endif
