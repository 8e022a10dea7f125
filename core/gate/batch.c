/* SPDX-License-Identifier: MIT */
/* The memory of one request's events.  Batches are used again, so that a
 * request allocates nothing once the daemon is warm. */
#include "private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stays in the pool between requests: batches, and bytes of each buffer.
 */
#define POOL_MAX 8
#define BUFFER_KEEP (2 << 20)

static void
batch_free_one(struct gate_batch *b)
{
    text_clear(&b->frames);
    text_clear(&b->ids);
    text_clear(&b->texts);
    text_clear(&b->scratch);
    text_clear(&b->head);
    text_clear(&b->traits);
    text_clear(&b->kept);
    free(b->upserts);
    free(b->items);
    free(b->bodies);
    table_clear(&b->keys);
    free(b->problems);
    free(b);
}

/* Senders choose their keys, and know the hash that the index has of them. */
static uint32_t
key_hash(const struct gate_batch *b, const struct gate_item *item)
{
    return table_mix(b->seed, item->key.hi, item->key.lo);
}

static void
buffer_reset(struct il_text *t)
{
    if (t->cap > BUFFER_KEEP)
        text_clear(t);
    t->len = 0;
}

struct gate_batch *
gate_batch_take(struct gate *gate, struct gate_source *source)
{
    pthread_mutex_lock(&gate->pool_lock);
    struct gate_batch *b = gate->pool;
    if (b) {
        gate->pool = b->next;
        gate->pool_count--;
    }
    pthread_mutex_unlock(&gate->pool_lock);
    if (!b) {
        b = calloc(1, sizeof(*b));
        if (!b)
            return NULL;
        b->seed = table_seed();
    }
    b->next = NULL;
    b->gate = gate;
    b->source = source;
    b->sender = NULL;
    b->unlimited = 0;
    b->now_us = clock_wall_us();
    b->count = b->problem_count = 0;
    b->frames.len = b->ids.len = b->texts.len = 0;
    b->declared = NULL;
    b->body = NULL;
    b->offered = NULL;
    b->marking = NULL;
    b->frames_max = 0;
    b->fault = NULL;
    b->upsert_count = 0;
    b->accepted = b->duplicates = b->refused = 0;
    b->position = 0;
    b->code = GATE_OK;
    b->status = 0;
    b->message[0] = 0;
    return b;
}

void
gate_batch_give(struct gate_batch *b)
{
    struct gate *gate = b->gate;
    /* key by key, for small batches' sake */
    if (b->count > b->keys.mask / 8)
        table_empty(&b->keys);
    else
        for (uint32_t i = 0; i < b->count && b->keys.count; i++)
            if (b->items[i].keyed)
                table_sweep(&b->keys, key_hash(b, &b->items[i]));
    buffer_reset(&b->frames);
    buffer_reset(&b->ids);
    buffer_reset(&b->texts);
    buffer_reset(&b->scratch);
    buffer_reset(&b->traits);
    buffer_reset(&b->kept);
    pthread_mutex_lock(&gate->pool_lock);
    int keep = gate->pool_count < POOL_MAX;
    if (keep) {
        b->next = gate->pool;
        gate->pool = b;
        gate->pool_count++;
    }
    pthread_mutex_unlock(&gate->pool_lock);
    if (!keep)
        batch_free_one(b);
}

void
gate_batch_free_all(struct gate *gate)
{
    while (gate->pool) {
        struct gate_batch *b = gate->pool;
        gate->pool = b->next;
        batch_free_one(b);
    }
    while (gate->held) {
        struct gate_batch *b = gate->held;
        gate->held = b->held_next;
        batch_free_one(b);
    }
}

static int
batch_grow(struct gate_batch *b)
{
    uint32_t capacity = b->capacity ? b->capacity * 2 : 64;
    size_t bodies_size = (capacity + 1) * sizeof(struct slice); /* marks */
    struct gate_item *items = realloc(b->items, capacity * sizeof(*items));
    if (!items)
        return -ENOMEM;
    b->items = items;
    struct slice *bodies = realloc(b->bodies, bodies_size);
    if (!bodies)
        return -ENOMEM;
    b->bodies = bodies;
    b->capacity = capacity;
    return 0;
}

int
gate_batch_reserve(struct gate_batch *b)
{
    return b->capacity ? 0 : batch_grow(b);
}

struct gate_item *
gate_item_add(struct gate_batch *b)
{
    if (b->count == b->capacity && batch_grow(b))
        return NULL;
    struct gate_item *item = &b->items[b->count++];
    memset(item, 0, sizeof(*item));
    item->twin = GATE_NO_TWIN;
    item->problem = b->problem_count;
    return item;
}

