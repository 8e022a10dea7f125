/* SPDX-License-Identifier: MIT */
/* Entities on events: interned kinds, and traits merged one level deep. */
#include "batch.h"

#include "json.h"
#include "msg_read.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct kind_node {
    struct il_kind kind;
    struct kind_node *next;
    char name[];
};

/* Held while the list is walked or grown; nodes never change or go. */
static pthread_mutex_t kind_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kind_node *kinds;

static struct kind_node *
kind_add(const char *name, size_t len)
{
    struct kind_node *k = malloc(sizeof *k + len + 1);
    if (!k)
        return NULL;
    memcpy(k->name, name, len);
    k->name[len] = 0;
    k->kind = (struct il_kind){ k->name, len };
    k->next = kinds;
    kinds = k;
    return k;
}

struct il_kind *
batch_kind(const char *name, size_t len)
{
    pthread_mutex_lock(&kind_lock);
    struct kind_node *k = kinds;
    while (k && (k->kind.len != len || memcmp(k->name, name, len) != 0))
        k = k->next;
    if (!k)
        k = kind_add(name, len);
    pthread_mutex_unlock(&kind_lock);
    return k ? &k->kind : NULL;
}

/* A map's items as one slice of exact length; readers may hand out a bound. */
static int
traits_bytes(const struct il_value *map, struct slice *out)
{
    if (map->type != IL_MAP)
        return -EINVAL;
    const char *p = map->str, *end = map->str + map->len;
    for (uint64_t n = 2 * (uint64_t) map->count; n; n--)
        if (msg_skip(&p, end))
            return -EINVAL;
    *out = slice_of(map->str, (size_t) (p - map->str));
    return 0;
}

/* Append to out those pairs of old that fresh does not have. */
static uint32_t
traits_keep(const struct il_value *old, const struct il_value *fresh,
            char **out)
{
    const char *p = old->str, *end = old->str + old->len;
    uint32_t kept = 0;
    for (uint32_t n = old->count; n; n--) {
        const char *begin = p;
        struct il_value key, found;
        if (msg_value(&p, end, &key) || msg_skip(&p, end))
            break; /* not reached: old was checked when it came in */
        if (key.type == IL_STRING && msg_find(fresh, key.str, key.len, &found))
            continue;
        memcpy(*out, begin, (size_t) (p - begin));
        *out += p - begin;
        kept++;
    }
    return kept;
}

int
batch_attach(struct il_batch *b, uint32_t i, const struct il_kind *kind,
             const struct il_value *traits)
{
    struct slice bytes;
    if (i >= b->count || traits_bytes(traits, &bytes))
        return -EINVAL;
    struct entity_link **link = &b->events[i].entities;
    while (*link && (*link)->kind != kind)
        link = &(*link)->next;
    struct il_value fresh = *traits;
    fresh.len = bytes.len;

    size_t room = bytes.len + (*link ? (*link)->traits.len : 0);
    struct entity_link *l = *link;
    char *begin = batch_alloc(b, (l ? 0 : sizeof *l) + room), *p = begin;
    if (!begin)
        return -ENOMEM;
    if (!l) {
        l = (struct entity_link *) (void *) begin;
        *l = (struct entity_link){ .kind = kind };
        begin = p += sizeof *l;
    }
    if (*link)
        fresh.count += traits_keep(&l->traits, &fresh, &p);
    if (bytes.len)
        memcpy(p, bytes.ptr, bytes.len);
    fresh.str = begin;
    fresh.len = (size_t) (p - begin) + bytes.len;
    l->traits = fresh;
    *link = l;
    return 0;
}

/* Kinds are keys, so what stands in one is escaped. */
int
batch_entities_json(const struct entity_link *first, struct il_text *out)
{
    int err = text_putc(out, '{');
    for (const struct entity_link *l = first; l && !err; l = l->next)
        err = (l != first && text_putc(out, ','))
              || json_write_str(out, l->kind->name, l->kind->len, 0) < 0
              || text_putc(out, ':') || json_write(out, &l->traits, 0) < 0;
    return err || text_putc(out, '}') ? -ENOMEM : 0;
}
