/* SPDX-License-Identifier: MIT */
/* Strict RFC 8259 JSON, straight into msgpack and back, without a tree.
 *
 * Nothing is lost: integers that fit 64 bits (canonical form) become integers,
 * every other number keeps its text; strings keep every code point, U+0000 and
 * lone surrogate escapes included.  Refused: raw control characters, bytes
 * that are not UTF-8 (raw surrogates too), anything after the value, depth
 * over the limit, a key twice in one object (I-JSON, RFC 7493: which of the
 * two was meant cannot be known). */
#ifndef JSON_H
#define JSON_H

#include "msg_read.h"

enum json_code {
    JSON_OK,
    JSON_SYNTAX,    /* not JSON */
    JSON_END,       /* the text ends too early */
    JSON_UTF8,      /* bytes that are not UTF-8 */
    JSON_CONTROL,   /* a raw control character in a string */
    JSON_ESCAPE,    /* a bad escape */
    JSON_NUMBER,    /* 01, 1., +1, NaN, .5 */
    JSON_DEPTH,     /* nested deeper than the limit */
    JSON_DUPLICATE, /* a key twice in one object */
    JSON_TRAILING,  /* something after the value */
    JSON_MEMORY
};

struct json_error {
    enum json_code code;
    size_t offset;     /* byte where it was noticed */
    char message[160]; /* "expected ',' or '}'", names the duplicate key */
};

/* The keys of the object that was read last: those of one sender are mostly
 * alike, and a key that is where it was the time before needs neither a look
 * at its bytes nor to be told apart from the keys before it.  {.count = 0}
 * knows none. */
#define JSON_SHAPE_KEYS 24
struct json_shape {
    uint32_t count;
    struct json_shape_key {
        uint32_t text_len, key_len, tag;
        char text[48]; /* from its quote to its value, as it was sent */
        char key[32];  /* as msgpack */
    } keys[JSON_SHAPE_KEYS]; /* no two are the same */
};

/* A pull reader over one text.  Errors stick: after the first, every call
 * returns -EINVAL (-ENOMEM for JSON_MEMORY) and error says why. */
struct json_reader {
    const char *p, *begin, *end;
    uint32_t depth, depth_max;
    uint64_t objects[2]; /* which of the entered containers are objects */
    struct json_shape *shape; /* for json_value(), which also learns; NULL */
    struct json_error error;
};

/* depth_max limits the containers that are entered step by step, and, counted
 * anew, those of each value that json_value() or json_skip() takes: what a
 * payload may be does not depend on the envelope around it.  0 and what is
 * above MSG_DEPTH_MAX mean MSG_DEPTH_MAX.  A text of 2 GiB or more fails with
 * JSON_MEMORY. */
void json_open(struct json_reader *, const char *json, size_t len,
               uint32_t depth_max);

/* What comes next, white space skipped: '{' '[' '"' 'n' 't' 'f' '0' (a number)
 * or 0 at the end of the text; does not consume.  -EINVAL where no value can
 * begin so. */
int json_peek(struct json_reader *);

/* Objects and arrays, step by step, for the envelope around an event:
 *   if (json_enter(r) == 0) while (json_next(r, first) == 1) { first = 0; ... }
 * json_enter consumes the bracket that json_peek showed.  json_next returns 1
 * when another member follows (after its comma), 0 when the bracket that
 * closes was consumed, or a negative errno.  In an object the caller takes
 * json_key() and then the value, and notices keys that come twice itself. */
int json_enter(struct json_reader *);
int json_next(struct json_reader *, int first);
/* The same after the first, where nothing stands before the comma, as in most
 * texts, with no call. */
static inline int
json_more(struct json_reader *r)
{
    if (r->error.code || r->p == r->end || *r->p != ',')
        return json_next(r, 0);
    r->p++;
    return 1;
}
/* A key and its colon.  The key points into the text, or into scratch when it
 * had escapes (scratch is overwritten). */
int json_key(struct json_reader *, struct il_text *scratch, struct slice *key);
/* A string; otherwise as json_key. */
int json_string(struct json_reader *, struct il_text *scratch,
                struct slice *out);
/* Any value, appended to out as msgpack (objects are checked for duplicate
 * keys).  On error out->len is what it was.  Reserves one and a half times
 * what is left of the text, so reuse out. */
int json_value(struct json_reader *, struct il_text *out);
/* Step over any value, checking it as json_value does, duplicates apart. */
int json_skip(struct json_reader *);
/* Nothing but white space may be left. */
int json_close(struct json_reader *);

/* The whole text as one value. */
int json_to_msgpack(const char *json, size_t len, struct il_text *out,
                    struct json_error *error);

/* Append a value as compact JSON.  flags: IL_JSON_FOR_POSTGRES.  Returns how
 * many code points were replaced, or -ENOMEM / -EINVAL (broken msgpack, or
 * containers deeper than twice MSG_DEPTH_MAX), with out->len as it was.
 * IL_TIME becomes an RFC 3339 string, IL_MISSING null.  Strings are taken to
 * be WTF-8: bytes from outside pass msg_check() first. */
int64_t json_write(struct il_text *out, const struct il_value *value,
                   uint32_t flags);

/* Append a string with its quotes and escapes. */
int64_t json_write_str(struct il_text *out, const char *, size_t,
                       uint32_t flags);

#endif
