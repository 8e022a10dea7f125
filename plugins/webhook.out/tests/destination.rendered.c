/* SPDX-License-Identifier: MIT */
/* A destination with the options of webhook.out that sends nothing: it logs the
 * request that each event would become, or why it cannot be one. */
#include "../options.h"
#include "../render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct shown {
    const struct il_host *host;
    struct out_options options;
    struct render render;
};

static void
shown_close(void *self)
{
    struct shown *s = self;
    render_close(&s->render);
    out_options_close(&s->options, s->host);
    free(s);
}

static int
shown_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct shown *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->host = host;
    int err = out_options_begin(&s->options);
    if (!err)
        err = out_options_open(&s->options, host, conf);
    int bad = render_open(&s->render, host, &s->options);
    if (!err)
        err = bad;
    if (err)
        shown_close(s);
    else
        *self = s;
    return err;
}

static int
shown_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct shown *s = self;
    static const char space[] = "";
    struct rendered *r = malloc(sizeof(*r));
    int err = r ? 0 : -ENOMEM;
    if (r && !(r->text = il_text_new(s->host)))
        err = -ENOMEM;
    for (uint32_t i = 0; i < il_batch_count(batch) && !err; i++) {
        int rc = render_event(&s->render, batch, i, i == 0, space, r);
        if (rc == -EINVAL)
            il_log(s->host, IL_LOG_WARN, "%s", r->why);
        else if (rc)
            err = rc;
        else {
            il_log(s->host, IL_LOG_INFO, "%s|%s|%s|%s|%s", s->options.method,
                   rendered_url(r), r->target, r->id,
                   r->ordered ? r->text->data + r->order_at : "(none)");
            for (size_t k = 0; k < r->header_count; k++)
                il_log(s->host, IL_LOG_INFO, "%s: %s", r->headers[k].name,
                       r->headers[k].value);
            il_log(s->host, IL_LOG_INFO, "%.*s", (int) r->body_len,
                   rendered_body(r));
        }
    }
    if (r)
        il_text_free(s->host, r->text);
    free(r);
    if (!err)
        il_settle(ack, IL_OK, NULL);
    return err;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .name = "destination.rendered",
    .version = "1.0",
    .summary = "Log what webhook.out would send.",
    .options = out_option_table,
    .open = shown_open,
    .write = shown_write,
    .close = shown_close,
};
