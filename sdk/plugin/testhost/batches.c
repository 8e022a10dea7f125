/* SPDX-License-Identifier: MIT */
/* The test host: events, and the batches that they are in. */
#include <config.h>

#include "private.h"
#include "base/arena.h"
#include "base/time.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "lang/template.h"
#include "plugin/enter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- events -------------------------------------------------------------- */

static struct slice
text_of(const struct il_value *map, const char *key, const char *otherwise)
{
    struct il_value v;
    if (!msg_find(map, key, strlen(key), &v) || v.type != IL_STRING)
        return slice_of(otherwise, otherwise ? strlen(otherwise) : 0);
    return slice_of(v.str, v.len);
}

static int
time_of(const struct il_value *map, const char *key, int64_t otherwise,
        int64_t *us)
{
    struct slice text = text_of(map, key, NULL);
    *us = otherwise;
    return text.ptr ? time_parse(text.ptr, text.len, us) : 0;
}

static int
only_known(const struct il_value *map)
{
    static const char *const known[] = { "id",        "type",
                                         "source_id", "received_at",
                                         "timestamp", "payload" };
    struct il_value key, value;
    for (size_t iter = 0; msg_item(map, &iter, &key, &value);) {
        size_t i = 0;
        while (i < 6
               && (strlen(known[i]) != key.len
                   || memcmp(known[i], key.str, key.len) != 0))
            i++;
        if (i == 6)
            return 0;
    }
    return 1;
}

int
testhost_pack(struct testhost *t, const char *json, struct il_text *body)
{
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value map, payload;
    char id[40];
    int err = json_to_msgpack(json, strlen(json), &packed, &error);
    const char *p = packed.data;
    snprintf(id, sizeof(id), "evt_test_%llu",
             (unsigned long long) t->next_position);
    if (!err
        && (msg_value(&p, packed.data + packed.len, &map) || map.type != IL_MAP
            || !only_known(&map) || !msg_find(&map, "payload", 7, &payload)
            || payload.type != IL_MAP))
        err = -EINVAL;
    if (!err) {
        struct event ev = { .id = text_of(&map, "id", id),
                            .type = text_of(&map, "type", "test"),
                            .source_id = text_of(&map, "source_id", "test") };
        err = time_of(&map, "received_at", INT64_C(1700000000000000),
                      &ev.received_us);
        if (!err)
            err = time_of(&map, "timestamp", EVENT_NO_TIME, &ev.timestamp_us);
        /* The exact bytes of the payload: write the value again. */
        struct il_text bytes = { 0 };
        if (!err)
            err = msg_pack_value(&bytes, &payload);
        ev.payload = slice_of(bytes.data, bytes.len);
        if (!err)
            err = event_pack(body, &ev);
        text_clear(&bytes);
    }
    text_clear(&packed);
    return err;
}

void
testhost_flight_enter(struct flight *f, int phase)
{
    static const int of_batch[] = { [PHASE_NONE] = BATCH_NOBODY,
                                    [PHASE_STEP] = BATCH_IN_STEP,
                                    [PHASE_DESTINATION] =
                                        BATCH_AT_DESTINATION };
    batch_enter(f->batch, of_batch[phase], phase ? &f->t->host : NULL);
    f->batch->step = phase == PHASE_STEP ? TESTHOST_STEP : 0;
    atomic_store(&f->phase, phase);
}

static int
order_waits(void *flight, uint32_t i, uint64_t order)
{
    const struct flight *f = flight;
    const struct testhost *t = f->t;
    if (f->batch->events[i].again)
        return 0;
    for (size_t k = 0; k < t->waiting_count; k++)
        if (t->waiting[k] == order)
            return 1;
    return 0;
}

/* What il_intake.order comes to, as a lane takes it. */
static uint64_t
order_of(void *flight, uint32_t i)
{
    const struct flight *f = flight;
    const struct il_template *order = f->t->host.intake.order;
    struct il_value v;
    char digits[24];
    if (!order || template_render(order, f->batch, i, &v))
        return 0;
    if (v.type == IL_STRING || v.type == IL_DECIMAL)
        return v.len ? batch_order(v.str, v.len) : 0;
    if (v.type != IL_INT && v.type != IL_UINT)
        return 0;
    snprintf(digits, sizeof(digits), v.type == IL_INT ? "%" PRId64 : "%" PRIu64,
             v.num.i);
    return batch_order(digits, strlen(digits));
}

