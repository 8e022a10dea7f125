/* SPDX-License-Identifier: MIT */
/* The spool once more, through the steps, to the destination. */
#include "replay.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "codec/json_out.h"
#include "cells/cells.h"
#include "lane/dry.h"
#include "lang/expr.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES (4u << 20)
#define READ_FRAMES 4096
#define BATCH_BYTES (8u << 20)
#define PACED_FRAMES 64 /* of a batch whose events take their time */
#define AGAIN_MS 1000 /* the far side is away */

/* --- what is left out ------------------------------------------------------ */

static int
by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int
host_replay_leave_out(struct replay *r, uint64_t position)
{
    if (!(r->letter_count & (r->letter_count + 1))) {
        uint64_t *more =
            realloc(r->letters, 2 * (r->letter_count + 1) * sizeof(*more));
        if (!more)
            return -ENOMEM;
        r->letters = more;
    }
    r->letters[r->letter_count++] = position;
    return 0;
}

static int
note_letter(void *arg, const struct dead_letter *letter)
{
    return host_replay_leave_out(arg, letter->position);
}

static int
note_parked(void *arg, const char *lane, const struct parked_event *e)
{
    (void) lane;
    return host_replay_leave_out(arg, e->position);
}

static int
note_parked_letter(void *arg, const char *lane, const struct parked_letter *e)
{
    (void) lane;
    return host_replay_leave_out(arg, e->position);
}

static int
find_letters(struct replay *r)
{
    struct parked *parked = r->h->parked;
    int err = dead_each(r->h->dead, r->ask.lane, note_letter, r);
    if (!err && parked)
        err = parked_walk(parked, r->ask.lane, note_parked, r);
    if (!err && parked)
        err = parked_walk_letters(parked, r->ask.lane, note_parked_letter, r);
    return err;
}

static void
sort_letters(struct replay *r)
{
    if (r->letter_count)
        qsort(r->letters, r->letter_count, sizeof(*r->letters), by_number);
}

int
host_replay_is_left_out(const struct replay *r, uint64_t position)
{
    return r->letter_count
           && bsearch(&position, r->letters, r->letter_count,
                      sizeof(*r->letters), by_number);
}

/* --- beginning and end ----------------------------------------------------- */

static int
open_dry(struct replay *r)
{
    char name[64];
    snprintf(name, sizeof(name), "replay/%s", r->id);
    return assembly_dry_new(r->lane, r->h->entities, spool_id(r->h->spool),
                            r->h->state_dir, name, &r->dry);
}

static void
end_all(struct replay *r)
{
    assembly_dry_free(&r->dry);
    if (r->reader)
        spool_reader_close(r->reader);
    text_clear(&r->frames);
    text_clear(&r->lines);
    free(r->letters);
}

/* --- the destination ------------------------------------------------------- */

/* Each line that it has to tell. */
static void
put_lines(struct replay *r)
{
    const char *at = r->lines.data, *end = at + r->lines.len, *next;
    while (at < end && (next = memchr(at, '\n', (size_t) (end - at)))) {
        job_put(r->job, slice_of(at, (size_t) (next - at)));
        at = next + 1;
    }
    r->lines.len = 0;
}

/* One phase of it, until it is done.  0, or -ECANCELED after job_fail(). */
static int
call(struct replay *r, uint32_t phase, struct il_batch *b)
{
    int said = 0, err;
    r->to.phase = phase;
    for (;;) {
        r->lines.len = 0;
        r->to.out = &r->lines;
        err = instance_replay(&r->lane->destination, &r->to, b);
        if (!err) {
            put_lines(r);
            return 0;
        }
        if (err != -EAGAIN || job_cancelled(r->job))
            break;
        if (!said++)
            job_say(r->job, "waiting for the far side: %s",
                    r->lines.len ? text_str(&r->lines) : "it does not answer");
        poll(NULL, 0, AGAIN_MS);
    }
    job_fail(r->job, err == -EINVAL ? "no_replay" : "destination", "%s",
             r->lines.len ? text_str(&r->lines) : strerror(-err));
    return -ECANCELED;
}

/* --- a batch --------------------------------------------------------------- */

/* Those that the replay is not about are not in it any more. */
static int
narrow(struct replay *r, struct il_batch *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        struct batch_event *e = &b->events[i];
        /* What a step puts aside today is neither delivered nor dropped. */
        if (e->state == BATCH_TICK || e->state == BATCH_DEFERRED
            || (!r->each && host_replay_is_left_out(r, e->position)))
            continue;
        int holds = r->where ? expr_true(r->where, e) : 1;
        if (holds < 0)
            return holds;
        if (!holds)
            continue;
        r->taken += e->state == BATCH_LIVE;
        if (i != n)
            b->events[n] = *e;
        n++;
    }
    r->events += n;
    b->count = n;
    return 0;
}

