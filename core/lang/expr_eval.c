/* SPDX-License-Identifier: MIT */
/* Evaluation: a walk over the tree, as deep as the source was nested.  Nothing
 * is allocated: functions hand on a view of their argument. */
#include "expr_private.h"

#include "base/time.h"
#include "codec/msg_read.h"

#include <string.h>

static void
get_len(const struct term *of, struct term *out)
{
    uint64_t n;
    if (of->value.type == IL_STRING)
        n = fold_count(slice_of(of->value.str, of->value.len));
    else if (of->value.type == IL_ARRAY || of->value.type == IL_MAP)
        n = of->value.count;
    else
        return;
    out->value.type = IL_INT;
    out->value.num.u = n;
}

static int
is_number(const struct il_value *v)
{
    return v->type == IL_INT || v->type == IL_UINT || v->type == IL_DECIMAL;
}

static void
get_function(int function, const struct term *of, struct term *out)
{
    switch (function) {
    case OPERAND_EXISTS:
        out->value.type = IL_BOOL;
        out->value.num.i = of->value.type != IL_MISSING;
        break;
    case OPERAND_LEN:
        get_len(of, out);
        break;
    case OPERAND_LOWER:
        if (of->value.type == IL_STRING) {
            out->value = of->value;
            out->fold = 1;
        }
        break;
    default: /* OPERAND_NUMBER */
        if (is_number(&of->value))
            out->value = of->value;
        else if (of->value.type == IL_STRING
                 && lang_number_valid(of->value.str, of->value.len))
            number_view(of->value.str, of->value.len, &out->value);
    }
}

void
expr_operand_get(const struct operand *o, const struct batch_event *e,
                 struct term *out)
{
    struct term of;
    out->fold = 0;
    if (o->kind == OPERAND_FIELD) {
        ref_get(o->field, e, &out->value);
    } else if (o->kind == OPERAND_VALUE) {
        out->value = o->value;
    } else {
        memset(&out->value, 0, sizeof out->value);
        expr_operand_get(o->of, e, &of);
        get_function(o->kind, &of, out);
    }
}

static struct folded
folded_of(const struct term *t)
{
    struct folded f = { slice_of(t->value.str, t->value.len), t->fold };
    return f;
}

/* <0, 0 or >0 in *order; 0 where the two have no order. */
static int
term_order(const struct term *a, const struct term *b, int *order)
{
    int64_t us;
    if (a->value.type == IL_STRING && b->value.type == IL_STRING) {
        *order = fold_compare(folded_of(a), folded_of(b));
        return 1;
    }
    if (is_number(&a->value) && is_number(&b->value)) {
        *order = number_compare(&a->value, &b->value);
        return 1;
    }
    if (a->value.type == IL_TIME && b->value.type == IL_TIME) {
        *order = (a->value.num.i > b->value.num.i)
                 - (a->value.num.i < b->value.num.i);
        return 1;
    }
    /* JSON has no times: beside one, text that reads as one counts as it. */
    if (a->value.type == IL_TIME && b->value.type == IL_STRING
        && time_parse(b->value.str, b->value.len, &us) == 0) {
        *order = (a->value.num.i > us) - (a->value.num.i < us);
        return 1;
    }
    if (a->value.type == IL_STRING && b->value.type == IL_TIME
        && time_parse(a->value.str, a->value.len, &us) == 0) {
        *order = (us > b->value.num.i) - (us < b->value.num.i);
        return 1;
    }
    return 0;
}

int
expr_term_equal(const struct term *a, const struct term *b)
{
    const struct il_value *x = &a->value, *y = &b->value;
    int order;
    if (x->type == IL_STRING && y->type == IL_STRING && !a->fold && !b->fold)
        return slice_equal(slice_of(x->str, x->len), slice_of(y->str, y->len));
    if (x->type == IL_BOOL && y->type == IL_BOOL)
        return x->num.i == y->num.i;
    if (x->type == IL_NULL && y->type == IL_NULL)
        return 1;
    return term_order(a, b, &order) && order == 0;
}

