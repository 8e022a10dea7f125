/* SPDX-License-Identifier: MIT */
/* The worker: puts tables into runs, runs together, and lets runs go.
 *
 * It reads only what does not change, and never changes what the gate's side
 * looks into: what it shows is taken over by the gate's side, between two
 * batches. */
#include "config.h"

#include "private.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TRY_AGAIN_US 1000000
#define FLUSH_EVERY_US INT64_C(600000000)
/* A clock that jumps ahead and back again shall not cost the window. */
#define SETTLES_IN_US INT64_C(600000000)
#define ASK_EVERY                                                              \
    4096u /* keys of a merge, before a look at what else there is */

void
idem_work_wake(struct idem *d)
{
    if (d->working)
        pthread_cond_signal(&d->work);
}

void
idem_work_lost(struct idem *d, uint64_t from)
{
    if (from < d->lost_from)
        d->lost_from = from;
    if (from < spool_hold_position(d->hold))
        spool_hold_move(d->hold, from);
    atomic_store(&d->lost, 1);
}

static void
say(struct idem *d, int rc)
{
    if (rc == -ECANCELED || rc == -EBADMSG)
        return;
    if (rc && !d->work_failed)
        log_error("idempotency index: cannot write to %s: %s; it is tried "
                  "again, and until then events are refused once memory is "
                  "full",
                  d->dir, strerror(-rc));
    else if (!rc && d->work_failed)
        log_info("idempotency index: %s can be written again", d->dir);
    d->work_failed = rc;
    if (rc)
        pthread_cond_broadcast(&d->ready);
}

/* --- naming, with the lock, which is let go meanwhile --- */

static void
move_hold(struct idem *d)
{
    if (d->replay_from == UINT64_MAX && !atomic_load(&d->lost))
        spool_hold_move(d->hold, d->set.complete);
}

static void
named(struct idem *d, struct idem_naming *n)
{
    n->due = 0;
    for (uint32_t i = 0, k = 0; k < n->tables; i++) {
        struct idem_table *t = d->tables[i];
        if (!t->done)
            t->flushed = n->upto[k++];
    }
    memcpy(d->shown, d->set.list, d->set.count * sizeof d->shown[0]);
    d->shown_count = d->set.count;
    for (uint32_t i = 0; i < n->count; i++) {
        n->out[i]->next = d->retired;
        d->retired = n->out[i];
    }
    move_hold(d);
    atomic_store(&d->news, 1);
    pthread_cond_broadcast(&d->ready);
}

static int
name(struct idem *d)
{
    struct idem_naming *n = &d->naming;
    pthread_mutex_unlock(&d->lock);
    int rc = runs_name(&d->set, n->out, n->count, n->made, n->complete);
    pthread_mutex_lock(&d->lock);
    if (!rc)
        named(d, n);
    return rc;
}

/* --- tables into runs --- */

/* Tables that take nothing more, and are in runs. */
static void
mark_done(struct idem *d)
{
    for (uint32_t i = 0; i + 1 < d->table_count; i++) {
        struct idem_table *t = d->tables[i];
        if (t->done || t->flushed != t->end)
            continue;
        t->done = 1;
        atomic_store(&d->news, 1);
        pthread_cond_broadcast(&d->ready);
    }
}

/* Tables that have something durable which is in no run, and where that of each
 * ends. */
struct flush {
    const struct idem_table *tables[FULL_MAX + 1];
    uint32_t from[FULL_MAX + 1], upto[FULL_MAX + 1];
    uint32_t count;
    uint64_t last;
    struct runs_item *items;
    size_t n, room;
    uint64_t values;
    const struct idem_table *whole; /* all of one, in order */
};

