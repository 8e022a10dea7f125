/* SPDX-License-Identifier: MIT */
/* RUNS: which files count, and up to where they have all.
 *
 *   "ILRUNSET", u32 version, u32 how many, UUID of the spool, u64 secret,
 *   u64 complete; of each run u64 seq, from, to; u64 sum of all before
 *
 * Where it is damaged, each file that is a run is believed, which is at most
 * too much, and the spool is asked for all that it has.  A set that has to be
 * exact begins empty. */
#include "private.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LIST_NAME "RUNS"
#define LIST_MAGIC "ILRUNSET" /* 8 bytes */
#define LIST_VERSION 1u

struct list_head {
    char magic[8];
    uint32_t version, count;
    uint8_t spool[16];
    uint64_t secret, complete;
};
struct list_entry {
    uint64_t seq, from, to;
};
/* The sum follows the last entry that there is. */
struct list_file {
    struct list_head head;
    struct list_entry runs[RUNS_MAX];
    uint64_t room_for_sum;
};

static size_t
list_len(uint32_t count)
{
    return sizeof(struct list_head) + count * sizeof(struct list_entry);
}

/* --- naming --- */

static int
list_write(const struct runs_set *s, struct run *const *list, uint32_t count,
           uint64_t complete)
{
    struct list_file f;
    memset(&f, 0, sizeof f);
    memcpy(f.head.magic, LIST_MAGIC, 8);
    f.head.version = LIST_VERSION;
    f.head.count = count;
    memcpy(f.head.spool, s->spool, sizeof f.head.spool);
    f.head.secret = s->secret;
    f.head.complete = complete;
    for (uint32_t i = 0; i < count; i++)
        f.runs[i] = (struct list_entry){ .seq = list[i]->header.seq,
                                         .from = list[i]->header.from,
                                         .to = list[i]->to };
    uint64_t sum = XXH3_64bits(&f, list_len(count));
    memcpy((char *) &f + list_len(count), &sum, sizeof sum);
    /* The files' names first. */
    if (fsync(s->dirfd))
        return -errno;
    return file_replace(s->dirfd, LIST_NAME, &f, list_len(count) + sizeof sum);
}

int
runs_name(struct runs_set *s, struct run *const *out, uint32_t count,
          struct run *made, uint64_t complete)
{
    struct run *list[RUNS_MAX];
    uint32_t first = 0, n = 0;
    while (first < s->count && !(count && s->list[first] == out[0]))
        first++;
    if (s->count - count + (made ? 1 : 0) > RUNS_MAX)
        return -EOVERFLOW;
    for (uint32_t i = 0; i < first; i++)
        list[n++] = s->list[i];
    if (made)
        list[n++] = made;
    for (uint32_t i = first + count; i < s->count; i++)
        list[n++] = s->list[i];
    int rc = list_write(s, list, n, complete);
    if (rc)
        return rc;
    memcpy(s->list, list, n * sizeof list[0]);
    s->count = n;
    s->complete = complete;
    for (uint32_t i = 0; i < count; i++)
        unlinkat(s->dirfd, out[i]->name, 0);
    return 0;
}

/* --- a start --- */

/* 1: none, or not whole.  0, -ENOTSUP, or another negative errno. */
static int
list_read(const struct runs_set *s, struct list_file *f, int *damaged)
{
    uint64_t sum;
    int fd = openat(s->dirfd, LIST_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 1 : -errno;
    int64_t got = file_pread(fd, f, sizeof *f, 0);
    close(fd);
    *damaged = 1;
    if (got == -EIO)
        return 1;
    if (got < 0)
        return (int) got;
    if ((size_t) got < sizeof f->head + sizeof sum
        || memcmp(f->head.magic, LIST_MAGIC, 8))
        return 1;
    size_t len = (size_t) got - sizeof sum;
    memcpy(&sum, (const char *) f + len, sizeof sum);
    if (sum != XXH3_64bits(f, len))
        return 1;
    if (f->head.version > LIST_VERSION) {
        log_error("%s: %s/" LIST_NAME ": a newer version wrote it", s->what,
                  s->dir);
        return -ENOTSUP;
    }
    if (f->head.count > RUNS_MAX || len != list_len(f->head.count))
        return 1;
    *damaged = 0;
    return 0;
}

/* The number that a file's name says; 0: it is not the name of a run. */
static uint64_t
seq_of(const char *name)
{
    char same[24];
    uint64_t seq = strtoull(name, NULL, 16);
    runs_name_of(same, seq);
    return strcmp(name, same) ? 0 : seq;
}

/* Each run of the folder; where fn says so, its file goes. */
static int
each_file(struct runs_set *s, int (*fn)(struct runs_set *, uint64_t seq))
{
    int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    int rc = 0;
    if (!dir) {
        rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while (rc >= 0 && (e = readdir(dir))) {
        uint64_t seq = seq_of(e->d_name);
        if (!seq)
            continue;
        if (seq >= s->next_seq)
            s->next_seq = seq + 1;
        rc = fn(s, seq);
        if (rc > 0)
            unlinkat(s->dirfd, e->d_name, 0);
    }
    closedir(dir);
    return rc < 0 ? rc : 0;
}

static int
is_strange(struct runs_set *s, uint64_t seq)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->list[i]->header.seq == seq)
            return 0;
    return 1;
}

