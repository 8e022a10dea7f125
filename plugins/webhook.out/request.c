/* SPDX-License-Identifier: MIT */
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 65536 /* bytes of a text that are kept for the next event */

static struct out_request *
request_new(struct out *o)
{
    struct out_request *r = o->spare;
    if (r) {
        o->spare = r->next;
        return r;
    }
    if (!(r = calloc(1, sizeof(*r))))
        return NULL;
    r->out = o;
    if ((r->rendered.text = il_text_new(o->host)))
        return r;
    free(r);
    return NULL;
}

void
request_free(struct out *o, struct out_request *r)
{
    il_text_free(o->host, r->rendered.text);
    free(r);
}

/* For another event. */
static void
request_keep(struct out *o, struct out_request *r)
{
    if (r->rendered.text->cap > KEPT_MAX) {
        request_free(o, r);
        return;
    }
    r->next = o->spare;
    o->spare = r;
}

int
request_headers(const struct out *o, struct out_request *r, int64_t time_s,
                size_t *count)
{
    const struct rendered *d = &r->rendered;
    size_t n = d->header_count, signatures = 0;
    *count = 0;
    if (out_speech(&o->options) == TRANSPORT_MAIL)
        return 0; /* they are in its text */
    memcpy(r->headers, d->headers, n * sizeof(r->headers[0]));
    if (r->replayed)
        r->headers[n++] = (struct transport_header){ "webhook-replay", "true" };
    if (!o->options.signer.count) {
        r->headers[n++] = (struct transport_header){ "webhook-id", d->id };
        *count = n;
        return 0;
    }
    int err = signer_sign(&o->options.signer, d->id, time_s, rendered_body(d),
                          d->body_len, r->signatures, &signatures);
    for (size_t i = 0; i < signatures && !err; i++)
        r->headers[n++] = (struct transport_header){ r->signatures[i].name,
                                                     r->signatures[i].value };
    *count = n;
    return err;
}

/* From the transport's thread. */
static void
on_answer(void *arg, const struct transport_answer *a)
{
    struct out_request *r = arg;
    struct out *o = r->out;
    char pause[JUDGE_PAUSE_MAX] = "";
    pthread_mutex_lock(&o->lock);
    judge(o, r, a, pause);
    request_keep(o, r);
    pump(o);
    pthread_mutex_unlock(&o->lock);
    if (*pause) /* waits for the disk */
        il_pause(o->host, pause);
}

static void
put_under_way(struct out *o, struct out_event *e, int by)
{
    o->in_flight[e->queue] += (uint32_t) by;
    e->target->in_flight += (uint32_t) by;
}

int
request_send(struct out *o, struct out_event *e, struct breaker_target *b)
{
    struct out_request *r = request_new(o);
    struct il_batch *batch = e->batch->batch;
    size_t headers;
    int64_t wait, now = out_wall(o);
    if (!r)
        return -ENOMEM;
    const uint32_t flags = il_batch_flags(batch, e->i);
    r->replayed = (flags & IL_REPLAYED) != 0;
    /* Ids that come by a publishable key are of a namespace of their own. */
    int err =
        render_event(&o->render, batch, e->i, (flags & IL_ID_MADE) != 0,
                     flags & IL_PUBLISHABLE ? "publishable" : "", &r->rendered);
    if (err == -EINVAL)
        queue_reject(o, e, "template", r->rendered.why);
    if (!err)
        err = request_headers(o, r, now / 1000000, &headers);
    if (err) {
        request_keep(o, r);
        return err == -EINVAL ? 1 : err;
    }
    enum breaker_say say = breaker_ask(b, e->position, now, &wait);
    if (say == BREAKER_WAIT) {
        request_keep(o, r);
        return -EAGAIN;
    }
    r->event = e;
    r->breaker = b;
    r->probe = say == BREAKER_PROBE;
    const struct transport_request send = { .method = o->options.method,
                                            .url = rendered_url(&r->rendered),
                                            .url_known = 1,
                                            .headers = r->headers,
                                            .header_count = headers,
                                            .from = o->options.from,
                                            .to = rendered_to(&r->rendered),
                                            .to_count = r->rendered.to_count,
                                            .body = rendered_body(&r->rendered),
                                            .len = r->rendered.body_len,
                                            .timeout_ms = o->options.timeout_ms,
                                            .done = on_answer,
                                            .arg = r };
    put_under_way(o, e, 1);
    if (!(err = transport_submit(o->transport, &send)))
        return 0;
    put_under_way(o, e, -1);
    breaker_cancel(b, e->position, r->probe);
    if (err == -EINVAL)
        queue_reject(o, e, "template",
                     "it makes a request that HTTP does not "
                     "have");
    request_keep(o, r);
    return err == -EINVAL ? 1 : err;
}
