/* SPDX-License-Identifier: MIT */
/* The test host: the plugin's life and its surroundings. */
#include <config.h>

#include "private.h"
#include "base/api.h"
#include "codec/json.h"
#include "plugin/enter.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct il_api testhost_plain;
static struct il_api table;

/* The daemon's own functions, and ours before them. */
static void
fill_tables(void)
{
    instance_fill_api(&testhost_plain);
    table = testhost_plain;
    testhost_fill_around(&table);
    testhost_fill_delivery(&table);
    testhost_fill_entities(&table);
    testhost_fill_mirrors(&table);
    testhost_fill_sources(&table);
    testhost_fill_memory(&table);
    testhost_fill_emission(&table);
    testhost_fill_checks(&table);
    testhost_fill_objects(&table);
    api_use(&table);
}

const struct il_api *
testhost_table(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    return &table;
}

struct testhost *
testhost_new(void)
{
    struct testhost *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    testhost_table();
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->conf = conf_new();
    t->current = testhost_flight_new(t);
    t->lane = strdup("test/lane");
    t->next_position = 1;
    memcpy(t->spool, "test host spool", 16);
    if (!t->current || !t->lane) {
        testhost_free(t);
        return NULL;
    }
    return t;
}

/* A thread that was left runs in the plugin's code, which therefore stays for
 * as long as the process does. */
static void
end_loader(struct testhost *t)
{
    static struct loader *left[64];
    static size_t left_count;
    if (!t->threads_left)
        loader_free(t->loader);
    else if (left_count < sizeof(left) / sizeof(left[0]))
        left[left_count++] = t->loader; /* where a leak checker sees it */
    t->loader = NULL;
}

void
testhost_free(struct testhost *t)
{
    if (!t)
        return;
    testhost_stop(t);
    testhost_close(t);
    testhost_fail_alloc(t, 0);
    testhost_free_batches(t);
    testhost_free_entities(t);
    testhost_free_mirrors(t);
    testhost_free_memory(t);
    testhost_free_emission(t);
    testhost_free_sources(t);
    end_loader(t);
    conf_free(t->conf);
    for (size_t i = 0; i < sizeof(t->shown) / sizeof(t->shown[0]); i++)
        text_clear(&t->shown[i]);
    testhost_free_around(t);
    free(t->host.declared.events);
    schema_free(t->schema);
    free(t->lane);
    free(t->dir);
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
testhost_lane(struct testhost *t, const char *lane)
{
    free(t->lane);
    t->lane = strdup(lane);
}

/* --- threads ------------------------------------------------------------- */

/* How long the system may take to forget a thread that was joined. */
#define THREAD_PATIENCE_MS 1000

static _Atomic int hosts_open; /* in this process */

void
testhost_threads(struct thread_set *out)
{
    DIR *tasks = opendir("/proc/self/task");
    out->count = 0;
    for (struct dirent *e; tasks && (e = readdir(tasks));)
        if (*e->d_name != '.' && out->count < THREADS_MAX)
            out->ids[out->count++] = atol(e->d_name);
    if (tasks)
        closedir(tasks);
}

/* One that was not there before; 0: none. */
static long
new_thread(const struct thread_set *before)
{
    struct thread_set now;
    testhost_threads(&now);
    for (size_t i = 0; i < now.count; i++) {
        size_t k = 0;
        while (k < before->count && before->ids[k] != now.ids[i])
            k++;
        if (k == before->count)
            return now.ids[i];
    }
    return 0;
}

/* Does a thread of the plugin run where none may?  Where several test hosts are
 * open it is not known whose it is. */
static void
check_threads(struct testhost *t, const char *after)
{
    char path[64], name[32] = "";
    long id = 0;
    if (atomic_load(&hosts_open) > 1)
        return;
    for (int ms = 0; ms < THREAD_PATIENCE_MS && (id = new_thread(&t->before));
         ms += 10)
        poll(NULL, 0, 10);
    if (!id)
        return;
    snprintf(path, sizeof(path), "/proc/self/task/%ld/comm", id);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(name, sizeof(name), f))
        name[0] = 0;
    if (f)
        fclose(f);
    name[strcspn(name, "\n")] = 0;
    t->threads_left = 1;
    testhost_violate(t, "%s: the thread \"%s\" runs after it", after, name);
}

static void *
end_at_once(void *arg)
{
    return arg;
}

/* ThreadSanitizer has a thread of its own from the moment on that the program
 * starts its first: it is not to look like the plugin's. */
static void
start_checkers_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_at_once, NULL) == 0)
        pthread_join(thread, NULL);
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

/* Once closed, another may be opened: begin anew with what is its own. */
static void
begin_anew(struct testhost *t)
{
    struct schema_events declared = t->host.declared;
    if (!t->host.plugin)
        return;
    t->host = (struct il_host){ .declared = declared };
    atomic_store(&t->cancelled, 0);
    conf_free(t->conf);
    t->conf = conf_new();
    end_loader(t);
    free(t->dir);
    t->dir = NULL;
}

