/* SPDX-License-Identifier: MIT */
/* A run of what has changed, and the worker that writes it. */
#include "config.h"

#include "private.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define EVERY_US INT64_C(5000000)
#define CHANGED_MOST 65536u /* then it is time: the list takes memory */
#define COPY_AT_ONCE 2048u  /* some tenths of a millisecond */
#define TRY_AGAIN_US 1000000
#define MERGE_LEAST CHANGED_MOST
#define AHEAD 16
#define ASK_EVERY 4096u /* keys of a merge */

/* --- what has changed, listed --------------------------------------------- */

static void
snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    free(s->items);
    free(s->records);
    free(s->bytes);
    free(s);
}

/* The value stays until it is written. */
static void
snapshot_put(struct snapshot *s, uint64_t hi, uint32_t lo, uint32_t end,
             uint64_t position, const void *value, size_t len)
{
    struct runs_record *r = &s->records[s->count];
    *r = (struct runs_record){
        .hi = hi,
        .lo = lo,
        .time = end,
        .at = position | (uint64_t) len << RUNS_POSITION_BITS
    };
    s->items[s->count++] = (struct runs_item){ .record = r, .value = value };
}

static void
meta_put(struct cells *c, struct snapshot *s)
{
    s->meta = (struct cells_meta){ .version = CELLS_META_VERSION,
                                   .stream_us = s->stream.us,
                                   .behind = s->stream.behind,
                                   .jumped = s->stream.jumped };
    for (size_t i = 0; i < c->count; i++)
        if (c->memories[i]->covered)
            s->meta.lineages[s->meta.count++] = c->memories[i]->lineage;
    snapshot_put(s, CELLS_META_HI, CELLS_META_LO, CELLS_NO_END, s->position,
                 &s->meta, sizeof s->meta);
}

/* Room for all that has changed, and for what it was where batches on their way
 * have changed it. */
static struct snapshot *
snapshot_new(struct cells *c, const struct cells_undo *const *batches,
             size_t count)
{
    const size_t records = c->changed_count + 1;
    size_t bytes = 1;
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    for (size_t i = 0; i < count; i++)
        bytes += batches[i]->was.len;
    s->stretch = c->stretch;
    s->items = malloc(records * sizeof *s->items);
    s->records = malloc(records * sizeof *s->records);
    s->bytes = malloc(bytes);
    if (s->items && s->records && s->bytes) {
        c->listing_bytes =
            records * (sizeof *s->items + sizeof *s->records) + bytes;
        return s;
    }
    snapshot_free(s);
    return NULL;
}

/* What a batch on its way has changed, as it was before the oldest that has:
 * what it is now belongs to the next stretch.  It may be what the files have: that
 * is written again, rather than known. */
static void
snapshot_batch(struct cells *c, struct snapshot *s, const struct cells_undo *u)
{
    const struct cells_was *was;
    for (size_t at = 0; (was = cells_was_next(u, &at));) {
        const struct cell *cell = cells_was_cell(c, was);
        if (!cell || cell->changed != s->stretch)
            continue;
        char *value = s->bytes + s->used;
        memcpy(value, was->value, was->len);
        s->used += was->len;
        snapshot_put(s, was->hi, was->lo, was->end, was->position, value,
                     was->len);
        cells_changed_add(c, was->number);
    }
}

int
cells_checkpoint(struct cells *c, uint64_t position,
                 const struct batch_stream *stream,
                 const struct cells_undo *const *batches, size_t count)
{
    const size_t room = c->changed_count + 1024;
    if (c->asked)
        return -EBUSY;
    struct snapshot *s = snapshot_new(c, batches, count);
    uint32_t *next = malloc(room * sizeof *next);
    if (!s || !next) {
        snapshot_free(s);
        free(next);
        c->listing_bytes = 0;
        return -ENOMEM;
    }
    s->position = position;
    s->stream = *stream;
    meta_put(c, s);
    c->writing = c->changed;
    c->writing_count = c->changed_count;
    c->writing_bytes = (uint64_t) c->changed_bytes;
    c->changed = next;
    c->changed_room = room;
    c->changed_count = 0;
    c->changed_bytes = 0;
    c->stretch += 2;
    for (size_t i = 0; i < count; i++)
        snapshot_batch(c, s, batches[i]);
    c->copying = s;
    c->copied = 0;
    c->begun_us = clock_monotonic_us();
    c->moved = 0;
    c->asked = position + 1;
    return 0;
}

