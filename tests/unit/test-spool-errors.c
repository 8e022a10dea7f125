/* SPDX-License-Identifier: MIT */
/* A disk that is full, slow to write, or broken: the calls of the spool that
 * reach it are answered here. */
#include "spool-help.h"

#include <pthread.h>
#include <sys/syscall.h>

static int write_error;  /* of every pwrite, once write_bytes are used up */
static int64_t write_bytes;
static int write_most;   /* bytes of one pwrite; 0: all */
static int sync_error, open_error, truncate_error, read_error;
static int open_countdown;
static int countdown_error; /* the openat that comes to 0 has no file */

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    int error = __atomic_load_n(&write_error, __ATOMIC_ACQUIRE);
    if (error) {
        int64_t left = __atomic_load_n(&write_bytes, __ATOMIC_ACQUIRE);
        if (left <= 0) {
            errno = error;
            return -1;
        }
        if ((int64_t) len > left)
            len = (size_t) left;
        __atomic_sub_fetch(&write_bytes, (int64_t) len, __ATOMIC_ACQ_REL);
    }
    int most = __atomic_load_n(&write_most, __ATOMIC_ACQUIRE);
    if (most && len > (size_t) most)
        len = (size_t) most;
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

#define ID_TOO 2 /* of read_error: not only what is longer than an ID */

ssize_t
pread(int fd, void *bytes, size_t len, off_t offset)
{
    int error = __atomic_load_n(&read_error, __ATOMIC_ACQUIRE);
    if (error == ID_TOO || (error && len > 63)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, bytes, len, offset);
}

int
fdatasync(int fd)
{
    int error = __atomic_load_n(&sync_error, __ATOMIC_ACQUIRE);
    if (error) {
        errno = error;
        return -1;
    }
    return (int) syscall(SYS_fdatasync, fd);
}

int
ftruncate(int fd, off_t len)
{
    int error = __atomic_load_n(&truncate_error, __ATOMIC_ACQUIRE);
    if (error) {
        errno = error;
        return -1;
    }
    return (int) syscall(SYS_ftruncate, fd, len);
}

int
openat(int dirfd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    int error = __atomic_load_n(&open_error, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&open_countdown, __ATOMIC_ACQUIRE) > 0
        && __atomic_sub_fetch(&open_countdown, 1, __ATOMIC_ACQ_REL) == 0)
        error = __atomic_load_n(&countdown_error, __ATOMIC_ACQUIRE);
    if (error) {
        errno = error;
        return -1;
    }
    return (int) syscall(SYS_openat, dirfd, path, flags, mode);
}

static void
set(int *what, int value)
{
    __atomic_store_n(what, value, __ATOMIC_RELEASE);
}

struct told {
    int error;
    uint64_t up_to, durable;
};

static void
told_fn(void *arg, uint64_t up_to, int error)
{
    struct told *t = arg;
    if (error) {
        t->up_to = up_to;
        __atomic_store_n(&t->error, error, __ATOMIC_RELEASE);
    } else {
        t->durable = up_to;
    }
}

static int
wait_error(struct told *t)
{
    for (int i = 0; i < 5000; i++) {
        int error = __atomic_exchange_n(&t->error, 0, __ATOMIC_ACQ_REL);
        if (error)
            return error;
        usleep(1000);
    }
    return 0;
}

static int
append_one(struct spool *s, uint64_t want)
{
    char body[256];
    memset(body, 0, sizeof body);
    struct slice b = slice_of(body, help_body(body, want));
    uint64_t first;
    int rc = spool_append(s, &b, 1, &first);
    if (rc == 0)
        ck_assert_uint_eq(first, want);
    return rc;
}

static void
wait_healthy(struct spool *s)
{
    for (int i = 0; i < 400 && spool_health(s); i++)
        usleep(10000);
    ck_assert_int_eq(spool_health(s), 0);
}

static void
check_all(uint64_t frames)
{
    struct spool_recovery r;
    struct spool *s = help_open(&r);
    ck_assert_uint_eq(r.last, frames);
    ck_assert_uint_eq(r.torn_bytes + r.missing + r.damaged_frames, 0);
    struct help_seen *seen = help_read_all(s, 0, 4096);
    ck_assert_uint_eq(seen->count, frames);
    ck_assert_uint_eq(seen->wrong, 0);
    free(seen);
    spool_close(s);
}

/* Whatever part of a group got onto the disk: its positions are given to those
 * that come after it. */
