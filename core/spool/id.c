/* SPDX-License-Identifier: MIT */
/* DIR/ID, the spool's UUID, and DIR/LAST, a hint of how far it has got. */
#include "private.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ID_TEXT 36
#define HINT_BYTES 40 /* magic 8, uuid 16, last 8, checksum 8 */

void
spool_id_format(char out[40], const uint8_t u[16])
{
    snprintf(out, 40,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
             "%02x%02x%02x%02x%02x%02x",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
             u[10], u[11], u[12], u[13], u[14], u[15]);
}

int
spool_id_make(uint8_t uuid[16])
{
    if (getrandom(uuid, 16, 0) != 16)
        return -errno;
    uuid[6] = (uint8_t) ((uuid[6] & 0x0f) | 0x40); /* version 4 */
    uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
    return 0;
}

static int
id_parse(const char *text, uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (*text++ != '-')
                return -EINVAL;
        int v = 0;
        for (int k = 0; k < 2; k++, text++) {
            const char *digits = "0123456789abcdef";
            const char *d = *text ? strchr(digits, *text | 0x20) : NULL;
            if (!d)
                return -EINVAL;
            v = v * 16 + (int) (d - digits);
        }
        uuid[i] = (uint8_t) v;
    }
    return 0;
}

/* 0, -ENOENT, -EINVAL (not a UUID) or another negative errno. */
int
spool_id_read(int dirfd, uint8_t uuid[16])
{
    int fd = openat(dirfd, "ID", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char text[64] = "";
    ssize_t n = read(fd, text, sizeof text - 1);
    int rc = n < 0 ? -errno : 0;
    close(fd);
    if (rc)
        return rc;
    if (n != ID_TEXT && !(n == ID_TEXT + 1 && text[ID_TEXT] == '\n'))
        return -EINVAL;
    return id_parse(text, uuid);
}

int
spool_file_replace(int dirfd, const char *name, const char *bytes, size_t len)
{
    char aside[32];
    snprintf(aside, sizeof aside, "%s.tmp", name);
    int fd =
        openat(dirfd, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = file_pwrite(fd, bytes, len, 0);
    if (!rc && fsync(fd))
        rc = -errno;
    close(fd);
    if (!rc && renameat(dirfd, aside, dirfd, name))
        rc = -errno;
    if (!rc && fsync(dirfd))
        rc = -errno;
    if (rc)
        unlinkat(dirfd, aside, 0);
    return rc;
}

int
spool_id_write(int dirfd, const uint8_t uuid[16])
{
    char text[40];
    spool_id_format(text, uuid);
    text[ID_TEXT] = '\n';
    return spool_file_replace(dirfd, "ID", text, ID_TEXT + 1);
}

static uint64_t
hint_checksum(const char *hint)
{
    return htole64(XXH3_64bits(hint, HINT_BYTES - 8));
}

/* Open DIR/LAST; *last is 0 when it tells nothing. */
int
spool_hint_open(struct spool *s, uint64_t *last)
{
    *last = 0;
    s->last_fd = openat(s->dirfd, "LAST", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->last_fd < 0)
        return -errno;
    char hint[HINT_BYTES];
    uint64_t sum, v;
    if (file_pread(s->last_fd, hint, sizeof hint, 0) != sizeof hint
        || memcmp(hint, "ILLAST01", 8) != 0
        || memcmp(hint + 8, s->id, 16) != 0)
        return 0;
    memcpy(&sum, hint + HINT_BYTES - 8, 8);
    if (sum != hint_checksum(hint))
        return 0;
    memcpy(&v, hint + 24, 8);
    v = le64toh(v);
    if (v <= SPOOL_POSITION_MAX)
        *last = v;
    return 0;
}

/* Never synced: after a crash of the machine it may be old, and then merely
 * tells less. */
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
