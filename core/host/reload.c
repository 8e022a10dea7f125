/* SPDX-License-Identifier: MIT */
/* Reading the config again: the order of it, who asks for it, and the answer. */
#include "reload.h"

#include "jobs.h"
#include "notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/json_out.h"
#include "http/http.h"
#include "http/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_US 10000000
#define WAIT_MAX_MS 600000

enum result { TAKEN, REFUSED, TAKEN_BACK, RESULTS };

static const char *const result_name[] = {
    [TAKEN] = "taken", [REFUSED] = "refused", [TAKEN_BACK] = "taken_back"
};

static const char *const what_name[] = { [RELOAD_SAME] = "unchanged",
                                         [RELOAD_CHANGED] = "changed",
                                         [RELOAD_RENAMED] = "renamed",
                                         [RELOAD_NEW] = "new",
                                         [RELOAD_REMOVED] = "removed" };

static const char *const verdict_name[] = { [RELOAD_UNTRIED] = "untried",
                                            [RELOAD_WORKS] = "works",
                                            [RELOAD_RESTS] = "paused",
                                            [RELOAD_AWAY] = "waiting",
                                            [RELOAD_BROKEN] = "broken" };

/* --- what is told of it --------------------------------------------------- */

static struct {
    struct il_counter *results[RESULTS];
    struct il_gauge *good, *good_at;
} meters; /* set once, before others look */

int
host_reload_metrics(void)
{
    char label[64];
    int missing = 0;
    for (int i = 0; i < RESULTS; i++) {
        snprintf(label, sizeof(label), "result=\"%s\"", result_name[i]);
        meters.results[i] =
            metric_counter("config_reloads_total", label, IL_UNIT_NONE,
                           "Times that the config was read again.");
        missing |= !meters.results[i];
    }
    meters.good =
        metric_gauge("config_last_reload_successful", "", IL_UNIT_NONE,
                     "Does the config that was read last run?");
    meters.good_at = metric_gauge(
        "config_last_reload_success_timestamp_seconds", "",
        IL_UNIT_MICROSECONDS, "When the config that runs was taken.");
    if (missing || !meters.good || !meters.good_at)
        return -ENOMEM;
    metric_set(meters.good, 1);
    metric_set(meters.good_at, (uint64_t) clock_wall_us());
    return 0;
}

static void
count(enum result result)
{
    metric_add(meters.results[result], 1);
    metric_set(meters.good, result == TAKEN);
    if (result == TAKEN)
        metric_set(meters.good_at, (uint64_t) clock_wall_us());
}

static void
tell(const struct reload *r, enum result result)
{
    size_t of[RELOAD_REMOVED + 1] = { 0 };
    for (size_t i = 0; i < r->lane_count; i++)
        of[r->lanes[i].what]++;
    if (result == REFUSED)
        log_error("reload: %s is refused; what runs goes on as it was",
                  r->h->config);
    else if (result == TAKEN_BACK)
        log_error("reload: %s is taken back; the config of before runs again",
                  r->h->config);
    else
        log_info("reload: %s is taken: %zu lane%s changed, %zu renamed, %zu "
                 "new, %zu removed, %zu go on as they were",
                 r->h->config, of[RELOAD_CHANGED],
                 of[RELOAD_CHANGED] == 1 ? "" : "s", of[RELOAD_RENAMED],
                 of[RELOAD_NEW], of[RELOAD_REMOVED], of[RELOAD_SAME]);
}

/* --- the answer ----------------------------------------------------------- */

static void
put_lane(struct json_out *o, const struct reload_lane *l)
{
    json_out_object(o, NULL);
    json_out_str(o, "name", l->name);
    json_out_str(o, "change", what_name[l->what]);
    if (l->what == RELOAD_RENAMED)
        json_out_str(o, "was", l->was);
    if (l->started) {
        json_out_str(o, "verdict", verdict_name[l->verdict]);
        json_out_str(o, "why", l->why);
        json_out_number(o, "delivered", l->count);
        json_out_number(o, "rejected", l->refused);
    }
    json_out_end(o);
}

static void
put_lines(struct json_out *o, const char *name, const struct il_text *lines)
{
    const char *at = lines->len ? lines->data : "", *end = at + lines->len;
    json_out_array(o, name);
    while (at < end) {
        const char *nl = memchr(at, '\n', (size_t) (end - at));
        size_t len = (size_t) ((nl ? nl : end) - at);
        json_out_slice(o, NULL, slice_of(at, len));
        at += len + 1;
    }
    json_out_end(o);
}

static void
put_sources(struct json_out *o, const struct reload *r)
{
    json_out_array(o, "sources");
    for (size_t i = 0; i < r->source_count; i++) {
        json_out_object(o, NULL);
        json_out_str(o, "name", r->sources[i].name);
        json_out_str(o, "change", what_name[r->sources[i].what]);
        json_out_end(o);
    }
    json_out_end(o);
}

