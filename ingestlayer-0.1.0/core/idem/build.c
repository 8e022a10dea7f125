/* SPDX-License-Identifier: MIT */
/* Making runs: from the log, and of smaller runs. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_MASK (((uint64_t) 1 << RUN_UNIT_BITS) - 1)
#define ASK_EVERY 4096u /* keys, before the worker looks what else there is */

/* --- from the log --------------------------------------------------------- */

/* Count them, by home; or put them where next[home] says. */
static int
walk_log(struct idem *d, struct idem_log *l, struct run *r, uint64_t max_keys,
         uint32_t *next, uint64_t *out)
{
    struct log_cursor c = { .unit = r->from };
    const struct entry *e;
    uint32_t unit;
    uint64_t n = 0;
    int rc = 0;
    while (n < max_keys
           && (rc = idem_log_next(d, l, &c, r->to, &e, &unit)) > 0) {
        uint32_t *at = &next[e->lo >> (64 - r->bits)];
        if (out)
            out[*at] = (e->lo & ~UNIT_MASK) | unit;
        ++*at;
        n++;
    }
    r->to = c.unit;
    r->keys = n;
    return rc < 0 ? rc : 0;
}

/* All keys of r->from to r->to, by home; ends: of each home's. */
static int
sort_log(struct idem *d, struct idem_log *l, struct run *r, uint64_t max_keys,
         uint32_t *ends, uint64_t **out)
{
    size_t homes = (size_t) 1 << r->bits;
    uint32_t sum = 0;
    int rc = walk_log(d, l, r, max_keys, ends, NULL);
    if (rc)
        return rc;
    for (size_t h = 0; h < homes; h++) {
        uint32_t count = ends[h];
        ends[h] = sum;
        sum += count;
    }
    *out = malloc((sum + 1) * sizeof **out);
    return *out ? walk_log(d, l, r, sum, ends, *out) : -ENOMEM;
}

static int
put_sorted(struct run_writer *w, const uint64_t *items, unsigned bits,
           const uint32_t *ends)
{
    uint32_t from = 0;
    int rc = 0;
    for (size_t h = 0; h < (size_t) 1 << bits && !rc; h++) {
        rc = idem_run_put(w, items + from, ends[h] - from);
        from = ends[h];
    }
    return rc;
}

int
idem_build_seal(struct idem *d, struct idem_log *l, uint32_t from, uint32_t to,
                uint64_t max_keys, unsigned bits, struct run **out)
{
    struct run what = { .from = from, .to = to, .bits = bits };
    struct run_writer *w = NULL;
    uint64_t *items = NULL;
    uint32_t *ends = calloc((size_t) 1 << bits, sizeof *ends);
    int rc = ends ? sort_log(d, l, &what, max_keys, ends, &items) : -ENOMEM;
    if (!rc)
        rc = idem_run_create(d, what.keys, bits, RUN_KEY_BITS, 1, &w);
    if (!rc) {
        rc = put_sorted(w, items, bits, ends);
        if (rc)
            idem_run_abandon(w);
        else
            rc = idem_run_finish(w, out);
    }
    if (!rc) {
        (*out)->from = from;
        (*out)->to = what.to;
    }
    free(ends);
    free(items);
    return rc;
}

/* --- of several runs ------------------------------------------------------ */

/* Reads a run home by home: what is at home in a line follows what was at home
 * in those before. */
struct run_reader {
    const struct run *run;
    uint64_t home, line;
    uint32_t slot;
};

struct merge {
    struct run_reader readers[RUNS_MAX];
    uint32_t count;
    int with_units;
    unsigned shared; /* bits of the key that a group has in common */
    unsigned bits;
    /* A group's items as they come, and by home. */
    uint64_t *items, *sorted;
    size_t n, capacity;
    uint32_t *at; /* where each home of a group goes on */
};

static void
read_home(struct run_reader *r, int with_units, uint64_t *out)
{
    const struct run *run = r->run;
    uint32_t left = LINE_HOME(run->lines[r->home].head);
    uint64_t home = r->home++ << (64 - run->bits);
    while (left) {
        const struct line *l = &run->lines[r->line];
        const uint32_t *units = run->units + r->line * LINE_PRINTS;
        uint32_t end = LINE_COUNT(l->head), i = r->slot;
        if (end - i > left)
            end = i + left;
        left -= end - i;
        for (; i < end; i++) {
            *out = home | (uint64_t) l->prints[i] << (48 - run->bits);
            if (with_units)
                *out |= (uint64_t) (units[i] >> RUN_UNIT_BITS)
                            << (44 - run->bits)
                        | (units[i] & UNIT_MASK);
            out++;
        }
        r->slot = end;
        if (end == LINE_COUNT(l->head)) {
            r->line++;
            r->slot = 0;
        }
    }
}

