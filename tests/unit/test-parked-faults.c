/* SPDX-License-Identifier: MIT */
/* The store of lanes by event when its file is damaged, full or cut, and when
 * its process is killed. */
#include "parked_world.h"

#include "slow.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- damaged records ------------------------------------------------------ */

static int
walk_any(void *arg, const char *name, const struct parked_event *e)
{
    (void) name;
    (void) e;
    ++*(size_t *) arg;
    return 0;
}

static size_t
walked(void)
{
    size_t n = 0;
    ck_assert_int_eq(parked_walk(world, NULL, walk_any, &n), 0);
    return n;
}

START_TEST(a_change_of_any_byte_is_noticed)
{
    struct parked_event e = world_event(1, 7), read;
    world_put(0, 1, &e, 1);
    for (size_t at = 0; at < parked_record_size(&e); at++) {
        world_damage(PARKED_EVENT, 1, at);
        int found = parked_read(lane, 1, &world_buffer, &read);
        if (found != -EIO)
            ck_abort_msg("byte %zu: %d", at, found);
        world_damage(PARKED_EVENT, 1, at); /* as it was */
        ck_assert_int_eq(parked_read(lane, 1, &world_buffer, &read), 1);
    }
}
END_TEST

START_TEST(a_damaged_record_is_left_out_said_once_and_can_be_dropped)
{
    struct parked_event e[] = { world_event(1, 0), world_event(2, 0),
                                world_event(3, 0) };
    struct parked_event read;
    struct parked_counts c;
    world_put(0, 3, e, 3);
    struct parked_result r = world_result(2, PARKED_DELIVERED);
    world_damage(PARKED_EVENT, 2, 100);
    world_listen();
    ck_assert_int_eq(parked_read(lane, 2, &world_buffer, &read), -EIO);
    ck_assert_int_eq(parked_read(lane, 2, &world_buffer, &read), -EIO);
    ck_assert_str_eq(world_due(NOW), "1 3");
    ck_assert_uint_eq(walked(), 2);
    ck_assert_int_eq(parked_now(lane, 2, NOW), -EIO);
    ck_assert_int_eq(parked_retried(lane, &r, 1), 0);
    ck_assert_int_eq(r.stood, 0);
    world_heard();
    ck_assert_int_eq(world_says("is damaged"), 1);
    ck_assert_int_eq(
        world_says("lane " LANE ": the parked event at position 2 is damaged"),
        1);
    ck_assert_int_eq(parked_counts(lane, &c), 0);
    ck_assert_uint_eq(c.parked, 3);
    ck_assert_int_eq(parked_drop(lane, 2), 0);
    world_verify();
    ck_assert_int_eq(parked_drop(lane, 2), -ENOENT);
}
END_TEST

START_TEST(a_damaged_letter_is_left_out_and_can_be_dropped)
{
    struct parked_letter l = world_letter(2), read;
    ck_assert_int_eq(world_settle(0, 2, NULL, 0, &l, 1), 0);
    world_damage(PARKED_LETTER, 2, 90);
    world_listen();
    ck_assert_int_eq(parked_letter_read(lane, 2, &world_buffer, &read), -EIO);
    ck_assert_int_eq(parked_again(lane, 2, NOW), -EIO);
    world_heard();
    ck_assert_int_eq(world_says("the letter at position 2 is damaged"), 1);
    ck_assert_int_eq(parked_drop(lane, 2), 0);
    world_verify();
}
END_TEST

