/* SPDX-License-Identifier: MIT */
/* DIR/SECRET: what the keys of this state_dir are hashed with.
 *
 * A sender chooses its keys.  Were the hash known, one could make up keys that
 * all have one place in the index, and slow down every source by sending them.
 *
 *   "ILIDSEC1", 192 random bytes, u64 XXH3 of both (little-endian); mode 0600
 *
 * It is on the disk before the first key is hashed with it.  A log says by
 * which secret its keys were hashed, so that one of another secret is not
 * believed: its keys are taken from the spool again. */
#define XXH_INLINE_ALL
#include "private.h"

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define NAME "SECRET"
#define MAGIC "ILIDSEC1" /* 8 bytes */

struct secret_file {
    char magic[8];
    uint8_t bytes[IDEM_SECRET];
    uint64_t sum;
};

static uint64_t
secret_sum(const struct secret_file *f)
{
    return htole64(XXH3_64bits(f, offsetof(struct secret_file, sum)));
}

/* 0; -ENOENT; -EINVAL: no secret of ours; or another negative errno. */
static int
secret_read(int dirfd, struct secret_file *f)
{
    int fd = openat(dirfd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int64_t got = file_pread(fd, f, sizeof *f, 0);
    close(fd);
    if (got < 0)
        return (int) got;
    return got == sizeof *f && !memcmp(f->magic, MAGIC, 8)
                   && f->sum == secret_sum(f)
               ? 0
               : -EINVAL;
}

static int
secret_make(int dirfd, struct secret_file *f)
{
    memcpy(f->magic, MAGIC, 8);
    int err = random_fill(f->bytes, sizeof f->bytes);
    if (err)
        return err;
    f->sum = secret_sum(f);
    return file_replace(dirfd, NAME, f, sizeof *f);
}

int
idem_secret_open(struct idem *d)
{
    struct secret_file f = { 0 };
    int rc = secret_read(d->dirfd, &f);
    if (rc == -EINVAL)
        log_warn("idempotency index: %s/" NAME
                 " is damaged: a new one is made, "
                 "and all keys are taken from the spool, as far as it reaches",
                 d->dir);
    if (rc == -EINVAL || rc == -ENOENT)
        rc = secret_make(d->dirfd, &f);
    if (rc) {
        log_error("idempotency index: cannot make %s/" NAME ": %s", d->dir,
                  strerror(-rc));
        return rc;
    }
    memcpy(d->secret, f.bytes, sizeof d->secret);
    d->secret_id = le64toh(f.sum);
    return 0;
}
