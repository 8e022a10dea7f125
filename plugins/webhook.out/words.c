/* SPDX-License-Identifier: MIT */
#include "words.h"

#include "scrub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINES 10
#define NAME_UNITS 64 /* of a field's name, and of its value, in the default */
#define VALUE_UNITS 200

static const char ellipsis[] = "\xe2\x80\xa6";

int
words_open(struct words *w, const struct il_host *host,
           const struct il_conf *conf, const char *key)
{
    w->host = host;
    int err = il_template_from(host, conf, key, &w->text);
    if (!err)
        err = il_field_named(host, IL_FIELD_ANY, "type", &w->type);
    return err ? err
               : il_field_named(host, IL_FIELD_ANY, "payload", &w->payload);
}

void
words_close(struct words *w)
{
    if (!w->host)
        return; /* it was never opened */
    il_template_free(w->host, w->text);
    il_field_free(w->host, w->type);
    il_field_free(w->host, w->payload);
}

/* --- escapes -------------------------------------------------------------- */

size_t
words_as_it_is(unsigned char before, const char *ch, size_t n,
               char out[WORDS_ESCAPED])
{
    (void) before;
    memcpy(out, ch, n);
    return n;
}

size_t
words_escape_entities(unsigned char before, const char *ch, size_t n,
                      char out[WORDS_ESCAPED])
{
    const char *entity = *ch == '&'   ? "&amp;"
                         : *ch == '<' ? "&lt;"
                         : *ch == '>' ? "&gt;"
                                      : NULL;
    if (!entity)
        return words_as_it_is(before, ch, n, out);
    memcpy(out, entity, strlen(entity));
    return strlen(entity);
}

size_t
words_escape_set(const char *set, const char *ch, size_t n,
                 char out[WORDS_ESCAPED])
{
    const int special = n == 1 && strchr(set, *ch);
    out[0] = '\\';
    memcpy(out + special, ch, n);
    return n + (size_t) special;
}

/* --- putting together ------------------------------------------------------ */

/* Each text is walked twice: at first what the operator wrote is measured, then
 * all is put where it goes. */
struct put {
    const struct words *w;
    struct il_text *out;    /* NULL: measure */
    size_t constant, value; /* units that either has taken, or has left */
    size_t most;            /* units of the value that comes next */
    int line;               /* no line breaks in it */
    int err;
};

/* Code units of UTF-16 in a text that is UTF-8. */
static size_t
units_of(const char *text, size_t len)
{
    size_t units = 0;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char) text[i];
        units += (c & 0xc0) != 0x80;
        units += c >= 0xf0;
    }
    return units;
}

/* What stands for the character at p, and how long that was. */
static size_t
next_character(const struct put *p, const char *from, size_t at, size_t len,
               int of_event, char out[WORDS_ESCAPED], size_t *n)
{
    char ch[5] = { 0 };
    memcpy(ch, from + at, len - at < 4 ? len - at : 4);
    const size_t have = scrub_utf8_len((unsigned char *) ch);
    const unsigned char c = (unsigned char) *ch;
    *n = have ? have : 1;
    ch[*n] = 0;
    if (!have)
        memcpy(ch, "?", 2);
    else if (c == 0x7f
             || (c < ' '
                 && (p->w->line || (p->line && of_event)
                     || (c != '\n' && c != '\t'))))
        memcpy(ch, " ", 2);
    const unsigned char before = at ? (unsigned char) from[at - 1] : 0;
    return of_event ? p->w->escape(before, ch, strlen(ch), out)
                    : words_as_it_is(before, ch, strlen(ch), out);
}

static int
append(struct put *p, const char *bytes, size_t len)
{
    if (il_text_reserve(p->w->host, p->out, len + 1)) {
        p->err = -ENOMEM;
        return 1;
    }
    memcpy(p->out->data + p->out->len, bytes, len);
    p->out->len += len;
    return 0;
}

static size_t
measure(const struct put *p, const char *text, size_t len, int of_event,
        size_t enough)
{
    size_t units = 0, n;
    char made[WORDS_ESCAPED];
    for (size_t at = 0; at < len && units <= enough; at += n)
        units += units_of(made,
                          next_character(p, text, at, len, of_event, made, &n));
    return units;
}

/* All of it, or what fits and an ellipsis. */
static int
put_cut(struct put *p, const char *text, size_t len, int of_event, size_t most,
        size_t *left)
{
    const size_t room = most < *left ? most : *left;
    const int fits = measure(p, text, len, of_event, room) <= room;
    size_t used = 0, n;
    for (size_t at = 0; at < len; at += n) {
        char made[WORDS_ESCAPED];
        const size_t bytes =
            next_character(p, text, at, len, of_event, made, &n);
        const size_t units = units_of(made, bytes);
        if (!fits && used + units + 1 > room)
            break;
        if (append(p, made, bytes))
            return 1;
        used += units;
    }
    if (!fits && room) {
        if (append(p, ellipsis, sizeof(ellipsis) - 1))
            return 1;
        used++;
    }
    *left -= used;
    return 0;
}

