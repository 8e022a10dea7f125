/* SPDX-License-Identifier: MIT */
#include "template.h"

#include "expr_private.h"
#include "base/time.h"
#include "codec/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 64 /* their values wait on the stack while one is rendered   \
                      */

struct piece {
    struct slice text;             /* constant */
    const struct operand *operand; /* or NULL */
};

struct il_template {
    struct pool pool;
    const struct il_field *lone; /* the whole of it, or NULL */
    struct piece pieces[PARTS_MAX];
    uint32_t count;
};

static struct piece *
add_piece(struct lex *s, struct il_template *t)
{
    if (t->count < PARTS_MAX)
        return &t->pieces[t->count++];
    expr_lex_fail(s, s->p, "this template has more than %d parts", PARTS_MAX);
    return NULL;
}

static void
add_text(struct lex *s, struct il_template *t, const char *p, size_t len)
{
    if (len == 0 || s->err)
        return;
    struct piece *piece = add_piece(s, t);
    char *copy = piece ? expr_pool_alloc(s->pool, len) : NULL;
    if (!copy) {
        if (!s->err)
            s->err = -ENOMEM;
        return;
    }
    piece->text = slice_of(memcpy(copy, p, len), len);
}

/* s->p is past "{{". */
static void
add_operand(struct lex *s, struct il_template *t, const char *open)
{
    struct piece *piece = add_piece(s, t);
    struct operand *o = piece ? expr_lex_operand(s, BARE_FIELD) : NULL;
    if (!o)
        return;
    piece->operand = o;
    expr_lex_blank(s);
    if (s->p == s->end)
        expr_lex_fail(s, open, "this {{ has no closing }}");
    else if (!expr_lex_mark(s, "}}"))
        expr_lex_fail(s, s->p, "expected }}");
}

static int
begins(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);
    return (size_t) (end - p) >= len && memcmp(p, word, len) == 0;
}

static int
is_root(const char *p, const char *end)
{
    return begins(p, end, "$event") || begins(p, end, "$entity")
           || begins(p, end, "$step");
}

/* Does text that looks like a reference stand at p? */
static int
is_reference(const char *p, const char *end)
{
    size_t len = p < end && *p == '$' ? lang_name_len(p + 1, end) : 0;
    if (len == 0)
        return 0;
    const char *after = p + 1 + len;
    int dotted = after + 1 < end && (*after == '.' || *after == '[')
                 && (lang_name_first(after + 1, end) || *after == '[');
    return dotted && is_root(p, end);
}

static void
read_pieces(struct lex *s, struct il_template *t)
{
    const char *from = s->p;
    while (s->p < s->end && !s->err) {
        size_t n = lang_utf8_len(s->p, s->end);
        if (!n) {
            expr_lex_fail(s, s->p,
                          *s->p ? "bytes that are not UTF-8 text"
                                : "a NUL byte");
        } else if (begins(s->p, s->end, "{{")) {
            const char *open = s->p;
            add_text(s, t, from, (size_t) (open - from));
            s->p += 2;
            add_operand(s, t, open);
            /* Blanks after the braces are the text's own. */
            while (!s->err && s->p[-1] != '}')
                s->p--;
            from = s->p;
        } else if (is_reference(s->p, s->end)) {
            expr_lex_fail(s, s->p,
                          "a reference inside text is written in braces, "
                          "as in {{ $event.type }}");
        } else {
            s->p += n;
        }
    }
    if (!s->err)
        add_text(s, t, from, (size_t) (s->p - from));
}

/* A text that begins like a reference is one, to its end. */
static void
read_lone(struct lex *s, struct il_template *t)
{
    struct operand *o = expr_lex_operand(s, BARE_FIELD);
    if (!o)
        return;
    if (s->p != s->end)
        expr_lex_fail(s, s->p,
                      "a reference ends here; inside text it is written "
                      "in braces, as in {{ $event.type }}");
    t->lone = o->field;
}

static int
is_lone(const char *p, const char *end)
{
    size_t len = p < end && *p == '$' ? lang_name_len(p + 1, end) : 0;
    const char *after = p + 1 + len;
    if (len == 0)
        return 0;
    if (after < end && (*after == '.' || *after == '['))
        return 1;
    return after == end && is_root(p, end);
}

int
template_compile(const char *text, size_t len, struct il_template **out,
                 struct lang_error *error)
{
    struct il_template *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    struct lex s = { .begin = text,
                     .p = text,
                     .end = text + len,
                     .error = error,
                     .pool = &t->pool };
    if (len > EXPR_TEXT_MAX)
        expr_lex_fail(&s, text, "the template is longer than %u bytes",
                      EXPR_TEXT_MAX);
    else if (is_lone(s.p, s.end))
        read_lone(&s, t);
    else
        read_pieces(&s, t);
    if (s.err) {
        template_free(t);
        return s.err;
    }
    *out = t;
    return 0;
}

void
template_free(struct il_template *t)
{
    if (t)
        expr_pool_clear(&t->pool);
    free(t);
}

int
template_fields(const struct il_template *t,
                int (*each)(void *arg, const struct il_field *, size_t offset),
                void *arg)
{
    int answer = 0;
    for (const struct held_field *f = t->pool.fields; f && !answer; f = f->next)
        answer = each(arg, f->field, f->offset);
    return answer;
}

