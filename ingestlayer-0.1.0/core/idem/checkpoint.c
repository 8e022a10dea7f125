/* SPDX-License-Identifier: MIT */
/* Writing the logs, and getting them onto the disk. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SYNC_EVERY_US 10000000
/* A clock that jumps ahead and back again shall not cost the window. */
#define EXPIRED_FOR_US 600000000

/* In the order of the slices, so that each block may say up to where the index
 * is complete with it.  Under the lock. */
static int
slices_write(struct idem *d, int all)
{
    uint32_t durable[SLICES_MAX + 1];
    uint64_t applied = atomic_load(&d->applied);
    /* The newest first: where it has something durable, those before it are
     * durable as a whole. */
    for (size_t i = d->slice_count; i-- > 0;)
        durable[i] = atomic_load(&d->slices[i]->log.durable);
    int rc = 0;
    for (size_t i = 0; i < d->slice_count && !rc; i++) {
        struct idem_log *l = &d->slices[i]->log;
        struct idem_log *before = i ? &d->slices[i - 1]->log : NULL;
        int newest = i + 1 == d->slice_count;
        uint32_t n = durable[i] - l->written;
        if (newest ? n < LOG_BLOCK_UNITS && !(all && applied != d->complete)
                   : !n)
            continue;
        if (l->link_due)
            rc = idem_log_write_link(l, before ? before->header.seq : 0,
                                     before ? before->chain : 0);
        if (!rc)
            rc = idem_log_write(d, l, newest ? applied : d->complete);
        if (!rc && d->slices[i]->full_count)
            idem_work_wake(d);
    }
    return rc;
}

int
idem_slices_advance(struct idem *d, uint64_t position, int all)
{
    int much = all;
    for (size_t i = 0; i < d->slice_count; i++) {
        struct idem_log *l = &d->slices[i]->log;
        if (l->durable != l->end)
            idem_log_advance(l, position);
        /* l->written only grows meanwhile */
        much |= l->durable - l->tail_first >= LOG_BLOCK_UNITS
                || (i + 1 < d->slice_count && l->durable != l->tail_first);
    }
    atomic_store(&d->applied, position);
    if (!much)
        return 0;
    pthread_mutex_lock(&d->lock);
    int rc = slices_write(d, all);
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->slice_count; i++)
        idem_log_trim(d, &d->slices[i]->log);
    return rc;
}

/* --- onto the disk -------------------------------------------------------- */

struct dirty {
    int fds[SLICES_MAX + 1];
    size_t count;
    uint64_t complete;
};

static int
dirty_collect(struct idem *d, struct dirty *x)
{
    x->count = 0;
    pthread_mutex_lock(&d->lock);
    int rc = slices_write(d, 1);
    x->complete = d->complete;
    for (size_t i = 0; i < d->slice_count && !rc; i++) {
        struct idem_log *l = &d->slices[i]->log;
        if (!l->unsynced)
            continue;
        int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            rc = -errno;
            break;
        }
        l->unsynced = 0;
        x->fds[x->count++] = fd;
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* After a failed sync the kernel takes for clean what is not on the disk, so
 * none that follows is believed: the spool keeps what the next start needs. */
static int
dirty_sync(struct idem *d, struct dirty *x)
{
    int rc = 0;
    for (size_t i = 0; i < x->count; i++) {
        if (fdatasync(x->fds[i]) && rc == 0)
            rc = -errno;
        close(x->fds[i]);
    }
    if (rc == 0 && x->count && fsync(d->dirfd))
        rc = -errno;
    if (rc)
        d->sync_failed = 1;
    return rc;
}

int
idem_slices_sync(struct idem *d)
{
    struct dirty x;
    if (d->sync_failed)
        return -EIO;
    int rc = dirty_collect(d, &x);
    int sync = dirty_sync(d, &x);
    rc = sync ? sync : rc;
    if (rc)
        log_error("idempotency index: cannot sync %s: %s", d->dir,
                  strerror(-rc));
    else if (d->hold)
        spool_hold_move(d->hold, x.complete);
    return rc;
}

/* Ask the gate's side to let go of the oldest slice, once all of it has been
 * past the window for a while. */
static void
expire(struct idem *d, int64_t now_us)
{
    int64_t mono = clock_monotonic_us();
    pthread_mutex_lock(&d->lock);
    struct idem_slice *s = d->slice_count > 1 ? d->slices[0] : NULL;
    if (s) {
        int64_t grace = EXPIRED_FOR_US < d->slice_us ? EXPIRED_FOR_US
                                                     : d->slice_us;
        if (s->newest_us + d->opt.window_us + d->slice_us / VAL_TIME_MAX
            > now_us)
            s->expired_since_us = 0;
        else if (!s->expired_since_us)
            s->expired_since_us = mono;
        else if (mono - s->expired_since_us >= grace)
            atomic_store(&d->expired, s);
    }
    pthread_mutex_unlock(&d->lock);
}

int
idem_checkpoint(struct idem *d, int64_t now_us)
{
    int64_t mono = clock_monotonic_us();
    int rc = 0;
    if (mono - d->synced_us >= SYNC_EVERY_US || !d->synced_us) {
        rc = idem_slices_sync(d);
        d->synced_us = mono;
    }
    expire(d, now_us);
    idem_slice_remove_dropped(d);
    return rc;
}
