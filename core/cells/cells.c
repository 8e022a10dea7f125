/* SPDX-License-Identifier: MIT */
/* The cells of a lane: looked up, changed, and taken back with a batch. */
#include "private.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FORGET_EACH 8u /* cells looked at for each that is made */
#define FETCH_EACH 16u /* so many before that they are fetched */
#define COPY_EACH 2u   /* cells of a checkpoint for each that changes */
#define BATCH_PART 8u  /* of the memory, what a batch may change */
#define BATCH_LEAST 100u
#define EVENT_GUESS 256u /* bytes that an event changes, before any was seen */
#define EVENTS_TELL 16u  /* so many say something of others */
/* A cell, its slot in the table (which is at most half full), its number. */
#define CELL_COST (sizeof(struct cell) + 2 * sizeof(struct table_slot) + 4)

/* --- keys ----------------------------------------------------------------- */

/* A long key goes by its beginning and a hash of all of it. */
static void
key_make(const struct il_memory *m, const char *key, size_t len,
         struct cells_key *out)
{
    out->tag = cells_tag(m->lineage);
    out->len = (uint32_t) len;
    if (len > CELLS_KEY_MAX) {
        XXH128_hash_t all = XXH3_128bits_withSeed(key, len, m->lineage);
        out->len = CELLS_KEY_MAX;
        memcpy(out->text, key, CELLS_KEY_MAX - sizeof all);
        memcpy(out->text + CELLS_KEY_MAX - sizeof all, &all, sizeof all);
    } else if (len) {
        memcpy(out->text, key, len);
    }
    XXH128_hash_t h = XXH3_128bits_withSeed(out->text, out->len, m->lineage);
    out->hi = h.high64 ? h.high64 : 1; /* 0 is the meta cell's */
    out->lo = (uint32_t) h.low64;
    out->hash = table_mix(m->cells->seed, out->hi, out->lo);
}

int
cells_value_read(struct slice bytes, uint32_t *tag, struct slice *key,
                 struct slice *value)
{
    if (bytes.len < CELL_HEAD)
        return -EINVAL;
    size_t key_len = (unsigned char) bytes.ptr[4];
    if (bytes.len < CELL_HEAD + key_len)
        return -EINVAL;
    memcpy(tag, bytes.ptr, sizeof *tag);
    *key = slice_of(bytes.ptr + CELL_HEAD, key_len);
    *value = slice_of(key->ptr + key_len, bytes.len - CELL_HEAD - key_len);
    return 0;
}

/* Is it the value of this key, and of no other with the same hash? */
static int
is_of(const struct cells_key *k, struct slice bytes, struct slice *value)
{
    uint32_t tag;
    struct slice key;
    return !cells_value_read(bytes, &tag, &key, value) && tag == k->tag
           && key.len == k->len && bytes_same(key.ptr, k->text, key.len);
}

/* --- cells in memory ------------------------------------------------------ */

static uint32_t
seek(const struct cells *c, uint64_t hi, uint32_t lo, uint32_t hash)
{
    uint32_t at = table_seek(&c->table, hash, hash);
    for (; c->table.slots[at].number;
         at = table_seek(&c->table, hash, at + 1)) {
        const struct cell *cell = cells_cell(c, c->table.slots[at].number - 1);
        if (cell->hi == hi && cell->lo == lo)
            break;
    }
    return at;
}

static struct cell *
find(const struct cells *c, uint64_t hi, uint32_t lo, uint32_t hash,
     uint32_t *number)
{
    if (!c->table.slots)
        return NULL;
    uint32_t n = c->table.slots[seek(c, hi, lo, hash)].number;
    *number = n - 1;
    return n ? cells_cell(c, n - 1) : NULL;
}

