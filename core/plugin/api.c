/* SPDX-License-Identifier: MIT */
/* The part of the function table that needs no server and no store. */
#include "instance.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/nearest.h"
#include "base/timers.h"
#include "codec/batch.h"
#include "codec/json.h"
#include "codec/msg_pack.h"
#include "lang/expr.h"
#include "lang/row.h"
#include "lang/template.h"
#include "gate/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the host ------------------------------------------------------------ */

static void
api_log(const struct il_host *h, int level, const char *fmt, va_list ap)
{
    if (level <= IL_LOG_WARN)
        instance_note(h, fmt, ap);
    log_vline(level, h->instance, fmt, ap);
}

static int64_t
api_now_us(const struct il_host *h)
{
    (void) h;
    return clock_wall_us();
}

static int64_t
api_monotonic_us(const struct il_host *h)
{
    (void) h;
    return clock_monotonic_us();
}

static struct il_counter *
api_counter(const struct il_host *h, const char *name, const char *help)
{
    struct il_text full = { 0 }, labels = { 0 };
    struct il_counter *c = NULL;
    if (text_printf(&full, "plugin_%s_total", name) == 0
        && metric_label(&labels, "instance", h->instance) == 0
        && (!h->lane
            || (text_putc(&labels, ',') == 0
                && metric_label(&labels, "lane", h->lane) == 0)))
        c = metric_counter(text_str(&full), text_str(&labels), help);
    text_clear(&full);
    text_clear(&labels);
    return c;
}

/* Before start() the timers wait, so that none runs in a half-open plugin. */
static int
api_timer(const struct il_host *host, uint32_t interval_ms,
          void (*fn)(void *arg), void *arg)
{
    struct il_host *h = (struct il_host *) host; /* the plugin may not write */
    if (h->started && h->timers)
        return timers_add(h->timers, interval_ms, fn, arg, h);
    struct instance_timer *t = malloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct instance_timer){ h->wanted, interval_ms, fn, arg };
    h->wanted = t;
    return 0;
}

static const char *
api_instance(const struct il_host *h)
{
    return h->instance;
}

static const char *
api_name(const struct il_host *h)
{
    return h->name;
}

static const char *
api_lane(const struct il_host *h)
{
    return h->lane;
}

/* As much as the plugin has room for. */
static void
declared_give(struct il_declared *out, const struct il_declared *from)
{
    uint32_t size = out->struct_size;
    struct il_declared full = *from;
    full.struct_size = size < sizeof(full) ? size : sizeof(full);
    memcpy(out, &full, full.struct_size);
}

static int
api_declared(const struct il_host *h, size_t i, struct il_declared *out)
{
    for (size_t e = 0; e < h->declared.count; e++) {
        const struct schema_event *event = h->declared.events[e];
        if (i >= event->object.count) {
            i -= event->object.count;
            continue;
        }
        const struct schema_field *f = &event->object.fields[i];
        declared_give(out, &(struct il_declared){
            .required = f->required && !f->node.nullable,
            .event = event->type,
            .name = f->name,
            .type = schema_type_name(f->node.type),
            .format = schema_format_name(f->node.format) });
        return 0;
    }
    return -ENOENT;
}

static int
api_declared_at(const struct il_host *h, size_t i, const char *reference,
                struct il_declared *out)
{
    struct lang_error error;
    struct schema_place place;
    struct il_field *field;
    if (i >= h->declared.count)
        return -ENOENT;
    int err = ref_parse(reference, strlen(reference), REF_ROOTED, &field,
                        &error);
    if (err)
        return err;
    int what = schema_place(h->declared.events[i], field, &place);
    ref_free(field);
    if (what != SCHEMA_NAMED)
        return -ENODATA;
    declared_give(out, &(struct il_declared){
        .required = (uint32_t) place.required,
        .event = h->declared.events[i]->type,
        .name = reference,
        .type = schema_type_name(place.node->type),
        .format = schema_format_name(place.node->format) });
    return 0;
}

/* Deep: the plugin may have built the route on its stack. */
static int
api_route(const struct il_host *host, const struct il_route *route, void *self)
{
    struct il_host *h = (struct il_host *) host;
    struct il_route full = { 0 };
    memcpy(&full, route,
           route->struct_size < sizeof(full) ? route->struct_size
                                             : sizeof(full));
    if (!full.method || !full.path || !full.handle || *full.path != '/')
        return -EINVAL;
    size_t method = strlen(full.method) + 1, path = strlen(full.path) + 1;
    struct instance_route *r = malloc(sizeof(*r) + method + path);
    if (!r)
        return -ENOMEM;
    *r = (struct instance_route){ .route = full, .self = self };
    char *texts = (char *) (r + 1);
    r->route.struct_size = sizeof(full);
    r->route.method = memcpy(texts, full.method, method);
    r->route.path = memcpy(texts + method, full.path, path);
    struct instance_route **at = &h->routes;
    while (*at)
        at = &(*at)->next;
    *at = r;
    return 0;
}

