/* SPDX-License-Identifier: MIT */
/* JSON values to msgpack in one pass.
 *
 * Room for the whole value is reserved once, so that nothing below asks for
 * it: msgpack with heads of three bytes for containers takes at most one and
 * a half times the JSON (an empty array with its comma: three bytes for three;
 * "1.5," as ext 8: six for four; a container adds three for its two brackets
 * and the comma that its first item saves), and each container that is open
 * may be three bytes ahead.
 *
 * The same code checks what is only skipped: then there is no place to write
 * to (*out is NULL). */
#include "private.h"

#include <stdio.h>
#include <string.h>

#include "base/scan.h"

#define OPEN_HEAD 3 /* array 16, map 16: patched when the container closes */
#define STRIDE 16   /* short strings are copied by whole vectors */
#define NAME_SHOWN 100 /* bytes of a key that a message names */
#define SLACK (OPEN_HEAD * MSG_DEPTH_MAX + 2 * STRIDE)

struct parser {
    struct json_reader *r;
    const char *end;
    const char *base; /* where the value's output begins */
    uint32_t depth_left;
    struct json_shape *shape; /* of the outermost object, or NULL */
    struct json_keys keys;
};

static const char *parse_container(struct parser *, const char *p, char **out);

/* Write a string that was scanned. */
static char *
put_string(char *o, const char *p, const char *close, int escaped)
{
    size_t len = (size_t) (close - p);
    if (!escaped) {
        msg_put_text(&o, p, len);
        return o;
    }
    /* Decoded behind the head that the raw length would need, which may turn
     * out to be too long. */
    char *text = o, head[MSG_HEAD_MAX], *head_end = head;
    msg_put_str(&text, len);
    len = (size_t) (json_unescape(text, p, close) - text);
    msg_put_str(&head_end, len);
    size_t head_len = (size_t) (head_end - head);
    if (text != o + head_len)
        memmove(o + head_len, text, len);
    memcpy(o, head, head_len);
    return o + head_len + len;
}

static __attribute__((noinline)) const char *
parse_string_long(struct parser *c, const char *p, char **out)
{
    int escaped;
    const char *close = json_scan_string(c->r, p, &escaped);

    if (!close)
        return NULL;
    if (*out)
        *out = put_string(*out, p, close, escaped);
    return close + 1;
}

#ifdef __SSE2__
/* The same for strings of up to 31 plain bytes, of which there are 32 at p
 * (the text goes on): two vectors, of which what is too much is overwritten
 * later.  NULL: not such a string. */
static inline const char *
parse_string_short(const char *p, char **out)
{
    __m128i low = _mm_loadu_si128((const __m128i *) p);
    __m128i high = _mm_loadu_si128((const __m128i *) (p + STRIDE));
    unsigned m = scan_mask(low);

    if (!m)
        m = scan_mask(high) << STRIDE;
    if (!m)
        return NULL;
    unsigned len = (unsigned) __builtin_ctz(m);
    if (p[len] != '"')
        return NULL;
    char *o = *out;
    if (o) {
        *o = (char) (0xa0 | len);
        _mm_storeu_si128((__m128i *) (o + 1), low);
        if (len > STRIDE)
            _mm_storeu_si128((__m128i *) (o + 1 + STRIDE), high);
        *out = o + 1 + len;
    }
    return p + len + 1;
}
#endif

/* A string from after its opening quote. */
static inline const char *
parse_string(struct parser *c, const char *p, char **out)
{
#ifdef __SSE2__
    if (c->end - p >= 2 * STRIDE) {
        const char *after = parse_string_short(p, out);
        if (after)
            return after;
    }
#endif
    return parse_string_long(c, p, out);
}

static __attribute__((noinline)) const char *
parse_number_long(struct parser *c, const char *p, char **out)
{
    const char *start = p;
    uint64_t value;

    switch (json_scan_number(&p, c->end, &value)) {
    case JSON_NUMBER_INT:
        if (*out)
            msg_put_int64(out, (int64_t) value);
        return p;
    case JSON_NUMBER_UINT:
        if (*out)
            msg_put_uint64(out, value);
        return p;
    case JSON_NUMBER_DECIMAL:
        if (*out)
            msg_put_decimal(out, start, (size_t) (p - start));
        return p;
    case JSON_NUMBER_CUT:
        return json_fail_end(c->r);
    default:
        return json_fail(c->r, JSON_NUMBER, p,
                         *p == '0' ? "a number must not begin with 0"
                                   : "expected a digit");
    }
}

/* Counters and flags are mostly one digit. */
static inline const char *
parse_number(struct parser *c, const char *p, char **out)
{
    if (c->end - p >= 2 && *p >= '0' && (p[1] == ',' || p[1] == '}')) {
        if (*out)
            *(*out)++ = (char) (*p - '0');
        return p + 1;
    }
    return parse_number_long(c, p, out);
}