/* The oldest of them; all: also where more may come into one. */
static int
find_flush(struct idem *d, int all, struct flush *f)
{
    mark_done(d);
    f->count = 0;
    f->whole = NULL;
    for (uint32_t i = 0; i < d->table_count && !d->naming.due; i++) {
        struct idem_table *t = d->tables[i];
        uint32_t durable =
            atomic_load_explicit(&t->durable, memory_order_acquire);
        if (t->done)
            continue;
        int full = i + 1 < d->table_count && durable == t->end;
        if (durable == t->flushed || !(all || full))
            break;
        f->tables[f->count] = t;
        f->from[f->count] = t->flushed;
        f->upto[f->count++] = durable;
        f->whole =
            full && f->count == 1 && !t->flushed && idem_table_has_order(t)
                ? t
                : NULL;
        if (!full)
            break;
    }
    return f->count != 0;
}

/* Those of a range of keys. */
static int
flush_gather(struct flush *f, uint64_t low, uint64_t high)
{
    f->n = 0;
    for (uint32_t i = 0; i < f->count; i++)
        for (uint32_t unit = f->from[i]; unit < f->upto[i];) {
            const struct runs_record *r = idem_table_record(f->tables[i], unit);
            unit += RECORD_UNITS(runs_value_len(r));
            if (f->n == f->room) {
                size_t room = f->room ? f->room * 2 : TABLE_KEYS;
                void *items = realloc(f->items, room * sizeof *f->items);
                if (!items)
                    return -ENOMEM;
                f->items = items;
                f->room = room;
            }
            f->items[f->n] =
                (struct runs_item){ .record = r,
                                    .value = (const char *) (r + 1) };
            f->n += r->hi - low <= high - low;
        }
    return 0;
}

static uint64_t
flush_count(struct flush *f)
{
    uint64_t keys = 0;
    if (f->whole) {
        f->values = f->whole->value_bytes;
        if (f->whole->last > f->last)
            f->last = f->whole->last;
        return f->whole->keys;
    }
    for (uint32_t i = 0; i < f->count; i++)
        for (uint32_t unit = f->from[i]; unit < f->upto[i]; keys++) {
            const struct runs_record *r = idem_table_record(f->tables[i], unit);
            uint32_t len = runs_value_len(r);
            f->values += len;
            if (runs_position(r) > f->last)
                f->last = runs_position(r);
            unit += RECORD_UNITS(len);
        }
    return keys;
}

static int
flush_put(void *arg, const struct runs_record *r, const char *value)
{
    return runs_put(arg, r, value);
}

static int
flush_whole(struct flush *f, uint64_t keys, struct runs_writer *w)
{
    uint64_t line = 0;
    int rc = 0;
    f->items = malloc(keys * sizeof *f->items);
    if (!f->items)
        return -ENOMEM;
    while (!rc && line < f->whole->lines) {
        size_t n = idem_table_group(f->whole, &line, f->items);
        rc = runs_put_few(f->items, n, flush_put, w);
    }
    return rc;
}

/* One range of keys after the other: as many as there are tables, so that
 * sorting them takes no more memory. */
static int
flush_sorted(struct flush *f, struct runs_writer *w)
{
    const uint64_t step = UINT64_MAX / f->count;
    uint64_t low = 0;
    int rc = 0;
    for (uint32_t k = 1; k <= f->count && !rc; k++) {
        uint64_t high = k == f->count ? UINT64_MAX : low + step - 1;
        rc = flush_gather(f, low, high);
        if (!rc && f->n)
            rc = runs_put_sorted(f->items, f->n, low, high, flush_put, w);
        low = high + 1;
    }
    return rc;
}

/* Up to where all is in runs, once these are. */
static uint64_t
flush_completes(const struct idem *d, const struct flush *f, uint64_t applied)
{
    uint64_t complete = applied;
    for (uint32_t i = 0; i + 1 < d->table_count; i++)
        if (d->tables[i] == f->tables[f->count - 1]
            && f->upto[f->count - 1] == d->tables[i]->end)
            complete = d->tables[i + 1]->base;
    /* What is taken from the spool comes late. */
    return d->replay_from < complete && applied < complete ? applied : complete;
}

