/* SPDX-License-Identifier: MIT */
/* A gate with its stores in a folder of the test's own, and a source "pull" that
 * remembers what it hears. */
#ifndef GATE_WORLD_H
#define GATE_WORLD_H

#include "gate/private.h"

#define WORLD_HEARD 100000

struct world {
    char *dir;
    uint64_t segment_bytes; /* 0: 64 MiB */
    struct spool *spool;
    struct idem *idem;
    struct dead *dead;
    struct gate_marks *marks;
    struct gate *gate;
    struct gate_source *pull;

    pthread_mutex_t lock; /* protects what follows */
    uint64_t tokens[WORLD_HEARD];
    int outcomes[WORLD_HEARD];
    uint32_t heard, rooms;
};

/* One is open at a time. */
extern struct world world;

void world_setup(void);
void world_open(void);
void world_close(void);
void world_teardown(void);

/* il_emit(); tokens count from 1 in the order of the calls. */
int world_emit(const struct il_event *, size_t n, const struct il_mark *,
               size_t mark_count);
int world_offer(struct il_emission *); /* the same, token and sizes filled in */
extern const char *world_fault;        /* of -EINVAL */
/* Wait until so many emissions were settled, at most 20 s; how many are. */
uint32_t world_heard(uint32_t n);
uint32_t world_rooms(uint32_t n);
/* The outcome of a token, or -1. */
int world_outcome(uint64_t token);

struct il_event world_event(const char *type, const char *payload);
struct il_mark world_mark(const char *name, const char *value);
/* The value of a mark of "pull", or NULL. */
const char *world_marked(const char *name);

#endif
