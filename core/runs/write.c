/* SPDX-License-Identifier: MIT */
/* Writing a run: lines, records and values at a time, page after page.
 *
 * It is written, not mapped and changed: so a full disk is an error and no
 * signal. */
#include "private.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written at once.  Lines in large pieces, for which a file system that can do
 * so uses large pages: looking up keys reaches a page at random. */
#define CHUNK_PAGES 32u
#define CHUNK_LINE_PAGES 128u
/* Lines for what spills over the last home.  Keys are hashed with a secret, so
 * it never is as much. */
#define SPARE_LINES 64u

/* Times that are looked at for that of half of all. */
#define TIMES 1024u

struct part {
    char *bytes; /* of whole pages */
    size_t used, size;
    uint64_t page, end; /* in the file: of the first byte, and behind all */
};

struct runs_writer {
    const struct runs_set *set;
    int fd;
    struct runs_header header;
    char name[24];
    struct part lines, records, values;
    uint64_t *sums;
    uint32_t times[TIMES], time_count;
    uint64_t time_each;    /* of so many keys one */
    struct runs_line line; /* the header.lines-th */
    uint32_t prints;       /* in it */
    uint32_t in_page;      /* records in the last page */
};

/* --- the parts --- */

static int
part_make(struct part *p, uint64_t page, uint64_t pages, uint32_t chunk)
{
    p->page = page;
    p->end = page + pages;
    p->size = (size_t) (pages < chunk ? pages : chunk) * RUNS_PAGE;
    p->bytes = p->size ? aligned_alloc(RUNS_PAGE, p->size) : NULL;
    return p->bytes || !p->size ? 0 : -ENOMEM;
}

static void
parts_free(struct runs_writer *w)
{
    struct part *const parts[] = { &w->lines, &w->records, &w->values };
    for (int i = 0; i < 3; i++) {
        free(parts[i]->bytes);
        parts[i]->bytes = NULL;
    }
}

static int
part_flush(struct runs_writer *w, struct part *p)
{
    size_t len = (size_t) runs_pages_of(p->used, RUNS_PAGE) * RUNS_PAGE;
    if (!len)
        return 0;
    if (p->page + len / RUNS_PAGE > p->end)
        return -EOVERFLOW;
    memset(p->bytes + p->used, 0, len - p->used);
    for (size_t i = 0; i < len / RUNS_PAGE; i++)
        w->sums[p->page + i] =
            runs_page_sum(&w->header, p->page + i, p->bytes + i * RUNS_PAGE);
    int rc = file_pwrite(w->fd, p->bytes, len, p->page * RUNS_PAGE);
    p->page += len / RUNS_PAGE;
    p->used = 0;
    return rc;
}

/* Where so many bytes more can be put, which divide a page; NULL: *rc. */
static inline void *
part_room(struct runs_writer *w, struct part *p, size_t len, int *rc)
{
    if (p->used == p->size && (*rc = part_flush(w, p)))
        return NULL;
    if (!p->size) {
        *rc = -EOVERFLOW;
        return NULL;
    }
    p->used += len;
    return p->bytes + p->used - len;
}

/* --- lines --- */

static int
line_end(struct runs_writer *w, uint32_t spills)
{
    int rc = 0;
    struct runs_line *l = part_room(w, &w->lines, sizeof *l, &rc);
    if (!l)
        return rc;
    w->line.first |= spills;
    *l = w->line;
    w->header.lines++;
    w->line = (struct runs_line){ .first = (uint32_t) w->header.keys };
    w->prints = 0;
    return 0;
}

static int
line_put(struct runs_writer *w, uint64_t hi)
{
    uint16_t print;
    uint64_t home = runs_home(hi, w->header.homes, &print);
    int rc = 0;
    while (!rc && w->header.lines < home)
        rc = line_end(w, 0);
    if (!rc && w->prints == LINE_PRINTS)
        rc = line_end(w, LINE_SPILLS);
    w->line.prints[w->prints++] = print;
    return rc;
}

/* --- the file --- */

