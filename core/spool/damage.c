/* SPDX-License-Identifier: MIT */
/* What cannot be read is named once and copied aside, and nobody waits for
 * it. */
#include "private.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE_MAX (16u << 20) /* bytes copied of one damaged range */

static int
aside_dir(int dirfd)
{
    if (mkdirat(dirfd, "damaged", 0700) && errno != EEXIST)
        return -errno;
    int fd = openat(dirfd, "damaged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Copy bytes of a segment to damaged/<segment>-<offset>.  Best effort: the
 * original stays where it is as long as its segment does. */
static void
aside_copy(struct spool *s, int fd, uint64_t segment, uint64_t offset,
           uint64_t end)
{
    int dir = aside_dir(s->dirfd);
    if (dir < 0)
        return;
    char name[80], buffer[8192];
    snprintf(name, sizeof name, "%020" PRIu64 "-%" PRIu64, segment, offset);
    int out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    close(dir);
    if (out < 0)
        return;
    if (end - offset > ASIDE_MAX)
        end = offset + ASIDE_MAX;
    uint64_t at = 0;
    while (offset < end) {
        size_t want = sizeof buffer;
        if (want > end - offset)
            want = end - offset;
        ssize_t n = pread(fd, buffer, want, (off_t) offset);
        if (n <= 0 || file_pwrite(out, buffer, (size_t) n, at))
            break;
        offset += (uint64_t) n;
        at += (uint64_t) n;
    }
    close(out);
    ADD(s->aside_bytes, at);
}

void
spool_damage_measure(struct spool *s)
{
    int fd = openat(s->dirfd, "damaged",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    uint64_t bytes = 0;
    struct dirent *e;
    struct stat st;
    while (dir && (e = readdir(dir)))
        if (!fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)
            && S_ISREG(st.st_mode))
            bytes += (uint64_t) st.st_size;
    STORE(s->aside_bytes, bytes);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

/* 1 if it is new. */
static int
damage_remember(struct spool *s, uint64_t segment, uint64_t offset)
{
    int fresh = 1;
    pthread_mutex_lock(&s->list_lock);
    for (size_t i = 0; i < s->damage_count && fresh; i++)
        fresh = s->damage[i].segment != segment
                || s->damage[i].offset != offset;
    if (s->damage_count >= SPOOL_DAMAGE_MAX)
        fresh = 0;
    if (fresh && !s->damage)
        s->damage = malloc(SPOOL_DAMAGE_MAX * sizeof *s->damage);
    if (fresh && s->damage)
        s->damage[s->damage_count++] =
            (struct spool_damage){ segment, offset };
    pthread_mutex_unlock(&s->list_lock);
    return fresh;
}

void
spool_damage_report(struct spool *s, int fd, uint64_t segment,
                    const struct segment_gap *gap, const char *what)
{
    if (!damage_remember(s, segment, gap->offset))
        return;
    ADD(s->damaged, 1);
    char range[80] = "no position is missing";
    if (gap->first == gap->last)
        snprintf(range, sizeof range, "position %" PRIu64 " is missing",
                 gap->first);
    else if (gap->first < gap->last)
        snprintf(range, sizeof range,
                 "positions %" PRIu64 " to %" PRIu64 " are missing",
                 gap->first, gap->last);
    char name[SEGMENT_NAME];
    spool_segment_name(name, segment);
    if (fd < 0 || gap->end <= gap->offset) {
        log_error("spool: %s/%s: %s, %s", s->dir, name, what, range);
        return;
    }
    log_error("spool: %s/%s: %s at byte %" PRIu64 " to %" PRIu64
              ", %s, copied to %s/damaged",
              s->dir, name, what, gap->offset, gap->end, range, s->dir);
    aside_copy(s, fd, segment, gap->offset, gap->end);
}

void
spool_damage_torn(struct spool *s, int fd, uint64_t segment,
                  const struct segment_gap *gap)
{
    char name[SEGMENT_NAME];
    spool_segment_name(name, segment);
    log_warn("spool: %s/%s: the last %" PRIu64 " bytes, from %" PRIu64
             ", are no whole frame: cut off, copied to %s/damaged",
             s->dir, name, gap->end - gap->offset, gap->offset, s->dir);
    aside_copy(s, fd, segment, gap->offset, gap->end);
}

int
spool_damage_aside(int dirfd, const char *name, const char *why,
                   const char *dir)
{
    int aside = aside_dir(dirfd);
    if (aside < 0)
        return aside;
    int rc = -EEXIST;
    char to[300];
    for (int i = 0; rc == -EEXIST && i < 10000; i++) {
        snprintf(to, sizeof to, "%s", name);
        if (i)
            snprintf(to, sizeof to, "%s.%d", name, i);
        struct stat st;
        if (fstatat(aside, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        rc = renameat(dirfd, name, aside, to) ? -errno : 0;
    }
    close(aside);
    if (rc)
        log_error("spool: %s/%s: %s, and cannot be moved aside: %s", dir,
                  name, why, strerror(-rc));
    else
        log_error("spool: %s/%s: %s, moved to %s/damaged/%s", dir, name, why,
                  dir, to);
    return rc;
}
