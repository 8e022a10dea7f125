/* SPDX-License-Identifier: MIT */
#include "pick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum piece_kind { PIECE_TEXT, PIECE_HEADER, PIECE_BODY };

/* One step into the body: a key, or an index where key is NULL. */
struct step {
    const char *key;
    size_t len;
    uint32_t index;
};

#define STEPS_MAX 16
#define PIECES_MAX 16

struct piece {
    enum piece_kind kind;
    const char *text; /* or a header's name */
    size_t len;
    struct step steps[STEPS_MAX];
    size_t step_count;
};

struct pick {
    size_t count;
    struct piece pieces[PIECES_MAX];
    char text[]; /* all strings point in here */
};

/* --- compiling ----------------------------------------------------------- */

struct compiler {
    struct pick *pick;
    char *start;
    struct pick_error *error;
};

static int
fail(struct compiler *c, const char *at, const char *message)
{
    c->error->offset = at - c->start;
    c->error->message = message;
    return -EINVAL;
}

static struct step *
add_step(struct piece *p)
{
    return p->step_count < STEPS_MAX ? &p->steps[p->step_count++] : NULL;
}

/* "[2]" or ["a.b"] at p; *next behind it. */
static int
bracket(struct compiler *c, struct piece *piece, char *p, char *end,
        char **next)
{
    struct step *s = add_step(piece);
    char *stop = memchr(p, ']', (size_t) (end - p));
    if (!s)
        return fail(c, p, "the path is too long");
    *s = (struct step){ 0 };
    if (p[1] == '"' && end - p > 2) {
        char *quote = memchr(p + 2, '"', (size_t) (end - p - 2));
        if (!quote || quote + 1 == end || quote[1] != ']')
            return fail(c, p, "a quoted name ends with \"]");
        s->key = p + 2;
        s->len = (size_t) (quote - s->key);
        *next = quote + 2;
        return 0;
    }
    if (!stop || stop == p + 1 || stop - p > 7
        || strspn(p + 1, "0123456789") != (size_t) (stop - p - 1))
        return fail(c, p,
                    "expected an index such as [0] or a name in quotes "
                    "such as [\"a.b\"]");
    s->index = (uint32_t) strtoul(p + 1, NULL, 10);
    *next = stop + 1;
    return 0;
}

/* ".a.b[0]" */
static int
body_path(struct compiler *c, struct piece *piece, char *p, char *end)
{
    int err = 0;
    while (p < end && !err) {
        if (*p == '[') {
            err = bracket(c, piece, p, end, &p);
            continue;
        }
        if (*p != '.')
            return fail(c, p, "expected '.' or '['");
        size_t len = strcspn(++p, ".[]\"{} ");
        if (len > (size_t) (end - p))
            len = (size_t) (end - p);
        struct step *s = add_step(piece);
        if (!len)
            return fail(c, p, "expected the name of a field");
        if (!s)
            return fail(c, p, "the path is too long");
        *s = (struct step){ p, len, 0 };
        p += len;
    }
    return err;
}

/* The length of a header's name. */
static size_t
header_name(const char *p)
{
    return strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789-_");
}

static struct piece *
add_piece(struct compiler *c, enum piece_kind kind, char *text, size_t len)
{
    struct pick *pick = c->pick;
    if (pick->count == PIECES_MAX)
        return NULL;
    struct piece *p = &pick->pieces[pick->count++];
    *p = (struct piece){ .kind = kind, .text = text, .len = len };
    return p;
}

static int
reference(struct compiler *c, char *p, char *end)
{
    struct piece *piece;
    if (end - p > 8 && !memcmp(p, "$header.", 8)) {
        p += 8;
        if (header_name(p) < (size_t) (end - p))
            return fail(c, p + header_name(p),
                        "no character of a header's "
                        "name");
        piece = add_piece(c, PIECE_HEADER, p, (size_t) (end - p));
        return piece ? 0 : fail(c, p, "too many references");
    }
    if (end - p > 5 && !memcmp(p, "$body", 5)) {
        piece = add_piece(c, PIECE_BODY, p, (size_t) (end - p));
        return piece ? body_path(c, piece, p + 5, end)
                     : fail(c, p, "too many references");
    }
    return fail(c, p, "expected $header.NAME or $body.FIELD");
}

