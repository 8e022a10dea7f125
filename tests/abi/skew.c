/* SPDX-License-Identifier: MIT */
/* A step whose open() says what it finds of the host: it never opens, so a
 * check prints that. */
#include <ingestlayer/plugin.h>

#ifndef SKEW_MORE
#define SKEW_MORE
#endif

static const struct il_option skew_options[] = {
    { .name = "first", .type = IL_OPT_STRING, .def = "one", .help = "First." },
    { .name = "second", .type = IL_OPT_INT, .min = 1, .max = 9, .def = "2",
      .help = "Second." SKEW_MORE },
    IL_OPTIONS_END
};

static int
skew_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    (void) self;
#ifdef SKEW_HAS
    if (IL_HAS(host, brand_new))
        return il_conf_error(conf, NULL, -1, "has brand_new");
#endif
#ifdef SKEW_CALL
    il_brand_new(host);
#endif
    return il_conf_error(conf, NULL, -1, "found log_text %d, %s %d",
                         IL_HAS(host, log_text), il_conf_str(conf, "first"),
                         (int) il_conf_int(conf, "second"));
}

static int
skew_process(void *self, struct il_batch *batch)
{
    (void) self;
    (void) batch;
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,   .kind = IL_STEP,       .name = "skew.step",
    .version = "1",  .summary = "Skewed.",  .options = skew_options,
    .open = skew_open, .process = skew_process,
};