/* Of a cell that may soon be forgotten: its slot, and its value's memory. */
static void
fetch_to_forget(const struct cells *c, uint32_t number)
{
    if (number >= c->cell_count)
        return;
    const struct cell *cell = cells_cell(c, number);
    if (!cell->hi || !cells_is_written(c, cell))
        return;
    const uint32_t hash = table_mix(c->seed, cell->hi, cell->lo);
    __builtin_prefetch(&c->table.slots[hash & c->table.mask], 1);
    __builtin_prefetch(cell->value, 1);
    cells_value_fetch(cell->value);
}

/* Let go of some that are written, where there is too much. */
static void
forget_some(struct cells *c)
{
    for (uint32_t n = 0; n < FORGET_EACH && c->cell_count; n++) {
        if (c->hand >= c->cell_count)
            c->hand = 0;
        uint32_t number = c->hand++;
        struct cell *cell = cells_cell(c, number);
        fetch_to_forget(c, number + FETCH_EACH);
        if (!cell->hi || !cells_is_written(c, cell))
            continue;
        if (c->spare_count == c->spare_room) {
            size_t room = c->spare_room ? c->spare_room * 2 : 1024;
            uint32_t *spare = realloc(c->spare, room * sizeof *spare);
            if (!spare)
                return;
            c->spare = spare;
            c->spare_room = room;
        }
        table_drop(&c->table, seek(c, cell->hi, cell->lo,
                                   table_mix(c->seed, cell->hi, cell->lo)));
        c->bytes -= CELL_COST + cell->capacity;
        if (cell->value)
            cells_value_give(&c->values, cell->value);
        *cell = (struct cell){ .hi = 0 };
        c->spare[c->spare_count++] = number;
        c->last.where = LAST_UNKNOWN;
    }
}

static int
number_new(struct cells *c, uint32_t *number)
{
    if (c->spare_count) {
        *number = c->spare[--c->spare_count];
        return 0;
    }
    if (c->cell_count == c->chunk_count * CHUNK_CELLS) {
        struct cell **chunks =
            realloc(c->chunks, (c->chunk_count + 1) * sizeof *chunks);
        if (!chunks)
            return -ENOMEM;
        c->chunks = chunks;
        chunks[c->chunk_count] = calloc(CHUNK_CELLS, sizeof **chunks);
        if (!chunks[c->chunk_count])
            return -ENOMEM;
        c->chunk_count++;
    }
    *number = c->cell_count++;
    return 0;
}

/* One that is not there yet, with nothing in it. */
static struct cell *
cell_new(struct cells *c, uint64_t hi, uint32_t lo, uint32_t hash,
         uint32_t *number)
{
    if (c->bytes + c->listing_bytes > c->room)
        forget_some(c);
    if (table_room(&c->table, 1) || number_new(c, number))
        return NULL;
    struct cell *cell = cells_cell(c, *number);
    *cell = (struct cell){ .hi = hi, .lo = lo };
    table_take(&c->table, seek(c, hi, lo, hash), hash, *number);
    c->bytes += CELL_COST;
    return cell;
}

/* The worker writes what it has. */
static int
leave_value(struct cells *c, const struct cell *cell)
{
    if (c->left_count == c->left_room) {
        size_t room = c->left_room ? c->left_room * 2 : 256;
        char **left = realloc(c->left, room * sizeof *left);
        if (!left)
            return -ENOMEM;
        c->left = left;
        c->left_room = room;
    }
    c->left[c->left_count++] = cell->value;
    c->left_bytes += cell->capacity;
    return 0;
}

/* Memory of its own for so many bytes, and for those that it has: they may come
 * back. */
