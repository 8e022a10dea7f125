/* SPDX-License-Identifier: MIT */
/* Reading what a reference names.
 *
 * Looking a key up walks the map: events are small, and stepping over a pair
 * costs about as much as telling that its key is another one.  A memory of
 * where the key was last time would save only the comparing, since the values
 * before it have to be stepped over all the same. */
#include "ref_private.h"

#include <errno.h>
#include <string.h>

/* Move past one value; the forms that payloads are mostly made of are seen to
 * here, where no call is needed. */
static inline int
skip(const char **p, const char *end)
{
    const unsigned char *u = (const unsigned char *) *p;
    if (*p >= end)
        return -EINVAL;
    size_t n = 0;
    if (u[0] < 0x80 || u[0] >= 0xe0 || u[0] == 0xc0 || (u[0] & 0xfe) == 0xc2)
        n = 1;
    else if ((u[0] & 0xe0) == 0xa0)
        n = 1 + (u[0] & 31u);
    if (n == 0)
        return msgcur_skip(p, end);
    if ((size_t) (end - *p) < n)
        return -EINVAL;
    *p += n;
    return 0;
}

/* memcmp() == 0 of keys, which are mostly short, without a call: two words
 * that may overlap. */
static inline int
same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t x, y, x2, y2;
    uint32_t u, v, u2, v2;
    if (len > 16)
        return memcmp(a, b, len) == 0;
    if (len >= 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        memcpy(&x2, a + len - 8, 8);
        memcpy(&y2, b + len - 8, 8);
        return ((x ^ y) | (x2 ^ y2)) == 0;
    }
    if (len >= 4) {
        memcpy(&u, a, 4);
        memcpy(&v, b, 4);
        memcpy(&u2, a + len - 4, 4);
        memcpy(&v2, b + len - 4, 4);
        return ((u ^ v) | (u2 ^ v2)) == 0;
    }
    while (len && a[len - 1] == b[len - 1])
        len--;
    return len == 0;
}

static inline int
read_key(const char **p, const char *end, struct slice *key)
{
    if (*p < end && ((unsigned char) **p & 0xe0) == 0xa0) {
        *key = slice_of(*p + 1, (unsigned char) **p & 31u);
        if ((size_t) (end - key->ptr) < key->len)
            return -EINVAL;
        *p = key->ptr + key->len;
        return 0;
    }
    struct il_value v;
    if (msgcur_value(p, end, &v))
        return -EINVAL;
    *key = slice_of(v.str, v.type == IL_STRING ? v.len : SIZE_MAX);
    return 0;
}

/* Where the value of a key begins, or NULL.  The first of several wins. */
static const char *
find_key(const char *p, const char *end, uint32_t pairs,
         const struct part *part)
{
    struct slice key;
    for (; pairs > 0; pairs--) {
        if (read_key(&p, end, &key))
            return NULL;
        if (key.len == part->len && same_bytes(key.ptr, part->key, key.len))
            return p;
        if (skip(&p, end))
            return NULL;
    }
    return NULL;
}

static const char *
find_element(const char *p, const char *end, uint32_t count, int64_t index)
{
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return NULL;
    for (; index > 0; index--)
        if (skip(&p, end))
            return NULL;
    return p;
}

/* msgcur_value() for any value, short text without a call. */
static inline int
read_value(const char *p, const char *end, struct il_value *out)
{
    if (p < end && ((unsigned char) *p & 0xe0) == 0xa0) {
        out->type = IL_STRING;
        out->str = p + 1;
        out->len = (unsigned char) *p & 31u;
        return (size_t) (end - out->str) >= out->len;
    }
    return msgcur_value(&p, end, out) == 0;
}

/* msgcur_head(), without a call for the maps that the codec writes: those read
 * from JSON have the head of 16 bits. */
static inline int
read_head(const char **p, const char *end, struct il_value *out)
{
    const unsigned char *u = (const unsigned char *) *p;
    size_t left = (size_t) (end - *p);
    if (left >= 3 && u[0] == 0xde) {
        out->count = (uint32_t) u[1] << 8 | u[2];
        *p += 3;
    } else if (left && (u[0] & 0xf0) == 0x80) {
        out->count = u[0] & 15u;
        *p += 1;
    } else {
        return msgcur_head(p, end, out);
    }
    out->type = IL_MAP;
    return 0;
}

/* Follow a path into a container whose bytes reach to end at most. */
static int
follow(const struct part *part, uint32_t parts, const char *p, const char *end,
       struct il_value *out)
{
    for (; parts > 0; parts--, part++) {
        struct il_value v;
        if (read_head(&p, end, &v))
            return 0;
        if (part->key && v.type == IL_MAP)
            p = find_key(p, end, v.count, part);
        else if (!part->key && v.type == IL_ARRAY)
            p = find_element(p, end, v.count, part->index);
        else
            return 0;
        if (!p)
            return 0;
    }
    return read_value(p, end, out);
}

/* Does a value whose head has been read hold the path? */
static int
follow_value(const struct il_field *field, const struct il_value *map,
             struct il_value *out)
{
    const struct part *part = field->parts;
    if (field->count == 0) {
        *out = *map;
        return 1;
    }
    if (!part->key || map->type != IL_MAP)
        return 0;
    const char *end = map->str + map->len;
    const char *p = find_key(map->str, end, map->count, part);
    return p && follow(part + 1, field->count - 1, p, end, out);
}

static int
get_entity(const struct il_field *field, const struct batch_event *e,
           struct il_value *out)
{
    const struct entity_link *link = e->entities;
    for (; link; link = link->next) {
        if (field->kind && link->kind != field->kind)
            continue;
        if (follow_value(field, &link->traits, out))
            return 1;
        if (field->kind)
            return 0;
    }
    return 0;
}

static int
get_payload(const struct il_field *field, const struct batch_event *e,
            struct il_value *out)
{
    const char *p = e->ev.payload.ptr, *end = p + e->ev.payload.len;
    if (field->count == 0) /* it ends where its bytes do: no walk to its end */
        return msgcur_head(&p, end, out) == 0;
    return follow(field->parts, field->count, p, end, out);
}

static int
get_text(struct slice s, struct il_value *out)
{
    out->type = IL_STRING;
    out->str = s.ptr;
    out->len = s.len;
    return s.ptr != NULL;
}

static int
get_time(int64_t us, struct il_value *out)
{
    out->type = IL_TIME;
    out->num.i = us;
    return us != EVENT_NO_TIME;
}

static int
get(const struct il_field *field, const struct batch_event *e,
    struct il_value *out)
{
    switch (field->root) {
    case ROOT_PAYLOAD:
        return get_payload(field, e, out);
    case ROOT_ENTITY:
        return get_entity(field, e, out);
    case ROOT_ANY:
        return get_payload(field, e, out) || get_entity(field, e, out);
    case ROOT_ID:
        return get_text(e->ev.id, out);
    case ROOT_TYPE:
        return get_text(e->ev.type, out);
    case ROOT_SOURCE:
        return get_text(e->ev.source_id, out);
    case ROOT_RECEIVED:
        return get_time(e->ev.received_us, out);
    default:
        return get_time(e->ev.timestamp_us, out);
    }
}

int
ref_get(const struct il_field *field, const struct batch_event *e,
        struct il_value *out)
{
    memset(out, 0, sizeof *out);
    if (get(field, e, out))
        return 1;
    out->type = IL_MISSING;
    return 0;
}
