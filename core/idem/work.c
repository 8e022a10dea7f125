/* SPDX-License-Identifier: MIT */
/* The worker: puts full tables into runs, runs together, and sums up what the
 * slices that are over have.
 *
 * It reads only what does not change, and never changes what the gate's side
 * looks into: what it has made is taken in by the gate's side, between two
 * batches. */
#include "config.h"

#include "private.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define TRY_AGAIN_US 1000000
#define WAIT_US 100000

void
idem_work_wake(struct idem *d)
{
    if (d->working)
        pthread_cond_signal(&d->work);
}

/* --- jobs, under the lock ------------------------------------------------- */

static int
is_newest(const struct idem *d, const struct idem_slice *s)
{
    return d->slice_count && s == d->slices[d->slice_count - 1];
}

/* A full table whose entries are all in the file of the log. */
static int
find_seal(struct idem *d)
{
    struct idem_job *j = &d->seal;
    if (j->state != JOB_NONE || atomic_load(&d->unplaced))
        return 0;
    for (size_t i = 0; i < d->slice_count; i++) {
        struct idem_slice *s = d->slices[i];
        if (s->full_count && s->full[0].to <= s->log.written
            && s->run_count < RUNS_MAX) {
            *j = (struct idem_job){ .state = JOB_RUNS, .slice = s };
            return 1;
        }
    }
    return 0;
}

static int
find_merge(struct idem *d)
{
    struct idem_job *j = &d->merge;
    if (j->state != JOB_NONE || atomic_load(&d->unplaced))
        return 0;
    for (size_t i = 0; i < d->slice_count; i++) {
        struct idem_slice *s = d->slices[i];
        uint32_t first;
        uint32_t n = idem_build_due(s->runs, s->run_count,
                                    !is_newest(d, s) && !s->full_count, &first);
        if (n) {
            *j = (struct idem_job){ .state = JOB_RUNS, .slice = s, .count = n };
            memcpy(j->in, s->runs + first, n * sizeof j->in[0]);
            return 1;
        }
    }
    return 0;
}

/* The slices that are over, each in one run. */
static int
find_sum_up(struct idem *d)
{
    struct idem_job *j = &d->sum_up;
    uint64_t upto = 0;
    uint32_t n = 0;
    if (j->state != JOB_NONE || atomic_load(&d->unplaced))
        return 0;
    for (size_t i = 0; i + 1 < d->slice_count; i++) {
        const struct idem_slice *s = d->slices[i];
        if (s->full_count || s->run_count > 1)
            return 0;
        if (s->run_count)
            j->in[n++] = s->runs[0];
        upto = s->log.header.seq;
    }
    if (n < 2 || upto <= d->summary_upto)
        return 0;
    j->state = JOB_RUNS;
    j->count = n;
    j->upto = upto;
    return 1;
}

static int
is_listed(const struct idem *d, const struct idem_slice *s)
{
    for (size_t i = 0; i < d->slice_count; i++)
        if (d->slices[i] == s)
            return 1;
    return 0;
}

static void
throw_away(struct idem *d, struct run *r)
{
    if (r) {
        r->next = d->garbage;
        d->garbage = r;
    }
}

static void
job_done(struct idem *d, struct idem_job *j, struct run *made, int rc)
{
    if (rc || (j->slice && !is_listed(d, j->slice))) {
        throw_away(d, made);
        j->state = JOB_NONE;
        return;
    }
    j->made = made;
    j->state = JOB_DONE;
    atomic_store(&d->made, 1);
    pthread_cond_signal(&d->ready);
}

static void
say(struct idem *d, int rc)
{
    if (rc && rc != -ECANCELED && !d->work_failed)
        log_error("idempotency index: cannot write to %s: %s; it is tried "
                  "again", d->dir, strerror(-rc));
    else if (!rc && d->work_failed)
        log_info("idempotency index: %s can be written again", d->dir);
    if (rc != -ECANCELED)
        d->work_failed = rc != 0;
}

/* --- the thread ----------------------------------------------------------- */

/* With the lock, which is let go meanwhile. */
static int
do_seal(struct idem *d)
{
    struct idem_slice *s = d->seal.slice;
    struct idem_table *t = &s->full[0]; /* of which nothing more is withdrawn */
    uint32_t from = t->first, to = t->to;
    int final = !is_newest(d, s) && !s->run_count && s->full_count == 1;
    unsigned bits = idem_run_bits(final ? t->used : d->part_keys);
    struct run *made = NULL;
    pthread_mutex_unlock(&d->lock);
    int rc = idem_build_seal(d, &s->log, from, to, UINT64_MAX, bits, &made);
    pthread_mutex_lock(&d->lock);
    job_done(d, &d->seal, made, rc);
    say(d, rc);
    return rc;
}

/* In the middle of a merge: the gate may wait for an empty table. */
static int
go_on(void *arg)
{
    struct idem *d = arg;
    int rc = 0;
    if (atomic_load(&d->quit))
        return 0;
    pthread_mutex_lock(&d->lock);
    if (!d->work_failed && find_seal(d))
        rc = do_seal(d);
    int wanted = d->merge.state != JOB_RUNS || is_listed(d, d->merge.slice);
    pthread_mutex_unlock(&d->lock);
    return wanted && !rc;
}

