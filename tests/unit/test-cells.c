/* SPDX-License-Identifier: MIT */
/* What steps remember, against a model: batches that are taken back, settle out
 * of step with checkpoints, and starts in between. */
#include "base/api.h"
#include "base/log.h"
#include "cells/private.h"
#include "codec/batch.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/il-cells-XXXXXX";
static struct il_memory first = { .step = "a", .lineage = 0x1111222233334444 };
static struct il_memory second = { .step = "b", .lineage = 0x5555666677778888 };
static struct il_memory *const memories[] = { &first, &second };
static struct cells *cells;
static uint64_t bytes_max;
static _Atomic int sync_error;

static int
sync_position(void *arg)
{
    ck_assert_ptr_eq(arg, &cells);
    return sync_error;
}

static int
open_cells(size_t count, uint64_t end)
{
    struct cells_options o = { .lane = "p/d",
                               .dir = dir,
                               .spool = "a spool that is",
                               .memories = memories,
                               .count = count,
                               .bytes_max = bytes_max,
                               .sync = sync_position,
                               .sync_arg = &cells };
    return cells_open(&o, end, &cells);
}

static void
setup(void)
{
    strcpy(dir, "/tmp/il-cells-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    first.lineage = 0x1111222233334444;
    bytes_max = 0;
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
}

static void
each_file(int (*fn)(const char *path))
{
    char path[sizeof dir + 300];
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            fn(path);
    }
    closedir(d);
}

static void
teardown(void)
{
    cells_close(cells);
    each_file(unlink);
    rmdir(dir);
}

static void
restart(void)
{
    cells_close(cells);
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
}

static void
checkpoint(uint64_t position, const struct cells_undo *const *batches, size_t n)
{
    struct batch_stream at = { .us = (int64_t) position * 1000000 };
    ck_assert_int_eq(cells_checkpoint(cells, position, &at, batches, n), 0);
    ck_assert_int_eq(cells_wait(cells), 0);
    ck_assert_uint_eq(cells_position(cells), position);
}

static void
put(struct il_memory *m, const char *key, uint64_t position, const char *value)
{
    ck_assert_int_eq(
        cells_put(m, key, strlen(key), position, value, strlen(value), 0), 0);
}

static void
expect(struct il_memory *m, const char *key, const char *value)
{
    struct il_remembered r;
    int found = cells_get(m, key, strlen(key), 0, &r);
    ck_assert_msg(found == (value != NULL), "%s: found %d", key, found);
    if (value)
        ck_assert_msg(r.len == strlen(value) && !memcmp(r.value, value, r.len),
                      "%s: %.*s", key, (int) r.len, (const char *) r.value);
}

START_TEST(cells_are_found_again)
{
    expect(&first, "k", NULL);
    put(&first, "k", 1, "one");
    expect(&first, "k", "one");
    expect(&second, "k", NULL);
    put(&first, "k", 2, "another, which is longer");
    put(&second, "k", 2, "");
    expect(&first, "k", "another, which is longer");
    expect(&second, "k", "");
    checkpoint(2, NULL, 0);
    put(&first, "lost", 3, "x");
    restart();
    expect(&first, "k", "another, which is longer");
    expect(&second, "k", "");
    expect(&first, "lost", NULL);
    ck_assert_int_eq(cells_stream(cells).us, 2000000);
    ck_assert_int_eq(cells_forget(&first, "k", 1, 3), 0);
    expect(&first, "k", NULL);
    checkpoint(3, NULL, 0);
    restart();
    expect(&first, "k", NULL);
    expect(&second, "k", "");
}
END_TEST

START_TEST(cells_end)
{
    struct il_remembered r;
    ck_assert_int_eq(cells_put(&first, "k", 1, 5, "v", 1, 10000001), 0);
    ck_assert_int_eq(cells_get(&first, "k", 1, 10999999, &r), 1);
    ck_assert_int_eq(r.end_us, 11000000);
    ck_assert_uint_eq(r.position, 5);
    ck_assert_int_eq(cells_get(&first, "k", 1, 11000000, &r), 0);
    checkpoint(5, NULL, 0);
    restart();
    ck_assert_int_eq(cells_get(&first, "k", 1, 10999999, &r), 1);
    ck_assert_uint_eq(r.position, 5);
    ck_assert_int_eq(cells_get(&first, "k", 1, 11000000, &r), 0);
}
END_TEST

