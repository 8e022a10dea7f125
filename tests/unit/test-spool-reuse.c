/* SPDX-License-Identifier: MIT */
/* Segments in files that were segments before: which files are taken, who may
 * still be reading them, and that what is left of the old ones is never taken
 * for anything. */
#include "spool-help.h"
#include "spool/private.h"

#include <sys/statvfs.h>

#define SEGMENT 16384

static unsigned long blocks_free = 1 << 20;

int
fstatvfs(int fd, struct statvfs *v)
{
    (void) fd;
    memset(v, 0, sizeof *v);
    v->f_frsize = 4096;
    v->f_bavail = __atomic_load_n(&blocks_free, __ATOMIC_ACQUIRE);
    return 0;
}

static struct spool_options
options(void)
{
    struct spool_options o = help_options();
    o.segment_bytes = SEGMENT;
    o.retain_us = -1;
    return o;
}

static int
count_files(const char *end)
{
    int n = 0;
    DIR *d = opendir(help_dir);
    struct dirent *e;
    while ((e = readdir(d)))
        n += strstr(e->d_name, end) != NULL;
    closedir(d);
    return n;
}

static void
wait_spares(int n)
{
    for (int i = 0; i < 500 && count_files(".old") != n; i++)
        usleep(10000);
    ck_assert_int_eq(count_files(".old"), n);
}

static int
is_reused(uint64_t first)
{
    char path[256], header[SEGMENT_HEADER];
    struct segment_header h;
    help_segment(path, first);
    int fd = open(path, O_RDONLY);
    int rc = fd >= 0 && read(fd, header, sizeof header) == sizeof header
             && spool_header_unpack(header, &h) == 0;
    close(fd);
    return rc && h.reused;
}

/* The newest segment's first position. */
static uint64_t
newest(void)
{
    uint64_t first = 0;
    DIR *d = opendir(help_dir);
    struct dirent *e;
    while ((e = readdir(d)))
        if (strstr(e->d_name, ".seg") && strtoull(e->d_name, NULL, 10) > first)
            first = strtoull(e->d_name, NULL, 10);
    closedir(d);
    return first;
}

/* Append one by one until the newest segment is one that was begun by that, in
 * a used file, and holds some frames; returns its first position. */
static uint64_t
fill_reused(struct spool *s)
{
    uint64_t before = newest();
    for (;;) {
        uint64_t next = spool_durable(s) + 1;
        help_fill(s, next, next);
        uint64_t first = newest();
        if (first != before && is_reused(first)) {
            help_fill(s, next + 1, next + 50); /* several pages */
            return first;
        }
        ck_assert_uint_lt(next, 15000);
    }
}

/* As if the process had been killed: a copy of what is there takes its
 * place. */
static struct spool *
kill_and_open(struct spool *s, struct spool_recovery *r)
{
    static char names[64][64];
    static char *bytes[64];
    static size_t lens[64];
    int n = 0;
    char path[256];
    DIR *d = opendir(help_dir);
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_type != DT_REG)
            continue;
        snprintf(names[n], 64, "%.63s", e->d_name);
        snprintf(path, sizeof path, "%s/%.63s", help_dir, names[n]);
        bytes[n] = help_slurp(path, &lens[n]);
        n++;
    }
    closedir(d);
    spool_close(s);
    help_remove(help_dir);
    mkdir(help_dir, 0700);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%.63s", help_dir, names[i]);
        help_write(path, bytes[i], lens[i]);
        free(bytes[i]);
    }
    struct spool_options o = options();
    return help_open_with(&o, r);
}

START_TEST(test_files_are_used_again)
{
    struct spool_options o = options();
    struct spool_stats st;
    struct spool *s = help_open_with(&o, NULL);
    for (int i = 0; i < 10; i++) {
        uint64_t first = fill_reused(s);
        spool_stats(s, &st);
        ck_assert_int_eq(count_files(".old") > 0, st.spare_bytes > 0);
        ck_assert_int_le(count_files(".old"), SPOOL_SPARES);
        ck_assert_int_le(count_files(".seg"), 3);
        struct help_seen *seen = help_read_all(s, first - 1, 1000);
        ck_assert_uint_eq(seen->count, spool_durable(s) - first + 1);
        ck_assert_uint_eq(seen->wrong, 0);
        free(seen);
    }
    spool_close(s);
    ck_assert_int_eq(count_files(".old"), 0);
    ck_assert_str_eq(help_log, "");
}
END_TEST