/* -EBADMSG where that says something of the file. */
static int
load(struct runs_set *s, uint64_t seq, struct run **out)
{
    int rc = runs_map(s, seq, out);
    if (rc == -ENOTSUP) {
        char name[24];
        runs_name_of(name, seq);
        log_error("%s: %s/%s: a newer version wrote it", s->what, s->dir, name);
    }
    return rc < 0 && file_is_lost(-rc) ? -EBADMSG : rc;
}

/* In the order of the positions; 1: it is no run of ours. */
static int
believe(struct runs_set *s, uint64_t seq)
{
    struct run *r;
    int rc = load(s, seq, &r);
    if (rc == -EBADMSG || (!rc && s->count == RUNS_MAX)) {
        if (!rc)
            runs_free(r);
        return 1;
    }
    if (rc)
        return rc;
    uint32_t i = s->count++;
    for (; i > 0
           && (s->list[i - 1]->to > r->to
               || (s->list[i - 1]->to == r->to
                   && s->list[i - 1]->header.seq > seq));
         i--)
        s->list[i] = s->list[i - 1];
    s->list[i] = r;
    return 0;
}

static int
load_listed(struct runs_set *s, const struct list_file *f)
{
    s->complete = f->head.complete;
    for (uint32_t i = 0; i < f->head.count; i++) {
        const struct list_entry *e = &f->runs[i];
        struct run *r;
        /* No other gets the name of one that is lost. */
        if (e->seq >= s->next_seq)
            s->next_seq = e->seq + 1;
        int rc = load(s, e->seq, &r);
        if (rc == -EBADMSG && s->reading)
            return -EAGAIN;
        if (rc == -EBADMSG) {
            char name[24];
            runs_name_of(name, e->seq);
            log_error("%s: %s/%s is missing, damaged or not whole: what it "
                      "knew from position %" PRIu64 " on is taken from the "
                      "spool again",
                      s->what, s->dir, name, e->from + 1);
            if (e->from < s->complete)
                s->complete = e->from;
            if (s->exact)
                break;
            continue;
        }
        if (rc)
            return rc;
        if (e->to < r->to)
            r->to = e->to;
        s->list[s->count++] = r;
    }
    return 0;
}

/* The spool was restored from a backup: what came behind its end is of events
 * that are no more.  That has to be on the disk before positions are given out
 * again. */
static int
cut(struct runs_set *s, uint64_t end)
{
    uint64_t last = s->complete;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->list[i]->to > last)
            last = s->list[i]->to;
        if (s->list[i]->to > end)
            s->list[i]->to = end;
    }
    if (last <= end)
        return 0;
    log_error("%s: %s knows position %" PRIu64 ", the spool ends at %" PRIu64
              ": what lies behind is not believed",
              s->what, s->dir, last, end);
    if (s->complete > end)
        s->complete = end;
    return list_write(s, s->list, s->count, s->complete);
}

/* Whosever they are; what is not whole may be so for a moment. */
static int
open_reading(struct runs_set *s)
{
    struct list_file f;
    int damaged = 0;
    int rc = list_read(s, &f, &damaged);
    if (rc == 1)
        return damaged ? -EAGAIN : 0;
    if (!rc) {
        memcpy(s->spool, f.head.spool, sizeof s->spool);
        s->secret = f.head.secret;
        rc = load_listed(s, &f);
    }
    if (rc)
        runs_close(s);
    return rc;
}

int
runs_open(struct runs_set *s, uint64_t end)
{
    struct list_file f;
    int damaged = 0;
    s->count = 0;
    s->complete = 0;
    s->next_seq = 1;
    if (s->reading)
        return open_reading(s);
    int rc = list_read(s, &f, &damaged);
    if (rc == 0
        && (memcmp(f.head.spool, s->spool, sizeof s->spool)
            || f.head.secret != s->secret)) {
        log_error("%s: %s is of another spool, or by another secret: made anew "
                  "from the spool, as far as it reaches",
                  s->what, s->dir);
        rc = f.head.count = 0;
    } else if (rc == 0) {
        rc = load_listed(s, &f);
    } else if (rc == 1) {
        if (damaged)
            log_error("%s: %s/" LIST_NAME " is damaged: %s, and the spool is "
                      "asked for all that it has",
                      s->what, s->dir,
                      s->exact ? "its files are not believed"
                               : "its files are believed");
        rc = s->exact ? 0 : each_file(s, believe);
    }
    if (!rc)
        rc = each_file(s, is_strange);
    if (!rc)
        rc = cut(s, end);
    if (rc && rc != -ENOTSUP)
        log_error("%s: cannot open %s: %s", s->what, s->dir, strerror(-rc));
    if (rc)
        runs_close(s);
    return rc;
}

void
runs_close(struct runs_set *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        runs_free(s->list[i]);
    s->count = 0;
}
