/* SPDX-License-Identifier: MIT */
/* webhook.out: events as HTTP requests, one by one.
 *
 * out.h says how the parts work together. */
#include "kind.h"

static int
webhook_read(void *own, struct out_options *options, const struct il_host *host,
             const struct il_conf *conf)
{
    (void) own;
    return out_options_open(options, host, conf);
}

static void
webhook_judge(void *own, const struct out_options *options,
              const struct transport_answer *a, struct il_text *scratch,
              struct out_meaning *meaning)
{
    (void) own;
    (void) scratch;
    if (a->status >= 300 && out_rejects(options, a->status)) {
        meaning->fate = OUT_DEAD;
        meaning->about = BREAKER_OTHER;
    } else if (a->status == 410) {
        /* Nobody wants it any more, whatever event it is.  Where events decide
         * where to, that is one receiver of many. */
        meaning->fate = options->literal_url ? OUT_PAUSE : OUT_DEAD;
        meaning->code = "gone";
        meaning->why = "says that it is gone";
    }
}

static const struct out_kind webhook = {
    .open = webhook_read,
    .judge = webhook_judge,
};

static int
webhook_open(const struct il_host *host, const struct il_conf *conf,
             void **self)
{
    return out_open(host, conf, self, &webhook);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    OUT_DESTINATION,
    .name = "webhook.out",
    .version = "1.0",
    .summary = "Send events as HTTP requests.",
    .options = out_option_table,
    .open = webhook_open,
};
