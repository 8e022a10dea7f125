/* SPDX-License-Identifier: MIT */
/* Expressions against a second evaluator.  The bytes choose an event and an
 * expression over it.  The expression is written as text, as a person would,
 * for the compiler; the tree that it was written from is decided here, naively,
 * by the words of ingestlayer-expressions(7).  Both must say the same.
 *
 * Naive means: values are copied, texts are made lower by hand, numbers are
 * millionths in 64 bits.  Nothing of core/lang or of the numbers is used. */
#include <stdarg.h>
#include <string.h>

#include "../unit/event_fixture.h"
#include "lang/expr.h"
#include "fuzz.h"

/* --- the bytes ------------------------------------------------------------ */

struct bytes {
    const uint8_t *at, *end;
};

static unsigned
pick(struct bytes *b, unsigned below)
{
    return b->at < b->end ? *b->at++ % below : 0;
}

static void
say(struct il_text *out, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    CLAIM(text_puts(out, line) == 0);
}

/* --- values --------------------------------------------------------------- */

#define UNIT 1000000 /* of numbers */
#define TEXT_MAX 16
#define ITEMS_MAX 4
#define FIELDS 6

enum type { MISSING, NIL, BOOL, NUMBER, TEXT, ARRAY, OBJECT };

struct value {
    enum type type;
    int64_t number; /* millionths; of a BOOL 0 or 1; of an OBJECT its fields */
    char text[TEXT_MAX];
    unsigned count;
    struct value *items; /* ITEMS_MAX */
};

/* Characters whose case the naive lower() knows, and some that numbers have. */
static const char *const letters[] = { "a", "b", "A",        "B", "\xc3\xa9",
                                       "5", "0", "\xc3\x89", "." };

static void
pick_text(struct bytes *b, char *text)
{
    unsigned n = pick(b, 6);
    text[0] = '\0';
    for (unsigned i = 0; i < n; i++)
        strcat(text, letters[pick(b, 9)]);
}

static void
pick_scalar(struct bytes *b, struct value *v)
{
    memset(v, 0, sizeof *v);
    v->type = (enum type)(NIL + pick(b, 4));
    if (v->type == BOOL)
        v->number = pick(b, 2);
    else if (v->type == NUMBER)
        v->number = ((int64_t) pick(b, 12) - 4) * UNIT / 4;
    else if (v->type == TEXT)
        pick_text(b, v->text);
}

static void
pick_value(struct bytes *b, struct value *v, struct value *items)
{
    unsigned which = pick(b, 8);
    pick_scalar(b, v);
    if (which == 0) {
        v->type = MISSING;
    } else if (which == 1) {
        v->type = OBJECT;
        v->number = pick(b, 3);
    } else if (which < 4) {
        v->type = ARRAY;
        v->items = items;
        v->count = pick(b, ITEMS_MAX + 1);
        for (unsigned i = 0; i < v->count; i++)
            pick_scalar(b, &items[i]);
    }
}

/* The same number in one of several forms. */
static void
write_number(struct bytes *b, struct il_text *out, int64_t millionths)
{
    long long n = millionths, whole = n / UNIT;
    long long part = n < 0 ? -n % UNIT : n % UNIT;
    switch (pick(b, 4)) {
    case 0:
        say(out, "%llde-6", n);
        break;
    case 1:
        say(out, "%lld.0E-6", n);
        break;
    default:
        if (part)
            say(out, "%s%lld.%06lld", n < 0 && !whole ? "-" : "", whole, part);
        else
            say(out, "%lld", whole);
    }
}

static void
write_value(struct bytes *b, struct il_text *out, const struct value *v)
{
    static const char *const objects[] = { "{}", "{\"k\":1}",
                                           "{\"k\":1,\"l\":[]}" };
    switch (v->type) {
    case NIL:
        say(out, "null");
        break;
    case BOOL:
        say(out, v->number ? "true" : "false");
        break;
    case NUMBER:
        write_number(b, out, v->number);
        break;
    case TEXT:
        say(out, "\"%s\"", v->text);
        break;
    case ARRAY:
        for (unsigned i = 0; i < v->count; i++) {
            say(out, i ? "," : "[");
            write_value(b, out, &v->items[i]);
        }
        say(out, v->count ? "]" : "[]");
        break;
    default:
        say(out, "%s", objects[v->number]);
    }
}

struct world {
    struct value fields[FIELDS];
    struct value items[FIELDS][ITEMS_MAX];
};

