/* SPDX-License-Identifier: MIT */
/* The function table: options, and what is made of their texts. */
#include "private.h"

#include "instance.h"
#include "base/nearest.h"
#include "lang/expr.h"
#include "lang/row.h"
#include "lang/template.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static int
api_conf_error_text(const struct il_conf *conf, const char *key, size_t i,
                    int64_t offset, const char *text, size_t len)
{
    int shown = len < INT_MAX ? (int) len : INT_MAX;
    return option_error_at(conf, key, i, (long) offset, "%.*s", shown, text);
}

/* --- what is declared ---------------------------------------------------- */

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
api_declared_field(const struct il_host *h, size_t i, struct il_declared *out)
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
    int err =
        ref_parse(reference, strlen(reference), REF_ROOTED, &field, &error);
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

/* --- references, expressions, templates ---------------------------------- */

/* A reference found in an option's text. */
struct named {
    const struct il_host *host;
    const struct il_conf *conf;
    const char *key;
    size_t i;       /* element of a list */
    int64_t offset; /* where its text begins in the option's; -1: not there */
};

/* A place in the text, as a place in that of the option. */
static long
place_of(const struct named *f, size_t offset)
{
    return f->offset < 0 ? -1 : (long) f->offset + (long) offset;
}

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
    if (!h->declared.count || !f->conf)
        return h->closed == FIELDS_CLOSED && h->declared.count ? -EINVAL : 0;
    if (ref_path(&path, field, ref_parts(field), NULL))
        return 0; /* no memory: as if it were declared */
    nearest_declared(h, field, &meant);
    option_remark(f->conf, f->key, f->i, place_of(f, offset),
                  h->closed != FIELDS_CLOSED,
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
    const size_t step = strlen(REF_STEP);
    const int of_step = !strncmp(kind->name, REF_STEP, step);
    size_t n = 0;
    if (!k || k->unknown)
        return 0;
    for (size_t i = 0; i < k->count; i++) {
        if (k->kinds[i] == kind)
            return 0;
        if (of_step == !strncmp(k->kinds[i]->name, REF_STEP, step))
            names[n++] = k->kinds[i]->name + (of_step ? step : 0);
    }
    const char *name = kind->name + (of_step ? step : 0);
    const char *meant = nearest_name(name, names, n);
    if (!f->conf)
        return -EINVAL;
    option_remark(f->conf, f->key, f->i, place_of(f, offset), 0,
                  "no step before this %s \"%s\"%s%s%s",
                  of_step ? "has results and is called"
                          : "attaches an entity of the kind",
                  name, meant ? "; did you mean \"" : "", meant ? meant : "",
                  meant ? "\"?" : "");
    return -EINVAL;
}

static int
check_reference(void *arg, const struct il_field *field, size_t offset)
{
    const struct il_kind *kind = ref_kind(field);
    return kind ? check_kind(arg, kind, offset)
                : check_declared(arg, field, offset);
}

/* Can a value of the declared type be equal to one of these? */
static int
type_fits(int declared, unsigned types)
{
    const unsigned always = EXPR_BESIDE_ANY | 1u << IL_NULL;
    switch (declared) {
    case SCHEMA_STRING:
    case SCHEMA_TIMESTAMP:
        return (types & (always | 1u << IL_STRING | 1u << IL_TIME)) != 0;
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER:
        return (types & (always | 1u << IL_INT)) != 0;
    case SCHEMA_BOOLEAN:
        return (types & (always | 1u << IL_BOOL)) != 0;
    default:
        return (types & always) != 0;
    }
}

/* Does a comparison ever depend on the event, by what is declared? */
static int
check_compared(void *arg, const struct il_field *field, size_t offset,
               unsigned types)
{
    const struct named *f = arg;
    const struct il_host *h = f->host;
    struct schema_place place, named = { 0 };
    struct il_text path = { 0 };
    if (h->closed == FIELDS_OPEN || ref_kind(field) || !f->conf)
        return 0;
    for (size_t i = 0; i < h->declared.count; i++) {
        int what = schema_place(h->declared.events[i], field, &place);
        if (what == SCHEMA_FREE
            || (what == SCHEMA_NAMED && type_fits(place.node->type, types)))
            return 0;
        if (what == SCHEMA_NAMED)
            named = place;
    }
    if (!named.node || ref_path(&path, field, ref_parts(field), NULL))
        return 0; /* said before; or no memory */
    option_remark(f->conf, f->key, f->i, place_of(f, offset), 1,
                  "\"%s\" is declared as \"%s\", which is never equal to, "
                  "less or greater than what it is compared with here: this "
                  "is the same for every event",
                  text_str(&path), schema_type_name(named.node->type));
    text_clear(&path);
    return 0;
}

