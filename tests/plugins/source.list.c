/* SPDX-License-Identifier: MIT */
/* source.list: a source for tests.  Emits the events of its config, `repeat`
 * times over, from a thread of its own, and comes again while the gate is
 * behind.  Nothing but il_cancelled() ends it before. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct list {
    const struct il_host *host;
    struct il_counter *settled;
    struct il_event *events;
    size_t count;
    int64_t repeat;
    pthread_t thread;
    int running;
};

static const struct il_option event_options[] = {
    { .name = "type",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Event type." },
    { .name = "payload",
      .type = IL_OPT_STRING,
      .def = "{}",
      .help = "Payload, a JSON object." },
    { .name = "id", .type = IL_OPT_STRING, .help = "The event's id." },
    { .name = "timestamp",
      .type = IL_OPT_STRING,
      .help = "The sender's time, RFC 3339." },
    { 0 }
};

static const struct il_option list_options[] = {
    { .name = "events",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST | IL_OPT_REQUIRED,
      .children = event_options,
      .help = "The events to emit." },
    { .name = "repeat",
      .type = IL_OPT_INT,
      .min = 0,
      .max = INT64_MAX,
      .def = "1",
      .help = "How often to emit them." },
    { 0 }
};

static void
list_close(void *self)
{
    struct list *l = self;
    free(l->events);
    free(l);
}

static void
set_text(const char **text, size_t *len, const char *value)
{
    *text = value;
    *len = value ? strlen(value) : 0;
}

static int
list_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct list *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->host = host;
    l->settled =
        il_counter_new(host, "settled", IL_UNIT_NONE, "Calls of settled().");
    l->repeat = il_conf_int(conf, "repeat");
    l->count = il_conf_count(conf, "events");
    l->events = calloc(l->count, sizeof(struct il_event));
    if (!l->events) {
        list_close(l);
        return -ENOMEM;
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct il_conf *g = il_conf_group(conf, "events", i);
        struct il_event *e = &l->events[i];
        e->struct_size = sizeof(*e);
        e->encoding = IL_JSON;
        set_text(&e->type, &e->type_len, il_conf_str(g, "type"));
        set_text(&e->id, &e->id_len, il_conf_str(g, "id"));
        set_text(&e->timestamp, &e->timestamp_len, il_conf_str(g, "timestamp"));
        set_text(&e->payload, &e->payload_len, il_conf_str(g, "payload"));
    }
    *self = l;
    return 0;
}

static void *
list_run(void *arg)
{
    struct list *l = arg;
    for (int64_t round = 0; round < l->repeat && !il_cancelled(l->host);
         round++) {
        int err = -EAGAIN;
        while (err == -EAGAIN && !il_cancelled(l->host)) {
            struct il_emission e = { IL_SIZED(struct il_emission),
                                     .events = l->events, .count = l->count,
                                     .event_size = sizeof(*l->events),
                                     .token = (uint64_t) round };
            err = il_emit(l->host, &e);
            struct timespec pause = { .tv_nsec = 1000000 };
            if (err == -EAGAIN)
                nanosleep(&pause, NULL);
        }
        if (err && err != -EAGAIN)
            il_log(l->host, IL_LOG_WARN, "the gate refuses round %lld: %s",
                   (long long) round, strerror(-err));
    }
    return NULL;
}

static int
list_start(void *self)
{
    struct list *l = self;
    int err = -pthread_create(&l->thread, NULL, list_run, l);
    l->running = !err;
    return err;
}

static void
list_settled(void *self, uint64_t token, int outcome)
{
    struct list *l = self;
    (void) token;
    if (outcome == IL_OK)
        il_counter_add(l->host, l->settled, 1);
}

static void
list_stop(void *self)
{
    struct list *l = self;
    if (l->running)
        pthread_join(l->thread, NULL);
    l->running = 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .threads = IL_PARALLEL,
    .name = "source.list",
    .version = "1.0",
    .summary = "Emit the events of the config, for tests.",
    .options = list_options,
    .open = list_open,
    .start = list_start,
    .settled = list_settled,
    .stop = list_stop,
    .close = list_close,
};
