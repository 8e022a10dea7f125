/* SPDX-License-Identifier: MIT */
/* Words, literals and operands of the expression language.
 *
 * What a bare word means depends on where it stands, so there is no list of
 * tokens: the parser asks for an operand and says which place it is at. */
#include "expr_private.h"

#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int
expr_lex_fail(struct lex *s, const char *at, const char *fmt, ...)
{
    va_list ap;
    if (s->err)
        return -1;
    s->err = -EINVAL;
    s->error->offset = (size_t) (at - s->begin);
    va_start(ap, fmt);
    vsnprintf(s->error->message, sizeof s->error->message, fmt, ap);
    va_end(ap);
    return -1;
}

static void *
no_memory(struct lex *s)
{
    if (!s->err)
        s->err = -ENOMEM;
    return NULL;
}

int
expr_lex_deeper(struct lex *s, const char *at)
{
    if (++s->depth <= EXPR_DEPTH_MAX)
        return 0;
    return expr_lex_fail(s, at, "nested deeper than %d levels", EXPR_DEPTH_MAX);
}

void
expr_lex_blank(struct lex *s)
{
    for (; s->p < s->end; s->p++) {
        if (*s->p == '#')
            while (s->p < s->end && *s->p != '\n')
                s->p++;
        if (s->p == s->end || !*s->p || !strchr(" \t\r\n", *s->p))
            return;
    }
}

static int
same_word(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

int
expr_lex_word(struct lex *s, const char *word)
{
    size_t len = lang_name_len(s->p, s->end);
    if (!same_word(s->p, len, word))
        return 0;
    s->p += len;
    expr_lex_blank(s);
    return 1;
}

int
expr_lex_mark(struct lex *s, const char *mark)
{
    size_t len = strlen(mark);
    if ((size_t) (s->end - s->p) < len || memcmp(s->p, mark, len) != 0)
        return 0;
    s->p += len;
    expr_lex_blank(s);
    return 1;
}

static struct operand *
make_operand(struct lex *s, int kind, const char *at)
{
    struct operand *o = expr_pool_alloc(s->pool, sizeof *o);
    if (!o)
        return no_memory(s);
    o->kind = kind;
    o->at = (size_t) (at - s->begin);
    o->constant = kind == OPERAND_VALUE;
    return o;
}

static struct operand *
make_text(struct lex *s, const char *at, const char *text, size_t len)
{
    struct operand *o = make_operand(s, OPERAND_VALUE, at);
    if (!o)
        return NULL;
    o->type = o->value.type = IL_STRING;
    o->value.str = text;
    o->value.len = len;
    return o;
}

/* What the evaluation reads lives in the pool, not in the source. */
static const char *
keep_bytes(struct lex *s, const char *bytes, size_t len)
{
    char *copy = expr_pool_alloc(s->pool, len + 1);
    if (!copy)
        return no_memory(s);
    memcpy(copy, bytes, len);
    return copy;
}

static struct operand *
read_quoted(struct lex *s)
{
    struct lang_error error;
    const char *at = s->p;
    size_t len;
    size_t used = lang_quoted_read(s->begin, at, s->end, NULL, &len, &error);
    if (!used) {
        expr_lex_fail(s, s->begin + error.offset, "%s", error.message);
        return NULL;
    }
    char *text = expr_pool_alloc(s->pool, len + 1);
    if (!text)
        return no_memory(s);
    lang_quoted_read(s->begin, at, s->end, text, &len, &error);
    s->p = at + used;
    return make_text(s, at, text, len);
}

static struct operand *
read_reference(struct lex *s)
{
    struct lang_error error;
    struct il_field *field;
    const char *at = s->p;
    size_t used;
    int err = ref_parse_prefix(at, (size_t) (s->end - at), REF_BARE, &used,
                               &field, &error);
    if (err == -ENOMEM)
        return no_memory(s);
    if (err) {
        expr_lex_fail(s, at + error.offset, "%s", error.message);
        return NULL;
    }
    struct held_field *held = expr_pool_alloc(s->pool, sizeof *held);
    struct operand *o = make_operand(s, OPERAND_FIELD, at);
    if (!held || !o) {
        ref_free(field);
        return no_memory(s);
    }
    held->field = field;
    o->held = held;
    held->offset = o->at;
    if (s->pool->last_field)
        s->pool->last_field->next = held;
    else
        s->pool->fields = held;
    s->pool->last_field = held;
    o->field = field;
    o->type = ref_type(field);
    s->p = at + used;
    return o;
}

/* Bytes of the word that begins at p.  Words are what names are, and some
 * characters that stand in paths, addresses, times and globs. */
static size_t
word_len(const char *p, const char *end)
{
    const char *q = p;
    while (q < end) {
        size_t n = lang_name_next(q, end);
        if (!n && *q && strchr(".*/@:+%~", *q))
            n = 1;
        if (!n)
            break;
        q += n;
    }
    return (size_t) (q - p);
}

/* The longest beginning that is a number. */
static size_t
number_len(const char *p, size_t len)
{
    size_t whole = 0, n = 0;
    if (n < len && p[n] == '-')
        n++;
    while (n < len && p[n] >= '0' && p[n] <= '9')
        n++;
    whole = n;
    if (n + 1 < len && p[n] == '.' && p[n + 1] >= '0' && p[n + 1] <= '9') {
        n++;
        while (n < len && p[n] >= '0' && p[n] <= '9')
            n++;
        whole = n;
    }
    if (n < len && (p[n] == 'e' || p[n] == 'E')) {
        n++;
        if (n < len && (p[n] == '+' || p[n] == '-'))
            n++;
        if (n < len && p[n] >= '0' && p[n] <= '9')
            for (whole = n; whole < len && p[whole] >= '0' && p[whole] <= '9';)
                whole++;
    }
    return whole;
}

static const struct unit {
    const char *name;
    uint64_t factor;
    int shift; /* powers of ten to take back */
} units[] = {
    { "", 1, 0 },
    { "B", 1, 0 },
    { "kB", 1000, 0 },
    { "KB", 1000, 0 },
    { "MB", 1000000, 0 },
    { "GB", 1000000000, 0 },
    { "TB", 1000000000000, 0 },
    { "KiB", 1 << 10, 0 },
    { "MiB", 1 << 20, 0 },
    { "GiB", 1 << 30, 0 },
    { "TiB", UINT64_C(1) << 40, 0 },
    { "us", 1, 3 },
    { "ms", 1, 0 },
    { "s", 1000, 0 },
    { "m", 60000, 0 },
    { "h", 3600000, 0 },
    { "d", 86400000, 0 },
    { "w", 604800000, 0 },
};

static const struct unit *
find_unit(const char *p, size_t len)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, p, len) == 0)
            return &units[i];
    return NULL;
}

