/* SPDX-License-Identifier: MIT */
/* What a replay is asked for, and the job. */
#include "body.h"
#include "replay_each.h"

#include "base/log.h"
#include "lang/expr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SAMPLES_MAX 1000

static void
ask_clear(struct replay_ask *a)
{
    free(a->where);
    free(a->config);
    for (uint32_t i = 0; i < a->column_count; i++)
        free(a->columns[i]);
}

static void
replay_free(struct replay *r)
{
    ask_clear(&r->ask);
    expr_free(r->where);
    spool_hold_free(r->hold);
    lane_replay_free(r->through);
    free(r);
}

/* --- the body ------------------------------------------------------------- */

static int
read_columns(const struct il_value *body, struct replay_ask *a)
{
    struct il_value list, one;
    int err = host_body_list(body, "columns", REPLAY_COLUMNS_MAX, &list);
    if (err || list.type == IL_MISSING)
        return err;
    for (size_t iter = 0; msg_item(&list, &iter, NULL, &one);) {
        if (one.type != IL_STRING || memchr(one.str, 0, one.len))
            return -EINVAL;
        if (!(a->columns[a->column_count] = strndup(one.str, one.len)))
            return -ENOMEM;
        a->column_count++;
    }
    return 0;
}

static int
read_mode(const struct il_value *body, struct replay_ask *a)
{
    static const char *const modes[] = { "diff", "insert", "update" };
    char *mode = NULL;
    int err = host_body_text(body, "mode", &mode);
    a->mode = 0;
    while (mode && a->mode < 3 && strcmp(modes[a->mode], mode))
        a->mode++;
    free(mode);
    return err ? err : a->mode < 3 ? 0 : -EINVAL;
}

static int
read_rate(const struct il_value *body, struct replay_ask *a)
{
    const char *why;
    char *text = NULL;
    int err = host_body_text(body, "rate", &text);
    if (!err && text)
        err = rate_parse(text, &a->rate, &why);
    free(text);
    return err;
}

static int
read_members(const struct il_value *body, struct replay_ask *a)
{
    uint64_t samples = 10;
    int err = read_mode(body, a);
    a->until_us = UINT64_MAX;
    if (!err)
        err = host_body_number(body, "since", &a->since_us);
    if (!err)
        err = host_body_number(body, "until", &a->until_us);
    if (!err)
        err = host_body_number(body, "samples", &samples);
    if (!err)
        err = host_body_text(body, "where", &a->where);
    if (!err)
        err = host_body_text(body, "config", &a->config);
    if (!err)
        err = read_columns(body, a);
    if (!err)
        err = read_rate(body, a);
    a->samples = (uint32_t) (samples > SAMPLES_MAX ? SAMPLES_MAX : samples);
    return err;
}

static int
read_ask(struct host_request *r, struct replay_ask *a)
{
    struct il_text packed = { 0 };
    struct il_value value;
    int err = host_body_read(r->body, &packed, &value);
    if (!err)
        err = read_members(&value, a);
    text_clear(&packed);
    snprintf(a->lane, sizeof(a->lane), "%s", r->name);
    return err;
}

/* --- opening: the main thread's ------------------------------------------- */

static int
refuse(struct replay *r, const char *code, const char *why)
{
    job_fail(r->job, code, "%s", why);
    return -EINVAL;
}

/* Findings of the config, a line each. */
static void
say_findings(struct replay *r)
{
    char *text = NULL, *rest = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return;
    conf_print(r->assembly->plan->conf, f);
    if (!fclose(f))
        for (char *line = strtok_r(text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest))
            job_say(r->job, "%s", line);
    free(text);
}

static int
open_where(struct replay *r)
{
    struct lang_error error;
    const char *text = r->ask.where;
    int err = text ? expr_compile(text, strlen(text), &r->where, &error) : 0;
    if (err == -ENOMEM)
        return refuse(r, "no_memory", "no memory");
    if (!err)
        return 0;
    job_fail(r->job, "invalid_where", "--where: %s, at byte %zu of: %s",
             error.message, (size_t) error.offset, text);
    return err;
}

static int
open_one_by_one(struct replay *r)
{
    const char *why;
    if (r->ask.mode == IL_REPLAY_UPDATE) {
        job_fail(r->job, "no_update",
                 "lane %s: what %s has sent cannot be changed any more; "
                 "--insert sends it once more, under the same ids",
                 r->ask.lane, r->lane->destination.plugin->desc.name);
        return -EINVAL;
    }
    if (!r->ask.rate.events)
        rate_parse(REPLAY_RATE, &r->ask.rate, &why);
    return 0;
}

