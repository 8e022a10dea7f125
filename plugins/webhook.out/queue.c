/* SPDX-License-Identifier: MIT */
#include "out.h"

#include "hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
hash_of(const char *text, size_t len)
{
    const uint64_t hash = hash_bytes(text, len);
    return hash ? hash : 1;
}

/* --- targets at hand ------------------------------------------------------ */

static struct out_target *
target_of(struct out *o, const char *name)
{
    const size_t len = strlen(name);
    uint64_t hash = hash_of(name, len);
    struct out_target **slot = &o->slots[hash % OUT_SLOTS], *t = *slot;
    while (t && (t->hash != hash || strcmp(t->name, name)))
        t = t->slot_next;
    if (t || !(t = calloc(1, sizeof(*t))))
        return t;
    memcpy(t->name, name, len + 1);
    t->hash = hash;
    t->slot_next = *slot;
    *slot = t;
    o->target_count++;
    return t;
}

static void
target_leave(struct out *o, struct out_target *t)
{
    struct out_target **at = &o->slots[t->hash % OUT_SLOTS];
    if (t->at_hand)
        return;
    while (*at != t)
        at = &(*at)->slot_next;
    *at = t->slot_next;
    o->target_count--;
    free(t);
}

static void
list_remove(struct out *o, struct out_target *t)
{
    *(t->prev ? &t->prev->next : &o->first) = t->next;
    *(t->next ? &t->next->prev : &o->last) = t->prev;
    t->next = t->prev = NULL;
}

static void
list_append(struct out *o, struct out_target *t)
{
    t->prev = o->last;
    *(t->prev ? &t->prev->next : &o->first) = t;
    o->last = t;
}

static void
enqueue(struct out *o, struct out_event *e, int front)
{
    struct out_target *t = e->target;
    struct out_queue *q = &t->queues[e->queue];
    e->next = front ? q->first : NULL;
    if (front)
        q->first = e;
    else
        *(q->last ? &q->last->next : &q->first) = e;
    if (!front || !q->last)
        q->last = e;
    if (!t->waiting++)
        list_append(o, t);
    o->waiting[e->queue]++;
}

void
queue_put_back(struct out *o, struct out_event *e)
{
    enqueue(o, e, 1);
}

void
queue_remove(struct out *o, struct out_event *e)
{
    struct out_target *t = e->target;
    struct out_queue *q = &t->queues[e->queue];
    struct out_event *before = NULL, *at = q->first;
    while (at != e) {
        before = at;
        at = at->next;
    }
    *(before ? &before->next : &q->first) = e->next;
    if (q->last == e)
        q->last = before;
    e->next = NULL;
    o->waiting[e->queue]--;
    if (!--t->waiting)
        list_remove(o, t);
}

void
queue_turn(struct out *o, struct out_target *t)
{
    if (!t->waiting)
        return;
    list_remove(o, t);
    list_append(o, t);
}

/* --- order ---------------------------------------------------------------- */

/* As the host takes it: the text of a string or a number, and nothing else. */
static uint64_t
order_of(const struct out *o, struct il_batch *batch, uint32_t i)
{
    struct il_value v;
    char digits[24];
    if (!o->order_slots
        || il_template_render(o->options.order.of, batch, i, &v))
        return 0;
    switch (v.type) {
    case IL_STRING:
    case IL_DECIMAL:
        return v.len ? hash_of(v.str, v.len) : 0;
    case IL_INT:
    case IL_UINT:
        snprintf(digits, sizeof(digits),
                 v.type == IL_INT ? "%" PRId64 : "%" PRIu64, v.num.i);
        return hash_of(digits, strlen(digits));
    default:
        return 0;
    }
}

static struct out_event **
order_slot(struct out *o, uint64_t order)
{
    return &o->orders[order & (o->order_slots - 1)];
}

/* The first of this order at hand, from here on. */
static struct out_event *
order_first(struct out_event *e, uint64_t order)
{
    while (e && e->order != order)
        e = e->order_next;
    return e;
}

/* Behind all others; 1: none of its order is before it. */
static int
order_join(struct out *o, struct out_event *e)
{
    if (!e->order)
        return 1;
    struct out_event **at = order_slot(o, e->order);
    int first = !order_first(*at, e->order);
    while (*at)
        at = &(*at)->order_next;
    *at = e;
    return first;
}

/* If it was the first, the one behind it may go. */
static void
order_leave(struct out *o, struct out_event *e)
{
    if (!e->order)
        return;
    struct out_event **at = order_slot(o, e->order);
    const int first = order_first(*at, e->order) == e;
    while (*at != e)
        at = &(*at)->order_next;
    *at = e->order_next;
    struct out_event *next = order_first(*at, e->order);
    if (first && next)
        enqueue(o, next, 0);
}

/* --- ends ----------------------------------------------------------------- */

static void
batch_leave(struct out *o, struct out_batch *b)
{
    *(b->prev ? &b->prev->next : &o->batches) = b->next;
    if (b->next)
        b->next->prev = b->prev;
}

void
queue_pin(struct out_target *t)
{
    t->at_hand++;
}

void
queue_unpin(struct out *o, struct out_target *t)
{
    t->at_hand--;
    target_leave(o, t);
}

/* It lies in the memory of its batch, which is gone with the last of them. */
static void
event_ended(struct out *o, struct out_event *e)
{
    struct out_batch *b = e->batch;
    struct out_target *t = e->target;
    order_leave(o, e);
    queue_unpin(o, t);
    if (--b->left)
        return;
    batch_leave(o, b);
    il_settle(b->ack, b->undecided ? IL_RETRY : IL_OK,
              b->undecided ? "there was no memory to keep what became of an "
                             "event"
                           : NULL);
}

