/* SPDX-License-Identifier: MIT */
/* transform: give events another shape.
 *
 * What a step does is a list of edits that is made in open(), one after the
 * other, in the order of the manual; each sees what those before it left.  An
 * event that cannot get its new shape is a dead letter, never one with half of
 * it: a step's letter holds the event as it was accepted. */
#include <ingestlayer/plugin.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"

#define PATH_TEXT 1100 /* a path of 1 KiB, and what is before it */
#define MESSAGE_TEXT 400

/* --- what a step has ------------------------------------------------------- */

struct rename {
    struct il_field *from_field;
    struct il_place *from, *to;
    const char *from_text, *to_text;
};

struct set {
    struct il_place *place;
    struct il_template *value;
    const char *text;
};

struct keep {
    struct il_field *field;
    struct il_place *place;
    const char *text;
};

struct transform {
    const struct il_host *host;
    struct body body;
    struct rename *renames;
    struct set *sets;
    struct il_place **removes;
    struct keep *keeps;
    size_t rename_count, set_count, remove_count, keep_count;
    struct il_counter *refused;
};

static const struct il_option rename_options[] = {
    { .name = "from",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Path of a field of the payload." },
    { .name = "to",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Path that it gets; what stands there is replaced." },
    IL_OPTIONS_END
};

static const struct il_option set_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Path of the field of the payload that is set." },
    { .name = "value",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Template; a lone reference keeps its type, and where it finds "
              "nothing the field stays as it is." },
    IL_OPTIONS_END
};

static const struct il_option transform_options[] = {
    { .name = "body",
      .type = IL_OPT_STRING,
      .help = "Template of a new payload: a reference to an object, or the "
              "text of a JSON object with {{ ... }} in it." },
    { .name = "rename",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = rename_options,
      .help = "Fields that move, value and all." },
    { .name = "set",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = set_options,
      .help = "Fields that get a value." },
    { .name = "remove",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Paths of fields that go." },
    { .name = "keep",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .help = "Paths of the only fields that stay." },
    IL_OPTIONS_END
};

/* --- open and close -------------------------------------------------------- */

static void
transform_close(void *self)
{
    struct transform *t = self;
    for (size_t i = 0; t->renames && i < t->rename_count; i++) {
        il_field_free(t->host, t->renames[i].from_field);
        il_place_free(t->host, t->renames[i].from);
        il_place_free(t->host, t->renames[i].to);
    }
    for (size_t i = 0; t->sets && i < t->set_count; i++) {
        il_place_free(t->host, t->sets[i].place);
        il_template_free(t->host, t->sets[i].value);
    }
    for (size_t i = 0; t->removes && i < t->remove_count; i++)
        il_place_free(t->host, t->removes[i]);
    for (size_t i = 0; t->keeps && i < t->keep_count; i++) {
        il_field_free(t->host, t->keeps[i].field);
        il_place_free(t->host, t->keeps[i].place);
    }
    free(t->renames);
    free(t->sets);
    free(t->removes);
    free(t->keeps);
    body_close(&t->body);
    free(t);
}

/* Where the path of a place is read; the place was made of it, so it is one. */
static int
field_at(const struct il_host *host, const char *path, struct il_field **out)
{
    char text[PATH_TEXT];
    const char *root = *path == '$'   ? ""
                       : *path == '[' ? "$event.payload"
                                      : "$event.payload.";
    int n = snprintf(text, sizeof text, "%s%s", root, path);
    *out = NULL;
    if (n < 0 || n >= PATH_TEXT)
        return -EINVAL;
    return il_field_parse(host, NULL, NULL, 0, -1, text, (size_t) n, out);
}

static int
open_rename(struct transform *t, const struct il_conf *conf, size_t i)
{
    const struct il_conf *group = il_conf_group(conf, "rename", i);
    struct rename *r = &t->renames[i];
    r->from_text = il_conf_str(group, "from");
    r->to_text = il_conf_str(group, "to");
    int err = il_place_from(t->host, group, "from", &r->from);
    int to = il_place_from(t->host, group, "to", &r->to);
    if (!err && field_at(t->host, r->from_text, &r->from_field))
        err = il_conf_error(group, "from", -1, "this path is too long");
    return err ? err : to;
}

static int
open_set(struct transform *t, const struct il_conf *conf, size_t i)
{
    const struct il_conf *group = il_conf_group(conf, "set", i);
    struct set *s = &t->sets[i];
    s->text = il_conf_str(group, "name");
    int err = il_place_from(t->host, group, "name", &s->place);
    int value = il_template_from(t->host, group, "value", &s->value);
    return err ? err : value;
}

/* An element of an array has no place in an object that begins empty. */
static long
element_in(const char *path)
{
    char quote = 0;
    for (const char *p = path; *p; p++) {
        if (quote && *p == '\\' && p[1])
            p++;
        else if (quote && *p == quote)
            quote = 0;
        else if (!quote && (*p == '"' || *p == '\''))
            quote = *p;
        else if (!quote && *p == '[' && p[1] != '"' && p[1] != '\'')
            return p - path;
    }
    return -1;
}

static int
open_keep(struct transform *t, const struct il_conf *conf, size_t i)
{
    struct keep *k = &t->keeps[i];
    k->text = il_conf_str_at(conf, "keep", i);
    int err = il_place_from_at(t->host, conf, "keep", i, &k->place);
    if (err)
        return err;
    long element = element_in(k->text);
    if (element >= 0)
        return il_conf_error_at(conf, "keep", i, element,
                                "an array is kept as a whole or not at all");
    if (field_at(t->host, k->text, &k->field))
        return il_conf_error_at(conf, "keep", i, -1, "this path is too long");
    return 0;
}

/* Room for what each list has.  0 or -ENOMEM. */
static int
make_room(struct transform *t, const struct il_conf *conf)
{
    t->rename_count = il_conf_count(conf, "rename");
    t->set_count = il_conf_count(conf, "set");
    t->remove_count = il_conf_count(conf, "remove");
    t->keep_count = il_conf_count(conf, "keep");
    t->renames = calloc(t->rename_count + 1, sizeof *t->renames);
    t->sets = calloc(t->set_count + 1, sizeof *t->sets);
    t->removes = calloc(t->remove_count + 1, sizeof *t->removes);
    t->keeps = calloc(t->keep_count + 1, sizeof *t->keeps);
    return t->renames && t->sets && t->removes && t->keeps ? 0 : -ENOMEM;
}

/* All of them, so that all that is wrong is told at once. */
static int
open_edits(struct transform *t, const struct il_conf *conf)
{
    int err = body_open(&t->body, t->host, conf), each;
    for (size_t i = 0; i < t->rename_count; i++)
        if ((each = open_rename(t, conf, i)))
            err = each;
    for (size_t i = 0; i < t->set_count; i++)
        if ((each = open_set(t, conf, i)))
            err = each;
    for (size_t i = 0; i < t->remove_count; i++)
        if ((each =
                 il_place_from_at(t->host, conf, "remove", i, &t->removes[i])))
            err = each;
    for (size_t i = 0; i < t->keep_count; i++)
        if ((each = open_keep(t, conf, i)))
            err = each;
    if (!err && !t->body.template && !t->rename_count && !t->set_count
        && !t->remove_count && !t->keep_count)
        err = il_conf_error(conf, NULL, -1,
                            "it changes nothing: write body, rename, set, "
                            "remove or keep");
    return err;
}

static int
transform_open(const struct il_host *host, const struct il_conf *conf,
               void **self)
{
    struct transform *t = calloc(1, sizeof *t);
    if (!t)
        return il_conf_error(conf, NULL, -1, "out of memory");
    t->host = t->body.host = host;
    t->refused = il_counter_new(host, "transform_refused", IL_UNIT_NONE,
                                "Events that could not get their new shape.");
    int err = make_room(t, conf);
    if (!err)
        err = open_edits(t, conf);
    if (err == -ENOMEM)
        err = il_conf_error(conf, NULL, -1, "out of memory");
    if (err) {
        transform_close(t);
        return err;
    }
    *self = t;
    return 0;
}

/* --- edits ----------------------------------------------------------------- */

static int refuse(const struct transform *, struct il_batch *, uint32_t i,
                  const char *field, const char *fmt, ...) IL_PRINTF(5, 6);

/* It becomes a dead letter.  1: it has left the batch. */
static int
refuse(const struct transform *t, struct il_batch *batch, uint32_t i,
       const char *field, const char *fmt, ...)
{
    char message[MESSAGE_TEXT];
    struct il_reason why = { IL_SIZED(struct il_reason), .code = "transform",
                             .message = message, .field = field };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    il_reject(batch, i, &why);
    il_counter_add(t->host, t->refused, 1);
    return 1;
}

/* A copy that outlives edits of the event.  0 or -ENOMEM. */
static int
own(struct il_batch *batch, struct il_value *v)
{
    if (!v->str || !v->len)
        return 0;
    char *copy = il_batch_alloc(batch, v->len);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, v->str, v->len);
    v->str = copy;
    return 0;
}

/* Write one field.  0, 1: the event is a dead letter, or -ENOMEM. */
static int
put(const struct transform *t, struct il_batch *batch, uint32_t i,
    const struct il_place *place, const char *path, const struct il_value *v)
{
    switch (il_set(batch, i, place, v)) {
    case 0:
        return 0;
    case -ENOTDIR:
        return refuse(t, batch, i, path,
                      "%s cannot be set: what stands on its way is no object "
                      "or array that has it",
                      path);
    case -ERANGE:
        return refuse(t, batch, i, path,
                      "%s cannot be set: the array has no such element, or is "
                      "not there",
                      path);
    case -EINVAL:
        return refuse(t, batch, i, path,
                      "%s cannot be set to a value that no event can hold",
                      path);
    default:
        return -ENOMEM;
    }
}

static int
make_body(struct transform *t, struct il_batch *batch, uint32_t i)
{
    int err = body_make(&t->body, batch, i);
    return err == -EINVAL ? refuse(t, batch, i, "body", "%s", t->body.why)
                          : err;
}

static int
move(const struct transform *t, struct il_batch *batch, uint32_t i,
     const struct rename *r)
{
    struct il_value v;
    if (!il_get(batch, i, r->from_field, &v))
        return 0;
    int err = own(batch, &v);
    if (!err && (err = il_remove(batch, i, r->from)) > 0)
        err = 0;
    return err ? err : put(t, batch, i, r->to, r->to_text, &v);
}

static int
assign(const struct transform *t, struct il_batch *batch, uint32_t i,
       const struct set *s)
{
    struct il_value v;
    int err = il_template_render(s->value, batch, i, &v);
    if (err || v.type == IL_MISSING)
        return err;
    return put(t, batch, i, s->place, s->text, &v);
}

static int
keep_only(const struct transform *t, struct il_batch *batch, uint32_t i)
{
    struct il_value *values =
        il_batch_alloc(batch, t->keep_count * sizeof *values);
    int err = values ? 0 : -ENOMEM;
    for (size_t k = 0; k < t->keep_count && !err; k++)
        if (il_get(batch, i, t->keeps[k].field, &values[k]))
            err = own(batch, &values[k]);
    if (!err)
        err = il_set_payload(batch, i, IL_JSON, "{}", 2);
    for (size_t k = 0; k < t->keep_count && !err; k++)
        if (values[k].type != IL_MISSING)
            err = put(t, batch, i, t->keeps[k].place, t->keeps[k].text,
                      &values[k]);
    return err;
}

/* 0, 1: the event is a dead letter, or a negative errno. */
static int
transform_event(struct transform *t, struct il_batch *batch, uint32_t i)
{
    int err = t->body.template ? make_body(t, batch, i) : 0;
    for (size_t k = 0; k < t->rename_count && !err; k++)
        err = move(t, batch, i, &t->renames[k]);
    for (size_t k = 0; k < t->set_count && !err; k++)
        err = assign(t, batch, i, &t->sets[k]);
    for (size_t k = 0; k < t->remove_count && !err; k++)
        if ((err = il_remove(batch, i, t->removes[k])) > 0)
            err = 0;
    if (t->keep_count && !err)
        err = keep_only(t, batch, i);
    return err;
}

static int
transform_process(void *self, struct il_batch *batch)
{
    struct transform *t = self;
    uint32_t count = il_batch_count(batch);
    int err = 0;
    for (uint32_t i = 0; i < count && err >= 0; i++)
        if (il_live(batch, i))
            err = transform_event(t, batch, i);
    return err < 0 ? err : 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "transform",
    .version = "1.0",
    .summary = "Give events another shape.",
    .options = transform_options,
    .open = transform_open,
    .process = transform_process,
    .close = transform_close,
};
