/* SPDX-License-Identifier: MIT */
/* What sources with a limit have undelivered: asked before they send more, and
 * counted once at start. */
#include "config.h"

#include "private.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is read of the spool at a time. */
#define CHUNK_BYTES (1 << 20)
#define CHUNK_FRAMES 10000

static void
refresh(void *arg)
{
    struct gate_source *s = arg;
    pthread_mutex_lock(&s->gate->lock);
    uint64_t bytes = gate_backlog_bytes(s->backlog, clock_monotonic_us());
    pthread_mutex_unlock(&s->gate->lock);
    metric_set(s->undelivered, bytes);
}

int
gate_source_backlog(struct gate_source *s, uint64_t max,
                    uint64_t (*passed)(void *arg), void *arg)
{
    struct il_text label = { 0 };
    s->backlog = calloc(1, sizeof(*s->backlog));
    if (!s->backlog || metric_label(&label, "source", s->name)) {
        text_clear(&label);
        return -ENOMEM;
    }
    s->backlog->max = max;
    s->backlog->passed = passed;
    s->backlog->arg = arg;
    s->undelivered =
        metric_gauge("gate_undelivered_bytes", text_str(&label), IL_UNIT_BYTES,
                     "What a source with a limit has in the "
                     "spool that is not delivered.");
    text_clear(&label);
    return 0;
}

static uint64_t
all_passed(void *arg)
{
    (void) arg;
    return UINT64_MAX;
}

void
gate_lanes_gone(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    for (struct gate_source *s = g->sources; s; s = s->next)
        if (s->backlog)
            s->backlog->passed = all_passed;
    pthread_mutex_unlock(&g->lock);
}

/* As much of the spool as the batch's events take. */
static uint64_t
size_of(const struct gate_batch *b, uint32_t n)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += b->bodies[i].len;
    return bytes;
}

int64_t
gate_backlog_wait_ns(const struct gate_batch *b)
{
    struct backlog *backlog = b->source->backlog;
    if (!backlog
        || gate_backlog_bytes(backlog, clock_monotonic_us()) < backlog->max)
        return 0;
    return (int64_t) gate_backlog_retry_after(backlog) * 1000000000;
}

void
gate_backlog_took(const struct gate_batch *b, uint32_t n, uint64_t position)
{
    if (b->source->backlog)
        gate_backlog_add(b->source->backlog, position, size_of(b, n));
}

/* --- what was there at start ---------------------------------------------- */

struct old_count {
    struct gate *gate;
    struct il_text text;
    uint64_t end;
};

static int
count_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct old_count *c = arg;
    struct event ev;
    if (position > c->end)
        return 1;
    if (event_unpack(c->text.data + offset, len, &ev))
        return 0;
    pthread_mutex_lock(&c->gate->lock);
    struct gate_source *s = c->gate->sources;
    while (s && (!s->counts || !slice_equal(s->id, ev.source_id)))
        s = s->next;
    if (s && position > s->backlog->passed(s->backlog->arg))
        gate_backlog_old(s->backlog, position, len);
    pthread_mutex_unlock(&c->gate->lock);
    return 0;
}

/* The oldest position that is of interest. */
static uint64_t
count_old_from(struct gate *g)
{
    uint64_t begin = UINT64_MAX;
    pthread_mutex_lock(&g->lock);
    for (struct gate_source *s = g->sources; s; s = s->next) {
        if (!s->counts)
            continue;
        uint64_t passed = s->backlog->passed(s->backlog->arg);
        begin = passed < begin ? passed : begin;
    }
    pthread_mutex_unlock(&g->lock);
    return begin;
}

static void
count_old(struct old_count *c, struct spool_reader *reader)
{
    struct gate *g = c->gate;
    uint64_t last = 0;
    int n = 1;
    while (last < c->end && n > 0 && !atomic_load(&g->closed)) {
        c->text.len = 0;
        n = spool_reader_read(reader, &c->text, CHUNK_BYTES, CHUNK_FRAMES, 0,
                              &last, count_frame, c);
    }
    if (n < 0)
        log_warn("gate: cannot count what is undelivered since before the "
                 "start: %s; max_undelivered counts what comes from now on",
                 strerror(-n));
}

static void *
count_old_run(void *arg)
{
    struct gate *g = arg;
    struct old_count c = { .gate = g, .end = g->old_end };
    struct spool_reader *reader = NULL;
    uint64_t begin = count_old_from(g);
    pthread_setname_np(pthread_self(), "gate-count-old");
    if (begin < c.end && !spool_reader_open(g->options.spool, begin, &reader))
        count_old(&c, reader);
    if (reader)
        spool_reader_close(reader);
    text_clear(&c.text);
    pthread_mutex_lock(&g->lock);
    for (struct gate_source *s = g->sources; s; s = s->next)
        s->counts = 0;
    g->old_counted = 1;
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* What a source has undelivered is counted from now on, and shown. */
static int
begin(struct gate_source *s)
{
    if (!s->backlog || s->begun)
        return 0;
    s->begun = 1;
    return metric_refresh(refresh, s);
}

/* Of those that are to be counted; one thread at a time. */
static int
count_start(struct gate *g)
{
    if (g->old_counting)
        pthread_join(g->old_counter, NULL);
    g->old_end = spool_durable(g->options.spool);
    g->old_counted = 0;
    g->old_counting =
        pthread_create(&g->old_counter, NULL, count_old_run, g) == 0;
    return g->old_counting ? 0 : -EAGAIN;
}

int
gate_start(struct gate *g)
{
    int limits = 0, err = 0;
    for (struct gate_source *s = g->sources; s && !err; s = s->next) {
        s->counts = s->backlog != NULL;
        limits |= s->counts;
        err = begin(s);
    }
    if (!err)
        err = gate_settler_start(g);
    return err || !limits ? err : count_start(g);
}

int
gate_source_begin(struct gate_source *s)
{
    struct gate *g = s->gate;
    pthread_mutex_lock(&g->lock);
    int fresh = s->backlog && !s->backlog->live.count && !s->backlog->old.count;
    int busy = g->old_counting && !g->old_counted;
    s->counts = fresh && !busy;
    pthread_mutex_unlock(&g->lock);
    if (fresh && busy)
        log_warn("gate: source \"%s\": max_undelivered counts what comes from "
                 "now on, as what was there at the start is still being "
                 "counted for others", s->name);
    int err = begin(s);
    return err || !s->counts ? err : count_start(g);
}

void
gate_backlog_end(struct gate_source *s)
{
    if (s->begun)
        metric_refresh_remove(refresh, s);
    s->begun = 0;
}

void
gate_backlog_stop(struct gate *g)
{
    if (g->old_counting)
        pthread_join(g->old_counter, NULL);
    g->old_counting = 0;
    for (struct gate_source *s = g->sources; s; s = s->next)
        gate_backlog_end(s);
}
