/* SPDX-License-Identifier: MIT */
/* Text from outside on its way to a terminal: nothing in it may command the
 * terminal, hide, or change the order of what stands beside it. */
#ifndef TEXT_PLAIN_H
#define TEXT_PLAIN_H

#include "text.h"

#include <stdio.h>

/* Append a text as it may be shown: control characters (C0, DEL, C1), marks of
 * direction and what breaks lines as \u001b, which in a JSON string is the same
 * text still; bytes that are no UTF-8 as \x9b.  lines: newlines and tabs stay,
 * else they are as other control characters.  0 or -ENOMEM. */
int text_plain(struct il_text *out, struct slice, int lines);

/* A stream that writes to a file descriptor, all through text_plain() with
 * lines.  NULL: no memory.  Closing it closes the descriptor.  Opened and
 * closed by one thread, before and after the others. */
FILE *text_plain_stream(int fd, int mode);

#endif