static int
flush(struct replay *r, uint64_t position)
{
    struct il_batch *b;
    int err = lane_dry_batch(r->dry.steps, &b);
    if (!err)
        err = narrow(r, b);
    if (err) {
        job_fail(r->job, "failed", "the steps of lane %s: %s", r->ask.lane,
                 strerror(-err));
        return -ECANCELED;
    }
    r->to.position = position;
    if (r->each)
        err = host_replay_each_batch(r->each, b, position);
    else if (b->count)
        err = call(r, IL_REPLAY_BATCH, b);
    if (!err)
        err = lane_dry_settle(r->dry.steps) ? -ECANCELED : 0;
    return err;
}

/* --- the spool ------------------------------------------------------------- */

/* Frames that were read, and what is done with them. */
struct pass {
    struct replay *r;
    uint64_t first, at, told; /* positions */
    uint32_t count;           /* in the batch */
    size_t bytes;
    int warmed, err;
};

static int64_t
time_of(uint64_t us)
{
    return us > INT64_MAX ? INT64_MAX : (int64_t) us;
}

static int
is_of_range(const struct replay *r, const struct event *ev)
{
    return ev->received_us >= 0 && (uint64_t) ev->received_us >= r->ask.since_us
           && (uint64_t) ev->received_us < r->ask.until_us;
}

/* A frame of before is for what steps remember, and for nothing else. */
static int
warm(struct pass *p, uint64_t position, const char *body, size_t len)
{
    return p->r->lane->remembers
               ? lane_dry_pass(p->r->dry.steps, position, body, len)
               : 0;
}

static int
add(struct pass *p, uint64_t position, const char *body, size_t len)
{
    struct replay *r = p->r;
    int err = 0;
    if (!p->warmed) {
        err = lane_dry_settle(r->dry.steps);
        p->warmed = 1;
        p->first = position;
    }
    if (!err)
        err = lane_dry_add(r->dry.steps, position, body, len);
    p->count++;
    p->bytes += len;
    const uint32_t most = r->through ? PACED_FRAMES : LANE_DRY_FRAMES;
    if (!err && (p->count == most || p->bytes >= BATCH_BYTES)) {
        p->count = 0;
        p->bytes = 0;
        err = flush(r, position);
    }
    return err;
}

/* What goes one by one may have left something to do before where it was. */
static int
is_known(struct replay *r, uint64_t position)
{
    return !r->each || host_replay_each_knows(r->each, position);
}

static int
each_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct pass *p = arg;
    struct replay *r = p->r;
    const char *body = r->frames.data + offset;
    struct event_retry retry;
    struct event ev;
    if (position > r->end)
        return 1;
    if (position > p->at + 1 && p->told)
        r->gone += position - p->at - 1;
    p->at = position;
    p->told = 1;
    if (event_is_marks(body, len) || event_retry(body, len, &retry)
        || event_unpack(body, len, &ev))
        return 0;
    if (p->warmed && ev.received_us >= 0
        && (uint64_t) ev.received_us >= r->ask.until_us)
        return 0;
    /* What an earlier attempt has done is for the steps alone. */
    if (!is_of_range(r, &ev)
        || (!p->warmed
            && (position <= r->to.position || !is_known(r, position))))
        p->err = p->warmed ? 0 : warm(p, position, body, len);
    else
        p->err = add(p, position, body, len);
    return p->err ? -ECANCELED : 0;
}

static int
read_failed(struct replay *r, int err)
{
    if (job_cancelled(r->job))
        return -ECANCELED;
    if (err != -ECANCELED)
        job_fail(r->job, "io", "the spool cannot be read: %s", strerror(-err));
    return -ECANCELED;
}

static int
read_all(struct pass *p)
{
    struct replay *r = p->r;
    const uint64_t from = r->from;
    uint64_t last = from - 1;
    while (last < r->end) {
        r->frames.len = 0;
        int n = spool_reader_read(r->reader, &r->frames, READ_BYTES,
                                  READ_FRAMES, 100, &last, each_frame, p);
        if (job_cancelled(r->job) || n < 0)
            return read_failed(r, n);
        const uint64_t keeps =
            r->each ? host_replay_each_keeps(r->each, p->at) : p->at;
        spool_hold_move(r->hold, keeps ? keeps - 1 : 0);
        if (!r->through)
            job_progress(r->job, last > from ? last - from : 0,
                         r->end >= from ? r->end - from + 1 : 0, "events");
        if (n == 0 && p->at >= spool_durable(r->h->spool))
            break;
        if (p->at >= r->end)
            break;
    }
    return p->count ? flush(r, p->at) : 0;
}