START_TEST(test_a_killed_process_leaves_nothing_of_the_old)
{
    struct spool_options o = options();
    struct spool_recovery r;
    char path[256];
    struct stat st;
    struct spool *s = help_open_with(&o, NULL);
    for (int i = 0; i < 5; i++) {
        uint64_t first = fill_reused(s), last = spool_durable(s);
        help_segment(path, first);
        ck_assert_int_eq(stat(path, &st), 0);
        uint64_t before = (uint64_t) st.st_size;
        s = kill_and_open(s, &r);
        ck_assert_uint_eq(r.last, last);
        ck_assert_uint_eq(r.torn_bytes + r.damaged_frames + r.missing, 0);
        ck_assert_int_eq(count_files(".old"), 0);
        /* Cut where its frames end. */
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_lt(st.st_size, before);
        struct help_seen *seen = help_read_all(s, first - 1, 1000);
        ck_assert_uint_eq(seen->count, last - first + 1);
        ck_assert_uint_eq(seen->wrong, 0);
        free(seen);
    }
    spool_close(s);
    ck_assert_str_eq(help_log, "");
    help_path(path, "damaged");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

static int
walked(void *arg, const char *segment, uint64_t offset, uint64_t position,
       const char *body, size_t len, const char *damage)
{
    uint64_t *frames = arg;
    (void) segment;
    (void) offset;
    (void) position;
    (void) len;
    if (!damage)
        frames[0]++;
    else
        frames[1]++;
    ck_assert_int_eq(body == NULL, damage != NULL);
    return 0;
}

/* verify and the like, on what a kill has left. */
START_TEST(test_a_look_finds_nothing_of_the_old)
{
    struct spool_options o = options();
    struct spool_stats st;
    uint64_t frames[2] = { 0, 0 };
    char other[sizeof help_dir], line[200];
    struct spool *s = help_open_with(&o, NULL);
    fill_reused(s);
    spool_stats(s, &st);
    memcpy(other, help_dir, sizeof other);
    help_setup();
    snprintf(line, sizeof line, "cp %s/* %s", other, help_dir);
    ck_assert_int_eq(system(line), 0);
    ck_assert_int_eq(spool_walk(help_dir, 0, walked, frames), 0);
    ck_assert_uint_eq(frames[0], st.last - st.first + 1);
    ck_assert_uint_eq(frames[1], 0);
    spool_close(s);
    help_remove(other);
}
END_TEST

/* Beside the process that writes: what it writes, and what is damaged where
 * whole frames follow, is told apart, also in the newest segment. */
START_TEST(test_a_look_beside_tells_damage)
{
    struct spool_options o = options();
    uint64_t frames[2] = { 0, 0 };
    char path[256];
    struct spool *s = help_open_with(&o, NULL);
    uint64_t first = fill_reused(s);
    ck_assert_int_eq(spool_walk(help_dir, 0, walked, frames), -EBUSY);
    ck_assert_int_eq(spool_walk(help_dir, 1, walked, frames), 0);
    ck_assert_uint_gt(frames[0], 0);
    ck_assert_uint_eq(frames[1], 0);
    uint64_t before = frames[0];
    help_segment(path, first);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "?", 1, SEGMENT_HEADER + 17), 1);
    close(fd);
    frames[0] = 0;
    ck_assert_int_eq(spool_walk(help_dir, 1, walked, frames), 1);
    ck_assert_uint_eq(frames[0], before - 1);
    ck_assert_uint_eq(frames[1], 1);
    spool_close(s);
}
END_TEST

struct let_go {
    char gone[2][256]; /* segments that go while the first frame is looked at */
    int frames, told, other;
};

static int
walked_and_gone(void *arg, const char *segment, uint64_t offset,
                uint64_t position, const char *body, size_t len,
                const char *damage)
{
    struct let_go *g = arg;
    (void) offset;
    (void) position;
    (void) len;
    if (body && g->frames++ == 0) {
        unlink(g->gone[0]);
        unlink(g->gone[1]);
    }
    if (!body && g->told < 2 && strstr(damage, "has let go of")
        && strstr(g->gone[g->told], segment))
        g->told++;
    else if (!body)
        g->other++;
    return 0;
}

/* The one that is read, and one that was there when the walk began: both are
 * told, neither is damage. */