void
cells_copy_first(struct cells *c, struct cell *cell)
{
    struct snapshot *s = c->copying;
    if (cell->changed != s->stretch)
        return;
    snapshot_put(s, cell->hi, cell->lo, cell->end, cell->position, cell->value,
                 cell->len);
    cell->changed++;
}

/* What comes later is fetched while others are listed. */
static void
fetch_ahead(const struct cells *c, size_t i)
{
    if (i + AHEAD < c->writing_count)
        __builtin_prefetch(cells_cell(c, c->writing[i + AHEAD]), 1);
}

void
cells_copy(struct cells *c, size_t n)
{
    for (; n && c->copied < c->writing_count; n--) {
        fetch_ahead(c, c->copied);
        cells_copy_first(c, cells_cell(c, c->writing[c->copied++]));
    }
    if (c->copied < c->writing_count)
        return;
    pthread_mutex_lock(&c->lock);
    c->job = c->copying;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    c->copying = NULL;
}

/* --- taking over ---------------------------------------------------------- */

void
cells_install(struct cells *c)
{
    if (c->copying)
        cells_copy(c, COPY_AT_ONCE);
    if (!atomic_load(&c->news))
        return;
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->news, 0);
    memcpy(c->runs, c->shown, c->shown_count * sizeof c->runs[0]);
    c->run_count = c->shown_count;
    c->position = c->shown_position;
    c->stream = c->shown_stream;
    c->last.where = LAST_UNKNOWN;
    uint32_t stretch = c->shown_stretch;
    c->shown_stretch = 0;
    while (c->retired) {
        struct run *r = c->retired;
        c->retired = r->next;
        r->next = c->garbage;
        c->garbage = r;
    }
    if (c->garbage)
        pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (!stretch)
        return;
    /* What was written may be forgotten, unless it has changed again. */
    c->written = stretch + 1;
    free(c->writing);
    c->writing = NULL;
    c->writing_count = 0;
    c->writing_bytes = c->listing_bytes = 0;
    while (c->left_count)
        cells_value_give(&c->values, c->left[--c->left_count]);
    c->bytes -= c->left_bytes;
    c->left_bytes = 0;
    c->room_most = c->room * 2;
    c->asked = 0;
}

int
cells_due(struct cells *c, int64_t now_us, int64_t *until_us)
{
    *until_us = c->copying ? now_us : INT64_MAX;
    if (c->asked || !c->moved)
        return 0;
    if (c->changed_count >= CHANGED_MOST || c->changed_bytes > c->room / 8 * 3)
        return 1;
    *until_us = c->begun_us + EVERY_US;
    return now_us >= *until_us;
}

int
cells_full(const struct cells *c)
{
    return c->asked
           && c->changed_bytes + c->writing_bytes + c->listing_bytes > c->room;
}

int
cells_wait(struct cells *c)
{
    if (c->copying)
        cells_copy(c, SIZE_MAX);
    pthread_mutex_lock(&c->lock);
    while (c->job && !c->failed)
        pthread_cond_wait(&c->done, &c->lock);
    int err = c->job ? c->failed : 0;
    pthread_mutex_unlock(&c->lock);
    cells_install(c);
    return err;
}

/* --- the worker ----------------------------------------------------------- */

/* With the lock: the lane is to look into the set as it is now. */
static void
show(struct cells *c, struct run *const *out, uint32_t count)
{
    memcpy(c->shown, c->set.list, c->set.count * sizeof c->shown[0]);
    c->shown_count = c->set.count;
    for (uint32_t i = 0; i < count; i++) {
        out[i]->next = c->retired;
        c->retired = out[i];
    }
    atomic_store(&c->news, 1);
}

static int
put(void *arg, const struct runs_record *r, const char *value)
{
    return runs_put(arg, r, value);
}

