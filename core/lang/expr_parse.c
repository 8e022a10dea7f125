/* SPDX-License-Identifier: MIT */
/* Conditions, and their joining by and, or, not: from source to tree. */
#include "config.h"

#include "expr_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct node *
expr_parse_node(struct lex *s, int kind)
{
    struct node *n = expr_pool_alloc(s->pool, sizeof *n);
    if (!n && !s->err)
        s->err = -ENOMEM;
    if (n)
        n->kind = kind;
    return n;
}

static struct node *parse_or(struct lex *);

static struct node *
parse_parenthesis(struct lex *s, const char *at)
{
    if (expr_lex_deeper(s, at))
        return NULL;
    struct node *n = parse_or(s);
    s->depth--;
    if (!n)
        return NULL;
    if (!expr_lex_mark(s, ")")) {
        expr_lex_fail(s, s->p,
                      s->p == s->end
                          ? "expected ), but the expression ends here"
                          : "expected 'and', 'or' or )");
        return NULL;
    }
    if (expr_is_operator(s)) {
        expr_lex_fail(s, s->p,
                      "only a value can be compared, not what stands in "
                      "parentheses");
        return NULL;
    }
    return n;
}

static struct node *
parse_not(struct lex *s)
{
    int negate = 0;
    const char *at = s->p, *begin = at;
    for (;;) {
        at = s->p;
        if (expr_lex_word(s, "not") || expr_lex_mark(s, "!"))
            negate = !negate;
        else
            break;
    }
    struct node *n = expr_lex_mark(s, "(") ? parse_parenthesis(s, at)
                                           : expr_parse_condition(s);
    if (n) {
        n->negate ^= negate;
        n->at = (uint32_t) (begin - s->begin);
        n->end = (uint32_t) (s->p - s->begin);
    }
    return n;
}

/* The parts of an and (or an or), gathered until their number is known. */
struct link {
    const struct node *node;
    struct link *next;
};

static struct node *
join(struct lex *s, int kind, struct link *last, uint32_t count)
{
    struct node *n = expr_parse_node(s, kind);
    const struct node **kids = expr_pool_alloc(s->pool, count * sizeof *kids);
    if (!kids && !s->err)
        s->err = -ENOMEM;
    if (s->err)
        return NULL;
    n->kids = kids;
    n->count = count;
    for (; last; last = last->next)
        kids[--count] = last->node;
    return n;
}

static struct node *
parse_chain(struct lex *s, int kind, const char *word, const char *mark,
            struct node *(*part)(struct lex *) )
{
    struct link *last = NULL;
    struct node *n;
    uint32_t count = 0;
    do {
        n = part(s);
        struct link *link = n ? expr_pool_alloc(s->pool, sizeof *link) : NULL;
        if (!link) {
            if (!s->err)
                s->err = -ENOMEM;
            return NULL;
        }
        link->node = n;
        link->next = last;
        last = link;
        count++;
    } while (expr_lex_word(s, word) || expr_lex_mark(s, mark));
    return count == 1 ? n : join(s, kind, last, count);
}

static struct node *
parse_and(struct lex *s)
{
    return parse_chain(s, NODE_AND, "and", "&&", parse_not);
}

static struct node *
parse_or(struct lex *s)
{
    return parse_chain(s, NODE_OR, "or", "||", parse_and);
}

static const struct node *
parse_all(struct lex *s)
{
    expr_lex_blank(s);
    if (s->p == s->end) {
        expr_lex_fail(s, s->begin, "the expression is empty");
        return NULL;
    }
    struct node *n = parse_or(s);
    if (!n || s->p == s->end)
        return n;
    if (*s->p == ')')
        expr_lex_fail(s, s->p, "this ) closes nothing");
    else if (*s->p == '&' || *s->p == '|')
        expr_lex_fail(s, s->p, "expected 'and' (&&), 'or' (||) or the end");
    else
        expr_lex_fail(s, s->p, "expected 'and', 'or' or the end");
    return NULL;
}

/* Bytes that are no text would be carried into comparisons unseen. */
static int
check_bytes(struct lex *s)
{
    const char *p = s->begin;
    if (s->end - s->begin > EXPR_TEXT_MAX)
        return expr_lex_fail(s, p, "the expression is longer than %u bytes",
                             EXPR_TEXT_MAX);
    while (p < s->end) {
        size_t n = lang_utf8_len(p, s->end);
        if (!n)
            return expr_lex_fail(
                s, p, *p ? "bytes that are not UTF-8 text" : "a NUL byte");
        p += n;
    }
    return 0;
}

int
expr_compile(const char *text, size_t len, struct il_expr **out,
             struct lang_error *error)
{
    struct il_expr *expr = calloc(1, sizeof *expr);
    if (!expr)
        return -ENOMEM;
    /* Without the kernel's randomness the address of the expression, which a
     * sender does not know either, has to do. */
    if (getrandom(&expr->pool.seed, sizeof expr->pool.seed, GRND_NONBLOCK)
        != sizeof expr->pool.seed)
        expr->pool.seed = (uint64_t) (uintptr_t) expr * 0x9e3779b97f4a7c15;
    struct lex s = { .begin = text,
                     .p = text,
                     .end = text + len,
                     .error = error,
                     .pool = &expr->pool };
    if (check_bytes(&s) == 0)
        expr->root = parse_all(&s);
    if (s.err) {
        expr_free(expr);
        return s.err;
    }
    *out = expr;
    return 0;
}

void
expr_free(struct il_expr *expr)
{
    if (expr)
        expr_pool_clear(&expr->pool);
    free(expr);
}

int
expr_fields(const struct il_expr *expr,
            int (*each)(void *arg, const struct il_field *, size_t offset),
            void *arg)
{
    int answer = 0;
    for (const struct held_field *f = expr->pool.fields; f && !answer;
         f = f->next)
        answer = each(arg, f->field, f->offset);
    return answer;
}

int
expr_compared(const struct il_expr *expr,
              int (*each)(void *arg, const struct il_field *, size_t offset,
                          unsigned types),
              void *arg)
{
    int answer = 0;
    for (const struct held_field *f = expr->pool.fields; f && !answer;
         f = f->next)
        if (f->beside)
            answer = each(arg, f->field, f->offset, f->beside);
    return answer;
}
