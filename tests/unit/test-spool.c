/* SPDX-License-Identifier: MIT */
#include "spool-help.h"

#include <pthread.h>

START_TEST(test_reads_what_was_appended)
{
    struct spool_recovery r;
    struct spool *s = help_open(&r);
    ck_assert_uint_eq(r.last, 0);
    help_fill(s, 1, 300);
    struct help_seen *seen = help_read_all(s, 0, 1000);
    ck_assert_uint_eq(seen->count, 300);
    ck_assert_uint_eq(seen->wrong, 0);
    free(seen);
    spool_close(s);
    ck_assert_str_eq(help_log, "");
}
END_TEST

START_TEST(test_goes_on_after_a_restart)
{
    for (uint64_t i = 0; i < 10; i++) {
        struct spool_recovery r;
        struct spool *s = help_open(&r);
        ck_assert_uint_eq(r.last, i * 50);
        ck_assert_uint_eq(r.torn_bytes + r.damaged_frames + r.missing, 0);
        ck_assert_uint_eq(spool_durable(s), i * 50);
        help_fill(s, i * 50 + 1, i * 50 + 50);
        struct help_seen *seen = help_read_all(s, 0, 100000);
        ck_assert_uint_eq(seen->count, i * 50 + 50);
        ck_assert_uint_eq(seen->wrong, 0);
        free(seen);
        spool_close(s);
    }
    ck_assert_str_eq(help_log, "");
}
END_TEST

START_TEST(test_keeps_its_id)
{
    char id[40];
    struct spool *s = help_open(NULL);
    snprintf(id, sizeof id, "%s", spool_id_text(s));
    ck_assert_uint_eq(strlen(id), 36);
    spool_close(s);
    s = help_open(NULL);
    ck_assert_str_eq(spool_id_text(s), id);
    spool_close(s);
}
END_TEST

START_TEST(test_one_process_at_a_time)
{
    struct spool_options o = help_options();
    struct spool *s = help_open(NULL), *other = NULL;
    ck_assert_int_eq(spool_open(&o, &other, NULL), -EBUSY);
    spool_close(s);
}
END_TEST

START_TEST(test_reader_finds_any_position)
{
    struct spool *s = help_open(NULL);
    help_fill(s, 1, 200);
    for (int again = 0; again < 2; again++) {
        for (uint64_t p = 0; p <= 200; p++) {
            struct help_seen *seen = help_read_all(s, p, 4096);
            ck_assert_uint_eq(seen->count, 200 - p);
            ck_assert_uint_eq(seen->wrong, 0);
            free(seen);
        }
        spool_close(s); /* and again without an index */
        s = help_open(NULL);
    }
    spool_close(s);
}
END_TEST

START_TEST(test_batches_keep_their_limits)
{
    struct spool_options o = help_options();
    o.segment_bytes = 1 << 20;
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, 100);
    struct spool_reader *r;
    struct help_seen seen = { 0 };
    uint64_t last;
    ck_assert_int_eq(spool_reader_open(s, 0, &r), 0);
    ck_assert_int_eq(spool_reader_read(r, &seen.text, 1 << 20, 7, 0, &last,
                                       help_each, &seen), 7);
    ck_assert_uint_eq(last, 7);
    /* One frame always comes, however large. */
    seen.text.len = 0;
    ck_assert_int_eq(spool_reader_read(r, &seen.text, 1, 7, 0, &last,
                                       help_each, &seen), 1);
    ck_assert_uint_eq(last, 8);
    size_t before = seen.text.len = 0;
    int n = spool_reader_read(r, &seen.text, 500, 100, 0, &last, help_each,
                              &seen);
    ck_assert_int_gt(n, 1);
    ck_assert_uint_le(seen.text.len - before, 500);
    ck_assert_uint_eq(seen.wrong, 0);
    spool_reader_close(r);
    text_clear(&seen.text);
    spool_close(s);
}
END_TEST

