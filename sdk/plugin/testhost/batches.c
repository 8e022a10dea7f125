/* SPDX-License-Identifier: MIT */
/* The test host: events, batches, entities. */
#include <config.h>

#include "private.h"
#include "base/time.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "store/entity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct testhost *
of_batch(const struct il_batch *b)
{
    return b->lane;
}

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

int
testhost_event(struct testhost *t, const char *json)
{
    struct il_text body = { 0 };
    int err = testhost_pack(t, json, &body);
    /* A frame must outlive the batch's use, and frames may move: the arena of
     * conf holds a copy of each. */
    if (!err) {
        t->batch->lane = t;
        err = batch_add(t->batch, t->next_position,
                        conf_strndup(t->conf, body.data, body.len), body.len);
    }
    text_clear(&body);
    if (err)
        return err;
    if (t->batch->count == 1)
        t->batch->id = t->next_position;
    t->batch->last = t->next_position++;
    return 0;
}

void
testhost_position(struct testhost *t, uint64_t position)
{
    t->next_position = position;
}

void
testhost_clear(struct testhost *t)
{
    batch_clear(t->batch);
}

int
testhost_process(struct testhost *t)
{
    t->batch->lane = t;
    batch_enter(t->batch, BATCH_IN_STEP, &t->host);
    int err = t->host.plugin->desc.process(t->host.self, t->batch);
    batch_enter(t->batch, BATCH_NOBODY, NULL);
    return err;
}

/* --- settling ------------------------------------------------------------ */

