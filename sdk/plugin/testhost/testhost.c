/* SPDX-License-Identifier: MIT */
/* The test host: the plugin's life and its surroundings. */
#include <config.h>

#include "private.h"
#include "base/api.h"
#include "codec/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct testhost *
of(const struct il_host *h)
{
    return (struct testhost *) (uintptr_t) h;
}

/* All of it is kept. */
static int
api_log_level(const struct il_host *h)
{
    (void) h;
    return IL_LOG_DEBUG;
}

static void
api_log_text(const struct il_host *h, int level, const char *text, size_t len)
{
    static const char *const names[] = { "?", "error", "warn", "info",
                                         "debug" };
    struct testhost *t = of(h);
    pthread_mutex_lock(&t->lock);
    text_printf(&t->log, "%s: ", names[level >= 1 && level <= 4 ? level : 0]);
    text_put(&t->log, text, len);
    text_putc(&t->log, '\n');
    pthread_mutex_unlock(&t->lock);
}

static int64_t
api_now_us(const struct il_host *h)
{
    struct testhost *t = of(h);
    pthread_mutex_lock(&t->lock);
    int64_t us = t->clock_us;
    pthread_mutex_unlock(&t->lock);
    return us ? us : t->api.monotonic_us(h) + INT64_C(1700000000000000);
}

/* Nobody measures it here, and a plugin's tests link no GnuTLS. */
static int
api_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (!a_len || memcmp(a, b, a_len) == 0);
}

struct testhost *
testhost_new(void)
{
    struct testhost *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    instance_fill_api(&t->api);
    t->api.log_level = api_log_level;
    t->api.log_text = api_log_text;
    t->api.equal = api_equal;
    t->api.now_us = api_now_us;
    testhost_fill_batch_api(&t->api);
    testhost_fill_source_api(&t->api);
    api_use(&t->api);
    t->conf = conf_new();
    t->batch = batch_new();
    t->lane = strdup("test/lane");
    t->next_position = 1;
    if (!t->batch || !t->lane) {
        testhost_free(t);
        return NULL;
    }
    return t;
}

