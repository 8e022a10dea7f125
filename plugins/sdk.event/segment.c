/* SPDX-License-Identifier: MIT */
/* The tracking calls of Segment's and RudderStack's clients, as events. */
#include "event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char success[] = "{\"success\":true}\n";

/* What matters of a message; all else in it is for Segment's own pipeline. */
struct message {
    struct il_value type, event, user_id, anonymous_id, group_id, previous_id,
        id, timestamp, original, properties, traits, context, name, category;
};

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    { "type", offsetof(struct message, type) },
    { "event", offsetof(struct message, event) },
    { "userId", offsetof(struct message, user_id) },
    { "anonymousId", offsetof(struct message, anonymous_id) },
    { "groupId", offsetof(struct message, group_id) },
    { "previousId", offsetof(struct message, previous_id) },
    { "messageId", offsetof(struct message, id) },
    { "timestamp", offsetof(struct message, timestamp) },
    { "originalTimestamp", offsetof(struct message, original) },
    { "properties", offsetof(struct message, properties) },
    { "traits", offsetof(struct message, traits) },
    { "context", offsetof(struct message, context) },
    { "name", offsetof(struct message, name) },
    { "category", offsetof(struct message, category) },
};

enum call { TRACK, IDENTIFY, PAGE, SCREEN, GROUP, ALIAS, CALLS };
static const char *const call_names[CALLS]
    = { "track", "identify", "page", "screen", "group", "alias" };

/* --- reading -------------------------------------------------------------- */

static void
read_message(const struct event *s, const struct il_value *from,
             struct message *m)
{
    struct il_value key, value;
    size_t iter = 0;
    while (il_item(s->host, from, &iter, &key, &value))
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
            if (value.type != IL_NULL && offer_is(&key, fields[i].name))
                memcpy((char *) m + fields[i].offset, &value, sizeof(value));
}

static struct il_value
member(const struct event *s, const struct il_value *map, const char *name)
{
    struct il_value key, value;
    size_t iter = 0;
    while (il_item(s->host, map, &iter, &key, &value))
        if (offer_is(&key, name) && value.type != IL_NULL)
            return value;
    return (struct il_value){ .type = IL_MISSING };
}

/* A problem: a field and what is wrong with it. */
struct flaw {
    const char *field, *rule, *message;
};

/* Ids are text; clients that send numbers mean their digits.  Empty ones are
 * none. */
static int
make_id(struct il_value *v, char digits[24], const char *field,
        struct flaw *flaw)
{
    switch (v->type) {
    case IL_STRING:
    case IL_DECIMAL:
        break;
    case IL_INT:
        v->len = (size_t) snprintf(digits, 24, "%" PRId64, v->num.i);
        v->str = digits;
        break;
    case IL_UINT:
        v->len = (size_t) snprintf(digits, 24, "%" PRIu64, v->num.u);
        v->str = digits;
        break;
    case IL_MISSING:
        return 0;
    default:
        *flaw = (struct flaw){ field, "type", "expected a string" };
        return -EINVAL;
    }
    v->type = v->len ? IL_STRING : IL_MISSING;
    return 0;
}

/* What stands for an empty object: PHP writes [], others an empty text. */
static void
make_object(struct il_value *v)
{
    if (v->type == IL_ARRAY && !v->count)
        v->type = IL_MAP, v->str = NULL;
    else if (v->type == IL_STRING && !v->len)
        v->type = IL_MISSING;
}

/* To RFC 3339, in out; an empty one is none. */
static int
make_time(struct il_value *v, char out[WHEN_MAX], const char *field,
          struct flaw *flaw)
{
    char digits[24];
    if (v->type == IL_STRING && !v->len)
        v->type = IL_MISSING;
    if (v->type == IL_MISSING)
        return 0;
    int err = make_id(v, digits, field, flaw);
    size_t len = err ? 0 : when_read(v->str, v->len, out);
    if (!len) {
        *flaw = (struct flaw){ field, "format",
                               "is no time such as \"2026-01-31T12:00:00Z\" "
                               "or a number of seconds or ms since 1970" };
        return -EINVAL;
    }
    v->type = IL_STRING;
    v->str = out;
    v->len = len;
    return 0;
}

/* Blanks around a name are nothing that somebody meant. */
static void
trim(struct il_value *v)
{
    if (v->type != IL_STRING)
        return;
    for (; v->len && *v->str == ' '; v->str++)
        v->len--;
    while (v->len && v->str[v->len - 1] == ' ')
        v->len--;
}

static int
check_type(const struct il_value *v, uint32_t type, const char *field,
           struct flaw *flaw)
{
    if (v->type == IL_MISSING || v->type == type)
        return 0;
    *flaw = (struct flaw){ field, "type",
                           type == IL_MAP ? "expected an object"
                                          : "expected a string" };
    return -EINVAL;
}

