/* SPDX-License-Identifier: MIT */
/* A batch becomes rows: values into fields, fields into rows, rows into one
 * stretch of COPY data with the end of each row noted, so that any run of rows
 * can be sent by itself.
 *
 * Binary first.  A value that only the server can judge ("Jan 5 2024" for a
 * date, any value of a type not known here) turns the whole batch into text,
 * which the server reads by its own rules. */
#include "put.h"

#include "fold.h"
#include "job.h"
#include "partition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_DIMS 6    /* as Postgres: MAXDIM */
#define TEXT_BATCHES 32 /* go as text right away after one that had to */

static void
put32(struct encoder *e, uint32_t n)
{
    unsigned char *p = (unsigned char *) e->out->data + e->out->len;
    p[0] = (unsigned char) (n >> 24);
    p[1] = (unsigned char) (n >> 16);
    p[2] = (unsigned char) (n >> 8);
    p[3] = (unsigned char) n;
    e->out->len += 4;
}

static int
put_null(struct encoder *e)
{
    if (il_text_reserve(e->host, e->out, 4))
        return -ENOMEM;
    if (e->binary) {
        put32(e, 0xffffffff);
        return 0;
    }
    const char *word = e->in_array ? "NULL" : "\\N";
    memcpy(e->out->data + e->out->len, word, strlen(word));
    e->out->len += strlen(word);
    return 0;
}

static int
is_null(const struct il_value *v)
{
    return v->type == IL_NULL || v->type == IL_MISSING;
}

struct shape {
    uint32_t dims, size[ARRAY_DIMS];
    int has_null;
};

static int
bad_shape(struct encoder *e, const struct column *c)
{
    return encode_bad(e, "22P02",
                      "malformed array for type %s[]: sub-arrays must have the "
                      "same dimensions",
                      c->type_name);
}

/* How deep and wide it is, by its first elements.  JSON columns keep inner
 * arrays as their values. */
static int
array_shape(struct encoder *e, const struct column *c, const struct il_value *v,
            struct shape *shape)
{
    int json = c->put == put_json || c->put == put_jsonb;
    struct il_value inner = *v;
    *shape = (struct shape){ 0 };
    while (inner.type == IL_ARRAY && (!json || shape->dims == 0)) {
        size_t iter = 0;
        struct il_value next;
        if (shape->dims == ARRAY_DIMS)
            return encode_bad(e, "54000",
                              "number of array dimensions exceeds %d",
                              ARRAY_DIMS);
        shape->size[shape->dims++] = inner.count;
        if (!il_item(e->host, &inner, &iter, NULL, &next))
            break;
        inner = next;
    }
    return 0;
}

static int
put_items(struct encoder *e, const struct column *c, const struct il_value *v,
          struct shape *shape, uint32_t dim)
{
    size_t iter = 0;
    struct il_value item;
    int err = 0, first = 1, last = dim + 1 == shape->dims;
    int json = c->put == put_json || c->put == put_jsonb;
    if (v->type != IL_ARRAY || v->count != shape->size[dim])
        return bad_shape(e, c);
    if (!e->binary && il_text_reserve(e->host, e->out, 1))
        return -ENOMEM;
    if (!e->binary)
        e->out->data[e->out->len++] = '{';
    while (!err && il_item(e->host, v, &iter, NULL, &item)) {
        if (!e->binary && !first) {
            if (il_text_reserve(e->host, e->out, 1))
                return -ENOMEM;
            e->out->data[e->out->len++] = ',';
        }
        first = 0;
        if (!last) {
            err = put_items(e, c, &item, shape, dim + 1);
        } else if (is_null(&item)) {
            shape->has_null = 1;
            err = put_null(e);
        } else if (item.type == IL_ARRAY && !json) {
            return bad_shape(e, c);
        } else {
            err = c->put(e, c, &item);
        }
    }
    if (!err && !e->binary) {
        if (il_text_reserve(e->host, e->out, 1))
            return -ENOMEM;
        e->out->data[e->out->len++] = '}';
    }
    return err;
}

static int
array_binary(struct encoder *e, const struct column *c,
             const struct il_value *v, struct shape *shape)
{
    size_t begin = e->out->len;
    int empty = 0, err;
    for (uint32_t d = 0; d < shape->dims; d++)
        empty |= shape->size[d] == 0;
    if (il_text_reserve(e->host, e->out, 16 + 8 * ARRAY_DIMS))
        return -ENOMEM;
    put32(e, 0);
    put32(e, empty ? 0 : shape->dims);
    put32(e, 0);
    put32(e, c->type);
    for (uint32_t d = 0; d < shape->dims && !empty; d++) {
        put32(e, shape->size[d]);
        put32(e, 1);
    }
    if ((err = put_items(e, c, v, shape, 0)) != 0)
        return err;
    size_t end = e->out->len;
    e->out->len = begin;
    put32(e, (uint32_t) (end - begin - 4));
    e->out->len = begin + 11;
    e->out->data[e->out->len] = (char) shape->has_null;
    e->out->len = end;
    return 0;
}

