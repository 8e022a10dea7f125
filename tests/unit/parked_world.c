/* SPDX-License-Identifier: MIT */
#include "parked_world.h"

#include "tempdir.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>

char *world_root;
char world_data[4200];
char world_said[16384];
struct parked *world;
struct parked_lane *lane;
struct il_text world_buffer;
static int kept_stderr;

/* --- a store -------------------------------------------------------------- */

void
world_reopen_with(uint64_t file_bytes)
{
    struct parked_limits limits = { file_bytes };
    world_close();
    ck_assert_int_eq(parked_open(world_root, PARKED_MAKE, &limits, &world), 0);
    ck_assert_int_eq(parked_lane(world, LANE, SPOOL, &lane), 0);
}

void
world_reopen(void)
{
    world_reopen_with(0);
}

void
world_close(void)
{
    parked_close(world);
    world = NULL;
    lane = NULL;
}

void
world_setup(void)
{
    world_root = tempdir_make();
    snprintf(world_data, sizeof world_data, "%s/parked/data.mdb", world_root);
    world_reopen();
}

void
world_teardown(void)
{
    text_clear(&world_buffer);
    world_close();
    tempdir_remove(world_root);
}

/* --- records -------------------------------------------------------------- */

static const char *
event_text(uint64_t position)
{
    static _Thread_local char texts[4096][28];
    char *text = texts[position % 4096];
    snprintf(text, sizeof texts[0], "event %" PRIu64, position);
    return text;
}

struct parked_event
world_event(uint64_t position, uint64_t order_hash)
{
    struct parked_event e = {
        .position = position,
        .attempts = 1,
        .first_us = NOW,
        .since_us = NOW,
        .code = "status",
        .message = "503 Service Unavailable",
        .target = "https://hooks.example.com:443",
        .order_hash = order_hash,
        .event = event_text(position),
        .event_len = strlen(event_text(position)),
    };
    return e;
}

struct parked_letter
world_letter(uint64_t position)
{
    struct parked_letter l = {
        .position = position,
        .attempts = 5,
        .first_us = NOW - SECOND,
        .at_us = NOW,
        .code = "exhausted",
        .message = "404 Not Found",
        .target = "https://hooks.example.com:443",
        .event = event_text(position),
        .event_len = strlen(event_text(position)),
    };
    return l;
}

int
world_settle(uint64_t before, uint64_t last, const struct parked_event *e,
             size_t n, const struct parked_letter *l, size_t m)
{
    return parked_settle(lane, before, last, SPOOL, e, n, l, m);
}

/* --- what must be true ---------------------------------------------------- */

struct seen {
    MDB_txn *txn;
    uint32_t number;
    struct parked_state state, counted;
    size_t due;
};

static int
has_key(MDB_txn *txn, MDB_dbi dbi, uint32_t number, uint64_t middle,
        uint64_t position)
{
    uint8_t bytes[PARKED_LONG_KEY];
    parked_long_key(bytes, number, middle, position);
    MDB_val key = { sizeof bytes, bytes }, value;
    return mdb_get(txn, dbi, &key, &value) == 0;
}

static void
verify_event(struct seen *s, const struct parked_event *e)
{
    int head = !parked_behind(world, s->txn, s->number, e);
    int due = has_key(s->txn, world->due, s->number,
                      (uint64_t) parked_due_us(e), e->position);
    if (head != due)
        ck_abort_msg("%" PRIu64 ": head %d, due %d", e->position, head, due);
    s->due += (size_t) due;
    if (e->order_hash) {
        ck_assert(has_key(s->txn, world->chain, s->number, e->order_hash,
                          e->position));
        s->counted.chained++;
    }
    if (head)
        ck_assert_int_le(e->since_us, s->state.since_max);
}

static size_t
verify_table(struct seen *s, MDB_dbi dbi, enum parked_kind kind)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t n = 0;
    ck_assert_int_eq(mdb_cursor_open(s->txn, dbi, &cursor), 0);
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (parked_key_number(key.mv_data) != s->number)
            continue;
        n++;
        struct parked_event e;
        uint64_t position = parked_key_u64((char *) key.mv_data + 4);
        if (!kind)
            continue;
        ck_assert_int_eq(parked_record_view(value.mv_data, value.mv_size,
                                            s->number, kind, position, &e),
                         0);
        if (kind == PARKED_EVENT)
            verify_event(s, &e);
        *(kind == PARKED_EVENT ? &s->counted.parked_bytes
                               : &s->counted.letter_bytes) += value.mv_size;
    }
    mdb_cursor_close(cursor);
    return n;
}