/* It goes in a merge, and what it stood for is in a run that is not merged. */
START_TEST(what_has_ended_brings_nothing_back)
{
    struct il_remembered r;
    char key[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(&first, key, 1, "v");
    }
    put(&first, "k", 1, "old");
    checkpoint(1, NULL, 0);
    ck_assert_int_eq(cells_put(&first, "k", 1, 2, "new", 3, 3000000), 0);
    for (uint64_t at = 2; at < 60; at++) {
        snprintf(key, sizeof key, "n%" PRIu64, at);
        put(&second, key, at, "v");
        checkpoint(at, NULL, 0);
    }
    restart();
    expect(&second, "n2", "v");
    ck_assert_int_eq(cells_get(&first, "k", 1, 60000000, &r), 0);
    ck_assert_int_eq(cells_get(&first, "7", 1, 60000000, &r), 1);
}
END_TEST

static struct cells_stats
stats_after(int (*enough)(const struct cells_stats *))
{
    struct cells_stats st;
    for (int i = 0; i < 500; i++) {
        cells_install(cells);
        cells_stats(cells, &st);
        if (enough(&st))
            break;
        usleep(10000);
    }
    return st;
}

static int
most_have_gone(const struct cells_stats *st)
{
    return st->keys < 1000;
}

static int
many_have_gone(const struct cells_stats *st)
{
    return st->keys < 9000;
}

START_TEST(what_has_ended_goes_from_the_disk)
{
    struct cells_stats st;
    /* Most of them end at 100 s, others at 200 s, some never. */
    for (uint64_t i = 1; i <= 10000; i++) {
        int64_t end = i % 100 == 0 ? 0 : i % 3 ? 100000000 : 200000000;
        ck_assert_int_eq(
            cells_put(&first, (char *) &i, sizeof i, 10, &i, sizeof i, end), 0);
    }
    checkpoint(10, NULL, 0);
    cells_stats(cells, &st);
    ck_assert_uint_gt(st.keys, 10000);
    put(&first, "now", 99, "v");
    checkpoint(99, NULL, 0);
    usleep(50000);
    cells_stats(cells, &st);
    ck_assert_uint_gt(st.keys, 10000);
    put(&first, "now", 150, "w");
    checkpoint(150, NULL, 0);
    st = stats_after(many_have_gone);
    ck_assert_uint_lt(st.keys, 3500);
    put(&first, "now", 200, "x");
    checkpoint(200, NULL, 0);
    st = stats_after(most_have_gone);
    ck_assert_uint_lt(st.keys, 110);
    restart();
    expect(&first, "now", "x");
    for (uint64_t i = 1; i <= 10000; i++) {
        struct il_remembered r;
        int found = cells_get(&first, (char *) &i, sizeof i, 200000000, &r);
        ck_assert_int_eq(found, i % 100 == 0);
    }
    ck_assert_int_eq(cells_stream(cells).us, 200000000);
}
END_TEST

START_TEST(long_keys_and_values)
{
    static char key[3000], value[IL_MEMORY_VALUE_MAX + 1];
    struct il_remembered r;
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    for (size_t len = 200; len <= sizeof key; len += 7)
        ck_assert_int_eq(cells_put(&first, key, len, len, &len, sizeof len, 0),
                         0);
    ck_assert_int_eq(cells_put(&first, key, 1, 1, value, sizeof value, 0),
                     -EMSGSIZE);
    ck_assert_int_eq(cells_put(&first, key, 1, 1, value, sizeof value - 1, 0),
                     0);
    ck_assert_int_eq(cells_put(&first, NULL, 0, 1, value, 1, 0), 0);
    checkpoint(3000, NULL, 0);
    restart();
    for (size_t len = 200; len <= sizeof key; len += 7) {
        ck_assert_int_eq(cells_get(&first, key, len, 0, &r), 1);
        ck_assert(r.len == sizeof len && !memcmp(r.value, &len, r.len));
    }
    ck_assert_int_eq(cells_get(&first, key, 1, 0, &r), 1);
    ck_assert_uint_eq(r.len, IL_MEMORY_VALUE_MAX);
    ck_assert_int_eq(cells_get(&first, NULL, 0, 0, &r), 1);
    ck_assert_int_eq(cells_get(&first, key, 2, 0, &r), 0);
}
END_TEST