static int
eval_compare(const struct node *n, const struct batch_event *e)
{
    struct term a, b;
    int order;
    expr_operand_get(n->left, e, &a);
    if (n->op == OP_EQ) {
        /* null as it is written stands for what is missing, too. */
        if (n->right->kind == OPERAND_VALUE && n->right->type == IL_NULL)
            return a.value.type == IL_NULL || a.value.type == IL_MISSING;
        expr_operand_get(n->right, e, &b);
        return expr_term_equal(&a, &b);
    }
    expr_operand_get(n->right, e, &b);
    if (!term_order(&a, &b, &order))
        return 0;
    switch (n->op) {
    case OP_LT:
        return order < 0;
    case OP_LE:
        return order <= 0;
    case OP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static int
array_has(const struct il_value *array, const struct term *element)
{
    struct term at = { { 0 }, 0 };
    struct il_value key;
    size_t iter = 0;
    if (array->type != IL_ARRAY)
        return 0;
    while (msg_item(array, &iter, &key, &at.value))
        if (expr_term_equal(&at, element))
            return 1;
    return 0;
}

static int
eval_part(const struct node *n, const struct batch_event *e, uint64_t seed)
{
    struct term whole, part;
    expr_operand_get(n->left, e, &whole);
    if (whole.value.type == IL_MISSING)
        return 0;
    expr_operand_get(n->right, e, &part);
    if (n->kind == NODE_CONTAINS && whole.value.type == IL_ARRAY)
        return array_has(&whole.value, &part);
    if (whole.value.type != IL_STRING || part.value.type != IL_STRING)
        return 0;
    if (n->kind == NODE_STARTS)
        return fold_starts(folded_of(&whole), folded_of(&part));
    if (n->kind == NODE_ENDS)
        return fold_ends(folded_of(&whole), folded_of(&part));
    return fold_contains(folded_of(&whole), folded_of(&part), seed);
}

static int
eval_pattern(const struct node *n, const struct batch_event *e)
{
    struct term t;
    expr_operand_get(n->left, e, &t);
    if (t.value.type != IL_STRING)
        return 0;
    if (n->kind == NODE_LIKE)
        return expr_glob_holds(n->with.glob, folded_of(&t));
    return expr_regex_search(n->with.regex, slice_of(t.value.str, t.value.len));
}

/* All of them hold (and); or one does (or).  What is not known of one does not
 * matter where another decides. */
static int
eval_joined(const struct node *n, const struct batch_event *e, uint64_t seed)
{
    int decides = n->kind == NODE_OR, otherwise = !decides;
    for (uint32_t i = 0; i < n->count; i++) {
        int holds = expr_node_true(n->kids[i], e, seed);
        if (holds == decides)
            return decides;
        if (holds < 0)
            otherwise = holds;
    }
    return otherwise;
}

static int
eval_simple(const struct node *n, const struct batch_event *e, uint64_t seed)
{
    struct term t, array;
    switch (n->kind) {
    case NODE_SET:
        expr_operand_get(n->left, e, &t);
        return expr_set_has(n->with.set, &t, e);
    case NODE_COMPARE:
        return eval_compare(n, e);
    case NODE_TRUE:
        expr_operand_get(n->left, e, &t);
        return t.value.type == IL_BOOL && t.value.num.i != 0;
    case NODE_IN_ARRAY:
        expr_operand_get(n->left, e, &t);
        expr_operand_get(n->right, e, &array);
        return t.value.type != IL_MISSING && array_has(&array.value, &t);
    case NODE_CONTAINS:
    case NODE_STARTS:
    case NODE_ENDS:
        return eval_part(n, e, seed);
    default:
        return eval_pattern(n, e);
    }
}

int
expr_node_true(const struct node *n, const struct batch_event *e, uint64_t seed)
{
    int holds = n->kind == NODE_AND || n->kind == NODE_OR
                    ? eval_joined(n, e, seed)
                    : eval_simple(n, e, seed);
    return holds < 0 ? holds : holds ^ n->negate;
}

int
expr_true(const struct il_expr *expr, const struct batch_event *e)
{
    return expr_node_true(expr->root, e, expr->pool.seed);
}
