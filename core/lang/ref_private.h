/* SPDX-License-Identifier: MIT */
/* A reference is a root and a path of keys and element numbers.  Between
 * ref_parse.c, which makes them, and ref.c, which reads with them. */
#ifndef REF_PRIVATE_H
#define REF_PRIVATE_H

#include "ref.h"

enum root {
    ROOT_PAYLOAD,
    ROOT_ENTITY,
    ROOT_ANY, /* a payload field, else a trait of any entity */
    ROOT_ID,
    ROOT_TYPE,
    ROOT_SOURCE,
    ROOT_RECEIVED,
    ROOT_TIMESTAMP
};

struct il_field {
    int root;
    const struct il_kind *kind; /* ROOT_ENTITY */
    uint32_t count;
    struct ref_part parts[]; /* then the bytes of the keys */
};

#endif
