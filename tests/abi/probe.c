/* SPDX-License-Identifier: MIT */
/* probe: a step built against a frozen header, to show that the host of today
 * runs the plugins of then.  It uses an entry of each part of the table. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdlib.h>

struct probe {
    const struct il_host *host;
    struct il_field *name;
    struct il_expr *drop;
    struct il_template *label;
    struct il_kind *kind;
    struct il_counter *seen;
};

static const struct il_option limit_options[] = { { .name = "wait",
                                                    .type = IL_OPT_DURATION,
                                                    .def = "5s",
                                                    .help = "Some time." },
                                                  { 0 } };

static const struct il_option probe_options[] = { { .name = "field",
                                                    .type = IL_OPT_STRING,
                                                    .flags = IL_OPT_REQUIRED,
                                                    .help = "A reference." },
                                                  { .name = "drop",
                                                    .type = IL_OPT_STRING,
                                                    .flags = IL_OPT_REQUIRED,
                                                    .help = "An expression." },
                                                  { .name = "label",
                                                    .type = IL_OPT_STRING,
                                                    .def =
                                                        "x-{{ $event.type }}",
                                                    .help = "A template." },
                                                  { .name = "limits",
                                                    .type = IL_OPT_GROUP,
                                                    .def = "{}",
                                                    .children = limit_options,
                                                    .help = "Limits." },
                                                  { 0 } };

static void
probe_close(void *self)
{
    struct probe *p = self;
    il_field_free(p->host, p->name);
    il_expr_free(p->host, p->drop);
    il_template_free(p->host, p->label);
    free(p);
}

static int
probe_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct probe *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->host = host;
    p->seen = il_counter(host, "seen", "Events seen.");
    int err = il_field(host, conf, "field", &p->name);
    if (!err)
        err = il_expr(host, conf, "drop", &p->drop);
    if (!err)
        err = il_template(host, conf, "label", &p->label);
    if (!err)
        err = il_kind(host, "user", &p->kind);
    if (!err && il_conf_int(il_conf_group(conf, "limits", 0), "wait") != 5000)
        err = il_conf_error(conf, "limits", -1, "the default is gone");
    if (err) {
        probe_close(p);
        return err;
    }
    *self = p;
    return 0;
}

static int
probe_event(struct probe *p, struct il_batch *batch, uint32_t i)
{
    static const struct il_reason why = { .code = "no-name",
                                          .message = "there is no name" };
    struct il_value name, label, traits;
    if (il_expr_true(p->drop, batch, i)) {
        il_drop(batch, i);
        return 0;
    }
    if (!il_get(batch, i, p->name, &name)) {
        il_reject(batch, i, &why);
        return 0;
    }
    if (name.type == IL_STRING
        && il_entity_find(batch, p->kind, name.str, name.len, &traits) == 1)
        il_entity_attach(batch, i, p->kind, &traits);
    int err = il_template_render(p->label, batch, i, &label);
    if (err)
        return err;
    struct il_text *text = il_text_new(p->host);
    if (!text)
        return -ENOMEM;
    static const char head[] = "{\"label\":";
    err = il_text_reserve(p->host, text, sizeof(head));
    for (size_t k = 0; k + 1 < sizeof(head) && !err; k++)
        text->data[text->len++] = head[k];
    if (!err && il_write_json(p->host, text, &label, 0) < 0)
        err = -ENOMEM;
    if (!err)
        err = il_text_reserve(p->host, text, 1);
    if (!err) {
        text->data[text->len++] = '}';
        err = il_set_payload(batch, i, IL_JSON, text->data, text->len);
    }
    il_text_free(p->host, text);
    return err;
}

static int
probe_process(void *self, struct il_batch *batch)
{
    struct probe *p = self;
    int err = 0;
    for (uint32_t i = 0; i < il_batch_count(batch) && !err; i++) {
        il_count(p->host, p->seen, 1);
        if (il_live(batch, i))
            err = probe_event(p, batch, i);
    }
    return err;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "probe",
    .version = "1.0",
    .summary = "Built against a frozen header.",
    .options = probe_options,
    .open = probe_open,
    .process = probe_process,
    .close = probe_close,
};
