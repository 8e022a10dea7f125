/* SPDX-License-Identifier: MIT */
/* How far the index is complete, and getting it onto the disk. */
#include "idem_private.h"
#include "clock.h"
#include "file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define STATE_MAGIC "ILIDEMS1"
#define SYNC_EVERY_US 10000000
/* A clock that jumps ahead and back again shall not cost the window. */
#define EXPIRED_FOR_US 600000000

/* Which run of the kernel this is: what only its page cache knows is good as
 * long as it runs. */
static uint64_t
boot_id(void)
{
    char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return n > 0 ? XXH3_64bits(text, (size_t) n) | 1 : 0;
}

static uint64_t
state_sum(const struct idem_state *s)
{
    return XXH3_64bits(s, offsetof(struct idem_state, sum));
}

/* What of the state can be believed: the part that was synced, or a later one
 * that this run of the kernel has kept. */
static int
state_read(struct idem *d, struct idem_state *state, uint64_t boot)
{
    if (file_pread(d->state_fd, state, sizeof *state, 0) != sizeof *state
        || memcmp(state->magic, STATE_MAGIC, 8) != 0
        || state->sum != state_sum(state)
        || memcmp(state->uuid, spool_id(d->spool), 16) != 0) {
        memset(state, 0, sizeof *state);
        return -EINVAL;
    }
    d->synced = state->synced;
    if (boot && state->boot == boot && state->applied >= state->synced) {
        state->synced = state->applied;
        state->first_seq = state->applied_first_seq;
        state->next_seq = state->applied_next_seq;
    }
    return 0;
}

/* *complete: the slices have everything up to here.  -EINVAL: nothing is
 * known. */
