/* SPDX-License-Identifier: MIT */
/* Why an expression holds or does not.  The walk is that of expr_eval.c, with
 * the same short cuts, and asks each condition there; what is added is which of
 * them decided and what they saw. */
#include "expr_private.h"

#include <errno.h>
#include <string.h>

struct explaining {
    const struct batch_event *e;
    uint64_t seed;
    struct expr_explained *out;
};

/* --- what a condition saw ------------------------------------------------- */

static void
see(struct explaining *x, const struct operand *o)
{
    struct term t;
    if (!o || o->constant || x->out->seen_count == EXPR_SEEN_MAX)
        return;
    expr_operand_get(o, x->e, &t);
    x->out->seen[x->out->seen_count++] = (struct expr_seen){
        .at = o->at, .end = o->end, .value = t.value, .lower = t.fold
    };
    /* What a function was given tells more than what it made of it. */
    if (o->of)
        see(x, o->of);
}

static void
see_all(struct explaining *x, const struct node *n)
{
    see(x, n->left);
    see(x, n->right);
    for (uint32_t i = 0; n->kind == NODE_SET && i < n->with.set->other_count;
         i++)
        see(x, n->with.set->others[i]);
}

/* --- the walk ------------------------------------------------------------- */

static int
explain_condition(struct explaining *x, const struct node *n)
{
    struct expr_explained *out = x->out;
    int holds = expr_node_true(n, x->e, x->seed);
    if (out->count == EXPR_CONDITIONS_MAX) {
        out->more++;
        return holds;
    }
    struct expr_condition *c = &out->list[out->count++];
    *c = (struct expr_condition){ .at = n->at,
                                  .end = n->end,
                                  .holds = holds,
                                  .decides = 1,
                                  .seen_from = out->seen_count };
    see_all(x, n);
    c->seen_count = out->seen_count - c->seen_from;
    return holds;
}

static void
does_not_decide(struct explaining *x, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        x->out->list[i].decides = 0;
}

static int explain(struct explaining *, const struct node *);

/* As eval_joined().  Where one decides the others do not; where none does all
 * of them did together, or those that are not known. */
static int
explain_joined(struct explaining *x, const struct node *n)
{
    int decides = n->kind == NODE_OR, otherwise = !decides;
    const uint32_t begin = x->out->count;
    for (uint32_t i = 0; i < n->count; i++) {
        const uint32_t from = x->out->count;
        int holds = explain(x, n->kids[i]);
        if (holds == decides) {
            does_not_decide(x, begin, from);
            return decides;
        }
        if (holds < 0 && otherwise >= 0)
            does_not_decide(x, begin, from);
        else if (holds >= 0 && otherwise < 0)
            does_not_decide(x, from, x->out->count);
        if (holds < 0)
            otherwise = holds;
    }
    return otherwise;
}

static int
explain(struct explaining *x, const struct node *n)
{
    if (n->kind != NODE_AND && n->kind != NODE_OR)
        return explain_condition(x, n);
    int holds = explain_joined(x, n);
    return holds < 0 ? holds : holds ^ n->negate;
}

int
expr_explain(const struct il_expr *expr, const struct batch_event *e,
             struct expr_explained *out)
{
    struct explaining x = { e, expr->pool.seed, out };
    out->count = out->seen_count = out->more = 0;
    out->holds = explain(&x, expr->root);
    return out->holds;
}

/* --- its source ----------------------------------------------------------- */

/* The text in quotes at p: where it ends. */
static const char *
past_quoted(const char *p, const char *end)
{
    const char quote = *p++;
    while (p < end && *p != quote)
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p < end ? p + 1 : end;
}

int
expr_source(struct il_text *out, const char *text, size_t at, size_t end)
{
    const char *p = text + at, *stop = text + end;
    int blank = 0, first = 1, err = 0;
    while (p < stop && !err) {
        const char *from = p;
        if (strchr(" \t\r\n", *p)) {
            p++;
            blank = 1;
            continue;
        }
        if (*p == '#') {
            while (p < stop && *p != '\n')
                p++;
            blank = 1;
            continue;
        }
        p = *p == '\'' || *p == '"' ? past_quoted(p, stop) : p + 1;
        if (blank && !first)
            err = text_putc(out, ' ');
        if (!err)
            err = text_put(out, from, (size_t) (p - from));
        blank = first = 0;
    }
    return err;
}
