/* SPDX-License-Identifier: MIT */
/* Events with keys become rows: each is taken apart into the fields of its
 * columns, finds the row of its key, and is put into that or begins one; then the
 * rows are put together, those that leave out the same columns in one run. */
#include "fold.h"

#include "job.h"
#include "put.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BATCHES 32 /* go as text right away after one that had to */

enum {
    FOLD_ROUNDS = 100, /* what the server reads of it could be refused there */
    FOLD_ORDER         /* and a key is not known for the same by its bytes */
};

/* A field, as COPY has it. */
struct span {
    size_t at;
    uint32_t len;
};

/* A row, of one event or of several. */
struct line {
    const char *key;
    const uint64_t *omitted;
    size_t key_at;
    uint64_t hash;
    int64_t newer;
    uint32_t key_len;
    uint32_t slot; /* of its spans, and of its set in job->sets */
    uint32_t event, events, round;
    uint16_t words;
    uint8_t has_newer;
};

struct fold {
    struct il_text *fields, *keys;
    struct span *spans; /* of each slot, by columns */
    struct line *lines;
    uint32_t *table; /* by the key's hash: 1 + the last line of it */
    size_t table_size, span_room;
    uint32_t line_room, count;
    enum plan_fold how;
    uint32_t run; /* PLAN_ORDER: the round at hand */
};

void
fold_free(struct encoder *e)
{
    struct fold *f = e->fold;
    if (!f)
        return;
    if (f->fields)
        il_text_free(e->host, f->fields);
    if (f->keys)
        il_text_free(e->host, f->keys);
    free(f->spans);
    free(f->lines);
    free(f->table);
    free(f);
    e->fold = NULL;
}

static int
fold_new(struct encoder *e)
{
    if (e->fold)
        return 0;
    if (!(e->fold = calloc(1, sizeof *e->fold)))
        return -ENOMEM;
    e->fold->fields = il_text_new(e->host);
    e->fold->keys = il_text_new(e->host);
    return e->fold->fields && e->fold->keys ? 0 : -ENOMEM;
}

/* Room for so many events; the table is empty. */
static int
make_room(struct fold *f, uint32_t count, uint32_t columns)
{
    size_t places = 16, spans = (size_t) count * columns;
    while (places < 2 * (size_t) count)
        places *= 2;
    if (places > f->table_size) {
        uint32_t *table = realloc(f->table, places * sizeof *table);
        if (!table)
            return -ENOMEM;
        f->table = table;
        f->table_size = places;
    }
    memset(f->table, 0, f->table_size * sizeof *f->table);
    if (spans > f->span_room) {
        struct span *more = realloc(f->spans, spans * sizeof *more);
        if (!more)
            return -ENOMEM;
        f->spans = more;
        f->span_room = spans;
    }
    if (count > f->line_room) {
        struct line *lines = realloc(f->lines, count * sizeof *lines);
        if (!lines)
            return -ENOMEM;
        f->lines = lines;
        f->line_room = count;
    }
    f->fields->len = f->keys->len = 0;
    f->count = f->run = 0;
    return 0;
}

/* --- an event's fields ---------------------------------------------------- */

static int
is_null(const struct il_value *v)
{
    return v->type == IL_NULL || v->type == IL_MISSING;
}

static int
no_value(struct encoder *e, const struct column *c)
{
    return c->is_key ? encode_bad(e, "23502",
                                  "column \"%s\" is of the key of on_conflict, "
                                  "and the event has no value for it",
                                  c->name)
                     : encode_bad(e, "23502",
                                  "null value in column \"%s\" violates "
                                  "not-null constraint",
                                  c->name);
}

/* Into the spans and the set of a slot.  0, -ENOMEM, ENCODE_UNSURE or
 * ENCODE_BAD: *bad does not fit. */
static int
put_fields(struct encoder *e, const struct plan *plan,
           const struct il_value *values, struct span *spans, uint64_t *set,
           const struct column **bad)
{
    struct il_text *fields = e->fold->fields;
    memset(set, 0, plan_words(plan) * sizeof *set);
    e->out = fields;
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        spans[k] = (struct span){ .at = fields->len };
        if (c->optional >= 0 && values[k].type == IL_MISSING) {
            set[c->optional / 64] |= UINT64_C(1) << c->optional % 64;
            continue;
        }
        *bad = c;
        if (is_null(&values[k]) && (c->is_key || (c->not_null && !plan->fills)))
            return no_value(e, c);
        int err = encode_value(e, c, &values[k]);
        if (err)
            return err;
        spans[k].len = (uint32_t) (fields->len - spans[k].at);
    }
    return 0;
}

/* A field in binary, whatever the format of the batch, behind what is in keys.
 * 0, -ENOMEM or ENCODE_UNSURE. */
