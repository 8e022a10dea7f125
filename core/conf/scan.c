/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include "token.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Deeper than any config needs; libconfig's parser has a limit of its own that
 * it words badly, and frees recursively. */
#define DEPTH_MAX 32

/* --- integers ------------------------------------------------------------ */

/* Does the value survive libconfig?  Hexadecimal is unsigned there, but kept
 * in the same signed integer. */
static int
integer_fits(const struct token *t)
{
    char digits[80];
    if (t->len >= sizeof(digits))
        return 0;
    memcpy(digits, t->start, t->len);
    digits[t->len] = 0;
    const char *sign = digits + (*digits == '-' || *digits == '+');
    int hex = sign[0] == '0' && (sign[1] == 'x' || sign[1] == 'X');
    errno = 0;
    long long v = strtoll(digits, NULL, hex ? 16 : 10);
    if (errno == ERANGE)
        return 0;
    return t->type == TOKEN_INT64 || (v >= INT32_MIN && v <= INT32_MAX);
}

static int
begins_utf16(const char *p, const char *end)
{
    return end - p >= 2
           && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0);
}

int
conf_scan_next(struct scan *scan, struct scan_error *error)
{
    struct token t;
    if (scan->line == 1 && begins_utf16(scan->p, scan->end)) {
        error->line = 1;
        error->lacks_l = NULL;
        snprintf(error->message, sizeof(error->message),
                 "the file is UTF-16; save it as UTF-8");
        scan->p = scan->end;
        return 1;
    }
    for (;;) {
        conf_token_next(&scan->p, scan->end, &scan->line, &t);
        error->line = t.line;
        error->lacks_l = NULL;
        if (t.type == TOKEN_END)
            return 0;
        if (t.type == TOKEN_INCLUDE) {
            snprintf(error->message, sizeof(error->message),
                     "@include is not supported; name a directory with "
                     "include_dir in the main file instead");
            return 1;
        }
        if ((t.type == TOKEN_INT || t.type == TOKEN_INT64)
            && !integer_fits(&t)) {
            int shown = t.len > 40 ? 40 : (int) t.len;
            if (t.type == TOKEN_INT) {
                error->lacks_l = scan->p;
                snprintf(error->message, sizeof(error->message),
                         "%.*s does not fit 32 bits and would be wrapped "
                         "silently; write %.*sL",
                         shown, t.start, shown, t.start);
            } else
                snprintf(error->message, sizeof(error->message),
                         "%.*s does not fit 64 bits", shown, t.start);
            return 1;
        }
        /* libconfig takes the rest of the file for the comment. */
        if (t.type == TOKEN_OPEN_COMMENT) {
            snprintf(error->message, sizeof(error->message),
                     "the comment that begins here has no closing */");
            return 1;
        }
        if (t.type == TOKEN_BAD && !*t.start) {
            snprintf(error->message, sizeof(error->message),
                     "a NUL byte: this is no text file");
            scan->p = scan->end;
            return 1;
        }
    }
}

/* --- what a person meant ------------------------------------------------- */

/* Follows libconfig's grammar with one word of look-ahead, and stops at the
 * first word that does not fit. */
struct explain {
    const char *p, *end;
    int line;
    struct token now, before;
    struct token wrapped; /* the first of the texts behind us that goes over
                           * the end of its line; len 0: none */
    const char *glued;    /* where those texts end */
    int depth;
    struct scan_error *error;
};

static void
advance(struct explain *x)
{
    x->before = x->now;
    if (x->before.type == TOKEN_STRING) {
        if (!x->wrapped.len && memchr(x->before.start, '\n', x->before.len))
            x->wrapped = x->before;
        x->glued = x->before.start + x->before.len;
    } else if (x->before.start != x->glued || x->before.type == TOKEN_PUNCT) {
        x->wrapped.len = 0;
    }
    conf_token_next(&x->p, x->end, &x->line, &x->now);
}

static int wrong(struct explain *x, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Always 1: "found it". */
static int
wrong(struct explain *x, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->error->message, sizeof(x->error->message), fmt, ap);
    va_end(ap);
    x->error->line = line;
    return 1;
}

static int
is_punct(const struct token *t, char c)
{
    return t->type == TOKEN_PUNCT && *t->start == c;
}

static int
is_word(const struct token *t, const char *word)
{
    return t->type == TOKEN_NAME && t->len == strlen(word)
           && strncasecmp(t->start, word, t->len) == 0;
}

/* For messages.  Values stay out of sight. */
static const char *
describe(const struct token *t, char out[8])
{
    switch (t->type) {
    case TOKEN_END:
        return "the end of the file";
    case TOKEN_NAME:
        return "a name";
    case TOKEN_BOOL:
    case TOKEN_INT:
    case TOKEN_INT64:
    case TOKEN_FLOAT:
    case TOKEN_STRING:
        return "a value";
    case TOKEN_PUNCT:
        snprintf(out, 8, "'%c'", *t->start);
        return out;
    default:
        return "something else";
    }
}