/* With the lock, which is let go meanwhile. */
static int
flush(struct idem *d, struct flush *f)
{
    struct idem_naming *n = &d->naming;
    struct runs_writer *w;
    uint64_t applied = f->last, from = d->set.complete;
    *n = (struct idem_naming){ .complete = flush_completes(d, f, applied),
                               .tables = f->count };
    for (uint32_t i = 0; i < f->count; i++)
        n->upto[i] = f->upto[i];
    if (d->replay_from < from)
        from = d->replay_from;
    pthread_mutex_unlock(&d->lock);
    uint64_t keys = flush_count(f);
    int rc = runs_create(&d->set, keys, f->values, &w);
    if (!rc) {
        rc = f->whole ? flush_whole(f, keys, w) : flush_sorted(f, w);
        if (rc)
            runs_abandon(w);
        else
            rc = runs_finish(w, from, f->last, &n->made);
    }
    if (!rc)
        runs_warm(n->made);
    free(f->items);
    pthread_mutex_lock(&d->lock);
    n->due = !rc;
    return rc ? rc : name(d);
}

/* As far as all up to applied is durable. */
static int
flush_some(struct idem *d, int all, int *found)
{
    /* In this order: all up to applied is before durable. */
    struct flush f = { .last = atomic_load_explicit(&d->applied,
                                                    memory_order_acquire) };
    *found = find_flush(d, all, &f);
    return *found ? flush(d, &f) : 0;
}

/* All that is durable is in runs. */
static int
flush_over(struct idem *d, int over, uint64_t applied)
{
    struct idem_naming *n = &d->naming;
    int rc = 0;
    d->flush_due = 0;
    d->flushed_us = clock_monotonic_us();
    if (d->set.complete < applied) {
        *n = (struct idem_naming){ .due = 1, .complete = applied };
        rc = name(d);
    }
    if (!rc && over)
        d->replay_from = UINT64_MAX;
    move_hold(d);
    return rc;
}

static int
flush_all(struct idem *d)
{
    int over = !atomic_load(&d->behind);
    uint64_t applied = atomic_load_explicit(&d->applied, memory_order_acquire);
    int found, rc = flush_some(d, 1, &found);
    return found ? rc : flush_over(d, over, applied);
}

/* What the gate's side has let go of.  With the lock, which is let go meanwhile.
 */
static void
free_garbage(struct idem *d)
{
    struct run *r = d->garbage;
    d->garbage = NULL;
    pthread_mutex_unlock(&d->lock);
    while (r) {
        struct run *next = r->next;
        runs_free(r);
        r = next;
    }
    pthread_mutex_lock(&d->lock);
}

/* --- runs together --- */

struct merge {
    struct idem *idem;
    struct runs_writer *writer;
    uint32_t since;
};

/* In the middle of a merge: the gate may wait for an empty table. */
static int
merge_put(void *arg, const struct runs_record *r, const char *value)
{
    struct merge *m = arg;
    struct idem *d = m->idem;
    if (++m->since == ASK_EVERY) {
        m->since = 0;
        int found = 1, rc = atomic_load(&d->quit) ? -ECANCELED : 0;
        pthread_mutex_lock(&d->lock);
        while (!rc && found && d->set.count < RUNS_MAX)
            rc = flush_some(d, 0, &found);
        if (d->garbage)
            free_garbage(d);
        pthread_mutex_unlock(&d->lock);
        if (rc)
            return rc;
    }
    return runs_put(m->writer, r, value);
}

/* In seconds: what is not after this is past the window. */
static uint32_t
past(const struct idem *d)
{
    if (d->settled_us == INT64_MIN)
        return 0;
    int64_t us = d->settled_us - d->opt.window_us;
    return us < 1000000 ? 0 : (uint32_t) (us / 1000000 - 1);
}