static int
each_refuses(void *arg, uint64_t position, size_t offset, size_t len)
{
    (void) offset;
    (void) len;
    return position == *(uint64_t *) arg ? -ENOMEM : 0;
}

START_TEST(test_a_refused_frame_comes_again)
{
    struct spool *s = help_open(NULL);
    help_fill(s, 1, 10);
    struct spool_reader *r;
    struct il_text text = { 0 };
    uint64_t last, bad = 4;
    ck_assert_int_eq(spool_reader_open(s, 0, &r), 0);
    ck_assert_int_eq(spool_reader_read(r, &text, 4096, 100, 0, &last,
                                       each_refuses, &bad), 3);
    ck_assert_int_eq(spool_reader_read(r, &text, 4096, 100, 0, &last,
                                       each_refuses, &bad), -ENOMEM);
    ck_assert_uint_eq(last, 3);
    bad = 0;
    ck_assert_int_eq(spool_reader_read(r, &text, 4096, 100, 0, &last,
                                       each_refuses, &bad), 7);
    spool_reader_close(r);
    text_clear(&text);
    spool_close(s);
}
END_TEST

static void *
wake_later(void *reader)
{
    usleep(20000);
    spool_reader_wake(reader);
    return NULL;
}

START_TEST(test_reader_waits_times_out_and_wakes)
{
    struct spool *s = help_open(NULL);
    struct spool_reader *r;
    struct help_seen seen = { 0 };
    uint64_t last = 99;
    ck_assert_int_eq(spool_reader_open(s, 0, &r), 0);
    ck_assert_int_eq(spool_reader_read(r, &seen.text, 4096, 10, 20, &last,
                                       help_each, &seen), 0);
    ck_assert_uint_eq(last, 0);
    pthread_t t;
    pthread_create(&t, NULL, wake_later, r);
    ck_assert_int_eq(spool_reader_read(r, &seen.text, 4096, 10, 60000, &last,
                                       help_each, &seen), 0);
    pthread_join(t, NULL);
    help_fill(s, 1, 1);
    ck_assert_int_eq(spool_reader_read(r, &seen.text, 4096, 10, 60000, &last,
                                       help_each, &seen), 1);
    spool_reader_close(r);
    text_clear(&seen.text);
    spool_close(s);
}
END_TEST

START_TEST(test_refuses_sizes_it_cannot_keep)
{
    struct spool *s = help_open(NULL);
    char *big = calloc(1, 2 << 20);
    struct slice b = slice_of(big, 2 << 20);
    uint64_t first;
    ck_assert_int_eq(spool_append(s, &b, 1, &first), -EMSGSIZE);
    b.len = 0;
    ck_assert_int_eq(spool_append(s, &b, 1, &first), -EMSGSIZE);
    ck_assert_int_eq(spool_append(s, &b, 0, &first), -EMSGSIZE);
    /* Larger than a segment is fine. */
    b.len = 100000;
    ck_assert_int_eq(spool_append(s, &b, 1, &first), 0);
    ck_assert_uint_eq(first, 1);
    help_wait_durable(s, 1);
    struct help_seen *seen = help_read_all(s, 0, 100);
    ck_assert_uint_eq(seen->count, 1);
    free(seen);
    free(big);
    spool_close(s);
}
END_TEST

struct told {
    uint64_t up_to;
    int calls, errors;
};

static void
told_fn(void *arg, uint64_t up_to, int error)
{
    struct told *t = arg;
    ck_assert_uint_ge(up_to, t->up_to);
    t->calls++;
    t->errors += error != 0;
    __atomic_store_n(&t->up_to, up_to, __ATOMIC_RELEASE);
}

START_TEST(test_tells_who_waits)
{
    struct told told = { 0 };
    struct spool *s = help_open(NULL);
    ck_assert_int_eq(spool_notify(s, told_fn, &told), 0);
    help_fill(s, 1, 20);
    spool_close(s); /* the last news are told before this returns */
    ck_assert_uint_eq(told.up_to, 20);
    ck_assert_int_eq(told.errors, 0);
}
END_TEST

