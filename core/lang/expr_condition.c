/* SPDX-License-Identifier: MIT */
/* One comparison: left side, operator, right side, and everything that can be
 * known to be wrong with it before an event comes. */
#include "expr_private.h"

#include "base/time.h"

#include <errno.h>
#include <string.h>

static const struct verb {
    const char *text; /* longer ones before their beginnings */
    int kind, op, negate;
} operators[] = {
    { "==", NODE_COMPARE, OP_EQ, 0 },
    { "!=", NODE_COMPARE, OP_EQ, 1 },
    { "<=", NODE_COMPARE, OP_LE, 0 },
    { ">=", NODE_COMPARE, OP_GE, 0 },
    { "<", NODE_COMPARE, OP_LT, 0 },
    { ">", NODE_COMPARE, OP_GT, 0 },
    { "in", NODE_SET, 0, 0 },
    { "contains", NODE_CONTAINS, 0, 0 },
    { "starts_with", NODE_STARTS, 0, 0 },
    { "ends_with", NODE_ENDS, 0, 0 },
    { "like", NODE_LIKE, 0, 0 },
    { "matches", NODE_MATCHES, 0, 0 },
};

static const struct verb *
take_operator(struct lex *s)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const struct verb *o = &operators[i];
        if (o->kind == NODE_COMPARE ? expr_lex_mark(s, o->text)
                                    : expr_lex_word(s, o->text))
            return o;
    }
    return NULL;
}

int
expr_is_operator(const struct lex *s)
{
    struct lex ahead = *s;
    if (expr_lex_word(&ahead, "not"))
        return 1;
    return take_operator(&ahead) || (ahead.p < ahead.end && *ahead.p == '=');
}

/* What people write who come from another language. */
static void
explain_operator(struct lex *s)
{
    const char *p = s->p;
    size_t len = lang_name_len(p, s->end);
    if (p == s->end)
        expr_lex_fail(s, p,
                      "expected an operator, but the expression ends here");
    else if (*p == '=' && p + 1 < s->end && p[1] == '~')
        expr_lex_fail(s, p,
                      "'=~' is no comparison; write matches for a regular "
                      "expression, like for a glob");
    else if (*p == '=')
        expr_lex_fail(s, p, "'=' is no comparison; write ==");
    else if (len)
        expr_lex_fail(s, p,
                      "unknown operator '%.*s'; there are == != < <= > >= in "
                      "contains starts_with ends_with like matches",
                      len > 40 ? 40 : (int) len, p);
    else if (*p == '&' || *p == '|')
        expr_lex_fail(s, p, "'%c' is no operator; write 'and' (&&), 'or' (||)",
                      *p);
    else if (strchr("+-*/%0123456789", *p))
        expr_lex_fail(s, p, "expected a comparison; there is no arithmetic");
    else
        expr_lex_fail(s, p, "expected a comparison, 'and', 'or' or the end");
}

/* `not in` and its like; the negation counts for the caller. */
static const struct verb *
parse_operator(struct lex *s, int *negate)
{
    const char *at = s->p;
    *negate = expr_lex_word(s, "not");
    const struct verb *o = take_operator(s);
    if (o && *negate && o->kind == NODE_COMPARE) {
        expr_lex_fail(s, at,
                      "'not' stands before the whole comparison, or before "
                      "a word such as in");
        return NULL;
    }
    if (!o)
        explain_operator(s);
    else if (s->p < s->end && *s->p == '=' && o->kind == NODE_COMPARE)
        expr_lex_fail(s, s->p,
                      "'=' does not belong here; there are == != < <= > "
                      ">=");
    else if (s->p < s->end && *s->p == '>' && o->op == OP_LT)
        expr_lex_fail(s, s->p, "'<>' is no comparison; write !=");
    if (s->err)
        return NULL;
    *negate ^= o->negate;
    return o;
}

static const char *
type_name(int type)
{
    switch (type) {
    case IL_NULL:
        return "null";
    case IL_BOOL:
        return "a boolean";
    case IL_INT:
        return "a number";
    case IL_STRING:
        return "text";
    case IL_TIME:
        return "a time";
    default:
        return "an object";
    }
}

/* Literals beside a time are times. */
static int
make_time(struct lex *s, struct operand *o)
{
    int64_t us;
    if (o->kind != OPERAND_VALUE || o->type != IL_STRING)
        return 0;
    if (time_parse(o->value.str, o->value.len, &us))
        return expr_lex_fail(
            s, s->begin + o->at,
            "this is compared with a time and is none; write it "
            "like '2026-11-23T07:00:00Z'");
    o->type = o->value.type = IL_TIME;
    o->value.num.i = us;
    return 0;
}

/* lower() of anything is never equal to text with capitals in it. */
static int
check_lower(struct lex *s, const struct operand *function,
            const struct operand *literal)
{
    if (function->kind != OPERAND_LOWER || literal->kind != OPERAND_VALUE
        || literal->type != IL_STRING)
        return 0;
    struct slice text = slice_of(literal->value.str, literal->value.len);
    struct folded plain = { text, 0 }, folded = { text, 1 };
    if (fold_compare(plain, folded) == 0)
        return 0;
    return expr_lex_fail(s, s->begin + literal->at,
                         "lower() gives no capital letters, so this can never "
                         "hold");
}

