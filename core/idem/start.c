/* SPDX-License-Identifier: MIT */
/* Opening, closing, and taking from the spool what is in no run: the rest at
 * each start, and what damage has taken. */
#include "config.h"

#include "private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "codec/event.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_US 1000000
/* It says how far it is, where it takes longer, and so often. */
#define SAY_US 5000000

/* --- from the spool --- */

struct replay {
    struct idem *idem;
    struct il_text text;
};

static int
replay_one(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct replay *r = arg;
    struct idem *d = r->idem;
    struct event e;
    struct idem_hit hit;
    struct event_retry again;
    if (event_unpack(r->text.data + offset, len, &e))
        return 0; /* not an event: it has no key either */
    if (event_retry(r->text.data + offset, len, &again))
        return 0; /* its first frame counts, as long as the window lasts */
    struct idem_key key = idem_key(
        r->idem, e.flags & EVENT_PUBLISHABLE ? IDEM_PUBLISHABLE : IDEM_SERVER,
        e.source_id, e.key.ptr ? e.key : e.id);
    int rc = idem_find_now(d, key, e.received_us, 0, &hit);
    if (rc < 0 || e.id.len > EVENT_ID_MAX)
        return rc < 0 ? rc : 0;
    /* Where an earlier event is known, it was past a shorter window. */
    if (rc && hit.position >= position)
        return 0;
    rc = idem_make_room(d, 1, 1);
    if (rc)
        return rc;
    /* In full, so that an index that was rebuilt answers as the old one did,
     * whether or not its caller leaves out ids that are the key. */
    idem_put(d, key, e.received_us, position, e.id);
    atomic_fetch_add_explicit(&d->rebuilt, 1, memory_order_relaxed);
    return 0;
}

/* A day of events takes a while, and meanwhile new ones are refused. */
static void
say_how_far(uint64_t first, uint64_t last, uint64_t end)
{
    log_info("idempotency index: %" PRIu64 " of %" PRIu64
             " events of the spool are read again",
             last - first, end - first);
}

/* Take in what the spool has behind `replay_after`.  Where that fails events
 * are refused, but delivery goes on, and it is tried again. */
static void
replay(struct idem *d)
{
    struct replay r = { .idem = d };
    struct spool_reader *reader = NULL;
    struct spool_stats st;
    uint64_t last = d->replay_after, end = spool_durable(d->spool);
    uint64_t rebuilt = d->rebuilt;
    spool_stats(d->spool, &st);
    if (last + 1 < st.first)
        last = st.first - 1; /* the spool has let go of what came before */
    const uint64_t first = last;
    int64_t say_us = clock_monotonic_us() + SAY_US;
    int rc = last < end ? spool_reader_open(d->spool, last, &reader) : 0;
    d->reread = 0;
    d->to_reread = last < end ? end - last : 0;
    d->rereads = rc == 0 && last < end;
    while (rc == 0 && last < end) {
        r.text.len = 0;
        int n = spool_reader_read(reader, &r.text, 1 << 20, UINT32_MAX, 0,
                                  &last, replay_one, &r);
        idem_install(d);
        idem_advance(d, last);
        d->reread = last - first;
        if (clock_monotonic_us() >= say_us) {
            say_how_far(first, last, end);
            say_us = clock_monotonic_us() + SAY_US;
        }
        if (n < 0)
            rc = n;
        if (!rc && atomic_load(&d->quit))
            rc = -ECANCELED;
    }
    d->rereads = 0;
    if (reader)
        spool_reader_close(reader);
    text_clear(&r.text);
    if (rc && rc != -EAGAIN && !d->stuck)
        log_error("idempotency index: cannot take keys into %s: %s; new "
                  "events are refused",
                  d->dir, strerror(-rc));
    d->stuck = rc;
    d->replay_after = last;
    pthread_mutex_lock(&d->lock);
    atomic_store(&d->behind, rc != 0);
    if (!rc && d->replay_from != UINT64_MAX)
        d->flush_due = 1;
    idem_work_wake(d);
    pthread_mutex_unlock(&d->lock);
    if (rc == 0 && d->rebuilt != rebuilt)
        log_info("idempotency index: took %" PRIu64 " keys from the spool",
                 d->rebuilt - rebuilt);
}

/* Damage was met.  1: what was lost is to be taken from the spool now; 0: there
 * still are keys of events that are not durable. */
static int
lost_taken(struct idem *d)
{
    idem_advance(d, spool_durable(d->spool));
    for (uint32_t i = 0; i < d->table_count; i++)
        if (d->tables[i]->durable != d->tables[i]->end)
            return 0;
    idem_install(d);
    for (uint32_t i = 0; i < d->view_count; i++)
        if (atomic_load(&d->view[i]->told))
            atomic_store(&d->view[i]->leave_out, 1);
    pthread_mutex_lock(&d->lock);
    uint64_t from = d->lost_from;
    if (atomic_load(&d->behind) && d->replay_after < from)
        from = d->replay_after;
    if (from < d->replay_from)
        d->replay_from = from;
    d->lost_from = UINT64_MAX;
    atomic_store(&d->lost, 0);
    atomic_store(&d->behind, 1);
    pthread_mutex_unlock(&d->lock);
    d->replay_after = from;
    atomic_store(&d->applied, from);
    return 1;
}

