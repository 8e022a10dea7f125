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
    struct il_field *value; /* where to read: resolved once, used for each
                             * event */
    struct il_place *place; /* where to write */
    struct il_counter *changed;
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
    il_place_free(u->host, u->place);
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
    int err = 0;
    /* What the table cannot check, check here, against the key. */
    if (strchr(u->field, '.'))
        err = il_conf_error(conf, "field", strchr(u->field, '.') - u->field,
                            "only fields of the payload itself");
    if (!err)
        err = il_field_named(host, IL_FIELD_PAYLOAD, u->field, &u->value);
    if (!err)
        err = il_place_named(host, u->field, &u->place);
    if (err) {
        upper_close(u);
        return err;
    }
    *self = u;
    return 0;
}

/* Write the text in ASCII capitals.  The view must not be written to, so the
 * batch lends a copy. */
static int
rewrite(struct upper *u, struct il_batch *batch, uint32_t i,
        const struct il_value *value)
{
    char *copy = il_batch_alloc(batch, value->len + 1);
    if (!copy)
        return -ENOMEM;
    for (size_t k = 0; k < value->len; k++)
        copy[k] = value->str[k] >= 'a' && value->str[k] <= 'z'
                      ? (char) (value->str[k] - 'a' + 'A')
                      : value->str[k];
    return il_set_str(batch, i, u->place, copy, value->len);
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
        int err = rewrite(u, batch, i, &value);
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