START_TEST(what_changes_meanwhile_is_of_the_next_one)
{
    struct batch_stream at = { .us = 1 };
    char key[20];
    for (uint64_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%" PRIu64, i);
        put(&first, key, i + 1, "before");
    }
    ck_assert_int_eq(cells_checkpoint(cells, 5000, &at, NULL, 0), 0);
    for (uint64_t i = 0; i < 5000; i += 3) {
        snprintf(key, sizeof key, "%" PRIu64, (i * 7) % 5000);
        put(&first, key, 5001 + i, "a value that came later");
        put(&second, key, 5001 + i, "new");
        if (i % 1000 == 0)
            cells_install(cells);
    }
    ck_assert_int_eq(cells_wait(cells), 0);
    restart();
    for (uint64_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%" PRIu64, i);
        expect(&first, key, "before");
        expect(&second, key, NULL);
    }
}
END_TEST

START_TEST(no_checkpoint_counts_before_the_position_is_on_the_disk)
{
    struct batch_stream at = { .us = 1 };
    put(&first, "k", 1, "one");
    sync_error = -EIO;
    ck_assert_int_eq(cells_checkpoint(cells, 1, &at, NULL, 0), 0);
    ck_assert_int_eq(cells_wait(cells), -EIO);
    ck_assert_uint_eq(cells_position(cells), 0);
    sync_error = 0;
    restart();
    expect(&first, "k", NULL);
    put(&first, "k", 1, "one");
    checkpoint(1, NULL, 0);
}
END_TEST

START_TEST(what_is_made_another_way_is_not_found)
{
    put(&first, "k", 1, "one");
    put(&second, "k", 1, "two");
    cells_cover(cells);
    checkpoint(1, NULL, 0);
    restart();
    ck_assert(!cells_uncovered(cells));
    cells_close(cells);
    first.lineage++;
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
    ck_assert(cells_uncovered(cells));
    expect(&first, "k", NULL);
    expect(&second, "k", "two");
    /* Made again of what was before: only the one that does not know it. */
    put(&first, "k", 1, "other");
    put(&second, "k", 1, "other");
    expect(&first, "k", "other");
    expect(&second, "k", "two");
    cells_cover(cells);
    put(&first, "k", 1, "late");
    expect(&first, "k", "other");
}
END_TEST

START_TEST(behind_one_that_knows_it_begins_empty)
{
    put(&first, "k", 1, "one");
    put(&second, "k", 1, "two");
    cells_cover(cells);
    checkpoint(1, NULL, 0);
    cells_close(cells);
    second.lineage++;
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
    ck_assert(!cells_uncovered(cells));
    expect(&second, "k", NULL);
    put(&second, "k", 1, "before");
    expect(&second, "k", NULL);
    put(&second, "k", 2, "later");
    expect(&second, "k", "later");
    expect(&first, "k", "one");
    second.lineage--;
}
END_TEST

START_TEST(a_spool_that_ends_before_is_not_believed)
{
    put(&first, "k", 10, "one");
    checkpoint(10, NULL, 0);
    cells_close(cells);
    ck_assert_int_eq(open_cells(2, 9), 0);
    ck_assert_uint_eq(cells_position(cells), 9);
    expect(&first, "k", NULL);
    ck_assert_int_eq(cells_reload(cells, 1), 0);
    ck_assert_uint_eq(cells_position(cells), 0);
}
END_TEST

/* As fast as they come: what is in memory, and the checkpoints' part of it. */
static void
put_many(uint64_t from, uint64_t to, size_t key_len, uint64_t most)
{
    static char key[200], value[100];
    struct cells_undo undo = { .last = 0 };
    struct cells_stats st;
    int64_t then;
    memset(key, 'k', sizeof key);
    for (uint64_t i = from; i < to; i++) {
        if (i % 100 == 0) {
            cells_settle(&undo);
            cells_install(cells);
            if (cells_due(cells, 0, &then))
                cells_checkpoint(cells, i, &(struct batch_stream){ .us = 1 },
                                 NULL, 0);
            if (cells_full(cells))
                ck_assert_int_eq(cells_wait(cells), 0);
            cells_begin(cells, &undo);
        }
        memcpy(key, &i, sizeof i);
        ck_assert_int_eq(cells_put(&first, key, key_len, i, value,
                                   i % sizeof value, 0),
                         0);
        cells_stats(cells, &st);
        ck_assert_uint_lt(st.bytes, most);
    }
    text_clear(&undo.was);
    cells_wait(cells);
}

