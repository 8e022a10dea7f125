/* SPDX-License-Identifier: MIT */
/* Damage: opening never fails, what is intact is read once and in order, and
 * no position that may have been acknowledged is given out again. */
#include "spool/private.h"
#include "spool-help.h"

#include <sys/wait.h>

#define FRAMES 60

static uint64_t firsts[64]; /* segments of the spool under test */
static size_t segments;

static void
make(uint64_t frames)
{
    struct spool_options o = help_options();
    struct spool_stats st;
    o.segment_bytes = 1500;
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, frames);
    spool_stats(s, &st);
    spool_close(s);
    segments = 0;
    for (uint64_t p = 1; p <= frames; p++) {
        char path[256];
        help_segment(path, p);
        if (access(path, F_OK) == 0)
            firsts[segments++] = p;
    }
    ck_assert_uint_eq(segments, st.segments);
    ck_assert_uint_ge(segments, 4);
}

/* What must hold of any damaged spool: it opens, reads, takes more, and the
 * same again.  Returns how many of the positions were read. */
static uint64_t
survive(uint64_t frames, struct help_seen **out)
{
    struct spool_recovery r;
    struct spool_options o = help_options();
    uint64_t first = 0, got = 0;
    o.segment_bytes = 1500;
    for (int again = 0; again < 2; again++) {
        struct spool *s = help_open_with(&o, &r);
        struct help_seen *seen = help_read_all(s, 0, 700);
        ck_assert_uint_eq(seen->wrong, 0);
        if (again) {
            ck_assert_uint_eq(seen->count, got + 1);
            ck_assert_uint_eq(seen->times[first], 1);
        }
        got = seen->count;
        if (out && !again)
            *out = seen;
        else
            free(seen);
        if (!again) {
            char body[256];
            struct slice b;
            struct spool_stats st;
            spool_stats(s, &st);
            memset(body, 0, sizeof body);
            b = slice_of(body, help_body(body, st.last + 1));
            ck_assert_int_eq(spool_append(s, &b, 1, &first), 0);
            ck_assert_uint_gt(first, frames);
            help_wait_durable(s, first);
        }
        spool_close(s);
    }
    return got - 1;
}

/* A byte of every region of the first, a middle and the last segment. */
START_TEST(test_any_bit)
{
    size_t len;
    char path[256];
    make(FRAMES);
    size_t which = _i == 0 ? 0 : _i == 1 ? segments / 2 : segments - 1;
    char *dirs[64];
    size_t lens[64] = { 0 };
    for (size_t i = 0; i < segments; i++) {
        help_segment(path, firsts[i]);
        dirs[i] = help_slurp(path, &lens[i]);
    }
    len = lens[which];
    for (size_t at = 0; at < len; at += 5) {
        char id[256];
        size_t id_len;
        help_path(id, "ID");
        char *id_text = help_slurp(id, &id_len);
        help_remove(help_dir);
        mkdir(help_dir, 0700);
        help_write(id, id_text, id_len);
        free(id_text);
        for (size_t i = 0; i < segments; i++) {
            help_segment(path, firsts[i]);
            help_write(path, dirs[i], lens[i]);
        }
        char bad = (char) (dirs[which][at] ^ (1 << at % 8));
        help_segment(path, firsts[which]);
        int fd = open(path, O_WRONLY);
        ck_assert_int_eq(pwrite(fd, &bad, 1, (off_t) at), 1);
        close(fd);
        uint64_t got = survive(which == segments - 1 ? FRAMES - 1 : FRAMES,
                               NULL);
        /* One frame at most; none for a bit of a header or of padding. */
        ck_assert_uint_ge(got, FRAMES - 1);
        if (at < 64)
            ck_assert_uint_eq(got, FRAMES);
    }
    for (size_t i = 0; i < segments; i++)
        free(dirs[i]);
}
END_TEST

/* The newest segment, cut at any length, as a power cut leaves it. */
START_TEST(test_any_cut)
{
    char path[256], id[256];
    size_t len, id_len;
    make(FRAMES);
    help_path(id, "ID");
    char *id_text = help_slurp(id, &id_len);
    char *bytes[64];
    size_t lens[64] = { 0 };
    for (size_t i = 0; i < segments; i++) {
        help_segment(path, firsts[i]);
        bytes[i] = help_slurp(path, &lens[i]);
    }
    uint64_t last_got = 0;
    len = lens[segments - 1];
    for (size_t cut = 0; cut <= len; cut++) {
        help_remove(help_dir);
        mkdir(help_dir, 0700);
        help_write(id, id_text, id_len);
        for (size_t i = 0; i < segments; i++) {
            help_segment(path, firsts[i]);
            help_write(path, bytes[i], i + 1 < segments ? lens[i] : cut);
        }
        uint64_t got = survive(firsts[segments - 1] - 1, NULL);
        ck_assert_uint_ge(got, firsts[segments - 1] - 1);
        ck_assert_uint_ge(got, last_got);
        last_got = got;
    }
    ck_assert_uint_eq(last_got, FRAMES);
    for (size_t i = 0; i < segments; i++)
        free(bytes[i]);
    free(id_text);
}
END_TEST