static void
make_world(struct bytes *b, struct world *w, struct il_text *json)
{
    const char *before = "{";
    for (unsigned i = 0; i < FIELDS; i++) {
        pick_value(b, &w->fields[i], w->items[i]);
        if (w->fields[i].type == MISSING)
            continue;
        say(json, "%s\"f%u\":", before, i);
        write_value(b, json, &w->fields[i]);
        before = ",";
    }
    say(json, before[0] == '{' ? "{}" : "}");
}

/* --- operands ------------------------------------------------------------- */

enum function { PLAIN, LEN, LOWER, NUMBER_OF, EXISTS };
static const char *const functions[] = { "", "len", "lower", "number",
                                         "exists" };

struct operand {
    int literal;
    struct value value; /* a literal */
    enum function function;
    unsigned field;
};

static void
pick_field(struct bytes *b, struct operand *o)
{
    memset(o, 0, sizeof *o);
    o->field = pick(b, FIELDS);
    o->function = (enum function) pick(b, 8);
    if (o->function >= EXISTS)
        o->function = PLAIN;
}

static void
pick_literal(struct bytes *b, struct operand *o)
{
    memset(o, 0, sizeof *o);
    o->literal = 1;
    pick_scalar(b, &o->value);
}

static void
write_operand(struct bytes *b, struct il_text *out, const struct operand *o,
              int rooted)
{
    const char *root = rooted || pick(b, 4) == 0 ? "$event.payload." : "";
    if (o->literal && o->value.type == TEXT)
        say(out, "'%s'", o->value.text);
    else if (o->literal)
        write_value(b, out, &o->value);
    else if (o->function == PLAIN)
        say(out, "%sf%u", root, o->field);
    else
        say(out, "%s(%sf%u)", functions[o->function], root, o->field);
}

static unsigned
code_points(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += ((unsigned char) *text & 0xc0) != 0x80;
    return n;
}

static void
lower(char *text)
{
    for (; *text; text++)
        if (*text == 'A' || *text == 'B')
            *text += 'a' - 'A';
        else if (strncmp(text, "\xc3\x89", 2) == 0)
            text[1] = (char) 0xa9;
}

/* JSON's form of a number that has no sign and no exponent. */
static int
number_from(const char *text, int64_t *millionths)
{
    size_t whole = strspn(text, "05"), part = 0;
    int64_t n = 0;
    if (whole == 0 || (text[0] == '0' && whole > 1))
        return 0;
    for (size_t i = 0; i < whole; i++)
        n = n * 10 + (text[i] - '0');
    if (text[whole] == '.') {
        part = strspn(text + whole + 1, "05");
        if (part == 0 || text[whole + 1 + part])
            return 0;
    } else if (text[whole]) {
        return 0;
    }
    for (size_t i = 0; i < 6; i++)
        n = n * 10 + (i < part ? text[whole + 1 + i] - '0' : 0);
    *millionths = n;
    return 1;
}

static struct value
operand_value(const struct operand *o, const struct world *w)
{
    struct value v, none = { MISSING, 0, "", 0, NULL };
    if (o->literal)
        return o->value;
    v = w->fields[o->field];
    switch (o->function) {
    case LEN:
        if (v.type == TEXT)
            v.number = (int64_t) code_points(v.text) * UNIT;
        else if (v.type == ARRAY)
            v.number = (int64_t) v.count * UNIT;
        else if (v.type == OBJECT)
            v.number *= UNIT;
        else
            return none;
        v.type = NUMBER;
        return v;
    case LOWER:
        if (v.type != TEXT)
            return none;
        lower(v.text);
        return v;
    case NUMBER_OF:
        if (v.type == NUMBER)
            return v;
        if (v.type != TEXT || !number_from(v.text, &v.number))
            return none;
        v.type = NUMBER;
        return v;
    default:
        return v;
    }
}

/* --- conditions ----------------------------------------------------------- */

static int
same(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return 0;
    if (a->type == TEXT)
        return strcmp(a->text, b->text) == 0;
    if (a->type == BOOL || a->type == NUMBER)
        return a->number == b->number;
    return a->type == NIL;
}

static int
has(const struct value *array, const struct value *element)
{
    for (unsigned i = 0; array->type == ARRAY && i < array->count; i++)
        if (same(&array->items[i], element))
            return 1;
    return 0;
}