/* The same for runs that become one. */
static int
do_merge(struct idem *d, struct idem_job *j, int with_units)
{
    struct run *made = NULL;
    pthread_mutex_unlock(&d->lock);
    int rc = idem_build_merge(d, j->in, j->count, with_units, go_on, d, &made);
    pthread_mutex_lock(&d->lock);
    job_done(d, j, made, rc);
    say(d, rc);
    return rc == -ECANCELED ? 0 : rc;
}

static void
free_garbage(struct idem *d)
{
    struct run *r = d->garbage;
    d->garbage = r->next;
    pthread_mutex_unlock(&d->lock);
    idem_run_free(r);
    pthread_mutex_lock(&d->lock);
}

/* Whatever lets the lock go is followed by another look at everything: who is
 * not waiting yet would miss the signal. */
static void *
work_run(void *arg)
{
    struct idem *d = arg;
    pthread_setname_np(pthread_self(), "idem-runs");
    pthread_mutex_lock(&d->lock);
    while (!atomic_load(&d->quit)) {
        int rc = 0;
        if (d->garbage) {
            free_garbage(d);
        } else if (find_seal(d)) {
            rc = do_seal(d);
        } else if (find_merge(d)) {
            rc = do_merge(d, &d->merge, 1);
        } else if (find_sum_up(d)) {
            rc = do_merge(d, &d->sum_up, 0);
        } else {
            pthread_cond_wait(&d->work, &d->lock);
        }
        if (rc) {
            int64_t until_us = clock_monotonic_us() + TRY_AGAIN_US;
            while (!atomic_load(&d->quit)
                   && !cond_wait_until(&d->work, &d->lock, until_us))
                ;
        }
    }
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
    struct idem_job *jobs[3] = { &d->seal, &d->merge, &d->sum_up };
    for (int i = 0; i < 3; i++)
        if (jobs[i]->state == JOB_DONE)
            idem_run_free(jobs[i]->made);
    while (d->garbage) {
        struct run *r = d->garbage;
        d->garbage = r->next;
        idem_run_free(r);
    }
}

/* --- the gate's side ------------------------------------------------------ */

static void
install_seal(struct idem_job *j)
{
    struct idem_slice *s = j->slice;
    idem_table_free(&s->full[0]);
    s->full_count--;
    memmove(s->full, s->full + 1, s->full_count * sizeof s->full[0]);
    s->runs[s->run_count++] = j->made;
}

static void
install_merge(struct idem *d, struct idem_job *j)
{
    struct idem_slice *s = j->slice;
    uint32_t first = 0;
    while (s->runs[first] != j->in[0])
        first++;
    for (uint32_t i = 0; i < j->count; i++)
        throw_away(d, j->in[i]);
    s->runs[first] = j->made;
    s->run_count -= j->count - 1;
    memmove(s->runs + first + 1, s->runs + first + j->count,
            (s->run_count - first - 1) * sizeof s->runs[0]);
}

void
idem_work_install(struct idem *d)
{
    if (!atomic_load_explicit(&d->made, memory_order_relaxed))
        return;
    pthread_mutex_lock(&d->lock);
    atomic_store(&d->made, 0);
    if (d->seal.state == JOB_DONE) {
        install_seal(&d->seal);
        d->seal.state = JOB_NONE;
    }
    if (d->merge.state == JOB_DONE) {
        install_merge(d, &d->merge);
        d->merge.state = JOB_NONE;
    }
    if (d->sum_up.state == JOB_DONE) {
        throw_away(d, d->summary);
        d->summary = d->sum_up.made;
        d->summary_upto = d->sum_up.upto;
        d->sum_up.state = JOB_NONE;
    }
    idem_work_wake(d);
    pthread_mutex_unlock(&d->lock);
    idem_slices_publish(d);
}

int
idem_work_wait(struct idem *d, const struct idem_slice *s)
{
    int64_t until_us = clock_monotonic_us() + WAIT_US;
    int rc = 0;
    while (s->full_count == FULL_MAX) {
        if (rc)
            return -ENOSPC;
        pthread_mutex_lock(&d->lock);
        if (!atomic_load(&d->made) && !d->work_failed && d->working)
            rc = cond_wait_until(&d->ready, &d->lock, until_us);
        else if (!atomic_load(&d->made))
            rc = ENOSPC;
        pthread_mutex_unlock(&d->lock);
        idem_work_install(d);
    }
    return 0;
}

void
idem_work_forget(struct idem *d, struct idem_slice *s)
{
    struct idem_job *jobs[2] = { &d->seal, &d->merge };
    for (int i = 0; i < 2; i++)
        if (jobs[i]->state == JOB_DONE && jobs[i]->slice == s) {
            throw_away(d, jobs[i]->made);
            jobs[i]->state = JOB_NONE;
        }
}

int
idem_work_uses(const struct idem *d, const struct idem_slice *s)
{
    return (d->seal.state != JOB_NONE && d->seal.slice == s)
           || (d->merge.state != JOB_NONE && d->merge.slice == s)
           || (d->sum_up.state == JOB_RUNS
               && s->log.header.seq <= d->sum_up.upto);
}