static int
check_required(const struct il_value *v, const char *field, struct flaw *flaw)
{
    if (v->type != IL_MISSING)
        return 0;
    *flaw = (struct flaw){ field, "required", "is required and missing" };
    return -EINVAL;
}

static int
check_message(struct message *m, enum call call, struct offer_event *e,
              struct flaw *flaw)
{
    make_object(&m->properties);
    make_object(&m->traits);
    make_object(&m->context);
    trim(&m->event);
    int err = make_id(&m->user_id, e->ids[0], "userId", flaw);
    if (!err)
        err = make_id(&m->anonymous_id, e->ids[1], "anonymousId", flaw);
    if (!err)
        err = make_id(&m->group_id, e->ids[2], "groupId", flaw);
    if (!err)
        err = make_id(&m->previous_id, e->ids[3], "previousId", flaw);
    if (!err)
        err = make_id(&m->id, e->ids[4], "messageId", flaw);
    if (!err)
        err = make_time(&m->timestamp, e->time, "timestamp", flaw);
    if (!err && m->timestamp.type == IL_MISSING)
        err = make_time(&m->original, e->time, "originalTimestamp", flaw);
    if (!err)
        err = check_type(&m->event, IL_STRING, "event", flaw);
    if (!err)
        err = check_type(&m->properties, IL_MAP, "properties", flaw);
    if (!err)
        err = check_type(&m->traits, IL_MAP, "traits", flaw);
    if (!err)
        err = check_type(&m->context, IL_MAP, "context", flaw);
    if (!err && call == TRACK)
        err = check_required(&m->event, "event", flaw);
    if (!err && call == GROUP)
        err = check_required(&m->group_id, "groupId", flaw);
    if (!err && call == ALIAS)
        err = check_required(&m->previous_id, "previousId", flaw);
    if (!err && (call == ALIAS
                 || (call == IDENTIFY && m->anonymous_id.type == IL_MISSING)))
        err = check_required(&m->user_id, "userId", flaw);
    return err;
}

/* --- making events -------------------------------------------------------- */

static void
make_envelope(const struct message *m, enum call call, struct offer_event *e)
{
    const struct il_value *time = m->timestamp.type == IL_STRING
                                      ? &m->timestamp
                                      : &m->original;
    e->event->type = call == TRACK ? m->event.str : call_names[call];
    e->event->type_len = call == TRACK ? m->event.len
                                       : strlen(call_names[call]);
    if (m->id.type == IL_STRING) {
        e->event->id = m->id.str;
        e->event->id_len = m->id.len;
    }
    if (time->type == IL_STRING) {
        e->event->timestamp = time->str;
        e->event->timestamp_len = time->len;
    }
}

static void
make_payload(struct offer *o, const struct message *m, enum call call,
             struct offer_event *e)
{
    const struct il_value none = { .type = IL_MISSING };
    const int named = call == PAGE || call == SCREEN;
    const int told = call == IDENTIFY || call == GROUP;
    const struct offer_extra extras[] = {
        { "user_id", &m->user_id },
        { "anonymous_id", &m->anonymous_id },
        { "group_id", call == GROUP ? &m->group_id : &none },
        { "previous_id", call == ALIAS ? &m->previous_id : &none },
        { "name", named ? &m->name : &none },
        { "category", named ? &m->category : &none },
        { "traits", told ? &m->traits : &none },
        { "context", &m->context },
    };
    offer_payload(o, e, &m->properties, extras,
                  sizeof(extras) / sizeof(extras[0]));
}

/* That a user belongs to an account is told by group alone. */
static void
make_member(struct offer *o, const struct message *m, struct offer_event *e)
{
    const struct offer_extra account = { "account", &m->group_id };
    offer_upsert_one(o, e, o->source->user, &m->user_id, &account);
}

static void
make_upserts(struct offer *o, const struct message *m, enum call call,
             struct offer_event *e)
{
    const struct event *s = o->source;
    if (call == IDENTIFY && m->user_id.type == IL_STRING)
        offer_upsert(o, e, s->user, &m->user_id, &m->traits);
    if (call != GROUP)
        return;
    offer_upsert(o, e, s->account, &m->group_id, &m->traits);
    if (m->user_id.type == IL_STRING)
        make_member(o, m, e);
}