/* One piece made ready: its bytes, or a text still to be folded. */
struct made {
    struct slice text;
    int fold;
    size_t json_at; /* containers: where in the json text */
    int is_json;
    char room[TIME_TEXT];
};

static int
make_scalar(const struct il_value *v, struct made *m)
{
    switch (v->type) {
    case IL_STRING:
    case IL_DECIMAL:
        m->text = slice_of(v->str, v->len);
        return 0;
    case IL_BOOL:
        m->text = v->num.i ? SLICE("true") : SLICE("false");
        return 0;
    case IL_INT:
        m->text.len = (size_t) snprintf(m->room, sizeof m->room, "%lld",
                                        (long long) v->num.i);
        break;
    case IL_UINT:
        m->text.len = (size_t) snprintf(m->room, sizeof m->room, "%llu",
                                        (unsigned long long) v->num.u);
        break;
    case IL_TIME:
        m->text.len = time_format(m->room, v->num.i);
        break;
    default:
        return 0;
    }
    m->text.ptr = m->room;
    return 0;
}

static int
make_piece(const struct piece *piece, const struct batch_event *e,
           struct il_text *json, struct made *m)
{
    struct term term;
    memset(m, 0, sizeof *m);
    if (!piece->operand) {
        m->text = piece->text;
        return 0;
    }
    expr_operand_get(piece->operand, e, &term);
    m->fold = term.fold;
    if (term.value.type != IL_ARRAY && term.value.type != IL_MAP)
        return make_scalar(&term.value, m);
    /* Its place may move while more is appended: kept as an offset. */
    m->is_json = 1;
    m->json_at = json->len;
    if (json_write(json, &term.value, 0) == -ENOMEM)
        return -ENOMEM;
    m->text.len = json->len - m->json_at;
    return 0;
}

static int
join_pieces(struct made *made, uint32_t count, const struct il_text *json,
            struct il_batch *batch, struct il_value *out)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (made[i].is_json)
            made[i].text.ptr = json->data + made[i].json_at;
        len += made[i].fold ? fold_write(NULL, made[i].text) : made[i].text.len;
    }
    char *text = batch_alloc(batch, len + 1), *p = text;
    if (!text)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        if (made[i].fold) {
            p += fold_write(p, made[i].text);
        } else if (made[i].text.len) {
            memcpy(p, made[i].text.ptr, made[i].text.len);
            p += made[i].text.len;
        }
    }
    out->str = text;
    out->len = len;
    return 0;
}

/* Apart, for the sake of its callers' stack. */
static __attribute__((noinline)) int
render_pieces(const struct il_template *t, struct il_batch *batch, uint32_t i,
              struct il_value *out)
{
    struct made made[PARTS_MAX];
    struct il_text json = { 0 };
    int err = 0;
    for (uint32_t k = 0; k < t->count && !err; k++)
        err = make_piece(&t->pieces[k], &batch->events[i], &json, &made[k]);
    if (!err)
        err = join_pieces(made, t->count, &json, batch, out);
    text_clear(&json);
    return err;
}

/* --- piece by piece ------------------------------------------------------- */

/* One value, as render_pieces() would put it in. */
static int
give_term(const struct term *term, struct il_text *room,
          int (*fn)(void *arg, const char *text, size_t len, int of_event),
          void *arg)
{
    struct made m = { .fold = 0 };
    room->len = 0;
    if (term->value.type == IL_ARRAY || term->value.type == IL_MAP) {
        if (json_write(room, &term->value, 0) == -ENOMEM)
            return -ENOMEM;
        m.text = slice_of(room->data, room->len);
    } else {
        make_scalar(&term->value, &m);
    }
    if (term->fold) {
        const size_t len = fold_write(NULL, m.text);
        if (text_reserve(room, len + 1))
            return -ENOMEM;
        fold_write(room->data, m.text);
        m.text = slice_of(room->data, len);
    }
    return fn(arg, m.text.len ? m.text.ptr : "", m.text.len, 1);
}

int
template_pieces(const struct il_template *t, const struct batch_event *e,
                int (*fn)(void *arg, const char *text, size_t len,
                          int of_event),
                void *arg)
{
    struct il_text room = { 0 };
    struct term term = { 0 };
    int rc = 0;
    if (t->lone) {
        ref_get(t->lone, e, &term.value);
        rc = give_term(&term, &room, fn, arg);
    }
    for (uint32_t k = 0; k < t->count && !rc; k++) {
        const struct piece *p = &t->pieces[k];
        if (p->operand) {
            expr_operand_get(p->operand, e, &term);
            rc = give_term(&term, &room, fn, arg);
        } else {
            rc = fn(arg, p->text.ptr, p->text.len, 0);
        }
    }
    text_clear(&room);
    return rc;
}

/* --- all of it ------------------------------------------------------------ */

const struct il_field *
template_lone(const struct il_template *t)
{
    return t->lone;
}

int
template_render(const struct il_template *t, struct il_batch *batch, uint32_t i,
                struct il_value *out)
{
    if (t->lone) {
        ref_get(t->lone, &batch->events[i], out);
        return 0;
    }
    memset(out, 0, sizeof *out);
    out->type = IL_STRING;
    out->str = "";
    if (t->count == 0)
        return 0;
    if (t->count == 1 && !t->pieces[0].operand) {
        out->str = t->pieces[0].text.ptr;
        out->len = t->pieces[0].text.len;
        return 0;
    }
    return render_pieces(t, batch, i, out);
}
