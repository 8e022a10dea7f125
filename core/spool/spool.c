/* SPDX-License-Identifier: MIT */
/* Opening, closing and looking at a spool. */
#include "private.h"

#include "base/cond.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SEGMENT_BYTES ((uint64_t) 64 << 20)
#define BUFFER_BYTES ((uint64_t) 8 << 20)

static struct spool *
spool_new(const struct spool_options *options)
{
    struct spool *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->opt = *options;
    if (!s->opt.segment_bytes)
        s->opt.segment_bytes = SEGMENT_BYTES;
    if (!s->opt.buffer_bytes)
        s->opt.buffer_bytes = BUFFER_BYTES;
    s->fd = s->dirfd = s->last_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->list_lock, NULL);
    pthread_mutex_init(&s->set_back_lock, NULL);
    cond_init(&s->work);
    cond_init(&s->room);
    cond_init(&s->news);
    cond_init(&s->synced);
    cond_init(&s->grown);
    s->dir = strdup(options->dir);
    if (!s->dir) {
        spool_close(s);
        return NULL;
    }
    s->opt.dir = s->dir;
    return s;
}

/* The directory, for this process alone. */
static int
spool_lock(struct spool *s)
{
    int rc = file_make_folder(s->dir);
    if (rc) {
        log_error("spool: cannot make %s: %s", s->dir, strerror(-rc));
        return rc;
    }
    s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0) {
        rc = -errno;
        log_error("spool: cannot open %s: %s", s->dir, strerror(-rc));
        return rc;
    }
    if (flock(s->dirfd, LOCK_EX | LOCK_NB)) {
        log_error("spool: %s is in use by another process", s->dir);
        return -EBUSY;
    }
    return 0;
}

int
spool_open(const struct spool_options *options, struct spool **out,
           struct spool_recovery *recovery)
{
    struct spool_recovery r;
    struct spool *s = spool_new(options);
    if (!s)
        return -ENOMEM;
    int rc = spool_lock(s);
    if (rc == 0)
        rc = spool_recover(s, &r);
    if (rc == 0)
        spool_damage_measure(s);
    if (rc == 0)
        rc = spool_write_start(s);
    if (rc) {
        spool_close(s);
        return rc;
    }
    if (recovery)
        *recovery = r;
    *out = s;
    return 0;
}

void
spool_close(struct spool *s)
{
    if (!s)
        return;
    spool_write_stop(s);
    spool_spare_drop(s);
    if (s->fd >= 0) {
        if (s->newest && ftruncate(s->fd, (off_t) s->newest->end))
            log_debug("spool: cannot trim a segment: %s", strerror(errno));
        close(s->fd);
    }
    if (s->last_fd >= 0) {
        spool_hint_write(s, s->durable);
        close(s->last_fd);
    }
    if (s->dirfd >= 0)
        close(s->dirfd);
    for (size_t i = 0; i < s->segment_count; i++)
        spool_segment_put(s->segments[i]);
    free(s->segments);
    while (s->holds)
        spool_hold_free(s->holds);
    free(s->damage);
    spool_set_backs_close(s);
    free(s->dir);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->list_lock);
    pthread_mutex_destroy(&s->set_back_lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->room);
    pthread_cond_destroy(&s->news);
    pthread_cond_destroy(&s->synced);
    pthread_cond_destroy(&s->grown);
    free(s);
}

const uint8_t *
spool_id(const struct spool *s)
{
    return s->id;
}

const char *
spool_id_text(const struct spool *s)
{
    return s->id_text;
}

uint64_t
spool_durable(const struct spool *s)
{
    return LOAD(s->durable);
}

int
spool_health(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    int rc = spool_refused(s, s->refused);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int
spool_cause(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    int rc = spool_refused(s, s->refused);
    if (rc && s->cause)
        rc = s->cause;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void
spool_limit(struct spool *s, const struct spool_options *o)
{
    pthread_mutex_lock(&s->lock);
    STORE(s->opt.retain_us, o->retain_us);
    STORE(s->opt.retain_bytes, o->retain_bytes);
    STORE(s->opt.max_bytes, o->max_bytes);
    STORE(s->opt.min_free, o->min_free);
    pthread_mutex_unlock(&s->lock);
}

void
spool_health_text(struct spool *s, char *out, size_t size)
{
    pthread_mutex_lock(&s->lock);
    int rc = spool_refused(s, s->refused);
    uint64_t bytes = LOAD(s->bytes) + LOAD(s->aside_bytes),
             free_bytes = LOAD(s->free_bytes);
    if (rc == 0)
        snprintf(out, size, "%s", "");
    else if (rc == -ESHUTDOWN)
        snprintf(out, size, "the spool is closing");
    else if (s->why[0])
        snprintf(out, size, "%s", s->why);
    else if (LOAD(s->opt.max_bytes) && bytes + s->refused > LOAD(s->opt.max_bytes))
        snprintf(out, size,
                 "the spool holds %" PRIu64 " bytes, its limit (max_size) is "
                 "%" PRIu64, bytes, LOAD(s->opt.max_bytes));
    else
        snprintf(out, size,
                 "%" PRIu64 " bytes are free at %s, %" PRIu64
                 " are to stay free (min_free)",
                 free_bytes, s->dir, LOAD(s->opt.min_free));
    pthread_mutex_unlock(&s->lock);
}

void
spool_stats(struct spool *s, struct spool_stats *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&s->lock);
    out->last = s->next - 1;
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->list_lock);
    out->segments = s->segment_count;
    out->first = s->segment_count ? s->segments[0]->first : out->last + 1;
    pthread_mutex_unlock(&s->list_lock);
    out->durable = LOAD(s->durable);
    out->bytes = LOAD(s->bytes);
    out->spare_bytes = LOAD(s->spare_bytes);
    out->free_bytes = LOAD(s->free_bytes);
    out->syncs = LOAD(s->syncs);
    out->damaged = LOAD(s->damaged);
}
