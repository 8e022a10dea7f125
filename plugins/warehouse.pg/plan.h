/* SPDX-License-Identifier: MIT */
/* The target table, and how events become rows of it.
 *
 * A plan is read from the catalog and never changes afterwards.  Any number of
 * threads hold it by its count: the encoder of the lane's thread, each
 * connection, each job whose rows were made with it.
 *
 * The signature is a hash that the server computes over all that the plan was
 * made of.  Each transaction computes it again before its COMMIT, and commits
 * only where the two are the same: bytes of one type are never stored as
 * another's, and nothing is refused that would fit the table as it is now.
 * Whoever finds them different reads a new plan. */
#ifndef PG_PLAN_H
#define PG_PLAN_H

#include <stdatomic.h>

#include "link.h"
#include "options.h"

struct encoder;
struct column;
/* 0, -ENOMEM, ENCODE_UNSURE or ENCODE_BAD (put.h). */
typedef int pg_put(struct encoder *, const struct column *,
                   const struct il_value *);

struct column {
    char *name;
    uint32_t type;    /* what binary COPY calls it: the element's for arrays */
    int32_t modifier; /* varchar(n), numeric(p,s); -1: none */
    const char *type_name; /* for messages */
    char *sql_type;        /* ready for SQL; a domain's is what it is made of */
    char *type_text;       /* what owns it */
    pg_put *put;           /* of the value, or of an array's elements */
    int is_array;
    int is_id;             /* gets the event's id */
    int not_null;          /* by the catalog; for render() */
    struct column *fields; /* of a composite type: name, type, fields count */
    uint32_t field_count;
    uint8_t has_default;
    uint8_t is_key;  /* on_conflict: tells rows apart, or */
    uint8_t updated; /* changes in the row that is there */
    int optional;    /* bit in the set of columns that a row may leave out */
    struct il_field *field;          /* from a name, or */
    const struct il_template *value; /* from the config */
};

/* How many events of one key may become one row (fold.h). */
enum plan_fold {
    PLAN_FOLD,   /* all of a batch */
    PLAN_ROUNDS, /* each is a row of its own, those of a key in their order */
    PLAN_ORDER   /* all rows in the order of their events */
};

struct plan {
    const struct il_host *host;
    atomic_int refs;
    char *signature; /* changes with whatever matters here */
    int text_only;   /* a column's type has no binary form known to us */
    int has_unique;  /* a unique index on unique_column alone */
    uint32_t unique; /* number of that column; count: it is not written */
    int can_select;  /* the role may read all columns */
    uint32_t key;    /* and of the one that partitions go by; or count */
    const struct partition *range; /* its values are held to that, and to */
    struct il_field *received;     /* this; or NULL */
    char kind;                     /* relkind */
    int row_security;              /* a policy decides about this role's rows */
    int insert_only;               /* takes INSERT, but no COPY */
    int fills;      /* a trigger may fill columns before the row goes in */
    char *unfilled; /* a column that must not be null, and that nothing fills */
    enum conflict_on conflict;
    int key_is_unique; /* by an index on the key of on_conflict, and no more */
    enum plan_fold fold;
    char *fold_why;   /* what keeps events of a key apart; NULL: nothing */
    int missing_null; /* as the option */
    uint32_t newer;   /* number of that column; count: none */
    uint32_t count, optional_count;
    struct column columns[];
};

/* Is the column in a set of those that a row leaves out?  Bit by bit, 64 to a
 * word; NULL: it leaves out none. */
static inline int
plan_left_out(const struct column *c, const uint64_t *omitted)
{
    return omitted && c->optional >= 0
           && (omitted[c->optional / 64] >> c->optional % 64 & 1);
}
/* Words in such a set. */
static inline size_t
plan_words(const struct plan *p)
{
    return (p->optional_count + 63) / 64;
}

/* Read the table.  0, or -1 with link->fault. */
int plan_read(struct link *, struct plan **out);
/* NULL is let pass by both. */
struct plan *plan_ref(struct plan *);
void plan_unref(struct plan *);
/* Append the columns that tell an event's row: the unique one, and what
 * partitions go by. */
void plan_unique_sql(const struct options *, struct sql *);
/* Append `select` of one text: the signature the table has now. */
void plan_signature_sql(const struct options *, struct sql *);

#endif