START_TEST(memory_is_what_it_may_be)
{
    struct il_remembered r;
    cells_close(cells);
    bytes_max = 2 << 20;
    ck_assert_int_eq(open_cells(2, UINT64_C(1) << 40), 0);
    put_many(1, 50000, 20, 3 << 20);
    ck_assert_uint_le(cells_batch(cells), (2 << 20) / 8 / 100);
    /* Values of other sizes get the memory of those that were. */
    put_many(50000, 200000, 100, 3 << 20);
    put_many(200000, 300000, 200, 3 << 20);
    ck_assert_uint_lt(cells->values.region_count << 18, 3 << 20);
    if (!cells_rest(cells)) {
        checkpoint(300000, NULL, 0);
        ck_assert_int_eq(cells_rest(cells), 1);
    }
    struct cells_stats st;
    cells_stats(cells, &st);
    ck_assert_uint_eq(st.bytes, 0);
    char key[200];
    memset(key, 'k', sizeof key);
    for (uint64_t i = 1; i < 300000; i += 9973) {
        memcpy(key, &i, sizeof i);
        ck_assert_int_eq(cells_get(&first, key, i < 50000    ? 20
                                                : i < 200000 ? 100
                                                             : 200,
                                   0, &r),
                         1);
    }
}
END_TEST

static int
flip(const char *path)
{
    char byte;
    int fd = open(path, O_RDWR);
    struct stat st;
    fstat(fd, &st);
    for (off_t at = 0; at < st.st_size; at += 97) {
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte = (char) ~byte;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    }
    return close(fd);
}

START_TEST(what_is_damaged_is_no_more)
{
    struct il_remembered r;
    for (uint64_t i = 1; i <= 100; i++)
        ck_assert_int_eq(
            cells_put(&first, (char *) &i, sizeof i, i, &i, sizeof i, 0), 0);
    checkpoint(100, NULL, 0);
    cells_close(cells);
    each_file(flip);
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
    ck_assert_uint_eq(cells_position(cells), 0);
    for (uint64_t i = 1; i <= 100; i++)
        ck_assert_int_eq(cells_get(&first, (char *) &i, sizeof i, 0, &r), 0);
    put(&first, "k", 1, "v");
    checkpoint(1, NULL, 0);
    restart();
    expect(&first, "k", "v");
}
END_TEST

static int
list_go(const char *path)
{
    return strcmp(strrchr(path, '/'), "/RUNS") ? 0 : unlink(path);
}

START_TEST(a_run_that_is_not_named_is_nothing)
{
    put(&first, "k", 1, "v");
    checkpoint(1, NULL, 0);
    cells_close(cells);
    each_file(list_go); /* as before the first of all was named */
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
    ck_assert_uint_eq(cells_position(cells), 0);
    expect(&first, "k", NULL);
}
END_TEST

static int
second_go(const char *path)
{
    return strcmp(strrchr(path, '/'), "/0000000000000002.run") ? 0
                                                               : unlink(path);
}

START_TEST(behind_a_run_that_is_lost_nothing_is_known)
{
    put(&first, "k", 1, "one");
    checkpoint(1, NULL, 0);
    put(&first, "k", 2, "two");
    checkpoint(2, NULL, 0);
    put(&first, "k", 3, "three");
    checkpoint(3, NULL, 0);
    cells_close(cells);
    each_file(second_go);
    ck_assert_int_eq(open_cells(2, 1 << 30), 0);
    ck_assert_uint_eq(cells_position(cells), 1);
    expect(&first, "k", "one");
    put(&first, "k", 2, "two");
    checkpoint(2, NULL, 0);
    restart();
    expect(&first, "k", "two");
}
END_TEST

/* --- a model -------------------------------------------------------------- */

#define KEYS 400
#define FLIGHTS 5

struct model {
    uint32_t value[2][KEYS]; /* 0: none */
};

static struct model now, settled, written;
static struct {
    struct cells_undo undo;
    struct model before, after;
    uint64_t last;
} flights[FLIGHTS];
static size_t flying;
static unsigned seed;

static unsigned
any(unsigned n)
{
    return (unsigned) rand_r(&seed) % n;
}

/* Values of some length that follow from the number. */
static size_t
value_of(uint32_t n, char out[300])
{
    size_t len = 4 + n % 200;
    memset(out, (int) (n & 127), len);
    memcpy(out, &n, 4);
    return len;
}

static void
compare(const struct model *m)
{
    char want[300];
    struct il_remembered r;
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < KEYS; i++) {
            uint32_t n = m->value[k][i];
            int found = cells_get(memories[k], (char *) &i, sizeof i, 0, &r);
            ck_assert_msg(found == (n != 0), "seed, key %u: found %d", i,
                          found);
            if (n)
                ck_assert(r.len == value_of(n, want)
                          && !memcmp(r.value, want, r.len));
        }
}

