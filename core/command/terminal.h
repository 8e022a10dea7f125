/* SPDX-License-Identifier: MIT */
/* A terminal that is told what to do, beside the streams, which never tell it
 * anything. */
#ifndef COMMAND_TERMINAL_H
#define COMMAND_TERMINAL_H

#include "base/text.h"

/* Is there one that can move its cursor? */
int command_terminal_is(int fd);
/* 80 and 24 where it does not say. */
void command_terminal_size(int fd, int *columns, int *rows);
/* All of it, at once as a rule.  What it holds of others went through
 * text_plain().  0 or a negative errno. */
int command_terminal_write(int fd, struct slice);

#endif
