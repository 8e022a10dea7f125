/* SPDX-License-Identifier: MIT */
/* What a reply holds, once its JSON is read: absent members and those of
 * another type are taken for nothing, so that a daemon of another version may
 * say more or less. */
#ifndef COMMAND_REPLY_H
#define COMMAND_REPLY_H

#include "codec/msg_read.h"

#include <stdio.h>

/* A text, for one %.*s; another type is "". */
#define COMMAND_TEXT(v)                                                        \
    (v).type == IL_STRING ? (int) (v).len : 0,                                 \
        (v).type == IL_STRING ? (v).str : ""

/* A member of an object; IL_MISSING where map is none, or has none. */
struct il_value command_member(const struct il_value *map, const char *key);
/* The same as a number; 0 where it is none. */
uint64_t command_number(const struct il_value *map, const char *key);
/* As one that may have a fraction. */
double command_real(const struct il_value *map, const char *key);
/* Is it this text? */
int command_is(const struct il_value *, const char *text);
/* Print one as a terminal may have it, in one line: far sides and configs of others
 * are quoted in replies.  Nothing where it is no text, or an empty one. */
void command_print(FILE *, const char *before, const struct il_value *text,
                   const char *after);
/* A time; 0 where there is none. */
int64_t command_time_at(const struct il_value *map, const char *key);

#endif