int
runs_create(struct runs_set *s, uint64_t keys, uint64_t value_bytes,
            struct runs_writer **out)
{
    struct runs_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    struct runs_header *h = &w->header;
    memcpy(h->magic, RUNS_MAGIC, 8);
    h->version = RUNS_VERSION;
    memcpy(h->spool, s->spool, sizeof h->spool);
    h->secret = s->secret;
    h->seq = s->next_seq++;
    h->time_min = UINT32_MAX;
    h->homes = keys / LINE_LOAD + 1;
    w->time_each = keys / TIMES + 1;
    w->set = s;
    uint64_t lines = runs_pages_of(h->homes + SPARE_LINES, LINES_PER_PAGE);
    h->records_page = 1 + lines;
    h->values_page = h->records_page + runs_pages_of(keys, RECORDS_PER_PAGE);
    uint64_t values = runs_pages_of(value_bytes, RUNS_PAGE);
    h->sums_page = h->values_page + values;
    runs_name_of(w->name, h->seq);
    w->fd = openat(s->dirfd, w->name,
                   O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = w->fd < 0 ? -errno : keys > RUN_KEYS_MAX ? -EOVERFLOW : 0;
    w->sums = calloc((size_t) h->sums_page, sizeof *w->sums);
    if (!rc && !w->sums)
        rc = -ENOMEM;
    if (!rc)
        rc = part_make(&w->lines, 1, lines, CHUNK_LINE_PAGES);
    if (!rc)
        rc = part_make(&w->records, h->records_page,
                       h->values_page - h->records_page, CHUNK_PAGES);
    if (!rc)
        rc = part_make(&w->values, h->values_page, values, CHUNK_PAGES);
    if (rc) {
        runs_abandon(w);
        return rc;
    }
    *out = w;
    return 0;
}

static int
value_put(struct runs_writer *w, const char *value, size_t len)
{
    w->header.value_bytes += len;
    while (len) {
        struct part *p = &w->values;
        int rc = p->used == p->size ? part_flush(w, p) : 0;
        size_t n = p->size - p->used < len ? p->size - p->used : len;
        if (rc || !n)
            return rc ? rc : -EOVERFLOW;
        memcpy(p->bytes + p->used, value, n);
        p->used += n;
        value += n;
        len -= n;
    }
    return 0;
}

int
runs_put(struct runs_writer *w, const struct runs_record *record,
         const char *value)
{
    struct runs_header *h = &w->header;
    struct part *p = &w->records;
    int rc = line_put(w, record->hi);
    uint32_t slot = h->keys % RECORDS_PER_PAGE;
    if (!rc && slot == 0) {
        struct runs_page *page = part_room(w, p, sizeof *page, &rc);
        if (page)
            *page = (struct runs_page){ .value = h->value_bytes };
    }
    if (rc)
        return rc;
    struct runs_page *page =
        (struct runs_page *) (p->bytes + p->used - sizeof *page);
    page->records[slot] = *record;
    if (h->keys % w->time_each == 0 && w->time_count < TIMES)
        w->times[w->time_count++] = record->time;
    h->keys++;
    if (record->time < h->time_min)
        h->time_min = record->time;
    if (record->time > h->time_max)
        h->time_max = record->time;
    return value_put(w, value, runs_value_len(record));
}

static int
compare_times(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    return (x > y) - (x < y);
}

/* Keys are hashes, so that each k-th says of all what a random one does. */
static uint32_t
half_of(struct runs_writer *w)
{
    qsort(w->times, w->time_count, sizeof w->times[0], compare_times);
    uint32_t half = w->times[w->time_count / 2];
    return half > w->set->now ? half : 0;
}

static int
file_end(struct runs_writer *w)
{
    union {
        struct runs_header header;
        char bytes[RUNS_PAGE];
        uint64_t words[RUNS_PAGE / sizeof(uint64_t)];
    } page;
    const struct runs_header *h = &w->header;
    uint64_t at = h->sums_page * RUNS_PAGE;
    int rc = line_end(w, 0);
    do /* one more says where the last ends */
        rc = rc ? rc : line_end(w, 0);
    while (!rc && h->lines <= h->homes);
    if (!rc)
        rc = part_flush(w, &w->lines);
    if (!rc)
        rc = part_flush(w, &w->records);
    if (!rc)
        rc = part_flush(w, &w->values);
    parts_free(w); /* while the disk works others may want it */
    if (!rc)
        rc = file_pwrite(w->fd, w->sums, h->sums_page * sizeof *w->sums, at);
    memset(&page, 0, sizeof page);
    w->header.half = half_of(w);
    page.header = *h;
    page.words[RUNS_PAGE / 8 - 1] = runs_header_sum(&page);
    if (!rc)
        rc = file_pwrite(w->fd, &page, sizeof page, 0);
    return !rc && fdatasync(w->fd) ? -errno : rc;
}

int
runs_finish(struct runs_writer *w, uint64_t from, uint64_t to,
            struct run **made)
{
    int rc = 0;
    *made = NULL;
    w->header.from = from;
    w->header.to = to;
    if (w->header.keys)
        rc = file_end(w);
    if (w->header.keys && !rc)
        rc = runs_map(w->set, w->header.seq, made);
    if (!*made) {
        runs_abandon(w);
        /* A disk that lied shows here. */
        return rc == -EBADMSG ? -EIO : rc;
    }
    /* What was just written was summed. */
    memset((*made)->good, 0xff, (w->header.sums_page / 64 + 1) * 8);
    w->name[0] = '\0';
    runs_abandon(w);
    return 0;
}

void
runs_abandon(struct runs_writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
        if (w->name[0])
            unlinkat(w->set->dirfd, w->name, 0);
    }
    free(w->sums);
    parts_free(w);
    free(w);
}