static int
cell_room(struct cells *c, struct cell *cell, size_t len)
{
    const int writing = cells_is_writing(c, cell);
    size_t room = len > cell->len ? len : cell->len;
    if (!room || (len <= cell->capacity && !writing))
        return 0;
    char *value = cells_value_take(&c->values, &room);
    if (!value)
        return -ENOMEM;
    if (writing && cell->value && leave_value(c, cell)) {
        cells_value_give(&c->values, value);
        return -ENOMEM;
    }
    if (cell->len)
        memcpy(value, cell->value, cell->len);
    if (!writing && cell->value)
        cells_value_give(&c->values, cell->value);
    c->bytes += room - (writing ? 0u : cell->capacity);
    if (cell->changed == c->stretch)
        c->changed_bytes += room - cell->capacity;
    cell->value = value;
    cell->capacity = (uint16_t) room;
    return 0;
}

/* --- looking up ----------------------------------------------------------- */

/* What is not in memory, in the files, the newest first.  What is damaged in
 * them was logged, and counts as not there. */
static int
find_written(const struct cells *c, const struct cells_key *k,
             struct runs_hit *hit)
{
    const struct runs_key key = { k->hi, k->lo };
    struct slice value;
    for (uint32_t i = c->run_count; i-- > 0;)
        if (runs_find(c->runs[i], key, hit) == 1)
            return hit->value.len && is_of(k, hit->value, &value);
    return 0;
}

/* The key, as the last one. */
static const struct cells_key *
key_last(const struct il_memory *m, const char *key, size_t len)
{
    struct cells_last *l = &m->cells->last;
    if (l->memory == m && l->key.len == len
        && bytes_same(l->key.text, key, len))
        return &l->key;
    key_make(m, key, len, &l->key);
    l->memory = len < CELLS_KEY_MAX ? m : NULL; /* else there is more of it */
    l->where = LAST_UNKNOWN;
    return &l->key;
}

static struct cell *cell_seek(struct cells *, const struct cells_key *,
                              int make, uint32_t *number, int *err);

/* The cell of the last key, in memory: made there where it is in the files or
 * (make) nowhere.  NULL: it is nowhere; or *err. */
static struct cell *
cell_of(struct cells *c, const struct cells_key *k, int make, uint32_t *number,
        int *err)
{
    struct cells_last *l = &c->last;
    struct cell *cell;
    *err = 0;
    if (l->where == LAST_IN_MEMORY) {
        *number = l->number;
        return cells_cell(c, *number);
    }
    if (l->where == LAST_NOWHERE && !make)
        return NULL;
    if (l->where == LAST_NOWHERE) {
        cell = cell_new(c, k->hi, k->lo, k->hash, number);
        *err = cell ? 0 : -ENOMEM;
    } else {
        cell = cell_seek(c, k, make, number, err);
    }
    l->number = cell ? *number : 0;
    l->where = cell   ? LAST_IN_MEMORY
               : *err ? LAST_UNKNOWN
                      : LAST_NOWHERE;
    return cell;
}

static struct cell *
cell_seek(struct cells *c, const struct cells_key *k, int make,
          uint32_t *number, int *err)
{
    struct runs_hit hit;
    struct cell *cell = find(c, k->hi, k->lo, k->hash, number);
    if (cell)
        return cell;
    int written = find_written(c, k, &hit);
    if (!written && !make)
        return NULL;
    cell = cell_new(c, k->hi, k->lo, k->hash, number);
    if (cell && written) {
        if (cell_room(c, cell, hit.value.len)) {
            *err =
                -ENOMEM; /* with nothing in it, it would hide what is there */
            table_drop(&c->table, seek(c, k->hi, k->lo, k->hash));
            c->bytes -= CELL_COST;
            memset(cell, 0, sizeof *cell);
            return NULL;
        }
        memcpy(cell->value, hit.value.ptr, hit.value.len);
        cell->len = (uint16_t) hit.value.len;
        cell->position = hit.position;
        cell->end = hit.time;
    }
    if (!cell)
        *err = -ENOMEM;
    return cell;
}

/* --- fetching ahead -------------------------------------------------------- */

/* The cell of a key that was hinted at so many keys ago: most probably, as only the
 * hash is looked at.  NULL: there is none. */
