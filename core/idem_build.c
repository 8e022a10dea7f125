/* SPDX-License-Identifier: MIT */
/* Making runs: from the log, and of smaller runs. */
#include "idem_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_MASK (((uint64_t) 1 << RUN_UNIT_BITS) - 1)
#define ASK_EVERY 4096u /* keys, before the worker looks what else there is */

/* --- from the log --------------------------------------------------------- */

static int
collect(struct idem *d, struct idem_log *l, uint32_t from, uint32_t to,
        uint64_t *items, size_t max, size_t *count, uint32_t *end)
{
    struct log_cursor c = { .unit = from };
    const struct entry *e;
    uint32_t unit;
    int rc = 0;
    *count = 0;
    *end = from;
    while (*count < max && (rc = log_next(d, l, &c, to, &e, &unit)) > 0) {
        items[(*count)++] = (e->lo & ~UNIT_MASK) | unit;
        *end = unit + entry_units(e);
    }
    return rc < 0 ? rc : 0;
}

/* By the upper bits, into out; ends[h]: where what is at home in h ends. */
static void
sort_by_home(const uint64_t *items, size_t n, unsigned bits, uint64_t *out,
             uint32_t *ends)
{
    size_t homes = (size_t) 1 << bits;
    uint32_t sum = 0;
    memset(ends, 0, homes * sizeof *ends);
    for (size_t i = 0; i < n; i++)
        ends[items[i] >> (64 - bits)]++;
    for (size_t h = 0; h < homes; h++) {
        uint32_t count = ends[h];
        ends[h] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        out[ends[items[i] >> (64 - bits)]++] = items[i];
}

static int
put_sorted(struct run_writer *w, const uint64_t *items, unsigned bits,
           const uint32_t *ends)
{
    uint32_t from = 0;
    int rc = 0;
    for (size_t h = 0; h < (size_t) 1 << bits && !rc; h++) {
        rc = run_put(w, items + from, ends[h] - from);
        from = ends[h];
    }
    return rc;
}

int
build_seal(struct idem *d, struct idem_log *l, uint32_t from, uint32_t to,
           uint64_t max_keys, int final, struct run **out)
{
    size_t most = to - from < max_keys ? to - from : max_keys, n;
    unsigned bits = run_bits(max_keys);
    struct run_writer *w = NULL;
    uint64_t *items = malloc((most + 1) * sizeof *items), *sorted = NULL;
    uint32_t *ends = NULL, end;
    int rc = items ? collect(d, l, from, to, items, most, &n, &end) : -ENOMEM;
    if (!rc) {
        if (final)
            bits = run_bits(n);
        sorted = malloc((n + 1) * sizeof *sorted);
        ends = malloc(((size_t) 1 << bits) * sizeof *ends);
        rc = sorted && ends ? run_create(d, n, bits, RUN_KEY_BITS, 1, &w)
                            : -ENOMEM;
    }
    if (!rc) {
        sort_by_home(items, n, bits, sorted, ends);
        rc = put_sorted(w, sorted, bits, ends);
        if (rc)
            run_abandon(w);
        else
            rc = run_finish(w, out);
    }
    if (!rc) {
        (*out)->from = from;
        (*out)->to = end;
    }
    free(ends);
    free(sorted);
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
        rc = run_put(w, m->sorted + from, m->at[h] - from);
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
build_merge(struct idem *d, struct run *const *in, uint32_t count,
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
    m.shared = m.bits = run_bits(keys);
    for (uint32_t i = 0; i < count; i++)
        m.shared = in[i]->bits < m.shared ? in[i]->bits : m.shared;
    m.at = malloc(((size_t) 1 << (m.bits - m.shared)) * sizeof *m.at);
    int rc = m.at ? merge_reserve(&m, 1024) : -ENOMEM;
    if (!rc)
        rc = run_create(d, keys, m.bits, known, with_units, &w);
    if (!rc) {
        rc = merge_groups(&m, w, go_on, arg);
        if (rc)
            run_abandon(w);
        else
            rc = run_finish(w, out);
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
build_due(struct run *const *runs, uint32_t count, int final, uint32_t *first)
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