static int
braces(struct compiler *c, char *p)
{
    int err = 0;
    while (*p && !err) {
        char *open = strstr(p, "{{");
        size_t len = open ? (size_t) (open - p) : strlen(p);
        if (len && !add_piece(c, PIECE_TEXT, p, len))
            return fail(c, p, "too many references");
        if (!open)
            return 0;
        char *close = strstr(open, "}}");
        if (!close)
            return fail(c, open, "\"{{\" is not closed by \"}}\"");
        char *from = open + 2, *to = close;
        from += strspn(from, " ");
        while (to > from && to[-1] == ' ')
            to--;
        err = reference(c, from, to > from ? to : from);
        p = close + 2;
    }
    return err;
}

/* Names of headers are looked up with a NUL behind them. */
static void
end_names(struct pick *pick)
{
    for (size_t i = 0; i < pick->count; i++)
        if (pick->pieces[i].kind == PIECE_HEADER)
            ((char *) (uintptr_t) pick->pieces[i].text)[pick->pieces[i].len] =
                0;
}

int
pick_compile(const char *text, struct pick **out, struct pick_error *error)
{
    size_t len = strlen(text);
    struct pick *pick = calloc(1, sizeof(*pick) + len + 1);
    int err;
    *out = pick;
    if (!pick)
        return -ENOMEM;
    memcpy(pick->text, text, len + 1);
    struct compiler c = { pick, pick->text, error };
    if (!len)
        err = fail(&c, pick->text, "must not be empty");
    else if (*text == '$')
        err = reference(&c, pick->text, pick->text + len);
    else
        err = braces(&c, pick->text);
    if (err) {
        pick_free(pick);
        *out = NULL;
        return err;
    }
    end_names(pick);
    return 0;
}

void
pick_free(struct pick *pick)
{
    free(pick);
}

int
pick_has_body(const struct pick *pick)
{
    int found = 0;
    for (size_t i = 0; i < pick->count; i++)
        found |= pick->pieces[i].kind == PIECE_BODY;
    return found;
}

int
pick_is_body(const struct pick *pick)
{
    return pick->count == 1 && pick->pieces[0].kind == PIECE_BODY;
}

/* --- rendering ----------------------------------------------------------- */

static int
step_into(const struct il_host *host, const struct step *s,
          const struct il_value *from, struct il_value *out)
{
    struct il_value key, value;
    size_t iter = 0;
    uint32_t i = 0;
    if (from->type != (s->key ? IL_MAP : IL_ARRAY))
        return 0;
    while (il_item(host, from, &iter, &key, &value)) {
        if (s->key ? key.len == s->len && !memcmp(key.str, s->key, s->len)
                   : i++ == s->index) {
            *out = value;
            return 1;
        }
    }
    return 0;
}

/* A view of the value's text; digits are written into number. */
static size_t
text_of(const struct il_value *v, char number[32], const char **out)
{
    *out = number;
    switch (v->type) {
    case IL_STRING:
    case IL_DECIMAL:
        *out = v->str;
        return v->len;
    case IL_INT:
        return (size_t) snprintf(number, 32, "%lld", (long long) v->num.i);
    case IL_UINT:
        return (size_t) snprintf(number, 32, "%llu",
                                 (unsigned long long) v->num.u);
    case IL_BOOL:
        *out = v->num.i ? "true" : "false";
        return strlen(*out);
    default:
        return 0;
    }
}

static size_t
piece_text(const struct piece *p, const struct il_host *host,
           struct il_request *req, const struct il_value *body, char number[32],
           const char **out)
{
    struct il_value v = *body;
    *out = p->text;
    switch (p->kind) {
    case PIECE_TEXT:
        return p->len;
    case PIECE_HEADER:
        *out = il_request_header(req, p->text);
        return *out ? strlen(*out) : 0;
    default:
        break;
    }
    for (size_t i = 0; i < p->step_count; i++)
        if (!step_into(host, &p->steps[i], &v, &v))
            return 0;
    return text_of(&v, number, out);
}

size_t
pick_render(const struct pick *pick, const struct il_host *host,
            struct il_request *req, const struct il_value *body,
            char buf[PICK_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < pick->count; i++) {
        char number[32];
        const char *text;
        size_t n = piece_text(&pick->pieces[i], host, req, body, number, &text);
        if (!n)
            return 0;
        if (n > PICK_MAX - len)
            n = PICK_MAX - len;
        memcpy(buf + len, text, n);
        len += n;
    }
    return len;
}