/* --- what came of it -------------------------------------------------------- */

static void
put_rows(const struct replay *r, struct json_out *o)
{
    const struct il_replay *to = &r->to;
    json_out_number(o, "events", r->events);
    json_out_number(o, "delivered_today", r->taken);
    json_out_number(o, "same", to->same);
    json_out_number(o, "missing", to->missing);
    json_out_number(o, "different", to->different);
    json_out_number(o, "only_there", to->only_there);
    json_out_number(o, "refused", to->refused);
    json_out_number(o, "inserted", to->inserted);
    json_out_number(o, "updated", to->updated);
    json_out_number(o, "changed_meanwhile", to->changed);
}

static void
put_report(struct replay *r)
{
    static const char *const modes[] = { "diff", "insert", "update" };
    struct il_text out = { 0 };
    struct json_out o;
    json_out_begin(&o, &out);
    json_out_object(&o, NULL);
    json_out_object(&o, "report");
    json_out_str(&o, "lane", r->ask.lane);
    json_out_str(&o, "mode", modes[r->ask.mode]);
    json_out_number(&o, "up_to", r->end);
    if (r->each)
        host_replay_each_report(r->each, &o);
    else
        put_rows(r, &o);
    json_out_number(&o, "gone_from_spool", r->gone);
    json_out_end(&o);
    json_out_end(&o);
    if (json_out_done(&o))
        job_fail(r->job, "no_memory",
                 "it is done, but there is no memory to "
                 "say how");
    else
        job_put(r->job, slice_of(out.data, out.len));
    text_clear(&out);
}

/* What steps remember begins with the oldest event; for others what came before
 * the range is not read. */
static int
open_reader(struct replay *r)
{
    struct spool_part part = { .from = 0 };
    struct spool_stats st;
    char dir[4096];
    spool_stats(r->h->spool, &st);
    int err = r->lane->remembers
                  ? 0
                  : state_dir_path(dir, sizeof(dir), r->h->state_dir, "spool")
                        ?: spool_part_of(dir, time_of(r->ask.since_us),
                                         time_of(r->ask.until_us), &part);
    r->from = part.from > st.first ? part.from : st.first ? st.first : 1;
    if (!r->lane->remembers && part.to < r->end)
        r->end = part.to;
    return err ? err : spool_reader_open(r->h->spool, r->from - 1, &r->reader);
}

static int
prepare(struct replay *r)
{
    r->to = (struct il_replay){ IL_SIZED(struct il_replay) };
    r->to.mode = r->ask.mode;
    r->to.samples = r->ask.samples;
    r->to.id = r->id;
    r->to.spool = spool_id_text(r->h->spool);
    r->to.columns =
        r->ask.column_count ? (const char *const *) r->ask.columns : NULL;
    r->to.column_count = r->ask.column_count;
    int err = find_letters(r);
    if (!err && r->one_by_one && host_replay_each_begin(r))
        return -ECANCELED;
    sort_letters(r);
    if (!err)
        err = open_dry(r);
    if (!err)
        err = open_reader(r);
    if (!err)
        return r->each ? 0 : call(r, IL_REPLAY_BEGIN, NULL);
    job_fail(r->job, "failed", "it cannot begin: %s", strerror(-err));
    return err;
}

void
host_replay_run(struct replay *r)
{
    struct pass p = { .r = r };
    int err = job_cancelled(r->job) ? -ECANCELED : prepare(r);
    const uint64_t resumed =
        !err && r->each ? host_replay_each_resumed(r->each) : r->to.position;
    if (!err && resumed)
        job_say(r->job,
                "goes on after position %" PRIu64 ", where it was interrupted",
                resumed);
    if (!err)
        err = read_all(&p);
    if (!err)
        err = r->each ? host_replay_each_end(r->each)
                      : call(r, IL_REPLAY_END, NULL);
    if (!err)
        put_report(r);
    const uint64_t events =
        r->each ? host_replay_each_seen(r->each) : r->events;
    host_replay_each_free(r->each, !err);
    log_info("replay of lane %s: %s after %" PRIu64 " events", r->ask.lane,
             err ? "ended" : "done", events);
    end_all(r);
    host_replay_done(r);
}
