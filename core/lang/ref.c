/* SPDX-License-Identifier: MIT */
/* Reading what a reference names.
 *
 * Looking a key up walks the map: events are small, and stepping over a pair
 * costs about as much as telling that its key is another one.  A memory of
 * where the key was last time would save only the comparing, since the values
 * before it have to be stepped over all the same. */
#include "private.h"

#include "codec/msg_read.h"

#include <errno.h>
#include <string.h>

/* Where the value of a key begins, or NULL.  The first of several wins. */
static const char *
find_key(const char *p, const char *end, uint32_t pairs,
         const struct ref_part *part)
{
    struct slice key;
    for (; pairs > 0; pairs--) {
        if (msg_key(&p, end, &key))
            return NULL;
        if (key.len == part->len && bytes_same(key.ptr, part->key, key.len))
            return p;
        if (msg_skip(&p, end))
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
        if (msg_skip(&p, end))
            return NULL;
    return p;
}

/* Follow a path into a container whose bytes reach to end at most. */
static int
follow(const struct ref_part *part, uint32_t parts, const char *p, const char *end,
       struct il_value *out)
{
    for (; parts > 0; parts--, part++) {
        struct il_value v;
        if (msg_enter(&p, end, &v))
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
    return msg_value(&p, end, out) == 0;
}

/* Does a value whose head has been read hold the path? */
static int
follow_value(const struct il_field *field, const struct il_value *map,
             struct il_value *out)
{
    const struct ref_part *part = field->parts;
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
        /* A bare name is no result of a step. */
        if (field->kind ? link->kind != field->kind : *link->kind->name == '$')
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
        return msg_head(&p, end, out) == 0;
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
    case ROOT_KEY:
        return get_text(event_key(&e->ev), out);
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

struct slice
ref_first_key(const struct il_field *field)
{
    int payload = field->root == ROOT_PAYLOAD || field->root == ROOT_ANY;
    return payload && field->count && field->parts[0].key
               ? slice_of(field->parts[0].key, field->parts[0].len)
               : slice_of(NULL, 0);
}

int
ref_get_at(const struct il_field *field, const struct batch_event *e,
           const char *p, const char *end, struct il_value *out)
{
    if (p && follow(field->parts + 1, field->count - 1, p, end, out))
        return 1;
    if (field->root == ROOT_ANY && get_entity(field, e, out))
        return 1;
    out->type = IL_MISSING;
    return 0;
}
