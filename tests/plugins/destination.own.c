/* SPDX-License-Identifier: MIT */
/* destination.own: a destination for tests, with options that the host has too,
 * and all that an instance has of its surroundings: a folder, a status, timers,
 * a gauge. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct own {
    const struct il_host *host;
    const struct il_conf *conf;
    struct il_field *payload;
    struct il_text *text;
    struct il_gauge *written;
    FILE *out;
    int64_t count;
};

static const struct il_option own_options[] = {
    { .name = "when",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 9,
      .help = "A number, called as an option of the host is." },
    { .name = "batch",
      .type = IL_OPT_STRING,
      .def = "none",
      .help = "A text, called as an option of the host is." },
    { .name = "price", .type = IL_OPT_NUMBER, .help = "A number." },
    { .name = "patient",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Work on a batch until it is cancelled." },
    IL_OPTIONS_END
};

static void
own_close(void *self)
{
    struct own *o = self;
    il_field_free(o->host, o->payload);
    il_text_free(o->host, o->text);
    free(o);
}

static int
own_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    const char *folder;
    struct own *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->host = host;
    o->conf = conf;
    o->text = il_text_new(host);
    o->written = il_gauge_new(host, "written", IL_UNIT_NONE, "Rows written.");
    if (il_state_dir(host, &folder) != -EPERM)
        il_log(host, IL_LOG_ERROR, "there is a folder before start");
    if (!o->text
        || il_field_named(host, IL_FIELD_ANY, "payload", &o->payload)) {
        own_close(o);
        return -ENOMEM;
    }
    *self = o;
    return 0;
}

/* What its options are, and what it has written, in its folder. */
static int
own_start(void *self)
{
    struct own *o = self;
    const char *folder, *price = il_conf_number(o->conf, "price");
    char path[4200];
    int err = il_state_dir(o->host, &folder);
    if (err)
        return err;
    snprintf(path, sizeof(path), "%s/out", folder);
    o->out = fopen(path, "ae");
    if (!o->out)
        return -errno;
    fprintf(o->out, "when %lld batch %s price %s\n",
            (long long) il_conf_int(o->conf, "when"),
            il_conf_str(o->conf, "batch"), price ? price : "none");
    il_status(o->host, "keeps %s", "files");
    return fflush(o->out) ? -errno : 0;
}

static void
wait_for_cancel(const struct own *o)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    il_status_text(o->host, "waiting\nfor \x1b[1mthe end", 23);
    while (!il_cancelled(o->host))
        nanosleep(&pause, NULL);
}

static int
own_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct own *o = self;
    struct il_value payload;
    if (il_conf_int(o->conf, "patient"))
        wait_for_cancel(o);
    for (uint32_t i = 0; i < il_batch_count(batch); i++) {
        o->text->len = 0;
        if (!il_live(batch, i) || !il_get(batch, i, o->payload, &payload)
            || il_write_json(o->host, o->text, &payload, 0) < 0)
            continue;
        fprintf(o->out, "%.*s\n", (int) o->text->len, o->text->data);
        il_gauge_set(o->host, o->written, ++o->count);
    }
    int bad = fflush(o->out);
    il_settle(ack, bad ? IL_RETRY : IL_OK, bad ? "cannot write" : NULL);
    return 0;
}

static void
own_stop(void *self)
{
    struct own *o = self;
    if (o->out)
        fclose(o->out);
    o->out = NULL;
}

/* threads are not named: one call in each instance */
IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .name = "destination.own",
    .version = "1.0",
    .summary = "Write events into a folder of its own, for tests.",
    .options = own_options,
    .open = own_open,
    .start = own_start,
    .write = own_write,
    .stop = own_stop,
    .close = own_close,
};
