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
    size_t from_line; /* the records before it are passed over; 0: none */
    /* Called now and then with the line it is at: 0 to go on, or a negative errno,
     * which entity_import() returns without a message.  NULL: never. */
    int (*progress)(void *arg, size_t line);
    void (*clear)(void *arg); /* before a line in problems; or NULL */
    void *arg;
    size_t line;                     /* out: the last one that was read */
    size_t created, merged, refused; /* out */
};

/* Import everything that is good, in transactions of some thousands.  0 (look
 * at refused), or a negative errno after a line in problems; what was put
 * before stays, and where progress() ended it that is all up to `line`.  A read
 * that a signal has interrupted is an end, too, where progress() says so. */
int entity_import(struct entity_import *);

#endif
