/* SPDX-License-Identifier: MIT */
/* template.upper: write one text field of each event in capitals.
 *
 * A complete step to begin your own with. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdlib.h>
#include <string.h>

/* One instance: a place in the config, once for each lane.  All state is
 * here. */
struct upper {
    const struct il_host *host;
    const char *field;      /* the option: lives until close */
    int missing;            /* what the option of that name says */
    struct il_field *value; /* resolved once, used for each event */
    struct il_field *payload;
    struct il_counter *changed;
    struct il_text *text; /* the new payload, used again and again */
};

static const struct il_option upper_options[] = {
    { .name = "field",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 200,
      .help = "Name of the payload's field to write in capitals." },
    { .name = "missing",
      .type = IL_OPT_STRING,
      .def = "pass",
      .choices = "pass|drop|dead-letter",
      .help = "What becomes of events without that field." },
    IL_OPTIONS_END
};

enum { PASS, DROP, DEAD_LETTER };

static void
upper_close(void *self)
{
    struct upper *u = self;
    il_field_free(u->host, u->value);
    il_field_free(u->host, u->payload);
    il_text_free(u->host, u->text);
    free(u);
}

static int
upper_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct upper *u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    u->host = host;
    u->field = il_conf_str(conf, "field");
    const char *missing = il_conf_str(conf, "missing");
    u->missing = strcmp(missing, "drop") == 0          ? DROP
                 : strcmp(missing, "dead-letter") == 0 ? DEAD_LETTER
                                                       : PASS;
    u->changed = il_counter_new(host, "changed", IL_UNIT_NONE,
                                "Events that were changed.");
    u->text = il_text_new(host);
    int err = u->text ? 0 : -ENOMEM;
    /* What the table cannot check, check here, against the key. */
    if (!err && strchr(u->field, '.'))
        err = il_conf_error(conf, "field", strchr(u->field, '.') - u->field,
                            "only fields of the payload itself");
    if (!err)
        err = il_field_named(host, IL_FIELD_PAYLOAD, u->field, &u->value);
    if (!err)
        err = il_field_named(host, IL_FIELD_ANY, "payload", &u->payload);
    if (err) {
        upper_close(u);
        return err;
    }
    *self = u;
    return 0;
}

/* Append bytes.  0 or -ENOMEM. */
static int
put(struct upper *u, const char *bytes, size_t len)
{
    int err = il_text_reserve(u->host, u->text, len);
    if (err)
        return err;
    memcpy(u->text->data + u->text->len, bytes, len);
    u->text->len += len;
    return 0;
}

/* The text in ASCII capitals, as JSON.  The view must not be written to, so
 * the batch lends a copy. */
static int
put_upper(struct upper *u, struct il_batch *batch, const struct il_value *value)
{
    struct il_value upper = *value;
    char *copy = il_batch_alloc(batch, value->len + 1);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < value->len; i++)
        copy[i] = value->str[i] >= 'a' && value->str[i] <= 'z'
                      ? (char) (value->str[i] - 'a' + 'A')
                      : value->str[i];
    upper.str = copy;
    return il_write_json(u->host, u->text, &upper, 0) < 0 ? -ENOMEM : 0;
}

/* The payload again, with one field changed. */
static int
rewrite(struct upper *u, struct il_batch *batch, uint32_t i)
{
    struct il_value payload, key, value;
    const size_t len = strlen(u->field);
    int err = 0, first = 1;
    if (!il_get(batch, i, u->payload, &payload))
        return 0;
    u->text->len = 0;
    err = put(u, "{", 1);
    for (size_t iter = 0;
         !err && il_item(u->host, &payload, &iter, &key, &value);) {
        int mine = key.len == len && memcmp(key.str, u->field, len) == 0;
        if (!first)
            err = put(u, ",", 1);
        first = 0;
        if (!err && il_write_json(u->host, u->text, &key, 0) < 0)
            err = -ENOMEM;
        if (!err)
            err = put(u, ":", 1);
        if (!err && mine && value.type == IL_STRING)
            err = put_upper(u, batch, &value);
        else if (!err && il_write_json(u->host, u->text, &value, 0) < 0)
            err = -ENOMEM;
    }
    if (!err)
        err = put(u, "}", 1);
    if (!err)
        err = il_set_payload(batch, i, IL_JSON, u->text->data, u->text->len);
    return err;
}

static void
without_field(struct upper *u, struct il_batch *batch, uint32_t i)
{
    const struct il_reason why = { IL_SIZED(struct il_reason),
                                   .code = "missing_field",
                                   .message = "the event lacks a text field "
                                              "that template.upper is to "
                                              "change",
                                   .field = u->field };
    if (u->missing == DROP)
        il_drop(batch, i);
    else if (u->missing == DEAD_LETTER)
        il_reject(batch, i, &why);
}

/* An error means that the same events come again: everything so far must be
 * repeatable. */
static int
upper_process(void *self, struct il_batch *batch)
{
    struct upper *u = self;
    for (uint32_t i = 0; i < il_batch_count(batch); i++) {
        struct il_value value;
        if (!il_live(batch, i))
            continue;
        if (!il_get(batch, i, u->value, &value) || value.type != IL_STRING) {
            without_field(u, batch, i);
            continue;
        }
        int err = rewrite(u, batch, i);
        if (err)
            return err;
        il_counter_add(u->host, u->changed, 1);
    }
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "template.upper",
    .version = "1.0",
    .summary = "Write a text field in capitals.",
    .options = upper_options,
    .open = upper_open,
    .process = upper_process,
    .close = upper_close,
};