struct flight *
testhost_flight_new(struct testhost *t)
{
    struct flight *f = calloc(1, sizeof(*f));
    if (f && !(f->batch = batch_new())) {
        free(f);
        f = NULL;
    }
    if (f) {
        f->t = t;
        f->batch->lane = f;
        f->batch->waits = order_waits;
        f->batch->order = order_of;
    }
    return f;
}

void
testhost_flight_free(struct flight *f)
{
    if (f)
        batch_free(f->batch);
    free(f);
}

int
testhost_event(struct testhost *t, const char *json)
{
    struct il_text body = { 0 };
    struct il_batch *b = t->current->batch;
    int err = testhost_pack(t, json, &body);
    char *frame =
        err ? NULL : arena_alloc(&t->frames, body.len, &t->frame_bytes);
    if (!err && !frame)
        err = -ENOMEM;
    /* A frame outlives the batch's use, also where the batch comes again. */
    if (!err) {
        memcpy(frame, body.data, body.len);
        err = batch_add(b, t->next_position, frame, body.len);
    }
    text_clear(&body);
    if (err)
        return err;
    if (b->count == 1)
        b->id = t->next_position;
    b->last = t->next_position++;
    b->events[b->count - 1].again = t->again;
    t->again = NULL;
    return 0;
}

static const char *
kept(struct testhost *t, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = size ? arena_alloc(&t->frames, size, &t->frame_bytes) : NULL;
    return copy ? memcpy(copy, text, size) : NULL;
}

void
testhost_again(struct testhost *t, const struct il_again *again)
{
    int here = again->stopped == IL_STOPPED_HERE;
    int step = t->host.plugin->desc.kind == IL_STEP;
    t->again = arena_alloc(&t->frames, sizeof(*t->again), &t->frame_bytes);
    if (t->again)
        *t->again = (struct batch_again){ .attempts = again->attempts,
                                          .first_us = again->first_us,
                                          .since_us = again->since_us,
                                          .code = kept(t, again->code),
                                          .message = kept(t, again->message),
                                          .decided = kept(t, again->decided) };
    if (t->again && again->stopped == IL_STOPPED_EARLIER)
        t->again->at = 1;
    else if (t->again && here && step)
        t->again->at = TESTHOST_STEP, t->again->passed = TESTHOST_STEP - 1;
    else if (t->again && again->stopped)
        t->again->passed = BATCH_ALL;
}

void
testhost_replayed(struct testhost *t)
{
    static const struct il_again again = { IL_SIZED(struct il_again) };
    testhost_again(t, &again);
    if (t->again)
        t->again->replayed = 1, t->again->passed = BATCH_ALL;
}

void
testhost_waiting(struct testhost *t, const char *order)
{
    uint64_t *more = NULL;
    if (order
        && (more =
                realloc(t->waiting, (t->waiting_count + 1) * sizeof(*more)))) {
        t->waiting = more;
        t->waiting[t->waiting_count++] = batch_order(order, strlen(order));
    } else if (!order) {
        t->waiting_count = 0;
    }
}

void
testhost_position(struct testhost *t, uint64_t position)
{
    t->next_position = position;
}

void
testhost_origin(struct testhost *t, uint64_t position)
{
    struct first_place *p = malloc(sizeof(*p));
    if (!p)
        return;
    *p = (struct first_place){ t->first_places, t->next_position, position };
    t->first_places = p;
}

void
testhost_spool(struct testhost *t, const uint8_t id[16], uint32_t set_backs)
{
    memcpy(t->spool, id, sizeof(t->spool));
    t->set_backs = set_backs;
}

void
testhost_clear(struct testhost *t)
{
    struct flight *f = t->current;
    testhost_memory_settle(t);
    batch_clear(f->batch);
    batch_stream_begin(f->batch, &t->stream);
    f->passed = 0;
    f->ack = NULL;
}

/* --- process ------------------------------------------------------------- */

/* As a lane does: the events are read again from their frames. */
static int
undo(struct il_batch *b)
{
    uint32_t count = b->count;
    uint64_t id = b->id, last = b->last;
    struct {
        uint64_t position;
        const char *body;
        uint32_t len;
        const struct batch_again *again;
    } * all;
    int err = 0;
    if (!(all = malloc((count + 1) * sizeof(*all))))
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        all[i].position = b->events[i].position;
        all[i].body = b->events[i].body;
        all[i].len = b->events[i].body_len;
        all[i].again = b->events[i].again;
    }
    batch_reset(b);
    for (uint32_t i = 0; i < count && !err; i++) {
        err = batch_add(b, all[i].position, all[i].body, all[i].len);
        if (!err)
            b->events[i].again = all[i].again;
    }
    b->id = id;
    b->last = last;
    free(all);
    return err;
}

