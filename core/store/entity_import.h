/* SPDX-License-Identifier: MIT */
/* `ingestlayer entity import`: CSV or NDJSON into the entity store. */
#ifndef ENTITY_IMPORT_H
#define ENTITY_IMPORT_H

#include "entity.h"

#include <stdio.h>

enum { IMPORT_GUESS, IMPORT_CSV, IMPORT_NDJSON };

struct entity_import {
    struct entities *store;
    FILE *in;
    const char *name;      /* of the input, for messages */
    int format;            /* IMPORT_GUESS: NDJSON where the first byte is { */
    struct slice kind;     /* of entities that name none */
    const char *id_column; /* NULL: external_id, <kind>_id or id */
    char delimiter;        /* of CSV; 0: as csv_open() guesses */
    int typed;                       /* numbers, true, false, null as such */
    FILE *problems;                  /* one line each: NAME:LINE: what */
    size_t created, merged, refused; /* out */
};

/* Import everything that is good, in transactions of some thousands.  0 (look
 * at refused), or a negative errno after a line in problems; what was put
 * before stays. */
int entity_import(struct entity_import *);

#endif
