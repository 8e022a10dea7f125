/* SPDX-License-Identifier: MIT */
/* A set of names, each with the number it was added as: fields of an object,
 * event types, values to choose from.  Looking one up costs the same however
 * many there are, for senders who make up names. */
#ifndef NAMESET_H
#define NAMESET_H

#include "table.h"
#include "text.h"

/* A zeroed one is empty. */
struct nameset {
    struct slice *names; /* owned, NUL-terminated */
    uint32_t count, capacity;
    size_t longest;
    struct table table; /* of names */
};

/* The name is copied.  0, -EEXIST or -ENOMEM. */
int nameset_add(struct nameset *, const char *name, size_t len);
/* Its number, or -1. */
int64_t nameset_find(const struct nameset *, const char *name, size_t len);
void nameset_clear(struct nameset *);

#endif
