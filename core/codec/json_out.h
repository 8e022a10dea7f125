/* SPDX-License-Identifier: MIT */
/* JSON of our own: answers, status, lines of commands.  Member by member, with
 * commas, quotes and brackets where they belong.
 *
 * It is in codec rather than in base because of its strings: those come from
 * outside, and are escaped as those of events are (json_write_str()).
 *
 *   struct json_out o;
 *   json_out_begin(&o, text);
 *   json_out_object(&o, NULL);
 *   json_out_str(&o, "status", "ready");
 *   json_out_end(&o);
 *   return json_out_done(&o);
 *
 * A key is a literal, written as it is; NULL within an array and at the top.
 * Errors stick: after the first nothing is written, and json_out_done() returns
 * it, so that there is one place to look.  For one thread. */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include "base/digits.h"
#include "base/text.h"

#include <errno.h>

#define JSON_OUT_DEPTH 64

struct json_out {
    struct il_text *text;
    uint64_t objects; /* which of the open containers are, innermost first */
    uint32_t depth;
    int first, err;
};

/* What is written is appended to text. */
void json_out_begin(struct json_out *, struct il_text *);
/* 0, -ENOMEM, or -EINVAL: a value that cannot be read, or brackets that do not
 * match.  What was written until then is in the text. */
int json_out_done(const struct json_out *);

/* Something that the caller needed for it went wrong (a negative errno; 0 is
 * nothing): as if the writer had met it. */
static inline void
json_out_said(struct json_out *o, int err)
{
    if (!o->err)
        o->err = err;
}

/* Comma and key, and room for so much behind them: where that begins, or
 * NULL. */
char *json_out_before(struct json_out *, const char *key, size_t key_len,
                      size_t room);

/* The compiler counts the literals: every answer of the gate names its events
 * one by one. */
static inline size_t
json_out_length(const char *key)
{
    return key ? strlen(key) : 0;
}

static inline void
json_out_raw(struct json_out *o, const char *key, struct slice json)
{
    char *p = json_out_before(o, key, json_out_length(key), json.len);
    if (!p)
        return;
    memcpy(p, json.ptr, json.len);
    o->text->len += json.len;
}

static inline void
json_out_open(struct json_out *o, const char *key, int object)
{
    if (o->depth == JSON_OUT_DEPTH)
        json_out_said(o, -EINVAL);
    json_out_raw(o, key, object ? SLICE("{") : SLICE("["));
    o->objects = o->objects << 1 | (uint64_t) object;
    o->depth++;
    o->first = 1;
}

static inline void
json_out_object(struct json_out *o, const char *key)
{
    json_out_open(o, key, 1);
}

static inline void
json_out_array(struct json_out *o, const char *key)
{
    json_out_open(o, key, 0);
}

/* Of the innermost that is open. */
void json_out_end(struct json_out *);

/* A string; NULL: null. */
void json_out_slice(struct json_out *, const char *key, struct slice value);

static inline void
json_out_str(struct json_out *o, const char *key, const char *value)
{
    json_out_slice(o, key, slice_of(value, value ? strlen(value) : 0));
}

/* One that needs no escapes: a name out of a table of ours. */
static inline void
json_out_name(struct json_out *o, const char *key, const char *value)
{
    size_t len = strlen(value);
    char *p = json_out_before(o, key, json_out_length(key), len + 2);
    if (!p)
        return;
    *p++ = '"';
    memcpy(p, value, len);
    p[len] = '"';
    o->text->len += len + 2;
}

static inline void
json_out_number(struct json_out *o, const char *key, uint64_t value)
{
    char *p = json_out_before(o, key, json_out_length(key), DIGITS_MAX);
    if (p)
        o->text->len += (size_t) (digits_put(p, value) - p);
}

static inline void
json_out_bool(struct json_out *o, const char *key, int value)
{
    json_out_raw(o, key, value ? SLICE("true") : SLICE("false"));
}

static inline void
json_out_null(struct json_out *o, const char *key)
{
    json_out_raw(o, key, SLICE("null"));
}

void json_out_time(struct json_out *, const char *key, int64_t us);
/* A field of an event, or a trait. */
void json_out_value(struct json_out *, const char *key,
                    const struct il_value *);

#endif