/* The host could not keep what it came to: its batch comes again, and with it
 * all of its order, which must not overtake it. */
static void
event_undecided(struct out *o, struct out_event *e)
{
    struct out_event *behind;
    e->batch->undecided = 1;
    while (e->order && (behind = order_first(e->order_next, e->order))) {
        behind->batch->undecided = 1;
        order_leave(o, behind);
        behind->order = 0;
        event_ended(o, behind);
    }
}

void
queue_done(struct out *o, struct out_event *e)
{
    if (il_done(e->batch->batch, e->i))
        event_undecided(o, e);
    event_ended(o, e);
}

void
queue_reject(struct out *o, struct out_event *e, const char *code,
             const char *message)
{
    const struct il_reason why = { IL_SIZED(struct il_reason), .code = code,
                                   .message = message };
    if (il_reject(e->batch->batch, e->i, &why))
        event_undecided(o, e);
    event_ended(o, e);
}

void
queue_defer(struct out *o, struct out_event *e, int64_t delay_ms, int attempt,
            const char *code, const char *message)
{
    const struct il_reason why = { IL_SIZED(struct il_reason), .code = code,
                                   .message = message };
    const struct il_deferral how = {
        IL_SIZED(struct il_deferral),
        /* One that comes again is in its order already, or outside of it. */
        .flags = (attempt ? 0 : IL_NO_ATTEMPT)
                 | (e->queue == OUT_AGAIN || !e->order ? IL_OUT_OF_ORDER : 0),
        .delay_ms = delay_ms > 0 ? (uint64_t) delay_ms : 0,
        .why = code ? &why : NULL, .target = e->target->name,
        .target_len = strlen(e->target->name)
    };
    if (il_defer_as(e->batch->batch, e->i, &how))
        event_undecided(o, e);
    if (!attempt)
        il_counter_add(o->host, o->counts.unattempted, 1);
    event_ended(o, e);
}

int
queue_waits(struct out *o, struct out_event *e)
{
    int waits = e->order ? il_waits(e->batch->batch, e->i, NULL, 0) : 0;
    if (waits > 0)
        event_ended(o, e);
    return waits;
}

/* --- batches -------------------------------------------------------------- */

/* Where event i goes to.  0; -EINVAL: nowhere, it is a dead letter; or
 * -ENOMEM. */
static int
find_target(struct out *o, struct il_batch *batch, uint32_t i,
            struct out_target **out)
{
    const char *name = o->only_target;
    int err = 0;
    if (!*name) {
        err = render_place(&o->render, batch, i, &o->place);
        name = o->place.target;
    }
    const struct il_reason why = { IL_SIZED(struct il_reason),
                                   .code = "template",
                                   .message = o->place.why };
    if (err == -EINVAL)
        return il_reject(batch, i, &why) ? -ENOMEM : -EINVAL;
    *out = err ? NULL : target_of(o, name);
    return *out ? 0 : -ENOMEM;
}

static int
take_event(struct out *o, struct out_batch *b, uint32_t i)
{
    struct out_event *e = &b->events[b->count];
    struct il_again again = { .struct_size = sizeof(again) };
    struct out_target *target = NULL;
    int err = find_target(o, b->batch, i, &target);
    if (err)
        return err == -EINVAL ? 0 : err;
    const int comes = il_again(b->batch, i, &again) == 1;
    *e = (struct out_event){ .batch = b,
                             .target = target,
                             .i = i,
                             .position = il_batch_position(b->batch, i),
                             .queue = comes ? OUT_AGAIN : OUT_NEW };
    if (comes) {
        e->attempts = again.attempts;
        e->tried_us = again.since_us;
    } else {
        e->order = order_of(o, b->batch, i);
    }
    target->at_hand++;
    b->count++;
    return 0;
}

/* As if it had never come. */
static void
untake(struct out *o, struct out_batch *b)
{
    for (uint32_t k = 0; k < b->count; k++) {
        b->events[k].target->at_hand--;
        target_leave(o, b->events[k].target);
    }
}

int
queue_take(struct out *o, struct il_batch *batch, struct il_ack *ack)
{
    const uint32_t count = il_batch_count(batch);
    struct out_batch *b = il_batch_alloc(
        batch, sizeof(*b) + (count + 1) * sizeof(struct out_event));
    int err = o->stopping ? -ESHUTDOWN : b ? 0 : -ENOMEM;
    if (!err)
        *b = (struct out_batch){ .batch = batch, .ack = ack };
    for (uint32_t i = 0; i < count && !err; i++)
        if (il_live(batch, i))
            err = take_event(o, b, i);
    if (err) {
        if (b)
            untake(o, b);
        return err;
    }
    if (!b->count) {
        il_settle(ack, IL_OK, NULL);
        return 0;
    }
    b->left = b->count;
    b->next = o->batches;
    if (b->next)
        b->next->prev = b;
    o->batches = b;
    for (uint32_t k = 0; k < b->count; k++)
        if (order_join(o, &b->events[k]))
            enqueue(o, &b->events[k], 0);
    return 0;
}

void
queue_give_up(struct out *o)
{
    for (struct out_batch *b = o->batches, *next; b; b = next) {
        next = b->next; /* it is gone once it is settled */
        il_settle(b->ack, IL_RETRY, "the host stops");
    }
    o->batches = NULL;
    for (size_t i = 0; i < OUT_SLOTS; i++)
        while (o->slots[i]) {
            struct out_target *t = o->slots[i];
            o->slots[i] = t->slot_next;
            free(t);
        }
    o->first = o->last = NULL;
    o->target_count = 0;
    memset(o->waiting, 0, sizeof(o->waiting));
    if (o->orders)
        memset(o->orders, 0, o->order_slots * sizeof(struct out_event *));
}
