/* SPDX-License-Identifier: MIT */
/* Reading CSV as RFC 4180 has it, from a stream of any length: quotes, doubled
 * quotes, line ends inside quotes; CRLF or LF; a byte order mark at the start
 * is skipped, and so are empty lines and a first line "sep=;", which tells Excel
 * what stands between fields.  A record that breaks the rules is
 * reported and the next one is read. */
#ifndef CSV_H
#define CSV_H

#include "text.h"

#include <stdio.h>

#define CSV_RECORD_MAX (1 << 20) /* bytes */
#define CSV_FIELDS_MAX 4096

struct csv {
    FILE *in;
    int delimiter;        /* 0: not known yet */
    struct il_text ahead; /* of the first line, read to know that */
    size_t ahead_at;
    uint64_t line; /* on which the record began, from 1 */
    uint64_t next_line;
    struct il_text bytes; /* of all fields */
    size_t *ends;         /* where each field stops in them */
    size_t count, capacity;
    const char *error; /* of the last record */
};

/* delimiter 0: the first of , ; and tab that stands in the first line outside
 * of quotes. */
void csv_open(struct csv *, FILE *in, char delimiter);
void csv_clear(struct csv *);

/* Read a record.  1; 0 at the end; -EINVAL: error says what is wrong with it,
 * and reading may go on; -ENOMEM, or the errno of reading. */
int csv_next(struct csv *);
/* A field of it; valid until the next one. */
struct slice csv_field(const struct csv *, size_t i);

#endif
