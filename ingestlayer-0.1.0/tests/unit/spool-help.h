/* SPDX-License-Identifier: MIT */
/* What the tests of the spool and of the idempotency index share: a private
 * directory, a captured log, and spools that are filled and read back. */
#ifndef SPOOL_HELP_H
#define SPOOL_HELP_H

#include "base/log.h"
#include "spool/spool.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char help_dir[64];
static char help_log[65536]; /* what was logged since the test began */

/* These take the place of log.c. */
void
log_text(int level, const char *prefix, const char *text, size_t len)
{
    static int lock;
    char line[1024];
    (void) level;
    (void) prefix;
    int n = snprintf(line, sizeof line - 1, "%.*s", (int) len, text);
    if (n > (int) sizeof line - 2)
        n = sizeof line - 2;
    line[n] = '\n';
    line[n + 1] = '\0';
    if (getenv("SHOW_LOG"))
        fputs(line, stderr);
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        ;
    if (strlen(help_log) + strlen(line) < sizeof help_log)
        strcat(help_log, line);
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

void
log_line(int level, const char *fmt, ...)
{
    va_list ap;
    char text[1024];
    va_start(ap, fmt);
    log_text(level, NULL, text, il_format_(text, fmt, ap));
    va_end(ap);
}

static inline void
help_remove(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char sub[1024];
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%.700s/%s", path, e->d_name);
        if (unlink(sub))
            help_remove(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static inline void
help_setup(void)
{
    /* In memory where there is such a place: many tests sync a lot, and none
     * tests the disk. */
    snprintf(help_dir, sizeof help_dir, "/dev/shm/il-spool-XXXXXX");
    if (!mkdtemp(help_dir)) {
        snprintf(help_dir, sizeof help_dir, "/tmp/il-spool-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(help_dir));
    }
    help_log[0] = '\0';
}

static inline void
help_teardown(void)
{
    help_remove(help_dir);
}

static inline struct spool_options
help_options(void)
{
    return (struct spool_options){ .dir = help_dir,
                                   .segment_bytes = 4096,
                                   .buffer_bytes = 1 << 20,
                                   .retain_us = INT64_C(3600000000) };
}

static inline struct spool *
help_open_with(const struct spool_options *o, struct spool_recovery *r)
{
    struct spool *s = NULL;
    ck_assert_int_eq(spool_open(o, &s, r), 0);
    return s;
}

static inline struct spool *
help_open(struct spool_recovery *r)
{
    struct spool_options o = help_options();
    return help_open_with(&o, r);
}

static inline void
help_wait_durable(struct spool *s, uint64_t position)
{
    for (int i = 0; i < 5000 && spool_durable(s) < position; i++)
        usleep(1000);
    ck_assert_uint_ge(spool_durable(s), position);
}

/* The body that the frame at a position gets: 1 to 200 bytes that depend on
 * it. */
static inline size_t
help_body(char out[256], uint64_t position)
{
    size_t len = 1 + position * 37 % 200;
    size_t number = (size_t) snprintf(out, 256, "%" PRIu64 ":", position);
    for (size_t i = number; i < len; i++)
        out[i] = (char) ('a' + (position + i) % 26);
    return len < number ? number : len;
}

/* Append frames one by one, so that every group is small. */
static inline void
help_fill(struct spool *s, uint64_t from, uint64_t to)
{
    for (uint64_t p = from; p <= to; p++) {
        char body[256];
        memset(body, 0, sizeof body);
        struct slice b = slice_of(body, help_body(body, p));
        uint64_t first = 0;
        ck_assert_int_eq(spool_append(s, &b, 1, &first), 0);
        ck_assert_uint_eq(first, p);
        help_wait_durable(s, p);
    }
}

/* What a reader saw: how often each position. */
struct help_seen {
    struct il_text text;
    uint64_t last;   /* position of the last frame */
    uint64_t count;
    uint64_t wrong;  /* bodies that are not what was appended */
    uint32_t times[20000];
};

static inline int
help_each(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct help_seen *seen = arg;
    char body[256];
    memset(body, 0, sizeof body);
    size_t want = help_body(body, position);
    if (position <= seen->last || want != len
        || memcmp(seen->text.data + offset, body, len) != 0)
        seen->wrong++;
    seen->last = position;
    seen->count++;
    if (position < 20000)
        seen->times[position]++;
    return 0;
}

/* Read all there is after a position. */
static inline struct help_seen *
help_read_all(struct spool *s, uint64_t after, size_t max_bytes)
{
    struct help_seen *seen = calloc(1, sizeof *seen);
    struct spool_reader *r;
    uint64_t last = after;
    ck_assert_int_eq(spool_reader_open(s, after, &r), 0);
    while (last < spool_durable(s)) {
        seen->text.len = 0;
        int n = spool_reader_read(r, &seen->text, max_bytes, 1000, 2000, &last,
                                  help_each, seen);
        ck_assert_int_ge(n, 0);
    }
    spool_reader_close(r);
    text_clear(&seen->text);
    return seen;
}

static inline void
help_path(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", help_dir, name);
}

static inline void
help_segment(char out[256], uint64_t first)
{
    snprintf(out, 256, "%s/%020" PRIu64 ".seg", help_dir, first);
}

static inline char *
help_slurp(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    fstat(fd, &st);
    char *bytes = malloc((size_t) st.st_size + 1);
    ck_assert_int_eq(read(fd, bytes, (size_t) st.st_size), st.st_size);
    close(fd);
    *len = (size_t) st.st_size;
    return bytes;
}

static inline void
help_write(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t) len);
    close(fd);
}

#endif
