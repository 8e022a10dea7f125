/* SPDX-License-Identifier: MIT */
#include "entity_bulk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places instead of pointers, because bytes moves as it grows. */
struct entity_bulk_item {
    size_t index, kind, id, traits, end;
};

void
entity_bulk_clear(struct entity_bulk *b)
{
    text_clear(&b->bytes);
    text_clear(&b->kind);
    text_clear(&b->id);
    text_clear(&b->traits);
    text_clear(&b->scratch);
    free(b->items);
    free(b->puts);
    *b = (struct entity_bulk){ 0 };
}

void
entity_bulk_reset(struct entity_bulk *b)
{
    b->bytes.len = 0;
    b->count = 0;
}

int
entity_bulk_add(struct entity_bulk *b, size_t index, struct slice kind,
                struct slice id, struct slice traits)
{
    if (b->count == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 64;
        void *items = realloc(b->items, capacity * sizeof(*b->items));
        if (!items)
            return -ENOMEM;
        b->items = items;
        b->capacity = capacity;
    }
    if (text_reserve(&b->bytes, kind.len + id.len + traits.len))
        return -ENOMEM;
    struct entity_bulk_item *item = &b->items[b->count++];
    item->index = index;
    item->kind = b->bytes.len;
    item->id = item->kind + kind.len;
    item->traits = item->id + id.len;
    item->end = item->traits + traits.len;
    text_put(&b->bytes, kind.ptr, kind.len);
    text_put(&b->bytes, id.ptr, id.len);
    text_put(&b->bytes, traits.ptr, traits.len);
    return 0;
}

const char *
entity_strerror(int err)
{
    switch (err) {
    case -EINVAL:
        return "the kind, the external_id or the traits are not valid";
    case -EMSGSIZE:
        return "the traits would be larger than 1 MiB once merged";
    case -ENOENT:
        return "no such entity";
    case -ENOSPC:
        return "the entity store is full";
    case -ENOMEM:
        return "out of memory";
    default:
        return "the entity store cannot be written";
    }
}

static int
bulk_puts(struct entity_bulk *b)
{
    if (b->puts_capacity < b->count) {
        void *puts = realloc(b->puts, b->capacity * sizeof(*b->puts));
        if (!puts)
            return -ENOMEM;
        b->puts = puts;
        b->puts_capacity = b->capacity;
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct entity_bulk_item *item = &b->items[i];
        const char *at = b->bytes.data;
        b->puts[i] = (struct entity_put){
            .kind = slice_of(at + item->kind, item->id - item->kind),
            .id = slice_of(at + item->id, item->traits - item->id),
            .traits = slice_of(at + item->traits, item->end - item->traits),
            .flags = ENTITY_PUT_LENIENT,
        };
    }
    return 0;
}

int
entity_bulk_put(struct entity_bulk *b, struct entities *store,
                void (*problem)(void *arg, size_t index, const char *message),
                void *arg, size_t *created, size_t *merged)
{
    int err = bulk_puts(b);
    if (!err)
        err = entity_put(store, b->puts, b->count, NULL);
    if (err)
        return err;
    for (size_t i = 0; i < b->count; i++) {
        const struct entity_put *put = &b->puts[i];
        if (put->error)
            problem(arg, b->items[i].index, entity_strerror(put->error));
        else
            ++*(put->created ? created : merged);
    }
    return 0;
}

/* --- from JSON ----------------------------------------------------------- */

/* What one object said so far. */
struct bulk_object {
    struct entity_bulk *b; /* its texts */
    int has_kind, has_id, has_traits;
    int wrong; /* why is set; the rest is only stepped over */
    char *why;
};

static void bulk_wrong(struct bulk_object *o, const char *fmt, ...)
    IL_PRINTF(2, 3);

static void
bulk_wrong(struct bulk_object *o, const char *fmt, ...)
{
    va_list ap;
    if (o->wrong)
        return;
    va_start(ap, fmt);
    vsnprintf(o->why, ENTITY_WHY, fmt, ap);
    va_end(ap);
    o->wrong = 1;
}

/* A string, or a number as the text that its sender wrote. */
static int
bulk_id(struct bulk_object *o, struct json_reader *r)
{
    struct il_value v;
    o->b->scratch.len = o->b->id.len = 0;
    int err = json_value(r, &o->b->scratch);
    if (err)
        return err;
    const char *p = o->b->scratch.data, *end = p + o->b->scratch.len;
    if (msg_head(&p, end, &v))
        return -EINVAL;
    if (v.type == IL_STRING || v.type == IL_DECIMAL)
        err = text_put(&o->b->id, v.str, v.len);
    else if (v.type == IL_INT)
        err = text_printf(&o->b->id, "%lld", (long long) v.num.i);
    else if (v.type == IL_UINT)
        err = text_printf(&o->b->id, "%llu", (unsigned long long) v.num.u);
    else
        bulk_wrong(o, "external_id must be a string or a number");
    struct slice id = slice_of(o->b->id.data, o->b->id.len);
    if (!err && !o->wrong && !entity_id_valid(id))
        bulk_wrong(o, "external_id must have 1 to %d bytes and no U+0000",
                   ENTITY_ID_MAX);
    return err;
}

