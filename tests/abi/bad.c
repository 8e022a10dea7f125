/* SPDX-License-Identifier: MIT */
/* Plugins that the host must refuse, each with its own message.  Built once
 * for every BAD_*. */
#include <ingestlayer/plugin.h>

#ifdef BAD_SYMBOL

int not_il_plugin;

#else

static const struct il_option bad_options[] = {
    { .name = "plain", .type = IL_OPT_STRING, .help = "Plain." },
#ifdef BAD_OPTION
    { .name = "odd", .type = 77, .help = "Odd." },
#endif
    { 0 }
};

static int
bad_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    (void) host;
    (void) conf;
    *self = NULL;
    return 0;
}

#ifndef BAD_CALLBACK
static int
bad_process(void *self, struct il_batch *batch)
{
    (void) self;
    (void) batch;
    return 0;
}
#endif

IL_PLUGIN = {
#if defined(BAD_MAJOR)
    sizeof(struct il_plugin),
    sizeof(struct il_option),
    7,
    3,
#elif defined(BAD_SIZE)
    24,
    sizeof(struct il_option),
    IL_ABI_MAJOR,
    IL_ABI_MINOR,
#elif defined(BAD_STRIDE)
    sizeof(struct il_plugin),
    12,
    IL_ABI_MAJOR,
    IL_ABI_MINOR,
#else
    IL_PLUGIN_ABI,
#endif
#ifdef BAD_MINOR
    .needs_minor = 999,
#endif
#ifdef BAD_KIND
    .kind = 9,
#else
    .kind = IL_STEP,
#endif
#ifdef BAD_NAME
    .name = "another",
#else
    .name = BAD_FILE,
#endif
    .version = "1.0",
    .summary = "Refused.",
    .options = bad_options,
    .open = bad_open,
#ifndef BAD_CALLBACK
    .process = bad_process,
#endif
};

#endif
