/* SPDX-License-Identifier: MIT */
/* All records of several runs in order, and which of them are to become one.
 *
 * Keys are hashes, so a range of them has about as many as another of its size:
 * of each run what is in a small range is taken, put into places by its key, and
 * what is not quite in order there moved by a step or two. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RANGE_KEYS 2048u /* about so many at a time */
#define AHEAD_PAGES 256u /* read from the disk before they are needed */

/* --- in order --- */

/* What is sorted: the upper bits of the key, and which item it is. */
#define ITEM_BITS 20
#define ITEM_MASK (((uint64_t) 1 << ITEM_BITS) - 1)
#define FETCH_AHEAD 8u
#define FEW 32u

static const struct runs_record *
record_of(const struct runs_item *items, uint64_t x)
{
    return items[x & ITEM_MASK].record;
}

static int
same_key(const struct runs_item *items, uint64_t a, uint64_t b)
{
    if ((a ^ b) >> ITEM_BITS)
        return 0;
    const struct runs_record *x = record_of(items, a);
    const struct runs_record *y = record_of(items, b);
    return x->hi == y->hi && x->lo == y->lo;
}

static inline int
is_before(const struct runs_item *items, uint64_t a, uint64_t b)
{
    if ((a ^ b) >> ITEM_BITS)
        return a < b;
    const struct runs_record *x = record_of(items, a);
    const struct runs_record *y = record_of(items, b);
    return x->hi != y->hi   ? x->hi < y->hi
           : x->lo != y->lo ? x->lo < y->lo
                            : runs_position(x) < runs_position(y);
}

/* Into places by the key; at: where each place begins. */
static void
scatter(const struct runs_item *items, size_t n, uint64_t low, uint64_t high,
        uint32_t *at, uint64_t *out)
{
    /* In units of which a range has many, so that none is out of its place. */
    low >>= ITEM_BITS;
    uint64_t range = (high >> ITEM_BITS) - low + 1;
    uint64_t scale = UINT64_MAX / range;
#define PLACE(i)                                                               \
    ((size_t) (((unsigned __int128) (((items[i].record->hi >> ITEM_BITS)       \
                                      - low)                                   \
                                     * scale)                                  \
                * n)                                                           \
               >> 64))
    for (size_t i = 0; i < n; i++)
        at[PLACE(i) + 1]++;
    for (size_t i = 1; i <= n; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < n; i++)
        out[at[PLACE(i)]++] = (items[i].record->hi & ~ITEM_MASK) | i;
#undef PLACE
}

/* Each to its place, from which it is not far, and then one after the other. */
static int
put_nearly(const struct runs_item *items, uint64_t *sorted, size_t n,
           runs_put_fn *put, void *arg)
{
    int rc = 0;
    for (size_t i = 1; i < n; i++) {
        uint64_t x = sorted[i];
        size_t k = i;
        for (; k > 0 && is_before(items, x, sorted[k - 1]); k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = x;
    }
    for (size_t i = 0; i < n && !rc; i++) {
        const struct runs_item *item = &items[sorted[i] & ITEM_MASK];
        if (i + FETCH_AHEAD < n)
            __builtin_prefetch(record_of(items, sorted[i + FETCH_AHEAD]));
        if (i + 1 == n || !same_key(items, sorted[i], sorted[i + 1]))
            rc = put(arg, item->record, item->value);
    }
    return rc;
}

int
runs_put_sorted(const struct runs_item *items, size_t n, uint64_t low,
                uint64_t high, runs_put_fn *put, void *arg)
{
    if (n > ITEM_MASK)
        return -EOVERFLOW;
    uint64_t *sorted = malloc(n * sizeof *sorted);
    uint32_t *at = calloc(n + 2, sizeof *at);
    int rc = sorted && at ? 0 : -ENOMEM;
    if (!rc)
        scatter(items, n, low, high, at, sorted);
    free(at);
    if (!rc)
        rc = put_nearly(items, sorted, n, put, arg);
    free(sorted);
    return rc;
}

int
runs_put_few(const struct runs_item *items, size_t n, runs_put_fn *put,
             void *arg)
{
    uint64_t x[FEW], sorted[FEW];
    if (n > FEW)
        return runs_put_sorted(items, n, 0, UINT64_MAX, put, arg);
    for (size_t i = 0; i < n; i++)
        x[i] = (items[i].record->hi & ~ITEM_MASK) | i;
    /* How many are before each: nothing that a processor could guess wrong. */
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;
        for (size_t k = 0; k < n; k++)
            before += x[k] < x[i];
        sorted[before] = x[i];
    }
    return put_nearly(items, sorted, n, put, arg);
}