static void
check_missing(const struct help_seen *seen, uint64_t from, uint64_t to)
{
    for (uint64_t p = 1; p <= FRAMES; p++)
        ck_assert_uint_eq(seen->times[p], p < from || p > to);
}

START_TEST(test_missing_segment)
{
    char path[256];
    struct help_seen *seen;
    make(FRAMES);
    size_t i = (size_t) _i;
    help_segment(path, firsts[i]);
    unlink(path);
    survive(FRAMES, &seen);
    uint64_t end = i + 1 < segments ? firsts[i + 1] - 1 : FRAMES;
    check_missing(seen, firsts[i], end);
    free(seen);
    if (i > 0)
        ck_assert_ptr_nonnull(strstr(help_log, "are missing"));
}
END_TEST

START_TEST(test_truncated_segment)
{
    char path[256];
    struct stat st;
    struct help_seen *seen;
    make(FRAMES);
    help_segment(path, firsts[1]);
    stat(path, &st);
    ck_assert_int_eq(truncate(path, st.st_size / 2), 0);
    uint64_t got = survive(FRAMES, &seen);
    ck_assert_uint_lt(got, FRAMES);
    for (uint64_t p = 1; p <= FRAMES; p++)
        if (p < firsts[1] || p >= firsts[2])
            ck_assert_uint_eq(seen->times[p], 1);
    ck_assert_uint_eq(seen->times[firsts[1]], 1);
    free(seen);
    ck_assert_ptr_nonnull(strstr(help_log, "cut off"));
}
END_TEST

START_TEST(test_emptied_segment)
{
    char path[256];
    struct help_seen *seen;
    make(FRAMES);
    help_segment(path, firsts[1]);
    ck_assert_int_eq(truncate(path, 0), 0);
    survive(FRAMES, &seen);
    check_missing(seen, firsts[1], firsts[2] - 1);
    free(seen);
}
END_TEST

START_TEST(test_swapped_segments)
{
    char a[256], b[256], c[256];
    make(FRAMES);
    help_segment(a, firsts[1]);
    help_segment(b, firsts[2]);
    help_path(c, "x");
    rename(a, c);
    rename(b, a);
    rename(c, b);
    ck_assert_uint_eq(survive(FRAMES, NULL), FRAMES);
    ck_assert_ptr_nonnull(strstr(help_log, "is really"));
}
END_TEST

START_TEST(test_duplicated_segment)
{
    char a[256], b[256];
    size_t len;
    make(FRAMES);
    help_segment(a, firsts[1]);
    help_segment(b, firsts[1] + 1);
    char *bytes = help_slurp(a, &len);
    help_write(b, bytes, len);
    free(bytes);
    ck_assert_uint_eq(survive(FRAMES, NULL), FRAMES);
    ck_assert_int_ne(access(b, F_OK), 0);
}
END_TEST

START_TEST(test_foreign_segment)
{
    char path[256], other[64], from[300];
    size_t len;
    make(FRAMES);
    memcpy(other, help_dir, sizeof other);
    help_setup();
    make(FRAMES);
    help_segment(path, firsts[1]);
    snprintf(from, sizeof from, "%s%s", other, path + strlen(help_dir));
    char *bytes = help_slurp(from, &len);
    help_write(path, bytes, len);
    free(bytes);
    struct help_seen *seen;
    survive(FRAMES, &seen);
    check_missing(seen, firsts[1], firsts[2] - 1);
    free(seen);
    ck_assert_ptr_nonnull(strstr(help_log, "another spool"));
    help_path(path, "damaged");
    ck_assert_int_eq(access(path, F_OK), 0);
    help_remove(other);
}
END_TEST

