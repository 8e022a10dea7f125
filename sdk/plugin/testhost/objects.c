/* SPDX-License-Identifier: MIT */
/* The test host: functions that make things.  Each can be told to find no
 * memory, and what is made is known until it is given back. */
#include <config.h>

#include "private.h"
#include "plugin/enter.h"

#include <errno.h>
#include <stdlib.h>

enum kind { TEXT, FIELD, EXPRESSION, TEMPLATE, PLACE, ROW, KINDS };

static const char *const kind_names[KINDS] = { "text",       "field",
                                               "expression", "template",
                                               "place",      "row" };

struct object {
    struct object *next;
    const void *what;
    struct testhost *t;
    int kind;
};

/* Of all test hosts of the process: what gives a thing back does not say
 * whose it was. */
static pthread_mutex_t objects_lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects[1024];
static atomic_int armed; /* test hosts where an allocation is to fail */

static struct object **
bucket(const void *what)
{
    return &objects[((uintptr_t) what >> 4) % 1024];
}

static void
object_add(struct testhost *t, int kind, const void *what)
{
    struct object *o = what ? malloc(sizeof(*o)) : NULL;
    if (!o)
        return;
    *o = (struct object){ .what = what, .t = t, .kind = kind };
    pthread_mutex_lock(&objects_lock);
    o->next = *bucket(what);
    *bucket(what) = o;
    pthread_mutex_unlock(&objects_lock);
}

static struct testhost *
object_owner(const void *what)
{
    pthread_mutex_lock(&objects_lock);
    struct object *o = *bucket(what);
    while (o && o->what != what)
        o = o->next;
    struct testhost *t = o ? o->t : NULL;
    pthread_mutex_unlock(&objects_lock);
    return t;
}

/* 1: it may be freed. */
static int
object_remove(int kind, const void *what)
{
    const char *callback;
    if (!what)
        return 0;
    pthread_mutex_lock(&objects_lock);
    struct object **at = bucket(what);
    while (*at && ((*at)->what != what || (*at)->kind != kind))
        at = &(*at)->next;
    struct object *o = *at;
    if (o)
        *at = o->next;
    pthread_mutex_unlock(&objects_lock);
    if (!o && instance_current(&callback))
        testhost_violate(testhost_of(instance_current(&callback)),
                         "gives back a %s that it does not have",
                         kind_names[kind]);
    free(o);
    return o != NULL;
}

void
testhost_objects_left(struct testhost *t)
{
    int left[KINDS] = { 0 };
    pthread_mutex_lock(&objects_lock);
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        for (struct object **at = &objects[i], *o; (o = *at);) {
            if (o->t != t) {
                at = &o->next;
                continue;
            }
            left[o->kind]++;
            *at = o->next;
            free(o);
        }
    pthread_mutex_unlock(&objects_lock);
    for (int k = 0; k < KINDS; k++)
        if (left[k])
            testhost_violate(t, "%d %s%s not given back", left[k],
                             kind_names[k], left[k] == 1 ? " is" : "s are");
}

/* --- no memory ----------------------------------------------------------- */

void
testhost_fail_alloc(struct testhost *t, uint64_t n)
{
    uint64_t before = atomic_exchange(&t->fail_in, n);
    atomic_store(&t->failed, 0);
    atomic_fetch_add(&armed, (n != 0) - (before != 0));
}

int
testhost_alloc_failed(struct testhost *t)
{
    return atomic_load(&t->failed);
}

int
testhost_alloc_fails(struct testhost *t)
{
    uint64_t left = t ? atomic_load(&t->fail_in) : 0;
    while (left && !atomic_compare_exchange_weak(&t->fail_in, &left, left - 1))
        ;
    if (left != 1)
        return 0;
    atomic_fetch_sub(&armed, 1);
    atomic_store(&t->failed, 1);
    return 1;
}

/* The same where only a thing is known. */
static int
fails_for(const void *what)
{
    return atomic_load(&armed) && testhost_alloc_fails(object_owner(what));
}

/* --- text ---------------------------------------------------------------- */

static struct il_text *
api_text_new(const struct il_host *h)
{
    struct testhost *t = testhost_of(h);
    struct il_text *text =
        testhost_alloc_fails(t) ? NULL : testhost_plain.text_new(h);
    object_add(t, TEXT, text);
    return text;
}

static int
api_text_reserve(struct il_text *text, size_t more)
{
    return fails_for(text) ? -ENOMEM : testhost_plain.text_reserve(text, more);
}

static void
api_text_free(struct il_text *text)
{
    if (object_remove(TEXT, text))
        testhost_plain.text_free(text);
}

static int
api_read_json(struct il_text *text, const char *json, size_t len,
              struct il_value *out)
{
    return fails_for(text) ? -ENOMEM
                           : testhost_plain.read_json(text, json, len, out);
}

static int64_t
api_write_json(struct il_text *text, const struct il_value *v, uint32_t flags)
{
    return fails_for(text) ? -ENOMEM
                           : testhost_plain.write_json(text, v, flags);
}

static int
api_write_msgpack(struct il_text *text, const struct il_value *v)
{
    return fails_for(text) ? -ENOMEM : testhost_plain.write_msgpack(text, v);
}

/* --- references, expressions, templates, places, rows -------------------- */