/* As it is written; the whole text, '*' for any run. */
static int
fits(const char *glob, const char *text)
{
    if (*glob == '*')
        return fits(glob + 1, text) || (*text && fits(glob, text + 1));
    if (*glob == '\0' || *text == '\0')
        return *glob == *text;
    return *glob == *text && fits(glob + 1, text + 1);
}

static int
ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Writes a condition and says whether it holds.  *function: it has one, and may
 * be an error therefore ("can never hold"). */
typedef int condition(struct bytes *, struct il_text *, const struct world *,
                      int *function);

static int
compare(struct bytes *b, struct il_text *out, const struct world *w,
        int *function)
{
    static const char *const words[] = { "==", "!=", "<", "<=", ">", ">=" };
    struct operand l, r;
    unsigned op = pick(b, 6);
    pick_field(b, &l);
    if (pick(b, 2))
        pick_field(b, &r);
    else
        pick_literal(b, &r);
    if (op > 1 && r.literal && r.value.type < NUMBER)
        op = op & 1; /* nothing has an order beside those */
    *function |= l.function || r.function;
    write_operand(b, out, &l, 0);
    say(out, "%s%s ", pick(b, 2) ? " " : "", words[op]);
    write_operand(b, out, &r, 1);
    struct value x = operand_value(&l, w), y = operand_value(&r, w);
    if (op < 2) {
        int equal =
            same(&x, &y) || (r.literal && y.type == NIL && x.type == MISSING);
        return equal == (op == 0);
    }
    if (x.type != y.type || (x.type != TEXT && x.type != NUMBER))
        return 0;
    int order = x.type == TEXT ? strcmp(x.text, y.text)
                               : (x.number > y.number) - (x.number < y.number);
    return op == 2   ? order < 0
           : op == 3 ? order <= 0
           : op == 4 ? order > 0
                     : order >= 0;
}

static int
in_set(struct bytes *b, struct il_text *out, const struct world *w,
       int *function)
{
    struct operand l, r;
    unsigned negate = pick(b, 2), n = 1 + pick(b, 5);
    int holds = 0;
    pick_field(b, &l);
    *function |= l.function;
    struct value x = operand_value(&l, w);
    write_operand(b, out, &l, 0);
    say(out, negate ? " not in {" : " in {");
    for (unsigned i = 0; i < n; i++) {
        say(out, i ? ", " : "");
        if (pick(b, 4) == 0) {
            char glob[TEXT_MAX + 2] = "*";
            pick_text(b, glob + 1);
            if (pick(b, 2))
                strcat(glob, "*");
            say(out, "%s", glob);
            holds |= x.type == TEXT && fits(glob, x.text);
            continue;
        }
        if (pick(b, 4) == 0)
            pick_field(b, &r);
        else
            pick_literal(b, &r);
        *function |= r.function;
        write_operand(b, out, &r, 1);
        struct value y = operand_value(&r, w);
        holds |=
            same(&x, &y) || (r.literal && y.type == NIL && x.type == MISSING);
    }
    say(out, "}");
    return holds ^ (int) negate;
}

static int
in_array(struct bytes *b, struct il_text *out, const struct world *w,
         int *function)
{
    struct operand l, r;
    unsigned negate = pick(b, 2);
    (void) function;
    pick_literal(b, &l);
    pick_field(b, &r);
    r.function = PLAIN;
    write_operand(b, out, &l, 0);
    say(out, negate ? " not in " : " in ");
    write_operand(b, out, &r, 1);
    struct value x = operand_value(&l, w), y = operand_value(&r, w);
    return has(&y, &x) ^ (int) negate;
}

static int
part(struct bytes *b, struct il_text *out, const struct world *w, int *function)
{
    static const char *const words[] = { "contains", "starts_with",
                                         "ends_with" };
    struct operand l, r;
    unsigned op = pick(b, 3), negate = pick(b, 2);
    int holds = 0;
    pick_field(b, &l);
    if (pick(b, 3) == 0) {
        pick_field(b, &r);
    } else {
        pick_literal(b, &r);
        if (op > 0 && r.value.type != TEXT) {
            r.value.type = TEXT;
            pick_text(b, r.value.text);
        }
    }
    *function |= l.function || r.function;
    write_operand(b, out, &l, 0);
    say(out, " %s%s ", negate ? "not " : "", words[op]);
    write_operand(b, out, &r, 1);
    struct value x = operand_value(&l, w), y = operand_value(&r, w);
    if (op == 0 && x.type == ARRAY)
        holds = has(&x, &y);
    else if (x.type == TEXT && y.type == TEXT)
        holds = op == 0   ? strstr(x.text, y.text) != NULL
                : op == 1 ? strncmp(x.text, y.text, strlen(y.text)) == 0
                          : ends(x.text, y.text);
    return holds ^ (int) negate;
}