START_TEST(test_lost_id)
{
    char path[256], before[64];
    struct spool *s;
    make(FRAMES);
    s = help_open(NULL);
    snprintf(before, sizeof before, "%s", spool_id_text(s));
    spool_close(s);
    help_path(path, "ID");
    if (_i == 0)
        unlink(path);
    else if (_i == 1)
        help_write(path, "nonsense\n", 9);
    else if (_i == 2)
        help_write(path, "01234567-89ab-4def-8123-456789abcdef\n", 37);
    else
        help_write(path, "", 0);
    ck_assert_uint_eq(survive(FRAMES, NULL), FRAMES);
    s = help_open(NULL);
    ck_assert_str_eq(spool_id_text(s), before);
    spool_close(s);
}
END_TEST

START_TEST(test_zeroed_block_in_the_middle)
{
    char path[256], zeros[300] = { 0 };
    make(FRAMES);
    help_segment(path, firsts[_i ? segments - 1 : 1]);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, zeros, sizeof zeros, 200), 300);
    close(fd);
    uint64_t got = survive(FRAMES - (_i ? 4 : 0), NULL);
    ck_assert_uint_ge(got, FRAMES - 8);
    ck_assert_uint_lt(got, FRAMES);
    help_path(path, "damaged");
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    closedir(d);
}
END_TEST

#define MOVED_FRAMES 16

static size_t
    places[MOVED_FRAMES + 1]; /* where each frame begins, and the end */

/* Frames `from` on have been written over others at `to`, too; where `gone` is
 * set those at their own place are no more.  All others are read. */
static void
check_moved(const char *path, const char *bytes, size_t from, size_t to,
            size_t count, int gone)
{
    char copy[8192];
    struct spool_options o = help_options();
    size_t len = places[MOVED_FRAMES], at = places[to];
    size_t size = places[from + count] - places[from];
    size_t end = at + size < len ? at + size : len;
    memcpy(copy, bytes, len);
    memcpy(copy + at, bytes + places[from], end - at);
    for (size_t i = places[from]; gone && i < places[from + count]; i++)
        if (i < at || i >= end)
            copy[i] = 0;
    help_write(path, copy, len);
    struct spool *s = help_open_with(&o, NULL);
    struct help_seen *seen = help_read_all(s, 0, 700);
    ck_assert_uint_eq(seen->wrong, 0);
    for (size_t i = 0; i < MOVED_FRAMES; i++) {
        int harmed = (places[i] < end && places[i + 1] > at)
                     || (gone && i >= from && i < from + count);
        ck_assert_msg(seen->times[1 + i] == 1 || harmed,
                      "%zu frames from %zu copied to %zu, gone %d: frame %zu "
                      "is read %u times",
                      count, from, to, gone, i, seen->times[1 + i]);
    }
    free(seen);
    spool_close(s);
}

/* In the newest segment, then in one that others follow. */
START_TEST(test_frames_in_the_wrong_place)
{
    char path[256], body[256], *bytes;
    size_t len, at = SEGMENT_HEADER;
    struct spool_options o = help_options();
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, MOVED_FRAMES);
    spool_close(s);
    help_segment(path, 1);
    bytes = help_slurp(path, &len);
    for (uint64_t i = 0; i < MOVED_FRAMES; i++) {
        places[i] = at;
        at += frame_size(help_body(body, i + 1));
    }
    places[MOVED_FRAMES] = at;
    ck_assert_uint_le(at, len);
    o.segment_bytes = 1000; /* another begins */
    s = help_open_with(&o, NULL);
    if (_i)
        help_fill(s, MOVED_FRAMES + 1, MOVED_FRAMES + 4);
    spool_close(s);
    for (size_t from = 0; from < MOVED_FRAMES; from++)
        for (size_t to = 0; to < MOVED_FRAMES; to++)
            for (size_t n = 1; n <= 5 && from + n <= MOVED_FRAMES; n++) {
                check_moved(path, bytes, from, to, n, 0);
                check_moved(path, bytes, from, to, n, 1);
            }
    free(bytes);
}
END_TEST

START_TEST(test_damage_is_told_once)
{
    char path[256], x[8] = "garbage";
    make(FRAMES);
    help_segment(path, firsts[1]);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, x, 8, 300), 8);
    close(fd);
    struct spool_options o = help_options();
    struct spool *s = help_open_with(&o, NULL);
    for (int i = 0; i < 3; i++)
        free(help_read_all(s, 0, 500));
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_eq(st.damaged, 1);
    const char *line = strstr(help_log, "damaged at byte");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_null(strstr(line + 1, "damaged at byte"));
    spool_close(s);
}
END_TEST

