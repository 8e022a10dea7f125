/* SPDX-License-Identifier: MIT */
/* The test host: what a source emits, and its marks. */
#include <config.h>

#include "private.h"
#include "codec/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the gate takes at once. */
#define EMISSION_MAX 10000
#define MARK_NAME_MAX 128
#define MARK_VALUE_MAX 512

/* --- events as they are shown -------------------------------------------- */

static void
put_member(struct il_text *out, const char *key, const char *text, size_t len)
{
    if (!text)
        return;
    text_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", key);
    json_write_str(out, text, len, 0);
}

static char *
event_as_json(const struct il_event *e)
{
    struct il_text out = { 0 };
    text_putc(&out, '{');
    put_member(&out, "id", e->id, e->id_len);
    put_member(&out, "key", e->key, e->key_len);
    put_member(&out, "type", e->type, e->type_len);
    put_member(&out, "timestamp", e->timestamp, e->timestamp_len);
    if (e->refused) {
        put_member(&out, "refused", e->refused->message,
                   strlen(e->refused->message));
        put_member(&out, "field", e->refused->field,
                   e->refused->field ? strlen(e->refused->field) : 0);
    }
    text_puts(&out, out.len > 1 ? ",\"payload\":" : "\"payload\":");
    if (!e->payload) {
        text_puts(&out, "null");
    } else if (e->encoding == IL_JSON) {
        text_put(&out, e->payload, e->payload_len);
    } else {
        struct il_value v;
        const char *p = e->payload;
        if (msg_value(&p, e->payload + e->payload_len, &v) == 0)
            json_write(&out, &v, 0);
    }
    text_putc(&out, '}');
    char *json = strdup(text_str(&out));
    text_clear(&out);
    return json;
}

/* --- what the gate makes of them ------------------------------------------ */

static const struct il_event *
event_at(const struct il_emission *e, size_t i)
{
    return (const struct il_event *) (const void *) ((const char *) e->events
                                                     + i * e->event_size);
}

static const struct il_mark *
mark_at(const struct il_emission *e, size_t i)
{
    return (const struct il_mark *) (const void *) ((const char *) e->marks
                                                    + i * e->mark_size);
}

/* Is it an object? */
static int
payload_fits(const struct il_event *e)
{
    struct il_text packed = { 0 };
    struct json_error error;
    struct il_value v = { .type = IL_MISSING };
    const char *p = e->payload, *end = p + e->payload_len;
    if (!p)
        return 0;
    if (e->encoding == IL_JSON) {
        if (json_to_msgpack(p, e->payload_len, &packed, &error)) {
            text_clear(&packed);
            return 0;
        }
        p = packed.data;
        end = p + packed.len;
    } else if (e->encoding != IL_MSGPACK || msg_check(p, e->payload_len)) {
        return 0;
    }
    int fits = msg_value(&p, end, &v) == 0 && v.type == IL_MAP;
    text_clear(&packed);
    return fits;
}

/* The event that had this key first; NULL: it is new.  With the lock held. */
static const struct emitted *
first_of(const struct testhost *t, const struct emitted *e)
{
    const struct emitted *first = e->key ? t->emitted : NULL;
    while (first
           && (first == e || first->gone || !first->key
               || strcmp(first->key, e->key) != 0))
        first = first == e ? NULL : first->next;
    return first;
}

/* Append to what was emitted.  The first of them, *err -ENOMEM where not all
 * could be. */
static struct emitted *
record(struct testhost *t, const struct il_emission *all, int *err)
{
    struct emitted *list = NULL, **at = &list;
    *err = 0;
    for (size_t i = 0; i < all->count && !*err; i++) {
        const struct il_event *from = event_at(all, i);
        struct emitted *e = calloc(1, sizeof(*e));
        if (!e) {
            *err = -ENOMEM;
            break;
        }
        e->json = event_as_json(from);
        if (from->id)
            e->id = strndup(from->id, from->id_len);
        if (from->key)
            e->key = strndup(from->key, from->key_len);
        else if (from->id)
            e->key = strdup(e->id);
        *at = e;
        at = &e->next;
    }
    pthread_mutex_lock(&t->lock);
    at = &t->emitted;
    while (*at)
        at = &(*at)->next;
    *at = list;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return list;
}

