/* SPDX-License-Identifier: MIT */
/* Partitions of the table, by time: one a day or a month, in UTC.
 *
 *   partition.c        the option, stretches of time and their names, the DDL
 *   partition_row.c    what of a row has to be within `range`
 *   partition_make.c   made where rows need one, and by a thread of its own
 *                      ahead of time; that drops old ones, too
 *
 * A partition is known by what it takes, not by its name: whoever made one for
 * a time has it, and none is made that would overlap.  Only those that have the
 * name and the bounds that they would be given here are ever dropped. */
#ifndef PG_PARTITION_H
#define PG_PARTITION_H

#include "link.h"
#include "options.h"

struct conn;
struct encoder;
struct job;
struct pg;
struct plan;
struct column;

/* What one partition takes. */
struct period {
    int64_t from_s, to_s; /* since 1970; to is not in it */
    char suffix[16];      /* _p20261130 */
};

/* Options of the group, and what they are.  0 or an error after findings. */
extern const struct il_option partition_options[];
int partition_open(struct options *, const struct il_host *,
                   const struct il_conf *);

void partition_period(const struct partition *, int64_t us, struct period *);
/* The one after it. */
void partition_next(const struct partition *, struct period *);
/* The first and the last that there have to be now. */
void partition_span(const struct partition *, int64_t now_us,
                    struct period *first, struct period *last);
/* Append `'from') to ('to'`, and the quoted name. */
void partition_bounds_sql(struct sql *, const struct period *);
void partition_name_sql(const struct options *, struct sql *,
                        const struct period *);
/* Append what makes those that there have to be now, of a table that is new. */
void partition_ddl(const struct options *, struct sql *);

/* --- partition_row.c ------------------------------------------------------- */

/* Is the event's row within `range`?  0, -ENOMEM, or ENCODE_BAD and *bad. */
int partition_fits(struct encoder *, const struct plan *, struct il_batch *,
                   uint32_t event, const struct il_value *values,
                   const struct column **bad);

/* --- partition_make.c ------------------------------------------------------ */

/* Make those of a list that are not there.  *made gets how many; 0 or -1. */
int partition_make(struct link *, const struct period *, size_t count,
                   int *made);
/* Append what makes one of a table that is in use. */
void partition_make_sql(const struct options *, struct sql *,
                        const struct period *);
/* Those of now that are not there, in a transaction; the caller frees the
 * list.  0 or -1. */
int partition_missing(struct link *, struct period **list, size_t *count);
/* Make what the rows of a job need, as far as they may have it. */
int partition_need(struct conn *, struct job *, int *made);
/* Append what `check --online` says of them.  0 or -1. */
int partition_probe(struct link *, struct sql *out);
/* The thread that makes them ahead; arg is a struct pg. */
void *partition_keep(void *arg);

#endif
