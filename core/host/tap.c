/* SPDX-License-Identifier: MIT */
/* Those who look: what they ask for, and a thread for each. */
#include <config.h>

#include "tap_private.h"

#include "lang/expr.h"
#include "lang/lexis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define TAP_NICE 10
#define RATE_DEFAULT 1000
#define RATE_MAX 100000

/* --- its thread ------------------------------------------------------------ */

static void
tap_free(struct tap *t)
{
    lane_tap_free(t->tap);
    host_tap_show_clear(&t->show);
    text_clear(&t->frames);
    expr_free(t->where);
    free(t->lane);
    free(t->after);
    free(t);
}

static void *
watch(void *arg)
{
    struct tap *t = arg;
    pthread_setname_np(pthread_self(), "tap");
    setpriority(PRIO_PROCESS, 0, TAP_NICE); /* of this thread, on Linux */
    host_tap_watch(t);
    if (t->tap)
        lane_tap_detach(t->tap);
    job_end(t->job);
    pthread_mutex_lock(&t->taps->lock);
    t->ended = 1;
    pthread_mutex_unlock(&t->taps->lock);
    return NULL;
}

/* --- all of them ----------------------------------------------------------- */

struct host_taps *
host_taps_new(void)
{
    struct host_taps *taps = calloc(1, sizeof(*taps));
    if (taps)
        pthread_mutex_init(&taps->lock, NULL);
    return taps;
}

/* Those that have ended; all: and those that have not, when they do. */
static void
reap(struct host_taps *taps, int all)
{
    pthread_mutex_lock(&taps->lock);
    for (struct tap **at = &taps->first; *at;) {
        struct tap *t = *at;
        if (!all && !t->ended) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        pthread_mutex_unlock(&taps->lock);
        pthread_join(t->thread, NULL);
        tap_free(t);
        pthread_mutex_lock(&taps->lock);
        at = &taps->first; /* others may have come */
    }
    pthread_mutex_unlock(&taps->lock);
}

void
host_taps_stop(struct host_taps *taps)
{
    pthread_mutex_lock(&taps->lock);
    taps->stops = 1;
    pthread_mutex_unlock(&taps->lock);
    reap(taps, 1);
}

void
host_taps_free(struct host_taps *taps)
{
    reap(taps, 1);
    pthread_mutex_destroy(&taps->lock);
    free(taps);
}

/* --- the request ----------------------------------------------------------- */

static int
is_set(const struct host_request *r, const char *name)
{
    const char *value = il_request_query(r->http, name);
    return value && strcmp(value, "0") != 0;
}

/* 0, or the status of an answer that says what is wrong. */
static int
read_where(struct host_request *r, struct tap *t)
{
    const char *text = il_request_query(r->http, "where");
    struct il_text shown = { 0 };
    struct lang_error error;
    int err = text ? expr_compile(text, strlen(text), &t->where, &error) : 0;
    if (!err)
        return 0;
    if (err == -EINVAL)
        err = lang_error_show(&shown, text, strlen(text), &error);
    int status =
        err ? host_refuse(r, 503, "no_memory", "no memory")
            : host_refuse(r, 400, "bad_expression", "where: position %zu: %s",
                          error.offset + 1, text_str(&shown));
    text_clear(&shown);
    return status;
}

static int
read_rate(struct host_request *r, struct tap *t)
{
    const char *text = il_request_query(r->http, "rate");
    char *end;
    errno = 0;
    unsigned long n = text ? strtoul(text, &end, 10) : RATE_DEFAULT;
    if (text && (*text < '0' || *text > '9' || *end || errno))
        n = 0;
    if (!n || n > RATE_MAX)
        return host_refuse(r, 400, "bad_request",
                           "rate: expected a number from 1 to %d", RATE_MAX);
    t->per_s = (uint32_t) n;
    return 0;
}

static int
refuse_step(struct host_request *r, const struct assembly_lane *l,
            const char *after)
{
    struct il_text names = { 0 };
    for (size_t i = 0; i < l->step_count; i++)
        text_printf(&names, "%s %s", names.len ? "," : "",
                    l->lane_steps[i].name);
    int status = host_refuse(
        r, 404, "unknown_step", "the lane %s has no step \"%s\"; it has%s",
        r->name, after, names.len ? text_str(&names) : " none");
    text_clear(&names);
    return status;
}

static int
find_point(struct host_request *r, struct tap *t)
{
    const char *lane = il_request_query(r->http, "lane");
    const char *after = il_request_query(r->http, "after");
    const int dropped = is_set(r, "dropped");
    if (!lane)
        return after || dropped ? host_refuse(
                   r, 400, "bad_request", "after and dropped are for a lane")
                                : 0;
    snprintf(r->name, sizeof(r->name), "%s", lane);
    const struct assembly_lane *l = host_find_lane(r->host, r->name);
    if (!l || !l->lane)
        return host_refuse_lane(r);
    t->lane = strdup(lane);
    t->after = after ? strdup(after) : NULL;
    const struct lane_tap_spec spec = { .after = t->after,
                                        .dropped = dropped,
                                        .raw = t->raw,
                                        .per_s = t->per_s,
                                        .where = t->where };
    if (!t->lane || (after && !t->after) || lane_tap_new(&spec, &t->tap))
        return host_refuse(r, 503, "no_memory", "no memory");
    return lane_tap_attach(t->tap, l->lane) ? refuse_step(r, l, after) : 0;
}

/* 0: it runs, and answers. */
static int
begin(struct host_request *r, struct tap *t)
{
    struct host_taps *taps = t->taps;
    int status = job_begin(r, "tap", &t->job);
    if (status)
        return status;
    pthread_mutex_lock(&taps->lock);
    int err = taps->stops || pthread_create(&t->thread, NULL, watch, t);
    if (!err) {
        t->next = taps->first;
        taps->first = t;
    }
    pthread_mutex_unlock(&taps->lock);
    if (!err)
        return 0;
    job_fail(t->job, "shutting_down", "there is no thread for this now");
    job_end(t->job);
    tap_free(t);
    return 0;
}

int
host_tap(struct host_request *r)
{
    struct tap *t = calloc(1, sizeof(*t));
    int status = t ? 0 : host_refuse(r, 503, "no_memory", "no memory");
    reap(r->host->taps, 0);
    if (!status) {
        t->taps = r->host->taps;
        t->host = r->host;
        t->raw = is_set(r, "raw");
        status = read_rate(r, t);
    }
    if (!status)
        status = read_where(r, t);
    if (!status)
        status = find_point(r, t);
    if (!status) {
        t->show.lane = t->lane;
        t->show.after = t->after;
        status = begin(r, t);
        if (!status)
            return 0;
    }
    if (t)
        tap_free(t);
    return status;
}