static struct operand *
bad_number(struct lex *s, const char *at, size_t len, size_t digits)
{
    int shown = len - digits > 40 ? 40 : (int) (len - digits);
    if (!lang_number_valid(at, digits))
        expr_lex_fail(s, at,
                      "no number begins like this (0.5 does, .5 and 01 do "
                      "not); text that begins so is put in quotes");
    else if (lang_name_first(at + digits, at + len))
        expr_lex_fail(
            s, at + digits,
            "'%.*s' is no unit; there are B kB MB GB TB KiB MiB GiB TiB "
            "and us ms s m h d w (text that begins with a digit is put "
            "in quotes)",
            shown, at + digits);
    else
        expr_lex_fail(s, at,
                      "this is no number; text that begins with a digit "
                      "is put in quotes");
    return NULL;
}

/* A word that begins like a number: one, or a time, or a mistake. */
static struct operand *
read_number(struct lex *s, size_t len)
{
    const char *at = s->p;
    int64_t us;
    size_t digits = number_len(at, len);
    const struct unit *unit = find_unit(at + digits, len - digits);
    if (!lang_number_valid(at, digits) || !unit) {
        if (time_parse(at, len, &us))
            return bad_number(s, at, len, digits);
        s->p += len;
        at = keep_bytes(s, at, len);
        return at ? make_text(s, s->p - len, at, len) : NULL;
    }
    struct il_text text = { 0 };
    int err = number_scale(&text, at, digits, unit->factor, unit->shift);
    if (err == -EINVAL && unit->name[0]) {
        expr_lex_fail(s, at, "a number with a unit cannot be that far from 1");
    } else if (err == -EINVAL) { /* compares as it is */
        text.len = 0;
        err = text_put(&text, at, digits);
    }
    struct operand *o = NULL;
    const char *kept = err ? NULL : keep_bytes(s, text.data, text.len);
    if (err == -ENOMEM)
        no_memory(s);
    if (kept && (o = make_operand(s, OPERAND_VALUE, at))) {
        number_view(kept, text.len, &o->value);
        o->type = IL_INT;
        s->p += len;
    }
    text_clear(&text);
    return o;
}

static struct operand *
read_constant(struct lex *s, size_t len)
{
    static const struct {
        const char *word;
        int type, value;
    } words[] = { { "true", IL_BOOL, 1 },
                  { "false", IL_BOOL, 0 },
                  { "null", IL_NULL, 0 } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!same_word(s->p, len, words[i].word))
            continue;
        struct operand *o = make_operand(s, OPERAND_VALUE, s->p);
        if (o) {
            o->type = words[i].type;
            o->value.type = (uint32_t) words[i].type;
            o->value.num.i = words[i].value;
            s->p += len;
        }
        return o;
    }
    return NULL;
}

static int
takes(int function, const struct operand *o)
{
    int known = o->type;
    switch (function) {
    case OPERAND_EXISTS:
        return o->kind == OPERAND_FIELD;
    case OPERAND_LEN:
        return !known || known == IL_STRING || known == IL_MAP;
    case OPERAND_LOWER:
        return !known || known == IL_STRING;
    default:
        return !known || known == IL_STRING || known == IL_INT;
    }
}

