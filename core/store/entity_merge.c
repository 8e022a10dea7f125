/* SPDX-License-Identifier: MIT */
#include "entity.h"

#include "codec/msg_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entity_trait {
    struct slice key, value; /* value: the msgpack as it stands */
    uint32_t order;          /* place of first mention */
};

void
entity_merge_clear(struct entity_merge *m)
{
    free(m->traits);
    *m = (struct entity_merge){ 0 };
}

static int
merge_room(struct entity_merge *m, size_t more)
{
    if (more <= m->capacity - m->count)
        return 0;
    size_t capacity = m->capacity ? m->capacity * 2 : 32;
    if (capacity < m->count + more)
        capacity = m->count + more;
    struct entity_trait *traits =
        realloc(m->traits, capacity * sizeof(*traits));
    if (!traits)
        return -ENOMEM;
    m->traits = traits;
    m->capacity = capacity;
    return 0;
}

/* Note every pair of a map without looking into the values. */
static int
merge_collect(struct entity_merge *m, struct slice map)
{
    const char *p = map.ptr, *end = map.ptr + map.len;
    struct il_value head, key;
    if (msg_head(&p, end, &head) || head.type != IL_MAP)
        return -EINVAL;
    /* A pair takes two bytes at least; a count that promises more is a lie
     * that must not become an allocation. */
    if (head.count > map.len / 2)
        return -EINVAL;
    if (merge_room(m, head.count))
        return -ENOMEM;
    for (uint32_t i = 0; i < head.count; i++) {
        if (msg_head(&p, end, &key) || key.type != IL_STRING)
            return -EINVAL;
        const char *value = p;
        if (msg_skip(&p, end))
            return -EINVAL;
        m->traits[m->count] = (struct entity_trait){
            .key = slice_of(key.str, key.len),
            .value = slice_of(value, (size_t) (p - value)),
            .order = (uint32_t) m->count,
        };
        m->count++;
    }
    return p == end ? 0 : -EINVAL;
}

static int
trait_by_name(const void *a, const void *b)
{
    const struct entity_trait *x = a, *y = b;
    if (x->key.len != y->key.len)
        return x->key.len < y->key.len ? -1 : 1;
    int order = x->key.len ? memcmp(x->key.ptr, y->key.ptr, x->key.len) : 0;
    if (order)
        return order;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int
trait_by_order(const void *a, const void *b)
{
    const struct entity_trait *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Of two with one name the later value stays, at the place of the first.
 * Sorting, since comparing each with each would let one large hostile map
 * cost minutes. */
static void
merge_resolve(struct entity_merge *m)
{
    size_t kept = 0;
    qsort(m->traits, m->count, sizeof(*m->traits), trait_by_name);
    for (size_t i = 0; i < m->count; i++) {
        struct entity_trait *t = &m->traits[i];
        if (kept && slice_equal(m->traits[kept - 1].key, t->key))
            m->traits[kept - 1].value = t->value;
        else
            m->traits[kept++] = *t;
    }
    m->count = kept;
    qsort(m->traits, kept, sizeof(*m->traits), trait_by_order);
}

/* Append what was collected as one map. */
static int
merge_write(const struct entity_merge *m, struct il_text *out)
{
    int err = msg_pack_map(out, (uint32_t) m->count);
    for (size_t i = 0; i < m->count && !err; i++) {
        const struct entity_trait *t = &m->traits[i];
        err = msg_pack_str(out, t->key.ptr, t->key.len);
        if (!err)
            err = text_put(out, t->value.ptr, t->value.len);
    }
    return err;
}

int
entity_merge(struct entity_merge *m, struct slice old, struct slice patch,
             struct il_text *out)
{
    size_t start = out->len;
    int err = msg_check(patch.ptr, patch.len);
    if (err)
        return err;
    m->count = 0;
    if (old.len)
        err = merge_collect(m, old);
    if (err)
        return err == -EINVAL ? -EIO : err;
    err = merge_collect(m, patch); /* also: is it a map? */
    if (err)
        return err;
    if (old.len && m->count > 1)
        merge_resolve(m);
    err = merge_write(m, out);
    if (!err && out->len - start > ENTITY_TRAITS_MAX)
        err = -EMSGSIZE;
    if (err)
        out->len = start;
    return err;
}