START_TEST(test_full_disk_takes_the_group_back)
{
    char why[256];
    struct told told = { 0 };
    struct spool *s = help_open(NULL);
    spool_notify(s, told_fn, &told);
    help_fill(s, 1, 10);
    write_bytes = _i * 4; /* the frame has 24 or more */
    set(&write_error, ENOSPC);
    ck_assert_int_eq(append_one(s, 11), 0);
    ck_assert_int_eq(wait_error(&told), -ENOSPC);
    ck_assert_uint_eq(told.up_to, 10);
    ck_assert_int_eq(append_one(s, 11), -ENOSPC);
    ck_assert_int_eq(spool_health(s), -ENOSPC);
    spool_health_text(s, why, sizeof why);
    ck_assert_ptr_nonnull(strstr(why, "No space left"));
    set(&write_error, 0);
    wait_healthy(s);
    help_fill(s, 11, 80); /* and into the next segments */
    spool_close(s);
    check_all(80);
}
END_TEST

START_TEST(test_full_disk_at_a_new_segment)
{
    struct told told = { 0 };
    struct spool *s = help_open(NULL);
    spool_notify(s, told_fn, &told);
    uint64_t p = 1;
    struct spool_stats st = { 0 };
    while (st.segments < 2) {
        help_fill(s, p, p);
        p++;
        spool_stats(s, &st);
    }
    set(&open_error, EMFILE);
    /* Fill what is left of the segment, until another has to be opened. */
    while (append_one(s, p) == 0) {
        int error = 0;
        for (int i = 0; i < 2000 && spool_durable(s) < p && !error; i++) {
            error = __atomic_load_n(&told.error, __ATOMIC_ACQUIRE);
            usleep(100);
        }
        if (error)
            break;
        p++;
    }
    ck_assert_int_eq(wait_error(&told), -ENOSPC);
    ck_assert_uint_eq(told.up_to, p - 1);
    ck_assert_int_eq(spool_cause(s), -EMFILE); /* and no full disk */
    set(&open_error, 0);
    wait_healthy(s);
    ck_assert_int_eq(spool_cause(s), 0);
    help_fill(s, p, p + 50);
    spool_close(s);
    check_all(p + 50);
}
END_TEST

/* Nothing is written as long as the rest of a group cannot be cut off. */
START_TEST(test_waits_until_it_can_cut)
{
    struct told told = { 0 };
    struct spool *s = help_open(NULL);
    spool_notify(s, told_fn, &told);
    help_fill(s, 1, 10);
    write_bytes = 20;
    set(&truncate_error, EIO);
    set(&write_error, ENOSPC);
    ck_assert_int_eq(append_one(s, 11), 0);
    ck_assert_int_eq(wait_error(&told), -ENOSPC);
    set(&write_error, 0);
    usleep(600000);
    ck_assert_int_eq(spool_health(s), -ENOSPC);
    set(&truncate_error, 0);
    wait_healthy(s);
    help_fill(s, 11, 30);
    spool_close(s);
    check_all(30);
}
END_TEST

START_TEST(test_short_writes_go_on)
{
    struct spool *s = help_open(NULL);
    set(&write_most, 13);
    help_fill(s, 1, 50);
    set(&write_most, 0);
    spool_close(s);
    check_all(50);
}
END_TEST

START_TEST(test_a_failed_sync_is_final)
{
    char why[256];
    struct told told = { 0 };
    struct spool *s = help_open(NULL);
    spool_notify(s, told_fn, &told);
    help_fill(s, 1, 10);
    set(&sync_error, EIO);
    ck_assert_int_eq(append_one(s, 11), 0);
    ck_assert_int_eq(wait_error(&told), -EIO);
    ck_assert_uint_eq(told.up_to, 10);
    ck_assert_uint_eq(spool_durable(s), 10);
    set(&sync_error, 0);
    usleep(600000);
    ck_assert_int_eq(append_one(s, 11), -EIO);
    ck_assert_int_eq(spool_health(s), -EIO);
    spool_health_text(s, why, sizeof why);
    ck_assert_ptr_nonnull(strstr(why, "restarted"));
    /* What is durable can still be read. */
    struct help_seen *seen = help_read_all(s, 0, 4096);
    ck_assert_uint_eq(seen->count, 10);
    free(seen);
    spool_close(s);
}
END_TEST

START_TEST(test_opening_syncs_what_it_promises)
{
    struct spool_options o = help_options();
    struct spool *s = help_open(NULL);
    help_fill(s, 1, 5);
    spool_close(s);
    set(&sync_error, EIO);
    ck_assert_int_eq(spool_open(&o, &s, NULL), -EIO);
    set(&sync_error, 0);
    check_all(5);
}
END_TEST