/* The sender's bytes may come in messages; what is no plain text in them goes. */
static void
plain(char *s)
{
    for (; *s; s++)
        if ((unsigned char) *s < 0x20 || (unsigned char) *s >= 0x7f)
            *s = '?';
}

static int
text_keep(struct gate_batch *b, const char *s, uint32_t *at)
{
    *at = (uint32_t) b->texts.len;
    return text_put(&b->texts, s, strlen(s) + 1);
}

int
gate_problem(struct gate_batch *b, enum gate_code code, const char *path,
             const char *rule, const char *fmt, ...)
{
    struct gate_item *item = &b->items[b->count - 1];
    char message[512];
    va_list ap;
    if (item->state != ITEM_REFUSED) {
        item->state = ITEM_REFUSED;
        item->code = (uint8_t) code;
        b->refused++;
    }
    if (item->problems && (item->problems >= GATE_PROBLEMS_EVENT
                           || b->problem_count >= GATE_PROBLEMS_BATCH))
        return 0;
    if (b->problem_count == b->problem_capacity) {
        uint32_t capacity = b->problem_capacity ? b->problem_capacity * 2 : 16;
        struct gate_problem *more
            = realloc(b->problems, capacity * sizeof(*more));
        if (!more)
            return -ENOMEM;
        b->problems = more;
        b->problem_capacity = capacity;
    }
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    plain(message);
    struct gate_problem *p = &b->problems[b->problem_count];
    if (text_keep(b, path, &p->path) || text_keep(b, rule, &p->rule)
        || text_keep(b, message, &p->message))
        return -ENOMEM;
    b->problem_count++;
    item->problems++;
    return 0;
}

/* Items that have it for their twin came with its key: they are no duplicates
 * of anything. */
int
gate_refuse_late(struct gate_batch *b, uint32_t i, const char *message)
{
    for (uint32_t n = i; n < b->count; n++) {
        struct gate_item *item = &b->items[n];
        if (item->state == ITEM_REFUSED || (n != i && item->twin != i))
            continue;
        /* gate_problem() is about the last item */
        uint32_t count = b->count;
        struct event ev;
        struct il_value v;
        b->count = n + 1;
        item->problem = b->problem_count;
        int err = gate_problem(b, GATE_TOO_LARGE, "", "entity", "%s",
                               message);
        b->count = count;
        item->json = (uint32_t) b->kept.len;
        if (!err
            && !event_unpack(b->frames.data + item->frame, item->len, &ev)) {
            const char *p = ev.payload.ptr;
            if (!msg_head(&p, p + ev.payload.len, &v)
                && json_write(&b->kept, &v, 0) == -ENOMEM)
                err = -ENOMEM;
        }
        item->json_len = (uint32_t) b->kept.len - item->json;
        if (err)
            return err;
    }
    b->body = b->kept.data ? b->kept.data : "";
    return 0;
}

int
gate_refuse_body(struct gate_batch *b, int status, enum gate_code code,
                 const char *fmt, ...)
{
    va_list ap;
    b->code = code;
    b->status = status;
    va_start(ap, fmt);
    vsnprintf(b->message, sizeof(b->message), fmt, ap);
    va_end(ap);
    plain(b->message);
    return -EINVAL;
}

int
gate_item_key(struct gate_batch *b)
{
    struct gate_item *item = &b->items[b->count - 1];
    struct table *t = &b->keys;
    if (table_room(t, 1))
        return -ENOMEM;
    uint32_t hash = key_hash(b, item), at = table_seek(t, hash, hash);
    for (; t->slots[at].number; at = table_seek(t, hash, at + 1)) {
        uint32_t twin = t->slots[at].number - 1;
        const struct gate_item *other = &b->items[twin];
        if (other->key.lo != item->key.lo || other->key.hi != item->key.hi)
            continue;
        if (other->state != ITEM_REFUSED) {
            item->twin = twin;
            return 0;
        }
        /* refused after it had its key, a line with a bad tail: no twin */
        t->slots[at].number = b->count;
        return 0;
    }
    table_take(t, at, hash, b->count - 1);
    return 0;
}

struct slice
gate_item_id(const struct gate_batch *b, const struct gate_item *item)
{
    const struct il_text *where
        = item->state == ITEM_DUPLICATE ? &b->ids : &b->frames;
    return slice_of(where->data + item->id, item->id_len);
}
