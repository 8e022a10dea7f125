/* SPDX-License-Identifier: MIT */
/* Writing a run, line after line.  A small one stays in memory.
 *
 * The file has no name: it is made anew from the log at each start, so it needs
 * no sum, no sync and no format that lasts.  It is written, not mapped and
 * changed: so a full disk is an error and no signal. */
#include "private.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Written at once.  Lines by the size of a huge page, which a file system that
 * can do so then uses for them: looking up keys reaches a page at random. */
#define CHUNK_LINES 32768u
#define CHUNK_UNITS 512u /* lines of units; no more lines stay in memory */
#define PAGE 4096u

struct run_writer {
    struct idem *idem;
    int fd; /* negative until the first chunk is full */
    struct run *run;
    uint64_t units_at; /* in the file */
    int with_units;
    uint32_t lines_in, units_in; /* the chunks */
    uint32_t lines_room;
    /* What has no room yet, from queue[first] on. */
    uint64_t *queue;
    size_t first, end, capacity;
    struct line *lines;
    uint32_t units[CHUNK_UNITS][LINE_PRINTS];
};

unsigned
idem_run_bits(uint64_t keys)
{
    unsigned bits = 1;
    while (((uint64_t) LINE_LOAD << bits) < keys)
        bits++;
    return bits;
}