/* like, and matches with a pattern that is a text between anchors. */
static int
pattern(struct bytes *b, struct il_text *out, const struct world *w,
        int *function)
{
    struct operand l;
    char text[TEXT_MAX], glob[TEXT_MAX + 2];
    unsigned negate = pick(b, 2), regex = pick(b, 2);
    unsigned open_left = pick(b, 2), open_right = pick(b, 2);
    pick_field(b, &l);
    *function |= l.function;
    pick_text(b, text);
    snprintf(glob, sizeof glob, "%s%s%s", open_left ? "*" : "", text,
             open_right ? "*" : "");
    write_operand(b, out, &l, 0);
    say(out, " %s%s '", negate ? "not " : "", regex ? "matches" : "like");
    if (regex) {
        say(out, open_left ? "" : "^");
        for (const char *c = text; *c; c++)
            say(out, *c == '.' ? "[.]" : "%c", *c);
        say(out, open_right ? "'" : "$'");
        /* Folding is of the text, which a pattern does not see. */
        *function |= l.function == LOWER;
    } else {
        say(out, "%s'", glob);
    }
    struct value x = operand_value(&l, w);
    return (x.type == TEXT && fits(glob, x.text)) ^ (int) negate;
}

static int
alone(struct bytes *b, struct il_text *out, const struct world *w,
      int *function)
{
    struct operand l;
    (void) function;
    pick_field(b, &l);
    l.function = pick(b, 2) ? EXISTS : PLAIN;
    write_operand(b, out, &l, 0);
    const struct value *v = &w->fields[l.field];
    return l.function == EXISTS ? v->type != MISSING
                                : v->type == BOOL && v->number;
}

static condition *const conditions[] = { compare, compare, in_set, in_array,
                                         part,    pattern, alone };

/* --- joined --------------------------------------------------------------- */

static int joined(struct bytes *, struct il_text *, const struct world *,
                  int *function, unsigned depth);

/* One that 'not' may stand before and 'and' may stand behind. */
static int
closed(struct bytes *b, struct il_text *out, const struct world *w,
       int *function, unsigned depth)
{
    int holds;
    if (pick(b, 4) == 3) {
        say(out, pick(b, 2) ? "not " : "!");
        return !closed(b, out, w, function, depth);
    }
    if (depth == 0 || pick(b, 2))
        return conditions[pick(b, 7)](b, out, w, function);
    say(out, "(");
    holds = joined(b, out, w, function, depth - 1);
    say(out, ")");
    return holds;
}

static int
ands(struct bytes *b, struct il_text *out, const struct world *w, int *function,
     unsigned depth)
{
    int all = closed(b, out, w, function, depth);
    for (unsigned n = pick(b, 3); n > 0; n--) {
        say(out, pick(b, 2) ? " and " : " && ");
        all &= closed(b, out, w, function, depth);
    }
    return all;
}

static int
joined(struct bytes *b, struct il_text *out, const struct world *w,
       int *function, unsigned depth)
{
    int any = ands(b, out, w, function, depth);
    for (unsigned n = pick(b, 3); n > 0; n--) {
        say(out, pick(b, 2) ? " or " : " || ");
        any |= ands(b, out, w, function, depth);
    }
    return any;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = { data, data + size };
    struct world w;
    struct event_fixture f;
    struct il_text json = { 0 }, text = { 0 };
    struct il_expr *expr = NULL;
    struct lang_error error;
    int function = 0;
    make_world(&b, &w, &json);
    CLAIM(text_put(&json, "", 1) == 0);
    int wanted = joined(&b, &text, &w, &function, 4);
    fixture_open(&f, json.data);
    int err = expr_compile(text.data, text.len, &expr, &error);
    if (err && !function)
        fprintf(stderr, "%s: %.*s\n", error.message, (int) text.len, text.data);
    CLAIM(err == 0 || function);
    if (!err && expr_true(expr, &f.event) != wanted) {
        fprintf(stderr, "%s\n%.*s\nnaive: %d\n", json.data, (int) text.len,
                text.data, wanted);
        CLAIM(!"both say the same");
    }
    if (!err)
        expr_free(expr);
    fixture_close(&f);
    text_clear(&json);
    text_clear(&text);
    return 0;
}
