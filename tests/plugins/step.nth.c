/* SPDX-License-Identifier: MIT */
/* step.nth: a step for tests that numbers the events of each key, which it takes
 * from the payload's field `key`, and gives them the number as
 * $step.NAME.nth. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdlib.h>
#include <string.h>

struct nth {
    const struct il_host *host;
    struct il_memory *memory;
    struct il_kind *results;
    struct il_field *key;
    struct il_text *text;
};

static const struct il_option nth_options[] = {
    { .name = "made_of",
      .type = IL_OPT_STRING,
      .def = "",
      .help = "Where it is another, numbers begin anew." },
    IL_OPTIONS_END
};

static void
nth_close(void *self)
{
    struct nth *n = self;
    il_field_free(n->host, n->key);
    il_text_free(n->host, n->text);
    free(n);
}

static int
nth_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct nth *n = calloc(1, sizeof(*n));
    const char *made_of = il_conf_str(conf, "made_of");
    if (!n)
        return -ENOMEM;
    n->host = host;
    n->text = il_text_new(host);
    int err = n->text ? il_field_named(host, IL_FIELD_PAYLOAD, "key", &n->key)
                      : -ENOMEM;
    if (!err)
        err = il_memory_from(host, made_of, strlen(made_of), &n->memory);
    if (!err)
        err = il_result_kind(host, &n->results);
    if (err)
        nth_close(n);
    else
        *self = n;
    return err;
}

/* {"nth": number} */
static int
attach(struct nth *n, struct il_batch *batch, uint32_t i, uint64_t number)
{
    struct il_value head = { .type = IL_MAP, .count = 1 };
    struct il_value name = { .type = IL_STRING, .str = "nth", .len = 3 };
    struct il_value value = { .type = IL_UINT, .num = { .u = number } };
    n->text->len = 0;
    int err = il_write_msgpack(n->host, n->text, &head);
    const size_t items = n->text->len;
    if (!err)
        err = il_write_msgpack(n->host, n->text, &name);
    if (!err)
        err = il_write_msgpack(n->host, n->text, &value);
    head.str = n->text->data + items;
    head.len = n->text->len - items;
    return err ? err : il_entity_attach(batch, i, n->results, &head);
}

static int
nth_process(void *self, struct il_batch *batch)
{
    struct nth *n = self;
    int err = 0;
    for (uint32_t i = 0; i < il_batch_count(batch) && !err; i++) {
        struct il_remembered was;
        uint64_t number = 0;
        size_t len;
        const char *key =
            il_live(batch, i) ? il_get_str(batch, i, n->key, &len) : NULL;
        if (!key)
            continue;
        err = il_memory_get(batch, i, n->memory, key, len, &was);
        if (err < 0)
            break;
        if (err)
            memcpy(&number, was.value, sizeof(number));
        number++;
        err = il_memory_put(batch, i, n->memory, key, len, &number,
                            sizeof(number), 0);
        if (!err)
            err = attach(n, batch, i, number);
    }
    return err;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .name = "step.nth",
    .version = "1.0",
    .summary = "Number the events of each key, for tests.",
    .options = nth_options,
    .open = nth_open,
    .process = nth_process,
    .close = nth_close,
};
