/* SPDX-License-Identifier: MIT */
#include "json_out.h"

#include "json.h"
#include "base/time.h"

#include <errno.h>

void
json_out_begin(struct json_out *o, struct il_text *text)
{
    *o = (struct json_out){ .text = text, .first = 1 };
}

int
json_out_done(const struct json_out *o)
{
    return o->err ? o->err : o->depth ? -EINVAL : 0;
}

char *
json_out_before(struct json_out *o, const char *key, size_t len, size_t room)
{
    struct il_text *t = o->text;
    room += len + 4;
    if (o->err)
        return NULL;
    if (t->cap - t->len <= room && text_reserve(t, room)) {
        o->err = -ENOMEM;
        return NULL;
    }
    char *p = t->data + t->len;
    if (!o->first)
        *p++ = ',';
    o->first = 0;
    if (key) {
        *p++ = '"';
        memcpy(p, key, len);
        p += len;
        *p++ = '"';
        *p++ = ':';
    }
    t->len = (size_t) (p - t->data);
    return p;
}

void
json_out_end(struct json_out *o)
{
    struct il_text *t = o->text;
    if (!o->depth)
        json_out_said(o, -EINVAL);
    if (!o->err && t->cap - t->len <= 1)
        o->err = text_reserve(t, 1);
    if (!o->err)
        t->data[t->len++] = o->objects & 1 ? '}' : ']';
    o->objects >>= 1;
    o->depth -= o->depth > 0;
    o->first = 0;
}

void
json_out_slice(struct json_out *o, const char *key, struct slice value)
{
    if (!value.ptr) {
        json_out_null(o, key);
        return;
    }
    if (!json_out_before(o, key, json_out_length(key), 0))
        return;
    int64_t n = json_write_str(o->text, value.ptr, value.len, 0);
    if (n < 0)
        o->err = (int) n;
}

void
json_out_time(struct json_out *o, const char *key, int64_t us)
{
    char text[TIME_TEXT + 2] = "\"";
    size_t len = time_format(text + 1, us) + 1;
    text[len++] = '"';
    json_out_raw(o, key, slice_of(text, len));
}

void
json_out_value(struct json_out *o, const char *key, const struct il_value *v)
{
    if (!json_out_before(o, key, json_out_length(key), 0))
        return;
    int64_t n = json_write(o->text, v, 0);
    if (n < 0)
        o->err = (int) n;
}
