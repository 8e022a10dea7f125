/* SPDX-License-Identifier: MIT */
/* A file: mapped, its pages looked at when they are needed first, and keys
 * looked up in it. */
#include "private.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef uint16_t prints8 __attribute__((vector_size(16), may_alias));

/* --- pages --- */

static uint64_t
line_pages(const struct runs_header *h)
{
    return runs_pages_of(h->lines, LINES_PER_PAGE);
}

uint64_t
runs_header_sum(const void *page)
{
    return XXH3_64bits(page, RUNS_PAGE - sizeof(uint64_t));
}

uint64_t
runs_page_sum(const struct runs_header *h, uint64_t n, const void *page)
{
    uint64_t seed = h->secret ^ h->seq << 32 ^ n;
    return XXH3_64bits_withSeed(page, RUNS_PAGE, seed);
}

int
runs_damaged(const struct run *r)
{
    return atomic_load(&r->leave_out) ? 0 : -EBADMSG;
}

static void
tell(struct run *r, uint64_t at)
{
    if (!atomic_exchange(&r->told, 1))
        log_error("%s/%s: damaged at byte %" PRIu64 ": what it knows from "
                  "position %" PRIu64 " on is taken from the spool again",
                  r->dir, r->name, at, r->header.from + 1);
}

static int
page_check(struct run *r, uint64_t page)
{
    const struct runs_header *h = &r->header;
    uint64_t sum;
    memcpy(&sum, r->map + h->sums_page * RUNS_PAGE + page * sizeof sum,
           sizeof sum);
    if (runs_page_sum(h, page, r->map + page * RUNS_PAGE) == sum) {
        atomic_fetch_or_explicit(&r->good[page / 64], (uint64_t) 1 << page % 64,
                                 memory_order_relaxed);
        return 1;
    }
    tell(r, page * RUNS_PAGE);
    return 0;
}

static inline int
page_good(struct run *r, uint64_t page)
{
    uint64_t bits =
        atomic_load_explicit(&r->good[page / 64], memory_order_relaxed);
    return (int) (bits >> page % 64 & 1) || page_check(r, page);
}

const struct runs_page *
runs_records(struct run *r, uint64_t n)
{
    uint64_t page = r->header.records_page + n / RECORDS_PER_PAGE;
    if (!page_good(r, page))
        return NULL;
    return (const struct runs_page *) (r->map + page * RUNS_PAGE);
}

const char *
runs_value(struct run *r, uint64_t at, uint32_t len)
{
    const struct runs_header *h = &r->header;
    uint64_t first = h->values_page;
    if (len > RUNS_VALUE_MAX || at > h->value_bytes
        || len > h->value_bytes - at) {
        tell(r, h->values_page * RUNS_PAGE);
        return NULL;
    }
    if (len
        && !(page_good(r, first + at / RUNS_PAGE)
             && page_good(r, first + (at + len - 1) / RUNS_PAGE)))
        return NULL;
    return r->map + h->values_page * RUNS_PAGE + at;
}

/* --- looking --- */

static inline const struct runs_line *
line_at(struct run *r, uint64_t line)
{
    if (line >= r->header.lines) {
        tell(r, RUNS_PAGE);
        return NULL;
    }
    if (!page_good(r, 1 + line / LINES_PER_PAGE))
        return NULL;
    return (const struct runs_line *) (r->map + RUNS_PAGE) + line;
}

/* Is one of them perhaps in the line?  Its first is compared as well, and what
 * is in places that are not used. */
static inline int
line_may_have(const struct runs_line *l, uint16_t print)
{
    const prints8 *v = (const prints8 *) l;
    prints8 want = { print, print, print, print, print, print, print, print };
    prints8 same = (prints8) (v[0] == want) | (prints8) (v[1] == want)
                   | (prints8) (v[2] == want) | (prints8) (v[3] == want);
    uint64_t any[2];
    memcpy(any, &same, sizeof any);
    return (any[0] | any[1]) != 0;
}

static int
hit_of(struct run *r, const struct runs_page *page, uint32_t i,
       struct runs_hit *hit)
{
    const struct runs_record *record = &page->records[i];
    uint64_t at = page->value;
    for (uint32_t k = 0; k < i; k++)
        at += runs_value_len(&page->records[k]);
    const char *value = runs_value(r, at, runs_value_len(record));
    if (!value)
        return runs_damaged(r);
    hit->position = runs_position(record);
    hit->time = record->time;
    hit->value = slice_of(value, runs_value_len(record));
    return 1;
}