/* Remember what a reference is compared with, for expr_compared(). */
static void
note_beside(const struct operand *field, const struct operand *other)
{
    if (field->held)
        field->held->beside |=
            other->type ? 1u << other->type : EXPR_BESIDE_ANY;
}

/* Can a and b be equal, by what is known of them? */
static int
check_equal(struct lex *s, struct operand *a, struct operand *b)
{
    note_beside(a, b);
    note_beside(b, a);
    if (a->type == IL_TIME && make_time(s, b))
        return -1;
    if (b->type == IL_TIME && make_time(s, a))
        return -1;
    if (check_lower(s, a, b) || check_lower(s, b, a))
        return -1;
    if (!a->type || !b->type || a->type == b->type || a->type == IL_NULL
        || b->type == IL_NULL)
        return 0;
    if (a->kind == OPERAND_FIELD && b->kind == OPERAND_FIELD)
        return 0;
    return expr_lex_fail(s, s->begin + b->at,
                         "this can never hold: the left side is %s, this is %s",
                         type_name(a->type), type_name(b->type));
}

static int
check_order(struct lex *s, struct operand *a, struct operand *b)
{
    struct operand *both[] = { a, b };
    for (int i = 0; i < 2; i++) {
        int type = both[i]->type;
        if (type && type != IL_INT && type != IL_STRING && type != IL_TIME)
            return expr_lex_fail(
                s, s->begin + both[i]->at,
                "< <= > >= compare numbers, text and times; this "
                "is %s",
                type_name(type));
    }
    return check_equal(s, a, b);
}

static int
refuse_glob(struct lex *s, const struct operand *o)
{
    if (!o || !o->glob)
        return 0;
    return expr_lex_fail(
        s, s->begin + o->at,
        "'*' has a meaning only in a set and after like; put it "
        "in quotes if it is meant as itself");
}

static void
parse_compare(struct lex *s, struct node *n, struct operand *left)
{
    struct operand *right = expr_lex_operand(s, BARE_TEXT);
    if (!right || refuse_glob(s, right))
        return;
    if (left->constant && !right->constant) {
        struct operand *swap = left;
        left = right;
        right = swap;
        if (n->op != OP_EQ)
            n->op = n->op == OP_LT   ? OP_GT
                    : n->op == OP_LE ? OP_GE
                    : n->op == OP_GT ? OP_LT
                                     : OP_LE;
    }
    n->left = left;
    n->right = right;
}

/* The members between { and }, which is not stepped over. */
static uint32_t
read_members(struct lex *s, struct operand *left, struct operand ***out)
{
    struct operand **members = NULL, *o;
    uint32_t count = 0, room = 0;
    do {
        o = expr_lex_operand(s, BARE_TEXT);
        if (!o)
            return 0;
        if (o->glob)
            note_beside(left, o);
        else if (check_equal(s, left, o))
            return 0;
        if (count == room) {
            uint32_t more = room ? room * 2 : 8;
            struct operand **wider =
                expr_pool_alloc(s->pool, more * sizeof *wider);
            if (!wider) {
                s->err = -ENOMEM;
                return 0;
            }
            if (count)
                memcpy(wider, members, count * sizeof *members);
            members = wider;
            room = more;
        }
        members[count++] = o;
        expr_lex_blank(s);
    } while (expr_lex_mark(s, ","));
    *out = members;
    return count;
}

static void
parse_set(struct lex *s, struct node *n, struct operand *left)
{
    struct operand **members = NULL;
    if (expr_lex_mark(s, "}")) {
        expr_lex_fail(s, s->p - 1, "an empty set holds nothing");
        return;
    }
    uint32_t count = read_members(s, left, &members);
    if (s->err)
        return;
    if (s->p == s->end || *s->p != '}') {
        expr_lex_fail(s, s->p,
                      s->p == s->end ? "this set has no closing }"
                                     : "expected , or } in this set");
        return;
    }
    s->p++;
    n->with.set = expr_pool_alloc(s->pool, sizeof *n->with.set);
    if (!n->with.set || expr_set_build(s->pool, members, count, n->with.set))
        s->err = -ENOMEM;
}

static void
parse_in(struct lex *s, struct node *n, struct operand *left)
{
    const char *at = s->p;
    if (expr_lex_mark(s, "{")) {
        if (left->constant)
            expr_lex_fail(s, s->begin + left->at,
                          "both sides are constants; a field has no quotes");
        else
            parse_set(s, n, left);
        return;
    }
    if (at < s->end && (*at == '(' || *at == '[')) {
        expr_lex_fail(s, at, "a set is written { }");
        return;
    }
    struct operand *right = expr_lex_operand(s, BARE_FIELD);
    if (!right)
        return;
    n->kind = NODE_IN_ARRAY;
    n->right = right;
    if (right->kind != OPERAND_FIELD || right->type)
        expr_lex_fail(s, at,
                      "expected a set in { } or a field that is an array");
}