static struct cell *
hinted(const struct cells *c, uint32_t ago)
{
    const uint32_t hash = c->hints.hash[(c->hints.count - ago) % HINTS];
    if (c->hints.count < ago)
        return NULL;
    const uint32_t at = table_seek(&c->table, hash, hash);
    const uint32_t n = c->table.slots[at].number;
    return n ? cells_cell(c, n - 1) : NULL;
}

static void
fetch_lines(const struct cells *c, uint64_t hi)
{
    for (uint32_t i = 0; i < c->run_count; i++) {
        const void *lines;
        uint64_t homes = runs_homes(c->runs[i], &lines);
        uint64_t line = (uint64_t) ((unsigned __int128) hi * homes >> 64);
        __builtin_prefetch((const char *) lines + line * RUNS_LINE);
    }
}

void
cells_hint(const struct il_memory *m, const char *key, size_t len)
{
    struct cells *c = m->cells;
    struct cells_key k;
    if (!c->table.slots)
        return;
    key_make(m, key, len, &k);
    __builtin_prefetch(&c->table.slots[k.hash & c->table.mask]);
    fetch_lines(c, k.hi);
    c->hints.hash[c->hints.count++ % HINTS] = k.hash;
    const struct cell *soon = hinted(c, HINT_CELL);
    if (soon)
        __builtin_prefetch(soon, 1);
    const struct cell *sooner = hinted(c, HINT_VALUE);
    if (sooner)
        __builtin_prefetch(sooner->value, 1);
}

int
cells_get(const struct il_memory *m, const char *key, size_t len,
          int64_t now_us, struct il_remembered *out)
{
    struct slice value;
    uint32_t number;
    int err;
    const struct cells_key *k = key_last(m, key, len);
    const struct cell *cell = cell_of(m->cells, k, 0, &number, &err);
    if (!cell || !cell->len
        || !is_of(k, slice_of(cell->value, cell->len), &value))
        return err;
    int64_t end_us =
        cell->end == CELLS_NO_END ? 0 : (int64_t) cell->end * 1000000;
    if (end_us && end_us <= now_us)
        return 0;
    *out =
        (struct il_remembered){ value.ptr, value.len, cell->position, end_us };
    return 1;
}

/* --- changing ------------------------------------------------------------- */

static size_t
was_size(size_t len)
{
    return (sizeof(struct cells_was) + len + 7) & ~(size_t) 7;
}

const struct cells_was *
cells_was_next(const struct cells_undo *u, size_t *at)
{
    if (*at >= u->was.len)
        return NULL;
    const struct cells_was *was = (const void *) (u->was.data + *at);
    *at += was_size(was->len);
    return was;
}

/* Note how it is, for the batch at hand. */
static int
note(struct cells *c, uint32_t number, const struct cell *cell)
{
    if (!c->undo)
        return 0;
    size_t size = was_size(cell->len);
    struct il_text *to = &c->undo->was;
    if (text_reserve(to, size))
        return -ENOMEM;
    const struct cells_was was = { .hi = cell->hi,
                                   .position = cell->position,
                                   .lo = cell->lo,
                                   .end = cell->end,
                                   .number = number,
                                   .len = cell->len,
                                   .before = c->undo->last };
    memcpy(to->data + to->len, &was, sizeof was);
    if (cell->len)
        memcpy(to->data + to->len + offsetof(struct cells_was, value),
               cell->value, cell->len);
    c->undo->last = to->len;
    to->len += size;
    return 0;
}

int
cells_changed_room(struct cells *c, size_t more)
{
    size_t room = c->changed_room ? c->changed_room : 1024;
    if (c->changed_count + more <= c->changed_room)
        return 0;
    while (room < c->changed_count + more)
        room *= 2;
    uint32_t *changed = realloc(c->changed, room * sizeof *changed);
    if (!changed)
        return -ENOMEM;
    c->changed = changed;
    c->changed_room = room;
    return 0;
}

