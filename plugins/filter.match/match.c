/* SPDX-License-Identifier: MIT */
/* filter.match: keep the events for which an expression holds.
 * One rule per step: chain steps, and the order is visible in the config. */
#include <errno.h>
#include <stdlib.h>

#include <ingestlayer/plugin.h>

struct match {
    const struct il_host *host;
    struct il_expr *where; /* compiled by the host, freed in close */
    struct il_counter *limits;
};

static const struct il_option match_options[] = {
    { .name = "where",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Expression an event must satisfy to continue." },
    { 0 }
};

static void
match_close(void *self)
{
    struct match *m = self;
    if (m->where)
        il_expr_free(m->host, m->where);
    free(m);
}

static int
match_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct match *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->host = host;
    m->limits = il_counter_new(host, "match_regex_limit", IL_UNIT_NONE,
                               "Events that became dead letters because a "
                               "regular expression met its limit.");
    int err = il_expr_from(host, conf, "where", &m->where);
    if (err) {
        match_close(m);
        return err;
    }
    *self = m;
    return 0;
}

static int
match_process(void *self, struct il_batch *batch)
{
    const struct match *m = self;
    uint32_t count = il_batch_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        if (!il_live(batch, i))
            continue;
        int holds = il_expr_true(m->where, batch, i);
        if (holds < 0) /* the host has made it a dead letter */
            il_counter_add(m->host, m->limits, 1);
        else if (!holds)
            il_drop(batch, i);
    }
    return 0;
}

/* A compiled expression keeps match data, so an instance runs in one thread
 * at a time; lanes have instances of their own. */
IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_STEP,
    .threads = IL_SERIAL_INSTANCE,
    .name = "filter.match",
    .version = "1.0",
    .summary = "Keep the events that match.",
    .options = match_options,
    .open = match_open,
    .process = match_process,
    .close = match_close,
};