START_TEST(test_unreadable_is_tried_again)
{
    struct spool *s = help_open(NULL);
    struct spool_reader *r;
    struct help_seen seen = { 0 };
    uint64_t last;
    help_fill(s, 1, 20);
    ck_assert_int_eq(spool_reader_open(s, 0, &r), 0);
    set(&read_error, 1);
    ck_assert_int_eq(spool_reader_read(r, &seen.text, 100000, 100, 0, &last,
                                       help_each, &seen), -EIO);
    ck_assert_uint_eq(last, 0);
    set(&read_error, 0);
    while (last < 20) {
        seen.text.len = 0;
        ck_assert_int_gt(spool_reader_read(r, &seen.text, 100000, 100, 0,
                                           &last, help_each, &seen), 0);
    }
    ck_assert_uint_eq(seen.count, 20);
    ck_assert_uint_eq(seen.wrong, 0);
    spool_reader_close(r);
    text_clear(&seen.text);
    spool_close(s);
}
END_TEST

START_TEST(test_unreadable_at_start_blocks_nothing)
{
    struct spool_options o = help_options();
    struct spool *s = help_open(NULL);
    help_fill(s, 1, 60);
    spool_close(s);
    set(&read_error, 1);
    ck_assert_int_eq(spool_open(&o, &s, NULL), 0);
    set(&read_error, 0);
    ck_assert_uint_ge(spool_durable(s), 60);
    char body[8] = "x";
    struct slice b = slice_of(body, 1);
    uint64_t first;
    ck_assert_int_eq(spool_append(s, &b, 1, &first), 0);
    ck_assert_uint_gt(first, 60);
    help_wait_durable(s, first);
    /* The disk has recovered: everything is there. */
    struct help_seen *seen = help_read_all(s, 0, 4096);
    ck_assert_uint_eq(seen->count, 61);
    ck_assert_uint_eq(seen->wrong, 1);
    free(seen);
    spool_close(s);
}
END_TEST

/* Where files have run out for a moment, or there is no right to one, a start
 * fails, at whichever of them, or has everything: nothing that was accepted is
 * taken for missing. */
START_TEST(test_without_a_file_nothing_is_missing)
{
    struct spool_options o = help_options();
    struct spool *s = help_open(NULL);
    int refused = 0, opened = 0;
    static const int errors[] = { EMFILE, EACCES, EROFS, ENODEV };
    set(&countdown_error, errors[_i]);
    help_fill(s, 1, 60);
    spool_close(s);
    for (int n = 1; !opened; n++) {
        set(&open_countdown, n);
        int rc = spool_open(&o, &s, NULL);
        opened = __atomic_load_n(&open_countdown, __ATOMIC_ACQUIRE) > 0;
        set(&open_countdown, 0);
        if (rc) {
            refused++;
            continue;
        }
        ck_assert_msg(spool_durable(s) == 60,
                      "without its %d-th file it ends "
                      "at %llu",
                      n, (unsigned long long) spool_durable(s));
        struct help_seen *seen = help_read_all(s, 0, 4096);
        ck_assert_uint_eq(seen->count, 60);
        free(seen);
        spool_close(s);
    }
    ck_assert_int_gt(refused, 2);
    check_all(60);
}
END_TEST

/* Who the spool is cannot be read, from nowhere: to start with a new identity
 * would make everything there a stranger's. */
START_TEST(test_unreadable_identity_is_no_new_one)
{
    struct spool_options o = help_options();
    struct spool *s = help_open(NULL);
    uint8_t id[16];
    help_fill(s, 1, 60);
    memcpy(id, spool_id(s), 16);
    spool_close(s);
    set(&read_error, ID_TOO);
    ck_assert_int_eq(spool_open(&o, &s, NULL), -EIO);
    set(&read_error, 0);
    s = help_open(NULL);
    ck_assert_int_eq(memcmp(id, spool_id(s), 16), 0);
    struct help_seen *seen = help_read_all(s, 0, 4096);
    ck_assert_uint_eq(seen->count, 60);
    free(seen);
    spool_close(s);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spool-errors");
    TCase *t = tcase_create("spool-errors");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, help_setup, help_teardown);
    tcase_add_loop_test(t, test_full_disk_takes_the_group_back, 0, 6);
    tcase_add_test(t, test_full_disk_at_a_new_segment);
    tcase_add_test(t, test_waits_until_it_can_cut);
    tcase_add_test(t, test_short_writes_go_on);
    tcase_add_test(t, test_a_failed_sync_is_final);
    tcase_add_test(t, test_opening_syncs_what_it_promises);
    tcase_add_test(t, test_unreadable_is_tried_again);
    tcase_add_test(t, test_unreadable_at_start_blocks_nothing);
    tcase_add_test(t, test_unreadable_identity_is_no_new_one);
    tcase_add_loop_test(t, test_without_a_file_nothing_is_missing, 0, 4);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
