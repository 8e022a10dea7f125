/* SPDX-License-Identifier: MIT */
/* The verb of `ingestlayer entity` that takes long. */
#ifndef COMMAND_ENTITY_H
#define COMMAND_ENTITY_H

#include "store/entity_import.h"

/* With store and input in it: run it, with progress, and tell what became of it.
 * The exit code. */
int command_entity_import(struct entity_import *, int json);

#endif