static int
put_binary(struct encoder *e, const struct column *c, const struct il_value *v,
           const struct span *span)
{
    struct fold *f = e->fold;
    uint64_t replaced = e->replaced;
    int binary = e->binary, err = 0;
    if (!binary) {
        e->out = f->keys;
        e->binary = 1;
        err = encode_value(e, c, v);
        e->binary = 0;
        e->replaced = replaced;
        return err;
    }
    if (il_text_reserve(e->host, f->keys, span->len))
        return -ENOMEM;
    memcpy(f->keys->data + f->keys->len, f->fields->data + span->at, span->len);
    f->keys->len += span->len;
    return 0;
}

static uint64_t
hash_of(const char *s, size_t len)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ len;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char) s[i]) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    return h;
}

/* What only the server can read is compared as it was written: that may take
 * the same for two, which the server notices as long as rows are in order. */
static int
put_key(struct encoder *e, const struct plan *plan,
        const struct il_value *values, struct line *line)
{
    struct fold *f = e->fold;
    const struct span *spans = f->spans + (size_t) line->slot * plan->count;
    line->key_at = f->keys->len;
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        size_t begin = f->keys->len;
        int err = c->is_key ? put_binary(e, c, &values[k], &spans[k]) : 0;
        if (err == ENCODE_UNSURE && f->how != PLAN_ORDER)
            return FOLD_ORDER;
        if (err < 0)
            return err;
        if (!err)
            continue;
        f->keys->len = begin;
        if (il_text_reserve(e->host, f->keys, spans[k].len + 1))
            return -ENOMEM;
        memcpy(f->keys->data + begin, f->fields->data + spans[k].at,
               spans[k].len);
        f->keys->len += spans[k].len;
        f->keys->data[f->keys->len++] = 0;
    }
    line->key_len = (uint32_t) (f->keys->len - line->key_at);
    line->hash = hash_of(f->keys->data + line->key_at, line->key_len);
    return 0;
}

/* A whole number of 2, 4 or 8 bytes: all types of `newer` that are compared
 * here are that in binary. */
static int
put_newer(struct encoder *e, const struct plan *plan,
          const struct il_value *values, struct line *line)
{
    struct fold *f = e->fold;
    uint32_t k = plan->newer;
    uint64_t be = 0;
    size_t begin = f->keys->len;
    line->has_newer = 0;
    if (k == plan->count || f->how != PLAN_FOLD || is_null(&values[k]))
        return 0;
    int err = put_binary(e, &plan->columns[k], &values[k],
                         &f->spans[(size_t) line->slot * plan->count + k]);
    size_t size = f->keys->len - begin;
    f->keys->len = begin;
    if (err == ENCODE_UNSURE)
        return FOLD_ROUNDS;
    if (err < 0)
        return err;
    if (size <= 4 || size > 12)
        return FOLD_ROUNDS;
    memcpy(&be, f->keys->data + begin + 4, size - 4);
    line->newer = (int64_t) be64toh(be) >> (64 - 8 * (size - 4));
    line->has_newer = 1;
    return 0;
}

/* --- the row of its key --------------------------------------------------- */

/* Where the key is in the table, or would be. */
static uint32_t *
place_of(const struct fold *f, const struct line *line)
{
    size_t at = line->hash & (f->table_size - 1);
    for (; f->table[at]; at = (at + 1) & (f->table_size - 1)) {
        const struct line *l = &f->lines[f->table[at] - 1];
        if (l->hash == line->hash && l->key_len == line->key_len
            && memcmp(f->keys->data + l->key_at, f->keys->data + line->key_at,
                      l->key_len)
                   == 0)
            break;
    }
    return &f->table[at];
}

static int
bit(const uint64_t *set, const struct column *c)
{
    return plan_left_out(c, set);
}

/* No time is older than any. */
static int
older(const struct line *a, const struct line *b)
{
    return b->has_newer && (!a->has_newer || a->newer < b->newer);
}

/* Does the row say the same with the event in it as one by one, whatever the
 * table has?  It may have a row that is newer than the first and not than the
 * second, which then has to get nothing of the first. */
static int
foldable(const struct plan *plan, const struct line *row,
         const uint64_t *row_set, const struct line *event,
         const uint64_t *event_set)
{
    if (plan->newer == plan->count || plan->missing_null || !older(row, event))
        return 1;
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        if (c->updated && !bit(row_set, c) && bit(event_set, c))
            return 0;
    }
    return 1;
}

/* The last value that is present; what an update does not change keeps its
 * first. */