void
testhost_free(struct testhost *t)
{
    if (!t)
        return;
    testhost_stop(t);
    testhost_close(t);
    testhost_free_batches(t);
    testhost_free_sources(t);
    loader_free(t->loader);
    conf_free(t->conf);
    for (size_t i = 0; i < sizeof(t->shown) / sizeof(t->shown[0]); i++)
        text_clear(&t->shown[i]);
    text_clear(&t->log);
    free(t->host.declared.events);
    schema_free(t->schema);
    free(t->lane);
    free(t->dir);
    free(t->instance);
    free(t->findings);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* The declaration of an event type, new where there is none.  NULL: no
 * memory. */
static struct schema_event *
declaration(struct testhost *t, const char *type)
{
    struct schema_event *event;
    if (!t->schema && !(t->schema = schema_new()))
        return NULL;
    event = (struct schema_event *) schema_find(
        t->schema, slice_of(type, strlen(type)));
    if (event)
        return event;
    const size_t n = t->host.declared.count;
    const struct schema_event **more
        = realloc(t->host.declared.events, (n + 1) * sizeof(*more));
    if (!more)
        return NULL;
    t->host.declared.events = more;
    if (schema_add_event(t->schema, type, 0, &event))
        return NULL;
    more[t->host.declared.count++] = event;
    return event;
}

int
testhost_declare(struct testhost *t, const char *event, const char *field,
                 const char *type, int required)
{
    struct schema_event *to = declaration(t, event);
    struct schema_node *node;
    int known = schema_type_parse(type), format = schema_format_parse(type);
    if (!to)
        return -ENOMEM;
    if (!known && format <= 0)
        return -EINVAL;
    int err = schema_add_field(&to->object, field, known ? known : SCHEMA_STRING,
                               required, &node);
    if (!err && !known)
        node->format = (uint8_t) format;
    return err;
}

void
testhost_clock(struct testhost *t, int64_t us)
{
    pthread_mutex_lock(&t->lock);
    t->clock_us = us;
    pthread_mutex_unlock(&t->lock);
}

void
testhost_lane(struct testhost *t, const char *lane)
{
    free(t->lane);
    t->lane = strdup(lane);
}

/* --- life ---------------------------------------------------------------- */

static const struct plugin *
load(struct testhost *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    size_t len = strlen(file);
    char *name = strndup(file, len > 3 ? len - 3 : 0);
    t->dir = slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
    const char *dirs[] = { t->dir };
    t->loader = loader_new(dirs, 1);
    struct il_text why = { 0 };
    const struct plugin *p =
        name && t->loader ? loader_get(t->loader, name, 0, &why) : NULL;
    if (!p) {
        struct conf_finding at = { .offset = -1 };
        conf_add(t->conf, &at, "%s", text_str(&why));
    }
    text_clear(&why);
    free(name);
    return p;
}

int
testhost_open(struct testhost *t, const char *path, const char *config)
{
    if (t->host.plugin)
        return -EBUSY; /* one test host, one plugin */
    if (conf_load_text(t->conf, "test", ".", config, strlen(config)))
        return -EINVAL;
    const struct plugin *p = load(t, path);
    if (!p)
        return -EINVAL;
    struct config_setting_t *root = conf_root(t->conf, 0);
    const struct il_conf *options =
        option_read_group(&(struct option_read){ .conf = t->conf,
                                                 .where = p->desc.name,
                                                 .groups = &root,
                                                 .group_count = 1,
                                                 .tables = &p->options,
                                                 .table_count = 1 });
    t->host.api = &t->api;
    t->host.conf = t->conf;
    t->host.plugin = p;
    t->host.options = options;
    t->host.name = "test";
    t->host.instance = p->desc.name;
    t->host.lane = p->desc.kind == IL_SOURCE ? NULL : t->lane;
    if (conf_errors(t->conf))
        return -EINVAL;
    return instance_open(&t->host);
}

const char *
testhost_findings(struct testhost *t)
{
    size_t size = 0;
    free(t->findings);
    t->findings = NULL;
    FILE *f = open_memstream(&t->findings, &size);
    if (!f)
        return "";
    conf_print(t->conf, f);
    fclose(f);
    return t->findings;
}

int
testhost_start(struct testhost *t)
{
    return instance_start(&t->host);
}

int
testhost_flush(struct testhost *t, uint32_t deadline_ms)
{
    return t->host.plugin->desc.flush
               ? t->host.plugin->desc.flush(t->host.self, deadline_ms)
               : 0;
}

void
testhost_stop(struct testhost *t)
{
    instance_stop(&t->host);
}

void
testhost_close(struct testhost *t)
{
    instance_close(&t->host);
}

/* --- looking at it ------------------------------------------------------- */

const char *
testhost_show(struct testhost *t, int slot, const struct il_value *v)
{
    struct il_text *out = &t->shown[slot];
    out->len = 0;
    return json_write(out, v, 0) < 0 ? NULL : text_str(out);
}

uint64_t
testhost_counter(struct testhost *t, const char *name)
{
    int64_t value = 0;
    instance_metric(&t->host, name, 0, &value);
    return (uint64_t) value;
}

const char *
testhost_log(struct testhost *t)
{
    struct il_text *out = &t->shown[SHOW_LOG];
    out->len = 0;
    pthread_mutex_lock(&t->lock);
    text_put(out, t->log.data, t->log.len);
    pthread_mutex_unlock(&t->lock);
    return text_str(out);
}

void
testhost_tick(struct testhost *t)
{
    for (struct instance_timer *w = t->host.wanted; w; w = w->next)
        if (!w->once)
            w->fn(w->arg);
}

int
testhost_resume_at(struct testhost *t, struct il_position *p)
{
    p->struct_size = sizeof(*p);
    p->lane = t->lane;
    p->there = UINT64_MAX;
    memcpy(p->spool, "test host spool", 16);
    if (!t->host.plugin->desc.resume)
        return 0;
    return t->host.plugin->desc.resume(t->host.self, p);
}

int
testhost_resume(struct testhost *t, uint64_t *position)
{
    struct il_position p = { .position = *position };
    int err = testhost_resume_at(t, &p);
    *position = p.position;
    return err;
}

static const char *
appended(struct testhost *t, int (*fn)(void *self, struct il_text *), int slot,
         int *err)
{
    struct il_text *out = &t->shown[slot];
    out->len = 0;
    *err = fn ? fn(t->host.self, out) : -ENOSYS;
    return *err ? NULL : text_str(out);
}

const char *
testhost_ddl(struct testhost *t, int *err)
{
    return appended(t, t->host.plugin->desc.ddl, SHOW_DDL, err);
}

const char *
testhost_probe(struct testhost *t, int *err)
{
    return appended(t, t->host.plugin->desc.probe, SHOW_PROBE, err);
}