START_TEST(test_close_writes_what_waits)
{
    struct spool *s = help_open(NULL);
    for (uint64_t p = 1; p <= 500; p++) {
        char body[256];
        struct slice b = slice_of(body, help_body(body, p));
        uint64_t first;
        ck_assert_int_eq(spool_append(s, &b, 1, &first), 0);
    }
    spool_close(s);
    struct spool_recovery r;
    s = help_open(&r);
    ck_assert_uint_eq(r.last, 500);
    spool_close(s);
}
END_TEST

static void
wait_first(struct spool *s, uint64_t first)
{
    struct spool_stats st = { 0 };
    for (int i = 0; i < 1000 && st.first < first; i++) {
        spool_stats(s, &st);
        usleep(5000);
    }
    ck_assert_uint_ge(st.first, first);
}

START_TEST(test_retention_waits_for_holds)
{
    struct spool_options o = help_options();
    struct spool_stats st;
    o.retain_us = -1;
    struct spool *s = help_open_with(&o, NULL);
    struct spool_hold *a = spool_hold_new(s, "a", 0);
    struct spool_hold *b = spool_hold_new(s, "b", 1000);
    help_fill(s, 1, 200);
    spool_stats(s, &st);
    ck_assert_uint_eq(st.first, 1);
    ck_assert_uint_gt(st.segments, 4);
    spool_hold_move(a, 150);
    help_fill(s, 201, 300); /* rotation looks what may go */
    wait_first(s, 100);
    spool_stats(s, &st);
    ck_assert_uint_le(st.first, 151);
    struct help_seen *seen = help_read_all(s, 150, 1000);
    ck_assert_uint_eq(seen->count, 150);
    free(seen);
    spool_hold_free(a);
    spool_hold_free(b);
    spool_close(s);
    /* What is gone is not missed. */
    struct spool_recovery r;
    s = help_open(&r);
    ck_assert_uint_eq(r.missing + r.damaged_frames, 0);
    ck_assert_uint_ge(r.first, 100);
    ck_assert_uint_eq(r.last, 300);
    spool_close(s);
    ck_assert_str_eq(help_log, "");
}
END_TEST

START_TEST(test_max_bytes_refuses_until_drained)
{
    struct spool_options o = help_options();
    char body[256], why[256];
    uint64_t first;
    o.max_bytes = 20000;
    struct spool *s = help_open_with(&o, NULL);
    struct spool_hold *h = spool_hold_new(s, "lane", 0);
    struct slice b = slice_of(body, help_body(body, 105));
    int rc;
    for (int i = 0; i < 1000; i++) {
        if ((rc = spool_append(s, &b, 1, &first)))
            break;
        help_wait_durable(s, first);
    }
    ck_assert_int_eq(rc, -ENOSPC);
    spool_health_text(s, why, sizeof why);
    /* What lanes need to go on has a segment more. */
    uint64_t more = 0, refused = first;
    while (!(rc = spool_append_so(s, &b, 1, &first, SPOOL_RESERVE))) {
        help_wait_durable(s, first);
        ck_assert_int_eq(spool_append(s, &b, 1, &refused), -ENOSPC);
        more += b.len;
    }
    ck_assert_int_eq(rc, -ENOSPC);
    ck_assert_uint_gt(more, o.segment_bytes / 2);
    ck_assert_uint_le(more, o.segment_bytes);
    ck_assert_uint_ge(spool_retry_after(s), 1);
    ck_assert_uint_le(spool_retry_after(s), 3600);
    /* Kept for replay, but not at the price of refusing events. */
    spool_hold_move(h, first);
    for (int i = 0; i < 100 && spool_append(s, &b, 1, &first); i++)
        usleep(50000);
    help_wait_durable(s, first);
    spool_hold_free(h);
    spool_close(s);
}
END_TEST

