/* SPDX-License-Identifier: MIT */
/* step.later: a step for tests that puts events aside, so often and for so long,
 * and then lets them go on. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <stdlib.h>

struct later {
    const struct il_host *host;
    struct il_expr *where;
    uint64_t delay_ms;
    uint32_t times, flags;
};

static const struct il_option later_options[] = {
    { .name = "where",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Which ones." },
    { .name = "delay",
      .type = IL_OPT_DURATION,
      .def = "100ms",
      .help = "For how long." },
    { .name = "times",
      .type = IL_OPT_INT,
      .max = 1000,
      .def = "1",
      .help = "How often, at most." },
    { .name = "after",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Then they have passed it." },
    IL_OPTIONS_END
};

static void
later_close(void *self)
{
    struct later *l = self;
    il_expr_free(l->host, l->where);
    free(l);
}

static int
later_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct later *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->host = host;
    l->delay_ms = (uint64_t) il_conf_int(conf, "delay");
    l->times = (uint32_t) il_conf_int(conf, "times");
    l->flags = il_conf_int(conf, "after") ? IL_AFTER : 0;
    int err = il_expr_from(host, conf, "where", &l->where);
    if (err)
        later_close(l);
    else
        *self = l;
    return err;
}

static int
later_process(void *self, struct il_batch *batch)
{
    struct later *l = self;
    for (uint32_t i = 0; i < il_batch_count(batch); i++) {
        struct il_reason why = { IL_SIZED(struct il_reason), .code = "later",
                                 .message = "not now" };
        struct il_deferral how = { IL_SIZED(struct il_deferral),
                                   .flags = l->flags, .delay_ms = l->delay_ms,
                                   .why = &why };
        struct il_again again = { IL_SIZED(struct il_again) };
        if (!il_live(batch, i) || il_expr_true(l->where, batch, i) != 1)
            continue;
        if (il_again(batch, i, &again) < 0)
            return -EINVAL;
        /* After it there is no second time: the host sees to that. */
        if (!l->flags && again.stopped == IL_STOPPED_HERE
            && again.attempts >= l->times)
            continue;
        int err = il_defer_as(batch, i, &how);
        if (err)
            return err;
    }
    return 0;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .name = "step.later",
    .version = "1.0",
    .summary = "Put events aside for a while, for tests.",
    .options = later_options,
    .open = later_open,
    .process = later_process,
    .close = later_close,
};
