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
#ifdef BAD_OPTION_FLAG
    { .name = "odd", .type = IL_OPT_INT, .flags = 16, .help = "Odd." },
#endif
#ifdef BAD_RESERVED
    { .name = "host", .type = IL_OPT_STRING, .help = "The host's." },
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

#ifdef BAD_SIZE
#define BAD_SIZE_OF 24
#else
#define BAD_SIZE_OF sizeof(struct il_plugin)
#endif
#ifdef BAD_STRIDE
#define BAD_STRIDE_OF 12
#else
#define BAD_STRIDE_OF sizeof(struct il_option)
#endif
#ifdef BAD_MAJOR
#define BAD_MAJOR_OF 7
#define BAD_MINOR_OF 3
#else
#define BAD_MAJOR_OF IL_ABI_MAJOR
#endif
#ifdef BAD_MINOR
#define BAD_MINOR_OF 999
#elif !defined(BAD_MAJOR)
#define BAD_MINOR_OF IL_ABI_MINOR
#endif
#ifdef BAD_NEEDS
#define BAD_NEEDS_OF (IL_ABI_MINOR + 1)
#else
#define BAD_NEEDS_OF BAD_MINOR_OF
#endif
#ifdef BAD_TABLE
#define BAD_TABLE_OF (sizeof(struct il_api) - sizeof(void *))
#else
#define BAD_TABLE_OF sizeof(struct il_api)
#endif

IL_PLUGIN = {
#if defined(BAD_MAJOR) || defined(BAD_SIZE) || defined(BAD_STRIDE)             \
    || defined(BAD_MINOR) || defined(BAD_NEEDS) || defined(BAD_TABLE)
    .struct_size = BAD_SIZE_OF,
    .abi_major = BAD_MAJOR_OF,
    .abi_minor = BAD_MINOR_OF,
    .option_size = BAD_STRIDE_OF,
    .api_size = BAD_TABLE_OF,
    .needs_minor = BAD_NEEDS_OF,
#else
    IL_PLUGIN_ABI,
#endif
#ifdef BAD_KIND
    .kind = 9,
#else
    .kind = IL_STEP,
#endif
#ifdef BAD_THREADS
    .threads = IL_PARALLEL + 1,
#endif
#ifdef BAD_FLAG
    .flags = 0x80,
#endif
#ifdef BAD_EACH
    .flags = IL_PER_EVENT,
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
