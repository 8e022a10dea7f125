/* SPDX-License-Identifier: MIT */
/* Between expr_parse.c (and, or, not) and expr_condition.c (comparisons). */
#ifndef EXPR_PARSE_H
#define EXPR_PARSE_H

#include "expr_impl.h"

/* A new node, or NULL for lack of memory. */
struct node *expr_parse_node(struct lex *, int kind);
/* One comparison, or a boolean alone.  NULL after a complaint. */
struct node *expr_parse_condition(struct lex *);
/* Does a comparison's operator come next? */
int expr_is_operator(const struct lex *);

#endif
