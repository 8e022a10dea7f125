/* SPDX-License-Identifier: MIT */
/* The forms that are not inline, and looking things up: a key is found by
 * walking, since an index would have to be built by a walk. */
#include "msg_read.h"

#include <endian.h>
#include <string.h>

/* A big-endian number of n bytes: 0, 1, 2, 4 or 8. */
static uint64_t
read_be(const char *p, unsigned n)
{
    uint16_t v2;
    uint32_t v4;
    uint64_t v8;
    switch (n) {
    case 0:
        return 0;
    case 1:
        return (unsigned char) *p;
    case 2:
        memcpy(&v2, p, 2);
        return be16toh(v2);
    case 4:
        memcpy(&v4, p, 4);
        return be32toh(v4);
    default:
        memcpy(&v8, p, 8);
        return be64toh(v8);
    }
}

/* For 0xc0 to 0xdf: how many bytes of number follow the head, and what comes
 * then.  Zero type: a form that events do not use. */
static const struct form {
    unsigned char type, bytes;
} forms[32] = {
    [0x00] = { IL_NULL, 0 },    [0x02] = { IL_BOOL, 0 },
    [0x03] = { IL_BOOL, 0 },    [0x07] = { IL_DECIMAL, 1 },
    [0x08] = { IL_DECIMAL, 2 }, [0x09] = { IL_DECIMAL, 4 },
    [0x0c] = { IL_UINT, 1 },    [0x0d] = { IL_UINT, 2 },
    [0x0e] = { IL_UINT, 4 },    [0x0f] = { IL_UINT, 8 },
    [0x10] = { IL_INT, 1 },     [0x11] = { IL_INT, 2 },
    [0x12] = { IL_INT, 4 },     [0x13] = { IL_INT, 8 },
    [0x14] = { IL_DECIMAL, 0 }, [0x15] = { IL_DECIMAL, 0 },
    [0x16] = { IL_DECIMAL, 0 }, [0x17] = { IL_DECIMAL, 0 },
    [0x18] = { IL_DECIMAL, 0 }, [0x19] = { IL_STRING, 1 },
    [0x1a] = { IL_STRING, 2 },  [0x1b] = { IL_STRING, 4 },
    [0x1c] = { IL_ARRAY, 2 },   [0x1d] = { IL_ARRAY, 4 },
    [0x1e] = { IL_MAP, 2 },     [0x1f] = { IL_MAP, 4 },
};

static int
read_decimal(const char **pp, const char *p, const char *end, uint64_t len,
             struct il_value *out)
{
    if (p >= end || *p++ != MSG_EXT_DECIMAL)
        return -EINVAL;
    return msg_take_text(pp, p, end, len, out, IL_DECIMAL);
}

int
msg_head_long(const char **pp, const char *end, struct il_value *out)
{
    const char *p = *pp;
    unsigned char c = (unsigned char) *p++;

    if (c >= 0xe0) { /* -32 to -1 */
        out->type = IL_INT;
        out->num.i = (int8_t) c;
        *pp = p;
        return 0;
    }
    struct form form = forms[c & 0x1f];
    if (form.type == 0 || end - p < form.bytes)
        return -EINVAL;
    uint64_t v = read_be(p, form.bytes);
    p += form.bytes;

    switch (form.type) {
    case IL_STRING:
        return msg_take_text(pp, p, end, v, out, IL_STRING);
    case IL_UINT:
        return msg_take_uint(pp, p, v, out);
    case IL_INT: { /* sign-extend */
        unsigned shift = 64 - 8 * form.bytes;
        out->num.i = (int64_t) (v << shift) >> shift;
        break;
    }
    case IL_ARRAY:
    case IL_MAP:
        return msg_take_container(pp, p, end, (uint32_t) v, out, form.type);
    case IL_DECIMAL:
        if (form.bytes == 0)
            v = (uint64_t) 1 << (c - 0xd4);
        return read_decimal(pp, p, end, v, out);
    case IL_BOOL:
        out->num.i = c & 1;
        break;
    default:
        break;
    }
    out->type = form.type;
    *pp = p;
    return 0;
}

/* How many values a container has of its own. */
static uint64_t
values_in(const struct il_value *v)
{
    if (v->type == IL_MAP)
        return (uint64_t) v->count * 2;
    return v->type == IL_ARRAY ? v->count : 0;
}

/* Move past this many values.  Containers add theirs; each takes a byte at
 * least, so hostile counts only reach the end sooner. */
static int
skip_values(const char **pp, const char *end, uint64_t todo)
{
    const char *p = *pp;
    struct il_value v;

    for (; todo; todo--) {
        if (msg_head(&p, end, &v))
            return -EINVAL;
        todo += values_in(&v);
    }
    *pp = p;
    return 0;
}

int
msg_skip_long(const char **p, const char *end)
{
    return skip_values(p, end, 1);
}

int
msg_value_long(const char **p, const char *end, struct il_value *out)
{
    const char *start = *p;

    if (msg_head(p, end, out))
        return -EINVAL;
    if (out->type != IL_ARRAY && out->type != IL_MAP)
        return 0;
    if (skip_values(p, end, values_in(out))) {
        *p = start;
        return -EINVAL;
    }
    out->len = (size_t) (*p - out->str);
    return 0;
}

int
msg_find(const struct il_value *map, const char *key, size_t len,
         struct il_value *out)
{
    if (map->type != IL_MAP)
        return 0;
    const char *p = map->str, *end = p + map->len;

    for (uint32_t left = map->count; left; left--) {
        struct il_value k;
        if (msg_head(&p, end, &k) || k.type != IL_STRING)
            return 0;
        if (k.len == len && memcmp(k.str, key, len) == 0)
            return msg_head(&p, end, out) == 0;
        if (msg_head(&p, end, &k) || skip_values(&p, end, values_in(&k)))
            return 0;
    }
    return 0;
}

int
msg_at(const struct il_value *array, int64_t i, struct il_value *out)
{
    if (array->type != IL_ARRAY)
        return 0;
    if (i < 0)
        i += array->count;
    if (i < 0 || i >= array->count)
        return 0;
    const char *p = array->str, *end = p + array->len;
    return skip_values(&p, end, (uint64_t) i) == 0
           && msg_head(&p, end, out) == 0;
}

/* Where a walk is: items done above, bytes passed below.  The length of a
 * container may be an upper bound, so the place alone does not tell the end. */
_Static_assert(sizeof(size_t) >= 8, "a walk needs 64 bits of state");

int
msg_item(const struct il_value *container, size_t *iter, struct il_value *key,
         struct il_value *value)
{
    size_t done = *iter >> 32, at = *iter & UINT32_MAX;
    if ((container->type != IL_MAP && container->type != IL_ARRAY)
        || done >= container->count || at > container->len)
        return 0;
    const char *p = container->str + at, *end = container->str + container->len;

    if (container->type == IL_MAP) {
        struct il_value unused;
        if (msg_head(&p, end, key ? key : &unused))
            return 0;
    } else if (key) {
        key->type = IL_MISSING; /* whoever looks for a name finds none */
    }
    if (msg_value(&p, end, value))
        return 0;
    at = (size_t) (p - container->str);
    if (at > UINT32_MAX)
        return 0;
    *iter = (done + 1) << 32 | at;
    return 1;
}
