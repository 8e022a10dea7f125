/* SPDX-License-Identifier: MIT */
#include "msgcur.h"

#include <errno.h>
#include <string.h>

#include "msgread.h"

int
msgcur_head(const char **p, const char *end, struct il_value *out)
{
    return msgread_head(p, end, out);
}

/* Move past this many values.  Containers add theirs; each takes a byte at
 * least, so hostile counts only reach the end sooner. */
static int
skip_values(const char **pp, const char *end, uint64_t todo)
{
    const char *p = *pp;
    struct il_value v;

    for (; todo; todo--) {
        if (msgread_head(&p, end, &v))
            return -EINVAL;
        if (v.type == IL_ARRAY)
            todo += v.count;
        else if (v.type == IL_MAP)
            todo += (uint64_t) v.count * 2;
    }
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

int
msgcur_skip(const char **p, const char *end)
{
    return skip_values(p, end, 1);
}

int
msgcur_value(const char **p, const char *end, struct il_value *out)
{
    const char *start = *p;

    if (msgread_head(p, end, out))
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
msgcur_find(const struct il_value *map, const char *key, size_t len,
            struct il_value *out)
{
    if (map->type != IL_MAP)
        return 0;
    const char *p = map->str, *end = p + map->len;

    for (uint32_t left = map->count; left; left--) {
        struct il_value k;
        if (msgread_head(&p, end, &k) || k.type != IL_STRING)
            return 0;
        if (k.len == len && memcmp(k.str, key, len) == 0)
            return msgread_head(&p, end, out) == 0;
        if (msgread_head(&p, end, &k) || skip_values(&p, end, values_in(&k)))
            return 0;
    }
    return 0;
}

int
msgcur_at(const struct il_value *array, int64_t i, struct il_value *out)
{
    if (array->type != IL_ARRAY)
        return 0;
    if (i < 0)
        i += array->count;
    if (i < 0 || i >= array->count)
        return 0;
    const char *p = array->str, *end = p + array->len;
    return skip_values(&p, end, (uint64_t) i) == 0
           && msgread_head(&p, end, out) == 0;
}

/* Where a walk is: items done above, bytes passed below.  The length of a
 * container may be an upper bound, so the place alone does not tell the end. */
_Static_assert(sizeof(size_t) >= 8, "a walk needs 64 bits of state");

int
msgcur_item(const struct il_value *container, size_t *iter,
            struct il_value *key, struct il_value *value)
{
    size_t done = *iter >> 32, at = *iter & UINT32_MAX;
    if ((container->type != IL_MAP && container->type != IL_ARRAY)
        || done >= container->count || at > container->len)
        return 0;
    const char *p = container->str + at, *end = container->str + container->len;

    if (container->type == IL_MAP) {
        struct il_value unused;
        if (msgread_head(&p, end, key ? key : &unused))
            return 0;
    } else if (key) {
        key->type = IL_MISSING; /* whoever looks for a name finds none */
    }
    if (msgcur_value(&p, end, value))
        return 0;
    at = (size_t) (p - container->str);
    if (at > UINT32_MAX)
        return 0;
    *iter = (done + 1) << 32 | at;
    return 1;
}
