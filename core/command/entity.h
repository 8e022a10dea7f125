/* SPDX-License-Identifier: MIT */
/* Verbs of `ingestlayer entity` that are stories of their own. */
#ifndef COMMAND_ENTITY_H
#define COMMAND_ENTITY_H

#include "store/entity_import.h"

/* With store and input in it: run it, with progress, and tell what became of it.
 * The exit code. */
int command_entity_import(struct entity_import *, int json);
/* verb: run or status; name NULL: all (status alone).  The exit code. */
int command_entity_mirror(struct entities *, const char *verb, const char *name,
                          int json);

#endif