static void
verify_lane(struct seen *s)
{
    s->counted.parked = verify_table(s, world->parked, PARKED_EVENT);
    s->counted.letters = verify_table(s, world->letters, PARKED_LETTER);
    ck_assert_uint_eq(s->counted.parked, s->state.parked);
    ck_assert_uint_eq(s->counted.parked_bytes, s->state.parked_bytes);
    ck_assert_uint_eq(s->counted.letters, s->state.letters);
    ck_assert_uint_eq(s->counted.letter_bytes, s->state.letter_bytes);
    ck_assert_uint_eq(s->counted.chained, s->state.chained);
    ck_assert_uint_eq(verify_table(s, world->chain, 0), s->state.chained);
    ck_assert_uint_eq(verify_table(s, world->due, 0), s->due);
}

void
world_verify(void)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_txn *txn;
    ck_assert_int_eq(store_begin(&world->store, MDB_RDONLY, &txn), 0);
    ck_assert_int_eq(mdb_cursor_open(txn, world->lane, &cursor), 0);
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct seen s = { .txn = txn,
                          .number = parked_key_number(key.mv_data) };
        if (!s.number)
            continue;
        ck_assert_int_eq(parked_state_get(world, txn, s.number, &s.state), 0);
        verify_lane(&s);
    }
    mdb_cursor_close(cursor);
    store_abort(&world->store, txn);
}

const char *
world_due(int64_t now_us)
{
    static char text[4096];
    struct parked_due due[256];
    int64_t next;
    int n = parked_due(lane, now_us, NULL, due, 256, &next);
    size_t len = 0;
    ck_assert_int_ge(n, 0);
    text[0] = 0;
    for (int i = 0; i < n; i++)
        len += (size_t) snprintf(text + len, sizeof text - len, "%s%" PRIu64,
                                 i ? " " : "", due[i].position);
    return text;
}

/* --- one ---------------------------------------------------------------- */

void
world_put(uint64_t before, uint64_t last, const struct parked_event *e,
          size_t n)
{
    ck_assert_int_eq(world_settle(before, last, e, n, NULL, 0), 0);
    world_verify();
}

struct parked_event
world_get(uint64_t position)
{
    struct parked_event e;
    ck_assert_int_eq(parked_read(lane, position, &world_buffer, &e), 1);
    return e;
}

int
world_is_parked(uint64_t position)
{
    struct parked_event e;
    int found = parked_read(lane, position, &world_buffer, &e);
    ck_assert_int_ge(found, 0);
    return found;
}

int
world_is_letter(uint64_t position)
{
    struct parked_letter l;
    int found = parked_letter_read(lane, position, &world_buffer, &l);
    ck_assert_int_ge(found, 0);
    return found;
}

struct parked_result
world_result(uint64_t position, enum parked_outcome outcome)
{
    struct parked_event e = world_get(position);
    struct parked_result r = {
        .position = position,
        .turn = e.turn,
        .outcome = outcome,
        .attempts = e.attempts + 1,
        .at_us = NOW + 10 * SECOND,
        .delay_us = 120 * SECOND,
        .code = "status",
        .message = "502 Bad Gateway",
    };
    return r;
}

int
world_retried(uint64_t position, enum parked_outcome outcome)
{
    struct parked_result r = world_result(position, outcome);
    ck_assert_int_eq(parked_retried(lane, &r, 1), 0);
    world_verify();
    return r.stood;
}

/* --- what is said --------------------------------------------------------- */

static void
said_path(char out[4200])
{
    snprintf(out, 4200, "%s/stderr", world_root);
}

void
world_listen(void)
{
    char path[4200];
    said_path(path);
    fflush(stderr);
    kept_stderr = dup(2);
    ck_assert_ptr_nonnull(freopen(path, "w", stderr));
}

void
world_heard(void)
{
    char path[4200];
    said_path(path);
    fflush(stderr);
    ck_assert_int_ge(dup2(kept_stderr, 2), 0);
    close(kept_stderr);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    world_said[fread(world_said, 1, sizeof world_said - 1, f)] = 0;
    fclose(f);
}

int
world_says(const char *text)
{
    int n = 0;
    for (const char *at = world_said; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* --- damage --------------------------------------------------------------- */

struct damage {
    enum parked_kind kind;
    uint64_t position;
    size_t at;
};

static int
damage_run(void *arg, MDB_txn *txn)
{
    const struct damage *d = arg;
    uint8_t bytes[PARKED_KEY];
    parked_key(bytes, lane->number, d->position);
    MDB_val key = { sizeof bytes, bytes }, value;
    MDB_dbi dbi = parked_dbi(world, d->kind);
    int rc = mdb_get(txn, dbi, &key, &value);
    if (rc)
        return rc;
    char *copy = malloc(value.mv_size);
    memcpy(copy, value.mv_data, value.mv_size);
    copy[d->at < value.mv_size ? d->at : value.mv_size - 1] ^= 0x20;
    value.mv_data = copy;
    rc = mdb_put(txn, dbi, &key, &value, 0);
    free(copy);
    return rc;
}

void
world_damage(enum parked_kind kind, uint64_t position, size_t at)
{
    struct damage d = { kind, position, at };
    ck_assert_int_eq(store_update(&world->store, damage_run, &d), 0);
}