int
testhost_process(struct testhost *t)
{
    struct flight *f = t->current;
    if (testhost_memory_begin(t))
        return -ENOMEM;
    testhost_flight_enter(f, PHASE_STEP);
    struct instance_was was = instance_enter(&t->host, "process()");
    int err = t->host.plugin->desc.process(t->host.self, f->batch);
    instance_leave(was);
    testhost_flight_enter(f, PHASE_NONE);
    batch_undo(f->batch, TESTHOST_STEP);
    if (err > 0)
        testhost_violate(t,
                         "process(): returned %d, which is no negative "
                         "errno",
                         err);
    if (err && (undo(f->batch) || testhost_memory_begin(t)))
        return -ENOMEM;
    return err ? err : testhost_told(t, f->batch);
}

/* --- looking at events --------------------------------------------------- */

int
testhost_state(struct testhost *t, uint32_t i)
{
    switch (t->current->batch->events[i].state) {
    case BATCH_LIVE:
        return TESTHOST_KEPT;
    case BATCH_DROPPED:
    case BATCH_ELSEWHERE:
        return TESTHOST_DROPPED;
    case BATCH_DONE:
        return TESTHOST_DONE;
    case BATCH_DEFERRED:
        return TESTHOST_DEFERRED;
    default:
        return TESTHOST_REJECTED;
    }
}

const struct il_reason *
testhost_reason(struct testhost *t, uint32_t i)
{
    return testhost_state(t, i) == TESTHOST_REJECTED
               ? t->current->batch->events[i].reason
               : NULL;
}

const struct il_deferral *
testhost_deferral(struct testhost *t, uint32_t i)
{
    const struct batch_deferral *d = t->current->batch->events[i].deferral;
    if (testhost_state(t, i) != TESTHOST_DEFERRED)
        return NULL;
    t->deferral = (struct il_deferral){
        IL_SIZED(struct il_deferral),
        .flags = d->flags,
        .delay_ms = (uint64_t) d->delay_us / 1000,
        .why = d->why,
        .target = d->target,
        .target_len = d->target ? strlen(d->target) : 0,
        .order_len = d->order != 0,
    };
    return &t->deferral;
}

const char *
testhost_render(struct testhost *t, uint32_t i, int *err)
{
    const struct il_plugin *desc = &t->host.plugin->desc;
    struct il_text *out = &t->shown[SHOW_RENDER];
    struct flight *f = t->current;
    out->len = 0;
    *err = 0;
    if (desc->render) {
        testhost_flight_enter(f, PHASE_DESTINATION);
        struct instance_was was = instance_enter(&t->host, "render()");
        *err = desc->render(t->host.self, f->batch, i, out);
        instance_leave(was);
        testhost_flight_enter(f, PHASE_NONE);
    }
    return text_str(out);
}

const char *
testhost_payload(struct testhost *t, uint32_t i)
{
    struct slice bytes = t->current->batch->events[i].ev.payload;
    const char *p = bytes.ptr;
    struct il_value v;
    if (msg_value(&p, bytes.ptr + bytes.len, &v))
        return NULL;
    return testhost_show(t, SHOW_PAYLOAD, &v);
}

const char *
testhost_attached(struct testhost *t, uint32_t i, const char *kind)
{
    const struct il_kind *k = batch_kind(kind, strlen(kind));
    for (struct entity_link *l = t->current->batch->events[i].entities; l;
         l = l->next)
        if (l->kind == k)
            return testhost_show(t, SHOW_ATTACHED, &l->traits);
    return NULL;
}

static void
flights_free(struct flight *f)
{
    while (f) {
        struct flight *next = f->next;
        testhost_flight_free(f);
        f = next;
    }
}

void
testhost_free_batches(struct testhost *t)
{
    testhost_flight_free(t->current);
    flights_free(t->away);
    flights_free(t->gone);
    while (t->acks) {
        struct il_ack *a = t->acks;
        t->acks = a->next;
        free(a);
    }
    while (t->first_places) {
        struct first_place *p = t->first_places;
        t->first_places = p->next;
        free(p);
    }
    arena_free(&t->frames, &t->frame_bytes);
    free(t->letters);
    free(t->waiting);
}