/* starts_with, ends_with, contains: text that may come from the event. */
static void
parse_part(struct lex *s, struct node *n, struct operand *left)
{
    struct operand *right = expr_lex_operand(s, BARE_TEXT);
    if (!right || refuse_glob(s, right) || check_lower(s, left, right))
        return;
    n->right = right;
    if (n->kind != NODE_CONTAINS && right->type && right->type != IL_STRING)
        expr_lex_fail(s, s->begin + right->at,
                      "expected text; put it in quotes if it is meant as text");
    else if (n->kind == NODE_CONTAINS && left->type == IL_STRING && right->type
             && right->type != IL_STRING)
        expr_lex_fail(s, s->begin + right->at,
                      "the left side is text and contains text only");
}

static void
parse_pattern(struct lex *s, struct node *n, struct operand *left)
{
    const char *at = s->p;
    struct lang_error error;
    if (n->kind == NODE_MATCHES && at < s->end && !lang_name_first(at, s->end)
        && !strchr("'\"", *at)) {
        expr_lex_fail(s, at, "put the regular expression in quotes");
        return;
    }
    struct operand *right = expr_lex_operand(s, BARE_TEXT);
    if (!right || check_lower(s, left, right))
        return;
    if (right->kind != OPERAND_VALUE || right->type != IL_STRING) {
        expr_lex_fail(s, s->begin + right->at, "expected a pattern in quotes");
        return;
    }
    n->right = right;
    struct slice pattern = slice_of(right->value.str, right->value.len);
    if (n->kind == NODE_LIKE) {
        n->with.glob = expr_pool_alloc(s->pool, sizeof *n->with.glob);
        if (n->with.glob)
            expr_glob_prepare(pattern, n->with.glob);
        else
            s->err = -ENOMEM;
        return;
    }
    if (left->kind == OPERAND_LOWER) {
        expr_lex_fail(
            s, s->begin + left->at,
            "matches does not take lower(); begin the pattern with (?i)");
        return;
    }
    int err = expr_regex_compile(s->pool, pattern, &n->with.regex, &error);
    if (err == -EINVAL)
        expr_lex_fail(s,
                      s->begin + expr_lex_literal_place(s, right, error.offset),
                      "%s", error.message);
    else if (err)
        s->err = err;
}

/* A boolean may stand alone; what cannot be one may not. */
static void
check_alone(struct lex *s, const struct operand *o)
{
    if (!o->type || o->type == IL_BOOL)
        return;
    expr_lex_fail(s, s->begin + o->at,
                  "%s alone is neither true nor false; compare it",
                  type_name(o->type));
}

static void
check_sides(struct lex *s, const struct node *n, const struct operand *left)
{
    if (n->kind >= NODE_CONTAINS && left->type && left->type != IL_STRING)
        expr_lex_fail(s, s->begin + left->at,
                      "expected text on the left side; "
                      "this is %s",
                      type_name(left->type));
    else if (n->right && n->right->constant && n->left->constant)
        expr_lex_fail(
            s, s->begin + n->right->at,
            "both sides are constants; a field is written without quotes on "
            "the left, and as $event.payload.name on the right");
    else if (n->kind == NODE_COMPARE && n->op == OP_EQ)
        check_equal(s, n->left, n->right);
    else if (n->kind == NODE_COMPARE)
        check_order(s, n->left, n->right);
}

static void
parse_right(struct lex *s, struct node *n, struct operand *left)
{
    switch (n->kind) {
    case NODE_COMPARE:
        parse_compare(s, n, left);
        break;
    case NODE_SET:
        parse_in(s, n, left);
        break;
    case NODE_CONTAINS:
    case NODE_STARTS:
    case NODE_ENDS:
        parse_part(s, n, left);
        break;
    default:
        parse_pattern(s, n, left);
    }
    if (s->err)
        return;
    expr_lex_blank(s);
    if (expr_is_operator(s))
        expr_lex_fail(s, s->p,
                      "comparisons do not chain; join two of them with "
                      "'and', as in 1 < n and n < 5");
    else
        check_sides(s, n, left);
}

/* Does the condition end here? */
static int
at_end(const struct lex *s)
{
    struct lex ahead = *s;
    return s->p == s->end || *s->p == ')' || expr_lex_word(&ahead, "and")
           || expr_lex_word(&ahead, "or") || expr_lex_mark(&ahead, "&&")
           || expr_lex_mark(&ahead, "||");
}

struct node *
expr_parse_condition(struct lex *s)
{
    struct operand *left = expr_lex_operand(s, BARE_FIELD);
    if (!left)
        return NULL;
    expr_lex_blank(s);
    struct node *n = expr_parse_node(s, NODE_TRUE);
    if (!n)
        return NULL;
    n->left = left;
    if (at_end(s)) {
        check_alone(s, left);
        return s->err ? NULL : n;
    }
    const struct verb *o = parse_operator(s, &n->negate);
    if (!o)
        return NULL;
    n->kind = o->kind;
    n->op = o->op;
    parse_right(s, n, left);
    return s->err ? NULL : n;
}