static void
fold_into(const struct fold *f, const struct plan *plan, struct line *row,
          uint64_t *row_set, const struct line *event,
          const uint64_t *event_set)
{
    struct span *to = f->spans + (size_t) row->slot * plan->count;
    const struct span *from = f->spans + (size_t) event->slot * plan->count;
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        int missing = bit(event_set, c);
        if (!c->updated || (missing && !plan->missing_null))
            continue;
        to[k] = from[k];
        if (c->optional < 0)
            continue;
        uint64_t mask = UINT64_C(1) << c->optional % 64;
        if (missing)
            row_set[c->optional / 64] |= mask;
        else
            row_set[c->optional / 64] &= ~mask;
    }
    row->newer = event->newer;
    row->has_newer = event->has_newer;
    row->event = event->event;
    row->events++;
}

/* PLAN_ORDER: a round ends where a row leaves out other columns, or comes to a
 * key that it has. */
static void
order_line(struct fold *f, const struct job *job, const struct plan *plan,
           struct line *line)
{
    size_t words = plan_words(plan);
    uint32_t *place = place_of(f, line);
    const struct line *last = f->count ? &f->lines[f->count - 1] : NULL;
    int again = *place && f->lines[*place - 1].round == f->run
                && plan->conflict == CONFLICT_UPDATE;
    if (last
        && (again
            || (words
                && memcmp(job->sets + last->slot * words,
                          job->sets + line->slot * words,
                          words * sizeof *job->sets)
                       != 0)))
        f->run++;
    line->round = f->run;
    *place = ++f->count;
}

/* The event in the next line becomes a row, is folded into one, or is nothing. */
static void
add_line(struct fold *f, struct job *job, const struct plan *plan)
{
    size_t words = plan_words(plan);
    struct line *line = &f->lines[f->count], *row;
    if (f->how == PLAN_ORDER) {
        order_line(f, job, plan, line);
        return;
    }
    uint32_t *place = place_of(f, line);
    row = *place ? &f->lines[*place - 1] : NULL;
    if (row && f->how == PLAN_FOLD) {
        uint64_t *row_set = job->sets + row->slot * words,
                 *set = job->sets + line->slot * words;
        if (plan->conflict == CONFLICT_IGNORE
            || (plan->newer < plan->count && older(line, row))) {
            job->ignored++;
            return;
        }
        if (foldable(plan, row, row_set, line, set)) {
            fold_into(f, plan, row, row_set, line, set);
            job->folded++;
            return;
        }
    }
    line->round = row ? row->round + 1 : 0;
    *place = ++f->count;
}

/* Event i.  0, or what put_fields() and put_key() say. */
static int
add_event(struct encoder *e, struct job *job, const struct plan *plan,
          uint32_t i)
{
    struct fold *f = e->fold;
    struct line *line = &f->lines[f->count];
    size_t fields = f->fields->len, keys = f->keys->len;
    uint64_t replaced = e->replaced;
    const struct il_value *values;
    const struct column *bad = NULL;
    *line = (struct line){ .slot = f->count,
                           .event = i,
                           .events = 1,
                           .words = (uint16_t) plan_words(plan) };
    int err = il_row_read(e->row, job->batch, i, &values);
    if (!err)
        err = put_fields(e, plan, values,
                         f->spans + (size_t) line->slot * plan->count,
                         job->sets + line->slot * plan_words(plan), &bad);
    if (err == ENCODE_BAD) {
        f->fields->len = fields;
        e->replaced = replaced;
        encode_misfit(e, job, i, bad);
        return 0;
    }
    if (!err)
        err = put_key(e, plan, values, line);
    if (!err)
        err = put_newer(e, plan, values, line);
    if (err)
        return err;
    uint32_t count = f->count;
    add_line(f, job, plan);
    if (f->count == count)
        f->keys->len = keys;
    return 0;
}

static int
add_events(struct encoder *e, struct job *job, const struct plan *plan)
{
    uint32_t count = il_batch_count(job->batch);
    int whole = job->end - job->first == job->connections, err;
    if ((err = make_room(e->fold, count, plan->count)) != 0)
        return err;
    job->misfits = job->folded = job->ignored = 0;
    e->replaced = 0;
    for (uint32_t i = 0; i < count && !err; i++) {
        if (!whole && !job_has(job, il_batch_position(job->batch, i)))
            continue;
        il_unreject(job->batch, i);
        if (il_live(job->batch, i))
            err = add_event(e, job, plan, i);
    }
    return err;
}

/* --- rows ----------------------------------------------------------------- */

static int
by_set(const struct line *x, const struct line *y)
{
    return x->words
               ? memcmp(x->omitted, y->omitted, x->words * sizeof *x->omitted)
               : 0;
}

/* By the key within a run: whoever else writes the same keys like this takes
 * them in the same order, and nobody waits for each other. */
static int
by_round(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->round != y->round)
        return x->round < y->round ? -1 : 1;
    int order = by_set(x, y);
    if (order)
        return order;
    uint32_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
    order = memcmp(x->key, y->key, n);
    return order                      ? order
           : x->key_len != y->key_len ? (x->key_len < y->key_len ? -1 : 1)
                                      : 0;
}

