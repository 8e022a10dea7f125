/* SPDX-License-Identifier: MIT */
#include "out.h"

#include "scrub.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int put(const struct out *, struct il_text *, const char *fmt, ...)
    IL_PRINTF(3, 4);

static int
put(const struct out *o, struct il_text *text, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    size_t len = n < 0                       ? 0
                 : (size_t) n < sizeof(line) ? (size_t) n
                                             : sizeof(line) - 1;
    if (il_text_reserve(o->host, text, len + 1))
        return -ENOMEM;
    memcpy(text->data + text->len, line, len + 1);
    text->len += len;
    return 0;
}

/* --- check --online ------------------------------------------------------- */

int
out_probe(void *self, struct il_text *text)
{
    struct out *o = self;
    const struct out_options *options = &o->options;
    char error[512];
    if (!options->origin) {
        put(o, text,
            "the event decides the host of url: there is nothing to try\n");
        return 0;
    }
    int err = transport_probe(o->transport, options->origin,
                              options->timeout_ms, error, sizeof(error));
    char target[TRANSPORT_TARGET_MAX] = "";
    transport_target(options->origin, target);
    if (err)
        put(o, text, "%s cannot be reached: %s\n", target, error);
    else
        put(o, text, "%s can be reached%s; nothing was sent\n", target,
            strncmp(target, "https:", 6) ? ""
            : options->verify            ? ", and its certificate is good"
                              : ", and its certificate was not checked");
    return err;
}

/* --- dead show --render --------------------------------------------------- */

/* Bytes with what is secret taken out, in lines as they are. */
static int
put_scrubbed(const struct out *o, struct il_text *text, const char *bytes,
             size_t len)
{
    char *plain = malloc(len + 1);
    if (!plain)
        return -ENOMEM;
    scrub_answer(bytes, len, NULL, o->options.hidden, plain, len + 1);
    const size_t n = strlen(plain);
    int err = il_text_reserve(o->host, text, n + 1);
    if (!err) {
        memcpy(text->data + text->len, plain, n + 1);
        text->len += n;
    }
    free(plain);
    return err;
}

static int
put_header(const struct out *o, struct il_text *text,
           const struct transport_header *h)
{
    if (!strcasecmp(h->name, "Authorization"))
        return put(o, text, "%s: ***\n", h->name);
    int err = put(o, text, "%s: ", h->name);
    if (!err)
        err = put_scrubbed(o, text, h->value, strlen(h->value));
    return err ? err : put(o, text, "\n");
}

/* Its path may be a token. */
static int
put_line(const struct out *o, struct il_text *text, const struct rendered *d)
{
    char target[TRANSPORT_TARGET_MAX] = "";
    const char *url = rendered_url(d), *host = strstr(url, "://");
    const char *path = host ? host + 3 + strcspn(host + 3, "/?#") : "";
    transport_target(url, target);
    return put(o, text, "%s %s%s\n", o->options.method, target,
               *path && strcmp(path, "/") ? "/***" : "/");
}

int
out_render(void *self, struct il_batch *batch, uint32_t i, struct il_text *text)
{
    struct out *o = self;
    struct rendered *d = calloc(1, sizeof(*d));
    const uint32_t flags = il_batch_flags(batch, i);
    int err = d && (d->text = il_text_new(o->host)) ? 0 : -ENOMEM;
    if (!err)
        err = render_event(&o->render, batch, i, (flags & IL_ID_MADE) != 0,
                           flags & IL_PUBLISHABLE ? "publishable" : "", d);
    if (err == -EINVAL)
        put(o, text, "it cannot be sent: %s\n", d->why);
    if (!err)
        err = put_line(o, text, d);
    for (size_t k = 0; !err && k < d->header_count; k++)
        err = put_header(o, text, &d->headers[k]);
    if (!err)
        err = put(o, text, "%s: %s\n",
                  o->options.signer.count
                          && o->options.signer.kind == SIGN_INGESTLAYER
                      ? "Idempotency-Key"
                      : "webhook-id",
                  d->id);
    if (!err && o->options.signer.count)
        err = put(o, text, "%s: made when it is sent\n",
                  o->options.signer.kind == SIGN_INGESTLAYER
                      ? "X-Ingest-Signature"
                      : "webhook-signature");
    if (!err)
        err = put(o, text, "\n");
    if (!err)
        err = put_scrubbed(o, text, rendered_body(d), d->body_len);
    if (!err)
        err = put(o, text, "\n");
    if (d)
        il_text_free(o->host, d->text);
    free(d);
    return err;
}
