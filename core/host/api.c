/* SPDX-License-Identifier: MIT */
/* The complete function table: what plugin/api_*.c have, and what needs the
 * lanes, the gate, the servers and the stores. */
#include "api.h"

#include "lineage.h"

#include "base/api.h"
#include "cells/cells.h"
#include "codec/json.h"
#include "gate/gate.h"
#include "gate/marks.h"
#include "gate/sender.h"
#include "lane/lane.h"
#include "plugin/instance.h"

#include <errno.h>

static int
api_emit(const struct il_host *h, const struct il_emission *theirs)
{
    struct il_emission e;
    const char *why = NULL;
    int err = 0;
    if (!h->source) {
        /* also while a check opens sources, without a gate */
        instance_fault(h, "il_emit() is for sources, from start() on");
        return -EPERM;
    }
    if (api_copy(&e, sizeof(e), theirs, API_EMISSION_1_0)) {
        why = "its struct_size is wrong";
        err = -EINVAL;
    } else if (e.sender && e.sender->of != &h->senders) {
        why = "its sender is of another source";
        err = -EINVAL;
    }
    if (!err)
        err = gate_emit(h->source, &e, &why);
    if (err == -EINVAL)
        instance_fault(h, "il_emit(): %s", why);
    return err;
}

static struct slice
source_of(const struct il_host *h)
{
    const char *name = gate_source_name(h->source);
    return slice_of(name, strlen(name));
}

static int
api_mark_get(const struct il_host *h, const char *name, size_t len,
             struct il_text *value)
{
    struct gate_marks *marks = h->source ? gate_source_marks(h->source) : NULL;
    if (!marks) {
        instance_fault(h, "il_mark_get() is for sources, from start() on");
        return -EPERM;
    }
    return gate_marks_get(marks, source_of(h), slice_of(name, len), value);
}

static int
api_mark_each(const struct il_host *h,
              int (*fn)(void *arg, const struct il_mark *, int64_t),
              void *arg)
{
    struct gate_marks *marks = h->source ? gate_source_marks(h->source) : NULL;
    if (!marks) {
        instance_fault(h, "il_mark_each() is for sources, from start() on");
        return -EPERM;
    }
    return gate_marks_each(marks, source_of(h), fn, arg);
}

static void
api_hold_off(const struct il_host *h, const char *target, int64_t until_us,
             const char *why)
{
    if (h->delivers)
        lane_hold_off(h->delivers, target, until_us, why);
    else
        instance_fault(h, "il_hold_off() is for destinations, from start() on");
}

static int
api_pause(const struct il_host *h, const char *why)
{
    if (h->delivers)
        return lane_pause(h->delivers, why ? why : "");
    instance_fault(h, "il_pause() is for destinations, from start() on");
    return -EPERM;
}

/* A batch has a reader in process() alone. */
static int
cannot_find(const struct il_batch *b)
{
    if (batch_in_step(b))
        return -ENOTCONN; /* there is no store */
    instance_fault(b->instance, "il_entity_find() outside process()%s",
                   b->phase == BATCH_IN_STEP ? "'s thread" : "");
    return -EPERM;
}

static int
api_entity_find(struct il_batch *b, const struct il_kind *kind, const char *id,
                size_t len, struct il_entity *out)
{
    struct entity found;
    if (__builtin_expect(!b->reader || b->thread != &batch_thread, 0))
        return cannot_find(b);
    int r = entity_reader_get(b->reader, kind, slice_of(id, len), &found);
    if (r == 1)
        *out = (struct il_entity){ .traits = found.traits,
                                   .first_seen_us = found.first_seen_us,
                                   .last_seen_us = found.last_seen_us };
    return r;
}

static void
api_entity_hint(struct il_batch *b, const struct il_kind *kind, const char *id,
                size_t len)
{
    if (b->reader)
        entity_reader_hint(b->reader, kind, slice_of(id, len));
}