START_TEST(test_a_look_tells_what_was_let_go_of)
{
    struct spool_options o = options();
    struct let_go g = { .told = 0 };
    o.retain_us = INT64_MAX / 4;
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, 600);
    int found = 0;
    for (uint64_t p = 1; p <= 600 && found < 2; p++) {
        help_segment(g.gone[found], p);
        found += access(g.gone[found], F_OK) == 0;
    }
    ck_assert_int_eq(found, 2);
    ck_assert_int_eq(spool_walk(help_dir, 1, walked_and_gone, &g), 0);
    ck_assert_int_gt(g.frames, 0);
    ck_assert_int_eq(g.told, 2);
    ck_assert_int_eq(g.other, 0);
    spool_close(s);
}
END_TEST

/* A frame of ours that goes bad is still that, with old ones behind it. */
START_TEST(test_damage_is_still_damage)
{
    struct spool_options o = options();
    struct spool_recovery r;
    char path[256];
    struct spool *s = help_open_with(&o, NULL);
    uint64_t first = fill_reused(s), last = spool_durable(s);
    uint64_t bad = _i ? last : first + 4, at = SEGMENT_HEADER;
    for (uint64_t p = first; p < bad; p++) {
        char body[256];
        at += frame_size(help_body(body, p));
    }
    help_segment(path, first);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "?", 1, (off_t) at + (_i == 2 ? 9 : 17)), 1);
    close(fd);
    s = kill_and_open(s, &r);
    ck_assert_uint_eq(r.last, _i ? last - 1 : last);
    ck_assert_uint_eq(r.damaged_frames, _i ? 0 : 1);
    /* No more than that frame, and where its position has gone, its page. */
    ck_assert_int_eq(r.torn_bytes > 0, _i > 0);
    ck_assert_uint_le(r.torn_bytes, _i == 2 ? SEGMENT_PAD_MAX : 232);
    struct help_seen *seen = help_read_all(s, first - 1, 1000);
    ck_assert_uint_eq(seen->count, last - first);
    ck_assert_uint_eq(seen->times[bad], 0);
    free(seen);
    char body[256];
    struct slice b = slice_of(body, help_body(body, 1));
    uint64_t given;
    ck_assert_int_eq(spool_append(s, &b, 1, &given), 0);
    ck_assert_uint_gt(given, last); /* it may have been delivered */
    spool_close(s);
}
END_TEST

/* What is behind the end of a closed segment was never acknowledged, and may
 * have positions that were given to others.  It does not come back when the
 * file is used again. */
START_TEST(test_what_was_given_up_does_not_come_back)
{
    struct spool_options o = options();
    struct spool_recovery r;
    char path[256];
    struct spool *s = help_open_with(&o, NULL);
    struct spool_hold *hold = spool_hold_new(s, "lane", 0);
    for (uint64_t p = 1; newest() <= 1; p++)
        help_fill(s, p, p);
    /* The segment that will have its file begins among these positions. */
    static char bytes[500 * 24];
    help_segment(path, 1);
    int fd = open(path, O_WRONLY | O_APPEND);
    for (uint64_t i = 0; i < 500; i++)
        spool_frame_pack(bytes + i * 24, spool_seed(spool_id(s)),
                         spool_durable(s) + 1 + i, "?", 1);
    ck_assert_int_eq(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    spool_hold_move(hold, 1000000);
    wait_spares(1);
    uint64_t first = fill_reused(s), last = spool_durable(s);
    s = kill_and_open(s, &r);
    ck_assert_uint_eq(r.last, last);
    struct help_seen *seen = help_read_all(s, first - 1, 1000);
    ck_assert_uint_eq(seen->count, last - first + 1);
    ck_assert_uint_eq(seen->wrong, 0);
    free(seen);
    spool_close(s);
    ck_assert_str_eq(help_log, "");
}
END_TEST

/* Who is reading a segment that goes reads on, and passes over those that are
 * gone by then. */
START_TEST(test_readers_keep_their_file)
{
    enum { READERS = 6 };
    struct spool_options o = options();
    static struct help_seen seen[READERS];
    struct spool_reader *r[READERS];
    uint64_t last[READERS] = { 0 }, first[READERS + 1];
    struct spool *s = help_open_with(&o, NULL);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i <= READERS; i++) {
        uint64_t before = newest();
        while ((first[i] = newest()) == before)
            help_fill(s, spool_durable(s) + 1, spool_durable(s) + 1);
        if (i == READERS)
            break;
        ck_assert_int_eq(spool_reader_open(s, first[i] - 1, &r[i]), 0);
        ck_assert_int_eq(spool_reader_read(r[i], &seen[i].text, 1, 1, 0,
                                           &last[i], help_each, &seen[i]), 1);
    }
    for (int i = 0; i < 3; i++)
        fill_reused(s);
    for (int i = 0; i < READERS; i++) {
        while (last[i] < spool_durable(s)) {
            seen[i].text.len = 0;
            ck_assert_int_ge(spool_reader_read(r[i], &seen[i].text, 1000, 50,
                                               1000, &last[i], help_each,
                                               &seen[i]), 0);
        }
        for (uint64_t p = first[i]; p < first[i + 1]; p++)
            ck_assert_uint_eq(seen[i].times[p], 1);
        ck_assert_uint_eq(seen[i].wrong, 0);
        spool_reader_close(r[i]);
        text_clear(&seen[i].text);
    }
    spool_close(s);
    ck_assert_str_eq(help_log, "");
}
END_TEST

