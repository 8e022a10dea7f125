/* SPDX-License-Identifier: MIT */
/* The table of marks: in memory, on its way, and as sources see it. */
#include "marks_private.h"

#include "base/api.h"
#include "codec/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the table ------------------------------------------------------------ */

static int
slice_order(struct slice a, struct slice b)
{
    int c = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* Where it is, or where it belongs: by source, then by name. */
static size_t
table_place(const struct gate_marks *m, struct slice source, struct slice name,
            int *found)
{
    size_t low = 0, high = m->count;
    *found = 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct mark *k = m->table[middle];
        int c = slice_order(k->source, source);
        c = c ? c : slice_order(k->name, name);
        if (c == 0)
            *found = 1;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct mark *
gate_mark_new(struct slice source, struct slice name, struct slice value)
{
    struct mark *k = malloc(sizeof(*k) + source.len + name.len + value.len + 1);
    if (!k)
        return NULL;
    char *to = (char *) (k + 1);
    *k = (struct mark){ .source = { to, source.len },
                        .name = { to + source.len, name.len } };
    memcpy(to, source.ptr, source.len);
    to += source.len;
    memcpy(to, name.ptr, name.len);
    to += name.len;
    if (value.ptr) {
        memcpy(to, value.ptr, value.len);
        k->value = slice_of(to, value.len);
    }
    return k;
}

int
gate_marks_reserve(struct gate_marks *m, size_t n)
{
    size_t need = m->count + m->promised + n;
    if (need <= m->cap)
        return 0;
    size_t cap = need > 2 * m->cap ? need : 2 * m->cap;
    struct mark **table = realloc(m->table, cap * sizeof(*table));
    if (!table)
        return -ENOMEM;
    m->table = table;
    m->cap = cap;
    return 0;
}

void
gate_marks_put(struct gate_marks *m, struct mark *k)
{
    int found;
    size_t at = table_place(m, k->source, k->name, &found);
    if (found && m->table[at]->position > k->position) {
        free(k);
        return;
    }
    m->changes++;
    if (found)
        free(m->table[at]);
    if (found && !k->value.ptr) {
        m->count--;
        memmove(m->table + at, m->table + at + 1,
                (m->count - at) * sizeof(*m->table));
    } else if (k->value.ptr && !found) {
        memmove(m->table + at + 1, m->table + at,
                (m->count - at) * sizeof(*m->table));
        m->count++;
    }
    if (k->value.ptr)
        m->table[at] = k;
    else
        free(k);
}

/* --- on their way --------------------------------------------------------- */

/* What becomes of a new mark, as far as it is known now. */
static int
table_full(const struct gate_marks *m, struct slice source,
           const struct gate_marking *g)
{
    int found;
    size_t first = table_place(m, source, slice_of("", 0), &found), more = 0;
    size_t end = first;
    while (end < m->count && slice_equal(m->table[end]->source, source))
        end++;
    for (size_t i = 0; i < g->count; i++) {
        table_place(m, source, g->marks[i]->name, &found);
        more += !found && g->marks[i]->value.ptr;
    }
    return more && end - first + more > GATE_MARKS_MAX;
}

static int
marking_fill(struct gate_marking *g, struct slice source, int64_t now_us,
             const struct il_mark *marks, size_t n, size_t stride,
             const char **why)
{
    int err = event_marks_begin(&g->body, source, now_us, (uint32_t) n);
    for (size_t i = 0; i < n && !err; i++) {
        struct il_mark from;
        struct event_mark em;
        if (api_copy_at(&from, sizeof(from), marks, i, stride, API_MARK_1_0))
            *why = "a mark's struct_size is wrong";
        else if (!from.name || !from.name_len
                 || from.name_len > GATE_MARK_NAME)
            *why = "the name of a mark has 1 to 128 bytes";
        else if (from.value && from.value_len > GATE_MARK_VALUE)
            *why = "the value of a mark has at most 512 bytes";
        if (*why)
            return -EINVAL;
        em.name = slice_of(from.name, from.name_len);
        em.value = slice_of(from.value, from.value ? from.value_len : 0);
        err = event_marks_add(&g->body, &em);
        struct mark *k = gate_mark_new(source, em.name, em.value);
        if (!err && k) {
            k->written_us = now_us;
            g->marks[g->count++] = k;
        } else {
            free(k);
            err = -ENOMEM;
        }
    }
    return err;
}

int
gate_marking_new(struct gate_marks *m, struct slice source, int64_t now_us,
                 const struct il_mark *marks, size_t n, size_t stride,
                 struct gate_marking **out, const char **why)
{
    struct gate_marking *g = calloc(1, sizeof(*g) + n * sizeof(*g->marks));
    if (!g)
        return -ENOMEM;
    g->of = m;
    int err = marking_fill(g, source, now_us, marks, n, stride, why);
    if (!err) {
        pthread_mutex_lock(&m->lock);
        if (table_full(m, source, g)) {
            *why = "a source has at most 10,000 marks";
            err = -EINVAL;
        } else if (!(err = gate_marks_reserve(m, n))) {
            m->promised += n;
            g->promised = n;
        }
        pthread_mutex_unlock(&m->lock);
    }
    if (err) {
        gate_marking_free(g);
        return err;
    }
    *out = g;
    return 0;
}

struct slice
gate_marking_body(const struct gate_marking *g)
{
    return slice_of(g->body.data, g->body.len);
}

/* marks[] may be without those that went into the table.  Holds the lock. */
static void
marking_end(struct gate_marking *g)
{
    g->of->promised -= g->promised;
    for (size_t i = 0; i < g->count; i++)
        free(g->marks[i]);
    text_clear(&g->body);
    free(g);
}

void
gate_marking_free(struct gate_marking *g)
{
    if (!g)
        return;
    struct gate_marks *m = g->of;
    pthread_mutex_lock(&m->lock);
    marking_end(g);
    pthread_mutex_unlock(&m->lock);
}

void
gate_marks_expect(struct gate_marking *g, const struct gate_ticket *t)
{
    struct gate_marks *m = g->of;
    g->ticket = *t;
    g->next = NULL;
    pthread_mutex_lock(&m->lock);
    *m->tail = g;
    m->tail = &g->next;
    pthread_mutex_unlock(&m->lock);
}

/* Those that are durable go into the table, in the order of the spool; those
 * that never will be go.  Holds the lock. */
void
gate_marks_take(struct gate_marks *m)
{
    int outcome;
    while (m->first && (outcome = gate_outcome(m->gate, &m->first->ticket))) {
        struct gate_marking *g = m->first;
        m->first = g->next;
        if (!m->first)
            m->tail = &m->first;
        for (size_t i = 0; i < g->count && outcome > 0; i++) {
            g->marks[i]->position = g->ticket.position;
            gate_marks_put(m, g->marks[i]);
        }
        if (outcome > 0)
            g->count = 0;
        marking_end(g);
    }
}

void
gate_marks_attach(struct gate_marks *m, struct gate *g)
{
    pthread_mutex_lock(&m->lock);
    m->gate = g;
    pthread_mutex_unlock(&m->lock);
}

void
gate_marks_apply(struct gate_marks *m)
{
    pthread_mutex_lock(&m->lock);
    gate_marks_take(m);
    pthread_mutex_unlock(&m->lock);
}

/* --- as sources see it ---------------------------------------------------- */

int
gate_marks_get(struct gate_marks *m, struct slice source, struct slice name,
               struct il_text *value)
{
    int found, err = 0;
    value->len = 0;
    pthread_mutex_lock(&m->lock);
    gate_marks_take(m);
    size_t at = table_place(m, source, name, &found);
    if (found)
        err = text_put(value, m->table[at]->value.ptr, m->table[at]->value.len);
    pthread_mutex_unlock(&m->lock);
    return err ? err : found;
}

/* Copies of those of a source: fn may take its time. */
static int
copy_source(struct gate_marks *m, struct slice source, struct mark ***out,
            size_t *n)
{
    int found;
    struct mark **list = NULL;
    *n = 0;
    size_t first = table_place(m, source, slice_of("", 0), &found);
    size_t end = first;
    while (end < m->count && slice_equal(m->table[end]->source, source))
        end++;
    *out = list = malloc((end - first + 1) * sizeof(*list));
    for (size_t i = first; list && i < end; i++) {
        const struct mark *k = m->table[i];
        struct mark *copy = gate_mark_new(k->source, k->name, k->value);
        if (!copy)
            return -ENOMEM;
        copy->written_us = k->written_us;
        list[(*n)++] = copy;
    }
    return list ? 0 : -ENOMEM;
}

int
gate_marks_each(struct gate_marks *m, struct slice source,
                int (*fn)(void *arg, const struct il_mark *, int64_t),
                void *arg)
{
    struct mark **list;
    size_t n;
    pthread_mutex_lock(&m->lock);
    gate_marks_take(m);
    int rc = copy_source(m, source, &list, &n);
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        const struct mark *k = list[i];
        struct il_mark mark = { IL_SIZED(struct il_mark),
                                .name = k->name.ptr,
                                .name_len = k->name.len,
                                .value = k->value.ptr,
                                .value_len = k->value.len };
        rc = rc ? rc : fn(arg, &mark, k->written_us);
        free(list[i]);
    }
    free(list);
    return rc;
}