/* Words that are wrong wherever they stand. */
static int
hopeless(struct explain *x)
{
    const struct token *t = &x->now;
    switch (t->type) {
    case TOKEN_OPEN_STRING:
        return wrong(x, t->line,
                     "the text that begins here has no closing quote");
    case TOKEN_OPEN_COMMENT:
        return wrong(x, t->line,
                     "the comment that begins here has no closing */");
    case TOKEN_BAD:
        if (*t->start == '\'' || *t->start == '`'
            || ((unsigned char) *t->start == 0xe2 && t->start + 2 < x->end
                && (unsigned char) t->start[1] == 0x80))
            return wrong(x, t->line,
                         "text stands in plain double quotes: \"...\"");
        if ((unsigned char) *t->start == 0xef)
            return wrong(x, t->line,
                         "the file begins with a byte order "
                         "mark; save it as UTF-8 without one");
        return wrong(x, t->line, "a character that means nothing here%s%.*s",
                     *t->start > 0x20 && *t->start < 0x7f ? ": " : "",
                     *t->start > 0x20 && *t->start < 0x7f, t->start);
    default:
        return 0;
    }
}

/* Text that nobody has put in quotes: "/var/lib", "$HOME", "~/x". */
static int
begins_bare_text(const struct token *t)
{
    return t->type == TOKEN_BAD && *t->start
           && strchr("/~$.%@&|<>+-", *t->start);
}

static int value(struct explain *x, const struct token *name);
static int settings(struct explain *x, const struct token *open);

/* The elements of ( ) or [ ]; the bracket is behind us. */
static int
elements(struct explain *x, const struct token *open)
{
    const char close = *open->start == '(' ? ')' : ']';
    char found[8];
    if (is_punct(&x->now, close)) {
        advance(x);
        return 0;
    }
    for (;;) {
        if (close == ']' && is_punct(&x->now, '{'))
            return wrong(x, x->now.line,
                         "[ ] holds plain values only; a "
                         "list of groups stands in ( )");
        if (value(x, NULL))
            return 1;
        if (is_punct(&x->now, close)) {
            advance(x);
            return 0;
        }
        if (is_punct(&x->now, ',')) {
            advance(x);
            if (is_punct(&x->now, close))
                return wrong(x, x->before.line,
                             "no comma may follow the last element before "
                             "'%c'",
                             close);
            continue;
        }
        if (x->now.type == TOKEN_END)
            return wrong(x, open->line, "the '%c' here is never closed",
                         *open->start);
        if (is_punct(&x->now, '{') || x->now.type == TOKEN_STRING
            || x->now.type == TOKEN_INT)
            return wrong(x, x->now.line,
                         "a ',' is missing between two elements");
        if (is_punct(&x->now, ';'))
            return wrong(x, x->now.line,
                         "elements are parted by ',' and not "
                         "by ';'");
        if (hopeless(x))
            return 1;
        return wrong(x, x->now.line,
                     "expected ',' or '%c' (the '%c' is in line %d), found %s",
                     close, *open->start, open->line, describe(&x->now, found));
    }
}

/* A word without quotes where a value should be. */
static int
bare_word(struct explain *x, const struct token *name)
{
    struct token word = x->now;
    int len = name ? (int) name->len : 0;
    if (is_word(&word, "yes") || is_word(&word, "on"))
        return wrong(x, word.line, "write true instead of %.*s", (int) word.len,
                     word.start);
    if (is_word(&word, "no") || is_word(&word, "off"))
        return wrong(x, word.line, "write false instead of %.*s",
                     (int) word.len, word.start);
    advance(x);
    if (name && (is_punct(&x->now, '=') || is_punct(&x->now, ':')))
        return wrong(x, name->line, "\"%.*s\" has no value", len, name->start);
    if (name)
        return wrong(x, word.line,
                     "the value of \"%.*s\" is text and must stand in double "
                     "quotes",
                     len, name->start);
    return wrong(x, word.line, "text must stand in double quotes");
}