static int
put_array(struct encoder *e, const struct column *c, const struct il_value *v)
{
    struct shape shape;
    if (c->fields)
        return put_record(e, c, v);
    if (v->type == IL_STRING) /* '{1,2}', as Postgres reads it */
        return put_other(e, c, v);
    if (v->type != IL_ARRAY)
        return encode_bad(
            e, "22P02", "malformed array for type %s[]: the value is no array",
            c->type_name);
    int err = array_shape(e, c, v, &shape);
    if (err)
        return err;
    if (e->binary)
        return array_binary(e, c, v, &shape);
    struct il_text *out = e->out;
    e->out = e->scratch;
    e->out->len = 0;
    e->in_array = 1;
    err = put_items(e, c, v, &shape, 0);
    e->in_array = 0;
    e->out = out;
    return err ? err : encode_text(e, e->scratch->data, e->scratch->len);
}

static int
column_value(const struct column *c, struct il_batch *batch, uint32_t i,
             struct il_value *v)
{
    if (c->value)
        return il_template_render(c->value, batch, i, v);
    il_get(batch, i, c->field, v);
    return 0;
}

static inline int
put_column(struct encoder *e, const struct column *c, const struct il_value *v)
{
    if (is_null(v))
        return put_null(e);
    return c->is_array ? put_array(e, c, v) : c->put(e, c, v);
}

int
encode_value(struct encoder *e, const struct column *c,
             const struct il_value *v)
{
    return put_column(e, c, v);
}

/* A row in binary, its columns counted.  *bad gets the one that does not
 * fit. */
static int
binary_row(struct encoder *e, const struct plan *plan,
           const struct il_value *values, const uint64_t *omitted,
           const struct column **bad)
{
    size_t head = e->out->len;
    uint32_t n = 0;
    int err;
    if (il_text_reserve(e->host, e->out, 2))
        return -ENOMEM;
    e->out->len += 2;
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        if (plan_left_out(c, omitted))
            continue;
        n++;
        if ((err = put_column(e, c, &values[k])) != 0) {
            *bad = c;
            return err;
        }
    }
    e->out->data[head] = (char) (n >> 8);
    e->out->data[head + 1] = (char) n;
    return 0;
}

static int
text_row(struct encoder *e, const struct plan *plan,
         const struct il_value *values, const uint64_t *omitted,
         const struct column **bad)
{
    int err, first = 1;
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        if (plan_left_out(c, omitted))
            continue;
        if (il_text_reserve(e->host, e->out, 1))
            return -ENOMEM;
        if (!first)
            e->out->data[e->out->len++] = '\t';
        first = 0;
        if ((err = put_column(e, c, &values[k])) != 0) {
            *bad = c;
            return err;
        }
    }
    if (il_text_reserve(e->host, e->out, 1))
        return -ENOMEM;
    e->out->data[e->out->len++] = '\n';
    return 0;
}

void
encode_misfit(struct encoder *e, struct job *job, uint32_t event,
              const struct column *c)
{
    struct il_reason why = { IL_SIZED(struct il_reason), .code = e->misfit.code,
                             .message = e->misfit.message, .field = c->name };
    il_reject(job->batch, event, &why);
    job->misfits++;
}

static inline int
set_order(const struct place *x, const struct place *y)
{
    size_t n = x->words * sizeof *x->omitted;
    return n && x->omitted != y->omitted ? memcmp(x->omitted, y->omitted, n)
                                         : 0;
}

static inline int
part_ends(const struct place *x, const struct place *y)
{
    return x->merge != y->merge || (x->words && set_order(x, y));
}

