/* SPDX-License-Identifier: MIT */
/* SQL text under construction, and names by the rules of SQL.
 *
 * Every name and value that reaches Postgres as SQL goes through sql_ident()
 * and sql_literal(), so that one place decides about quoting.  Errors stick:
 * callers append what they have to say and look once, at sql_str().  Memory is
 * the host's and is kept from statement to statement, so that the data path
 * allocates nothing.  No locks: a struct sql belongs to one thread. */
#ifndef PG_SQL_H
#define PG_SQL_H

#include <ingestlayer/plugin.h>

struct sql {
    const struct il_host *host;
    struct il_text *text;
    int err;
};

int sql_open(struct sql *, const struct il_host *);
void sql_close(struct sql *);
void sql_clear(struct sql *);
void sql_put(struct sql *, const char *bytes, size_t len);
void sql_printf(struct sql *, const char *fmt, ...) IL_PRINTF(2, 3);
/* "quoted ""name""" and 'quoted ''text''' (as E'' where it has backslashes). */
void sql_ident(struct sql *, const char *name);
void sql_literal(struct sql *, const char *text);
/* NULL after an error. */
const char *sql_str(struct sql *);

/* A table's name as an operator writes it, by SQL's rules: unquoted parts fold
 * to lower case, "Quoted ""parts""" keep theirs. */
struct sql_name {
    char *schema; /* NULL: wherever the search path finds it */
    char *table;
    char *quoted; /* ready for SQL */
};
/* 0, -ENOMEM, or -EINVAL with *at the byte that is wrong. */
int sql_name_parse(const char *text, struct sql_name *, size_t *at);
void sql_name_clear(struct sql_name *);

#endif