/* The newest one whose header is damaged is named, and takes no more. */
START_TEST(test_damaged_header_is_named)
{
    char path[256], want[64], body[256], bad;
    struct spool_options o = help_options();
    uint64_t first;
    o.segment_bytes = 1500;
    make(FRAMES);
    help_segment(path, firsts[segments - 1]);
    snprintf(want, sizeof want, "%s: the header is damaged",
             strrchr(path, '/') + 1);
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, &bad, 1, 40), 1);
    bad = (char) ~bad;
    ck_assert_int_eq(pwrite(fd, &bad, 1, 40), 1);
    close(fd);
    struct spool *s = help_open_with(&o, NULL);
    const char *line = strstr(help_log, want);
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_null(strstr(line + 1, want));
    struct slice b = slice_of(body, help_body(body, FRAMES + 1));
    ck_assert_int_eq(spool_append(s, &b, 1, &first), 0);
    help_wait_durable(s, first);
    spool_close(s);
    help_segment(path, first);
    ck_assert_int_eq(access(path, F_OK), 0);
    s = help_open_with(&o, NULL);
    ck_assert_ptr_null(strstr(line + 1, want)); /* it is not the newest now */
    struct help_seen *seen = help_read_all(s, 0, 700);
    ck_assert_uint_eq(seen->count, FRAMES + 1);
    free(seen);
    spool_close(s);
}
END_TEST

/* The first frame of the last group did not get to the disk, so the others of
 * it are taken away.  They were told of when the spool was open, and are not
 * given out by the start after it either. */
START_TEST(test_what_was_taken_away_is_remembered)
{
    static const char zeros[512];
    char bodies[4][256], hint[256], path[256];
    struct slice group[4];
    size_t len, body = 0;
    uint64_t first, at = SEGMENT_HEADER;
    struct spool_options o = help_options();
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, 10);
    spool_close(s);
    help_path(hint, "LAST");
    char *known = help_slurp(hint, &len);
    s = help_open_with(&o, NULL);
    for (uint64_t i = 0; i < 4; i++) {
        memset(bodies[i], 0, sizeof bodies[i]);
        group[i] = slice_of(bodies[i], help_body(bodies[i], 11 + i));
    }
    ck_assert_int_eq(spool_gather_whole(s, group, 4, &first), 0);
    ck_assert_uint_eq(first, 11);
    spool_flush(s, 20000000);
    spool_close(s);
    help_write(hint, known, len);
    free(known);
    for (uint64_t p = 1; p <= 10; p++, at += frame_size(body))
        body = help_body(bodies[1], p);
    help_segment(path, 1);
    int fd = open(path, O_WRONLY);
    ck_assert_int_gt(pwrite(fd, zeros, frame_size(group[0].len), (off_t) at),
                     0);
    close(fd);

    pid_t pid = fork();
    if (!pid) {
        s = help_open_with(&o, NULL);
        _exit(spool_durable(s) != 14);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    s = help_open_with(&o, NULL);
    ck_assert_int_eq(spool_append(s, group, 1, &first), 0);
    ck_assert_uint_eq(first, 15);
    help_wait_durable(s, 15);
    struct help_seen *seen = help_read_all(s, 0, 700);
    ck_assert_uint_eq(seen->count, 11);
    free(seen);
    spool_close(s);
}
END_TEST

START_TEST(test_every_file_gone_but_the_hint)
{
    char path[256];
    make(FRAMES);
    for (size_t i = 0; i < segments; i++) {
        help_segment(path, firsts[i]);
        unlink(path);
    }
    ck_assert_uint_eq(survive(FRAMES, NULL), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spool-recovery");
    TCase *t = tcase_create("spool-recovery");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, help_setup, help_teardown);
    tcase_add_loop_test(t, test_any_bit, 0, 3);
    tcase_add_test(t, test_any_cut);
    tcase_add_loop_test(t, test_missing_segment, 0, 4);
    tcase_add_test(t, test_truncated_segment);
    tcase_add_test(t, test_emptied_segment);
    tcase_add_test(t, test_swapped_segments);
    tcase_add_test(t, test_duplicated_segment);
    tcase_add_test(t, test_foreign_segment);
    tcase_add_loop_test(t, test_lost_id, 0, 4);
    tcase_add_loop_test(t, test_zeroed_block_in_the_middle, 0, 2);
    tcase_add_loop_test(t, test_frames_in_the_wrong_place, 0, 2);
    tcase_add_test(t, test_damage_is_told_once);
    tcase_add_test(t, test_damaged_header_is_named);
    tcase_add_test(t, test_what_was_taken_away_is_remembered);
    tcase_add_test(t, test_every_file_gone_but_the_hint);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
