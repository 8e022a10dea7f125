/* SPDX-License-Identifier: MIT */
/* Steps' edits of a payload: one field set or removed, everything else as it
 * lies there, each number with its digits.
 *
 * The first edit of an event copies its payload into the batch's memory, with
 * some room to spare; later ones move what follows the place, while it fits.
 * So k edits cost k times the size, and nothing is encoded anew but what is
 * set.  The memory is of the pass: where process() fails, the batch is made of
 * the frames again. */
#include "batch.h"

#include "msg_pack.h"
#include "msg_read.h"

#include <errno.h>
#include <string.h>

/* A container on the way, as it lies in the payload. */
struct level {
    size_t head, items; /* where they begin */
    uint32_t count;
    int map;
};

/* Where a path leads: through `found` containers that are there.  All places
 * are offsets, so that they outlive a move of the payload. */
struct trace {
    struct level levels[BATCH_PARTS_MAX];
    uint32_t found;
    int there;         /* the whole path is: what stands there is */
    size_t key;        /* its pair or element begins here, */
    size_t value, end; /* its value here, and it ends; else: `end` is that of
                        * the last container, where a pair is added */
};

/* The value of a key of the map at level l, or (0) the map's end. */
static int
trace_key(struct trace *t, const struct level *l, struct slice bytes,
          const struct batch_part *part)
{
    const char *p = bytes.ptr + l->items, *end = bytes.ptr + bytes.len;
    for (uint32_t n = l->count; n; n--) {
        struct il_value key;
        t->key = (size_t) (p - bytes.ptr);
        if (msg_value(&p, end, &key))
            return -EINVAL;
        t->value = (size_t) (p - bytes.ptr);
        if (msg_skip(&p, end))
            return -EINVAL;
        t->end = (size_t) (p - bytes.ptr);
        if (key.type == IL_STRING && key.len == part->len
            && bytes_same(key.str, part->key, key.len))
            return 1;
    }
    t->end = (size_t) (p - bytes.ptr);
    return 0;
}

static int
trace_element(struct trace *t, const struct level *l, struct slice bytes,
              int64_t index)
{
    const char *p = bytes.ptr + l->items, *end = bytes.ptr + bytes.len;
    if (index < 0)
        index += l->count;
    if (index < 0 || index >= l->count)
        return -ERANGE;
    for (; index >= 0; index--) {
        t->key = t->value = (size_t) (p - bytes.ptr);
        if (msg_skip(&p, end))
            return -EINVAL;
        t->end = (size_t) (p - bytes.ptr);
    }
    return 1;
}

/* Follow a path as far as it is there.  0, -ENOTDIR or -ERANGE (what stands on
 * the way is of another kind, or too short) or -EINVAL (a damaged payload). */
static int
trace(struct trace *t, struct slice bytes, const struct batch_part *part,
      uint32_t parts)
{
    t->found = 0;
    t->value = 0;
    for (; t->found < parts; part++) {
        const char *p = bytes.ptr + t->value;
        struct il_value v;
        if (msg_head(&p, bytes.ptr + bytes.len, &v))
            return -EINVAL;
        if (v.type != (part->key ? IL_MAP : IL_ARRAY))
            return -ENOTDIR;
        struct level *l = &t->levels[t->found++];
        *l = (struct level){ t->value, (size_t) (p - bytes.ptr), v.count,
                             v.type == IL_MAP };
        t->there = l->map ? trace_key(t, l, bytes, part)
                          : trace_element(t, l, bytes, part->index);
        if (t->there <= 0)
            return t->there;
    }
    return 0;
}

/* Have the payload in memory that may be changed, with room for so much more.
 * 0 or -ENOMEM. */
static int
own(struct il_batch *b, struct batch_event *e, size_t more)
{
    size_t len = e->ev.payload.len, size;
    if (e->room && e->room - len >= more)
        return 0;
    if (__builtin_add_overflow(len + len / 4 + 64, more, &size)
        || size > UINT32_MAX)
        return -ENOMEM;
    char *copy = batch_alloc(b, size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, e->ev.payload.ptr, len);
    e->ev.payload.ptr = copy;
    e->room = (uint32_t) size;
    return 0;
}

/* Put bytes in place of `old` ones; there is room. */
static void
splice(struct batch_event *e, size_t at, size_t old, const char *bytes,
       size_t len)
{
    char *p = (char *) (uintptr_t) e->ev.payload.ptr + at;
    memmove(p + len, p + old, e->ev.payload.len - at - old);
    if (len)
        memcpy(p, bytes, len);
    e->ev.payload.len += len - old;
}

#define HEAD_GROWS 4 /* the most that a head of a container grows by */

