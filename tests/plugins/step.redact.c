/* SPDX-License-Identifier: MIT */
/* step.redact: a step for tests that takes a field out of what goes on. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdlib.h>

struct redact {
    const struct il_host *host;
    struct il_place *place;
};

static const struct il_option redact_options[] = { { .name = "field",
                                                     .type = IL_OPT_STRING,
                                                     .flags = IL_OPT_REQUIRED,
                                                     .help =
                                                         "What is taken out." },
                                                   IL_OPTIONS_END };

static void
redact_close(void *self)
{
    struct redact *r = self;
    il_place_free(r->host, r->place);
    free(r);
}

static int
redact_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct redact *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->host = host;
    int err = il_place_from(host, conf, "field", &r->place);
    if (err)
        redact_close(r);
    else
        *self = r;
    return err;
}

static int
redact_process(void *self, struct il_batch *batch)
{
    struct redact *r = self;
    for (uint32_t i = 0; i < il_batch_count(batch); i++) {
        int n = il_live(batch, i) ? il_remove(batch, i, r->place) : 0;
        if (n < 0)
            return n;
    }
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .name = "step.redact",
    .version = "1.0",
    .summary = "Take a field out of events, for tests.",
    .options = redact_options,
    .open = redact_open,
    .process = redact_process,
    .close = redact_close,
};