int
testhost_open(struct testhost *t, const char *path, const char *config)
{
    if (atomic_load(&t->life) != LIFE_NONE)
        return -EBUSY; /* one test host, one plugin */
    begin_anew(t);
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
    t->host.api = testhost_table();
    t->host.conf = t->conf;
    t->host.plugin = p;
    t->host.options = options;
    t->host.name = "test";
    t->host.instance = p->desc.name;
    t->host.lane = p->desc.kind == IL_SOURCE ? NULL : t->lane;
    if (conf_errors(t->conf))
        return -EINVAL;
    start_checkers_thread();
    testhost_threads(&t->before);
    atomic_fetch_add(&hosts_open, 1);
    atomic_store(&t->life, LIFE_OPENING);
    t->memory_made = 0;
    int err = instance_open(&t->host);
    atomic_store(&t->life, err ? LIFE_NONE : LIFE_OPEN);
    check_threads(t, "open()");
    if (err) {
        testhost_objects_left(t);
        atomic_fetch_sub(&hosts_open, 1);
    }
    return err;
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
    int64_t now;
    pthread_mutex_lock(&t->lock);
    now = testhost_monotonic_us(t);
    for (struct test_timer *i = t->timers; i; i = i->next)
        i->due_us += now;
    pthread_mutex_unlock(&t->lock);
    atomic_store(&t->life, LIFE_STARTED);
    int err = instance_start(&t->host);
    if (err)
        atomic_store(&t->life, LIFE_OPEN);
    return err;
}

int
testhost_flush(struct testhost *t, uint32_t deadline_ms)
{
    if (!t->host.plugin->desc.flush)
        return 0;
    struct instance_was was = instance_enter(&t->host, "flush()");
    int err = t->host.plugin->desc.flush(t->host.self, deadline_ms);
    instance_leave(was);
    return err;
}

/* A source hears of all that it emitted before it is stopped, and of nothing
 * after that. */
static void
stop_source(struct testhost *t)
{
    atomic_store(&t->cancelled, 1);
    testhost_flush(t, 1000);
    atomic_store(&t->life, LIFE_STOPPING);
    while (atomic_load(&t->emitting))
        poll(NULL, 0, 1);
    testhost_settle_emitted(t, IL_RETRY);
}

void
testhost_stop(struct testhost *t)
{
    if (atomic_load(&t->life) != LIFE_STARTED)
        return;
    if (t->host.plugin->desc.kind == IL_SOURCE && !atomic_load(&t->dead))
        stop_source(t);
    atomic_store(&t->life, LIFE_STOPPING);
    instance_stop(&t->host);
    if (!atomic_load(&t->dead))
        testhost_unsettled(t);
    check_threads(t, "stop()");
    pthread_mutex_lock(&t->lock);
    t->status_text.len = 0;
    pthread_mutex_unlock(&t->lock);
    atomic_store(&t->life, LIFE_OPEN);
}

static void
forget_timers(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->timers) {
        struct test_timer *gone = t->timers;
        t->timers = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&t->lock);
}

void
testhost_close(struct testhost *t)
{
    testhost_stop(t);
    forget_timers(t);
    if (atomic_load(&t->life) != LIFE_OPEN)
        return;
    instance_close(&t->host);
    testhost_objects_left(t);
    atomic_fetch_sub(&hosts_open, 1);
    atomic_store(&t->life, LIFE_NONE);
}

void
testhost_kill(struct testhost *t)
{
    atomic_store(&t->dead, 1);
    atomic_store(&t->cancelled, 1);
    testhost_lose_batches(t);
    testhost_lose_emissions(t);
    testhost_close(t);
    atomic_store(&t->dead, 0);
}

/* --- looking at it ------------------------------------------------------- */

const char *
testhost_show(struct testhost *t, int slot, const struct il_value *v)
{
    struct il_text *out = &t->shown[slot];
    out->len = 0;
    return json_write(out, v, 0) < 0 ? NULL : text_str(out);
}

int
testhost_resume_at(struct testhost *t, struct il_position *p)
{
    p->struct_size = sizeof(*p);
    p->lane = t->lane;
    p->there = UINT64_MAX;
    p->set_backs = t->set_backs;
    memcpy(p->spool, t->spool, sizeof(p->spool));
    if (!t->host.plugin->desc.resume)
        return 0;
    struct instance_was was = instance_enter(&t->host, "resume()");
    uint64_t before = p->position;
    int err = t->host.plugin->desc.resume(t->host.self, p);
    instance_leave(was);
    if (!err && p->position < before && !(p->flags & IL_POSITION_REWIND))
        testhost_violate(t, "resume(): took the position back");
    return err;
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
appended(struct testhost *t,
         int (*fn)(const struct il_host *, struct il_text *), int slot,
         int *err)
{
    struct il_text *out = &t->shown[slot];
    out->len = 0;
    *err = fn ? fn(&t->host, out) : -ENOSYS;
    return *err ? NULL : text_str(out);
}

const char *
testhost_ddl(struct testhost *t, int *err)
{
    return appended(t, t->host.plugin->desc.ddl ? instance_ddl : NULL, SHOW_DDL,
                    err);
}

const char *
testhost_probe(struct testhost *t, int *err)
{
    return appended(t, t->host.plugin->desc.probe ? instance_probe : NULL,
                    SHOW_PROBE, err);
}
