/* SPDX-License-Identifier: MIT */
/* The engine's life: out.h says how the parts work together. */
#include "out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_MS 1000
#define TELL_MS 1000
#define PACED_US INT64_C(5000000) /* worth of its rate in a batch */

uint64_t
out_random(struct out *o)
{
    uint64_t x = o->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void
out_close(void *self)
{
    struct out *o = self;
    while (o->spare) {
        struct out_request *r = o->spare;
        o->spare = r->next;
        request_free(o, r);
    }
    transport_free(o->transport);
    attempts_close(o->attempts);
    keep_close(o->keep);
    breaker_free(o->breaker);
    il_text_free(o->host, o->place.text);
    il_text_free(o->host, o->answer);
    render_close(&o->render);
    if (o->options.kind->close && o->options.own)
        o->options.kind->close(o->options.own, o->host);
    free(o->options.own);
    out_options_close(&o->options, o->host);
    free(o->orders);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* --- open ----------------------------------------------------------------- */

static int
open_transport(struct out *o, const struct il_conf *conf)
{
    const struct out_options *from = &o->options;
    const struct transport_options options = { .speech = out_speech(from),
                                               .concurrency = from->concurrency,
                                               .proxy = from->proxy,
                                               .ca_file = from->ca_file,
                                               .cert = from->cert,
                                               .key = from->key,
                                               .no_verify = !from->verify,
                                               .answer_max =
                                                   from->kind->answer_max,
                                               .addresses = from->addresses,
                                               .plain = from->plain,
                                               .username = from->username,
                                               .password = from->password };
    const char *why;
    o->transport = transport_new(&options, &why);
    if (o->transport)
        return 0;
    return il_conf_error(conf, NULL, -1, "%s", why);
}

/* Where all events go to the same target its name is known. */
static void
name_target(struct out *o, const struct il_conf *conf)
{
    const struct out_options *options = &o->options;
    if (options->target.of && !options->target.is_template)
        snprintf(o->only_target, sizeof(o->only_target), "%s",
                 il_conf_str(conf, "target"));
    else if (!options->target.of && options->origin)
        transport_target(out_speech(options), options->origin, o->only_target);
}

/* A batch of what the rate lets out in a moment, so that none is at hand for
 * minutes. */
static uint32_t
batch_events(const struct out_options *options)
{
    const struct pace *p = &options->rate;
    const uint32_t most = OUT_BATCHES * options->concurrency;
    if (!p->count)
        return most;
    const __int128 paced = (__int128) p->count * PACED_US / p->per_us;
    return paced < 1 ? 1 : paced < most ? (uint32_t) paced : most;
}

static int
open_intake(struct out *o)
{
    const struct out_options *options = &o->options;
    const struct il_intake intake = { IL_SIZED(struct il_intake),
                                      .in_flight = OUT_BATCHES,
                                      .events = batch_events(options),
                                      .max_parked = options->max_parked,
                                      .max_parked_bytes =
                                          options->max_parked_bytes,
                                      .order = options->order.of };
    o->order_slots = options->order.of ? 64 : 0;
    while (o->order_slots && o->order_slots < 2 * OUT_BATCHES * intake.events)
        o->order_slots *= 2;
    if (o->order_slots
        && !(o->orders = calloc(o->order_slots, sizeof(struct out_event *))))
        return -ENOMEM;
    return il_intake(o->host, &intake);
}

static int
open_parts(struct out *o, const struct il_conf *conf)
{
    const struct out_kind *kind = o->options.kind;
    int err = out_options_begin(&o->options);
    if (!err)
        err = kind->open(o->options.own, &o->options, o->host, conf);
    if (!err)
        name_target(o, conf);
    int bad = render_open(&o->render, o->host, &o->options);
    if (err || bad)
        return err ? err : bad;
    o->place.text = il_text_new(o->host);
    o->breaker = breaker_new(*o->only_target ? 1 : BREAKER_TARGETS);
    o->answer = il_text_new(o->host);
    if (!o->place.text || !o->answer || !o->breaker || tell_open(o))
        return -ENOMEM;
    err = open_intake(o);
    return err ? err : open_transport(o, conf);
}

int
out_open(const struct il_host *host, const struct il_conf *conf, void **self,
         const struct out_kind *kind)
{
    struct out *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->host = host;
    o->options.kind = kind;
    pthread_mutex_init(&o->lock, NULL);
    o->options.own = kind->size ? calloc(1, kind->size) : NULL;
    int err = kind->size && !o->options.own ? -ENOMEM : open_parts(o, conf);
    if (err)
        out_close(o);
    else
        *self = o;
    return err;
}

/* --- running -------------------------------------------------------------- */

/* Nothing that was promised hangs on it. */
static void
start_attempts(struct out *o)
{
    const char *folder;
    if (o->options.attempts == OUT_ATTEMPTS_NONE)
        return;
    int err = il_state_dir(o->host, &folder);
    if (!err)
        err = attempts_open(folder, ATTEMPTS_SIZE, &o->attempts);
    if (err)
        il_log(o->host, IL_LOG_WARN,
               "cannot open the file of what was tried (attempts): %s",
               strerror(-err));
}

static void
start_keep(struct out *o)
{
    const char *folder;
    int err = il_state_dir(o->host, &folder);
    if (!err)
        err = keep_open(folder, o->breaker, o->only_target, out_wall(o),
                        &o->keep);
    if (err)
        il_log(o->host, IL_LOG_WARN,
               "cannot open what is known of targets (%s): %s; one that is "
               "away costs a few attempts after each start",
               KEEP_FILE, strerror(-err));
    pthread_mutex_lock(&o->lock);
    pump_hold_restored(o);
    pthread_mutex_unlock(&o->lock);
}

int
out_start(void *self)
{
    struct out *o = self;
    start_attempts(o);
    start_keep(o);
    o->random = (uint64_t) out_clock(o) ^ (uint64_t) (uintptr_t) o;
    int err = transport_start(o->transport);
    if (err)
        il_log(o->host, IL_LOG_ERROR, "cannot start the thread of requests: %s",
               strerror(-err));
    else
        err = il_timer_every(o->host, TELL_MS, tell_state, o);
    return err;
}

int
out_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct out *o = self;
    pthread_mutex_lock(&o->lock);
    int err = queue_take(o, batch, ack);
    if (!err)
        pump(o);
    pthread_mutex_unlock(&o->lock);
    return err;
}

/* What is under way gets a moment more; whether it has arrived is then not
 * known, and it is sent again, under the same id. */
void
out_stop(void *self)
{
    struct out *o = self;
    pthread_mutex_lock(&o->lock);
    o->stopping = 1;
    pthread_mutex_unlock(&o->lock);
    transport_stop(o->transport, GRACE_MS);
    pthread_mutex_lock(&o->lock);
    queue_give_up(o);
    attempts_close(o->attempts);
    o->attempts = NULL;
    keep_close(o->keep);
    o->keep = NULL;
    pthread_mutex_unlock(&o->lock);
}
