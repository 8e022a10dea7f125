/* SPDX-License-Identifier: MIT */
/* The match, the steps and `when` of a lane, run over single frames: for those
 * who ask what becomes of an event, or what became of it.  Nothing is delivered,
 * nothing of the lane's is touched, and a daemon may run. */
#ifndef DRY_H
#define DRY_H

#include "lane.h"

struct lane_dry;

/* Of spec the name, matches, steps and `when` count; their plugins are open and
 * not started.  entities: read, or NULL. memory: an empty folder for what steps
 * remember while it is used; of a lane that remembers nothing not looked at.
 * memories, count: of the steps that do.  0 or a negative errno. */
int lane_dry_new(const struct lane_spec *, struct entities *entities,
                 const char *memory, struct il_memory *const *memories,
                 size_t count, const uint8_t spool[16], struct lane_dry **out);
void lane_dry_free(struct lane_dry *);

/* What the lane does with a frame. */
struct lane_dry_end {
    int takes;                       /* 0: no match; and nothing else counts */
    const struct batch_event *event; /* until the next frame */
    struct il_batch *batch;          /* its own, of it alone */
    int at_when;                     /* `when` ended it */
    long step;                       /* index of the step that did; -1: none */
};
/* All of these in the order of the spool.  0 or a negative errno.
 *
 * A frame that the steps are only to remember, sooner or later. */
int lane_dry_pass(struct lane_dry *, uint64_t position, const char *body,
                  size_t len);
/* Those have gone through the steps. */
int lane_dry_settle(struct lane_dry *);
/* The frames since the last lane_dry_settle(), LANE_DRY_FRAMES at most, as steps and
 * `when` leave them; the batch is the caller's to look at and to change until the
 * next call of any of these.  Frames are added by lane_dry_add(), which does not
 * let them go by themselves as lane_dry_pass() does.  0 or a negative errno. */
#define LANE_DRY_FRAMES 8192
int lane_dry_add(struct lane_dry *, uint64_t position, const char *body,
                 size_t len);
int lane_dry_batch(struct lane_dry *, struct il_batch **out);
/* A frame alone, after all that came before. */
int lane_dry_show(struct lane_dry *, uint64_t position, const char *body,
                  size_t len, struct lane_dry_end *end);

#endif