static void
tell(struct testhost *t, const struct il_emission *all, struct emitted *e)
{
    static const struct il_reason no_object = {
        IL_SIZED(struct il_reason), .code = "bad_payload",
        .message = "the payload is no object"
    };
    char made[48];
    for (size_t i = 0; i < all->count; i++, e = e->next) {
        const struct il_event *from = event_at(all, i);
        struct il_outcome out = { IL_SIZED(struct il_outcome),
                                  .what = IL_ACCEPTED, .why = from->refused };
        if (!out.why && !payload_fits(from))
            out.why = &no_object;
        pthread_mutex_lock(&t->lock);
        const struct emitted *first = out.why ? NULL : first_of(t, e);
        pthread_mutex_unlock(&t->lock);
        out.what = out.why ? IL_REFUSED : first ? IL_DUPLICATE : IL_ACCEPTED;
        out.id = first && first->id ? first->id : e->id;
        if (!out.id && !out.why) {
            snprintf(made, sizeof(made), "evt_emitted_%p", (void *) e);
            out.id = made;
        }
        out.id_len = out.id ? strlen(out.id) : 0;
        if (all->outcome)
            all->outcome(all->arg, i, &out);
    }
}

/* As the gate does, apart from duplicates, which are not known here. */
static void
merge_upserts(struct testhost *t, const struct il_event *e)
{
    const struct il_host *host = &t->host;
    for (size_t i = 0; i < e->upsert_count && !e->refused; i++) {
        const struct il_upsert *u =
            (const struct il_upsert *) (const void *) ((const char *) e->upserts
                                                       + i * e->upsert_size);
        il_entity_put(host, u->kind, u->id, u->id_len, (int) u->encoding,
                      u->traits, u->traits_len, 0);
    }
}

/* --- marks --------------------------------------------------------------- */

static void
mark_free(struct mark *m)
{
    text_clear(&m->value);
    free(m->name);
    free(m);
}

static void
marks_free(struct mark *m)
{
    while (m) {
        struct mark *next = m->next;
        mark_free(m);
        m = next;
    }
}

static struct mark *
mark_new(const char *name, size_t name_len, const void *value, size_t len)
{
    struct mark *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->name = strndup(name, name_len);
    m->forget = !value;
    if (!m->name || (value && text_put(&m->value, value, len))) {
        mark_free(m);
        return NULL;
    }
    return m;
}

/* It is durable now.  Takes m.  With the lock held. */
static void
mark_apply(struct testhost *t, struct mark *m)
{
    struct mark **at = &t->marks;
    m->written_us = testhost_now_us(t);
    while (*at && strcmp((*at)->name, m->name) < 0)
        at = &(*at)->next;
    struct mark *old = *at && strcmp((*at)->name, m->name) == 0 ? *at : NULL;
    if (old) {
        *at = old->next;
        mark_free(old);
    }
    if (m->forget) {
        mark_free(m);
        return;
    }
    m->next = *at;
    *at = m;
}

static int
may_read_marks(struct testhost *t)
{
    if (atomic_load(&t->life) >= LIFE_STARTED)
        return 1;
    testhost_violate(t, "reads a mark before start()");
    return 0;
}