/* What waits behind a head that cannot be read would be out of order. */
START_TEST(a_chain_waits_behind_a_damaged_head_until_it_is_dropped)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7),
                                world_event(3, 7), world_event(4, 7) };
    world_put(0, 4, e, 4);
    world_damage(PARKED_EVENT, 1, 80);
    ck_assert_str_eq(world_due(NOW), "");
    ck_assert_int_eq(parked_holds(lane, 7), 1);
    ck_assert_int_eq(parked_drop(lane, 1), 0);
    world_verify();
    ck_assert_str_eq(world_due(NOW), "2");
    world_damage(PARKED_EVENT, 3, 80); /* the next one */
    struct parked_result r = world_result(2, PARKED_DELIVERED);
    ck_assert_int_eq(parked_retried(lane, &r, 1), 0);
    ck_assert_int_eq(r.stood, 1);
    ck_assert_str_eq(world_due(NOW), "");
    ck_assert_int_eq(parked_drop(lane, 3), 0);
    world_verify();
    ck_assert_str_eq(world_due(NOW), "4");
}
END_TEST

START_TEST(a_batch_replaces_damaged_records_too)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 0),
                                world_event(5, 7) };
    struct parked_letter l = world_letter(3);
    ck_assert_int_eq(world_settle(4, 5, &e[2], 1, NULL, 0), 0);
    ck_assert_int_eq(world_settle(0, 3, e, 2, &l, 1), 0);
    world_damage(PARKED_EVENT, 1, 80);
    world_damage(PARKED_EVENT, 2, 0);
    world_damage(PARKED_LETTER, 3, 1);
    world_put(0, 3, &e[1], 1);
    ck_assert_str_eq(world_due(NOW), "2 5");
}
END_TEST

struct misplaced {
    uint64_t from, to;
};

/* Copy a record to another key, or (to 0) remove it and nothing else. */
static int
misplace(void *arg, MDB_txn *txn)
{
    const struct misplaced *m = arg;
    uint8_t bytes[PARKED_KEY];
    char copy[1000];
    parked_key(bytes, lane->number, m->from);
    MDB_val key = { sizeof bytes, bytes }, value;
    if (!m->to)
        return mdb_del(txn, world->parked, &key, NULL);
    int rc = mdb_get(txn, world->parked, &key, &value);
    if (rc || value.mv_size > sizeof copy)
        return rc ? rc : -EINVAL;
    memcpy(copy, value.mv_data, value.mv_size);
    value.mv_data = copy;
    parked_key(bytes, lane->number, m->to);
    return mdb_put(txn, world->parked, &key, &value, 0);
}

START_TEST(a_record_in_a_wrong_place_is_damaged)
{
    struct parked_event e[] = { world_event(1, 0), world_event(2, 0) }, read;
    struct misplaced m = { 1, 2 };
    world_put(0, 2, e, 2);
    ck_assert_int_eq(store_update(&world->store, misplace, &m), 0);
    ck_assert_int_eq(parked_read(lane, 2, &world_buffer, &read), -EIO);
    ck_assert_str_eq(world_due(NOW), "1");
    ck_assert_int_eq(parked_drop(lane, 2), 0);
    world_verify();
}
END_TEST

START_TEST(a_due_time_without_a_record_is_no_event)
{
    struct parked_event e[] = { world_event(1, 7), world_event(2, 7) };
    struct misplaced m = { .from = 1 };
    struct parked_due due;
    int64_t next;
    world_put(0, 2, e, 2);
    ck_assert_int_eq(store_update(&world->store, misplace, &m), 0);
    ck_assert_int_eq(parked_due(lane, NOW, NULL, &due, 1, &next), 0);
    ck_assert_int_eq(next, INT64_MAX);
    ck_assert_int_eq(world_is_parked(1), 0);
}
END_TEST

START_TEST(many_damaged_records_do_not_fill_the_log)
{
    enum { N = 200 };
    struct parked_event e[N], read;
    for (uint64_t i = 0; i < N; i++)
        e[i] = world_event(i + 1, 0);
    world_put(0, N, e, N);
    for (uint64_t i = 0; i < N - 1; i++)
        world_damage(PARKED_EVENT, i + 1, 50);
    world_listen();
    for (int twice = 0; twice < 2; twice++)
        for (uint64_t i = 0; i < N; i++)
            parked_read(lane, i + 1, &world_buffer, &read);
    ck_assert_str_eq(world_due(NOW), "200");
    world_heard();
    ck_assert_int_eq(world_says("is damaged"), PARKED_REPORTS);
    ck_assert_int_eq(world_says("no more such records are named"), 1);
}
END_TEST

