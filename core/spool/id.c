/* SPDX-License-Identifier: MIT */
/* DIR/ID, the spool's UUID, and DIR/LAST, a hint of how far it has got. */
#include "private.h"

#include "base/digits.h"
#include "base/file.h"
#include "base/log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HINT_BYTES 40 /* magic 8, uuid 16, last 8, checksum 8 */

/* 0, -ENOENT, -EINVAL (not a UUID) or another negative errno. */
int
spool_id_read(int dirfd, uint8_t uuid[16])
{
    int fd = openat(dirfd, "ID", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char text[64] = "";
    int64_t n = file_pread(fd, text, sizeof text - 1, 0);
    close(fd);
    if (n < 0)
        return (int) n;
    if (n == UUID_TEXT && text[n - 1] == '\n')
        n--;
    return uuid_parse(text, (size_t) n, uuid);
}

int
spool_id_look(const char *dir, char text[SPOOL_ID_TEXT])
{
    uint8_t uuid[16];
    int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -errno;
    int err = spool_id_read(dirfd, uuid);
    close(dirfd);
    if (!err)
        uuid_format(text, uuid);
    if (!err)
        text[UUID_TEXT - 1] = 0;
    return err;
}

int
spool_id_write(int dirfd, const uint8_t uuid[16])
{
    char text[UUID_TEXT];
    uuid_format(text, uuid);
    text[UUID_TEXT - 1] = '\n';
    return file_replace(dirfd, "ID", text, UUID_TEXT);
}

static uint64_t
hint_checksum(const char *hint)
{
    return htole64(XXH3_64bits(hint, HINT_BYTES - 8));
}

/* What a hint says; 0: nothing.  Of this spool, or (NULL) of any. */
static uint64_t
hint_value(int fd, const uint8_t *id)
{
    char hint[HINT_BYTES];
    uint64_t sum, v;
    if (file_pread(fd, hint, sizeof hint, 0) != sizeof hint
        || memcmp(hint, "ILLAST01", 8) != 0
        || (id && memcmp(hint + 8, id, 16) != 0))
        return 0;
    memcpy(&sum, hint + HINT_BYTES - 8, 8);
    if (sum != hint_checksum(hint))
        return 0;
    memcpy(&v, hint + 24, 8);
    v = le64toh(v);
    return v <= SPOOL_POSITION_MAX ? v : 0;
}

uint64_t
spool_hint_read(const char *dir)
{
    char path[4096];
    if ((size_t) snprintf(path, sizeof path, "%s/LAST", dir) >= sizeof path)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t last = fd < 0 ? 0 : hint_value(fd, NULL);
    if (fd >= 0)
        close(fd);
    return last;
}

/* Open DIR/LAST; *last is 0 when it tells nothing. */
int
spool_hint_open(struct spool *s, uint64_t *last)
{
    *last = 0;
    s->last_fd = openat(s->dirfd, "LAST", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->last_fd < 0)
        return -errno;
    *last = hint_value(s->last_fd, s->id);
    return 0;
}

/* Not synced: after a crash of the machine it may be old, and then merely tells
 * less. */
void
spool_hint_write(struct spool *s, uint64_t last)
{
    if (s->last_fd < 0)
        return;
    char hint[HINT_BYTES];
    memcpy(hint, "ILLAST01", 8);
    memcpy(hint + 8, s->id, 16);
    uint64_t v = htole64(last);
    memcpy(hint + 24, &v, 8);
    v = hint_checksum(hint);
    memcpy(hint + HINT_BYTES - 8, &v, 8);
    if (file_pwrite(s->last_fd, hint, sizeof hint, 0))
        log_debug("spool: cannot write %s/LAST: %s", s->dir, strerror(errno));
}
