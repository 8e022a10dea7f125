/* SPDX-License-Identifier: MIT */
/* Objects into columns of composite types, and arrays of them: the literal that
 * Postgres reads, "(a,b)", with the fields in the order of the type.  Fields
 * that the object has not are NULL, what the type has not is left out.
 *
 * A literal within a literal is quoted once more, so a value is written first
 * and then quoted where it stands. */
#include "put.h"

#include <errno.h>

static int
add(struct encoder *e, const char *s, size_t len)
{
    struct il_text *to = e->scratch;
    if (il_text_reserve(e->host, to, len))
        return -ENOMEM;
    memcpy(to->data + to->len, s, len);
    to->len += len;
    return 0;
}

/* Put what was written from `begin` on between quotes, both of the kind that
 * array and record literals have. */
static int
quote(struct encoder *e, size_t begin)
{
    struct il_text *t = e->scratch;
    size_t len = t->len - begin, more = 2;
    for (size_t i = begin; i < t->len; i++)
        more += t->data[i] == '"' || t->data[i] == '\\';
    if (il_text_reserve(e->host, t, more))
        return -ENOMEM;
    char *from = t->data + begin + len, *to = from + more;
    t->len += more;
    *--to = '"';
    while (from > t->data + begin) {
        char c = *--from;
        *--to = c;
        if (c == '"' || c == '\\')
            *--to = '\\';
    }
    *--to = '"';
    return 0;
}

static int
is_null(const struct il_value *v)
{
    return v->type == IL_NULL || v->type == IL_MISSING;
}

static int literal(struct encoder *, const struct column *,
                   const struct il_value *);

static int
quoted(struct encoder *e, const struct column *c, const struct il_value *v)
{
    size_t begin = e->scratch->len;
    int err = literal(e, c, v);
    return err ? err : quote(e, begin);
}

static int
array_literal(struct encoder *e, const struct column *c,
              const struct il_value *v)
{
    size_t iter = 0;
    struct il_value item;
    const char *comma = "{";
    int err = 0;
    while (!err && il_item(e->host, v, &iter, NULL, &item)) {
        err = add(e, comma, 1);
        comma = ",";
        if (err)
            break;
        if (is_null(&item))
            err = add(e, "NULL", 4);
        else if (item.type == IL_ARRAY) /* one dimension more */
            err = array_literal(e, c, &item);
        else
            err = quoted(e, c, &item);
    }
    return err ? err
               : add(e, *comma == '{' ? "{}" : "}", *comma == '{' ? 2 : 1);
}

static void
member(struct encoder *e, const struct il_value *map, const char *name,
       struct il_value *out)
{
    struct il_value key, value;
    size_t iter = 0, n = strlen(name);
    *out = (struct il_value){ .type = IL_MISSING };
    while (il_item(e->host, map, &iter, &key, &value))
        if (key.type == IL_STRING && key.len == n
            && memcmp(key.str, name, n) == 0)
            *out = value;
}

static int
record_literal(struct encoder *e, const struct column *c,
               const struct il_value *v)
{
    int err = add(e, "(", 1);
    for (uint32_t i = 0; i < c->field_count && !err; i++) {
        struct il_value value;
        if (i && (err = add(e, ",", 1)) != 0)
            break;
        member(e, v, c->fields[i].name, &value);
        if (!is_null(&value))
            err = quoted(e, &c->fields[i], &value);
    }
    return err ? err : add(e, ")", 1);
}

/* Append the text of a value as its type reads it. */
static int
literal(struct encoder *e, const struct column *c, const struct il_value *v)
{
    char buf[48];
    const char *s;
    size_t len;
    if (c->is_array && v->type == IL_ARRAY)
        return array_literal(e, c, v);
    if (c->fields && v->type == IL_MAP)
        return record_literal(e, c, v);
    int err = put_clean(e, v, buf, &s, &len);
    return err ? err : add(e, s, len);
}

int
put_record(struct encoder *e, const struct column *c, const struct il_value *v)
{
    if (e->binary || v->type == IL_STRING)
        return put_other(e, c, v);
    e->scratch->len = 0;
    int err = literal(e, c, v);
    return err ? err : encode_text(e, e->scratch->data, e->scratch->len);
}