static int
api_mark_get(const struct il_host *h, const char *name, size_t len,
             struct il_text *value)
{
    struct testhost *t = testhost_of(h);
    if (!may_read_marks(t))
        return -EPERM;
    if (testhost_alloc_fails(t))
        return -ENOMEM;
    pthread_mutex_lock(&t->lock);
    struct mark *m = t->marks;
    while (m && (strlen(m->name) != len || memcmp(m->name, name, len) != 0))
        m = m->next;
    value->len = 0;
    int found = m != NULL;
    if (m && testhost_plain.text_reserve(value, m->value.len + 1))
        found = -ENOMEM;
    if (found == 1) {
        if (m->value.len)
            memcpy(value->data, m->value.data, m->value.len);
        value->len = m->value.len;
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

static struct mark *
marks_copy(struct testhost *t)
{
    struct mark *all = NULL, **at = &all;
    pthread_mutex_lock(&t->lock);
    for (const struct mark *m = t->marks; m; m = m->next) {
        *at = mark_new(m->name, strlen(m->name),
                       m->value.data ? m->value.data : "", m->value.len);
        if (!*at)
            break;
        (*at)->written_us = m->written_us;
        at = &(*at)->next;
    }
    pthread_mutex_unlock(&t->lock);
    return all;
}

static int
api_mark_each(const struct il_host *h,
              int (*fn)(void *arg, const struct il_mark *, int64_t written_us),
              void *arg)
{
    struct testhost *t = testhost_of(h);
    int result = 0;
    if (!may_read_marks(t))
        return -EPERM;
    struct mark *all = marks_copy(t);
    for (const struct mark *m = all; m && !result; m = m->next) {
        const struct il_mark one = { IL_SIZED(struct il_mark), .name = m->name,
                                     .name_len = strlen(m->name),
                                     .value = m->value.data,
                                     .value_len = m->value.len };
        result = fn(arg, &one, m->written_us);
    }
    marks_free(all);
    return result;
}

const char *
testhost_mark(struct testhost *t, const char *name)
{
    struct il_text *out = &t->shown[SHOW_MARK];
    pthread_mutex_lock(&t->lock);
    struct mark *m = t->marks;
    while (m && strcmp(m->name, name) != 0)
        m = m->next;
    out->len = 0;
    if (m)
        text_put(out, m->value.data, m->value.len);
    pthread_mutex_unlock(&t->lock);
    return m ? text_str(out) : NULL;
}

void
testhost_mark_set(struct testhost *t, const char *name, const char *value)
{
    struct mark *m = mark_new(name, strlen(name), value, strlen(value));
    pthread_mutex_lock(&t->lock);
    if (m)
        mark_apply(t, m);
    pthread_mutex_unlock(&t->lock);
}

/* --- emitting ------------------------------------------------------------ */

/* What is wrong with the emission itself; NULL: nothing. */
static const char *
wrong(const struct il_emission *e)
{
    if (e->struct_size < sizeof(*e))
        return "an emission without struct_size";
    if (!e->count && !e->mark_count)
        return "an emission with neither events nor marks";
    if (e->count && (!e->events || e->event_size < sizeof(struct il_event)))
        return "an emission whose event_size is wrong";
    if (e->mark_count && (!e->marks || e->mark_size < sizeof(struct il_mark)))
        return "an emission whose mark_size is wrong";
    for (size_t i = 0; i < e->count; i++)
        if (event_at(e, i)->struct_size < sizeof(struct il_event))
            return "an event without struct_size";
    for (size_t i = 0; i < e->mark_count; i++) {
        const struct il_mark *m = mark_at(e, i);
        if (m->struct_size < sizeof(*m))
            return "a mark without struct_size";
        if (!m->name || !m->name_len || m->name_len > MARK_NAME_MAX
            || m->value_len > MARK_VALUE_MAX)
            return "a mark whose name or value has not the size it may have";
    }
    return NULL;
}

/* 0: it may. */
static int
may_emit(struct testhost *t, const struct il_emission *e)
{
    int life = atomic_load(&t->life);
    if (t->host.plugin->desc.kind != IL_SOURCE) {
        testhost_violate(t, "il_emit() by a plugin that is no source");
        return -EPERM;
    }
    if (life < LIFE_STARTED) {
        testhost_violate(t, "il_emit() before start()");
        return -EPERM;
    }
    if (life == LIFE_STOPPING || atomic_load(&t->dead))
        return -ESHUTDOWN;
    const char *why = wrong(e);
    if (why) {
        testhost_violate(t, "il_emit() of %s", why);
        return -EINVAL;
    }
    return e->count + e->mark_count > EMISSION_MAX ? -EMSGSIZE : 0;
}

/* Nothing is taken now: room() is owed. */
static int
no_room(struct testhost *t)
{
    int err = testhost_alloc_fails(t) ? -EAGAIN : 0;
    pthread_mutex_lock(&t->lock);
    if (!err)
        err = t->emit_result;
    t->wants_room |= err == -EAGAIN;
    pthread_mutex_unlock(&t->lock);
    return err;
}

static void
emission_free(struct emission *p)
{
    if (p)
        marks_free(p->marks);
    free(p);
}

static struct emission *
emission_new(const struct il_emission *e)
{
    struct emission *p = calloc(1, sizeof(*p));
    struct mark **at = p ? &p->marks : NULL;
    for (size_t i = 0; p && i < e->mark_count; i++) {
        const struct il_mark *from = mark_at(e, i);
        struct mark *m =
            mark_new(from->name, from->name_len, from->value, from->value_len);
        if (!m) {
            emission_free(p);
            return NULL;
        }
        *at = m;
        at = &m->next;
    }
    if (p) {
        p->token = e->token;
        p->count = e->count;
    }
    return p;
}

static int
emit(struct testhost *t, const struct il_emission *e)
{
    int err = may_emit(t, e);
    if (!err)
        err = no_room(t);
    if (err)
        return err;
    struct emission *p = emission_new(e);
    if (!p)
        return -EAGAIN;
    p->first = record(t, e, &err);
    if (err) {
        emission_free(p);
        return -EAGAIN;
    }
    tell(t, e, p->first);
    for (size_t i = 0; i < e->count; i++)
        merge_upserts(t, event_at(e, i));
    pthread_mutex_lock(&t->lock);
    struct emission **at = &t->pending;
    while (*at)
        at = &(*at)->next;
    *at = p;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return 0;
}

/* stop() waits for who is in here, so that what is taken is settled. */
static int
api_emit(const struct il_host *h, const struct il_emission *e)
{
    struct testhost *t = testhost_of(h);
    atomic_fetch_add(&t->emitting, 1);
    int err = emit(t, e);
    atomic_fetch_sub(&t->emitting, 1);
    return err;
}

/* Durable when the request is answered. */
static void
api_request_emit(struct il_request *r, const struct il_event *events, size_t n,
                 size_t stride)
{
    struct testhost *t = testhost_of_request(r);
    const struct il_emission e = { IL_SIZED(struct il_emission),
                                   .events = events, .count = n,
                                   .event_size = stride };
    int err;
    record(t, &e, &err);
    for (size_t i = 0; i < n; i++)
        merge_upserts(t, event_at(&e, i));
    testhost_accept(r);
}

const char *
testhost_emitted(struct testhost *t, size_t i)
{
    pthread_mutex_lock(&t->lock);
    struct emitted *e = t->emitted;
    for (; e && i; i--)
        e = e->next;
    const char *json = e ? e->json : NULL;
    pthread_mutex_unlock(&t->lock);
    return json;
}

void
testhost_emit_result(struct testhost *t, int err)
{
    pthread_mutex_lock(&t->lock);
    t->emit_result = err;
    pthread_mutex_unlock(&t->lock);
}

int
testhost_room(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    t->emit_result = 0;
    int wants = t->wants_room && atomic_load(&t->life) == LIFE_STARTED;
    t->wants_room = 0;
    pthread_mutex_unlock(&t->lock);
    if (!wants)
        return 0;
    if (t->host.plugin->desc.room)
        instance_room(&t->host);
    return 1;
}

/* --- settling ------------------------------------------------------------ */

int
testhost_settle_next(struct testhost *t, int outcome)
{
    pthread_mutex_lock(&t->lock);
    struct emission *p = t->pending;
    if (!p) {
        pthread_mutex_unlock(&t->lock);
        return 0;
    }
    t->pending = p->next;
    while (outcome == IL_OK && p->marks) {
        struct mark *m = p->marks;
        p->marks = m->next;
        mark_apply(t, m);
    }
    struct emitted *e = p->first;
    for (size_t i = 0; i < p->count && outcome != IL_OK; i++, e = e->next)
        e->gone = 1;
    pthread_mutex_unlock(&t->lock);
    if (t->host.plugin->desc.settled)
        instance_settled(&t->host, p->token, outcome);
    emission_free(p);
    return 1;
}

void
testhost_settle_emitted(struct testhost *t, int outcome)
{
    size_t n = 0;
    pthread_mutex_lock(&t->lock);
    for (const struct emission *p = t->pending; p; p = p->next)
        n++;
    pthread_mutex_unlock(&t->lock);
    /* What comes again meanwhile is another emission. */
    while (n-- && testhost_settle_next(t, outcome))
        continue;
}

void
testhost_lose_emissions(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->pending) {
        struct emission *p = t->pending;
        struct emitted *e = p->first;
        t->pending = p->next;
        for (size_t i = 0; i < p->count; i++, e = e->next)
            e->gone = 1;
        emission_free(p);
    }
    t->wants_room = 0;
    pthread_mutex_unlock(&t->lock);
}

/* --- what steps make ------------------------------------------------------ */

static int
api_derives(const struct il_host *h, const char *type)
{
    struct testhost *t = testhost_of(h);
    if (atomic_load(&t->life) != LIFE_OPENING)
        testhost_violate(t, "il_derives() outside of open()");
    return testhost_alloc_fails(t) ? -ENOMEM : testhost_plain.derives(h, type);
}

static int
is_declared(const struct testhost *t, const struct il_event *e)
{
    for (size_t i = 0; i < t->host.derives_count; i++)
        if (strlen(t->host.derives[i]) == e->type_len
            && !memcmp(t->host.derives[i], e->type, e->type_len))
            return 1;
    return 0;
}

static int
api_derive(struct il_batch *b, uint32_t i, const struct il_event *e)
{
    const struct flight *f = b->lane;
    if (atomic_load(&f->phase) != PHASE_STEP || !batch_in_step(b)) {
        testhost_violate(f->t, "il_derive() outside of process()");
        return -EPERM;
    }
    if (i >= b->count || e->struct_size < sizeof(*e)) {
        testhost_violate(f->t, i >= b->count
                                   ? "il_derive() past the end of the batch"
                                   : "il_derive() without struct_size");
        return -EINVAL;
    }
    if (e->type && !is_declared(f->t, e))
        testhost_violate(f->t,
                         "il_derive() of the type %.*s, which "
                         "il_derives() was not told of",
                         (int) e->type_len, e->type);
    return testhost_alloc_fails(f->t) ? -ENOMEM
                                      : testhost_plain.derive(b, i, e);
}

const char *
testhost_derived(struct testhost *t, size_t n)
{
    const struct il_batch *b = t->current->batch;
    const struct batch_derived *d = b->derived;
    struct il_text *out = &t->shown[SHOW_RENDER];
    for (; d && n; n--)
        d = d->next;
    if (!d)
        return NULL;
    const struct il_event e = { .encoding = IL_MSGPACK,
                                .id = d->name.ptr,
                                .id_len = d->name.len,
                                .type = d->type.ptr,
                                .type_len = d->type.len,
                                .timestamp =
                                    d->timestamp.len ? d->timestamp.ptr : NULL,
                                .timestamp_len = d->timestamp.len,
                                .payload = d->payload.ptr,
                                .payload_len = d->payload.len };
    uint32_t at = 0;
    while (b->events[at].position != d->position)
        at++;
    char *json = event_as_json(&e);
    out->len = 0;
    text_printf(out, "{\"at\":%u,%s", at, json ? json + 1 : "}");
    free(json);
    return text_str(out);
}

void
testhost_fill_emission(struct il_api *api)
{
    api->derives = api_derives;
    api->derive = api_derive;
    api->emit = api_emit;
    api->mark_get = api_mark_get;
    api->mark_each = api_mark_each;
    api->request_emit = api_request_emit;
}

void
testhost_free_emission(struct testhost *t)
{
    testhost_lose_emissions(t);
    marks_free(t->marks);
    while (t->emitted) {
        struct emitted *e = t->emitted;
        t->emitted = e->next;
        free(e->json);
        free(e->key);
        free(e->id);
        free(e);
    }
}
