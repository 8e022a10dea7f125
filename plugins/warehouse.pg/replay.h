/* SPDX-License-Identifier: MIT */
/* `ingestlayer replay`: rows as the config makes them today, beside those that the
 * table has.
 *
 *   replay.c        the phases, and a batch run by run
 *   replay_rows.c   what is asked of the server about a run of rows, in SQL
 *
 * A run of rows goes into a temporary table, and is compared with the table there,
 * by the unique column.  Values are compared as texts, which any type has, and
 * which are the same for what was written with the same input.  Of a run with a
 * row that does not fit the halves are tried.
 *
 * Where something is changed, the replay has a row of its own in the table of
 * positions, moved in the transaction of each batch: so whatever dies on the way,
 * each batch is counted and changed once, and the next attempt begins there.
 *
 * All of it belongs to the one thread that calls replay(). */
#ifndef PG_REPLAY_H
#define PG_REPLAY_H

#include "pg.h"

/* What is done with a column that differs. */
enum replay_column {
    REPLAY_TODAY,  /* it says how an entity is today: listed apart */
    REPLAY_LEAVES, /* it counts, and is not mended */
    REPLAY_MENDS
};

enum replay_sample {
    REPLAY_MISSING,
    REPLAY_DIFFERENT,
    REPLAY_ONLY_THERE,
    REPLAY_REFUSED,
    REPLAY_SAMPLES
};

struct replay {
    struct pg *pg;
    struct link link;
    struct encoder enc;
    struct plan *plan;
    struct delivery of;
    struct job job;
    char *name; /* of its row, as a literal */
    int keeps;  /* it has one, at */
    uint64_t at;
    uint8_t *columns; /* enum replay_column, of each in the plan */
    uint64_t *differ; /* rows in which it does */
    uint32_t sampled[REPLAY_SAMPLES]; /* how many were shown */
    struct il_replay *ask;            /* of the phase at hand */
};

int replay_phase(void *self, struct il_replay *, struct il_batch *);
void replay_close(struct pg *);

/* Bring rows lo to hi of a part into the temporary table, compare, change.  In a
 * transaction, behind a savepoint.  0 or -1 with link->fault. */
int replay_rows(struct replay *, const struct part *, uint32_t lo, uint32_t hi);
/* What the unique column gets of an event, with a NUL behind it: 0, or -ENOENT:
 * nothing, or no text. */
int replay_key(struct replay *, struct il_batch *, uint32_t i,
               struct il_text *out);
/* Those of the batch that are not live. */
int replay_absent(struct replay *, struct il_batch *);
/* A line of what is shown: {"sample":what,"id":id[,"why":why]}. */
void replay_show(struct replay *, enum replay_sample, const char *id,
                 const char *why);

#endif