/* The container has so many items now.  Its head keeps its form where the
 * number fits: JSON's readers choose the one of 16 bits for any. */
static void
recount(struct batch_event *e, const struct level *l, uint32_t count)
{
    const unsigned char *now =
        (const unsigned char *) e->ev.payload.ptr + l->head;
    size_t old = l->items - l->head, len;
    char head[5];
    if (old == 1 && count < 16) {
        head[0] = (char) ((*now & 0xf0) | count);
        len = 1;
    } else if (old <= 3 && count <= 0xffff) {
        head[0] = (char) (l->map ? 0xde : 0xdc);
        head[1] = (char) (count >> 8);
        head[2] = (char) count;
        len = 3;
    } else {
        head[0] = (char) (l->map ? 0xdf : 0xdd);
        for (int i = 0; i < 4; i++)
            head[1 + i] = (char) (count >> (24 - 8 * i));
        len = 5;
    }
    splice(e, l->head, old, head, len);
}

/* Containers in containers of one valid value. */
static uint32_t
depth(const char *p, size_t len)
{
    const char *end = p + len;
    uint64_t left[MSG_DEPTH_MAX];
    uint32_t open = 0, deepest = 0;
    struct il_value v;
    do {
        if (msg_head(&p, end, &v))
            break; /* not reached: it was checked */
        if (open)
            left[open - 1]--;
        if ((v.type == IL_MAP || v.type == IL_ARRAY) && open < MSG_DEPTH_MAX)
            left[open++] = (uint64_t) v.count << (v.type == IL_MAP);
        deepest = open > deepest ? open : deepest;
        while (open && !left[open - 1])
            open--;
    } while (open);
    return deepest;
}

/* Write what is to be put there: where parts of the path are missing, the key
 * of the first, and maps down to the last.  0, -EINVAL or -ENOMEM. */
static int
compose(struct il_text *out, const struct batch_part *missing, uint32_t n,
        uint32_t above, const struct il_value *value)
{
    size_t from = 0;
    int err = 0;
    out->len = 0;
    if (value->type == IL_MISSING || value->type > IL_TIME)
        return -EINVAL;
    for (uint32_t k = 0; k < n && !err; k++) {
        err = k ? msg_pack_map(out, 1) : 0;
        if (!err)
            err = msg_pack_str(out, missing[k].key, missing[k].len);
        from = k ? from : out->len; /* what follows it is one value */
    }
    if (!err)
        err = msg_pack_value(out, value);
    if (err)
        return err;
    if ((from && msg_check(out->data, from))
        || msg_check(out->data + from, out->len - from))
        return -EINVAL;
    return above + depth(out->data + from, out->len - from) > MSG_DEPTH_MAX
               ? -EINVAL
               : 0;
}

int
batch_set(struct il_batch *b, uint32_t i, const struct batch_part *parts,
          uint32_t count, const struct il_value *value)
{
    if (i >= b->count || !count || count > BATCH_PARTS_MAX)
        return -EINVAL;
    struct batch_event *e = &b->events[i];
    struct trace t;
    int err = trace(&t, e->ev.payload, parts, count);
    if (err)
        return err;
    uint32_t missing = t.there ? 0 : count - t.found + 1;
    for (uint32_t k = t.found; k < count; k++)
        if (!parts[k].key)
            return -ERANGE; /* an array that is not there has no element */
    /* Elsewhere first: it may be a view of this very payload. */
    err =
        compose(&b->scratch, parts + count - missing, missing, t.found, value);
    if (!err)
        err = own(b, e, b->scratch.len + HEAD_GROWS);
    if (err)
        return err;
    const char *bytes = b->scratch.data;
    size_t at = t.there ? t.value : t.end;
    splice(e, at, t.end - at, bytes, b->scratch.len);
    if (missing)
        recount(e, &t.levels[t.found - 1], t.levels[t.found - 1].count + 1);
    return 0;
}

int
batch_remove(struct il_batch *b, uint32_t i, const struct batch_part *parts,
             uint32_t count)
{
    if (i >= b->count || !count || count > BATCH_PARTS_MAX)
        return -EINVAL;
    struct batch_event *e = &b->events[i];
    struct trace t;
    int err = trace(&t, e->ev.payload, parts, count);
    if (err == -ENOTDIR || err == -ERANGE || (!err && !t.there))
        return 0;
    if (!err)
        err = own(b, e, 0);
    if (err)
        return err;
    const struct level *l = &t.levels[t.found - 1];
    splice(e, t.key, t.end - t.key, NULL, 0);
    recount(e, l, l->count - 1);
    return 1;
}