static __attribute__((noinline)) const char *
parse_literal(struct parser *c, const char *p, char **out)
{
    static const struct {
        const char *text;
        unsigned len, code;
    } all[] = { { "true", 4, 0xc3 },
                { "false", 5, 0xc2 },
                { "null", 4, 0xc0 } };
    int i = *p == 't' ? 0 : *p == 'f' ? 1 : 2;

    for (unsigned n = 1; n < all[i].len; n++) {
        if (p + n == c->end)
            return json_fail_end(c->r);
        if (p[n] != all[i].text[n])
            return json_fail(c->r, JSON_SYNTAX, p,
                             "unknown word; JSON has true, false and null");
    }
    if (*out)
        *(*out)++ = (char) all[i].code;
    return p + all[i].len;
}

/* Any value but a string, from its first character. */
static __attribute__((noinline)) const char *
parse_other(struct parser *c, const char *p, char **out)
{
    if (p == c->end)
        return json_fail_end(c->r);
    switch (*p) {
    case '{':
    case '[':
        return parse_container(c, p, out);
    case 't':
    case 'f':
    case 'n':
        return parse_literal(c, p, out);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return parse_number(c, p, out);
    default:
        c->r->p = p;
        json_peek(c->r); /* says why not */
        return NULL;
    }
}

/* Any value.  Most are strings, which need no call. */
static inline const char *
parse_value(struct parser *c, const char *p, char **out)
{
    return p < c->end && *p == '"' ? parse_string(c, p + 1, out)
                                   : parse_other(c, p, out);
}

/* Fill in the head that was left open in front of the items.  A small count
 * takes the form of 16 bits, too, since the place for it is there. */
static char *
close_head(char *head, char *o, uint32_t count, int map)
{
    if (count > 0xffff) {
        char *items = head + OPEN_HEAD;
        memmove(items + 2, items, (size_t) (o - items));
        o += 2;
    }
    if (count < 16) {
        *head++ = (char) (map ? 0xde : 0xdc);
        *head++ = 0;
        *head = (char) count;
    } else if (map) {
        msg_put_map(&head, count);
    } else {
        msg_put_array(&head, count);
    }
    return o;
}

static __attribute__((noinline)) const char *
fail_duplicate(struct parser *c, const struct json_key *key)
{
    char message[sizeof(c->r->error.message)];
    const char *p = c->base + key->at;
    struct il_value name = { 0 };

    msg_head(&p, p + key->len, &name);
    size_t shown = name.len;
    if (shown > NAME_SHOWN) {
        shown = NAME_SHOWN; /* and no half of a character */
        while (((unsigned char) name.str[shown] & 0xc0) == 0x80)
            shown--;
    }
    snprintf(message, sizeof(message), "the key \"%.*s%s\" comes twice",
             (int) shown, name.str, shown < name.len ? "..." : "");
    return json_fail(c->r, JSON_DUPLICATE, c->r->begin + key->src, message);
}

/* A key, noted in c->keys, and its colon. */
static inline const char *
parse_key(struct parser *c, const char *p, char **out, uint32_t from)
{
    const char *start = p, *written = *out;

    if (p == c->end || *p != '"')
        return json_fail_expected(c->r, p, "a key in double quotes");
    p = parse_string(c, p + 1, out);
    if (!p)
        return NULL;
    if (written) {
        struct json_key key;
        key.at = (uint32_t) (written - c->base);
        key.len = (uint32_t) (*out - written);
        key.tag = json_key_tag(written, key.len);
        key.src = (uint32_t) (start - c->r->begin);
        int err = json_keys_add(&c->keys, from, c->base, key);
        if (err < 0)
            return json_fail(c->r, JSON_MEMORY, start, "no memory");
        if (err)
            return fail_duplicate(c, &key);
    }
    p = json_space(p, c->end);
    if (p == c->end || *p != ':')
        return json_fail_expected(c->r, p, "':'");
    return json_space(p + 1, c->end);
}

/* The key at p is the one that the last object had at this place: write it
 * and get to its value.  NULL: it is not. */
static inline const char *
parse_known_key(struct parser *c, const struct json_shape_key *known,
                const char *p, char **out)
{
    if ((size_t) (c->end - p) < known->text_len
        || !bytes_same(p, known->text, known->text_len))
        return NULL;
    struct json_key key = { .tag = known->tag,
                            .at = (uint32_t) (*out - c->base),
                            .len = known->key_len,
                            .src = (uint32_t) (p - c->r->begin) };
    if (json_keys_push(&c->keys, key))
        return json_fail(c->r, JSON_MEMORY, p, "no memory");
    memcpy(*out, known->key, sizeof(known->key));
    *out += known->key_len;
    return json_space(p + known->text_len, c->end);
}

/* Expect the key whose text is from p to value at this place of the next
 * object, all keys before it being those that the shape has.  1, or 0: it is
 * not for remembering, nor what follows it. */
