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
    char error[512], plain[512];
    if (!options->origin) {
        put(o, text,
            "the event decides the host of url: there is nothing to try\n");
        return 0;
    }
    const int mail = out_speech(options) == TRANSPORT_MAIL;
    int err = transport_probe(o->transport, options->origin,
                              options->timeout_ms, error, sizeof(error));
    char target[TRANSPORT_TARGET_MAX] = "";
    transport_target(out_speech(options), options->origin, target);
    const int tls = mail ? !options->plain || !strncmp(target, "smtps:", 6)
                         : !strncmp(target, "https:", 6);
    if (err) { /* perhaps in a server's own words */
        scrub_answer(error, strlen(error), NULL, o->options.hidden, plain,
                     sizeof(plain));
        put(o, text, "%s %s: %s\n", target,
            err == -EACCES ? "does not let us in" : "cannot be reached", plain);
    } else {
        put(o, text, "%s can be reached%s%s; nothing was sent\n", target,
            !tls              ? ""
            : options->verify ? ", and its certificate is good"
                              : ", and its certificate was not checked",
            options->username ? ", and it takes the password" : "");
    }
    return err;
}

/* --- dead show --render --------------------------------------------------- */

/* Whom a mail is from and to, as the server is told. */
static int
put_envelope(const struct out *o, struct il_text *text,
             const struct rendered *d)
{
    const char *to = rendered_to(d);
    int err = put(o, text, "MAIL FROM:<%s>\n", o->options.from);
    for (size_t i = 0; i < d->to_count && !err; i++, to += strlen(to) + 1)
        err = put(o, text, "RCPT TO:<%s>\n", to);
    return err ? err : put(o, text, "\n");
}

/* A line, or what has none, with what is secret taken out. */
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
    transport_target(out_speech(&o->options), url, target);
    if (out_speech(&o->options) == TRANSPORT_MAIL)
        return put(o, text, "%s\n", target);
    return put(o, text, "%s %s%s\n", o->options.method, target,
               *path && strcmp(path, "/") ? "/***" : "/");
}

/* In the lines that it is sent in. */
static int
put_mail(const struct out *o, struct il_text *text, const struct rendered *d)
{
    const char *at = rendered_body(d), *end = at + d->body_len;
    int err = put_envelope(o, text, d);
    while (at < end && !err) {
        const char *stop = memchr(at, '\r', (size_t) (end - at));
        stop = stop ? stop : end;
        err = put_scrubbed(o, text, at, (size_t) (stop - at));
        if (!err)
            err = put(o, text, "\n");
        at = stop + 2;
    }
    return err;
}

static int
put_request(const struct out *o, struct il_text *text, const struct rendered *d)
{
    const struct signer *signer = &o->options.signer;
    const int ours = signer->count && signer->kind == SIGN_INGESTLAYER;
    int err = 0;
    for (size_t k = 0; !err && k < d->header_count; k++)
        err = put_header(o, text, &d->headers[k]);
    if (!err)
        err = put(o, text, "%s: %s\n", ours ? "Idempotency-Key" : "webhook-id",
                  d->id);
    if (!err && signer->count)
        err = put(o, text, "%s: made when it is sent\n",
                  ours ? "X-Ingest-Signature" : "webhook-signature");
    if (!err)
        err = put(o, text, "\n");
    if (!err)
        err = put_scrubbed(o, text, rendered_body(d), d->body_len);
    return err ? err : put(o, text, "\n");
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
    if (err == -EINVAL) {
        const struct il_reason why = { IL_SIZED(struct il_reason),
                                       .code = "template", .message = d->why };
        il_reject(batch, i, &why);
        put(o, text, "it cannot be sent: %s\n", d->why);
    }
    if (!err)
        err = put_line(o, text, d);
    if (!err)
        err = out_speech(&o->options) == TRANSPORT_MAIL
                  ? put_mail(o, text, d)
                  : put_request(o, text, d);
    if (d)
        il_text_free(o->host, d->text);
    free(d);
    return err;
}