static int
api_entity_put(const struct il_host *h, const struct il_kind *kind,
               const char *id, size_t len, int encoding, const void *traits,
               size_t traits_len, int64_t seen_us)
{
    struct il_text packed = { 0 };
    struct json_error error;
    struct entity_put put = { .kind = slice_of(kind->name, kind->len),
                              .id = slice_of(id, len),
                              .traits = slice_of(traits, traits_len),
                              .seen_us = seen_us };
    int err = h->entities ? 0 : -ENOTCONN;
    if (!err && encoding == IL_JSON) {
        err = json_to_msgpack(traits, traits_len, &packed, &error);
        put.traits = slice_of(packed.data, packed.len);
    }
    if (!err)
        err = entity_put(h->entities, &put, 1, NULL);
    text_clear(&packed);
    return err;
}

/* --- what steps remember --------------------------------------------------- */

static int
api_memory_from(const struct il_host *h, const char *made_of, size_t len,
                struct il_memory **out)
{
    struct il_host *own = (struct il_host *) (uintptr_t) h;
    *out = NULL;
    if (h->plugin->desc.kind != IL_STEP || h->memory) {
        instance_fault(h, "il_memory_from() %s",
                       h->memory ? "a second time" : "is for steps");
        return -EINVAL;
    }
    struct il_memory *m = conf_alloc(h->conf, sizeof(*m));
    m->api = api_table();
    m->step = h->name;
    m->lineage = lineage_bytes(lineage_text(h->lineage, h->plugin->desc.name),
                               made_of, len);
    *out = own->memory = m;
    return 0;
}

/* 0, or what a call at a wrong time is answered. */
static int
cannot_remember(const struct il_batch *b, uint32_t i, const struct il_memory *m,
                const char *entry)
{
    if (!batch_in_step(b)) {
        instance_fault(b->instance, "%s() outside process()%s", entry,
                       b->phase == BATCH_IN_STEP ? "'s thread" : "");
        return -EPERM;
    }
    if (i >= b->count) {
        instance_fault(b->instance, "%s() of event %u in a batch of %u", entry,
                       i, b->count);
        return -EINVAL;
    }
    return m->cells ? 0 : -ENOTCONN;
}

static int
api_memory_get(struct il_batch *b, uint32_t i, const struct il_memory *m,
               const char *key, size_t len, struct il_remembered *out)
{
    int err = cannot_remember(b, i, m, "il_memory_get");
    return err ? err : cells_get(m, key, len, batch_stream_us(b, i), out);
}

static void
api_memory_hint(struct il_batch *b, const struct il_memory *m, const char *key,
                size_t len)
{
    if (m->cells && batch_in_step(b))
        cells_hint(m, key, len);
}

/* Had the event passed the step before it came again, what the step remembers
 * has it already. */
static int
api_memory_put(struct il_batch *b, uint32_t i, struct il_memory *m,
               const char *key, size_t len, const void *value, size_t value_len,
               int64_t end_us)
{
    int err = cannot_remember(b, i, m, "il_memory_put");
    if (err || batch_passed(b, i, b->step))
        return err;
    return cells_put(m, key, len, b->events[i].position, value, value_len,
                     end_us);
}

static int
api_memory_forget(struct il_batch *b, uint32_t i, struct il_memory *m,
                  const char *key, size_t len)
{
    int err = cannot_remember(b, i, m, "il_memory_forget");
    if (err || batch_passed(b, i, b->step))
        return err;
    return cells_forget(m, key, len, b->events[i].position);
}

static int64_t
api_stream_us(struct il_batch *b, uint32_t i)
{
    return i < b->count ? batch_stream_us(b, i) : 0;
}

void
host_api_init(void)
{
    static struct il_api table;
    instance_fill_api(&table);
    table.prepare = lane_prepare;
    table.settle = lane_settle;
    table.hold_off = api_hold_off;
    table.pause = api_pause;
    table.emit = api_emit;
    table.mark_get = api_mark_get;
    table.mark_each = api_mark_each;
    table.entity_find = api_entity_find;
    table.entity_hint = api_entity_hint;
    table.entity_put = api_entity_put;
    table.memory_from = api_memory_from;
    table.memory_get = api_memory_get;
    table.memory_hint = api_memory_hint;
    table.memory_put = api_memory_put;
    table.memory_forget = api_memory_forget;
    table.stream_us = api_stream_us;
    host_fill_mirrors(&table);
    gate_fill_api(&table);
    api_use(&table);
}
