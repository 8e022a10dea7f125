/* SPDX-License-Identifier: MIT */
#include "entity_store.h"

#include "codec/msg_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entity_trait {
    struct slice key, value; /* value: the msgpack as it stands */
    uint32_t order;          /* place of first mention */
    uint8_t owner;
    uint8_t comes; /* it is of the patch, too */
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

/* Note every pair of a map without looking into the values.  owners: of each; NULL:
 * all are owner's, and come. */
static int
merge_collect(struct entity_merge *m, struct slice map, const uint8_t *owners,
              uint8_t owner)
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
            .owner = owners ? owners[i] : owner,
            .comes = !owners,
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

/* Who merges, and what came of it. */
struct merger {
    uint8_t owner;
    int take;
    uint64_t left;
};

/* t comes where `is` was.  What nobody owns in particular goes to whoever writes
 * it; the value that is there already changes nothing. */
static void
trait_meet(struct merger *by, struct entity_trait *is,
           const struct entity_trait *t)
{
    const int same = slice_equal(is->value, t->value);
    const int again = is->comes; /* a name twice in the patch */
    is->comes = 1;
    if (!by->owner || again || is->owner == by->owner
        || (by->take && !is->owner)) {
        is->value = t->value;
        if (by->owner || !same)
            is->owner = by->owner;
        return;
    }
    by->left++;
}

/* Of two with one name the later value stays, at the place of the first.
 * Sorting, since comparing each with each would let one large hostile map
 * cost minutes.  A mirror's own that does not come goes. */
static void
merge_resolve(struct entity_merge *m, struct merger *by)
{
    size_t kept = 0, stay = 0;
    qsort(m->traits, m->count, sizeof(*m->traits), trait_by_name);
    for (size_t i = 0; i < m->count; i++) {
        struct entity_trait *t = &m->traits[i];
        if (kept && slice_equal(m->traits[kept - 1].key, t->key))
            trait_meet(by, &m->traits[kept - 1], t);
        else
            m->traits[kept++] = *t;
    }
    for (size_t i = 0; i < kept; i++)
        if (!by->owner || m->traits[i].comes || m->traits[i].owner != by->owner)
            m->traits[stay++] = m->traits[i];
    m->count = stay;
    qsort(m->traits, stay, sizeof(*m->traits), trait_by_order);
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

static int
merge_owners(const struct entity_merge *m, struct il_text *out)
{
    int err = text_reserve(out, m->count);
    for (size_t i = 0; i < m->count && !err; i++)
        out->data[out->len++] = (char) m->traits[i].owner;
    return err;
}

static int
merge_has_owners(const struct entity_merge *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->traits[i].owner)
            return 1;
    return 0;
}

/* owned: write down whose they are, where they are somebody's. */
static int
merge(struct entity_merge *m, struct slice old, const uint8_t *owners,
      struct slice patch, struct merger *by, int owned, struct il_text *out)
{
    static const char mark = (char) ENTITY_OWNED;
    size_t start = out->len;
    int err = msg_check(patch.ptr, patch.len);
    if (err)
        return err;
    m->count = 0;
    if (old.len)
        err = merge_collect(m, old, owners, 0);
    if (err)
        return err == -EINVAL ? -EIO : err;
    for (size_t i = 0; i < m->count; i++)
        m->traits[i].comes = 0;
    err = merge_collect(m, patch, NULL, by->owner); /* also: is it a map? */
    if (err)
        return err;
    if (old.len && m->count)
        merge_resolve(m, by);
    owned = owned && merge_has_owners(m);
    if (owned)
        err = text_put(out, &mark, 1);
    size_t map = out->len;
    if (!err)
        err = merge_write(m, out);
    if (!err && out->len - map > ENTITY_TRAITS_MAX)
        err = -EMSGSIZE;
    if (!err && owned)
        err = merge_owners(m, out);
    if (err)
        out->len = start;
    return err;
}

int
entity_merge(struct entity_merge *m, struct slice old, struct slice patch,
             struct il_text *out)
{
    struct merger by = { 0 };
    return merge(m, old, NULL, patch, &by, 0, out);
}

int
entity_merge_owned(struct entity_merge *m, const struct entity *old,
                   struct slice patch, uint8_t owner, int take,
                   struct il_text *out, uint64_t *left)
{
    struct merger by = { .owner = owner, .take = take };
    struct slice traits = { 0 };
    int err = merge(m, old ? old->stored : traits, old ? old->owners : NULL,
                    patch, &by, 1, out);
    if (!err && left)
        *left += by.left;
    return err;
}