/* A file that has another name is somebody's copy. */
START_TEST(test_a_linked_file_stays_what_it_is)
{
    struct spool_options o = options();
    char path[256], other[256];
    size_t before, after;
    struct spool *s = help_open_with(&o, NULL);
    help_fill(s, 1, 100);
    help_segment(path, 1);
    help_path(other, "snapshot");
    ck_assert_int_eq(link(path, other), 0);
    char *bytes = help_slurp(other, &before);
    for (int i = 0; i < 3; i++)
        fill_reused(s);
    ck_assert_int_ne(access(path, F_OK), 0);
    char *now = help_slurp(other, &after);
    ck_assert_int_eq(memcmp(bytes, now, 8000), 0);
    free(bytes);
    free(now);
    spool_close(s);
}
END_TEST

/* Of what the limit allows nothing is withheld for spare files. */
START_TEST(test_spares_give_way_to_the_limit)
{
    struct spool_options o = options();
    struct spool_stats st;
    o.max_bytes = 5 * SEGMENT;
    struct spool *s = help_open_with(&o, NULL);
    fill_reused(s);
    fill_reused(s);
    struct spool_hold *hold = spool_hold_new(s, "lane", spool_durable(s));
    uint64_t first = 0;
    int rc;
    for (;;) {
        char body[256];
        struct slice b = slice_of(body, help_body(body, spool_durable(s) + 1));
        if ((rc = spool_append(s, &b, 1, &first)))
            break;
        help_wait_durable(s, first);
        spool_stats(s, &st);
        ck_assert_uint_le(st.bytes + st.spare_bytes, o.max_bytes);
    }
    ck_assert_int_eq(rc, -ENOSPC);
    spool_stats(s, &st);
    ck_assert_uint_gt(st.bytes + 300, o.max_bytes);
    ck_assert_uint_eq(st.spare_bytes, 0);
    ck_assert_int_eq(count_files(".old"), 0);
    spool_hold_free(hold);
    spool_close(s);
}
END_TEST

START_TEST(test_spares_give_way_when_the_disk_fills)
{
    struct spool_options o = options();
    struct spool_stats st;
    o.min_free = 1 << 20;
    struct spool *s = help_open_with(&o, NULL);
    fill_reused(s);
    wait_spares(1);
    spool_stats(s, &st);
    ck_assert_uint_ge(st.spare_bytes, SEGMENT / 2);
    __atomic_store_n(&blocks_free, ((1 << 20) + SEGMENT / 2) / 4096,
                     __ATOMIC_RELEASE);
    wait_spares(0);
    spool_stats(s, &st);
    ck_assert_uint_eq(st.spare_bytes, 0);
    ck_assert_int_eq(spool_health(s), 0);
    spool_close(s);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spool-reuse");
    TCase *t = tcase_create("spool-reuse");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, help_setup, help_teardown);
    tcase_add_test(t, test_files_are_used_again);
    tcase_add_test(t, test_a_killed_process_leaves_nothing_of_the_old);
    tcase_add_test(t, test_a_look_finds_nothing_of_the_old);
    tcase_add_test(t, test_a_look_beside_tells_damage);
    tcase_add_test(t, test_a_look_tells_what_was_let_go_of);
    tcase_add_loop_test(t, test_damage_is_still_damage, 0, 3);
    tcase_add_test(t, test_what_was_given_up_does_not_come_back);
    tcase_add_test(t, test_readers_keep_their_file);
    tcase_add_test(t, test_a_linked_file_stays_what_it_is);
    tcase_add_test(t, test_spares_give_way_to_the_limit);
    tcase_add_test(t, test_spares_give_way_when_the_disk_fills);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