static void
api_settle(struct il_ack *ack, int outcome, const char *why)
{
    struct testhost *t = ack->t;
    pthread_mutex_lock(&t->lock);
    batch_enter(t->batch, BATCH_NOBODY, NULL);
    t->settled++;
    t->outcome = outcome;
    snprintf(t->why, sizeof(t->why), "%s", why ? why : "");
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static int
by_position(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* As the host: the letters of this batch are the marked events, and what there
 * is of those that are kept.  With the lock held. */
static void
letters_settle(struct testhost *t, const struct il_batch *b)
{
    size_t n = 0;
    struct letter *now =
        calloc(t->letter_count + b->count + 1, sizeof(*now));
    if (!now)
        return;
    for (size_t k = 0; k < t->letter_count; k++) {
        uint32_t i = 0;
        while (i < b->count && b->events[i].position != t->letters[k].position)
            i++;
        if (i == b->count || b->events[i].kept)
            now[n++] = t->letters[k];
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const struct batch_event *e = &b->events[i];
        if (e->kept || !e->reason)
            continue;
        now[n].position = e->position;
        snprintf(now[n++].code, sizeof(now->code), "%s", e->reason->code);
    }
    qsort(now, n, sizeof(*now), by_position);
    free(t->letters);
    t->letters = now;
    t->letter_count = n;
}

static int
api_prepare(struct il_batch *b)
{
    struct testhost *t = of_batch(b);
    pthread_mutex_lock(&t->lock);
    t->prepared++;
    int err = t->prepare_error;
    if (!err)
        letters_settle(t, b);
    pthread_mutex_unlock(&t->lock);
    return err;
}

const char *
testhost_letters(struct testhost *t)
{
    struct il_text *out = &t->shown[SHOW_LETTERS];
    char one[64];
    out->len = 0;
    for (size_t k = 0; k < t->letter_count; k++) {
        snprintf(one, sizeof(one), "%llu:%s ",
                 (unsigned long long) t->letters[k].position,
                 t->letters[k].code);
        text_put(out, one, strlen(one));
    }
    return text_str(out);
}

int
testhost_write(struct testhost *t, uint32_t timeout_ms)
{
    t->batch->lane = t;
    if (t->batch->sealed)
        batch_rewind(t->batch);
    else
        batch_seal(t->batch);
    pthread_mutex_lock(&t->lock);
    t->settled = 0;
    t->why[0] = 0;
    pthread_mutex_unlock(&t->lock);
    t->ack = (struct il_ack){ &t->api, t };
    batch_enter(t->batch, BATCH_AT_DESTINATION, &t->host);
    int err = t->host.plugin->desc.write(t->host.self, t->batch, &t->ack);
    if (err) {
        batch_enter(t->batch, BATCH_NOBODY, NULL);
        return err;
    }

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long) (timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&t->lock);
    while (!t->settled && !err)
        err = -pthread_cond_timedwait(&t->changed, &t->lock, &until);
    if (t->settled)
        err = t->outcome;
    if (t->settled && err == IL_OK)
        letters_settle(t, t->batch);
    pthread_mutex_unlock(&t->lock);
    return err;
}

const char *
testhost_why(struct testhost *t)
{
    return t->why;
}

int
testhost_settled(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    int n = t->settled;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void
testhost_fail_prepare(struct testhost *t, int err)
{
    pthread_mutex_lock(&t->lock);
    t->prepare_error = err;
    pthread_mutex_unlock(&t->lock);
}

int
testhost_prepared(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    int n = t->prepared;
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* --- looking at events --------------------------------------------------- */

int
testhost_state(struct testhost *t, uint32_t i)
{
    switch (t->batch->events[i].state) {
    case BATCH_LIVE:
        return TESTHOST_KEPT;
    case BATCH_DROPPED:
    case BATCH_ELSEWHERE:
        return TESTHOST_DROPPED;
    default:
        return TESTHOST_REJECTED;
    }
}

const struct il_reason *
testhost_reason(struct testhost *t, uint32_t i)
{
    return testhost_state(t, i) == TESTHOST_REJECTED
               ? t->batch->events[i].reason
               : NULL;
}

const char *
testhost_payload(struct testhost *t, uint32_t i)
{
    struct slice bytes = t->batch->events[i].ev.payload;
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
    for (struct entity_link *l = t->batch->events[i].entities; l; l = l->next)
        if (l->kind == k)
            return testhost_show(t, SHOW_ATTACHED, &l->traits);
    return NULL;
}

/* --- entities ------------------------------------------------------------ */

static struct known_entity *
known(struct testhost *t, const char *kind, const char *id, size_t len)
{
    struct known_entity *e = t->entities;
    while (e
           && (strcmp(e->kind, kind) != 0 || strlen(e->id) != len
               || memcmp(e->id, id, len) != 0))
        e = e->next;
    return e;
}

static int
merge(struct testhost *t, const char *kind, const char *id, size_t len,
      struct slice traits)
{
    struct known_entity *e = known(t, kind, id, len);
    if (!e) {
        e = calloc(1, sizeof(*e));
        if (!e)
            return -ENOMEM;
        e->kind = strdup(kind);
        e->id = strndup(id, len);
        e->next = t->entities;
        t->entities = e;
    }
    struct entity_merge work = { 0 };
    struct il_text out = { 0 };
    int err = entity_merge(&work, slice_of(e->traits.data, e->traits.len),
                           traits, &out);
    entity_merge_clear(&work);
    if (err) {
        text_clear(&out);
        return err;
    }
    text_clear(&e->traits);
    e->traits = out;
    return 0;
}

int
testhost_entity(struct testhost *t, const char *kind, const char *id,
                const char *traits)
{
    struct il_text packed = { 0 };
    struct json_error error;
    int err = json_to_msgpack(traits, strlen(traits), &packed, &error);
    if (!err)
        err = merge(t, kind, id, strlen(id), slice_of(packed.data, packed.len));
    text_clear(&packed);
    return err;
}

static int
view(const struct known_entity *e, struct il_value *traits)
{
    const char *p = e->traits.data;
    return msg_value(&p, e->traits.data + e->traits.len, traits);
}

const char *
testhost_entity_get(struct testhost *t, const char *kind, const char *id)
{
    struct il_value v;
    struct known_entity *e = known(t, kind, id, strlen(id));
    return e && !view(e, &v) ? testhost_show(t, SHOW_ENTITY, &v) : NULL;
}

static int
api_entity_find(struct il_batch *b, const struct il_kind *kind, const char *id,
                size_t len, struct il_value *traits)
{
    struct known_entity *e = known(of_batch(b), kind->name, id, len);
    return e && !view(e, traits);
}

static int
api_entity_put(const struct il_host *h, const struct il_kind *kind,
               const char *id, size_t len, int encoding, const void *traits,
               size_t traits_len, int64_t seen_us)
{
    struct testhost *t = (struct testhost *) (uintptr_t) h;
    struct il_text packed = { 0 };
    struct json_error error;
    int err = encoding == IL_JSON
                  ? json_to_msgpack(traits, traits_len, &packed, &error)
                  : text_put(&packed, traits, traits_len);
    (void) seen_us;
    if (!err) {
        pthread_mutex_lock(&t->lock);
        err = merge(t, kind->name, id, len, slice_of(packed.data, packed.len));
        pthread_mutex_unlock(&t->lock);
    }
    text_clear(&packed);
    return err;
}

void
testhost_fill_batch_api(struct il_api *api)
{
    api->settle = api_settle;
    api->prepare = api_prepare;
    api->entity_find = api_entity_find;
    api->entity_put = api_entity_put;
}

void
testhost_free_batches(struct testhost *t)
{
    batch_free(t->batch);
    free(t->letters);
    while (t->entities) {
        struct known_entity *e = t->entities;
        t->entities = e->next;
        text_clear(&e->traits);
        free(e->kind);
        free(e->id);
        free(e);
    }
}