/* --- references, expressions, templates ---------------------------------- */

/* A reference found in an option's text. */
struct named {
    const struct il_host *host;
    const struct il_conf *conf;
    const char *key;
};

/* The event that has the nearest name for what none declares; what is found is
 * put into text. */
static void
nearest_declared(const struct il_host *h, const struct il_field *field,
                 struct il_text *text)
{
    struct schema_place place;
    for (size_t i = 0; i < h->declared.count && !text->len; i++)
        if (schema_place(h->declared.events[i], field, &place) == SCHEMA_NEVER
            && schema_suggest(field, &place, text))
            conf_give_up();
}

/* Can any event that arrives have what a reference names?  Only where
 * undeclared ones cannot. */
static int
check_declared(void *arg, const struct il_field *field, size_t offset)
{
    const struct named *f = arg;
    const struct il_host *h = f->host;
    struct schema_place place;
    struct il_text path = { 0 }, meant = { 0 };
    if (h->closed == FIELDS_OPEN)
        return 0;
    for (size_t i = 0; i < h->declared.count; i++)
        if (schema_place(h->declared.events[i], field, &place) != SCHEMA_NEVER)
            return 0;
    if (!h->declared.count || ref_path(&path, field, ref_parts(field), NULL))
        return 0;
    nearest_declared(h, field, &meant);
    option_remark(f->conf, f->key, (long) offset, h->closed != FIELDS_CLOSED,
                  "no event that arrives here declares the field \"%s\"%s%s%s",
                  text_str(&path), meant.len ? "; did you mean \"" : "",
                  meant.len ? text_str(&meant) : "", meant.len ? "\"?" : "");
    text_clear(&path);
    text_clear(&meant);
    return h->closed == FIELDS_CLOSED ? -EINVAL : 0;
}

/* Does a step before this instance attach such an entity? */
static int
check_kind(const struct named *f, const struct il_kind *kind, size_t offset)
{
    const struct instance_kinds *k = f->host->kinds;
    const char *names[32];
    if (!k || k->unknown)
        return 0;
    for (size_t i = 0; i < k->count; i++) {
        if (k->kinds[i] == kind)
            return 0;
        names[i] = k->kinds[i]->name;
    }
    const char *meant = nearest_name(kind->name, names, k->count);
    option_remark(f->conf, f->key, (long) offset, 0,
                  "no step before this attaches an entity of the kind "
                  "\"%s\"%s%s%s",
                  kind->name, meant ? "; did you mean \"" : "",
                  meant ? meant : "", meant ? "\"?" : "");
    return -EINVAL;
}

static int
check_reference(void *arg, const struct il_field *field, size_t offset)
{
    const struct il_kind *kind = ref_kind(field);
    return kind ? check_kind(arg, kind, offset)
                : check_declared(arg, field, offset);
}

static int
report(const struct il_conf *conf, const char *key, int err,
       const struct lang_error *error)
{
    if (err == -EINVAL)
        option_error_at(conf, key, (long) error->offset, "%s", error->message);
    else if (err)
        option_error(conf, key, 0, "%s", strerror(-err));
    return err;
}

static int
api_field(const struct il_host *h, const struct il_conf *conf, const char *key,
          struct il_field **out)
{
    struct lang_error error = { 0 };
    const char *text = option_str(conf, key, 0);
    *out = NULL;
    if (!text)
        return 0;
    int err =
        report(conf, key,
               ref_parse(text, strlen(text), REF_ROOTED, out, &error), &error);
    struct named named = { h, conf, key };
    if (!err)
        err = check_reference(&named, *out, 0);
    if (err) {
        ref_free(*out);
        *out = NULL;
    }
    return err;
}

static int
api_field_named(const struct il_host *h, int what, const char *name,
                struct il_field **out)
{
    (void) h;
    return ref_named(what, name, out);
}

static int
api_expr(const struct il_host *h, const struct il_conf *conf, const char *key,
         struct il_expr **out)
{
    struct lang_error error = { 0 };
    const char *text = option_str(conf, key, 0);
    *out = NULL;
    if (!text)
        return 0;
    int err = report(conf, key, expr_compile(text, strlen(text), out, &error),
                     &error);
    struct named named = { h, conf, key };
    if (!err)
        err = expr_fields(*out, check_reference, &named);
    if (err) {
        expr_free(*out);
        *out = NULL;
    }
    return err;
}

int
instance_expr(const struct il_host *h, const struct il_conf *conf,
              const char *key, struct il_expr **out)
{
    return api_expr(h, conf, key, out);
}

static int
api_expr_true(const struct il_expr *expr, struct il_batch *b, uint32_t i)
{
    return expr_true(expr, &b->events[i]);
}