static int
merge(struct idem *d, uint32_t first, uint32_t count)
{
    struct idem_naming n = { .due = 1, .count = count };
    struct merge m = { .idem = d };
    uint64_t keys = 0, values = 0, from = UINT64_MAX, to = 0;
    uint32_t after = past(d);
    memcpy(n.out, d->set.list + first, count * sizeof n.out[0]);
    for (uint32_t i = 0; i < count; i++) {
        const struct run *r = n.out[i];
        keys += r->header.keys;
        values += r->header.value_bytes;
        from = r->header.from < from ? r->header.from : from;
        to = r->to > to ? r->to : to;
    }
    pthread_mutex_unlock(&d->lock);
    int rc = runs_create(&d->set, keys, values, &m.writer);
    if (!rc) {
        rc = runs_each(n.out, count, after, merge_put, &m);
        /* What was left out just now is perhaps not in other runs yet. */
        pthread_mutex_lock(&d->lock);
        if (!rc && (d->replay_from != UINT64_MAX || atomic_load(&d->lost)))
            rc = -ECANCELED;
        pthread_mutex_unlock(&d->lock);
        if (rc)
            runs_abandon(m.writer);
        else
            rc = runs_finish(m.writer, from, to, &n.made);
    }
    if (!rc && n.made)
        runs_warm(n.made);
    pthread_mutex_lock(&d->lock);
    for (uint32_t i = 0; rc == -EBADMSG && i < count; i++)
        if (atomic_load(&n.out[i]->told))
            idem_work_lost(d, n.out[i]->header.from);
    if (rc)
        return rc;
    n.complete = d->set.complete;
    d->naming = n;
    return name(d);
}

/* While what damage has taken is not in runs again, what has it stays. */
static int
find_merge(struct idem *d, uint32_t *first, uint32_t *count)
{
    struct runs_policy p = {
        .least = d->part_keys,
        .most = d->opt.max_keys ? d->opt.max_keys / 4 : UINT64_MAX,
        .together = (uint32_t) (d->opt.window_us / SLICES_PER_WINDOW / 1000000)
    };
    if (p.together < 1)
        p.together = 1;
    if (p.most < d->part_keys)
        p.most = d->part_keys;
    if (d->replay_from != UINT64_MAX || atomic_load(&d->lost))
        return 0;
    *count = runs_due(&d->set, &p, first);
    return *count != 0;
}

/* --- runs that go --- */

/* What is past the window, or the oldest above the limit. */
static struct run *
find_drop(struct idem *d)
{
    uint64_t keys = 0;
    for (uint32_t i = 0; i < d->set.count; i++) {
        if (d->set.list[i]->header.time_max <= past(d))
            return d->set.list[i];
        keys += d->set.list[i]->header.keys;
    }
    for (uint32_t i = 0; i < d->table_count; i++)
        keys += idem_table_unflushed(d->tables[i]);
    if (!d->opt.max_keys || keys <= d->opt.max_keys || d->set.count < 2)
        return NULL;
    log_warn("idempotency index: %" PRIu64 " keys, the limit is %" PRIu64
             ": the oldest %" PRIu64 " are forgotten before their time",
             keys, d->opt.max_keys, d->set.list[0]->header.keys);
    return d->set.list[0];
}

static int
drop(struct idem *d, struct run *r)
{
    d->naming = (struct idem_naming){
        .due = 1, .out = { r }, .count = 1, .complete = d->set.complete
    };
    return name(d);
}

/* --- the thread --- */

static struct run *
find_cold(const struct idem *d)
{
    for (uint32_t i = d->set.count; i-- > 0;)
        if (!d->set.list[i]->warm)
            return d->set.list[i];
    return NULL;
}

static void
warm(struct idem *d, struct run *r)
{
    pthread_mutex_unlock(&d->lock);
    int rc = runs_warm(r);
    pthread_mutex_lock(&d->lock);
    if (rc)
        idem_work_lost(d, r->header.from);
}