/* --- of several runs --- */

struct cursor {
    struct run *run;
    const struct runs_page *page;
    uint64_t n;     /* the next record */
    uint64_t value; /* where its value is */
};

struct gather {
    struct runs_item *items;
    size_t n, capacity;
};

static int
gather_put(struct gather *g, const struct runs_record *record,
           const char *value)
{
    if (g->n == g->capacity) {
        size_t capacity = g->capacity ? g->capacity * 2 : 2 * RANGE_KEYS;
        void *items = realloc(g->items, capacity * sizeof *g->items);
        if (!items)
            return -ENOMEM;
        g->items = items;
        g->capacity = capacity;
    }
    g->items[g->n++] = (struct runs_item){ .record = record, .value = value };
    return 0;
}

static void
read_ahead(const struct cursor *c)
{
    const struct runs_header *h = &c->run->header;
    uint64_t page = h->records_page + c->n / RECORDS_PER_PAGE;
    uint64_t n = h->sums_page - page;
    madvise((void *) (c->run->map + page * RUNS_PAGE),
            (n < AHEAD_PAGES ? n : AHEAD_PAGES) * RUNS_PAGE, MADV_WILLNEED);
}

/* The page of the next record.  1; 0: it cannot be read, and is left out; or
 * -EBADMSG. */
static int
cursor_page(struct cursor *c)
{
    if (c->n / RECORDS_PER_PAGE % AHEAD_PAGES == 0)
        read_ahead(c);
    c->page = runs_records(c->run, c->n);
    if (c->page) {
        c->value = c->page->value;
        return 1;
    }
    c->n += RECORDS_PER_PAGE;
    return runs_damaged(c->run);
}

/* What of a run is in the range. */
static int
cursor_gather(struct cursor *c, uint64_t low, uint64_t high, struct gather *g)
{
    while (c->n < c->run->header.keys) {
        int rc = c->page ? 1 : cursor_page(c);
        if (rc < 0)
            return rc;
        if (!rc)
            continue;
        uint64_t left = c->run->header.keys - c->n;
        uint32_t slot = (uint32_t) (c->n % RECORDS_PER_PAGE);
        uint32_t end = left < RECORDS_PER_PAGE - slot ? slot + (uint32_t) left
                                                      : RECORDS_PER_PAGE;
        for (; slot < end; slot++, c->n++) {
            const struct runs_record *record = &c->page->records[slot];
            if (record->hi > high)
                return 0;
            uint32_t len = runs_value_len(record);
            const char *value = len ? runs_value(c->run, c->value, len) : "";
            c->value += len;
            if (!value && runs_damaged(c->run))
                return -EBADMSG;
            if (value && record->hi >= low
                && runs_position(record) <= c->run->to
                && (rc = gather_put(g, record, value)))
                return rc;
        }
        c->page = NULL;
    }
    return 0;
}

struct late {
    uint32_t after;
    runs_put_fn *put;
    void *arg;
};

/* Of the newest of a key: the time of one that is not says nothing. */
static int
late_put(void *arg, const struct runs_record *record, const char *value)
{
    const struct late *l = arg;
    return record->time > l->after ? l->put(l->arg, record, value) : 0;
}