/* A callback of il_template_pieces(). */
static int
put_piece(void *arg, const char *text, size_t len, int of_event)
{
    struct put *p = arg;
    if (p->out)
        return put_cut(p, text, len, of_event, of_event ? p->most : SIZE_MAX,
                       of_event ? &p->value : &p->constant);
    if (!of_event)
        p->constant += measure(p, text, len, 0, p->w->most);
    return 0;
}

/* --- the default ---------------------------------------------------------- */

static int
put_constant(struct put *p, const char *text)
{
    return put_piece(p, text, strlen(text), 0);
}

/* Text, number or boolean: 1; anything else: 0. */
static int
scalar_text(const struct words *w, const struct il_value *v,
            struct rendered *out, char room[64], const char **text, size_t *len)
{
    switch (v->type) {
    case IL_STRING:
    case IL_DECIMAL:
        *text = v->str;
        *len = v->len;
        return 1;
    case IL_BOOL:
    case IL_INT:
    case IL_UINT:
        break;
    default:
        return 0;
    }
    const size_t at = out->text->len;
    if (il_write_json(w->host, out->text, v, 0) < 0)
        return -ENOMEM;
    *len = out->text->len - at < 63 ? out->text->len - at : 63;
    memcpy(room, out->text->data + at, *len);
    *text = room;
    out->text->len = at;
    return 1;
}

static int
put_field(struct put *p, int first, const struct il_value *key,
          const char *text, size_t len)
{
    int rc = first ? 0 : put_constant(p, "\n");
    p->most = NAME_UNITS;
    if (!rc)
        rc = put_piece(p, key->str, key->len, 1);
    if (!rc)
        rc = put_constant(p, ": ");
    p->most = VALUE_UNITS;
    return rc ? rc : put_piece(p, text, len, 1);
}

static int
put_title(struct put *p, struct il_batch *batch, uint32_t i)
{
    size_t len = 0;
    const char *type = il_get_str(batch, i, p->w->type, &len);
    p->most = VALUE_UNITS;
    int rc = put_constant(p, p->w->before);
    if (!rc && type)
        rc = put_piece(p, type, len, 1);
    return rc ? rc : put_constant(p, p->w->after);
}

static int
put_default(struct put *p, struct il_batch *batch, uint32_t i,
            struct rendered *out)
{
    const struct words *w = p->w;
    struct il_value payload, key, value;
    size_t iter = 0, len = 0;
    p->line = 1;
    int rc = w->instead == WORDS_FIELDS ? 0 : put_title(p, batch, i);
    if (w->instead == WORDS_TITLE)
        return rc;
    if (!il_get(batch, i, w->payload, &payload) || payload.type != IL_MAP)
        return rc;
    for (int lines = 0; !rc && lines < LINES
                        && il_item(w->host, &payload, &iter, &key, &value);) {
        char room[64];
        const char *text;
        int is = scalar_text(w, &value, out, room, &text, &len);
        if (is > 0)
            rc = put_field(p, w->instead == WORDS_FIELDS && !lines, &key, text,
                           len);
        else if (is < 0)
            return is;
        lines += is;
    }
    return rc;
}

/* --- all of it ------------------------------------------------------------ */

static int
put_all(struct put *p, struct il_batch *batch, uint32_t i, struct rendered *out)
{
    p->most = SIZE_MAX;
    int rc = p->w->text ? il_template_pieces(p->w->text, batch, i, put_piece, p)
                        : put_default(p, batch, i, out);
    return p->err ? p->err : rc;
}

static int
is_blank(const char *text, size_t len)
{
    while (len && strchr(" \n\t", text[len - 1]))
        len--;
    return !len;
}

int
words_make(const struct words *w, struct il_batch *batch, uint32_t i,
           struct rendered *out, struct il_value *text)
{
    const size_t at = out->text->len;
    struct put p = { .w = w };
    int err = put_all(&p, batch, i, out);
    if (err)
        return err;
    p.value = p.constant < w->most ? w->most - p.constant : 0;
    p.constant = w->most;
    p.out = out->text;
    if ((err = put_all(&p, batch, i, out)))
        return err;
    const size_t len = out->text->len - at;
    if (is_blank(len ? out->text->data + at : "", len)
        && (w->text || w->instead != WORDS_FIELDS)) {
        snprintf(out->why, sizeof(out->why),
                 "the text that comes out is empty");
        return -EINVAL;
    }
    char *copy = il_batch_alloc(batch, len ? len : 1);
    if (!copy)
        return -ENOMEM;
    if (len)
        memcpy(copy, out->text->data + at, len);
    out->text->len = at;
    *text = (struct il_value){ .type = IL_STRING, .str = copy, .len = len };
    return 0;
}