static int
bulk_kind(struct bulk_object *o, struct json_reader *r)
{
    struct slice kind;
    if (json_peek(r) != '"') {
        bulk_wrong(o, "kind must be a string");
        return json_skip(r);
    }
    int err = json_string(r, &o->b->scratch, &kind);
    if (err)
        return err;
    if (!entity_kind_valid(kind))
        bulk_wrong(o,
                   "kind must be a lower-case letter and up to %d letters, "
                   "digits or _",
                   ENTITY_KIND_MAX - 1);
    o->b->kind.len = 0;
    return text_put(&o->b->kind, kind.ptr, kind.len);
}

static int
bulk_traits(struct bulk_object *o, struct json_reader *r)
{
    if (json_peek(r) != '{') {
        bulk_wrong(o, "traits must be an object");
        return json_skip(r);
    }
    o->b->traits.len = 0;
    return json_value(r, &o->b->traits);
}

static int
bulk_member(struct bulk_object *o, struct json_reader *r)
{
    static const struct {
        struct slice name;
        size_t has;
        int (*read)(struct bulk_object *, struct json_reader *);
    } members[] = {
        { { "kind", 4 }, offsetof(struct bulk_object, has_kind), bulk_kind },
        { { "external_id", 11 },
          offsetof(struct bulk_object, has_id),
          bulk_id },
        { { "traits", 6 },
          offsetof(struct bulk_object, has_traits),
          bulk_traits },
    };
    struct slice key;
    int err = json_key(r, &o->b->scratch, &key);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        if (!slice_equal(key, members[i].name))
            continue;
        int *has = (int *) ((char *) o + members[i].has);
        if (*has)
            bulk_wrong(o, "%s is there twice", members[i].name.ptr);
        *has = 1;
        return members[i].read(o, r);
    }
    size_t shown = key.len < 60 ? key.len : 60;
    while (shown && shown < key.len && (key.ptr[shown] & 0xC0) == 0x80)
        shown--; /* cut between characters */
    bulk_wrong(o,
               "unknown field \"%.*s\"; an entity has kind, external_id "
               "and traits",
               (int) shown, key.ptr);
    return json_skip(r);
}

static int
bulk_object_done(struct bulk_object *o, size_t index, struct slice kind)
{
    static const char no_traits = (char) 0x80; /* an empty map */
    struct slice traits = { &no_traits, 1 };
    if (!o->has_kind && !kind.ptr)
        bulk_wrong(o, "kind is missing");
    if (!o->has_id)
        bulk_wrong(o, "external_id is missing");
    if (o->wrong)
        return 1;
    if (o->has_kind)
        kind = slice_of(o->b->kind.data, o->b->kind.len);
    if (o->has_traits)
        traits = slice_of(o->b->traits.data, o->b->traits.len);
    return entity_bulk_add(o->b, index, kind,
                           slice_of(o->b->id.data, o->b->id.len), traits);
}

int
entity_bulk_read(struct entity_bulk *b, struct json_reader *r, size_t index,
                 struct slice kind, char why[ENTITY_WHY])
{
    struct bulk_object o = { .b = b, .why = why };
    int err, more;
    if (json_peek(r) != '{') {
        bulk_wrong(&o, "an entity must be an object");
        err = json_skip(r);
        return err ? err : 1;
    }
    err = json_enter(r);
    for (int first = 1; !err; first = 0) {
        more = json_next(r, first);
        if (more <= 0) {
            err = more;
            break;
        }
        err = bulk_member(&o, r);
    }
    if (!err)
        err = bulk_object_done(&o, index, kind);
    return err;
}

int
entity_bulk_line(struct entity_bulk *b, const char *json, size_t len,
                 size_t index, struct slice kind, char why[ENTITY_WHY])
{
    struct json_reader r;
    size_t count = b->count, bytes = b->bytes.len;
    json_open(&r, json, len, MSG_DEPTH_MAX);
    int err = entity_bulk_read(b, &r, index, kind, why);
    if (err >= 0) {
        int rest = json_close(&r);
        if (rest)
            err = rest;
    }
    if (err >= 0)
        return err;
    b->count = count;
    b->bytes.len = bytes;
    if (err == -ENOMEM)
        return err;
    snprintf(why, ENTITY_WHY, "not JSON: %s, at byte %zu", r.error.message,
             r.error.offset);
    return 1;
}
