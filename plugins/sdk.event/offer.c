/* SPDX-License-Identifier: MIT */
/* Events in the making: their payloads and what they tell of entities are
 * written one after the other into one text, whose bytes are pointed at once
 * all of them are there. */
#include "event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
offer_is(const struct il_value *v, const char *text)
{
    return v->type == IL_STRING && v->len == strlen(text)
           && !memcmp(v->str, text, v->len);
}

void
offer_no_memory(struct il_request *req)
{
    il_respond_header(req, "Retry-After", "1");
    il_respond_error(req, 503, "no_memory",
                     "there is no memory for this request; send again");
}

int
offer_too_many(const struct event *s, struct il_request *req, size_t n)
{
    if (n <= s->max_events)
        return 0;
    il_request_refuse(req, 413, "too_many_events",
                      "there are %zu events in the body; at most %u are taken "
                      "in one request",
                      n, s->max_events);
    return 1;
}

int
offer_begin(struct offer *o, const struct event *source, size_t capacity)
{
    *o = (struct offer){ .source = source };
    o->events = calloc(capacity ? capacity : 1, sizeof(*o->events));
    o->list = calloc(capacity ? capacity : 1, sizeof(*o->list));
    o->out = il_text_new(source->host);
    return o->events && o->list && o->out ? 0 : -ENOMEM;
}

void
offer_end(struct offer *o)
{
    free(o->events);
    free(o->list);
    if (o->out)
        il_text_free(o->source->host, o->out);
}

struct offer_event *
offer_add(struct offer *o)
{
    struct offer_event *e = &o->events[o->count];
    e->event = &o->list[o->count++];
    e->event->struct_size = sizeof(*e->event);
    e->event->encoding = IL_MSGPACK;
    return e;
}

/* --- writing -------------------------------------------------------------- */

static void
put(struct offer *o, const struct il_value *v)
{
    if (!o->err)
        o->err = il_write_msgpack(o->source->host, o->out, v);
}

static void
put_map(struct offer *o, size_t pairs)
{
    put(o, &(struct il_value){ .type = IL_MAP, .count = (uint32_t) pairs });
}

static void
put_name(struct offer *o, const char *name)
{
    put(o, &(struct il_value){
               .type = IL_STRING, .str = name, .len = strlen(name) });
}

static int
present(const struct il_value *v)
{
    return v && v->type != IL_MISSING && v->type != IL_NULL;
}

/* Is a field of the data one of the extras? */
static int
overridden(const struct il_value *key, const struct offer_extra *const *extras,
           size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (offer_is(key, extras[i]->name))
            return 1;
    return 0;
}

