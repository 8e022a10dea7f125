/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t
seen_hash(uint64_t h, const char *bytes, size_t len)
{
    h ^= UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char) bytes[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

void
seen_open(struct seen *s, const struct il_host *host, size_t most)
{
    *s = (struct seen){ .host = host, .most = most };
}

void
seen_close(struct seen *s)
{
    for (size_t i = 0; i < s->run_count; i++)
        munmap((void *) (uintptr_t) s->runs[i].hashes,
               s->runs[i].count * sizeof(uint64_t));
    free(s->runs);
    free(s->hashes);
    *s = (struct seen){ 0 };
}

static int
by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            len -= (size_t) n;
        }
    }
    return 0;
}

/* What is in memory becomes a sorted run of its own, in a file without a name. */
static int
spill(struct seen *s)
{
    const size_t bytes = s->count * sizeof *s->hashes;
    const char *dir;
    if (s->run_count == SEEN_RUNS)
        return -EFBIG;
    if (!s->runs && !(s->runs = calloc(SEEN_RUNS, sizeof *s->runs)))
        return -ENOMEM;
    int err = il_state_dir(s->host, &dir);
    if (err)
        return err;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    qsort(s->hashes, s->count, sizeof *s->hashes, by_value);
    err = write_all(fd, (const char *) s->hashes, bytes);
    void *map =
        err ? MAP_FAILED : mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (!err && map == MAP_FAILED)
        err = -errno;
    close(fd);
    if (err)
        return err;
    s->runs[s->run_count++] = (struct seen_run){ map, s->count };
    s->count = 0;
    return 0;
}

int
seen_add(struct seen *s, const char *id, size_t len)
{
    if (s->count == s->most) {
        int err = spill(s);
        if (err)
            return err;
    }
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 4096;
        if (room > s->most)
            room = s->most;
        uint64_t *more = realloc(s->hashes, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        s->hashes = more;
        s->room = room;
    }
    s->hashes[s->count++] = seen_hash(0, id, len);
    return 0;
}

void
seen_sort(struct seen *s)
{
    if (s->count)
        qsort(s->hashes, s->count, sizeof *s->hashes, by_value);
}

int
seen_has(const struct seen *s, const char *id, size_t len)
{
    const uint64_t h = seen_hash(0, id, len);
    if (s->count
        && bsearch(&h, s->hashes, s->count, sizeof *s->hashes, by_value))
        return 1;
    for (size_t i = 0; i < s->run_count; i++)
        if (bsearch(&h, s->runs[i].hashes, s->runs[i].count, sizeof h,
                    by_value))
            return 1;
    return 0;
}
