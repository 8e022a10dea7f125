/* SPDX-License-Identifier: MIT */
/* References that begin with a key of the payload are found in one walk over
 * it.  Events of one kind have their keys in one order, so at each place the
 * key of the event before is tried first: that it is the same one takes a
 * comparison of two words, whether somebody wants its value or not. */
#include "row.h"

#include "base/api.h"

#include "template.h"
#include "codec/msg_read.h"

#include <stdlib.h>

#define PLACES 32     /* pairs of a payload of which the key is remembered */
#define PLACE_TEXT 32 /* bytes: the longest key with a head of one byte */
#define NONE UINT32_MAX

struct cell {
    const struct il_field *field;
    const struct il_template *value;
    struct slice key; /* of the payload; ptr NULL: not found by walking */
    uint32_t next;    /* another cell with that key, or NONE */
    uint32_t other;   /* of the cells that no walk can find, the k-th */
    int follows;      /* one before it has that key */
    int alone;        /* only this one has it, and wants the whole value */
    uint64_t turn;    /* of the last event that had the key */
};

struct place {
    uint32_t len; /* of text */
    uint32_t cell; /* who wants the value: the first of them, or NONE */
    char text[PLACE_TEXT]; /* a key, as msgpack */
};

struct il_row {
    uint32_t count, keys;   /* cells; different keys among them */
    uint32_t other_count;   /* cells that no walk can find */
    uint64_t turn;
    struct place places[PLACES];
    struct il_value *values;
    struct cell cells[];
};

/* The cell that was first to ask for a key, or NONE. */
static uint32_t
find_cell(const struct il_row *r, struct slice key, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        const struct cell *c = &r->cells[k];
        if (c->key.ptr && !c->follows && slice_equal(c->key, key))
            return k;
    }
    return NONE;
}

static void
add_cell(struct il_row *r, uint32_t k, const struct il_cell *from)
{
    struct cell *c = &r->cells[k];
    const struct il_field *lone =
        from->value ? template_lone(from->value) : from->field;
    c->field = lone;
    c->value = from->value;
    c->next = NONE;
    c->key = lone ? ref_first_key(lone) : slice_of(NULL, 0);
    uint32_t first = c->key.ptr ? find_cell(r, c->key, k) : NONE;
    c->follows = first != NONE;
    c->alone = !c->follows && lone && ref_parts(lone) == 1;
    if (c->follows) {
        c->next = r->cells[first].next;
        r->cells[first].next = k;
        r->cells[first].alone = 0;
    }
    r->keys += c->key.ptr && !c->follows;
    if (!c->key.ptr)
        r->cells[r->other_count++].other = k;
}

int
row_new(const struct il_host *host, const struct il_cell *cells, size_t count,
        size_t stride, struct il_row **out)
{
    struct il_cell cell;
    (void) host;
    struct il_row *r = calloc(1, sizeof *r + count * sizeof *r->cells);
    if (!r)
        return -ENOMEM;
    r->values = calloc(count + !count, sizeof *r->values);
    if (!r->values) {
        free(r);
        return -ENOMEM;
    }
    for (uint32_t k = 0; k < PLACES; k++) /* 0xc1 begins nothing */
        r->places[k] = (struct place){ 1, NONE, "\xc1" };
    for (; r->count < count; r->count++) {
        if (api_copy_at(&cell, sizeof cell, cells, r->count, stride,
                        API_CELL_1_0)) {
            row_free(r);
            return -EINVAL;
        }
        add_cell(r, r->count, &cell);
    }
    *out = r;
    return 0;
}

void
row_free(struct il_row *r)
{
    if (r)
        free(r->values);
    free(r);
}

/* Read the key at *p that is none that was expected, and expect it from now
 * on.  0 or -EINVAL. */
static int
learn(const struct il_row *r, struct place *at, const char **p,
      const char *end, uint32_t *cell)
{
    const char *begin = *p;
    struct slice key;
    if (msg_key(p, end, &key))
        return -EINVAL;
    *cell = key.len == SIZE_MAX ? NONE : find_cell(r, key, r->count);
    size_t len = (size_t) (*p - begin);
    if (at && len <= PLACE_TEXT) {
        memcpy(at->text, begin, len);
        at->len = (uint32_t) len;
        at->cell = *cell;
    }
    return 0;
}

/* The value at *p is that of a key: give it to who wants it, and move past
 * it.  0 or -EINVAL. */
static inline int
take(struct il_row *r, uint32_t first, const struct batch_event *e,
     const char **p, const char *end)
{
    const char *begin = *p;
    struct cell *c = &r->cells[first];
    if (c->alone) {
        int err = msg_value(p, end, &r->values[first]);
        if (err)
            c->turn = 0; /* as if it had not come */
        return err;
    }
    for (uint32_t k = first; k != NONE; k = r->cells[k].next)
        ref_get_at(r->cells[k].field, e, begin, end, &r->values[k]);
    return msg_skip(p, end);
}

/* Walk the payload until all keys were there; stops where it is damaged.
 * Returns how many were not. */
static uint32_t
walk(struct il_row *r, const struct batch_event *e)
{
    const char *p = e->ev.payload.ptr, *end = p + e->ev.payload.len;
    struct il_value map;
    uint32_t left = r->keys;
    if (msg_enter(&p, end, &map) || map.type != IL_MAP)
        return left;
    for (uint32_t n = 0; n < map.count && left; n++) {
        struct place *at = n < PLACES ? &r->places[n] : NULL;
        uint32_t cell;
        if (at && (size_t) (end - p) >= at->len
            && bytes_same(p, at->text, at->len)) {
            p += at->len;
            cell = at->cell;
        } else if (learn(r, at, &p, end, &cell)) {
            break;
        }
        /* Of a key that comes twice the first one counts. */
        if (cell == NONE || r->cells[cell].turn == r->turn) {
            if (msg_skip(&p, end))
                break;
            continue;
        }
        r->cells[cell].turn = r->turn;
        left--;
        if (take(r, cell, e, &p, end))
            return left + 1;
    }
    return left;
}

/* What a walk did not find. */
static void
read_missed(struct il_row *r, const struct batch_event *e)
{
    for (uint32_t k = 0; k < r->count; k++) {
        const struct cell *c = &r->cells[k];
        if (!c->key.ptr || c->follows || c->turn == r->turn)
            continue;
        for (uint32_t n = k; n != NONE; n = r->cells[n].next)
            ref_get_at(r->cells[n].field, e, NULL, NULL, &r->values[n]);
    }
}

/* What no walk can find. */
static int
read_others(struct il_row *r, struct il_batch *batch, uint32_t i)
{
    int err = 0;
    for (uint32_t n = 0; n < r->other_count && !err; n++) {
        uint32_t k = r->cells[n].other;
        if (r->cells[k].field)
            ref_get(r->cells[k].field, &batch->events[i], &r->values[k]);
        else
            err = template_render(r->cells[k].value, batch, i, &r->values[k]);
    }
    return err;
}

int
row_read(struct il_row *r, struct il_batch *batch, uint32_t i,
         const struct il_value **values)
{
    r->turn++;
    if (r->keys && walk(r, &batch->events[i]))
        read_missed(r, &batch->events[i]);
    *values = r->values;
    return read_others(r, batch, i);
}