static const struct function {
    const char *name, *takes;
    int kind, type;
} functions[] = {
    { "exists", "a field", OPERAND_EXISTS, IL_BOOL },
    { "len", "text, an array or an object", OPERAND_LEN, IL_INT },
    { "lower", "text", OPERAND_LOWER, IL_STRING },
    { "number", "text or a number", OPERAND_NUMBER, IL_INT },
};

/* A call, its name at `at` and s->p past the open parenthesis. */
static struct operand *
read_call(struct lex *s, const char *at, size_t len)
{
    const struct function *f = functions;
    const struct function *end = f + sizeof functions / sizeof *functions;
    while (f < end && !same_word(at, len, f->name))
        f++;
    if (f == end) {
        expr_lex_fail(s, at,
                      "unknown function '%.*s'; there are exists, len, "
                      "lower and number",
                      len > 40 ? 40 : (int) len, at);
        return NULL;
    }
    if (expr_lex_deeper(s, at))
        return NULL;
    struct operand *of = expr_lex_operand(s, BARE_FIELD);
    s->depth--;
    if (!of)
        return NULL;
    if (!takes(f->kind, of)) {
        expr_lex_fail(s, s->begin + of->at, "%s() takes %s", f->name, f->takes);
        return NULL;
    }
    expr_lex_blank(s);
    if (s->p == s->end || *s->p != ')') {
        expr_lex_fail(s, s->p, "expected ) after what %s() takes", f->name);
        return NULL;
    }
    s->p++;
    struct operand *o = make_operand(s, f->kind, at);
    if (o) {
        o->type = f->type;
        o->of = of;
        o->constant = of->constant;
    }
    return o;
}

static struct operand *
expected_value(struct lex *s, int bare)
{
    const char *at = s->p;
    size_t n = at < s->end ? lang_utf8_len(at, s->end) : 0;
    if (at == s->end)
        expr_lex_fail(s, at, "expected %s, but the expression ends here",
                      bare == BARE_FIELD ? "a field or a value" : "a value");
    else if (n > 1)
        expr_lex_fail(s, at, "unexpected character '%.*s'; quotes are ' and \"",
                      (int) n, at);
    else
        expr_lex_fail(s, at, "expected %s",
                      bare == BARE_FIELD ? "a field or a value" : "a value");
    return NULL;
}

/* and, or, not stand for themselves nowhere. */
static int
is_reserved(const char *p, size_t len)
{
    return same_word(p, len, "and") || same_word(p, len, "or")
           || same_word(p, len, "not");
}

static struct operand *
read_bare(struct lex *s, size_t name, size_t word, int bare)
{
    struct operand *o;
    const char *at = s->p;
    if (bare == BARE_TEXT ? name == word : name > 0) {
        if (is_reserved(at, name))
            return expected_value(s, bare);
        struct lex ahead = *s;
        ahead.p += name;
        expr_lex_blank(&ahead);
        if (expr_lex_mark(&ahead, "(")) {
            s->p = ahead.p;
            return read_call(s, at, name);
        }
        if ((bare == BARE_TEXT || at + name == s->end
             || !strchr(".[", at[name]))
            && ((o = read_constant(s, name)) || s->err))
            return o;
    }
    if (bare == BARE_FIELD)
        return read_reference(s);
    const char *text = keep_bytes(s, at, word);
    o = text ? make_text(s, at, text, word) : NULL;
    if (o)
        o->glob = memchr(text, '*', word) != NULL;
    s->p += word;
    return o;
}

static struct operand *
read_operand(struct lex *s, int bare)
{
    const char *p = s->p;
    if (p == s->end)
        return expected_value(s, bare);
    if (*p == '\'' || *p == '"')
        return read_quoted(s);
    if (*p == '$')
        return read_reference(s);
    size_t name = lang_name_len(p, s->end), word = word_len(p, s->end);
    size_t sign = word > 1 && (*p == '-' || *p == '.');
    int numeric = word && p[sign] >= '0' && p[sign] <= '9';
    if (numeric && !memchr(p, '*', word))
        return read_number(s, word);
    if (bare == BARE_FIELD) {
        if (name || *p == '[')
            return read_bare(s, name, word, bare);
    } else if (word && (name || numeric || strchr(".*/@~", *p))) {
        return read_bare(s, name, word, bare);
    }
    return expected_value(s, bare);
}

struct operand *
expr_lex_operand(struct lex *s, int bare)
{
    expr_lex_blank(s);
    struct operand *o = read_operand(s, bare);
    if (o)
        o->end = (size_t) (s->p - s->begin);
    return o;
}

size_t
expr_lex_literal_place(const struct lex *s, const struct operand *o,
                       size_t offset)
{
    const char *p = s->begin + o->at;
    if (*p != '\'' && *p != '"')
        return o->at + offset;
    for (p++; offset > 0 && p < s->end;) {
        size_t step = 1, made = 1;
        if (*p == '\\')
            step = 2;
        if (*p == '\\' && p[1] == 'u') {
            char hex[5] = { 0 };
            memcpy(hex, p + 2, 4);
            unsigned long c = strtoul(hex, NULL, 16);
            step = 6;
            made = c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
        }
        p += step;
        offset -= made < offset ? made : offset;
    }
    return (size_t) (p - s->begin);
}
