/* SPDX-License-Identifier: MIT */
/* destination.each: a destination for tests that takes events one by one.  Each
 * that is delivered is a line in a file, with its id and payload.
 *
 * A second file says what becomes of others.  It is read again for each batch,
 * so a test changes its mind while the daemon runs; where it is missing all are
 * delivered.  A line of it is
 *
 *   ID fail N MS [CODE]   deferred for MS milliseconds as long as N attempts
 *                         have not failed yet; then delivered
 *   ID die N MS [CODE]    the same, but after N attempts a dead letter
 *   ID quiet MS [CODE]    deferred, without that it counts as an attempt
 *   TARGET hold MS [WHY]  nothing of this target is sent for so long; "-" is
 *                         all targets, and then nothing is handed out either
 *
 * ID "*" is any event; the first line that fits counts.  An event whose payload
 * has "key" is kept in order by it; its "to" is its target. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES 64

struct line {
    char id[64], verb[8], code[16];
    unsigned long n, ms;
};

struct each {
    const struct il_host *host;
    const struct il_conf *conf;
    struct il_field *id, *payload, *key, *to;
    struct il_text *text;
    FILE *out;
    struct line lines[LINES];
    size_t count;
};

static const struct il_option each_options[] = {
    { .name = "out",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "File to append a line per delivered event to: id, blank, "
              "payload." },
    { .name = "plan",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "File that says which events fail, and how." },
    { .name = "mute",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Whether it cannot render." },
    IL_OPTIONS_END
};

/* --- life ----------------------------------------------------------------- */

static void
each_close(void *self)
{
    struct each *e = self;
    il_field_free(e->host, e->id);
    il_field_free(e->host, e->payload);
    il_field_free(e->host, e->key);
    il_field_free(e->host, e->to);
    il_text_free(e->host, e->text);
    free(e);
}

static int
each_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct each *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->host = host;
    e->conf = conf;
    e->text = il_text_new(host);
    if (!e->text || il_field_named(host, IL_FIELD_ANY, "id", &e->id)
        || il_field_named(host, IL_FIELD_ANY, "payload", &e->payload)
        || il_field_named(host, IL_FIELD_PAYLOAD, "key", &e->key)
        || il_field_named(host, IL_FIELD_PAYLOAD, "to", &e->to)) {
        each_close(e);
        return -ENOMEM;
    }
    *self = e;
    return 0;
}

static int
each_start(void *self)
{
    struct each *e = self;
    e->out = fopen(il_conf_str(e->conf, "out"), "ae");
    return e->out ? 0 : -errno;
}

static void
each_stop(void *self)
{
    struct each *e = self;
    if (e->out)
        fclose(e->out);
    e->out = NULL;
}

/* --- the plan ------------------------------------------------------------- */

static int
read_line(const char *text, struct line *l)
{
    *l = (struct line){ .code = "503" };
    if (sscanf(text, "%63s %7s", l->id, l->verb) != 2)
        return 0;
    if (!strcmp(l->verb, "hold"))
        return sscanf(text, "%*s %*s %lu %15s", &l->ms, l->code) >= 1;
    if (!strcmp(l->verb, "quiet"))
        return sscanf(text, "%*s %*s %lu %15s", &l->ms, l->code) >= 1;
    return sscanf(text, "%*s %*s %lu %lu %15s", &l->n, &l->ms, l->code) >= 2;
}

static void
read_plan(struct each *e)
{
    char text[256];
    FILE *f = fopen(il_conf_str(e->conf, "plan"), "re");
    e->count = 0;
    while (f && e->count < LINES && fgets(text, sizeof(text), f))
        e->count += (size_t) read_line(text, &e->lines[e->count]);
    if (f)
        fclose(f);
}

static int64_t
wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Those of the plan; and others as they were until they end by themselves. */
static void
hold(struct each *e)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct line *l = &e->lines[i];
        int all = !strcmp(l->id, "-");
        if (strcmp(l->verb, "hold"))
            continue;
        il_hold_off(e->host, all ? NULL : l->id,
                    wall_us() + (int64_t) l->ms * 1000, l->code);
    }
}

static const struct line *
find(const struct each *e, const struct il_value *id)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct line *l = &e->lines[i];
        if (strcmp(l->verb, "hold")
            && (!strcmp(l->id, "*")
                || (strlen(l->id) == id->len
                    && !memcmp(l->id, id->str, id->len))))
            return l;
    }
    return NULL;
}