/* Of the changes of the set the most urgent.  1: there is none; 0, or a
 * negative errno.  With the lock, which is let go meanwhile. */
static int
change(struct idem *d)
{
    struct run *r;
    uint32_t first, count;
    int found, rc;
    if (d->naming.due)
        return name(d);
    if (d->set.count >= RUNS_CROWDED && find_merge(d, &first, &count))
        return merge(d, first, count);
    rc = flush_some(d, 0, &found);
    if (found)
        return rc;
    if (d->flush_due)
        return flush_all(d);
    if ((r = find_drop(d)))
        return drop(d, r);
    if (find_merge(d, &first, &count))
        return merge(d, first, count);
    return 1;
}

/* Whatever lets the lock go is followed by another look at everything: who is
 * not waiting yet would miss the signal. */
static void *
work_run(void *arg)
{
    struct idem *d = arg;
    struct run *cold;
    pthread_setname_np(pthread_self(), "idem-runs");
    pthread_mutex_lock(&d->lock);
    while (!atomic_load(&d->quit)) {
        if (d->garbage) {
            free_garbage(d);
            continue;
        }
        int rc = change(d);
        if (rc <= 0)
            say(d, rc);
        else if ((cold = find_cold(d)))
            warm(d, cold);
        else
            pthread_cond_wait(&d->work, &d->lock);
        int64_t until_us = clock_monotonic_us() + TRY_AGAIN_US;
        while (rc < 0 && !atomic_load(&d->quit)
               && !cond_wait_until(&d->work, &d->lock, until_us))
            ;
    }
    /* A clean end: the next start has nothing to take from the spool. */
    int rc = d->naming.due ? name(d) : 0;
    for (d->flush_due = 1; !rc && d->flush_due;)
        rc = flush_all(d);
    say(d, rc);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

int
idem_work_start(struct idem *d)
{
    sigset_t all, before;
    cond_init(&d->work);
    cond_init(&d->ready);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&d->worker, NULL, work_run, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    d->working = !rc;
    return -rc;
}

void
idem_work_stop(struct idem *d)
{
    if (!d->working)
        return;
    pthread_mutex_lock(&d->lock);
    atomic_store(&d->quit, 1);
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->worker, NULL);
    pthread_cond_destroy(&d->work);
    pthread_cond_destroy(&d->ready);
    d->working = 0;
    if (d->naming.due)
        runs_free(d->naming.made);
    idem_install(d);
    pthread_mutex_lock(&d->lock);
    free_garbage(d);
    pthread_mutex_unlock(&d->lock);
    idem_table_free(d->spare);
}

/* --- housekeeping, beside the gate --- */

/* The lowest time of a period is believed once the period is over. */
static void
settle_clock(struct idem *d, int64_t now_us, int64_t mono)
{
    int64_t slice_us = d->opt.window_us / SLICES_PER_WINDOW;
    int64_t period = SETTLES_IN_US < slice_us ? SETTLES_IN_US : slice_us;
    if (now_us < d->lowest_us)
        d->lowest_us = now_us;
    if (mono - d->period_us < period)
        return;
    d->settled_us = d->lowest_us;
    d->lowest_us = now_us;
    d->period_us = mono;
}

int
idem_checkpoint(struct idem *d, int64_t now_us)
{
    int64_t mono = clock_monotonic_us();
    uint64_t begins = spool_newest_begins(d->spool);
    pthread_mutex_lock(&d->lock);
    settle_clock(d, now_us, mono);
    /* What comes before the newest segment may go as soon as it is passed. */
    if (mono - d->flushed_us >= FLUSH_EVERY_US
        || spool_hold_position(d->hold) + 1 < begins)
        d->flush_due = 1;
    idem_work_wake(d);
    int rc = d->work_failed;
    pthread_mutex_unlock(&d->lock);
    return rc;
}
