/* SPDX-License-Identifier: MIT */
/* The parts of `ingestlayer lane`. */
#ifndef COMMAND_LANE_H
#define COMMAND_LANE_H

struct plan;

/* Name the lanes of the config's state_dir that it has not, on stdout. */
void command_say_left(const struct plan *);
/* Does the state_dir have events, and nobody says where a lane begins?  1 after
 * messages. */
int command_check_begin(const struct plan *);
/* 0, or 1 after a message. */
int command_lane_list(const struct plan *, const char *state_dir);
int command_lane_forget(const struct plan *, const char *state_dir,
                        const char *lane);

#endif