int
runs_each(struct run *const *in, uint32_t count, uint32_t after,
          runs_put_fn *put, void *arg)
{
    struct cursor cursors[RUNS_MAX];
    struct gather g = { 0 };
    struct late late = { after, put, arg };
    uint64_t keys = 0, low = 0;
    int rc = 0;
    for (uint32_t i = 0; i < count; i++) {
        cursors[i] = (struct cursor){ .run = in[i] };
        keys += in[i]->header.keys;
    }
    uint64_t ranges = keys / RANGE_KEYS + 1, step = UINT64_MAX / ranges;
    for (uint64_t k = 0; k < ranges && !rc; k++) {
        uint64_t high = k + 1 == ranges ? UINT64_MAX : low + step - 1;
        g.n = 0;
        for (uint32_t i = 0; i < count && !rc; i++)
            rc = cursor_gather(&cursors[i], low, high, &g);
        if (!rc && g.n)
            rc = runs_put_sorted(g.items, g.n, low, high, late_put, &late);
        low = high + 1;
    }
    free(g.items);
    return rc;
}

/* --- which --- */

/* So many of a size become one of the next. */
#define TOGETHER 4u

static uint32_t
size_class(const struct runs_policy *p, uint64_t keys)
{
    uint32_t c = 0;
    for (uint64_t n = p->least; n < keys; n *= TOGETHER)
        c++;
    return c;
}

/* Of the last ones before `end` those of one span of time; none that waits for
 * its damage to be made good. */
static uint32_t
span_begin(const struct runs_set *s, const struct runs_policy *p, uint32_t end)
{
    uint32_t i = end;
    for (; i > 0; i--) {
        const struct run *r = s->list[i - 1];
        if (r->header.time_max / p->together
                != s->list[end - 1]->header.time_max / p->together
            || (atomic_load(&r->told) && runs_damaged(r)))
            break;
    }
    return i;
}

/* Of from ... end the longest end that is no larger than one run may be, and
 * has none of a greater class. */
static uint32_t
fitting(const struct runs_set *s, const struct runs_policy *p, uint32_t from,
        uint32_t end, uint32_t class)
{
    uint64_t keys = 0;
    uint32_t i = end;
    for (; i > from; i--) {
        uint64_t more = s->list[i - 1]->header.keys;
        if (size_class(p, more) > class || keys + more > p->most)
            break;
        keys += more;
    }
    return i;
}

static uint32_t
due_in_span(const struct runs_set *s, const struct runs_policy *p,
            uint32_t from, uint32_t end, uint32_t *first)
{
    /* Nothing is added any more.  Of two, one fewer to look into is not worth
     * what writing both costs. */
    if (end != s->count) {
        *first = fitting(s, p, from, end, UINT32_MAX);
        return end - *first > 2 ? end - *first : 0;
    }
    for (uint32_t class = 0; class < 32; class ++) {
        *first = fitting(s, p, from, end, class);
        if (end - *first >= TOGETHER)
            return end - *first;
    }
    return 0;
}

static uint32_t
cheapest_pair(const struct runs_set *s, uint32_t *first)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i + 1 < s->count; i++) {
        const struct run *a = s->list[i], *b = s->list[i + 1];
        uint64_t keys = a->header.keys + b->header.keys;
        int waits = (atomic_load(&a->told) && runs_damaged(a))
                    || (atomic_load(&b->told) && runs_damaged(b));
        if (!waits && keys < least && keys <= RUN_KEYS_MAX) {
            least = keys;
            *first = i;
        }
    }
    return least == UINT64_MAX ? 0 : 2;
}

uint32_t
runs_due(const struct runs_set *s, const struct runs_policy *p, uint32_t *first)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct run *r = s->list[i];
        *first = i;
        /* What is damaged or does not count in it goes by being written anew. */
        if (r->to < r->header.to || (atomic_load(&r->told) && !runs_damaged(r)))
            return 1;
        /* Each time half of it goes at least: so that costs no more than writing
         * it once more, and takes no more than twice the room. */
        if (r->header.half && r->header.half <= s->now)
            return 1;
    }
    for (uint32_t end = s->count; end > 0;) {
        uint32_t from = span_begin(s, p, end);
        uint32_t n = due_in_span(s, p, from, end, first);
        if (n)
            return n;
        end = from < end ? from : end - 1;
    }
    /* With so many files, what is cheapest goes together whatever its time. */
    return s->count >= RUNS_CROWDED ? cheapest_pair(s, first) : 0;
}
