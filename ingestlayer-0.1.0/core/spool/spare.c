/* SPDX-License-Identifier: MIT */
/* Files of segments that went, kept to be written again: see spool.h. */
#include "private.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
spare_name(char out[SEGMENT_NAME], uint64_t first)
{
    snprintf(out, SEGMENT_NAME, "%020llu.old", (unsigned long long) first);
}

static int
is_spare(const char *name)
{
    return strspn(name, "0123456789") == 20 && strcmp(name + 20, ".old") == 0;
}

/* They may hold frames of a group that was on its way into a new segment, with
 * positions that are given out again: no use for them any more. */
void
spool_spare_forget(struct spool *s)
{
    int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *e;
    while ((e = readdir(d)))
        if (is_spare(e->d_name) && unlinkat(s->dirfd, e->d_name, 0))
            log_warn("spool: cannot remove %s/%s: %s", s->dir, e->d_name,
                     strerror(errno));
    closedir(d);
}

int
spool_spare_wanted(const struct spool *s)
{
    return s->spare_count < SPOOL_SPARES;
}

/* Make the file as long as its frames: what is behind them may have positions
 * that were taken back and given to later ones.  Its first group's sync makes
 * that last. */
static int
spare_cut(struct spool *s, const char *name, uint64_t end)
{
    struct stat st;
    int fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) ? -errno : 0;
    /* One that is linked elsewhere is somebody's copy. */
    if (!rc && (!S_ISREG(st.st_mode) || st.st_nlink != 1
                || (uint64_t) st.st_size < end))
        rc = -EINVAL;
    if (!rc && (uint64_t) st.st_size > end && ftruncate(fd, (off_t) end))
        rc = -errno;
    close(fd);
    return rc;
}

int
spool_spare_keep(struct spool *s, uint64_t first, uint64_t end)
{
    char name[SEGMENT_NAME], spare[SEGMENT_NAME];
    /* A short one saves little. */
    if (!spool_spare_wanted(s) || end < s->opt.segment_bytes / 2
        || end > s->opt.segment_bytes)
        return -ENOSPC;
    spool_segment_name(name, first);
    spare_name(spare, first);
    int rc = spare_cut(s, name, end);
    if (!rc && renameat(s->dirfd, name, s->dirfd, spare))
        rc = -errno;
    if (rc)
        return rc;
    s->spares[s->spare_count++] = (struct spool_spare){ first, end };
    ADD(s->spare_bytes, end);
    return 0;
}

static struct spool_spare
spare_pop(struct spool *s, char name[SEGMENT_NAME])
{
    struct spool_spare spare = s->spares[--s->spare_count];
    spare_name(name, spare.first);
    SUB(s->spare_bytes, spare.size);
    return spare;
}

int
spool_spare_take(struct spool *s, char name[SEGMENT_NAME], uint64_t *size)
{
    if (s->spare_count == 0)
        return -ENOENT;
    *size = spare_pop(s, name).size;
    int fd = openat(s->dirfd, name, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int rc = -errno;
    unlinkat(s->dirfd, name, 0);
    return rc;
}

int
spool_spare_make(struct spool *s, char name[SEGMENT_NAME], uint64_t first)
{
    spare_name(name, first);
    /* No O_EXCL: what an earlier attempt could not unlink is nothing. */
    int fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                    0600);
    return fd < 0 ? -errno : fd;
}

void
spool_spare_drop(struct spool *s)
{
    char name[SEGMENT_NAME];
    while (s->spare_count) {
        spare_pop(s, name);
        if (unlinkat(s->dirfd, name, 0))
            log_warn("spool: cannot remove %s/%s: %s", s->dir, name,
                     strerror(errno));
    }
}
