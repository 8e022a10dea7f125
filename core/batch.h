/* SPDX-License-Identifier: MIT */
/* A batch: events that a lane has read, in spool order, with what steps have
 * added.  Owned by one lane; touched by one thread at a time (the lane's, or
 * the destination's between write() and settle). */
#ifndef BATCH_H
#define BATCH_H

#include "event.h"

/* Kinds are interned for the life of the process: equal names, same pointer.
 * Any thread.  NULL on lack of memory. */
struct il_kind {
    const char *name;
    size_t len;
};
struct il_kind *kind_intern(const char *name, size_t len);

/* One attached entity of an event. */
struct entity_link {
    const struct il_kind *kind;
    struct il_value traits; /* IL_MAP */
    struct entity_link *next;
};

enum batch_state { BATCH_LIVE, BATCH_DROPPED, BATCH_REJECTED };

struct batch_event {
    struct event ev; /* payload may point into the arena after a mutation */
    uint64_t position;
    uint32_t state;
    uint32_t body_len; /* the frame as accepted, for dead letters */
    const char *body;
    struct entity_link *entities;
    struct il_reason reason; /* BATCH_REJECTED; strings in the arena */
};

struct arena_block;

struct il_batch {
    const struct il_api *api;
    struct batch_event *events;
    uint32_t count, capacity;
    uint32_t live;           /* neither dropped nor rejected */
    uint64_t id;             /* position of the first event */
    uint64_t last;           /* position once settled; covers skipped frames */
    struct il_text frames;   /* the bytes that events point into */
    struct arena_block *arena;
    size_t bytes;            /* held: frames and arena */
    void *lane;              /* for prepare(); NULL in tests */
    void *reader;            /* entity read transaction of this pass, or NULL */
};

/* An empty batch whose api is the host's table.  NULL: no memory. */
struct il_batch *batch_new(void);
void batch_free(struct il_batch *);
/* Forget the events, keep the memory (arena beyond its first block apart). */
void batch_reset(struct il_batch *);
/* Append an event whose frame body lies in memory that outlives the batch's
 * use (normally batch->frames).  0, -EINVAL (unreadable body), -ENOMEM. */
int batch_add(struct il_batch *, uint64_t position, const char *body,
              size_t len);
/* Scratch with the lifetime of the batch's content, 16-byte aligned. */
void *batch_alloc(struct il_batch *, size_t size);

void batch_drop(struct il_batch *, uint32_t i);
void batch_reject(struct il_batch *, uint32_t i, const struct il_reason *);
void batch_unreject(struct il_batch *, uint32_t i);
int batch_set_payload(struct il_batch *, uint32_t i, int encoding,
                      const void *, size_t);
int batch_attach(struct il_batch *, uint32_t i, const struct il_kind *,
                 const struct il_value *traits);

#endif