static void
make_event(struct offer *o, const struct il_value *from, int call,
           const struct il_value *context)
{
    struct offer_event *e = offer_add(o);
    struct message m;
    struct flaw flaw = { "", "type", "expected an object" };
    int err = from->type == IL_MAP ? 0 : -EINVAL;
    memset(&m, 0, sizeof(m));
    e->php = 1;
    m.context = *context;
    if (!err)
        read_message(o->source, from, &m);
    for (int i = 0; i < CALLS && call < 0; i++)
        if (offer_is(&m.type, call_names[i]))
            call = i;
    if (!err && call < 0) {
        flaw = (struct flaw){ "type", "enum",
                              "is none of track, identify, page, screen, "
                              "group and alias" };
        err = -EINVAL;
    }
    if (!err)
        err = check_message(&m, (enum call) call, e, &flaw);
    if (err) {
        offer_refuse(o, e, from, flaw.field, flaw.rule, flaw.message);
        return;
    }
    /* RudderStack's clients may tell them in one place or the other */
    if (call == IDENTIFY && m.traits.type == IL_MISSING) {
        m.traits = member(o->source, &m.context, "traits");
        make_object(&m.traits);
        if (m.traits.type != IL_MAP)
            m.traits.type = IL_MISSING;
    }
    make_envelope(&m, (enum call) call, e);
    make_payload(o, &m, (enum call) call, e);
    make_upserts(o, &m, (enum call) call, e);
}

/* --- requests ------------------------------------------------------------- */

static void
take_all(const struct event *s, struct il_request *req,
         const struct il_value *batch, const struct il_value *context)
{
    struct offer o;
    struct il_value one;
    size_t iter = 0;
    if (offer_too_many(s, req, batch->count))
        return;
    if (offer_begin(&o, s, batch->count)) {
        offer_no_memory(req);
    } else {
        while (il_item(s->host, batch, &iter, NULL, &one))
            make_event(&o, &one, -1, context);
        il_request_receipt(req, 200, success);
        offer_emit(&o, req);
    }
    offer_end(&o);
}

static void
take_batch(const struct event *s, struct il_request *req,
           const struct il_value *body)
{
    struct il_value batch = member(s, body, "batch");
    struct il_value context = member(s, body, "context");
    make_object(&context);
    if (batch.type != IL_ARRAY)
        il_request_refuse(req, 400, "bad_body",
                          "expected {\"batch\":[...]}, an array of messages");
    else if (context.type != IL_MISSING && context.type != IL_MAP)
        il_request_refuse(req, 400, "bad_body",
                          "context: expected an object");
    else
        take_all(s, req, &batch, &context);
}

static void
take_one(const struct event *s, struct il_request *req,
         const struct il_value *body, int call)
{
    const struct il_value none = { .type = IL_MISSING };
    struct offer o;
    if (body->type != IL_MAP) {
        il_request_refuse(req, 400, "bad_body",
                          "expected one message, an object");
        return;
    }
    if (offer_begin(&o, s, 1)) {
        offer_no_memory(req);
    } else {
        make_event(&o, body, call, &none);
        il_request_receipt(req, 200, success);
        offer_emit(&o, req);
    }
    offer_end(&o);
}

/* Read the body, and know who sends it: some clients show their key there
 * alone, as "writeKey".  What strangers send is not kept.  NULL when there is
 * nothing left to do. */
static const struct key *
read_body(const struct event *s, struct il_request *req, struct il_text *text,
          struct il_value *body)
{
    size_t len;
    const struct key *key = event_request_key(s, req);
    if (key)
        return il_request_json(req, text, body) ? NULL : key;
    const char *bytes = il_request_body(req, &len);
    int err = il_read_json(s->host, text, bytes, len, body);
    if (err == -ENOMEM) {
        offer_no_memory(req);
    } else if (err) {
        il_respond_error(req, 401, "unauthorized",
                         "no Authorization header, and no JSON body with a "
                         "\"writeKey\"");
    } else {
        struct il_value shown = member(s, body, "writeKey");
        if (shown.type == IL_STRING)
            key = event_key(s, shown.str, shown.len);
        if (!key)
            il_request_decline(req);
        else if (il_request_sender(req, key->sender))
            key = NULL;
    }
    return key;
}

/* By its name, or by the first letter of it; a slash behind it does not count. */
static int
is_named(const char *name, const char *call)
{
    size_t len = strcspn(name, "/");
    return (len == strlen(call) && !memcmp(name, call, len))
           || (*name == *call && len == 1);
}

void
segment_handle(void *self, struct il_request *req)
{
    struct event *s = self;
    const char *name = strstr(il_request_path(req), "/v1/") + 4;
    struct il_value body;
    struct il_text *text = il_text_new(s->host);
    int call = 0;
    if (!text) {
        offer_no_memory(req);
        return;
    }
    while (call < CALLS && !is_named(name, call_names[call]))
        call++;
    const struct key *key = read_body(s, req, text, &body);
    if (key && call < CALLS)
        take_one(s, req, &body, call);
    else if (key)
        take_batch(s, req, &body);
    il_text_free(s->host, text);
}
