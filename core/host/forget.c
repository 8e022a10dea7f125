/* SPDX-License-Identifier: MIT */
/* Letting go of what is kept for a lane that is in no config any more. */
#include "forget.h"

#include "history.h"
#include "jobs.h"
#include "private.h"

#include "base/log.h"
#include "base/state_dir.h"
#include "codec/json_out.h"
#include "spool/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
host_forget(const char *state_dir, const char *lane, struct dead *dead,
            struct parked *parked)
{
    char path[4096];
    int err = dead ? dead_forget(dead, lane) : 0;
    if (!err && parked)
        err = parked_lane_forget(parked, lane);
    if (err == -ENOENT)
        err = 0; /* it had nothing there */
    if (!err
        && (size_t) snprintf(path, sizeof(path), "%s/instances/lanes/%s",
                             state_dir, lane)
               < sizeof(path))
        err = state_dir_remove_below(path);
    if (!err)
        err = host_history_remove(state_dir, lane);
    return err ? err : spool_cursor_remove(state_dir, lane);
}

/* --- by the running daemon ------------------------------------------------ */

struct asked {
    struct job *job;
    char name[DEAD_LANE_MAX + 1];
};

static void
answer(struct job *job, const char *name, const struct host_left_counts *n)
{
    struct il_text out = { 0 };
    struct json_out o;
    json_out_begin(&o, &out);
    json_out_object(&o, NULL);
    json_out_str(&o, "forgotten", name);
    json_out_number(&o, "position", n->position);
    json_out_number(&o, "events", n->events);
    json_out_number(&o, "dead_letters", n->letters);
    json_out_number(&o, "parked", n->parked);
    json_out_end(&o);
    if (!json_out_done(&o))
        job_put(job, slice_of(out.data, out.len));
    text_clear(&out);
}

/* The main thread's: a reload may have it back in the config. */
static void
forget(struct host *h, struct asked *a)
{
    struct host_left_counts n;
    if (host_count_left(h, a->name, &n)) {
        const char *why = plan_find_lane(h->assembly->plan, a->name)
                              ? "is in the config that runs; only one that is "
                                "not can be forgotten"
                              : "is not known: nothing is kept for it";
        job_fail(a->job, "unknown_lane", "lane %s %s", a->name, why);
        return;
    }
    int err = host_forget(h->state_dir, a->name, h->dead, h->parked);
    if (err) {
        job_fail(a->job, "io", "lane %s is not forgotten: %s", a->name,
                 strerror(-err));
        return;
    }
    host_drop_left(h, a->name);
    log_info("lane %s: forgotten, with %" PRIu64 " events, %" PRIu64
             " dead letters and %" PRIu64 " that waited to be sent again",
             a->name, n.events, n.letters, n.parked);
    answer(a->job, a->name, &n);
}

static void
do_asked(struct host *h, void *arg, int stopping)
{
    struct asked *a = arg;
    if (stopping)
        job_fail(a->job, "not_now", "the daemon is stopping");
    else if (!job_cancelled(a->job))
        forget(h, a);
    job_end(a->job);
    free(a);
}

int
host_forget_request(struct host_request *r)
{
    struct asked *a = malloc(sizeof(*a));
    if (!a)
        return host_refuse(r, 503, "no_memory", "no memory");
    snprintf(a->name, sizeof(a->name), "%s", r->name);
    int status = job_begin(r, "forget", &a->job);
    if (status) {
        free(a);
        return status;
    }
    if (host_send(r->host, do_asked, a))
        do_asked(r->host, a, 1);
    return 0;
}