/* Where that meets damage it begins again. */
static void
catch_up(struct idem *d)
{
    do
        replay(d);
    while (atomic_load(&d->lost) && !atomic_load(&d->quit) && lost_taken(d));
}

static void *
catch_up_run(void *arg)
{
    struct idem *d = arg;
    pthread_setname_np(pthread_self(), "idem-catch-up");
    catch_up(d);
    atomic_store(&d->catching, 2);
    return NULL;
}

/* The spool may have much: nobody waits for it, and until it is taken in
 * nothing else is done with the index. */
static void
catch_up_aside(struct idem *d)
{
    atomic_store(&d->catching, 1);
    if (pthread_create(&d->catcher, NULL, catch_up_run, d))
        atomic_store(&d->catching, 0); /* tried again */
}

int
idem_caught_up(struct idem *d)
{
    if (atomic_load(&d->catching) == 2) {
        pthread_join(d->catcher, NULL);
        atomic_store(&d->catching, 0);
    }
    if (atomic_load(&d->catching))
        return -EAGAIN;
    if (atomic_load(&d->lost)) {
        if (lost_taken(d))
            catch_up_aside(d);
        return -EAGAIN;
    }
    if (!atomic_load(&d->behind))
        return 0;
    /* Nothing moves while events are refused: see whether it goes now. */
    int64_t now = clock_monotonic_us();
    if (now - d->retried_us < RETRY_US)
        return d->stuck ? d->stuck : -EAGAIN;
    d->retried_us = now;
    catch_up_aside(d);
    return -EAGAIN;
}

/* --- opening and closing --- */

/* The index of versions before there were runs: its logs know too little of a
 * key. */
static void
remove_logs(struct idem *d)
{
    int fd = openat(d->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    int n = 0;
    if (!dir && fd >= 0)
        close(fd);
    while (dir && (e = readdir(dir))) {
        size_t len = strlen(e->d_name);
        if (len == strlen("00000001.log")
            && !strcmp(e->d_name + len - 4, ".log"))
            n += !unlinkat(d->dirfd, e->d_name, 0);
    }
    if (dir)
        closedir(dir);
    if (n)
        log_info("idempotency index: %s is of an older version: made anew from "
                 "the spool, as far as it reaches",
                 d->dir);
}

static int
start(struct idem *d)
{
    uint64_t end = spool_durable(d->spool);
    d->set = (struct runs_set){ .what = "idempotency index",
                                .dir = d->dir,
                                .dirfd = d->dirfd,
                                .secret = d->secret_id };
    memcpy(d->set.spool, spool_id(d->spool), sizeof d->set.spool);
    int rc = runs_open(&d->set, end);
    if (rc)
        return rc;
    d->hold = spool_hold_new(d->spool, "idempotency index", d->set.complete);
    if (!d->hold)
        return -ENOMEM;
    memcpy(d->shown, d->set.list, d->set.count * sizeof d->shown[0]);
    d->shown_count = d->set.count;
    atomic_store(&d->news, 1);
    idem_install(d);
    d->replay_after = d->set.complete;
    atomic_store(&d->applied, d->set.complete);
    atomic_store(&d->behind, 1);
    rc = idem_work_start(d);
    if (rc)
        log_error("idempotency index: cannot start a thread: %s",
                  strerror(-rc));
    else
        catch_up(d);
    return rc;
}

int
idem_open(const struct idem_options *options, struct spool *spool,
          struct idem **out)
{
    struct idem *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->opt = *options;
    d->spool = spool;
    d->dirfd = -1;
    d->lost_from = d->replay_from = UINT64_MAX;
    d->lowest_us = INT64_MAX;
    d->settled_us = INT64_MIN;
    d->period_us = d->flushed_us = clock_monotonic_us();
    d->part_keys = options->part_keys ? options->part_keys : TABLE_KEYS;
    if (options->max_keys && options->max_keys / 4 < d->part_keys)
        d->part_keys = options->max_keys / 4;
    if (d->part_keys < 24)
        d->part_keys = 24;
    pthread_mutex_init(&d->lock, NULL);
    int rc = (d->dir = strdup(options->dir)) ? 0 : -ENOMEM;
    if (rc == 0) {
        rc = file_make_folder(d->dir);
        if (!rc
            && (d->dirfd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
                   < 0)
            rc = -errno;
        if (rc) {
            log_error("idempotency index: cannot open %s: %s", d->dir,
                      strerror(-rc));
        }
    }
    if (rc == 0)
        rc = idem_secret_open(d);
    if (rc == 0) {
        remove_logs(d);
        rc = start(d);
    }
    if (rc) {
        idem_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

void
idem_close(struct idem *d)
{
    if (!d)
        return;
    atomic_store(&d->quit, 1);
    if (d->working) {
        pthread_mutex_lock(&d->lock);
        pthread_cond_broadcast(&d->ready);
        pthread_mutex_unlock(&d->lock);
    }
    if (atomic_load(&d->catching))
        pthread_join(d->catcher, NULL);
    if (d->working && !atomic_load(&d->behind))
        idem_advance(d, spool_durable(d->spool));
    idem_work_stop(d);
    spool_hold_free(d->hold);
    for (uint32_t i = 0; i < d->table_count; i++)
        idem_table_free(d->tables[i]);
    runs_close(&d->set);
    if (d->dirfd >= 0)
        close(d->dirfd);
    pthread_mutex_destroy(&d->lock);
    free(d->dir);
    free(d);
}