static int
damage_lane(void *arg, MDB_txn *txn)
{
    struct parked_state s;
    char record[PARKED_STATE_MAX];
    uint8_t bytes[PARKED_KEY];
    int rc = parked_state_get(world, txn, lane->number, &s);
    (void) arg;
    if (rc)
        return rc;
    parked_key(bytes, lane->number, 0);
    MDB_val key = { 4, bytes };
    MDB_val value = { parked_state_write(record, lane->number, &s), record };
    record[value.mv_size - 3] ^= 1;
    return mdb_put(txn, world->lane, &key, &value, 0);
}

/* Which lane it was is not known, so no lane may begin anew at position 0. */
START_TEST(a_damaged_lane_stops_new_lanes_and_no_others)
{
    struct parked_lane *other, *found;
    struct parked_event e = world_event(9, 0);
    uint64_t position;
    ck_assert_int_eq(parked_lane(world, "b", SPOOL, &other), 0);
    world_put(8, 9, &e, 1);
    ck_assert_int_eq(store_update(&world->store, damage_lane, NULL), 0);
    world_listen();
    ck_assert_int_eq(parked_lane(world, LANE, SPOOL, &found), -EIO);
    ck_assert_int_eq(parked_lane(world, "c", SPOOL, &found), -EIO);
    ck_assert_int_eq(parked_lane(world, "b", SPOOL, &found), 0);
    ck_assert_int_eq(parked_position(lane, &position, NULL), -EIO);
    ck_assert_int_eq(world_settle(9, 10, &e, 0, NULL, 0), -EIO);
    ck_assert_uint_eq(walked(), 0);
    ck_assert_int_eq(parked_last(world, NULL, SPOOL, &position), 0);
    ck_assert_uint_eq(position, 9); /* its records count */
    world_heard();
    ck_assert_int_eq(world_says("the record of lane number 1 is damaged"), 1);
}
END_TEST

static int
other_format(void *arg, MDB_txn *txn)
{
    uint32_t number = 0, format[] = { 2, 1 };
    MDB_val key = { sizeof number, &number };
    MDB_val value = { sizeof format, format };
    (void) arg;
    return mdb_put(txn, world->lane, &key, &value, 0);
}

START_TEST(a_store_of_another_version_stays_closed_and_whole)
{
    struct parked *p;
    struct stat st;
    ck_assert_int_eq(store_update(&world->store, other_format, NULL), 0);
    world_close();
    ck_assert_int_eq(stat(world_data, &st), 0);
    off_t size = st.st_size;
    world_listen();
    ck_assert_int_eq(parked_open(world_root, PARKED_MAKE, NULL, &p), -EPROTO);
    world_heard();
    ck_assert_int_eq(world_says("is not a store that this version can read"),
                     1);
    ck_assert_int_eq(stat(world_data, &st), 0);
    ck_assert_int_eq(st.st_size, size);
}
END_TEST

/* --- full ----------------------------------------------------------------- */

static char filler[2000];

static off_t
file_size(void)
{
    struct stat st;
    ck_assert_int_eq(stat(world_data, &st), 0);
    return st.st_size;
}

/* Settle ten events at a time until it fails or is at `until`; the last
 * position that was settled. */
static uint64_t
fill_to(uint64_t at, uint64_t until, int expected)
{
    struct parked_event e[10];
    for (; at < until; at += 10) {
        for (uint64_t i = 0; i < 10; i++) {
            e[i] = world_event(at + i + 1, (at + i) % 7);
            e[i].event = filler;
            e[i].event_len = sizeof filler;
        }
        int err = world_settle(at, at + 10, e, 10, NULL, 0);
        if (err && err != expected) /* LMDB takes a short write for EIO */
            ck_assert(expected == -EFBIG && err == -EIO);
        if (err)
            break;
    }
    return at;
}

