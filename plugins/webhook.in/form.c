/* SPDX-License-Identifier: MIT */
#include "form.h"

#include "signature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Offsets in the text of decoded names and values. */
struct field {
    size_t name, name_len, value, value_len;
    size_t next; /* the next field of that name; 0: none */
    size_t last; /* of the first of a name: the last of it */
    int again;   /* not the first of its name */
};

/* The next byte of the decoded text; a '%' that begins no escape stands for
 * itself. */
static unsigned char
next_byte(const char **p, const char *end)
{
    char c = *(*p)++;
    unsigned char byte;
    if (c == '+')
        return ' ';
    if (c != '%' || end - *p < 2 || signature_unhex(*p, 2, &byte, 1) != 1)
        return (unsigned char) c;
    *p += 2;
    return byte;
}

/* Bytes of the UTF-8 character at p; 0: there is none. */
static size_t
utf8_size(const unsigned char *p, const unsigned char *end)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n = 0;
    if (*p < 0x80)
        n = 1;
    else if (*p >= 0xc2 && *p < 0xf5)
        n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    if (n < 2)
        return n;
    if ((size_t) (end - p) < n)
        return 0;
    if (*p == 0xe0)
        low = 0xa0;
    else if (*p == 0xed)
        high = 0x9f;
    else if (*p == 0xf0)
        low = 0x90;
    else if (*p == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Append a decoded name or value to texts: its bytes first, further back, and
 * from there what is UTF-8.  Four bytes for each of the body are reserved.
 * Returns the length. */
static size_t
decode(struct il_text *texts, const char *p, const char *end)
{
    unsigned char *out = (unsigned char *) texts->data + texts->len;
    /* escapes shrink, U+FFFD is three bytes for one */
    unsigned char *raw = out + 3 * (size_t) (end - p), *stop = raw;
    while (p < end)
        *stop++ = next_byte(&p, end);
    size_t len = 0;
    while (raw < stop) {
        size_t n = utf8_size(raw, stop);
        if (n) {
            memmove(out + len, raw, n);
            raw += n;
            len += n;
        } else {
            memcpy(out + len, "\xef\xbf\xbd", 3);
            raw++;
            len += 3;
        }
    }
    texts->len += len;
    return len;
}

static void
chain(struct field *fields, size_t n, const char *texts)
{
    struct field *f = &fields[n];
    for (size_t i = 0; i < n; i++) {
        struct field *g = &fields[i];
        if (g->again || g->name_len != f->name_len
            || memcmp(texts + g->name, texts + f->name, f->name_len))
            continue;
        f->again = 1;
        fields[g->last].next = n;
        g->last = n;
        return;
    }
    f->last = n;
}

/* The number of fields, or -E2BIG. */
static long
split(const char *body, size_t len, struct field *fields, struct il_text *texts)
{
    const char *end = body + len;
    size_t n = 0;
    for (const char *p = body, *stop; p < end; p = stop + 1) {
        stop = memchr(p, '&', (size_t) (end - p));
        stop = stop ? stop : end;
        if (stop == p)
            continue;
        if (n == FORM_FIELDS_MAX)
            return -E2BIG;
        const char *equals = memchr(p, '=', (size_t) (stop - p));
        struct field *f = &fields[n];
        *f = (struct field){ .name = texts->len };
        f->name_len = decode(texts, p, equals ? equals : stop);
        f->value = texts->len;
        f->value_len = equals ? decode(texts, equals + 1, stop) : 0;
        chain(fields, n++, texts->data);
    }
    return (long) n;
}

static int
put(const struct il_host *host, struct il_text *out, const char *text)
{
    size_t len = strlen(text);
    if (il_text_reserve(host, out, len))
        return -ENOMEM;
    memcpy(out->data + out->len, text, len);
    out->len += len;
    return 0;
}

static int
put_string(const struct il_host *host, struct il_text *out, const char *text,
           size_t len)
{
    struct il_value v = { .type = IL_STRING, .str = text, .len = len };
    return il_write_json(host, out, &v, 0) < 0 ? -ENOMEM : 0;
}

static int
put_values(const struct il_host *host, struct il_text *out,
           const struct field *fields, size_t i, const char *texts)
{
    const struct field *f = &fields[i];
    int many = f->next != 0;
    int err = many ? put(host, out, "[") : 0;
    for (;; f = &fields[f->next]) {
        if (!err)
            err = put_string(host, out, texts + f->value, f->value_len);
        if (err || !f->next)
            break;
        err = put(host, out, ",");
    }
    return err || !many ? err : put(host, out, "]");
}

static int
put_object(const struct il_host *host, struct il_text *out,
           const struct field *fields, size_t n, const char *texts)
{
    int err = put(host, out, "{"), first = 1;
    for (size_t i = 0; i < n && !err; i++) {
        if (fields[i].again)
            continue;
        if (!first)
            err = put(host, out, ",");
        first = 0;
        if (!err)
            err = put_string(host, out, texts + fields[i].name,
                             fields[i].name_len);
        if (!err)
            err = put(host, out, ":");
        if (!err)
            err = put_values(host, out, fields, i, texts);
    }
    return err ? err : put(host, out, "}");
}

/* 1 where the field's value is the body itself, 0, or -ENOMEM. */
static int
is_wrapper(const struct il_host *host, const struct field *f, const char *texts)
{
    struct il_value v;
    if (f->name_len != 7 || memcmp(texts + f->name, "payload", 7))
        return 0;
    struct il_text *read = il_text_new(host);
    if (!read)
        return -ENOMEM;
    int err = il_read_json(host, read, texts + f->value, f->value_len, &v);
    il_text_free(host, read);
    return err == -ENOMEM ? err : !err && v.type == IL_MAP;
}

static int
put_form(const struct il_host *host, struct il_text *out, struct field *fields,
         size_t n, const char *texts)
{
    int wrapper = n == 1 ? is_wrapper(host, fields, texts) : 0;
    if (wrapper < 0)
        return wrapper;
    if (!wrapper)
        return put_object(host, out, fields, n, texts);
    if (il_text_reserve(host, out, fields->value_len))
        return -ENOMEM;
    memcpy(out->data + out->len, texts + fields->value, fields->value_len);
    out->len += fields->value_len;
    return 0;
}

/* Read the body's fields, and give them to use(). */
static int
with_fields(const struct il_host *host, const char *body, size_t len,
            struct il_text *out,
            int (*use)(const struct il_host *, struct il_text *out,
                       struct field *, size_t n, const char *texts))
{
    struct field *fields = malloc(FORM_FIELDS_MAX * sizeof(*fields));
    struct il_text *texts = il_text_new(host);
    int err =
        fields && texts ? il_text_reserve(host, texts, 4 * len + 1) : -ENOMEM;
    if (!err) {
        long n = split(body, len, fields, texts);
        err = n < 0 ? (int) n : use(host, out, fields, (size_t) n, texts->data);
    }
    if (texts)
        il_text_free(host, texts);
    free(fields);
    return err;
}

int
form_to_json(const struct il_host *host, const char *body, size_t len,
             struct il_text *out)
{
    return with_fields(host, body, len, out, put_form);
}

/* --- sorted -------------------------------------------------------------- */

static int
text_order(const char *texts, size_t a, size_t a_len, size_t b, size_t b_len)
{
    int order = memcmp(texts + a, texts + b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int
field_order(const struct field *a, const struct field *b, const char *texts)
{
    int order = text_order(texts, a->name, a->name_len, b->name, b->name_len);
    return order ? order
                 : text_order(texts, a->value, a->value_len, b->value,
                              b->value_len);
}

/* Heap sort: whoever sends the fields chooses their order. */
static void
sift(struct field *fields, size_t i, size_t n, const char *texts)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n
            && field_order(&fields[child], &fields[child + 1], texts) < 0)
            child++;
        if (field_order(&fields[i], &fields[child], texts) >= 0)
            return;
        struct field swap = fields[i];
        fields[i] = fields[child];
        fields[child] = swap;
    }
}

static int
put_sorted(const struct il_host *host, struct il_text *out,
           struct field *fields, size_t n, const char *texts)
{
    size_t total = 0;
    for (size_t i = n / 2; i--;)
        sift(fields, i, n, texts);
    for (size_t i = n; i-- > 1;) {
        struct field swap = fields[0];
        fields[0] = fields[i];
        fields[i] = swap;
        sift(fields, 0, i, texts);
    }
    for (size_t i = 0; i < n; i++)
        total += fields[i].name_len + fields[i].value_len;
    if (il_text_reserve(host, out, total))
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        if (i && !field_order(f - 1, f, texts))
            continue;
        memcpy(out->data + out->len, texts + f->name, f->name_len);
        out->len += f->name_len;
        memcpy(out->data + out->len, texts + f->value, f->value_len);
        out->len += f->value_len;
    }
    return 0;
}

int
form_sorted(const struct il_host *host, const char *body, size_t len,
            struct il_text *out)
{
    return with_fields(host, body, len, out, put_sorted);
}
