/* SPDX-License-Identifier: MIT */
/* A lane's surroundings: a real spool and dead-letter store in a folder of the
 * test's own, and a fake destination.  One world per process. */
#ifndef LANE_WORLD_H
#define LANE_WORLD_H

#include "fake.h"
#include "store/parked.h"

#include <check.h>
#include <stdlib.h>

#define LANE "feature-usage/fake"
/* Under a checker everything takes so many times as long. */
#define PATIENCE (getenv("IL_PATIENCE") ? atoi(getenv("IL_PATIENCE")) : 1)

extern struct lane_context ctx;
extern struct fake fake;
extern struct lane *lane;
extern struct lane_spec spec; /* to be changed before world_start() */
extern uint64_t next_position;

void world_open(void);
void world_close(void);
void world_start(void);
void world_stop(void);
/* A new process: nothing but the disk is left, and the far side. */
void world_restart(void);
/* The wall clock is that much ahead of the machine's, or behind. */
void world_clock(int seconds);
/* Run these, each in a world of its own; main()'s exit code. */
int world_run(const char *name, const TTest *const *tests, size_t n);

/* One event, not yet durable; wait until all are. */
void append(const char *source, const char *type, const char *json);
void durable(void);
/* n events feature.used with their position as payload.n, durable. */
void events(uint32_t n);
/* Before world_start(): one step. */
void with_step(int (*process)(void *, struct il_batch *), void *self);

struct lane_status status(void);
struct lane_status wait_position(uint64_t position);
void wait_state(enum lane_state state);
/* The far side has from ... to, each once, in order. */
void expect_range(uint64_t from, uint64_t to);
/* The lane's letters are these: "position:code " each. */
void expect_letters(const char *want);

/* A destination that is always away. */
void never(struct fake *, struct il_batch *, struct il_ack *, int n);

#endif