/* Copies of what was damaged lie on the same disk, until somebody looks. */
START_TEST(test_damaged_copies_count)
{
    struct spool_options o = help_options();
    char path[200];
    uint64_t first;
    int rc = -ENOSPC;
    o.max_bytes = 100000;
    spool_close(help_open_with(&o, NULL));
    snprintf(path, sizeof path, "%s/damaged", help_dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    strcat(path, "/copy");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    close(fd);
    struct spool *s = help_open_with(&o, NULL);
    struct slice b = SLICE("x");
    ck_assert_int_eq(spool_append(s, &b, 1, &first), -ENOSPC);
    ck_assert_int_eq(unlink(path), 0);
    for (int i = 0; i < 100 && (rc = spool_append(s, &b, 1, &first)); i++)
        usleep(50000);
    ck_assert_int_eq(rc, 0);
    spool_close(s);
}
END_TEST

/* What is delivered goes for them, as it goes for what is to come. */
START_TEST(test_what_is_delivered_makes_room_beside_damaged_copies)
{
    struct spool_options o = help_options();
    char path[200], text[1000];
    uint64_t first;
    int rc = 0;
    o.segment_bytes = 8192;
    o.max_bytes = 100000;
    spool_close(help_open_with(&o, NULL));
    snprintf(path, sizeof path, "%s/damaged", help_dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    strcat(path, "/copy");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, 60000), 0);
    close(fd);
    struct spool *s = help_open_with(&o, NULL);
    memset(text, 'x', sizeof text);
    struct slice b = slice_of(text, sizeof text);
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < 100 && (rc = spool_append(s, &b, 1, &first)); k++)
            usleep(50000);
        ck_assert_msg(rc == 0, "event %d: %d", i, rc);
    }
    spool_close(s);
}
END_TEST

START_TEST(test_min_free_refuses)
{
    struct spool_options o = help_options();
    o.min_free = (uint64_t) 1 << 60;
    struct spool *s = help_open_with(&o, NULL);
    struct slice b = SLICE("x");
    char why[256];
    uint64_t first;
    ck_assert_int_eq(spool_append(s, &b, 1, &first), -ENOSPC);
    ck_assert_int_eq(spool_health(s), -ENOSPC);
    spool_health_text(s, why, sizeof why);
    ck_assert_ptr_nonnull(strstr(why, "free"));
    spool_close(s);
}
END_TEST

START_TEST(test_backlog_is_estimated)
{
    struct spool_options o = help_options();
    o.segment_bytes = 1 << 20;
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, 400);
    uint64_t all = spool_backlog_bytes(s, 0);
    uint64_t half = spool_backlog_bytes(s, 200);
    ck_assert_uint_gt(all, 400 * 100);
    ck_assert_uint_gt(half, all * 4 / 10);
    ck_assert_uint_lt(half, all * 6 / 10);
    ck_assert_uint_eq(spool_backlog_bytes(s, 400), 0);
    spool_close(s);
}
END_TEST

START_TEST(test_a_position_once_seen_is_not_given_again)
{
    struct spool *s = help_open(NULL);
    struct spool_reader *r;
    help_fill(s, 1, 10);
    ck_assert_int_eq(spool_reader_open(s, 500, &r), 0);
    help_fill(s, 501, 510);
    struct help_seen *seen = help_read_all(s, 0, 4096);
    ck_assert_uint_eq(seen->count, 20);
    ck_assert_uint_eq(seen->wrong, 0);
    free(seen);
    spool_reader_close(r);
    spool_close(s);
    struct spool_recovery rec;
    s = help_open(&rec);
    ck_assert_uint_eq(rec.last, 510);
    help_fill(s, 511, 512);
    spool_close(s);
}
END_TEST

/* --- threads --- */

#define WRITERS 4
#define PER_WRITER 2000

struct stress {
    struct spool *spool;
    uint64_t sum; /* of bodies appended or read */
    int done;
};