static uint64_t
fill(uint64_t at, int expected)
{
    return fill_to(at, UINT64_MAX, expected);
}

START_TEST(a_full_store_changes_nothing_and_can_be_emptied)
{
    struct parked_counts full, after;
    uint64_t position, at = 0;
    world_reopen_with(1 << 20);
    for (int round = 0; round < 30; round++) {
        at = fill(at, -ENOSPC);
        world_verify();
        ck_assert_int_eq(parked_counts(lane, &full), 0);
        ck_assert_int_eq(fill(at, -ENOSPC), at);
        ck_assert_int_eq(parked_counts(lane, &after), 0);
        ck_assert_mem_eq(&full, &after, sizeof full);
        ck_assert_int_eq(parked_position(lane, &position, NULL), 0);
        ck_assert_uint_eq(position, at);
        ck_assert_uint_gt(full.parked, 100);
        /* what takes out or changes goes on */
        struct parked_due due[40];
        struct parked_result r[40];
        int64_t next;
        int n = parked_due(lane, NOW, NULL, due, 40, &next);
        ck_assert_int_gt(n, 0);
        for (int i = 0; i < n; i++)
            r[i] = world_result(due[i].position, 1 + (round + i) % 3);
        ck_assert_int_eq(parked_retried(lane, r, (size_t) n), 0);
        for (int i = 0; i < n; i++) {
            ck_assert_int_eq(r[i].stood, 1);
            if (r[i].outcome == PARKED_GIVEN_UP)
                ck_assert_int_eq(parked_again(lane, r[i].position, NOW), 0);
            if (r[i].outcome != PARKED_DELIVERED) {
                ck_assert_int_ge(parked_now(lane, r[i].position, NOW), 0);
                ck_assert_int_eq(parked_drop(lane, r[i].position), 0);
            }
        }
        world_verify();
    }
    ck_assert_int_le(file_size(), 2 << 20);
    ck_assert_int_eq(parked_lane_rename(world, LANE, "b"), 0);
    ck_assert_int_eq(parked_lane_forget(world, "b"), 0);
    world_reopen_with(1 << 20);
    ck_assert_uint_gt(fill(0, -ENOSPC), 100);
    world_verify();
    ck_assert_int_le(file_size(), 2 << 20);
}
END_TEST

START_TEST(a_full_disk_changes_nothing)
{
    struct rlimit limit;
    uint64_t at = fill_to(0, 100, 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t) file_size() + 65536;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint64_t full = fill(at, -EFBIG);
    struct parked_counts c;
    ck_assert_int_eq(parked_counts(lane, &c), 0);
    ck_assert_uint_eq(c.parked, full);
    world_verify();
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct parked_event e = world_event(full + 1, 0);
    world_put(full, full + 1, &e, 1);
    world_reopen();
    world_verify();
    ck_assert_uint_eq(world_get(full + 1).position, full + 1);
}
END_TEST

/* --- cut ------------------------------------------------------------------ */

START_TEST(a_cut_file_is_set_aside_with_a_word)
{
    struct parked *p;
    glob_t found;
    char pattern[4300];
    fill_to(0, 200, 0);
    world_close();
    ck_assert_int_eq(truncate(world_data, 8 * sysconf(_SC_PAGESIZE)), 0);
    world_listen();
    ck_assert_int_eq(parked_open(world_root, PARKED_READ, NULL, &p), -EIO);
    world_heard();
    ck_assert_int_eq(world_says("parked events: "), 1);
    ck_assert_int_eq(world_says("the daemon sets it aside"), 1);
    world_listen();
    ck_assert_int_eq(parked_open(world_root, PARKED_MAKE, NULL, &p), 0);
    world_heard();
    ck_assert_int_eq(world_says("set aside as "), 1);
    ck_assert_int_eq(world_says("a replay brings back"), 1);
    ck_assert(parked_is_new(p));
    parked_close(p);
    snprintf(pattern, sizeof pattern, "%s.damaged-*", world_data);
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    ck_assert_uint_eq(found.gl_pathc, 1);
    globfree(&found);
    world_reopen();
    ck_assert_uint_eq(walked(), 0);
}
END_TEST

