/* SPDX-License-Identifier: MIT */
/* What the files of the expression language share.  A compiled expression is a
 * tree in blocks of memory of its own; evaluation only reads it. */
#ifndef EXPR_PRIVATE_H
#define EXPR_PRIVATE_H

#include "expr.h"
#include "lexis.h"
#include "base/fold.h"

#define EXPR_TEXT_MAX (1u << 20) /* bytes of source: a set of 50,000 ids */
#define EXPR_DEPTH_MAX 64 /* not, parentheses, functions inside each other */

/* --- memory: everything of one expression is freed at once --- */

struct pool_block;
struct pool {
    struct pool_block *blocks;
    struct held_field *fields, *last_field; /* in the order written */
    struct regex *regexes;
    uint64_t seed; /* for fold_contains() */
};

/* A reference and where it stands. */
struct held_field {
    struct il_field *field;
    size_t offset;
    unsigned beside; /* what it is compared with, as for expr_compared() */
    struct held_field *next;
};

void *expr_pool_alloc(struct pool *, size_t size); /* zeroed, or NULL */
void expr_pool_clear(struct pool *);

/* --- operands --- */

enum operand_kind {
    OPERAND_VALUE, /* a literal */
    OPERAND_FIELD,
    OPERAND_EXISTS,
    OPERAND_LEN,
    OPERAND_LOWER,
    OPERAND_NUMBER
};

struct operand {
    int kind;
    int type;     /* IL_*, where it is known; IL_INT for any number */
    int constant; /* the same for every event */
    int glob;     /* a bare word with '*' */
    size_t at, end; /* bytes of the source that it is */
    struct il_value value;
    const struct il_field *field; /* owned by the pool */
    struct held_field *held;
    const struct operand *of;     /* of a function */
};

/* What an operand is for one event. */
struct term {
    struct il_value value; /* IL_MISSING: nothing */
    int fold;              /* IL_STRING: to be read folded */
};

void expr_operand_get(const struct operand *, const struct batch_event *,
                      struct term *);

/* Same type and value; a time and text that reads as it, too. */
int expr_term_equal(const struct term *, const struct term *);

/* --- sets, globs, regular expressions --- */

/* A glob made ready: most are an exact prefix, suffix or both around one '*'.
 */
struct glob {
    struct slice whole, before, after;
    int simple;
};
/* Keeps pointing to the text. */
void expr_glob_prepare(struct slice, struct glob *);
int expr_glob_holds(const struct glob *, struct folded);

struct set_text {
    struct slice s;
    uint64_t head; /* its first bytes */
};

/* The members of in {...}, sorted by what they are. */
struct set {
    int has_null, has_true, has_false;
    struct set_text *texts;
    uint32_t text_count;
    uint32_t *slots; /* open hash of indexes + 1 into texts; few texts: NULL */
    uint32_t slot_mask;
    struct il_value *numbers; /* ascending */
    uint32_t number_count;
    struct glob *globs;
    uint32_t glob_count;
    const struct operand **others; /* references and functions */
    uint32_t other_count;
    int64_t *times;
    uint32_t time_count;
};
/* Sort the members of a set into *out.  0 or -ENOMEM. */
int expr_set_build(struct pool *, struct operand **members, uint32_t count,
                   struct set *out);
int expr_set_has(const struct set *, const struct term *,
                 const struct batch_event *);

struct regex;
/* Compile a pattern.  0, -ENOMEM, or -EINVAL with *error whose offset counts
 * in the pattern. */
int expr_regex_compile(struct pool *, struct slice pattern, struct regex **out,
                       struct lang_error *error);
int expr_regex_search(struct regex *, struct slice text);
void expr_regex_free(struct regex *);

/* --- the tree --- */

enum node_kind {
    NODE_AND,
    NODE_OR,
    NODE_TRUE, /* left is true */
    NODE_COMPARE,
    NODE_SET,      /* left in set */
    NODE_IN_ARRAY, /* left in right, an array of the event */
    NODE_CONTAINS,
    NODE_STARTS,
    NODE_ENDS,
    NODE_LIKE,
    NODE_MATCHES
};

enum compare_op { OP_EQ, OP_LT, OP_LE, OP_GT, OP_GE };

struct node {
    int kind;
    int op;
    int negate;
    uint32_t at, end; /* bytes of the source that it is, blanks behind it too */
    uint32_t count;   /* of kids */
    const struct node **kids;
    struct operand *left, *right;
    union {
        struct set *set;
        struct glob *glob;
        struct regex *regex;
    } with;
};

struct il_expr {
    struct pool pool;
    const struct node *root;
};

/* Does it hold, all that is below it as well?  As expr_true(). */
int expr_node_true(const struct node *, const struct batch_event *,
                   uint64_t seed);

/* --- reading source (expr_lex.c) --- */

struct lex {
    const char *begin, *p, *end;
    struct lang_error *error;
    struct pool *pool;
    int err; /* the first one: -EINVAL or -ENOMEM */
    int depth;
};

/* Complain at a place, unless something was wrong before.  Always -1. */
int expr_lex_fail(struct lex *, const char *at, const char *fmt, ...)
    IL_PRINTF(3, 4);
/* One level deeper, or -1.  Undo with scan->depth--. */
int expr_lex_deeper(struct lex *, const char *at);
/* Blanks, line ends and comments. */
void expr_lex_blank(struct lex *);
/* Is this word next (any case, whole)?  Steps over it and the blanks. */
int expr_lex_word(struct lex *, const char *word);
/* Is this punctuation next?  Steps over it and the blanks. */
int expr_lex_mark(struct lex *, const char *mark);

/* What a bare word means at this place. */
enum { BARE_FIELD = 1, BARE_TEXT };
/* A literal, reference or function call.  NULL after a complaint. */
struct operand *expr_lex_operand(struct lex *, int bare);
/* Where byte `offset` of a literal's text stands in the source. */
size_t expr_lex_literal_place(const struct lex *, const struct operand *,
                              size_t offset);

/* --- between expr_parse.c (and, or, not) and expr_condition.c --- */

/* A new node, or NULL for lack of memory. */
struct node *expr_parse_node(struct lex *, int kind);
/* One comparison, or a boolean alone.  NULL after a complaint. */
struct node *expr_parse_condition(struct lex *);
/* Does a comparison's operator come next? */
int expr_is_operator(const struct lex *);

#endif
