/* SPDX-License-Identifier: MIT */
/* What the far sides of lanes look like, in a file: `ddl --save` asks and writes
 * it, `test --catalog` takes it for them.  A JSON object with a member for each
 * lane, whose value is its destination's own (describe() of a plugin). */
#ifndef CATALOG_H
#define CATALOG_H

#include "assembly.h"

struct catalog;

/* Read the file.  NULL after appending why not, with file and line. */
struct catalog *catalog_read(const char *path, struct il_text *why);
void catalog_free(struct catalog *);

/* Have the destination of a lane take what the catalog (NULL: none) says for its
 * far side.  0, also where it has no use for that; -EINVAL after appending why
 * it cannot, or -ENOMEM. */
int catalog_assume(const struct catalog *, const struct assembly_lane *,
                   struct il_text *why);

/* Append what it says of a lane; nothing where it says nothing.  0 or
 * -ENOMEM. */
int catalog_says(const struct catalog *, const char *lane,
                 struct il_text *json);

/* One that is written: begin, ask each lane, end.  0 or -ENOMEM; catalog_ask()
 * also -EAGAIN or -EACCES after appending why, and 1 where there is nothing to
 * say of the lane. */
int catalog_begin(struct il_text *json);
int catalog_ask(struct il_text *json, const struct assembly_lane *,
                struct il_text *why);
/* What is known already; 0 or -ENOMEM. */
int catalog_add(struct il_text *json, const char *lane,
                const struct il_text *said);
int catalog_end(struct il_text *json);

#endif