static int
open_lane(struct replay *r)
{
    const struct plugin *p;
    r->lane = assembly_find_lane(r->assembly, r->ask.lane);
    if (!r->lane) {
        job_fail(r->job, "unknown_lane", "%s has no lane %s",
                 r->ask.config ? r->ask.config : r->h->config, r->ask.lane);
        return -EINVAL;
    }
    p = r->lane->destination.plugin;
    r->one_by_one = !p->desc.replay && p->desc.flags & IL_PER_EVENT;
    if (r->one_by_one)
        return open_one_by_one(r);
    if (r->ask.rate.events)
        return refuse(r, "no_rate",
                      "--rate is for lanes that send events one by one");
    if (p->desc.replay)
        return 0;
    job_fail(
        r->job, "no_replay",
        "lane %s: %s cannot tell what it has delivered; what it has not is "
        "sent again by `ingestlayer dead retry`",
        r->ask.lane, p->desc.name);
    return -EINVAL;
}

/* The lane as it runs, whose position ends the range. */
static int
find_end(struct replay *r)
{
    const struct assembly_lane *running =
        assembly_find_lane(r->h->assembly, r->ask.lane);
    if (running && running->lane) {
        struct lane_status s;
        lane_status(running->lane, &s);
        r->end = s.position;
        if (r->ask.mode == IL_REPLAY_DIFF || running->print == r->lane->print)
            return 0;
    } else if (r->ask.mode == IL_REPLAY_DIFF) {
        r->end = spool_durable(r->h->spool);
        return 0;
    }
    job_fail(
        r->job, "not_running",
        "lane %s does not run by this config, and what it writes would not "
        "be what the replay writes: `ingestlayer reload` first",
        r->ask.lane);
    return -EINVAL;
}

/* What is to be sent goes by the lane that runs. */
static int
open_through(struct replay *r)
{
    if (!r->one_by_one || r->ask.mode == IL_REPLAY_DIFF)
        return 0;
    int err = lane_replay_new(
        assembly_find_lane(r->h->assembly, r->ask.lane)->lane, &r->through);
    if (!err)
        return 0;
    job_fail(r->job, err == -EBUSY ? "busy" : "no_memory", "lane %s: %s",
             r->ask.lane,
             err == -EBUSY ? "another replay of it is under way; wait for its "
                             "end"
                           : strerror(-err));
    return err;
}

static void
make_id(struct replay *r)
{
    const struct replay_ask *a = &r->ask;
    const uint64_t of[] = { a->mode, a->since_us, a->until_us, r->lane->print };
    uint64_t sum = XXH3_64bits_withSeed(a->lane, strlen(a->lane), 1);
    sum = XXH3_64bits_withSeed(of, sizeof(of), sum);
    if (a->where)
        sum = XXH3_64bits_withSeed(a->where, strlen(a->where), sum);
    for (uint32_t i = 0; i < a->column_count; i++)
        sum = XXH3_64bits_withSeed(a->columns[i], strlen(a->columns[i]), sum);
    snprintf(r->id, sizeof(r->id), "%016" PRIx64, sum);
}

static int
open_replay(struct replay *r)
{
    struct host *h = r->h;
    struct plan *plan = plan_parse(r->ask.config ? r->ask.config : h->config);
    plan_load(plan);
    r->assembly = assembly_open(plan);
    if (conf_errors(plan->conf)) {
        say_findings(r);
        return refuse(r, "config", "the config cannot be used");
    }
    if (open_where(r) || open_lane(r) || find_end(r) || open_through(r))
        return -EINVAL;
    make_id(r);
    r->hold = spool_hold_new(h->spool, "replay", 0);
    if (!r->hold)
        return refuse(r, "no_memory", "no memory");
    spool_hold_soften(r->hold);
    return 0;
}

static void
do_close(struct host *h, void *arg, int stopping)
{
    struct replay *r = arg;
    (void) h;
    (void) stopping;
    assembly_free(r->assembly);
    replay_free(r);
}

/* --- the job --------------------------------------------------------------- */

static void
work(struct job *job, void *arg)
{
    (void) job;
    host_replay_run(arg);
}

static void
do_open(struct host *h, void *arg, int stopping)
{
    struct replay *r = arg;
    if (stopping)
        job_fail(r->job, "not_now", "the daemon is starting or stopping");
    else if (!job_cancelled(r->job) && !open_replay(r)) {
        log_info("replay of lane %s: begins, up to %" PRIu64, r->ask.lane,
                 r->end);
        if (r->through)
            job_run_alone(r->job, work, r);
        else
            job_run(r->job, work, r);
        return;
    }
    struct job *job = r->job;
    do_close(h, r, stopping);
    job_end(job);
}

void
host_replay_done(struct replay *r)
{
    if (host_send(r->h, do_close, r))
        do_close(r->h, r, 1);
}

int
host_replay(struct host_request *req)
{
    struct replay *r = calloc(1, sizeof(*r));
    int err = r ? read_ask(req, &r->ask) : -ENOMEM;
    int status = err == -ENOMEM
                     ? host_refuse(req, 503, "no_memory", "no memory")
                 : err ? host_refuse(req, 400, "invalid_request",
                                     "the body is no replay; see "
                                     "`ingestlayer replay --help`")
                       : 0;
    if (!status)
        status = job_begin(req, "replay", &r->job);
    if (status) {
        if (r)
            replay_free(r);
        return status;
    }
    r->h = req->host;
    if (host_send(r->h, do_open, r))
        do_open(r->h, r, 1);
    return 0;
}
