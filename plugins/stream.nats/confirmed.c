/* SPDX-License-Identifier: MIT */
#include "confirmed.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC UINT64_C(0x31646d6663746c69) /* "iltcfmd1" */

struct slot {
    uint64_t magic, turn;
    uint8_t spool[16];
    uint32_t set_backs, partitions, by, zero;
    struct confirmed of[PARTITIONS_MAX];
    uint64_t sum;
};

static uint64_t
sum_of(const struct slot *s)
{
    return XXH3_64bits(s, offsetof(struct slot, sum));
}

static int
read_slot(int fd, int i, struct slot *s)
{
    const ssize_t n = pread(fd, s, sizeof(*s), i * (off_t) sizeof(*s));
    return n == (ssize_t) sizeof(*s) && s->magic == MAGIC
           && s->sum == sum_of(s);
}

int
confirmed_open(struct confirmed_file *f, const char *dir,
               const struct confirmed_life *life, struct confirmed *of)
{
    char path[4096];
    struct slot s[2];
    confirmed_close(f);
    if (snprintf(path, sizeof(path), "%s/confirmed", dir) >= (int) sizeof(path))
        return -ENAMETOOLONG;
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->fd < 0)
        return -errno;
    const int there[2] = { read_slot(f->fd, 0, &s[0]),
                           read_slot(f->fd, 1, &s[1]) };
    if (!there[0] && !there[1])
        return 0;
    const struct slot *newest =
        there[1] && (!there[0] || s[1].turn > s[0].turn) ? &s[1] : &s[0];
    f->turn = newest->turn;
    if (memcmp(newest->spool, life->spool, 16))
        return 0;
    if (newest->partitions != life->partitions || newest->by != life->by)
        return -EDOM;
    if (newest->set_backs == life->set_backs)
        memcpy(of, newest->of, life->partitions * sizeof(*of));
    return 1;
}

int
confirmed_save(struct confirmed_file *f, const struct confirmed_life *life,
               const struct confirmed *of)
{
    struct slot s;
    memset(&s, 0, sizeof(s));
    s.magic = MAGIC;
    s.turn = f->turn + 1;
    memcpy(s.spool, life->spool, 16);
    s.set_backs = life->set_backs;
    s.partitions = life->partitions;
    s.by = life->by;
    memcpy(s.of, of, life->partitions * sizeof(*of));
    s.sum = sum_of(&s);
    errno = EIO;
    if (pwrite(f->fd, &s, sizeof(s), (off_t) (s.turn % 2 * sizeof(s)))
            != (ssize_t) sizeof(s)
        || fdatasync(f->fd))
        return -errno;
    f->turn = s.turn;
    return 0;
}

void
confirmed_close(struct confirmed_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
