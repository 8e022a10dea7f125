/* SPDX-License-Identifier: MIT */
/* The config that counts (host/effective.h), for commands that show it. */
#ifndef COMMAND_CONFIG_READ_H
#define COMMAND_CONFIG_READ_H

#include "base/text.h"

/* Of the files, as a config or as JSON.  0; or 1: something is wrong, which was
 * said, and what could be understood is in out, if anything. */
int command_config_files(const char *path, int json, struct il_text *out);
/* Of the running daemon.  0, or 1 after a message. */
int command_config_running(const char *state_dir, int json,
                           struct il_text *out);

#endif
