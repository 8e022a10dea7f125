/* SPDX-License-Identifier: MIT */
/* Sorted files of keys: what is put in comes out, together the newest wins, and
 * RUNS alone says what counts. */
#include "spool-help.h"
#include "runs/runs.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct runs_set set;
static int dirfd_;

static int
open_set(uint64_t end)
{
    set = (struct runs_set){ .what = "test",
                             .dir = help_dir,
                             .dirfd = dirfd_,
                             .spool = "a spool",
                             .secret = 7 };
    return runs_open(&set, end);
}

static void
setup(void)
{
    help_setup();
    dirfd_ = open(help_dir, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(dirfd_, 0);
    ck_assert_int_eq(open_set(UINT64_MAX), 0);
}

static void
teardown(void)
{
    runs_close(&set);
    close(dirfd_);
    help_teardown();
}

static struct runs_key
key_of(uint64_t n)
{
    XXH128_hash_t h = XXH3_128bits(&n, sizeof n);
    return (struct runs_key){ h.high64, h.low64 };
}

/* Key n has a value of n % 7 * 80 bytes. */
static uint32_t
value_of(uint64_t n, char out[RUNS_VALUE_MAX])
{
    uint32_t len = (uint32_t) (n % 7) * 80;
    memset(out, (int) (n % 251), len);
    return len;
}

static int
put(void *arg, const struct runs_record *r, const char *value)
{
    return runs_put(arg, r, value);
}

/* A run of keys from ... to, all at one position and time; not yet named. */
static struct run *
make(uint64_t from, uint64_t to, uint64_t position, uint32_t time)
{
    size_t n = to - from + 1;
    struct runs_record *records = calloc(n, sizeof *records);
    struct runs_item *items = calloc(n, sizeof *items);
    char *values = malloc(n * RUNS_VALUE_MAX);
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        struct runs_key k = key_of(from + i);
        char *value = values + i * RUNS_VALUE_MAX;
        uint32_t len = value_of(from + i, value);
        bytes += len;
        records[i] = (struct runs_record){
            .hi = k.hi,
            .lo = (uint32_t) k.lo,
            .time = time,
            .at = position | (uint64_t) len << RUNS_POSITION_BITS
        };
        items[i] = (struct runs_item){ &records[i], value };
    }
    struct runs_writer *w;
    struct run *made;
    ck_assert_int_eq(runs_create(&set, n, bytes, &w), 0);
    ck_assert_int_eq(runs_put_sorted(items, n, 0, UINT64_MAX, put, w), 0);
    ck_assert_int_eq(runs_finish(w, position - 1, position, &made), 0);
    ck_assert_ptr_nonnull(made);
    free(values);
    free(items);
    free(records);
    return made;
}

static void
name(struct run *made)
{
    ck_assert_int_eq(runs_name(&set, NULL, 0, made, made->to), 0);
}

static void
check(struct run *r, uint64_t from, uint64_t to, uint64_t position)
{
    char want[RUNS_VALUE_MAX];
    struct runs_hit hit;
    for (uint64_t n = from; n <= to; n++) {
        int found = runs_find(r, key_of(n), &hit);
        if (found != (position != 0))
            ck_abort_msg("key %" PRIu64 ": %d", n, found);
        if (!found)
            continue;
        ck_assert_uint_eq(hit.position, position);
        ck_assert(slice_equal(hit.value, slice_of(want, value_of(n, want))));
    }
}

START_TEST(test_what_is_put_in_is_found)
{
    static const uint64_t sizes[] = { 1,   2,   19,  30,   31,
                                      169, 170, 171, 5000, 200000 };
    uint64_t n = sizes[_i], lines;
    struct run *r = make(1, n, 9, 100);
    name(r);
    check(r, 1, n, 9);
    check(r, n + 1, n + 2000, 0);
    runs_close(&set);
    ck_assert_int_eq(open_set(9), 0);
    ck_assert_uint_eq(set.count, 1);
    ck_assert_uint_eq(set.complete, 9);
    r = set.list[0];
    ck_assert_int_eq(runs_warm(r), 0);
    check(r, 1, n, 9);
    check(r, n + 1, n + 2000, 0);
    ck_assert_uint_gt(runs_bytes(r, &lines), lines);
    ck_assert_str_eq(help_log, "");
}
END_TEST

static struct run *
merge(uint32_t after)
{
    struct run *in[RUNS_MAX], *made;
    struct runs_writer *w;
    uint32_t count = set.count;
    uint64_t keys = 0, values = 0;
    memcpy(in, set.list, sizeof in);
    for (uint32_t i = 0; i < count; i++) {
        keys += in[i]->header.keys;
        values += in[i]->header.value_bytes;
    }
    ck_assert_int_eq(runs_create(&set, keys, values, &w), 0);
    ck_assert_int_eq(runs_each(in, count, after, put, w), 0);
    ck_assert_int_eq(runs_finish(w, 0, in[count - 1]->to, &made), 0);
    ck_assert_int_eq(runs_name(&set, in, count, made, set.complete), 0);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_ne(faccessat(dirfd_, in[i]->name, F_OK, 0), 0);
        runs_free(in[i]);
    }
    return made;
}

START_TEST(test_together_the_newest_wins)
{
    name(make(1, 3000, 1, 100));
    name(make(2001, 5000, 2, 100));
    name(make(4001, 4500, 3, 100));
    struct run *r = merge(0);
    ck_assert_uint_eq(set.count, 1);
    ck_assert_uint_eq(r->header.keys, 5000);
    check(r, 1, 2000, 1);
    check(r, 2001, 4000, 2);
    check(r, 4001, 4500, 3);
    check(r, 4501, 5000, 2);
    check(r, 5001, 6000, 0);
}
END_TEST