static void *
stress_write(void *arg)
{
    struct stress *st = arg;
    for (uint64_t i = 1; i <= PER_WRITER; i += 4) {
        uint64_t v[4] = { i, i + 1, i + 2, i + 3 }, first;
        struct slice b[4];
        for (int k = 0; k < 4; k++)
            b[k] = slice_of((char *) &v[k], 8);
        ck_assert_int_eq(spool_append(st->spool, b, 4, &first), 0);
    }
    return NULL;
}

struct stress_reading {
    struct il_text text;
    uint64_t sum, last;
};

static int
stress_each(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct stress_reading *g = arg;
    uint64_t v;
    ck_assert_uint_eq(position, g->last + 1);
    ck_assert_uint_eq(len, 8);
    memcpy(&v, g->text.data + offset, 8);
    g->sum += v;
    g->last = position;
    return 0;
}

static void *
stress_read(void *arg)
{
    struct stress *st = arg;
    struct stress_reading g = { 0 };
    struct spool_reader *r;
    struct spool_hold *h = spool_hold_new(st->spool, "r", 0);
    uint64_t last = 0;
    ck_assert_int_eq(spool_reader_open(st->spool, 0, &r), 0);
    while (last < WRITERS * PER_WRITER) {
        g.text.len = 0;
        ck_assert_int_ge(spool_reader_read(r, &g.text, 3000, 100, 10000, &last,
                                           stress_each, &g), 0);
        ck_assert_uint_le(last, spool_durable(st->spool));
        spool_hold_move(h, last);
    }
    spool_reader_close(r);
    text_clear(&g.text);
    st->sum = g.sum;
    return NULL;
}

START_TEST(test_many_writers_and_readers)
{
    struct spool_options o = help_options();
    o.retain_us = -1;
    o.buffer_bytes = 8192; /* writers have to wait */
    struct stress w = { .spool = help_open_with(&o, NULL) };
    struct stress readers[3];
    pthread_t t[WRITERS + 3];
    struct spool_hold *h = spool_hold_new(w.spool, "all", 0);
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct stress){ .spool = w.spool };
        pthread_create(&t[WRITERS + i], NULL, stress_read, &readers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&t[i], NULL, stress_write, &w);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    usleep(20000);
    spool_hold_free(h);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[WRITERS + i], NULL);
        ck_assert_uint_eq(readers[i].sum, (uint64_t) WRITERS * PER_WRITER
                                              * (PER_WRITER + 1) / 2);
    }
    spool_close(w.spool);
    ck_assert_str_eq(help_log, "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spool");
    TCase *t = tcase_create("spool");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, help_setup, help_teardown);
    tcase_add_test(t, test_reads_what_was_appended);
    tcase_add_test(t, test_goes_on_after_a_restart);
    tcase_add_test(t, test_keeps_its_id);
    tcase_add_test(t, test_one_process_at_a_time);
    tcase_add_test(t, test_reader_finds_any_position);
    tcase_add_test(t, test_batches_keep_their_limits);
    tcase_add_test(t, test_a_refused_frame_comes_again);
    tcase_add_test(t, test_reader_waits_times_out_and_wakes);
    tcase_add_test(t, test_refuses_sizes_it_cannot_keep);
    tcase_add_test(t, test_tells_who_waits);
    tcase_add_test(t, test_close_writes_what_waits);
    tcase_add_test(t, test_retention_waits_for_holds);
    tcase_add_test(t, test_max_bytes_refuses_until_drained);
    tcase_add_test(t, test_damaged_copies_count);
    tcase_add_test(t, test_what_is_delivered_makes_room_beside_damaged_copies);
    tcase_add_test(t, test_min_free_refuses);
    tcase_add_test(t, test_backlog_is_estimated);
    tcase_add_test(t, test_a_position_once_seen_is_not_given_again);
    tcase_add_test(t, test_many_writers_and_readers);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