void
cells_changed_add(struct cells *c, uint32_t number)
{
    struct cell *cell = cells_cell(c, number);
    if (cell->changed == c->stretch)
        return;
    cell->changed = c->stretch;
    c->changed[c->changed_count++] = number;
    c->changed_bytes += CELL_COST + cell->capacity;
}

static int
change(const struct il_memory *m, const char *key, size_t len,
       uint64_t position, const void *value, size_t value_len, uint32_t end,
       int make)
{
    struct cells *c = m->cells;
    uint32_t number;
    int err;
    if (m->covered && position <= c->position)
        return 0; /* it knows what came of that */
    const struct cells_key *k = key_last(m, key, len);
    struct cell *cell = cell_of(c, k, make, &number, &err);
    if (!cell)
        return err;
    size_t all = make ? CELL_HEAD + k->len + value_len : 0;
    if (c->copying)
        cells_copy_first(c, cell);
    if (cells_changed_room(c, 1) || cell_room(c, cell, all)
        || note(c, number, cell))
        return -ENOMEM;
    if (make) {
        memcpy(cell->value, &k->tag, sizeof k->tag);
        cell->value[4] = (char) k->len;
        memcpy(cell->value + CELL_HEAD, k->text, k->len);
        if (value_len)
            memcpy(cell->value + CELL_HEAD + k->len, value, value_len);
    }
    cell->len = (uint16_t) all;
    cell->end = end;
    cell->position = position;
    cells_changed_add(c, number);
    if (c->copying)
        cells_copy(c, COPY_EACH);
    return 0;
}

int
cells_put(const struct il_memory *m, const char *key, size_t len,
          uint64_t position, const void *value, size_t value_len,
          int64_t end_us)
{
    int64_t end = end_us > 0 ? (end_us + 999999) / 1000000 : CELLS_NO_END;
    if (value_len > IL_MEMORY_VALUE_MAX)
        return -EMSGSIZE;
    return change(m, key, len, position, value, value_len,
                  end < CELLS_NO_END ? (uint32_t) end : CELLS_NO_END, 1);
}

int
cells_forget(const struct il_memory *m, const char *key, size_t len,
             uint64_t position)
{
    return change(m, key, len, position, NULL, 0, CELLS_NO_END, 0);
}

/* --- batches -------------------------------------------------------------- */

void
cells_begin(struct cells *c, struct cells_undo *u)
{
    c->undo = u;
    c->moved = 1;
    c->changed_before = c->changed_bytes;
    cells_share(c);
}

/* Changes of a batch are not to be all that there is memory for. */
void
cells_made(struct cells *c, uint32_t events)
{
    const uint64_t more = c->changed_bytes - c->changed_before;
    if (events >= EVENTS_TELL)
        c->event_bytes = more / events + 1;
}

uint32_t
cells_batch(const struct cells *c)
{
    const uint64_t most =
        c->room / BATCH_PART / (c->event_bytes ? c->event_bytes : EVENT_GUESS);
    return most > UINT32_MAX      ? UINT32_MAX
           : most < BATCH_LEAST ? BATCH_LEAST
                                : (uint32_t) most;
}

/* Newest first, so that each is at last as it was at first.  Nothing fails: a
 * cell that has changed stays in memory, and had room for what was in it. */
void
cells_undo(struct cells *c, struct cells_undo *u)
{
    c->last.where = LAST_UNKNOWN;
    for (size_t at = u->last; u->was.len;) {
        const struct cells_was *was = (const void *) (u->was.data + at);
        struct cell *cell = cells_was_cell(c, was);
        if (cell) {
            memcpy(cell->value, was->value, was->len);
            cell->len = (uint16_t) was->len;
            cell->position = was->position;
            cell->end = was->end;
        }
        if (!at)
            break;
        at = was->before;
    }
    cells_settle(u);
}

void
cells_settle(struct cells_undo *u)
{
    u->was.len = u->last = 0;
}