static void
fly(uint64_t *position)
{
    char value[300];
    uint32_t number = (uint32_t) *position * 1000;
    flights[flying].before = now;
    cells_begin(cells, &flights[flying].undo);
    for (unsigned n = any(30); n > 0; n--) {
        int k = (int) any(2);
        uint32_t i = any(KEYS);
        ++*position;
        if (any(8)) {
            now.value[k][i] = ++number;
            ck_assert_int_eq(cells_put(memories[k], (char *) &i, sizeof i,
                                       *position, value,
                                       value_of(number, value), 0),
                             0);
        } else {
            now.value[k][i] = 0;
            ck_assert_int_eq(
                cells_forget(memories[k], (char *) &i, sizeof i, *position), 0);
        }
    }
    flights[flying].after = now;
    flights[flying++].last = ++*position;
}

static void
undo_newest(void)
{
    cells_undo(cells, &flights[--flying].undo);
    now = flights[flying].before;
}

static void
settle_oldest(uint64_t *position)
{
    *position = flights[0].last;
    settled = flights[0].after;
    cells_settle(&flights[0].undo);
    struct cells_undo room = flights[0].undo;
    flying--;
    memmove(&flights[0], &flights[1], flying * sizeof flights[0]);
    flights[flying].undo = room;
}

static void
check_point(uint64_t position)
{
    const struct cells_undo *batches[FLIGHTS];
    struct batch_stream at = { .us = 1 };
    for (size_t i = 0; i < flying; i++)
        batches[i] = &flights[i].undo;
    int err = cells_checkpoint(cells, position, &at, batches, flying);
    ck_assert(!err || err == -EBUSY);
    if (!err)
        written = settled;
    if (any(2))
        ck_assert_int_eq(cells_wait(cells), 0);
}

START_TEST(it_is_as_the_model)
{
    uint64_t position = 0, at = 0;
    seed = (unsigned) _i + 1;
    bytes_max = _i % 2 ? 20000 : 0;
    cells_close(cells);
    ck_assert_int_eq(open_cells(2, UINT64_C(1) << 40), 0);
    memset(&now, 0, sizeof now);
    settled = written = now;
    flying = 0;
    for (int round = 0; round < 3000; round++) {
        switch (any(8)) {
        case 0:
        case 1:
        case 2:
            if (flying < FLIGHTS)
                fly(&position);
            break;
        case 3:
            if (flying)
                undo_newest();
            break;
        case 4:
        case 5:
            if (flying)
                settle_oldest(&at);
            break;
        case 6:
            check_point(at);
            break;
        default:
            cells_install(cells);
            if (!any(20))
                compare(&now);
            if (!flying)
                cells_rest(cells);
        }
        if (!any(200)) { /* a start: what is not written is gone */
            while (flying)
                undo_newest();
            compare(&settled);
            if (any(2)) {
                cells_close(cells);
                ck_assert_int_eq(open_cells(2, UINT64_C(1) << 40), 0);
            } else {
                ck_assert_int_eq(cells_reload(cells, 0), 0);
            }
            now = settled = written;
            compare(&now);
        }
    }
    for (size_t i = 0; i < FLIGHTS; i++)
        text_clear(&flights[i].undo.was);
    memset(flights, 0, sizeof flights);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cells");
    TCase *tc = tcase_create("cells");
    log_level_set(0);
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, cells_are_found_again);
    tcase_add_test(tc, cells_end);
    tcase_add_test(tc, what_has_ended_brings_nothing_back);
    tcase_add_test(tc, what_has_ended_goes_from_the_disk);
    tcase_add_test(tc, long_keys_and_values);
    tcase_add_test(tc, what_changes_meanwhile_is_of_the_next_one);
    tcase_add_test(tc, no_checkpoint_counts_before_the_position_is_on_the_disk);
    tcase_add_test(tc, what_is_made_another_way_is_not_found);
    tcase_add_test(tc, behind_one_that_knows_it_begins_empty);
    tcase_add_test(tc, a_spool_that_ends_before_is_not_believed);
    tcase_add_test(tc, what_is_damaged_is_no_more);
    tcase_add_test(tc, memory_is_what_it_may_be);
    tcase_add_test(tc, a_run_that_is_not_named_is_nothing);
    tcase_add_test(tc, behind_a_run_that_is_lost_nothing_is_known);
    tcase_add_loop_test(tc, it_is_as_the_model, 0, 6);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