static int
api_field_from(const struct il_host *h, const struct il_conf *conf,
               const char *key, size_t i, struct il_field **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.field_from(h, conf, key, i, out);
    object_add(t, FIELD, *out);
    return err;
}

static int
api_field_parse(const struct il_host *h, const struct il_conf *conf,
                const char *key, size_t i, int64_t offset, const char *text,
                size_t len, struct il_field **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.field_parse(h, conf, key, i, offset, text,
                                               len, out);
    object_add(t, FIELD, *out);
    return err;
}

static int
api_field_named(const struct il_host *h, int what, const char *name,
                struct il_field **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.field_named(h, what, name, out);
    object_add(t, FIELD, *out);
    return err;
}

static void
api_field_free(struct il_field *field)
{
    if (object_remove(FIELD, field))
        testhost_plain.field_free(field);
}

static int
api_expr_from(const struct il_host *h, const struct il_conf *conf,
              const char *key, size_t i, struct il_expr **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.expr_from(h, conf, key, i, out);
    object_add(t, EXPRESSION, *out);
    return err;
}

static void
api_expr_free(struct il_expr *expr)
{
    if (object_remove(EXPRESSION, expr))
        testhost_plain.expr_free(expr);
}

static int
api_template_from(const struct il_host *h, const struct il_conf *conf,
                  const char *key, size_t i, struct il_template **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.template_from(h, conf, key, i, out);
    object_add(t, TEMPLATE, *out);
    return err;
}

static void
api_template_free(struct il_template *template)
{
    if (object_remove(TEMPLATE, template))
        testhost_plain.template_free(template);
}

static int
api_place_from(const struct il_host *h, const struct il_conf *conf,
               const char *key, size_t i, struct il_place **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.place_from(h, conf, key, i, out);
    object_add(t, PLACE, *out);
    return err;
}

static int
api_place_parse(const struct il_host *h, const struct il_conf *conf,
                const char *key, size_t i, int64_t offset, const char *text,
                size_t len, struct il_place **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.place_parse(h, conf, key, i, offset, text,
                                               len, out);
    object_add(t, PLACE, *out);
    return err;
}

static int
api_place_named(const struct il_host *h, const char *name,
                struct il_place **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.place_named(h, name, out);
    object_add(t, PLACE, *out);
    return err;
}

static void
api_place_free(struct il_place *place)
{
    if (object_remove(PLACE, place))
        testhost_plain.place_free(place);
}

static int
api_row_new(const struct il_host *h, const struct il_cell *cells, size_t count,
            size_t stride, struct il_row **out)
{
    struct testhost *t = testhost_of(h);
    *out = NULL;
    int err = testhost_alloc_fails(t)
                  ? -ENOMEM
                  : testhost_plain.row_new(h, cells, count, stride, out);
    object_add(t, ROW, *out);
    return err;
}

static void
api_row_free(struct il_row *row)
{
    if (object_remove(ROW, row))
        testhost_plain.row_free(row);
}

static int
api_kind_named(const struct il_host *h, const char *name, struct il_kind **out)
{
    *out = NULL;
    return testhost_alloc_fails(testhost_of(h))
               ? -ENOMEM
               : testhost_plain.kind_named(h, name, out);
}

/* --- what belongs to open() ---------------------------------------------- */

static int
may_open(struct testhost *t, const char *what)
{
    if (atomic_load(&t->life) == LIFE_OPENING)
        return 1;
    testhost_violate(t, "%s after open()", what);
    return 0;
}

static int
api_route_add(const struct il_host *h, const struct il_route *route, void *self)
{
    struct testhost *t = testhost_of(h);
    if (!may_open(t, "adds a route"))
        return -EPERM;
    if (route->struct_size < sizeof(*route)) {
        testhost_violate(t, "adds a route without struct_size");
        return -EINVAL;
    }
    return testhost_alloc_fails(t) ? -ENOMEM
                                   : testhost_plain.route_add(h, route, self);
}

static int
api_sender_from(const struct il_host *h, const struct il_conf *conf,
                const char *secret, struct il_sender **out)
{
    struct testhost *t = testhost_of(h);
    if (!may_open(t, "makes a sender"))
        return -EINVAL;
    return testhost_alloc_fails(t)
               ? -ENOMEM
               : testhost_plain.sender_from(h, conf, secret, out);
}

void
testhost_fill_objects(struct il_api *api)
{
    api->text_new = api_text_new;
    api->text_reserve = api_text_reserve;
    api->text_free = api_text_free;
    api->read_json = api_read_json;
    api->write_json = api_write_json;
    api->write_msgpack = api_write_msgpack;
    api->field_from = api_field_from;
    api->field_parse = api_field_parse;
    api->field_named = api_field_named;
    api->field_free = api_field_free;
    api->expr_from = api_expr_from;
    api->expr_free = api_expr_free;
    api->template_from = api_template_from;
    api->template_free = api_template_free;
    api->place_from = api_place_from;
    api->place_parse = api_place_parse;
    api->place_named = api_place_named;
    api->place_free = api_place_free;
    api->row_new = api_row_new;
    api->row_free = api_row_free;
    api->kind_named = api_kind_named;
    api->route_add = api_route_add;
    api->sender_from = api_sender_from;
}