static void
arrange(struct fold *f, const struct job *job, const struct plan *plan)
{
    size_t words = plan_words(plan);
    for (uint32_t n = 0; n < f->count; n++) {
        struct line *line = &f->lines[n];
        line->key = f->keys->data + line->key_at;
        line->omitted = words ? job->sets + line->slot * words : NULL;
    }
    if (f->how != PLAN_ORDER)
        qsort(f->lines, f->count, sizeof *f->lines, by_round);
}

/* Its fields behind its number, with what frames them; NULL is what the table's
 * row does not get. */
static int
put_line(struct encoder *e, struct il_text *wire, const struct plan *plan,
         const struct line *line, uint32_t number)
{
    const struct fold *f = e->fold;
    const struct span *spans = f->spans + (size_t) line->slot * plan->count;
    size_t size = 16;
    for (uint32_t k = 0; k < plan->count; k++)
        size += spans[k].len + 4;
    if (il_text_reserve(e->host, wire, size))
        return -ENOMEM;
    char *p = wire->data + wire->len;
    uint32_t columns = plan->count + 1, be = htobe32(number);
    if (e->binary) {
        *p++ = (char) (columns >> 8);
        *p++ = (char) columns;
        encode_length(p, sizeof be);
        memcpy(p + 4, &be, sizeof be);
        p += 8;
    } else {
        p += sprintf(p, "%u", number);
    }
    for (uint32_t k = 0; k < plan->count; k++) {
        if (!e->binary)
            *p++ = '\t';
        if (plan_left_out(&plan->columns[k], line->omitted)) {
            memcpy(p, e->binary ? "\377\377\377\377" : "\\N",
                   e->binary ? 4 : 2);
            p += e->binary ? 4 : 2;
            continue;
        }
        memcpy(p, f->fields->data + spans[k].at, spans[k].len);
        p += spans[k].len;
    }
    if (!e->binary)
        *p++ = '\n';
    wire->len = (size_t) (p - wire->data);
    return 0;
}

static int
put_lines(struct encoder *e, struct job *job, const struct plan *plan)
{
    struct fold *f = e->fold;
    const struct line *last = NULL;
    job->row_count = job->part_count = 0;
    job->wire->len = 0;
    for (uint32_t n = 0; n < f->count; n++) {
        const struct line *line = &f->lines[n];
        if (!last || line->round != last->round || by_set(line, last) != 0)
            job->parts[job->part_count++] =
                (struct part){ .omitted = line->omitted,
                               .first = job->row_count };
        if (put_line(e, job->wire, plan, line, job->row_count))
            return -ENOMEM;
        job->rows[job->row_count++] =
            (struct row){ line->event, job->wire->len };
        job->parts[job->part_count - 1].end = job->row_count;
        last = line;
    }
    job->replaced = e->replaced;
    job->binary = e->binary;
    job->numbered = 1;
    return 0;
}

/* What a batch that is text for its values alone holds is read by the server,
 * which may refuse it. */
static enum plan_fold
how_to(const struct encoder *e, const struct job *job, const struct plan *plan)
{
    enum plan_fold how = plan->fold;
    if (how == PLAN_FOLD && (job->apart || (!e->binary && !plan->text_only)))
        how = PLAN_ROUNDS;
    if (how == PLAN_ROUNDS && plan->conflict == CONFLICT_IGNORE)
        how = PLAN_ORDER;
    return how;
}

int
fold_job(struct encoder *e, struct job *job, struct plan *plan)
{
    int err = fold_new(e);
    e->binary = !plan->text_only && !e->prefer_text;
    if (e->prefer_text)
        e->prefer_text--;
    if (!err) {
        e->fold->how = how_to(e, job, plan);
        err = add_events(e, job, plan);
    }
    if (err == ENCODE_UNSURE) {
        e->binary = 0;
        e->prefer_text = TEXT_BATCHES;
        e->fold->how = how_to(e, job, plan);
        err = add_events(e, job, plan);
    }
    if (err == FOLD_ROUNDS || err == FOLD_ORDER) {
        e->fold->how = err == FOLD_ORDER ? PLAN_ORDER : PLAN_ROUNDS;
        err = add_events(e, job, plan);
        if (err == FOLD_ORDER) {
            e->fold->how = PLAN_ORDER;
            err = add_events(e, job, plan);
        }
    }
    if (err)
        return err < 0 ? err : -EINVAL;
    arrange(e->fold, job, plan);
    if ((err = put_lines(e, job, plan)) != 0)
        return err;
    if (job->plan != plan) {
        plan_unref(job->plan);
        job->plan = plan_ref(plan);
    }
    return 0;
}