/* --- delivering ----------------------------------------------------------- */

static int
is_text(const struct il_value *v)
{
    return v->type == IL_STRING;
}

/* It fails, as the line says. */
static int
fail(struct each *e, struct il_batch *b, uint32_t i, const struct line *l,
     uint32_t attempts)
{
    char message[64];
    struct il_value to, key;
    il_get(b, i, e->to, &to);
    il_get(b, i, e->key, &key);
    snprintf(message, sizeof(message), "answered with %s, attempt %u", l->code,
             attempts + 1);
    const struct il_reason why = { IL_SIZED(struct il_reason), .code = l->code,
                                   .message = message };
    if (!strcmp(l->verb, "die") && attempts + 1 >= l->n)
        return il_reject(b, i, &why);
    const struct il_deferral how = {
        IL_SIZED(struct il_deferral),
        .flags = !strcmp(l->verb, "quiet") ? IL_NO_ATTEMPT : 0,
        .delay_ms = l->ms,
        .why = &why,
        .target = is_text(&to) ? to.str : NULL,
        .target_len = is_text(&to) ? to.len : 0,
        .order = is_text(&key) ? key.str : NULL,
        .order_len = is_text(&key) ? key.len : 0,
    };
    return il_defer_as(b, i, &how);
}

static int
put_event(struct each *e, struct il_batch *b, uint32_t i,
          const struct il_value *id)
{
    struct il_value payload;
    e->text->len = 0;
    if (!il_get(b, i, e->payload, &payload)
        || il_write_json(e->host, e->text, &payload, 0) < 0)
        return -ENOMEM;
    fprintf(e->out, "%.*s %.*s\n", (int) id->len, id->str, (int) e->text->len,
            e->text->data);
    return fflush(e->out) ? -EIO : il_done(b, i);
}

static int
deliver(struct each *e, struct il_batch *b, uint32_t i)
{
    struct il_again again = { IL_SIZED(struct il_again) };
    struct il_value id, key;
    uint32_t attempts = il_again(b, i, &again) > 0 ? again.attempts : 0;
    if (!il_get(b, i, e->id, &id))
        return -EINVAL;
    if (il_get(b, i, e->key, &key) && is_text(&key)) {
        int waits = il_waits(b, i, key.str, key.len);
        if (waits)
            return waits < 0 ? waits : 0;
    }
    const struct line *l = find(e, &id);
    if (l && (strcmp(l->verb, "fail") || attempts < l->n))
        return fail(e, b, i, l, attempts);
    return put_event(e, b, i, &id);
}

static int
each_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct each *e = self;
    int err = 0;
    read_plan(e);
    hold(e);
    for (uint32_t i = 0; i < il_batch_count(batch) && !err; i++)
        if (il_live(batch, i))
            err = deliver(e, batch, i);
    il_settle(ack, err ? IL_RETRY : IL_OK, err ? strerror(-err) : NULL);
    return 0;
}

/* --- showing -------------------------------------------------------------- */

static int
put(struct each *e, struct il_text *out, const char *text, size_t len)
{
    if (il_text_reserve(e->host, out, len))
        return -ENOMEM;
    memcpy(out->data + out->len, text, len);
    out->len += len;
    return 0;
}

static int
each_render(void *self, struct il_batch *batch, uint32_t i, struct il_text *out)
{
    struct each *e = self;
    struct il_value id, payload;
    if (il_conf_int(e->conf, "mute")) {
        put(e, out, "it is mute", 10);
        return -EINVAL;
    }
    if (!il_get(batch, i, e->id, &id)
        || !il_get(batch, i, e->payload, &payload))
        return -EINVAL;
    if (put(e, out, "EACH ", 5) || put(e, out, id.str, id.len)
        || put(e, out, "\n", 1) || il_write_json(e->host, out, &payload, 0) < 0)
        return -ENOMEM;
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .threads = IL_SERIAL_INSTANCE,
    .flags = IL_PER_EVENT,
    .name = "destination.each",
    .version = "1.0",
    .summary = "Take events one by one, and fail as told, for tests.",
    .options = each_options,
    .open = each_open,
    .start = each_start,
    .write = each_write,
    .stop = each_stop,
    .close = each_close,
    .render = each_render,
};
