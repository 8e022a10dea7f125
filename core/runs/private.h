/* SPDX-License-Identifier: MIT */
/* How the room works: what is known of keys, in files that are never changed.
 *
 *   run.c     a file: its pages, looking into it
 *   write.c   writing one
 *   merge.c   all records of several, in order; which are to become one
 *   set.c     RUNS, and what a start believes
 *
 * A file: the header's page, lines, records, values, and at last the sums of all
 * these pages, by their numbers.  Between the parts there may be holes.
 *
 * Lines are for look-ups, nearly all of which are for keys that are not there:
 * a line is one line of the cache and has 16 bits of each of up to 30 keys,
 * which are compared at once.  hi times the number of homes is the line where a
 * key is at home, and 16 bits of its fraction; as this keeps the order, records
 * stand in the order of the lines, and a line says which of them is its first.
 * What a line has no room for is at the beginning of the next.
 *
 * Threads: none of its own.  A run may be looked into by several; a set is
 * changed by one.  A crash leaves files that RUNS does not name. */
#ifndef RUNS_PRIVATE_H
#define RUNS_PRIVATE_H

#include "runs.h"

#define RUNS_PAGE 4096u
#define RUNS_MAGIC "ILRUN\r\n\0" /* 8 bytes */
#define RUNS_VERSION 1u

#define LINE_PRINTS 30u
struct runs_line {
    uint32_t first; /* record; and whether the line has no room for all */
    uint16_t prints[LINE_PRINTS];
};
#define LINE_SPILLS 0x80000000u
#define LINES_PER_PAGE (RUNS_PAGE / (uint32_t) sizeof(struct runs_line))
/* Keys for each line: one in a hundred look-ups sees a second line, which nobody
 * has fetched ahead. */
#define LINE_LOAD 19u
/* The number of a record has 31 bits. */
#define RUN_KEYS_MAX 0x7fffffffu

#define RECORDS_PER_PAGE 170u
struct runs_page {
    uint64_t value; /* where the values of its first record are */
    uint64_t unused;
    struct runs_record records[RECORDS_PER_PAGE];
};
_Static_assert(sizeof(struct runs_line) == 64, "a line of the cache");
_Static_assert(sizeof(struct runs_page) == RUNS_PAGE, "a page");

static inline uint64_t
runs_pages_of(uint64_t n, uint64_t per_page)
{
    return (n + per_page - 1) / per_page;
}

/* Where a key is at home, and its print. */
static inline uint64_t
runs_home(uint64_t hi, uint64_t homes, uint16_t *print)
{
    unsigned __int128 place = (unsigned __int128) hi * homes;
    *print = (uint16_t) ((uint64_t) place >> 48);
    return (uint64_t) (place >> 64);
}

/* run.c */
/* Of a page, by its number in the file. */
uint64_t runs_page_sum(const struct runs_header *, uint64_t page, const void *);
uint64_t runs_header_sum(const void *page);
/* Map a file that RUNS names.  -EBADMSG: it is no run of the set, or not whole;
 * -ENOTSUP. */
int runs_map(const struct runs_set *, uint64_t seq, struct run **);
/* Is the page that has a record whole, and of it the n-th of all?  NULL: no. */
const struct runs_page *runs_records(struct run *, uint64_t n);
/* The value of a record, of which its page says where its values begin.  NULL:
 * damaged. */
const char *runs_value(struct run *, uint64_t at, uint32_t len);
/* It is damaged: -EBADMSG, or 0 where that may be left out. */
int runs_damaged(const struct run *);

static inline void
runs_name_of(char name[24], uint64_t seq)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, seq >>= 4)
        name[i] = digits[seq & 15];
    __builtin_memcpy(name + 16, ".run", 5);
}

#endif
