/* SPDX-License-Identifier: MIT */
/* Places: where steps write, a path below the payload. */
#ifndef PLACE_H
#define PLACE_H

#include "ref.h"

struct il_place {
    uint32_t count;
    struct batch_part parts[]; /* then the bytes of the keys */
};

/* Parse a whole text as one place, "$event.payload.a.b[0]", or as the path alone,
 * "a.b[0]", since all places are below the payload.  0 or -EINVAL with *error,
 * or -ENOMEM. */
int place_parse(const char *text, size_t len, struct il_place **out,
                struct lang_error *error);
/* A top-level field, its name taken literally.  0 or -ENOMEM. */
int place_named(const char *name, struct il_place **out);
void place_free(struct il_place *);

#endif
