/* SPDX-License-Identifier: MIT */
/* The encoder: a batch becomes rows.
 *
 *   encode.c         values into fields, fields into rows, rows into one
 *                    stretch of COPY data with the end of each row noted, so
 *                    that any run of rows can be sent by itself
 *   encode_field.c   the framing of a field in both formats, and messages
 *                    about values that do not fit
 *   put_text.c put_scalar.c put_time.c   the values of one family of types
 *   decimal.c        a number taken apart
 *
 * Binary first.  A value that only the server can judge ("Jan 5 2024" for a
 * date, any value of a type not known here) turns the whole batch into text,
 * which the server reads by its own rules.
 *
 * An encoder belongs to one thread: the lane's has one, so that a batch is
 * encoded while Postgres works on the one before, and each connection has one
 * for rows that have to be made again.  It takes no locks.  Nothing is
 * allocated per event: texts and arrays grow to what the largest batch needed
 * and stay. */
#ifndef PG_ENCODE_H
#define PG_ENCODE_H

#include <locale.h>

#include "plan.h"

struct job;

/* Why a value does not fit. */
struct misfit {
    char code[16];
    char message[256];
};

struct encoder {
    const struct il_host *host;
    struct il_text *out;
    struct il_text *scratch; /* an array under construction, or its elements */
    struct il_text *json;
    locale_t c_locale;
    int binary;
    int in_array; /* text form: quote as an array element */
    int refuse_bad_text;
    uint32_t prefer_text; /* batches for which binary is not tried */
    struct plan *plan;    /* whose columns row reads; NULL: none yet */
    struct il_row *row;
    uint64_t replaced;
    struct misfit misfit;
    struct fold *fold; /* of on_conflict; NULL: not needed so far */
    struct encode_seen
        *seen;         /* values that are unique, while rows are listed */
    size_t seen_count; /* places in it, a power of two */
};

/* 0 or -ENOMEM; encode_close() copes with either. */
int encode_open(struct encoder *, const struct il_host *, int refuse_bad_text);
void encode_close(struct encoder *);
/* From now on its row reads the columns of this plan.  0 or a negative errno. */
int encode_follow(struct encoder *, struct plan *);
/* Append one field.  As a pg_put. */
int encode_value(struct encoder *, const struct column *,
                 const struct il_value *);
/* Mark event i of a job, whose value does not fit; encoder->misfit says why. */
void encode_misfit(struct encoder *, struct job *, uint32_t event,
                   const struct column *);
/* Room for so many rows, in sets of so many words.  0 or -ENOMEM. */
int encode_grow(struct job *, uint32_t count, size_t words);
/* Make the rows of a job; marks those that do not fit.  0 or -ENOMEM. */
int encode_job(struct encoder *, struct job *, struct plan *);

#endif