static int
report(const struct il_conf *conf, const char *key, size_t i, int err,
       const struct lang_error *error)
{
    if (err == -EINVAL)
        option_error_at(conf, key, i, (long) error->offset, "%s",
                        error->message);
    else if (err)
        option_error(conf, key, i, "%s", strerror(-err));
    return err;
}

static int
api_field_from(const struct il_host *h, const struct il_conf *conf,
               const char *key, size_t i, struct il_field **out)
{
    struct lang_error error = { 0 };
    const char *text = option_str(conf, key, i);
    *out = NULL;
    if (!text)
        return 0;
    int err =
        report(conf, key, i,
               ref_parse(text, strlen(text), REF_ROOTED, out, &error), &error);
    struct named named = { h, conf, key, i, 0 };
    if (!err)
        err = check_reference(&named, *out, 0);
    if (err) {
        ref_free(*out);
        *out = NULL;
    }
    return err;
}

static int
api_field_parse(const struct il_host *h, const struct il_conf *conf,
                const char *key, size_t i, int64_t offset, const char *text,
                size_t len, struct il_field **out)
{
    struct lang_error error = { 0 };
    const struct named named = { h, conf, key, i, offset };
    *out = NULL;
    int err = ref_parse(text, len, REF_ROOTED, out, &error);
    if (err == -EINVAL && conf && offset >= 0)
        option_error_at(conf, key, i, place_of(&named, error.offset), "%s",
                        error.message);
    else if (err == -EINVAL && conf)
        option_error(conf, key, i, "\"%.*s\": %s (byte %zu)",
                     len < 200 ? (int) len : 200, text, error.message,
                     error.offset);
    if (!err)
        err = check_reference((void *) &named, *out, 0);
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
api_expr_from(const struct il_host *h, const struct il_conf *conf,
              const char *key, size_t i, struct il_expr **out)
{
    struct lang_error error = { 0 };
    const char *text = option_str(conf, key, i);
    *out = NULL;
    if (!text)
        return 0;
    int err = report(conf, key, i,
                     expr_compile(text, strlen(text), out, &error), &error);
    struct named named = { h, conf, key, i, 0 };
    if (!err)
        err = expr_fields(*out, check_reference, &named);
    if (!err)
        err = expr_compared(*out, check_compared, &named);
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
    return api_expr_from(h, conf, key, 0, out);
}

/* A reference that lacks its '$' is a text like any other, and every row has
 * it. */
static void
remark_bare(const struct il_conf *conf, const char *key, size_t i,
            const char *text)
{
    if (strchr(text, '$')
        || (strncmp(text, "event.", 6) && strncmp(text, "entity.", 7)))
        return;
    option_remark(conf, key, i, 0, 1,
                  "there is no reference in it, so all get this text; write "
                  "$%s for the field",
                  text);
}

static int
api_template_from(const struct il_host *h, const struct il_conf *conf,
                  const char *key, size_t i, struct il_template **out)
{
    struct lang_error error = { 0 };
    const char *text = option_str(conf, key, i);
    *out = NULL;
    if (!text)
        return 0;
    int err = report(conf, key, i,
                     template_compile(text, strlen(text), out, &error), &error);
    struct named named = { h, conf, key, i, 0 };
    if (!err)
        err = template_fields(*out, check_reference, &named);
    if (!err)
        remark_bare(conf, key, i, text);
    if (err) {
        template_free(*out);
        *out = NULL;
    }
    return err;
}

void
plugin_fill_conf_api(struct il_api *api)
{
    api->conf_has = option_has;
    api->conf_count = option_count;
    api->conf_str = option_str;
    api->conf_int = option_int;
    api->conf_number = option_number;
    api->conf_group = option_group;
    api->conf_error_text = api_conf_error_text;
    api->declared_field = api_declared_field;
    api->declared_at = api_declared_at;
    api->field_from = api_field_from;
    api->field_parse = api_field_parse;
    api->field_named = api_field_named;
    api->field_free = ref_free;
    api->expr_from = api_expr_from;
    api->expr_free = expr_free;
    api->template_from = api_template_from;
    api->template_free = template_free;
    api->row_new = row_new;
    api->row_free = row_free;
}