/* What ends up to then has ended, in a stream at this time. */
static uint32_t
ended_up_to(int64_t stream_us)
{
    return stream_us > 0 ? (uint32_t) (stream_us / 1000000) : 0;
}

static int
write_run(struct cells *c, const struct snapshot *s, struct run **made)
{
    struct runs_writer *w;
    uint64_t values = 0;
    c->set.now = ended_up_to(s->stream.us);
    for (size_t i = 0; i < s->count; i++)
        values += runs_value_len(s->items[i].record);
    int err = runs_create(&c->set, s->count, values, &w);
    if (err)
        return err;
    err = runs_put_sorted(s->items, s->count, 0, UINT64_MAX, put, w);
    if (err)
        runs_abandon(w);
    else
        err = runs_finish(w, c->set.complete, s->position, made);
    return err;
}

/* With the lock, which is let go meanwhile. */
static int
write_job(struct cells *c)
{
    struct snapshot *s = c->job;
    pthread_mutex_unlock(&c->lock);
    int err = c->sync ? c->sync(c->sync_arg) : 0;
    if (!err && !c->made)
        err = write_run(c, s, &c->made);
    if (!err)
        err = runs_name(&c->set, NULL, 0, c->made, s->position);
    pthread_mutex_lock(&c->lock);
    if (err)
        return err;
    atomic_store(&c->made->leave_out, 1);
    c->made = NULL;
    show(c, NULL, 0);
    c->shown_position = s->position;
    c->shown_stream = s->stream;
    c->shown_stretch = s->stretch;
    c->written_us = clock_wall_us();
    c->job = NULL;
    snapshot_free(s);
    return 0;
}

static void
say(struct cells *c, int err)
{
    if (err && !c->failed)
        log_error("lane %s: cannot write down what its steps remember, in %s: "
                  "%s; it is tried again, and the spool is kept until it can",
                  c->lane, c->dir, strerror(-err));
    else if (!err && c->failed)
        log_info("lane %s: what its steps remember is written down again",
                 c->lane);
    c->failed = err;
    pthread_cond_broadcast(&c->done);
}

struct merge {
    struct cells *cells;
    struct runs_writer *writer;
    struct run *const *older; /* those that are not among them */
    uint32_t older_count;
    uint32_t after; /* what ends later is there */
    int newest;     /* none comes behind them */
    uint32_t since; /* keys since it was asked for a checkpoint */
};

/* Is there one that would be taken for the newest, were this one gone? */
static int
hides(const struct merge *m, const struct runs_record *r)
{
    const struct runs_key key = { r->hi, r->lo };
    struct runs_hit hit;
    for (uint32_t i = 0; i < m->older_count; i++) {
        int rc = runs_find(m->older[i], key, &hit);
        if (rc < 0 || (rc && hit.time > m->after))
            return 1;
    }
    return 0;
}

/* In the middle of a merge: the lane may have to wait for it.  Its run becomes the
 * newest, which no merge is of yet.  Where it cannot be written nothing else is
 * named before it is. */
static int
write_meanwhile(struct cells *c)
{
    int err = 0;
    pthread_mutex_lock(&c->lock);
    if (c->job && c->set.count + 1 < RUNS_MAX) {
        err = write_job(c);
        say(c, err);
    }
    pthread_mutex_unlock(&c->lock);
    return err;
}

/* What is no more, or has ended, goes where nothing comes back by that. */
static int
merge_put(void *arg, const struct runs_record *r, const char *value)
{
    struct merge *m = arg;
    int err = 0;
    if (++m->since == ASK_EVERY) {
        m->since = 0;
        err = write_meanwhile(m->cells);
    }
    if (err)
        return err;
    if (r->hi == CELLS_META_HI && !m->newest)
        return 0; /* that of the newest counts */
    const int there = runs_value_len(r) && r->time > m->after;
    return there || hides(m, r) ? runs_put(m->writer, r, value) : 0;
}

static void
wait_to_try_again(struct cells *c)
{
    int64_t until_us = clock_monotonic_us() + TRY_AGAIN_US;
    while (!c->quit && !cond_wait_until(&c->wake, &c->lock, until_us))
        ;
}