/* A name for a moment; one worker at a time, or the start. */
static int
nameless_file(struct idem *d)
{
    const char *name = "run.tmp";
    int fd = openat(d->dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                    0600);
    if (fd < 0)
        return -errno;
    if (unlinkat(d->dirfd, name, 0)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int
idem_run_create(struct idem *d, uint64_t keys, unsigned bits, unsigned known,
                int with_units, struct run_writer **out)
{
    struct run_writer *w = malloc(sizeof *w);
    struct run *r = calloc(1, sizeof *r);
    uint32_t room = (uint64_t) 1 << bits < CHUNK_LINES
                        ? ((uint32_t) 1 << bits) + CHUNK_UNITS : CHUNK_LINES;
    struct line *lines = malloc(room * sizeof *lines);
    if (!w || !r || !lines) {
        free(w);
        free(r);
        free(lines);
        return -ENOMEM;
    }
    w->idem = d;
    w->fd = -1;
    w->run = r;
    w->with_units = with_units;
    w->lines_in = w->units_in = 0;
    w->lines_room = room;
    w->lines = lines;
    w->queue = NULL;
    w->first = w->end = w->capacity = 0;
    r->bits = bits;
    unsigned most_known = r->bits + (with_units ? 20 : 16);
    r->known = known < most_known ? known : most_known;
    r->keys = keys;
    /* If all were at home in the last line.  Holes take no space. */
    uint64_t most = ((uint64_t) 1 << r->bits) + keys / LINE_PRINTS + 1;
    w->units_at = (most * sizeof(struct line) + PAGE - 1) / PAGE * PAGE;
    *out = w;
    return 0;
}

static int
flush(struct run_writer *w, const void *bytes, uint32_t *n, size_t size,
      uint64_t at)
{
    uint64_t from = w->run->line_count - *n;
    if (w->fd < 0 && (w->fd = nameless_file(w->idem)) < 0)
        return w->fd;
    int rc = *n ? file_pwrite(w->fd, bytes, *n * size, at + from * size) : 0;
    *n = 0;
    return rc;
}

static int
flush_full(struct run_writer *w, int all)
{
    int rc = 0;
    if (all || w->lines_in == w->lines_room)
        rc = flush(w, w->lines, &w->lines_in, sizeof w->lines[0], 0);
    if (!rc && (all || w->units_in == CHUNK_UNITS))
        rc = flush(w, w->units, &w->units_in, sizeof w->units[0],
                   w->units_at);
    return rc;
}

static void
put_units(struct run_writer *w, const uint64_t *items, uint32_t n)
{
    uint32_t *units = w->units[w->units_in++];
    const struct run *r = w->run;
    uint64_t known = ~(uint64_t) 0 << (64 - r->known);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t more
            = (uint32_t) ((items[i] & known) << (r->bits + 16) >> 60);
        units[i] = more << RUN_UNIT_BITS
                   | (items[i] & (((uint64_t) 1 << RUN_UNIT_BITS) - 1));
    }
    memset(units + n, 0, (LINE_PRINTS - n) * sizeof *units);
}

/* One line, of what is first in the queue. */
static int
put_line(struct run_writer *w, uint32_t home)
{
    struct line *l = &w->lines[w->lines_in++];
    /* The first line may come before anything is queued. */
    const uint64_t *items = w->queue ? w->queue + w->first : NULL;
    const struct run *r = w->run;
    size_t waiting = w->end - w->first;
    uint32_t n = waiting < LINE_PRINTS ? (uint32_t) waiting : LINE_PRINTS;
    uint64_t known = ~(uint64_t) 0 << (64 - r->known);
    memset(l, 0, sizeof *l);
    for (uint32_t i = 0; i < n; i++)
        l->prints[i] = (uint16_t) ((items[i] & known) << r->bits >> 48);
    if (w->with_units)
        put_units(w, items, n);
    l->head = (waiting > n ? LINE_SPILLS : 0) | n << 26 | home;
    w->first += n;
    w->run->line_count++;
    return flush_full(w, 0);
}

int
idem_run_put(struct run_writer *w, const uint64_t *items, size_t n)
{
    if (n > LINE_HOME_MAX)
        return -EOVERFLOW;
    if (w->first == w->end)
        w->first = w->end = 0;
    if (w->capacity - w->end < n) {
        size_t waiting = w->end - w->first;
        size_t capacity = (waiting + n) * 2 + 256;
        uint64_t *queue = malloc(capacity * sizeof *queue);
        if (!queue)
            return -ENOMEM;
        if (waiting)
            memcpy(queue, w->queue + w->first, waiting * sizeof *queue);
        free(w->queue);
        w->queue = queue;
        w->capacity = capacity;
        w->first = 0;
        w->end = waiting;
    }
    if (n)
        memcpy(w->queue + w->end, items, n * sizeof *items);
    w->end += n;
    return put_line(w, (uint32_t) n);
}

/* Map it, and have its lines in the page table: a fetch ahead of a page that is
 * not there does nothing. */
static int
map_run(struct run_writer *w)
{
    struct run *r = w->run;
    size_t lines_len = r->line_count * sizeof w->lines[0];
    r->map_len = w->with_units
                     ? w->units_at + r->line_count * sizeof w->units[0]
                     : lines_len;
    struct stat st;
    /* A disk that lied shows here, and not by SIGBUS at a look-up. */
    if (fstat(w->fd, &st))
        return -errno;
    if ((uint64_t) st.st_size < r->map_len)
        return -EIO;
    void *map = mmap(NULL, r->map_len, PROT_READ, MAP_SHARED, w->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    r->map = map;
    r->lines = map;
    if (w->with_units)
        r->units = (const uint32_t *) (r->map + w->units_at);
    /* One page is read where one is missing, not those around it. */
    madvise(map, r->map_len, MADV_RANDOM);
    for (size_t at = 0; at < lines_len; at += PAGE)
        (void) *(volatile const char *) (r->map + at);
    return 0;
}

/* Of chunks that were never full. */
static int
keep_run(struct run_writer *w)
{
    struct run *r = w->run;
    size_t lines = r->line_count * sizeof w->lines[0];
    size_t units = w->with_units ? r->line_count * sizeof w->units[0] : 0;
    size_t len = (lines + units + sizeof w->lines[0] - 1)
                 / sizeof w->lines[0] * sizeof w->lines[0];
    char *kept = aligned_alloc(sizeof w->lines[0], len);
    if (!kept)
        return -ENOMEM;
    memcpy(kept, w->lines, lines);
    memcpy(kept + lines, w->units, units);
    r->kept = kept;
    r->lines = (const struct line *) kept;
    if (w->with_units)
        r->units = (const uint32_t *) (kept + lines);
    return 0;
}

int
idem_run_finish(struct run_writer *w, struct run **out)
{
    int rc = 0;
    while (!rc && w->first != w->end)
        rc = put_line(w, 0);
    if (!rc && w->run->line_count <= CHUNK_UNITS && w->fd < 0)
        rc = keep_run(w);
    else if (!rc && !(rc = flush_full(w, 1)))
        rc = map_run(w);
    if (!rc) {
        *out = w->run;
        w->run = NULL;
    }
    idem_run_abandon(w);
    return rc;
}

void
idem_run_abandon(struct run_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    idem_run_free(w->run);
    free(w->queue);
    free(w->lines);
    free(w);
}