static int
api_template(const struct il_host *h, const struct il_conf *conf,
             const char *key, struct il_template **out)
{
    struct lang_error error = { 0 };
    const char *text = option_str(conf, key, 0);
    *out = NULL;
    if (!text)
        return 0;
    int err = report(conf, key,
                     template_compile(text, strlen(text), out, &error), &error);
    struct named named = { h, conf, key };
    if (!err)
        err = template_fields(*out, check_reference, &named);
    if (err) {
        template_free(*out);
        *out = NULL;
    }
    return err;
}

/* --- batches ------------------------------------------------------------- */

static uint32_t
api_batch_count(const struct il_batch *b)
{
    return b->count;
}

static uint64_t
api_batch_id(const struct il_batch *b)
{
    return b->id;
}

static uint64_t
api_batch_last(const struct il_batch *b)
{
    return b->last;
}

static int
api_live(const struct il_batch *b, uint32_t i)
{
    return batch_live(b, i);
}

static uint64_t
api_position(const struct il_batch *b, uint32_t i)
{
    return b->events[i].position;
}

static int
api_get(struct il_batch *b, uint32_t i, const struct il_field *field,
        struct il_value *out)
{
    return ref_get(field, &b->events[i], out);
}

static int
api_entity_attach(struct il_batch *b, uint32_t i, const struct il_kind *kind,
                  const struct il_value *traits)
{
    return batch_attach(b, i, kind, traits);
}

/* --- values, text -------------------------------------------------------- */

static struct il_text *
api_text_new(const struct il_host *h)
{
    (void) h;
    return text_new();
}

static int
api_read_json(struct il_text *text, const char *json, size_t len,
              struct il_value *out)
{
    struct json_error error;
    text->len = 0;
    int err = json_to_msgpack(json, len, text, &error);
    const char *p = text->data;
    return err ? err : msg_value(&p, text->data + text->len, out);
}

static int
api_write_msgpack(struct il_text *out, const struct il_value *v)
{
    if (v->type == IL_MAP && !v->str)
        return msg_pack_map(out, v->count);
    if (v->type == IL_ARRAY && !v->str)
        return msg_pack_array(out, v->count);
    return msg_pack_value(out, v);
}

static int
api_kind(const struct il_host *h, const char *name, struct il_kind **out)
{
    struct instance_kinds *k = h->kinds;
    *out = batch_kind(name, strlen(name));
    if (k && k->count == sizeof k->kinds / sizeof *k->kinds)
        k->unknown = 1;
    else if (k && *out)
        k->kinds[k->count++] = *out;
    return *out ? 0 : -ENOMEM;
}

static int
api_sender(const struct il_host *host, const struct il_conf *conf,
           const char *secret, struct il_sender **out)
{
    struct il_host *h = (struct il_host *) (uintptr_t) host;
    return gate_sender_open(h->conf, h->name, &h->senders, conf, secret, out);
}

void
instance_fill_api(struct il_api *api)
{
    api->struct_size = sizeof(*api);
    api->abi_major = IL_ABI_MAJOR;
    api->abi_minor = IL_ABI_MINOR;
    api->log = api_log;
    api->now_us = api_now_us;
    api->monotonic_us = api_monotonic_us;
    api->counter = api_counter;
    api->count = metric_add;
    api->timer = api_timer;
    api->instance = api_instance;
    api->lane = api_lane;
    api->declared = api_declared;
    api->declared_at = api_declared_at;
    api->conf_has = option_has;
    api->conf_str = option_str;
    api->conf_int = option_int;
    api->conf_count = option_count;
    api->conf_group = option_group;
    api->conf_error = option_verror;
    api->field = api_field;
    api->field_named = api_field_named;
    api->field_free = ref_free;
    api->expr = api_expr;
    api->expr_true = api_expr_true;
    api->expr_free = expr_free;
    api->template_ = api_template;
    api->template_render = template_render;
    api->template_free = template_free;
    api->batch_count = api_batch_count;
    api->batch_id = api_batch_id;
    api->batch_last = api_batch_last;
    api->live = api_live;
    api->position = api_position;
    api->drop = batch_drop;
    api->reject = batch_reject;
    api->unreject = batch_unreject;
    api->keep = batch_keep;
    api->get = api_get;
    api->set_payload = batch_set_payload;
    api->batch_alloc = batch_alloc;
    api->item = msg_item;
    api->text_new = api_text_new;
    api->text_reserve = text_reserve;
    api->text_free = text_free;
    api->write_json = json_write;
    api->kind = api_kind;
    api->entity_attach = api_entity_attach;
    api->route = api_route;
    api->sender = api_sender;
    api->name = api_name;
    api->read_json = api_read_json;
    api->write_msgpack = api_write_msgpack;
    api->row = row_new;
    api->row_read = row_read;
    api->row_free = row_free;
}