/* Where that fails it may have been done or not: nothing else is named before it
 * is.  With the lock, which is let go meanwhile. */
static int
name_merged(struct cells *c, struct run *const *in, uint32_t count,
            struct run *made)
{
    for (;;) {
        pthread_mutex_unlock(&c->lock);
        int err = runs_name(&c->set, in, count, made, c->set.complete);
        pthread_mutex_lock(&c->lock);
        if (!err)
            break;
        if (c->quit) {
            if (made)
                runs_free(made);
            return err;
        }
        say(c, err);
        wait_to_try_again(c);
    }
    if (made)
        atomic_store(&made->leave_out, 1);
    show(c, in, count);
    return 0;
}

/* With the lock, which is let go meanwhile. */
static int
merge(struct cells *c, uint32_t first, uint32_t count)
{
    struct run *in[RUNS_MAX], *made = NULL;
    struct merge m = { .cells = c, .older_count = first };
    uint64_t keys = 0, values = 0;
    struct run *older[RUNS_MAX];
    m.after = c->set.now;
    m.newest = first + count == c->set.count;
    m.older = older;
    memcpy(older, c->set.list, first * sizeof older[0]);
    memcpy(in, c->set.list + first, count * sizeof in[0]);
    pthread_mutex_unlock(&c->lock);
    for (uint32_t i = 0; i < count; i++) {
        keys += in[i]->header.keys;
        values += in[i]->header.value_bytes;
    }
    int err = runs_create(&c->set, keys, values, &m.writer);
    if (!err) {
        err = runs_each(in, count, 0, merge_put, &m);
        if (err)
            runs_abandon(m.writer);
        else
            err = runs_finish(m.writer, in[0]->header.from,
                              in[count - 1]->header.to, &made);
    }
    pthread_mutex_lock(&c->lock);
    return err ? err : name_merged(c, in, count, made);
}

/* Runs that nobody looks into any more.  With the lock, which is let go
 * meanwhile. */
static void
free_garbage(struct cells *c)
{
    struct run *r = c->garbage;
    c->garbage = NULL;
    pthread_mutex_unlock(&c->lock);
    while (r) {
        struct run *next = r->next;
        runs_free(r);
        r = next;
    }
    pthread_mutex_lock(&c->lock);
}

static void *
work(void *arg)
{
    const struct runs_policy policy = { .least = MERGE_LEAST,
                                        .most = UINT64_MAX,
                                        .together = UINT32_MAX };
    struct cells *c = arg;
    pthread_setname_np(pthread_self(), "cells");
    pthread_mutex_lock(&c->lock);
    while (!c->quit || (c->job && !c->failed)) {
        uint32_t first, count = 0;
        int err = 0;
        c->set.now = ended_up_to(c->shown_stream.us);
        if (c->garbage)
            free_garbage(c);
        else if (c->job)
            err = write_job(c);
        else if (!c->quit && (count = runs_due(&c->set, &policy, &first)))
            err = merge(c, first, count);
        else
            pthread_cond_wait(&c->wake, &c->lock);
        say(c, err);
        if (err)
            wait_to_try_again(c);
    }
    pthread_mutex_unlock(&c->lock);
    if (c->made)
        runs_free(c->made);
    c->made = NULL;
    return NULL;
}

int
cells_worker_start(struct cells *c)
{
    sigset_t all, before;
    c->quit = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = -pthread_create(&c->worker, NULL, work, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->working = !err;
    return err;
}

void
cells_worker_stop(struct cells *c)
{
    if (!c->working)
        return;
    if (c->copying) /* what was begun is written at a clean end, too */
        cells_copy(c, SIZE_MAX);
    pthread_mutex_lock(&c->lock);
    c->quit = 1;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->worker, NULL);
    c->working = 0;
    snapshot_free(c->job);
    c->job = NULL;
    c->failed = 0;
    cells_install(c);
    pthread_mutex_lock(&c->lock);
    free_garbage(c);
    pthread_mutex_unlock(&c->lock);
    c->asked = 0;
}
