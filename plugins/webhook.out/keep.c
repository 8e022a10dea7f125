/* SPDX-License-Identifier: MIT */
/* Records have one size, and a place each, which its target knows; one that the
 * breaker has forgotten keeps its record until that is needed for another. */
#include "keep.h"

#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE 1024
#define MAGIC UINT64_C(0x31303074656c6c69) /* the version is in it */

struct record {
    uint64_t sum; /* of all that follows; 0: the place is free */
    uint64_t magic;
    int64_t written_us;
    struct breaker_memory of;
};
_Static_assert(sizeof(struct record) <= PLACE, "it has room");

struct keep {
    int fd;
    uint32_t count, turn; /* places that were used; the next to use again */
    uint64_t *names;      /* by place: a hash of whose it is; 0: it is free */
    uint64_t *sums;       /* by place: of what was written last */
    int dirty;
};

static uint64_t
sum_of(const struct record *r)
{
    const size_t from = offsetof(struct record, magic);
    return hash_bytes((const char *) r + from, sizeof(*r) - from);
}

/* Of what it says, whenever it was written. */
static uint64_t
meaning_of(const struct breaker_memory *m)
{
    return hash_bytes(m, sizeof(*m));
}

static uint64_t
name_hash(const char *name)
{
    const uint64_t hash = hash_bytes(name, strlen(name));
    return hash ? hash : 1;
}

/* Whoever has damaged it may have made the sum fit. */
static int
is_sound(const struct record *r)
{
    const struct breaker_memory *m = &r->of;
    return r->magic == MAGIC && r->sum == sum_of(r) && *m->name
           && memchr(m->name, 0, sizeof(m->name))
           && memchr(m->cause, 0, sizeof(m->cause)) && m->open <= 1
           && m->wary <= 1 && m->failures <= BREAKER_FAILURES
           && m->no_answers <= m->failures && m->probe.length_us >= 0
           && m->probe.length_us <= KEEP_DAY && m->held.length_us >= 0
           && m->held.length_us <= 366 * KEEP_DAY;
}

static int
write_place(struct keep *k, uint32_t place, const struct record *r)
{
    const char *bytes = (const char *) r;
    size_t done = 0;
    while (done < sizeof(*r)) {
        ssize_t n = pwrite(k->fd, bytes + done, sizeof(*r) - done,
                           (off_t) place * PLACE + (off_t) done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        done += (size_t) n;
    }
    __atomic_store_n(&k->dirty, 1, __ATOMIC_RELEASE);
    return 0;
}

/* --- opening -------------------------------------------------------------- */

static void
take_record(struct keep *k, uint32_t place, const struct record *r,
            struct breaker *b, const char *only, int64_t now_us)
{
    static const struct record none;
    const struct breaker_memory *m = &r->of;
    struct breaker_target *t = NULL;
    if (is_sound(r)
        && (*only ? !strcmp(only, m->name)
                  : llabs(now_us - r->written_us) <= KEEP_DAY))
        t = breaker_restore(b, m);
    if (t && !*breaker_place(t)) {
        *breaker_place(t) = place + 1;
        k->names[place] = name_hash(m->name);
        k->sums[place] = meaning_of(m);
    } else if (r->sum) {
        write_place(k, place, &none);
    }
}

static int
read_all(struct keep *k, struct breaker *b, const char *only, int64_t now_us)
{
    for (uint32_t place = 0; place < BREAKER_TARGETS; place++) {
        struct record r;
        ssize_t n = pread(k->fd, &r, sizeof(r), (off_t) place * PLACE);
        if (n < 0)
            return -errno;
        if (n < (ssize_t) sizeof(r))
            break; /* the end, or where a write was cut off there */
        k->count = place + 1;
        take_record(k, place, &r, b, only, now_us);
    }
    return 0;
}

int
keep_open(const char *folder, struct breaker *b, const char *only,
          int64_t now_us, struct keep **out)
{
    struct keep *k = calloc(1, sizeof(*k));
    *out = NULL;
    if (!k)
        return -ENOMEM;
    k->names = calloc(BREAKER_TARGETS, sizeof(*k->names));
    k->sums = calloc(BREAKER_TARGETS, sizeof(*k->sums));
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = !k->names || !k->sums ? -ENOMEM : dir < 0 ? -errno : 0;
    k->fd = err ? -1
                : openat(dir, KEEP_FILE,
                         O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (!err)
        err = k->fd < 0 || fsync(dir) ? -errno : read_all(k, b, only, now_us);
    if (dir >= 0)
        close(dir);
    if (err)
        keep_close(k);
    else
        *out = k;
    return err;
}

void
keep_close(struct keep *k)
{
    if (!k)
        return;
    if (k->fd >= 0) {
        keep_sync(k);
        close(k->fd);
    }
    free(k->names);
    free(k->sums);
    free(k);
}

/* --- writing -------------------------------------------------------------- */

/* That of this name, or one for it. */
static uint32_t
place_of(struct keep *k, uint64_t name)
{
    uint32_t free_one = UINT32_MAX;
    for (uint32_t i = 0; i < k->count; i++) {
        if (k->names[i] == name)
            return i;
        if (!k->names[i] && free_one == UINT32_MAX)
            free_one = i;
    }
    if (free_one != UINT32_MAX)
        return free_one;
    if (k->count < BREAKER_TARGETS)
        return k->count++;
    return k->turn++ % BREAKER_TARGETS;
}

int
keep_note(struct keep *k, struct breaker_target *t, int64_t now_us)
{
    struct record r;
    struct breaker_state s;
    uint32_t *place = breaker_place(t);
    const int known = breaker_remember(t, &r.of);
    if (!known && !*place)
        return 0;
    breaker_state(t, now_us, &s);
    const uint64_t name = name_hash(s.name);
    const uint64_t meaning = known ? meaning_of(&r.of) : 0;
    /* Another one may have been given its place since. */
    if (!*place || k->names[*place - 1] != name) {
        if (!known) {
            *place = 0;
            return 0;
        }
        *place = place_of(k, name) + 1;
        k->names[*place - 1] = name;
        k->sums[*place - 1] = 0;
    }
    const uint32_t i = *place - 1;
    if (known && k->sums[i] == meaning)
        return 0;
    if (known) {
        r.magic = MAGIC;
        r.written_us = now_us;
        r.sum = sum_of(&r);
    } else {
        memset(&r, 0, sizeof(r));
    }
    int err = write_place(k, i, &r);
    if (err)
        return err;
    k->sums[i] = meaning;
    if (!known) {
        k->names[i] = 0;
        *place = 0;
    }
    return 0;
}

int
keep_sync(struct keep *k)
{
    if (!__atomic_exchange_n(&k->dirty, 0, __ATOMIC_ACQ_REL))
        return 0;
    return fdatasync(k->fd) ? -errno : 0;
}