/* Parts of a context and traits that are objects wherever they are written. */
static int
means_object(const struct il_value *key)
{
    static const char *const names[] = { "address",  "app",      "campaign",
                                         "company",  "device",   "library",
                                         "location", "network",  "os",
                                         "page",     "referrer", "screen",
                                         "traits" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (offer_is(key, names[i]))
            return 1;
    return 0;
}

/* PHP writes an empty map as []. */
static void
put_object(struct offer *o, const struct il_value *v)
{
    if (v->type == IL_ARRAY && !v->count)
        put_map(o, 0);
    else
        put(o, v);
}

/* A context or traits: what is an object in them is one level below. */
static void
put_parts(struct offer *o, const struct il_value *map)
{
    const struct il_host *host = o->source->host;
    struct il_value key, value;
    size_t iter = 0;
    put_map(o, map->count);
    while (il_item(host, map, &iter, &key, &value)) {
        put(o, &key);
        if (means_object(&key))
            put_object(o, &value);
        else
            put(o, &value);
    }
}

/* Of an event with type: a field of its payload. */
static void
put_field(struct offer *o, const struct offer_event *e,
          const struct il_value *key, const struct il_value *value)
{
    if (e && e->php && value->type == IL_ARRAY
        && event_is_object(o->source, e->event->type, e->event->type_len, key))
        put_object(o, value);
    else
        put(o, value);
}

/* A map of `more` pairs that follow, after the fields of data that are none of
 * the extras. */
static void
put_fields(struct offer *o, const struct offer_event *e,
           const struct il_value *data, const struct offer_extra *const *extras,
           size_t n, size_t more)
{
    const struct il_host *host = o->source->host;
    size_t iter = 0, pairs = 0;
    struct il_value key, value;
    while (il_item(host, data, &iter, &key, &value))
        pairs += !overridden(&key, extras, n);
    put_map(o, pairs + more);
    for (iter = 0; il_item(host, data, &iter, &key, &value);) {
        if (overridden(&key, extras, n))
            continue;
        put(o, &key);
        put_field(o, e, &key, &value);
    }
}

void
offer_payload(struct offer *o, struct offer_event *e,
              const struct il_value *data, const struct offer_extra *extras,
              size_t n)
{
    const struct offer_extra *added[8] = { 0 };
    size_t adds = 0;
    for (size_t i = 0; i < n && adds < 8; i++)
        if (present(extras[i].value)
            && event_adds(o->source, e->event->type, e->event->type_len,
                          extras[i].name))
            added[adds++] = &extras[i];
    e->payload.at = o->out->len;
    put_fields(o, e, data, added, adds, adds);
    for (size_t i = 0; i < adds; i++) {
        put_name(o, added[i]->name);
        if (e->php && added[i]->value->type == IL_MAP)
            put_parts(o, added[i]->value);
        else
            put(o, added[i]->value);
    }
    e->payload.len = o->out->len - e->payload.at;
}

static void
begin_upsert(struct offer *o, struct offer_event *e,
             const struct il_kind *kind, const struct il_value *id)
{
    size_t i = e->event->upsert_count++;
    e->upserts[i] = (struct il_upsert){ .struct_size = sizeof(*e->upserts),
                                        .encoding = IL_MSGPACK,
                                        .kind = kind,
                                        .id = id->str,
                                        .id_len = id->len };
    e->traits[i].at = o->out->len;
}

static void
end_upsert(const struct offer *o, struct offer_event *e)
{
    struct offer_bytes *traits = &e->traits[e->event->upsert_count - 1];
    traits->len = o->out->len - traits->at;
}

void
offer_upsert(struct offer *o, struct offer_event *e,
             const struct il_kind *kind, const struct il_value *id,
             const struct il_value *traits)
{
    begin_upsert(o, e, kind, id);
    if (traits->type == IL_MAP && e->php)
        put_parts(o, traits);
    else if (traits->type == IL_MAP)
        put(o, traits);
    else
        put_map(o, 0);
    end_upsert(o, e);
}

void
offer_upsert_one(struct offer *o, struct offer_event *e,
                 const struct il_kind *kind, const struct il_value *id,
                 const struct offer_extra *trait)
{
    begin_upsert(o, e, kind, id);
    put_map(o, 1);
    put_name(o, trait->name);
    put(o, trait->value);
    end_upsert(o, e);
}

void
offer_refuse(struct offer *o, struct offer_event *e,
             const struct il_value *as_it_came, const char *field,
             const char *rule, const char *message)
{
    e->why =
        (struct il_reason){ IL_SIZED(struct il_reason), .code = "invalid_event",
                            .message = message, .field = field, .rule = rule };
    /* but not the key that Segment's clients put there */
    const struct il_value none = { .type = IL_NULL };
    const struct offer_extra key = { "writeKey", &none };
    e->payload.at = o->out->len;
    if (as_it_came->type == IL_MAP)
        put_fields(o, NULL, as_it_came, &(const struct offer_extra *){ &key },
                   1, 0);
    else
        put(o, as_it_came);
    e->payload.len = o->out->len - e->payload.at;
}

/* --- offering ------------------------------------------------------------- */

static void
point(const struct offer *o, struct offer_event *e)
{
    e->event->payload = o->out->data + e->payload.at;
    e->event->payload_len = e->payload.len;
    e->event->upserts = e->upserts;
    e->event->upsert_size = sizeof(*e->upserts);
    for (size_t i = 0; i < e->event->upsert_count; i++) {
        e->upserts[i].traits = o->out->data + e->traits[i].at;
        e->upserts[i].traits_len = e->traits[i].len;
    }
    if (e->why.code)
        e->event->refused = &e->why;
}

void
offer_emit(struct offer *o, struct il_request *req)
{
    if (o->err) {
        offer_no_memory(req);
        return;
    }
    for (size_t i = 0; i < o->count; i++)
        point(o, &o->events[i]);
    il_request_emit(req, o->list, o->count);
}
