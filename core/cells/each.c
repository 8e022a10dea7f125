/* SPDX-License-Identifier: MIT */
/* What is on the disk, for people: read beside a daemon or without one. */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ATTEMPTS 50 /* while a daemon puts files together */

struct walk {
    uint32_t tag;
    int (*fn)(void *arg, struct slice key, const struct il_remembered *);
    void *arg;
};

static int
walk_one(void *arg, const struct runs_record *r, const char *bytes)
{
    const struct walk *w = arg;
    struct slice key, value;
    uint32_t tag;
    if (r->hi == CELLS_META_HI
        || cells_value_read(slice_of(bytes, runs_value_len(r)), &tag, &key,
                            &value)
        || tag != w->tag)
        return 0;
    const struct il_remembered cell = { value.ptr, value.len, runs_position(r),
                                        r->time == CELLS_NO_END
                                            ? 0
                                            : (int64_t) r->time * 1000000 };
    return w->fn(w->arg, key, &cell);
}

/* The time of the stream, in seconds. */
static uint32_t
stream_s(struct runs_set *s)
{
    const struct runs_key key = { CELLS_META_HI, CELLS_META_LO };
    struct cells_meta meta;
    struct runs_hit hit;
    for (uint32_t i = s->count; i-- > 0;)
        if (runs_find(s->list[i], key, &hit) == 1
            && hit.value.len == sizeof meta) {
            memcpy(&meta, hit.value.ptr, sizeof meta);
            return meta.stream_us > 0 ? (uint32_t) (meta.stream_us / 1000000)
                                      : 0;
        }
    return 0;
}

int
cells_each(const char *dir, uint64_t lineage,
           int (*fn)(void *arg, struct slice key, const struct il_remembered *),
           void *arg)
{
    struct walk w = { cells_tag(lineage), fn, arg };
    struct runs_set s = { .what = "memory of steps", .dir = dir, .reading = 1 };
    s.dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (s.dirfd < 0)
        return -errno;
    int err = -EAGAIN;
    for (int i = 0; i < ATTEMPTS && err == -EAGAIN; i++) {
        if (i)
            usleep(20000);
        err = runs_open(&s, UINT64_MAX);
    }
    for (uint32_t i = 0; !err && i < s.count; i++)
        atomic_store(&s.list[i]->leave_out, 1);
    if (!err)
        err = runs_each(s.list, s.count, stream_s(&s), walk_one, &w);
    runs_close(&s);
    close(s.dirfd);
    return err;
}