static int
value(struct explain *x, const struct token *name)
{
    char found[8];
    struct token open = x->now;
    if (x->now.type == TOKEN_STRING) {
        while (x->now.type == TOKEN_STRING)
            advance(x);
        if (x->now.start == x->glued && x->now.type != TOKEN_PUNCT
            && x->now.type != TOKEN_END)
            return wrong(x, open.line,
                         "the text that begins here ends where more text "
                         "follows: its closing quote is missing, or a quote "
                         "inside of it is not written \\\"");
        return 0;
    }
    if (x->now.type >= TOKEN_BOOL && x->now.type <= TOKEN_FLOAT) {
        advance(x);
        if (x->now.type == TOKEN_NAME
            && x->now.start == x->before.start + x->before.len)
            return wrong(x, x->now.line,
                         "a value with a unit stands in "
                         "quotes, like \"30s\" or \"64MiB\"");
        return 0;
    }
    if (x->now.type == TOKEN_NAME || begins_bare_text(&x->now))
        return bare_word(x, name);
    if (hopeless(x))
        return 1;
    if (is_punct(&open, '{') || is_punct(&open, '(') || is_punct(&open, '[')) {
        if (++x->depth > DEPTH_MAX)
            return wrong(x, open.line, "nested deeper than %d levels",
                         DEPTH_MAX);
        advance(x);
        int err =
            is_punct(&open, '{') ? settings(x, &open) : elements(x, &open);
        x->depth--;
        return err;
    }
    if (name)
        return wrong(x, name->line, "\"%.*s\" has no value", (int) name->len,
                     name->start);
    return wrong(x, x->now.line, "expected a value, found %s",
                 describe(&x->now, found));
}

static int
assignment(struct explain *x, const struct token *name)
{
    const int len = (int) name->len;
    char found[8];
    if (name->dotted)
        return wrong(x, name->line,
                     "names have no dots: instead of %.*s write groups, like "
                     "http = { listen = ...; };",
                     len, name->start);
    if (!is_punct(&x->now, '=') && !is_punct(&x->now, ':'))
        return wrong(x, name->line, "expected '=' after \"%.*s\", found %s",
                     len, name->start, describe(&x->now, found));
    advance(x);
    return value(x, name);
}

/* Is name among those that the group has had?  A second, cheaper walk from the
 * group's start: groups are small and this runs once. */
static int
first_use(const char *start, const struct token *name, int line)
{
    struct token t;
    int depth = 0;
    for (const char *p = start; p < name->start;) {
        conf_token_next(&p, name->start, &line, &t);
        if (t.type == TOKEN_PUNCT && strchr("{([", *t.start))
            depth++;
        else if (t.type == TOKEN_PUNCT && strchr("})]", *t.start))
            depth--;
        else if (depth == 0 && t.type == TOKEN_NAME && t.len == name->len
                 && memcmp(t.start, name->start, t.len) == 0)
            return t.line;
    }
    return 0;
}

/* The settings of a group whose '{' is behind us, or of the file (open NULL).
 */
static int
settings(struct explain *x, const struct token *open)
{
    const char *start = x->now.start;
    const int start_line = x->now.line;
    char found[8];
    for (;;) {
        if (x->now.type == TOKEN_END)
            return open ? wrong(x, open->line, "the '{' here is never closed")
                        : 0;
        if (open && is_punct(&x->now, '}')) {
            advance(x);
            return 0;
        }
        if (hopeless(x))
            return 1;
        if (is_punct(&x->now, ';') || is_punct(&x->now, ','))
            return wrong(x, x->now.line, "one '%c' too many", *x->now.start);
        if (is_punct(&x->now, '{') || is_punct(&x->now, '(')
            || is_punct(&x->now, '['))
            return wrong(x, x->now.line,
                         "expected a name and '=' before %s, like "
                         "http = { listen = ...; };",
                         describe(&x->now, found));
        if (x->now.type == TOKEN_PUNCT && open)
            return wrong(x, x->now.line,
                         "expected '}' to close the '{' in line %d, found %s",
                         open->line, describe(&x->now, found));
        if (x->now.type == TOKEN_PUNCT)
            return wrong(x, x->now.line, "nothing is open that %s could close",
                         describe(&x->now, found));
        if (x->now.type != TOKEN_NAME && x->before.type != TOKEN_END)
            return wrong(x, x->now.line,
                         "expected ';' and the next name, found %s",
                         describe(&x->now, found));
        if (x->now.type != TOKEN_NAME)
            return wrong(x, x->now.line, "expected a name, found %s",
                         describe(&x->now, found));

        struct token name = x->now;
        int first = first_use(start, &name, start_line);
        if (first)
            return wrong(x, name.line,
                         "\"%.*s\" is set twice; the first is in line %d",
                         (int) name.len, name.start, first);
        advance(x);
        if (assignment(x, &name))
            return 1;
        if (is_punct(&x->now, ';') || is_punct(&x->now, ','))
            advance(x);
    }
}

int
conf_scan_explain(const char *text, size_t len, struct scan_error *error)
{
    struct explain x = {
        .p = text, .end = text + len, .line = 1, .error = error
    };
    advance(&x);
    if (!settings(&x, NULL))
        return 0;
    /* A text without its closing quote ends where the next one opens, and what
     * does not fit is what stands in that one. */
    if (x.wrapped.len
        && (x.now.type != TOKEN_PUNCT || x.before.type == TOKEN_NAME))
        return wrong(&x, x.wrapped.line,
                     "the text that begins here goes on in the next line; is "
                     "its closing quote missing?");
    return 1;
}