START_TEST(test_what_is_past_goes_in_a_merge)
{
    name(make(1, 1000, 1, 100));
    name(make(1001, 2000, 2, 200));
    struct run *r = merge(100);
    ck_assert_uint_eq(r->header.keys, 1000);
    check(r, 1, 1000, 0);
    check(r, 1001, 2000, 2);
    ck_assert_ptr_null(merge(200));
    ck_assert_uint_eq(set.count, 0);
}
END_TEST

/* What has ended is still what counts, rather than what was before it. */
START_TEST(test_the_newest_wins_though_it_is_past)
{
    name(make(1, 1000, 1, 200));
    name(make(1, 500, 2, 100));
    struct run *r = merge(100);
    ck_assert_uint_eq(r->header.keys, 500);
    check(r, 1, 500, 0);
    check(r, 501, 1000, 1);
}
END_TEST

START_TEST(test_what_is_not_named_is_nothing)
{
    name(make(1, 1000, 1, 100));
    struct run *r = make(1001, 2000, 2, 100);
    char file[24];
    strcpy(file, r->name);
    runs_free(r);
    runs_close(&set);
    ck_assert_int_eq(open_set(2), 0);
    ck_assert_uint_eq(set.count, 1);
    ck_assert_uint_eq(set.complete, 1);
    ck_assert_int_ne(faccessat(dirfd_, file, F_OK, 0), 0);
    /* A number is not given out again while its file may be in use. */
    ck_assert_uint_gt(set.next_seq, 2);
    ck_assert_str_eq(help_log, "");
}
END_TEST

START_TEST(test_behind_a_spool_that_was_set_back)
{
    name(make(1, 1000, 1, 100));
    name(make(1001, 2000, 2, 100));
    name(make(2001, 3000, 3, 100));
    for (int again = 0; again < 2; again++) {
        runs_close(&set);
        ck_assert_int_eq(open_set(again ? 50 : 2), 0);
        ck_assert_uint_eq(set.complete, 2);
        check(set.list[1], 1001, 2000, 2);
        check(set.list[2], 2001, 3000, 0);
    }
    ck_assert_ptr_nonnull(strstr(help_log, "the spool ends at 2"));
    struct runs_policy p = { .least = 1, .most = 10000, .together = 1000 };
    uint32_t first;
    ck_assert_uint_eq(runs_due(&set, &p, &first), 1);
    ck_assert_uint_eq(first, 2);
}
END_TEST

/* Each page of a file has its sum: no bit of it changes an answer unseen. */
START_TEST(test_any_bit)
{
    char path[256];
    struct runs_hit hit;
    struct run *r = make(1, 2000, 5, 100);
    size_t len = r->map_len;
    name(r);
    help_path(path, r->name);
    runs_close(&set);
    for (size_t at = (size_t) _i * 37; at < len; at += 2500) {
        char byte;
        int fd = open(path, O_RDWR), seen = 0;
        ck_assert_int_eq(pread(fd, &byte, 1, (off_t) at), 1);
        byte ^= 4;
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t) at), 1);
        ck_assert_int_eq(open_set(5), 0);
        for (uint64_t n = 1; n <= 4000 && set.count; n++) {
            int rc = runs_find(set.list[0], key_of(n), &hit);
            seen |= rc == -EBADMSG;
            ck_assert_int_eq(rc, rc == -EBADMSG ? rc : n <= 2000);
        }
        if (!set.count) {
            ck_assert_uint_eq(set.complete, 4);
            close(fd);
            return; /* the header's page: the file is gone */
        }
        if (seen) {
            ck_assert_ptr_nonnull(strstr(help_log, "damaged at byte"));
            atomic_store(&set.list[0]->leave_out, 1);
            uint64_t found = 0;
            for (uint64_t n = 1; n <= 2000; n++) {
                int rc = runs_find(set.list[0], key_of(n), &hit);
                ck_assert_int_ge(rc, 0);
                found += (uint64_t) rc;
            }
            ck_assert_uint_lt(found, 2000);
        }
        byte ^= 4;
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t) at), 1);
        close(fd);
        runs_close(&set);
        help_log[0] = '\0';
    }
}
END_TEST

static void
sum_again(const char *file, size_t version_at, size_t sum_at)
{
    char path[256];
    size_t len;
    help_path(path, file);
    char *bytes = help_slurp(path, &len);
    size_t at = sum_at ? sum_at : len - 8;
    bytes[version_at]++;
    uint64_t sum = XXH3_64bits(bytes, at);
    memcpy(bytes + at, &sum, sizeof sum);
    help_write(path, bytes, len);
    free(bytes);
}

START_TEST(test_a_newer_versions_are_left_alone)
{
    struct run *r = make(1, 100, 1, 100);
    char file[24];
    strcpy(file, r->name);
    name(r);
    runs_close(&set);
    sum_again(_i ? file : "RUNS", 8, _i ? 4088 : 0);
    ck_assert_int_eq(open_set(1), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(help_log, "a newer version wrote it"));
    ck_assert_ptr_nonnull(strstr(help_log, _i ? file : "/RUNS"));
    ck_assert_int_eq(faccessat(dirfd_, file, F_OK, 0), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("runs");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_what_is_put_in_is_found, 0, 10);
    tcase_add_test(t, test_together_the_newest_wins);
    tcase_add_test(t, test_what_is_past_goes_in_a_merge);
    tcase_add_test(t, test_the_newest_wins_though_it_is_past);
    tcase_add_test(t, test_what_is_not_named_is_nothing);
    tcase_add_test(t, test_behind_a_spool_that_was_set_back);
    tcase_add_loop_test(t, test_any_bit, 0, 40);
    tcase_add_loop_test(t, test_a_newer_versions_are_left_alone, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
