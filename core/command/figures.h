/* SPDX-License-Identifier: MIT */
/* How fast a running daemon does what: its status twice, and what lies between. */
#ifndef COMMAND_FIGURES_H
#define COMMAND_FIGURES_H

#include "codec/msg_read.h"

/* Its status at one moment. */
struct command_sample {
    struct il_text packed;
    struct il_value all; /* into packed */
    int64_t at_us;       /* by its clock; 0: it was never taken */
};

/* Ask it, in place of what *sample held.  0 or a negative errno; after a message
 * where it is not quiet. */
int command_sample_take(const char *state_dir, int quiet,
                        struct command_sample *);
void command_sample_clear(struct command_sample *);
/* Are these of the same process, so that its counts can be compared? */
int command_sample_same(const struct command_sample *,
                        const struct command_sample *);

/* Element i of a list of the status, "lanes" or "sources"; 0: there is none. */
int command_sample_item(const struct command_sample *, const char *list,
                        size_t i, struct il_value *out);
/* That of a name. */
int command_sample_find(const struct command_sample *, const char *list,
                        struct slice name, struct il_value *out);

/* What was counted a second, of a member of two objects, a time apart; negative:
 * there is nothing to compare (before is IL_MISSING). */
double command_rate(const struct il_value *before, const struct il_value *after,
                    const char *member, int64_t us);
/* Element i of a list of both: what was before is looked for by its name. */
struct command_pair {
    struct il_value before, after;
    int64_t us; /* from the one to the other */
};
int command_pair_at(const struct command_sample *before,
                    const struct command_sample *after, const char *list,
                    size_t i, struct command_pair *out);

/* The last position of the spool. */
uint64_t command_sample_last(const struct command_sample *);
/* How long the disk has room for so many events a second, of the size of those
 * that are there: seconds; negative: for none, or nobody knows. */
double command_disk_left(const struct command_sample *,
                         double events_per_second);

/* What a lane waits for, as its status says it, for people; "" for one that
 * waits for nothing.  Appended.  0 or -ENOMEM. */
int command_lane_waits(struct il_text *, const struct il_value *lane,
                       int64_t now_us);

#endif