static int
merge_reserve(struct merge *m, size_t n)
{
    if (m->capacity - m->n >= n)
        return 0;
    size_t capacity = (m->n + n) * 2 + 1024;
    uint64_t *items = realloc(m->items, capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    m->items = items;
    uint64_t *sorted = realloc(m->sorted, capacity * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    m->sorted = sorted;
    m->capacity = capacity;
    return 0;
}

/* All whose key begins with the same bits. */
static int
read_group(struct merge *m)
{
    m->n = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        struct run_reader *r = &m->readers[i];
        uint64_t homes = (uint64_t) 1 << (r->run->bits - m->shared);
        for (; homes; homes--) {
            uint32_t n = LINE_HOME(r->run->lines[r->home].head);
            int rc = merge_reserve(m, n);
            if (rc)
                return rc;
            read_home(r, m->with_units, m->items + m->n);
            m->n += n;
        }
    }
    return 0;
}

static int
write_group(struct merge *m, struct run_writer *w)
{
    size_t homes = (size_t) 1 << (m->bits - m->shared);
    uint64_t mask = homes - 1;
    unsigned shift = 64 - m->bits;
    uint32_t sum = 0;
    memset(m->at, 0, homes * sizeof *m->at);
    for (size_t i = 0; i < m->n; i++)
        m->at[m->items[i] >> shift & mask]++;
    for (size_t h = 0; h < homes; h++) {
        uint32_t n = m->at[h];
        m->at[h] = sum;
        sum += n;
    }
    for (size_t i = 0; i < m->n; i++)
        m->sorted[m->at[m->items[i] >> shift & mask]++] = m->items[i];
    int rc = 0;
    for (size_t h = 0, from = 0; h < homes && !rc; from = m->at[h++])
        rc = idem_run_put(w, m->sorted + from, m->at[h] - from);
    return rc;
}

static int
merge_groups(struct merge *m, struct run_writer *w, int (*go_on)(void *arg),
             void *arg)
{
    size_t since = 0;
    int rc = 0;
    for (uint64_t g = 0; g >> m->shared == 0 && !rc; g++) {
        rc = read_group(m);
        if (!rc)
            rc = write_group(m, w);
        since += m->n;
        if (since >= ASK_EVERY) {
            since = 0;
            if (!rc && !go_on(arg))
                rc = -ECANCELED;
        }
    }
    return rc;
}

int
idem_build_merge(struct idem *d, struct run *const *in, uint32_t count,
                 int with_units, int (*go_on)(void *arg), void *arg,
                 struct run **out)
{
    struct merge m = { .count = count, .with_units = with_units };
    struct run_writer *w = NULL;
    uint64_t keys = 0;
    unsigned known = RUN_KEY_BITS, level = 0;
    for (uint32_t i = 0; i < count; i++) {
        m.readers[i].run = in[i];
        keys += in[i]->keys;
        unsigned read = in[i]->bits + (with_units ? 20 : 16);
        read = in[i]->known < read ? in[i]->known : read;
        known = read < known ? read : known;
        level = in[i]->level >= level ? in[i]->level + 1 : level;
    }
    m.shared = m.bits = idem_run_bits(keys);
    for (uint32_t i = 0; i < count; i++)
        m.shared = in[i]->bits < m.shared ? in[i]->bits : m.shared;
    m.at = malloc(((size_t) 1 << (m.bits - m.shared)) * sizeof *m.at);
    int rc = m.at ? merge_reserve(&m, 1024) : -ENOMEM;
    if (!rc)
        rc = idem_run_create(d, keys, m.bits, known, with_units, &w);
    if (!rc) {
        rc = merge_groups(&m, w, go_on, arg);
        if (rc)
            idem_run_abandon(w);
        else
            rc = idem_run_finish(w, out);
    }
    if (!rc) {
        (*out)->level = level;
        (*out)->from = in[0]->from;
        (*out)->to = in[count - 1]->to;
    }
    free(m.at);
    free(m.items);
    free(m.sorted);
    return rc;
}

uint32_t
idem_build_due(struct run *const *runs, uint32_t count, int final,
               uint32_t *first)
{
    uint32_t same = 0;
    *first = 0;
    if (count > 1 && (final || count >= RUNS_MAX - FULL_MAX))
        return count;
    while (same < count
           && runs[count - 1 - same]->level == runs[count - 1]->level)
        same++;
    *first = count - same;
    return same >= RUNS_OF_A_LEVEL ? same : 0;
}