static void
put_answer(const struct reload *r, enum result result)
{
    struct il_text out = { 0 };
    struct json_out o;
    json_out_begin(&o, &out);
    json_out_object(&o, NULL);
    json_out_str(&o, "result", result_name[result]);
    put_lines(&o, "why", &r->why);
    put_lines(&o, "findings", &r->findings);
    json_out_array(&o, "lanes");
    for (size_t i = 0; i < r->lane_count; i++)
        put_lane(&o, &r->lanes[i]);
    json_out_end(&o);
    put_sources(&o, r);
    put_lines(&o, "not_read_again", &r->unread);
    put_lines(&o, "needs_upgrade", &r->stale);
    json_out_end(&o);
    if (json_out_done(&o))
        job_fail(r->ask.job, "no_memory",
                 "it is done, but there is no memory to say how; the log does");
    else
        job_put(r->ask.job, slice_of(out.data, out.len));
    text_clear(&out);
}

/* --- the order ------------------------------------------------------------ */

static enum result
try(struct reload *r)
{
    if (reload_read(r) || reload_compare(r))
        return REFUSED;
    r->hold = spool_hold_new(r->h->spool, "reload", 0);
    if (!r->hold) {
        reload_say(r, "no memory");
        return REFUSED;
    }
    if (reload_lanes(r)) {
        reload_lanes_back(r);
        return TAKEN_BACK;
    }
    if (reload_sources(r) || reload_serve(r)) {
        reload_sources_back(r);
        reload_lanes_back(r);
        return TAKEN_BACK;
    }
    reload_lanes_end(r);
    reload_sources_end(r);
    return TAKEN;
}

static void
reload(struct host *h, const struct reload_ask *ask)
{
    struct reload r = { .h = h, .ask = *ask, .from = h->assembly };
    notify_reloading();
    h->changing = 1;
    enum result result = try(&r);
    h->changing = 0;
    notify_ready();
    count(result);
    tell(&r, result);
    if (ask->job)
        put_answer(&r, result);
    if (result != TAKEN)
        assembly_free(r.to);
    reload_free(&r);
}

/* --- who asks ------------------------------------------------------------- */

void
host_reload(struct host *h)
{
    const struct reload_ask ask = { .wait_us = WAIT_US };
    log_info("reload: asked for by a signal");
    reload(h, &ask);
}

static void
do_asked(struct host *h, void *arg, int stopping)
{
    struct reload_ask *ask = arg;
    if (stopping) {
        job_fail(ask->job, "not_now", "the daemon is starting or stopping");
    } else if (job_cancelled(ask->job)) {
        log_info("reload: whoever asked for it does not want it any more");
    } else {
        log_info("reload: asked for at the control socket");
        reload(h, ask);
    }
    job_end(ask->job);
    free(ask);
}

static int
is_set(const struct host_request *r, const char *name)
{
    const char *text = il_request_query(r->http, name);
    return text && strcmp(text, "0") != 0;
}

/* 0, or the status of an answer. */
static int
read_ask(struct host_request *r, struct reload_ask *ask)
{
    const char *wait = il_request_query(r->http, "wait");
    *ask = (struct reload_ask){ .remove = is_set(r, "remove"),
                                .wait_us = WAIT_US };
    if (!wait)
        return 0;
    char *end;
    unsigned long ms = strtoul(wait, &end, 10);
    if (!*wait || *end || *wait == '-' || ms > WAIT_MAX_MS)
        return host_refuse(r, 400, "invalid_wait",
                           "wait takes milliseconds, at most %d", WAIT_MAX_MS);
    ask->wait_us = (int64_t) ms * 1000;
    return 0;
}

int
host_reload_request(struct host_request *r)
{
    struct reload_ask *ask = malloc(sizeof(*ask));
    int status =
        ask ? read_ask(r, ask) : host_refuse(r, 503, "no_memory", "no memory");
    if (!status)
        status = job_begin(r, "reload", &ask->job);
    if (status) {
        free(ask);
        return status;
    }
    if (host_send(r->host, do_asked, ask))
        do_asked(r->host, ask, 1);
    return 0;
}

/* A file with a secret has another content, and has been left alone since the
 * last look: it is read, as certificates are. */
static void
watch_secrets(struct host *h)
{
    uint64_t now;
    const char *changed = conf_file_changed(h->assembly->plan->conf, &now);
    const int quiet = now == h->secrets_seen;
    h->secrets_seen = now;
    if (!changed || !quiet || now == h->secrets_tried)
        return;
    const struct reload_ask ask = { .by_file = 1, .wait_us = WAIT_US };
    h->secrets_tried = now;
    log_info("reload: %s has changed", changed);
    reload(h, &ask);
}

void
host_watch(struct host *h)
{
    watch_secrets(h);
    if (h->gate_tls)
        tls_watch(h->gate_tls);
    if (h->admin_tls)
        tls_watch(h->admin_tls);
}
