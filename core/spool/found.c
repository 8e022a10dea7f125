/* SPDX-License-Identifier: MIT */
#include "found.h"

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

/* While files swap names one of them is called this. */
#define MOVING ".moving"

static int
found_name(const char *name, uint64_t *position)
{
    uint64_t v = 0;
    for (int i = 0; i < 20; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        if (v > SPOOL_POSITION_MAX / 10)
            return 0;
        v = v * 10 + (uint64_t) (name[i] - '0');
    }
    *position = v;
    if (v == 0 || v > SPOOL_POSITION_MAX)
        return 0;
    return strcmp(name + 20, ".seg") == 0
           || strcmp(name + 20, ".seg" MOVING) == 0;
}

/* 0; -ENOTSUP; or an error that says nothing of the file. */
static int
found_look(struct spool *s, struct found_file *f)
{
    f->first = f->named;
    int fd = openat(s->dirfd, f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        int error = errno;
        log_error("spool: cannot open %s/%s: %s", s->dir, f->name,
                  strerror(error));
        f->unreadable = 1;
        if (fd >= 0)
            close(fd);
        return file_is_lost(error) ? 0 : -error;
    }
    f->size = S_ISREG(st.st_mode) ? (uint64_t) st.st_size : 0;
    f->written_us =
        (int64_t) st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    char header[SEGMENT_HEADER];
    int rc = -EINVAL;
    ssize_t n = file_pread(fd, header, sizeof header, 0);
    if (n == sizeof header)
        rc = spool_header_unpack(header, &f->header);
    f->unreadable = n < 0;
    close(fd);
    if (rc == -ENOTSUP) {
        log_error("spool: %s/%s was written by a newer version", s->dir,
                  f->name);
        return rc;
    }
    f->header_ok = rc == 0;
    if (f->header_ok)
        f->first = f->header.first;
    return 0;
}

static struct found_file *
found_add(struct found_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        void *items = realloc(list->items, cap * sizeof *list->items);
        if (!items)
            return NULL;
        list->items = items;
        list->cap = cap;
    }
    struct found_file *f = &list->items[list->count++];
    memset(f, 0, sizeof *f);
    return f;
}

int
spool_found_read(struct spool *s, struct found_list *list)
{
    int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int rc = -errno;
        log_error("spool: cannot list %s: %s", s->dir, strerror(-rc));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = 0;
    struct dirent *e;
    while (rc == 0 && (e = readdir(d))) {
        uint64_t named;
        if (!found_name(e->d_name, &named))
            continue;
        struct found_file *f = found_add(list);
        if (!f) {
            rc = -ENOMEM;
            break;
        }
        f->named = named;
        snprintf(f->name, sizeof f->name, "%.39s", e->d_name);
        rc = found_look(s, f);
    }
    closedir(d);
    return rc;
}

int
spool_found_majority(const struct found_list *list, uint8_t uuid[16])
{
    size_t best = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].header_ok)
            continue;
        size_t n = 0;
        for (size_t k = 0; k < list->count; k++)
            n += list->items[k].header_ok
                 && memcmp(list->items[k].header.uuid,
                           list->items[i].header.uuid, 16) == 0;
        if (n > best) {
            best = n;
            memcpy(uuid, list->items[i].header.uuid, 16);
        }
        if (n > list->count / 2)
            break;
    }
    return best > 0;
}

int
spool_found_identify(struct spool *s, struct found_list *list)
{
    uint8_t most[16];
    int have = spool_found_majority(list, most);
    int rc = spool_id_read(s->dirfd, s->id);
    if (rc == 0) {
        for (size_t i = 0; i < list->count; i++)
            if (list->items[i].header_ok
                && memcmp(list->items[i].header.uuid, s->id, 16) == 0)
                return 0;
        if (!have)
            return 0;
        log_error("spool: %s/ID is of another spool than every segment, "
                  "which are believed", s->dir);
    } else if (list->count && !have && rc != -ENOENT && rc != -EINVAL) {
        /* A new identity would make a stranger's of all that is there. */
        log_error("spool: cannot read %s/ID: %s", s->dir, strerror(-rc));
        return rc;
    } else if (have || (list->count && rc != -ENOENT)) {
        log_error("spool: %s/ID is %s, made again from the segments", s->dir,
                  rc == -ENOENT ? "missing" : "damaged");
    }
    if (have)
        memcpy(s->id, most, 16);
    else if ((rc = uuid_make(s->id)))
        return rc;
    rc = spool_id_write(s->dirfd, s->id);
    if (rc) {
        log_error("spool: cannot write %s/ID: %s", s->dir, strerror(-rc));
        if (have)
            rc = 0; /* the segments have it too */
    }
    return rc;
}