static int
encode_rows(struct encoder *e, struct job *job, const struct plan *plan,
            uint32_t places)
{
    struct part *part = NULL;
    job->row_count = job->part_count = job->misfits = 0;
    job->wire->len = 0;
    e->out = job->wire;
    e->replaced = 0;
    for (uint32_t k = 0; k < places; k++) {
        const struct place *at = &job->order[k];
        const struct column *bad = NULL;
        const struct il_value *values;
        size_t begin = job->wire->len;
        uint64_t replaced = e->replaced;
        if (at->begins) {
            part = &job->parts[job->part_count++];
            *part = (struct part){ at->merge, at->omitted, job->row_count,
                                   job->row_count };
        }
        int err = il_row_read(e->row, job->batch, at->event, &values);
        if (!err && plan->received)
            err = partition_fits(e, plan, job->batch, at->event, values, &bad);
        if (!err)
            err = e->binary ? binary_row(e, plan, values, at->omitted, &bad)
                            : text_row(e, plan, values, at->omitted, &bad);
        if (err < 0 || err == ENCODE_UNSURE)
            return err;
        if (err == ENCODE_BAD) {
            job->wire->len = begin;
            e->replaced = replaced;
            encode_misfit(e, job, at->event, bad);
            continue;
        }
        job->rows[job->row_count++] = (struct row){ at->event, job->wire->len };
        part->end = job->row_count;
    }
    job->replaced = e->replaced;
    job->binary = e->binary;
    job->numbered = 0;
    return 0;
}

/* Which columns with a default this event leaves to it.  At least one column
 * stays, as COPY cannot do without. */
static int
omitted(const struct plan *plan, struct il_batch *batch, uint32_t i,
        uint64_t *set)
{
    const struct column *kept = NULL;
    uint32_t left = plan->count;
    memset(set, 0, plan_words(plan) * sizeof *set);
    for (uint32_t k = 0; k < plan->count; k++) {
        const struct column *c = &plan->columns[k];
        struct il_value v;
        if (c->optional < 0)
            continue;
        int err = column_value(c, batch, i, &v);
        if (err)
            return err;
        if (v.type != IL_MISSING)
            continue;
        set[c->optional / 64] |= UINT64_C(1) << c->optional % 64;
        if (!kept)
            kept = c;
        left--;
    }
    if (!left && kept)
        set[kept->optional / 64] &= ~(UINT64_C(1) << kept->optional % 64);
    return 0;
}

static int
by_set(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->merge != y->merge)
        return x->merge ? -1 : 1;
    int order = set_order(x, y);
    return order ? order : x->event < y->event ? -1 : x->event > y->event;
}

/* --- values that are unique ---------------------------------------------- */

/* Two hashes of a value: that both agree by chance is out of the question. */
struct encode_seen {
    uint64_t a, b;
};

static int
seen_clear(struct encoder *e, uint32_t count)
{
    size_t n = 16;
    while (n < 2 * (size_t) count)
        n *= 2;
    if (n > e->seen_count) {
        struct encode_seen *seen = realloc(e->seen, n * sizeof *seen);
        if (!seen)
            return -ENOMEM;
        e->seen = seen;
        e->seen_count = n;
    }
    memset(e->seen, 0, e->seen_count * sizeof *e->seen);
    return 0;
}

static struct encode_seen
seen_hash(const char *s, size_t len)
{
    struct encode_seen h = { UINT64_C(0xcbf29ce484222325),
                             UINT64_C(0x9e3779b97f4a7c15) };
    for (size_t i = 0; i < len; i++) {
        h.a = (h.a ^ (unsigned char) s[i]) * UINT64_C(0x100000001b3);
        h.b = (h.b + (unsigned char) s[i]) * UINT64_C(0xff51afd7ed558ccd);
        h.b ^= h.b >> 29;
    }
    h.a |= 1; /* 0 is a free place */
    return h;
}

/* An event that may be in the table is left alone where it is, but a second one
 * in the batch with the same unique value cannot be the one that is: it is to
 * be refused, as it would have been.  0 or an error. */
static int
first_of_its_value(struct encoder *e, struct job *job, const struct plan *plan,
                   uint32_t n)
{
    struct place *place = &job->order[n];
    struct il_value v;
    char buf[48];
    const char *s;
    size_t len;
    place->merge = 1;
    if (plan->unique >= plan->count)
        return 0;
    int err = column_value(&plan->columns[plan->unique], job->batch,
                           place->event, &v);
    if (err || !(s = encode_scalar(&v, buf, &len)))
        return err;
    struct encode_seen h = seen_hash(s, len);
    size_t at = h.b & (e->seen_count - 1);
    for (; e->seen[at].a; at = (at + 1) & (e->seen_count - 1))
        if (e->seen[at].a == h.a && e->seen[at].b == h.b) {
            place->merge = 0;
            return 0;
        }
    e->seen[at] = h;
    return 0;
}

/* Those with the same columns together, and where each run begins. */
static void
split(struct place *order, uint32_t n)
{
    qsort(order, n, sizeof *order, by_set);
    for (uint32_t k = 0; k < n; k++)
        order[k].begins = !k || part_ends(&order[k - 1], &order[k]);
}