int
state_open(struct idem *d, uint64_t *complete, uint64_t *first_seq,
           uint64_t *next_seq)
{
    struct idem_state state;
    uint64_t boot = boot_id();
    d->state_fd = openat(d->dirfd, "STATE", O_RDWR | O_CREAT | O_CLOEXEC,
                         0600);
    if (d->state_fd < 0)
        return -errno;
    int known = state_read(d, &state, boot);
    *complete = state.synced;
    *first_seq = state.first_seq;
    *next_seq = state.next_seq;
    int rc = -posix_fallocate(d->state_fd, 0, TABLE_HEADER);
    if (rc)
        return rc;
    void *map = mmap(NULL, TABLE_HEADER, PROT_READ | PROT_WRITE, MAP_SHARED,
                     d->state_fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    d->state = map;
    d->state->applied = 0;
    d->state->boot = boot;
    return known;
}

void
state_slices(struct idem *d)
{
    d->state->applied_first_seq =
        d->slice_count ? d->slices[0]->table.header->seq : d->next_seq;
    d->state->applied_next_seq = d->next_seq;
}

/* After the entries themselves: whoever kills the process in between leaves
 * entries that are merely put again. */
void
state_applied(struct idem *d, uint64_t position)
{
    __atomic_store_n(&d->state->applied, position, __ATOMIC_RELEASE);
}

int
state_sync(struct idem *d)
{
    struct idem_state state = { .synced = d->synced };
    pthread_mutex_lock(&d->list_lock);
    state.first_seq = d->state->applied_first_seq;
    state.next_seq = d->state->applied_next_seq;
    pthread_mutex_unlock(&d->list_lock);
    memcpy(state.magic, STATE_MAGIC, 8);
    memcpy(state.uuid, spool_id(d->spool), 16);
    state.sum = state_sum(&state);
    size_t len = offsetof(struct idem_state, pad);
    int rc = file_pwrite(d->state_fd, &state, len, 0);
    return rc ? rc : fdatasync(d->state_fd) ? -errno : 0;
}

struct dirty {
    int fds[(SLICES_MAX + 1) * 3];
    size_t count;
    struct idem_slice *seal[SLICES_MAX + 1];
    size_t seal_count;
    size_t retired; /* tables whose successors are among them */
};

static void
dirty_add(struct dirty *x, int fd)
{
    fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        x->fds[x->count++] = fd;
}

/* What has changed since the last time: the newest slice, and those that were
 * the newest then. */
static uint64_t
dirty_collect(struct idem *d, struct dirty *x)
{
    memset(x, 0, sizeof *x);
    pthread_mutex_lock(&d->list_lock);
    x->retired = d->retired_count;
    uint64_t upto = __atomic_load_n(&d->state->applied, __ATOMIC_ACQUIRE);
    for (size_t i = 0; i < d->slice_count; i++) {
        struct idem_slice *s = d->slices[i];
        int complete =
            __atomic_load_n(&s->table.header->complete, __ATOMIC_ACQUIRE);
        int newest = i + 1 == d->slice_count;
        if (!newest && complete && !s->table.header->sealed)
            x->seal[x->seal_count++] = s;
        if (!newest && s->table.header->sealed)
            continue;
        dirty_add(x, s->table.fd);
        if (s->old.header)
            dirty_add(x, s->old.fd);
        dirty_add(x, s->ids_fd);
    }
    pthread_mutex_unlock(&d->list_lock);
    return upto;
}

static int
dirty_sync(struct idem *d, struct dirty *x, uint64_t upto)
{
    int rc = 0;
    for (size_t i = 0; i < x->count; i++) {
        if (fdatasync(x->fds[i]) && rc == 0)
            rc = -errno;
        close(x->fds[i]);
    }
    if (rc == 0 && fsync(d->dirfd))
        rc = -errno;
    if (rc == 0) {
        d->synced = upto;
        rc = state_sync(d);
    }
    if (rc == 0)
        spool_hold_move(d->hold, upto);
    else
        log_error("idempotency index: cannot sync %s: %s", d->dir,
                  strerror(-rc));
    return rc;
}

/* Tables that have been moved, and whose successors are on the disk now. */
static void
dirty_retire(struct idem *d, struct dirty *x)
{
    struct table tables[DROPPED_MAX];
    pthread_mutex_lock(&d->list_lock);
    size_t n = x->retired;
    memcpy(tables, d->retired, n * sizeof tables[0]);
    d->retired_count -= n;
    memmove(d->retired, d->retired + n, d->retired_count * sizeof tables[0]);
    pthread_mutex_unlock(&d->list_lock);
    for (size_t i = 0; i < n; i++)
        table_remove(d, &tables[i]);
    /* These never change again. */
    for (size_t i = 0; i < x->seal_count; i++)
        table_seal(&x->seal[i]->table);
}

/* Ask the gate's side to let go of the oldest slice, once all of it has been
 * past the window for a while. */
static void
expire(struct idem *d, int64_t now_us)
{
    int64_t mono = clock_monotonic_us();
    pthread_mutex_lock(&d->list_lock);
    struct idem_slice *s = d->slice_count > 1 ? d->slices[0] : NULL;
    if (s) {
        int64_t newest = __atomic_load_n(&s->table.header->newest_us,
                                         __ATOMIC_RELAXED);
        int64_t grace = EXPIRED_FOR_US < d->slice_us ? EXPIRED_FOR_US
                                                     : d->slice_us;
        if (newest + d->opt.window_us + d->slice_us / VAL_TIME_MAX > now_us)
            s->expired_since_us = 0;
        else if (!s->expired_since_us)
            s->expired_since_us = mono;
        else if (mono - s->expired_since_us >= grace)
            __atomic_store_n(&d->expired, s, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&d->list_lock);
}

int
idem_checkpoint(struct idem *d, int64_t now_us)
{
    struct dirty x;
    int64_t mono = clock_monotonic_us();
    int rc = 0;
    if (mono - d->synced_us >= SYNC_EVERY_US || !d->synced_us) {
        uint64_t upto = dirty_collect(d, &x);
        if (upto > d->synced || x.retired || x.seal_count) {
            rc = dirty_sync(d, &x, upto);
            if (rc == 0)
                dirty_retire(d, &x);
        } else {
            for (size_t i = 0; i < x.count; i++)
                close(x.fds[i]);
        }
        d->synced_us = mono;
    }
    expire(d, now_us);
    slice_remove_dropped(d);
    return rc;
}
