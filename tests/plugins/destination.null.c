/* SPDX-License-Identifier: MIT */
/* destination.null: a destination for tests and benches.  Takes everything and
 * keeps nothing, apart from a line per event in a file where asked to; can be
 * told which outcomes to settle with, and to refuse all while there is a file.
 */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct null {
    const struct il_host *host;
    const struct il_conf *conf;
    struct il_field *id, *payload;
    struct il_text *text;
    FILE *out;
    const char *refuse_while;
    int64_t delay_ms;
    size_t outcomes, next;
};

static const struct il_option null_options[] = {
    { .name = "out",
      .type = IL_OPT_STRING,
      .help = "File to append a line per event to: id, blank, payload." },
    { .name = "origins",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Put before each line: position, position of origin, set-backs, "
              "UUID of the spool." },
    { .name = "refuse_while",
      .type = IL_OPT_STRING,
      .help = "A file: as long as it is there each event becomes a dead letter "
              "(out gets its line all the same)." },
    { .name = "delay",
      .type = IL_OPT_DURATION,
      .min = 0,
      .max = 60000,
      .def = "0s",
      .help = "How long each batch takes." },
    { .name = "outcomes",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .choices = "ok|retry|reject|pause|fenced|error",
      .help = "What to settle batches with, in turn; then ok." },
    { 0 }
};

static void
null_close(void *self)
{
    struct null *n = self;
    il_field_free(n->host, n->id);
    il_field_free(n->host, n->payload);
    il_text_free(n->host, n->text);
    free(n);
}

static int
null_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct null *n = calloc(1, sizeof(*n));
    if (!n)
        return -ENOMEM;
    n->host = host;
    n->conf = conf;
    n->refuse_while = il_conf_str(conf, "refuse_while");
    n->delay_ms = il_conf_int(conf, "delay");
    n->outcomes = il_conf_count(conf, "outcomes");
    n->text = il_text_new(host);
    if (!n->text || il_field_named(host, IL_FIELD_ANY, "id", &n->id)
        || il_field_named(host, IL_FIELD_ANY, "payload", &n->payload)) {
        null_close(n);
        return -ENOMEM;
    }
    *self = n;
    return 0;
}

static int
null_start(void *self)
{
    struct null *n = self;
    const char *path = il_conf_str(n->conf, "out");
    if (!path)
        return 0;
    n->out = fopen(path, "ae");
    if (n->out)
        return 0;
    int err = -errno;
    il_log(n->host, IL_LOG_ERROR, "cannot open %s: %s", path, strerror(errno));
    return err;
}

static int
put_origin(struct null *n, struct il_batch *batch, uint32_t i)
{
    struct il_origin at = { IL_SIZED(struct il_origin) };
    int err = il_batch_origin(batch, i, &at);
    if (err)
        return err;
    fprintf(n->out, "%llu %llu %u ",
            (unsigned long long) il_batch_position(batch, i),
            (unsigned long long) at.position, at.set_backs);
    for (int k = 0; k < 16; k++)
        fprintf(n->out, "%02x", at.spool[k]);
    return fputc(' ', n->out) == EOF ? -EIO : 0;
}

/* Dead letters while the file is there. */
static void
refuse(struct null *n, struct il_batch *batch)
{
    static const struct il_reason why = { IL_SIZED(struct il_reason),
                                          .code = "refused",
                                          .message = "the file is there" };
    if (!n->refuse_while || access(n->refuse_while, F_OK))
        return;
    for (uint32_t i = 0; i < il_batch_count(batch); i++)
        il_reject(batch, i, &why);
}

static int
put_event(struct null *n, struct il_batch *batch, uint32_t i)
{
    struct il_value id, payload;
    n->text->len = 0;
    if (!il_get(batch, i, n->id, &id)
        || !il_get(batch, i, n->payload, &payload))
        return -EINVAL;
    if (il_write_json(n->host, n->text, &payload, 0) < 0)
        return -ENOMEM;
    if (il_conf_int(n->conf, "origins") && put_origin(n, batch, i))
        return -EIO;
    fprintf(n->out, "%.*s %.*s\n", (int) id.len, id.str, (int) n->text->len,
            n->text->data);
    return 0;
}

static int
next_outcome(struct null *n)
{
    static const char *const names[] = { "ok", "retry", "reject", "pause",
                                         "fenced" };
    if (n->next >= n->outcomes)
        return IL_OK;
    const char *name = il_conf_str_at(n->conf, "outcomes", n->next++);
    for (int i = 0; i < 5; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static int
null_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct null *n = self;
    if (n->delay_ms) {
        struct timespec t = { .tv_sec = n->delay_ms / 1000,
                              .tv_nsec = n->delay_ms % 1000 * 1000000 };
        nanosleep(&t, NULL);
    }
    int outcome = next_outcome(n);
    if (outcome < 0)
        return -EIO;
    for (uint32_t i = 0;
         n->out && outcome == IL_OK && i < il_batch_count(batch); i++)
        if (il_live(batch, i) && put_event(n, batch, i))
            outcome = IL_RETRY;
    if (n->out && fflush(n->out))
        outcome = IL_RETRY;
    if (outcome == IL_OK)
        refuse(n, batch);
    il_settle(ack, outcome, outcome == IL_OK ? NULL : "as the config says");
    return 0;
}

static void
null_stop(void *self)
{
    struct null *n = self;
    if (n->out)
        fclose(n->out);
    n->out = NULL;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .threads = IL_SERIAL_INSTANCE,
    .name = "destination.null",
    .version = "1.0",
    .summary = "Take events and keep nothing, for tests.",
    .options = null_options,
    .open = null_open,
    .start = null_start,
    .write = null_write,
    .stop = null_stop,
    .close = null_close,
};
