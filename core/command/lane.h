/* SPDX-License-Identifier: MIT */
/* The parts of `ingestlayer lane`. */
#ifndef COMMAND_LANE_H
#define COMMAND_LANE_H

#include <stdint.h>

struct plan;

/* Name the lanes of the config's state_dir that it has not, on stdout. */
void command_say_left(const struct plan *);
/* Does the state_dir have events, and nobody says where a lane begins?  1 after
 * messages. */
int command_check_begin(const struct plan *);
/* 0, or 1 after a message.  plan NULL: what the config has is not known. */
int command_lane_list(const struct plan *, const char *state_dir);
int command_lane_forget(const struct plan *, const char *state_dir,
                        const char *lane);
/* The same by the daemon that runs there. */
int command_lane_have_forgotten(const char *state_dir, const char *lane);
/* Ask the daemon of the state_dir, or where none runs write the cursor there:
 * of a config's lane, or (state_dir not NULL) of whatever lane has one.  The exit
 * code, after a message. */
int command_lane_pause(const char *config, const char *state_dir,
                       const char *lane, int pause);
/* The last position that the spool has given out, as far as is known: it may
 * have been more. */
uint64_t command_lane_last(const char *state_dir);

#endif