/* --- killed --------------------------------------------------------------- */

/* Settle and retry for ever; tell each position that was settled. */
static void
live(int tell)
{
    struct parked_due due[16];
    struct parked_result r[16];
    uint64_t at;
    int64_t next;
    world_reopen();
    if (parked_position(lane, &at, NULL))
        _exit(1);
    for (;; at += 8) {
        struct parked_event e[6];
        struct parked_letter l = world_letter(at + 7);
        for (uint64_t i = 0; i < 6; i++)
            e[i] = world_event(at + i + 1, (at + i) % 5);
        if (world_settle(at, at + 8, e, 6, &l, 1))
            _exit(2);
        at += 8;
        if (write(tell, &at, sizeof at) != sizeof at)
            _exit(3);
        at -= 8;
        int n = parked_due(lane, NOW, NULL, due, 16, &next);
        for (int i = 0; i < n; i++)
            r[i] = world_result(due[i].position, 1 + i % 3);
        if (n < 0 || parked_retried(lane, r, (size_t) n))
            _exit(4);
    }
}

START_TEST(what_was_settled_outlives_a_kill)
{
    world_close();
    for (int round = 0; round < slow(200, 12); round++) {
        int pipes[2], status;
        uint64_t told = 0, one, position;
        ck_assert_int_eq(pipe(pipes), 0);
        pid_t pid = fork();
        if (!pid)
            live(pipes[1]);
        close(pipes[1]);
        usleep(20000 + (useconds_t) round * 1777 % 30000);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        while (read(pipes[0], &one, sizeof one) == sizeof one)
            told = one;
        close(pipes[0]);
        world_reopen();
        world_verify();
        ck_assert_int_eq(parked_position(lane, &position, NULL), 0);
        ck_assert_uint_ge(position, told);
        ck_assert_uint_le(position, told ? told + 8 : position);
        if (position)
            ck_assert_int_eq(world_is_letter(position - 1), 1);
        world_close();
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("parked-faults");
    TCase *c = tcase_create("parked");
    tcase_add_checked_fixture(c, world_setup, world_teardown);
    tcase_set_timeout(c, 300);
    suite_add_tcase(s, c);
    tcase_add_test(c, a_change_of_any_byte_is_noticed);
    tcase_add_test(c,
                   a_damaged_record_is_left_out_said_once_and_can_be_dropped);
    tcase_add_test(c, a_damaged_letter_is_left_out_and_can_be_dropped);
    tcase_add_test(c, a_chain_waits_behind_a_damaged_head_until_it_is_dropped);
    tcase_add_test(c, a_batch_replaces_damaged_records_too);
    tcase_add_test(c, a_record_in_a_wrong_place_is_damaged);
    tcase_add_test(c, a_due_time_without_a_record_is_no_event);
    tcase_add_test(c, many_damaged_records_do_not_fill_the_log);
    tcase_add_test(c, a_damaged_lane_stops_new_lanes_and_no_others);
    tcase_add_test(c, a_store_of_another_version_stays_closed_and_whole);
    tcase_add_test(c, a_full_store_changes_nothing_and_can_be_emptied);
    tcase_add_test(c, a_full_disk_changes_nothing);
    tcase_add_test(c, a_cut_file_is_set_aside_with_a_word);
    tcase_add_test(c, what_was_settled_outlives_a_kill);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