/* Is there one valid frame in it? */
static int
found_has_frames(struct spool *s, const struct found_file *f)
{
    int fd = openat(s->dirfd, f->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) /* it stays where it is, unless that is its own fault */
        return !file_is_lost(errno);
    struct segment_io io;
    struct segment_scan scan;
    struct frame frame;
    struct segment_gap gap;
    spool_segment_open(&io, fd, f->size);
    spool_scan_start(&scan, &io, spool_seed(s->id), f->first,
                     SPOOL_POSITION_MAX);
    int rc = spool_scan_next(&scan, &frame, &gap);
    int unreadable = io.unreadable > 0;
    spool_segment_close(&io);
    close(fd);
    return rc > SCAN_END || unreadable;
}

static const char *
found_misfit(struct spool *s, const struct found_file *f)
{
    if (f->header_ok)
        return memcmp(f->header.uuid, s->id, 16) == 0
                   ? NULL
                   : "belongs to another spool";
    if (f->unreadable)
        return NULL;
    if (f->size == 0)
        return "empty";
    return found_has_frames(s, f) ? NULL : "no segment of this spool";
}

static int
found_compare(const void *a, const void *b)
{
    const struct found_file *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    /* Of two with one position: the better header, the right name, the
     * longer. */
    if (x->header_ok != y->header_ok)
        return y->header_ok - x->header_ok;
    if ((x->first == x->named) != (y->first == y->named))
        return x->first == x->named ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

void
spool_found_sort(struct found_list *list)
{
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, found_compare);
}

static int
found_rename(struct spool *s, struct found_file *f, const char *to)
{
    if (renameat(s->dirfd, f->name, s->dirfd, to)) {
        int rc = -errno;
        log_error("spool: cannot rename %s/%s to %s: %s", s->dir, f->name, to,
                  strerror(-rc));
        return rc;
    }
    snprintf(f->name, sizeof f->name, "%.39s", to);
    return 0;
}

/* Misnamed files (two that were swapped, say) get the names that their
 * headers tell. */
static int
found_names(struct spool *s, struct found_list *list)
{
    char name[SEGMENT_NAME + 8];
    for (size_t i = 0; i < list->count; i++) {
        struct found_file *f = &list->items[i];
        spool_segment_name(name, f->first);
        if (strcmp(f->name, name) == 0)
            continue;
        log_error("spool: %s/%s is really %s, renamed", s->dir, f->name,
                  name);
        strcat(name, MOVING);
        int rc = strcmp(f->name, name) ? found_rename(s, f, name) : 0;
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct found_file *f = &list->items[i];
        spool_segment_name(name, f->first);
        int rc = strcmp(f->name, name) ? found_rename(s, f, name) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

int
spool_found_tidy(struct spool *s, struct found_list *list)
{
    size_t kept = 0;
    spool_found_sort(list);
    for (size_t i = 0; i < list->count; i++) {
        struct found_file *f = &list->items[i];
        const char *why = found_misfit(s, f);
        if (!why && kept && list->items[kept - 1].first == f->first)
            why = "there is another segment with the same first position";
        if (!why) {
            if (kept != i)
                list->items[kept] = *f;
            kept++;
            continue;
        }
        int rc = f->size ? spool_damage_aside(s->dirfd, f->name, why, s->dir)
                 : unlinkat(s->dirfd, f->name, 0) ? -errno
                                                  : 0;
        /* It stays where it is; its name must not be needed again. */
        if (rc)
            log_warn("spool: %s/%s is left in place", s->dir, f->name);
    }
    list->count = kept;
    return found_names(s, list);
}