/* List the events that become rows, those with the same columns together. */
static int
arrange(struct encoder *e, struct job *job, const struct plan *plan,
        uint32_t *places)
{
    uint32_t count = il_batch_count(job->batch), n = 0;
    size_t words = plan_words(plan);
    int mixed = 0, err = 0, merges = 0;
    for (uint32_t k = 0; k < job->connections; k++)
        merges |= job->maybe[k] != 0;
    int plain = !merges && !words;
    int whole = job->end - job->first == job->connections;
    if (merges && (err = seen_clear(e, count)) != 0)
        return err;
    for (uint32_t i = 0; i < count; i++) {
        if (!whole && !job_has(job, il_batch_position(job->batch, i)))
            continue;
        il_unreject(job->batch, i);
        if (!il_live(job->batch, i))
            continue;
        uint64_t *set = words ? job->sets + n * words : NULL;
        if (set && (err = omitted(plan, job->batch, i, set)) != 0)
            return err;
        job->order[n] = (struct place){
            .omitted = set, .event = i, .words = (uint16_t) words, .begins = !n
        };
        if (plain) {
            n++;
            continue;
        }
        if (merges && job_maybe(job, il_batch_position(job->batch, i))
            && (err = first_of_its_value(e, job, plan, n)) < 0)
            return err;
        mixed |= n && part_ends(&job->order[n], job->order);
        n++;
    }
    if (mixed)
        split(job->order, n);
    *places = n;
    return 0;
}

int
encode_grow(struct job *job, uint32_t count, size_t words)
{
    if (words * count > job->set_capacity) {
        uint64_t *sets = realloc(job->sets, words * count * sizeof *sets);
        if (!sets)
            return -ENOMEM;
        job->sets = sets;
        job->set_capacity = words * count;
    }
    if (count <= job->capacity)
        return 0;
    struct row *rows = realloc(job->rows, count * sizeof *rows);
    if (rows)
        job->rows = rows;
    struct part *parts = realloc(job->parts, count * sizeof *parts);
    if (parts)
        job->parts = parts;
    struct place *order = realloc(job->order, count * sizeof *order);
    if (order)
        job->order = order;
    if (!rows || !parts || !order)
        return -ENOMEM;
    job->capacity = count;
    return 0;
}

int
encode_follow(struct encoder *e, struct plan *plan)
{
    struct il_row *row;
    if (e->plan == plan)
        return 0;
    struct il_cell *cells = calloc(plan->count + 1, sizeof *cells);
    if (!cells)
        return -ENOMEM;
    for (uint32_t k = 0; k < plan->count; k++)
        cells[k] = (struct il_cell){ IL_SIZED(struct il_cell),
                                     .field = plan->columns[k].field,
                                     .value = plan->columns[k].value };
    int err = il_row_new(e->host, cells, plan->count, &row);
    free(cells);
    if (err)
        return err;
    if (e->row)
        il_row_free(e->host, e->row);
    e->row = row;
    if (e->plan)
        plan_unref(e->plan);
    e->plan = plan_ref(plan);
    return 0;
}

/* How many events are of its connections. */
static uint32_t
events(const struct job *job)
{
    uint32_t count = il_batch_count(job->batch), n = 0;
    if (job->end - job->first == job->connections)
        return count;
    for (uint32_t i = 0; i < count; i++)
        n += (uint32_t) job_has(job, il_batch_position(job->batch, i));
    return n;
}

int
encode_job(struct encoder *e, struct job *job, struct plan *plan)
{
    uint32_t places;
    int err = encode_grow(job, events(job), plan_words(plan));
    if (!err)
        err = encode_follow(e, plan);
    if (!err && plan->conflict && !job->plain)
        return fold_job(e, job, plan);
    if (!err)
        err = arrange(e, job, plan, &places);
    if (err)
        return err;
    e->binary = !plan->text_only && !e->prefer_text;
    if (e->prefer_text)
        e->prefer_text--;
    err = encode_rows(e, job, plan, places);
    if (err == ENCODE_UNSURE) {
        for (uint32_t k = 0; k < places; k++)
            il_unreject(job->batch, job->order[k].event);
        e->binary = 0;
        e->prefer_text = TEXT_BATCHES;
        err = encode_rows(e, job, plan, places);
    }
    if (err)
        return err;
    if (job->plan != plan) {
        plan_unref(job->plan);
        job->plan = plan_ref(plan);
    }
    return 0;
}