static int
learn_key(struct parser *c, struct json_shape *shape, const char *p,
          const char *value)
{
    struct json_key *key = &c->keys.list[c->keys.count - 1];
    struct json_shape_key *known = &shape->keys[shape->count];
    const char *packed = c->base + key->at;
    size_t len = (size_t) (value - p);
    if (shape->count == JSON_SHAPE_KEYS || len > sizeof(known->text)
        || key->len > sizeof(known->key) || key->len + 2 > len
        || memcmp(packed + 1, p + 1, key->len - 1) || p[key->len] != '"')
        return 0; /* escapes, too, are not for remembering */
    known->tag = key->tag;
    known->text_len = (uint32_t) len;
    known->key_len = key->len;
    memcpy(known->text, p, len);
    memcpy(known->key, packed, key->len);
    shape->count++;
    return 1;
}

/* A key and its colon, of the outermost object; *shape becomes NULL where the
 * object stops being like the one before. */
static const char *
parse_expected_key(struct parser *c, const char *p, char **out, uint32_t from,
                   struct json_shape **shape)
{
    uint32_t place = c->keys.count - from;
    const char *value = NULL;
    if (place < (*shape)->count)
        value = parse_known_key(c, &(*shape)->keys[place], p, out);
    if (value || c->r->error.code)
        return value;
    (*shape)->count = place;
    value = parse_key(c, p, out, from);
    if (value && !learn_key(c, *shape, p, value))
        *shape = NULL;
    return value;
}

/* The keys of an object that closes. */
static const char *
check_keys(struct parser *c, const char *p, uint32_t from)
{
    uint32_t which;

    if (c->keys.count - from > JSON_KEYS_FEW) {
        int twice = json_keys_twice(&c->keys, from, c->base, &which);
        if (twice < 0)
            return json_fail(c->r, JSON_MEMORY, p, "no memory");
        if (twice)
            return fail_duplicate(c, &c->keys.list[which]);
    }
    c->keys.count = from;
    return p;
}

static const char *
parse_object(struct parser *c, const char *p, char **out)
{
    char *head = *out, *o = head ? head + OPEN_HEAD : NULL;
    uint32_t from = c->keys.count, count = 0;
    struct json_shape *shape = c->shape;

    c->shape = NULL;
    p = json_space(p + 1, c->end);
    if (p < c->end && *p == '}') {
        p++;
    } else {
        for (;;) {
            p = shape ? parse_expected_key(c, p, &o, from, &shape)
                      : parse_key(c, p, &o, from);
            if (!p || !(p = parse_value(c, p, &o)))
                return NULL;
            count++;
            p = json_space(p, c->end);
            if (p == c->end || (*p != ',' && *p != '}'))
                return json_fail_expected(c->r, p, "',' or '}'");
            if (*p++ == '}')
                break;
            p = json_space(p, c->end);
        }
    }
    if (!head)
        return p;
    p = check_keys(c, p, from); /* before their places may change */
    *out = close_head(head, o, count, 1);
    return p;
}

static const char *
parse_array(struct parser *c, const char *p, char **out)
{
    char *head = *out, *o = head ? head + OPEN_HEAD : NULL;
    uint32_t count = 0;

    p = json_space(p + 1, c->end);
    if (p < c->end && *p == ']') {
        p++;
    } else {
        for (;;) {
            p = parse_value(c, p, &o);
            if (!p)
                return NULL;
            count++;
            p = json_space(p, c->end);
            if (p == c->end || (*p != ',' && *p != ']'))
                return json_fail_expected(c->r, p, "',' or ']'");
            if (*p++ == ']')
                break;
            p = json_space(p, c->end);
        }
    }
    if (head)
        *out = close_head(head, o, count, 0);
    return p;
}

/* Recursion ends at depth_max, at most MSG_DEPTH_MAX. */
static const char *
parse_container(struct parser *c, const char *p, char **out)
{
    if (c->depth_left == 0)
        return json_fail(c->r, JSON_DEPTH, p, "nested too deep");
    c->depth_left--;
    p = *p == '{' ? parse_object(c, p, out) : parse_array(c, p, out);
    c->depth_left++;
    return p;
}

/* Take a value; *out is where to write it, or NULL. */
static int
take_value(struct json_reader *r, char **out)
{
    struct parser c;

    c.r = r;
    c.end = r->end;
    c.base = *out;
    c.depth_left = r->depth_max;
    c.shape = *out ? r->shape : NULL;
    json_keys_init(&c.keys);
    const char *p = parse_value(&c, json_space(r->p, r->end), out);
    json_keys_free(&c.keys);
    if (!p)
        return json_failed(r);
    r->p = p;
    return 0;
}

int
json_value(struct json_reader *r, struct il_text *out)
{
    if (r->error.code)
        return json_failed(r);
    size_t rest = (size_t) (r->end - r->p);
    if (text_reserve(out, rest + rest / 2 + SLACK)) {
        json_fail(r, JSON_MEMORY, r->p, "no memory");
        return -ENOMEM;
    }
    char *o = out->data + out->len;
    int err = take_value(r, &o);
    if (!err)
        out->len = (size_t) (o - out->data);
    return err;
}

int
json_skip(struct json_reader *r)
{
    char *nowhere = NULL;

    if (r->error.code)
        return json_failed(r);
    return take_value(r, &nowhere);
}