static __attribute__((noinline)) int
find_in_line(struct run *r, uint64_t line, struct runs_key key, uint16_t print,
             struct runs_hit *hit)
{
    const struct runs_line *l = line_at(r, line), *next = line_at(r, line + 1);
    if (!l || !next)
        return runs_damaged(r);
    uint64_t first = l->first & ~LINE_SPILLS;
    uint64_t end = next->first & ~LINE_SPILLS;
    for (uint32_t i = 0; i < LINE_PRINTS && first + i < end; i++) {
        if (l->prints[i] != print || first + i >= r->header.keys)
            continue;
        const struct runs_page *page = runs_records(r, first + i);
        if (!page)
            return runs_damaged(r);
        uint32_t slot = (uint32_t) ((first + i) % RECORDS_PER_PAGE);
        const struct runs_record *record = &page->records[slot];
        if (record->hi == key.hi && record->lo == (uint32_t) key.lo)
            return runs_position(record) > r->to ? 0
                                                 : hit_of(r, page, slot, hit);
    }
    return 0;
}

int
runs_find(struct run *r, struct runs_key key, struct runs_hit *hit)
{
    uint16_t print;
    uint64_t line = runs_home(key.hi, r->header.homes, &print);
    for (;; line++) {
        const struct runs_line *l = line_at(r, line);
        if (!l)
            return runs_damaged(r);
        if (line_may_have(l, print)) {
            int rc = find_in_line(r, line, key, print, hit);
            if (rc)
                return rc;
        }
        if (!(l->first & LINE_SPILLS))
            return 0;
    }
}

uint64_t
runs_homes(const struct run *r, const void **lines)
{
    *lines = r->map + RUNS_PAGE;
    return r->header.homes;
}

int
runs_warm(struct run *r)
{
    int rc = 0;
    r->warm = 1;
    for (uint64_t n = line_pages(&r->header); n > 0; n--) {
        /* In the page table: a fetch ahead of a page that is not does
         * nothing. */
        (void) *(const volatile char *) (r->map + n * RUNS_PAGE);
        if (!page_good(r, n))
            rc = runs_damaged(r);
    }
    return rc;
}

uint64_t
runs_bytes(const struct run *r, uint64_t *lines)
{
    *lines = line_pages(&r->header) * RUNS_PAGE;
    return r->map_len;
}

/* --- a file --- */

static uint64_t
file_len(const struct runs_header *h)
{
    return h->sums_page * (RUNS_PAGE + sizeof(uint64_t));
}

/* Does it fit together, and is the file as long? */
static int
header_fits(const struct runs_header *h, uint64_t size)
{
    const uint64_t most = (uint64_t) 1 << 40;
    return h->keys >= 1 && h->keys <= RUN_KEYS_MAX && h->homes >= 1
           && h->homes < h->lines && h->lines < most && h->value_bytes < most
           && h->records_page >= 1 + line_pages(h) && h->records_page < most
           && h->values_page
                  >= h->records_page + runs_pages_of(h->keys, RECORDS_PER_PAGE)
           && h->values_page < most && h->sums_page < most
           && h->sums_page
                  >= h->values_page + runs_pages_of(h->value_bytes, RUNS_PAGE)
           && size == file_len(h);
}

static int
header_read(const struct runs_set *s, int fd, struct run *r)
{
    union {
        char bytes[RUNS_PAGE];
        uint64_t words[RUNS_PAGE / sizeof(uint64_t)];
    } page;
    struct stat st;
    int64_t got = file_pread(fd, &page, sizeof page, 0);
    if (got < 0 || fstat(fd, &st))
        return got < 0 ? (int) got : -errno;
    memcpy(&r->header, &page, sizeof r->header);
    const struct runs_header *h = &r->header;
    if (got != sizeof page || memcmp(h->magic, RUNS_MAGIC, 8)
        || page.words[RUNS_PAGE / 8 - 1] != runs_header_sum(&page))
        return -EBADMSG;
    if (h->version > RUNS_VERSION)
        return -ENOTSUP;
    if (memcmp(h->spool, s->spool, sizeof h->spool) || h->secret != s->secret
        || !header_fits(h, (uint64_t) st.st_size))
        return -EBADMSG;
    return 0;
}

int
runs_map(const struct runs_set *s, uint64_t seq, struct run **out)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->dir = s->dir;
    runs_name_of(r->name, seq);
    int fd = openat(s->dirfd, r->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? -errno : header_read(s, fd, r);
    const struct runs_header *h = &r->header;
    if (!rc && h->seq != seq)
        rc = -EBADMSG;
    if (!rc) {
        size_t words = (size_t) (h->sums_page / 64 + 1);
        r->good = calloc(words, sizeof *r->good);
        size_t len = (size_t) file_len(h);
        void *map = r->good ? mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0)
                            : MAP_FAILED;
        if (map == MAP_FAILED) {
            rc = r->good ? -errno : -ENOMEM;
        } else {
            r->map = map;
            r->map_len = len;
            r->to = h->to;
            /* One page is read where one is missing, not those around it. */
            madvise(map, len, MADV_RANDOM);
        }
    }
    if (fd >= 0)
        close(fd);
    if (rc) {
        runs_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void
runs_free(struct run *r)
{
    if (!r)
        return;
    if (r->map)
        munmap((void *) r->map, r->map_len);
    free(r->good);
    free(r);
}
