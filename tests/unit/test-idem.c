/* SPDX-License-Identifier: MIT */
#include "slow.h"
#include "spool-help.h"
#include "codec/event.h"
#include "idem/idem.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define T0 (INT64_C(1700000000) * SECOND)

static struct spool *spool;
static struct idem *idem;
static char idem_dir[128];
static char spool_dir[128];

static uint64_t part_keys;

static struct idem_options
options(void)
{
    return (struct idem_options){ .dir = idem_dir,
                                  .window_us = 24 * HOUR,
                                  .part_keys = part_keys };
}

static void
open_both(const struct idem_options *o)
{
    struct spool_options so = help_options();
    so.dir = spool_dir;
    so.segment_bytes = 1 << 20;
    ck_assert_int_eq(spool_open(&so, &spool, NULL), 0);
    ck_assert_int_eq(idem_open(o, spool, &idem), 0);
}

static void
close_both(void)
{
    idem_close(idem);
    spool_close(spool);
}

static void
setup(void)
{
    help_setup();
    snprintf(idem_dir, sizeof idem_dir, "%s/idem", help_dir);
    snprintf(spool_dir, sizeof spool_dir, "%s/spool", help_dir);
}

/* Everything once with all keys in memory, and once with hardly any. */
static void
setup_parts(void)
{
    setup();
    part_keys = 700;
}

static struct slice
key_text(char out[64], uint64_t n)
{
    return slice_of(out, (size_t) snprintf(out, 64, "key-%" PRIu64, n));
}

static struct slice
id_text(char out[64], uint64_t n)
{
    return slice_of(out, (size_t) snprintf(out, 64, "evt_%026" PRIu64, n));
}

static struct idem_key
key_of(uint64_t n)
{
    char text[64];
    return idem_key(idem, IDEM_SERVER, SLICE("app"), key_text(text, n));
}

static void
settle(void)
{
    struct spool_stats st;
    spool_stats(spool, &st);
    help_wait_durable(spool, st.last);
    idem_durable(idem, st.last, 0);
}

/* Tables of few keys are full before much is durable. */
static void
make_room(uint32_t n, int64_t now_us)
{
    int rc = idem_ready(idem, n, now_us);
    for (int i = 0; i < 100 && rc == -ENOSPC; i++) {
        settle();
        rc = idem_ready(idem, n, now_us);
    }
    ck_assert_int_eq(rc, 0);
}

/* Append event n, as the gate does; odd ones have an id besides the key. */
static uint64_t
append(uint64_t n, int64_t now_us)
{
    char key[64], id[64];
    struct il_text body = { 0 };
    struct event e = { .type = SLICE("t"),
                       .source_id = SLICE("app"),
                       .received_us = now_us,
                       .timestamp_us = EVENT_NO_TIME,
                       .payload = slice_of("\x80", 1) };
    struct slice kept = { NULL, 0 };
    e.id = key_text(key, n);
    if (n % 2) {
        e.key = e.id;
        e.id = kept = id_text(id, n);
    }
    ck_assert_int_eq(event_pack(&body, &e), 0);
    struct slice b = slice_of(body.data, body.len);
    uint64_t position;
    make_room(1, now_us);
    ck_assert_int_eq(spool_append(spool, &b, 1, &position), 0);
    ck_assert_int_eq(idem_add(idem, key_of(n), now_us, position, kept), 0);
    text_clear(&body);
    return position;
}

/* Where damage is met, what was lost is taken from the spool first. */
static int
find(uint64_t n, int64_t now_us, int64_t window_us, struct idem_hit *hit)
{
    int rc = -EAGAIN;
    for (int i = 0; i < 20000 && rc == -EAGAIN; i++) {
        rc = idem_find_within(idem, key_of(n), now_us, window_us, hit);
        if (rc == -EAGAIN) {
            idem_durable(idem, spool_durable(spool), 0);
            usleep(500);
        }
    }
    ck_assert_int_ge(rc, 0);
    return rc;
}

static int
knows(uint64_t n, int64_t now_us)
{
    struct idem_hit hit;
    char id[64];
    idem_prefetch(idem, key_of(n));
    if (!find(n, now_us, 0, &hit))
        return 0;
    struct slice want = id_text(id, n);
    if (n % 2)
        ck_assert(slice_equal(slice_of(hit.id, hit.id_len), want));
    else if (hit.id_len)
        ck_assert(slice_equal(slice_of(hit.id, hit.id_len), key_text(id, n)));
    ck_assert_uint_ge(hit.position, 1);
    return 1;
}

static void
check_range(uint64_t from, uint64_t to, int64_t now_us, int want)
{
    for (uint64_t n = from; n <= to; n++)
        if (knows(n, now_us) != want)
            ck_abort_msg("key %" PRIu64 ": known %d, not %d", n, !want, want);
}

START_TEST(test_finds_on_the_way_and_after)
{
    struct idem_options o = options();
    open_both(&o);
    for (uint64_t n = 1; n <= 5000; n++)
        append(n, T0);
    check_range(1, 5000, T0, 1);
    check_range(5001, 6000, T0, 0);
    settle();
    check_range(1, 5000, T0 + HOUR, 1);
    check_range(5001, 6000, T0, 0);
    struct idem_stats st;
    idem_stats(idem, &st);
    ck_assert_uint_eq(st.keys, 5000);
    close_both();
}
END_TEST

START_TEST(test_sources_do_not_share_keys)
{
    struct idem_options o = options();
    open_both(&o);
    struct idem_key a = idem_key(idem, IDEM_SERVER, SLICE("a"), SLICE("bc"));
    struct idem_key b = idem_key(idem, IDEM_SERVER, SLICE("ab"), SLICE("c"));
    ck_assert(a.hi != b.hi || a.lo != b.lo);
    close_both();
}
END_TEST

START_TEST(test_survives_a_restart)
{
    struct idem_options o = options();
    for (uint64_t round = 0; round < 4; round++) {
        open_both(&o);
        check_range(1, round * 1000, T0 + HOUR, 1);
        for (uint64_t n = 1; n <= 1000; n++)
            append(round * 1000 + n, T0 + (int64_t) round * HOUR);
        settle();
        if (round == 1)
            ck_assert_int_eq(idem_checkpoint(idem, T0), 0);
        struct idem_stats st;
        idem_stats(idem, &st);
        ck_assert_uint_eq(st.rebuilt, 0);
        close_both();
    }
    ck_assert_str_eq(help_log, "");
}
END_TEST

static void
killed_after(uint64_t from, uint64_t to, int durable)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct idem_options o = options();
        open_both(&o);
        for (uint64_t n = from; n <= to; n++) {
            append(n, T0);
            if (durable && n % 97 == 0)
                settle();
        }
        struct spool_stats st;
        spool_stats(spool, &st);
        while (spool_durable(spool) < st.last)
            usleep(1000);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(test_survives_a_kill)
{
    struct idem_options o = options();
    killed_after(1, 3000, 1);
    killed_after(3001, 90000, 1); /* grows */
    killed_after(90001, 91000, 0);
    open_both(&o);
    check_range(1, 91000, T0, 1);
    check_range(91001, 92000, T0, 0);
    close_both();
}
END_TEST

START_TEST(test_grows)
{
    struct idem_options o = options();
    const uint64_t all = (uint64_t) slow(300000, 50000);
    open_both(&o);
    for (uint64_t n = 1; n <= all; n++) {
        append(n, T0);
        if (n % 500 == 0)
            settle();
        if (n % 25000 == 0)
            check_range(n - 24999, n, T0, 1);
    }
    check_range(1, all, T0, 1);
    check_range(all + 1, all + 10000, T0, 0);
    close_both();
    open_both(&o);
    check_range(1, all, T0, 1);
    close_both();
    ck_assert_str_eq(help_log, "");
}
END_TEST

START_TEST(test_forgets_past_the_window)
{
    struct idem_options o = options();
    open_both(&o);
    for (uint64_t n = 1; n <= 60; n++)
        append(n, T0 + (int64_t) n * HOUR);
    settle();
    int64_t now = T0 + 60 * HOUR;
    check_range(1, 35, now, 0);
    check_range(37, 60, now, 1);
    /* The same key may come again, and is then known again. */
    append(3, now);
    settle();
    ck_assert_int_eq(knows(3, now + HOUR), 1);
    close_both();
}
END_TEST

START_TEST(test_clock_jumps)
{
    struct idem_options o = options();
    open_both(&o);
    for (uint64_t n = 1; n <= 100; n++)
        append(n, T0);
    settle();
    /* Ahead by ten days, and the housekeeping runs, and back again. */
    int64_t far = T0 + 240 * HOUR;
    append(1000, far);
    settle();
    ck_assert_int_eq(idem_checkpoint(idem, far), 0);
    settle();
    check_range(1, 100, T0 + HOUR, 1);
    ck_assert_int_eq(knows(1000, T0 + HOUR), 1);
    /* Back by a month: what was seen was seen. */
    check_range(1, 100, T0 - 720 * HOUR, 1);
    for (uint64_t n = 2000; n < 2100; n++)
        append(n, n % 2 ? T0 : far);
    settle();
    check_range(2000, 2099, T0 + HOUR, 1);
    close_both();
}
END_TEST

/* How many files of the index have this suffix. */
static int
files(const char *suffix)
{
    DIR *d = opendir(idem_dir);
    struct dirent *e;
    int n = 0;
    while ((e = readdir(d))) {
        size_t len = strlen(e->d_name), s = strlen(suffix);
        n += len >= s && strcmp(e->d_name + len - s, suffix) == 0;
    }
    closedir(d);
    return n;
}

START_TEST(test_runs_go)
{
    struct idem_options o = options();
    struct idem_stats st;
    o.window_us = SECOND / 2;
    for (int i = 0; i < 6; i++) {
        open_both(&o);
        append((uint64_t) i + 1, T0 + i * SECOND);
        settle();
        close_both();
    }
    ck_assert_int_eq(files(".run"), 6);
    open_both(&o);
    for (int i = 0; i < 200 && files(".run"); i++) {
        idem_checkpoint(idem, T0 + 100 * SECOND);
        usleep(20000);
        settle();
    }
    ck_assert_int_eq(files(".run"), 0);
    settle();
    idem_stats(idem, &st);
    ck_assert_uint_eq(st.keys, 0);
    ck_assert_uint_eq(st.slices, 0);
    close_both();
}
END_TEST

START_TEST(test_cap_forgets_the_oldest)
{
    struct idem_options o = options();
    struct idem_stats st;
    o.max_keys = 1000;
    open_both(&o);
    for (uint64_t n = 1; n <= 5000; n++) {
        append(n, T0);
        settle();
        if (n % 500 == 0)
            idem_checkpoint(idem, T0);
    }
    for (int i = 0; i < 2000; i++) {
        idem_stats(idem, &st);
        if (st.keys <= 1000)
            break;
        usleep(1000);
        settle();
    }
    ck_assert_uint_le(st.keys, 1000);
    check_range(4300, 5000, T0, 1);
    check_range(1, 3000, T0, 0);
    ck_assert_ptr_nonnull(strstr(help_log, "the limit is 1000"));
    close_both();
}
END_TEST

/* With nearly all keys in runs of few, which are merged, and after the oldest
 * are gone: hardly anything of it is in memory. */
START_TEST(test_memory_does_not_grow)
{
    struct idem_options o = options();
    struct idem_stats st = { 0 };
    o.part_keys = 700;
    open_both(&o);
    for (uint64_t n = 1; n <= 80000; n++) {
        append(n, T0 + (int64_t) n * SECOND);
        if (n % 500 == 0)
            settle();
    }
    st.slices = 1000;
    for (int i = 0; i < 1000 && st.slices > 16; i++) {
        usleep(10000);
        settle();
        idem_stats(idem, &st);
    }
    ck_assert_uint_le(st.slices, 16);
    ck_assert_uint_lt(st.heap, 1 << 20);
    ck_assert_uint_gt(st.bytes, 80000 * 24);
    ck_assert_uint_gt(st.mapped, 80000 * 3);
    check_range(1, 80000, T0 + 80000 * SECOND, 1);
    check_range(80001, 160000, T0 + 80000 * SECOND, 0);
    int64_t later = T0 + 33 * HOUR;
    append(80001, later);
    settle();
    check_range(1, 30000, later, 0);
    check_range(33000, 80001, later, 1);
    close_both();
    open_both(&o);
    check_range(33000, 80001, later, 1);
    check_range(80002, 160000, later, 0);
    close_both();
    ck_assert_str_eq(help_log, "");
}
END_TEST

/* The places of withdrawn entries are given out again, also while a table
 * grows. */
START_TEST(test_withdrawn_while_growing)
{
    struct idem_options o = options();
    uint64_t last = 0;
    open_both(&o);
    for (uint64_t n = 1; n <= 60000; n += 600) {
        for (uint64_t i = n; i < n + 600; i++)
            last = append(i, T0);
        settle();
        make_room(600, T0);
        for (uint64_t i = 0; i < 600; i++) {
            char id[64];
            uint64_t lost = 1000000 + n + i;
            ck_assert_int_eq(idem_add(idem, key_of(lost), T0, last + 1 + i,
                                      i % 3 ? SLICE("") : id_text(id, lost)),
                             0);
        }
        ck_assert_int_eq(knows(1000000 + n + 1, T0), 1);
        idem_durable(idem, last, -ENOSPC);
        check_range(1000000 + n, 1000000 + n + 599, T0, 0);
    }
    check_range(1, 60000, T0, 1);
    struct idem_stats st;
    idem_stats(idem, &st);
    ck_assert_uint_eq(st.keys, 60000);
    close_both();
}
END_TEST

START_TEST(test_failure_forgets_what_was_withdrawn)
{
    struct idem_options o = options();
    open_both(&o);
    append(1, T0);
    settle();
    make_room(2, T0);
    ck_assert_int_eq(idem_add(idem, key_of(2), T0, 2, SLICE("")), 0);
    ck_assert_int_eq(idem_add(idem, key_of(3), T0, 3, SLICE("an-id")), 0);
    idem_durable(idem, 1, -ENOSPC);
    ck_assert_int_eq(knows(1, T0), 1);
    ck_assert_int_eq(knows(2, T0), 0);
    ck_assert_int_eq(knows(3, T0), 0);
    append(3, T0); /* takes its place */
    settle();
    ck_assert_int_eq(knows(3, T0), 1);
    close_both();
}
END_TEST

/* A bit at a part of the file; in thousandths where it is negative. */
static void
flip(const char *path, long at)
{
    size_t len;
    char *bytes = help_slurp(path, &len);
    bytes[at < 0 ? len * (size_t) -at / 1000 : (size_t) at % len] ^= 1;
    help_write(path, bytes, len);
    free(bytes);
}

static void
cut(const char *path, long at)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    off_t to = at < 0 ? st.st_size * -at / 1000 : at;
    ck_assert_int_eq(truncate(path, to < st.st_size ? to : st.st_size - 1), 0);
}

static void
gone(const char *path, long at)
{
    (void) at;
    ck_assert_int_eq(unlink(path), 0);
}

static void
garbage(const char *path, long at)
{
    char bytes[8192];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) (i * 7919 >> 3);
    help_write(path, bytes, at ? (size_t) at : sizeof bytes);
}

/* Do it to every file of the index with this suffix. */
static int
damage(const char *suffix, void (*fn)(const char *path, long at), long at)
{
    DIR *d = opendir(idem_dir);
    struct dirent *e;
    char path[512];
    int n = 0;
    while ((e = readdir(d))) {
        size_t len = strlen(e->d_name), s = strlen(suffix);
        if (len < s || strcmp(e->d_name + len - s, suffix) != 0)
            continue;
        snprintf(path, sizeof path, "%.120s/%.255s", idem_dir, e->d_name);
        fn(path, at);
        n++;
    }
    closedir(d);
    return n;
}

/* The header is 4096 bytes, the last eight its sum; then come lines, records,
 * ids and sums. */
static const struct {
    const char *suffix;
    void (*fn)(const char *path, long at);
    long at;
} damages[] = {
    { ".run", flip, 3 },     { ".run", flip, 9 },     { ".run", flip, 20 },
    { ".run", flip, 60 },    { ".run", flip, 4094 },  { ".run", flip, 4100 },
    { ".run", flip, -150 },  { ".run", flip, -300 },  { ".run", flip, -450 },
    { ".run", flip, -600 },  { ".run", flip, -750 },  { ".run", flip, -900 },
    { ".run", flip, -999 },  { ".run", cut, 0 },      { ".run", cut, 5 },
    { ".run", cut, 4095 },   { ".run", cut, 4096 },   { ".run", cut, -500 },
    { ".run", cut, -998 },   { ".run", cut, -1000 },  { ".run", gone, 0 },
    { ".run", garbage, 0 },  { ".run", garbage, 40 }, { "RUNS", flip, 3 },
    { "RUNS", flip, 9 },     { "RUNS", flip, 60 },    { "RUNS", flip, -500 },
    { "RUNS", flip, -999 },  { "RUNS", cut, 0 },      { "RUNS", cut, 20 },
    { "RUNS", cut, -1000 },  { "RUNS", gone, 0 },     { "RUNS", garbage, 0 },
    { "RUNS", garbage, 40 },
};

START_TEST(test_rebuilds_what_is_damaged)
{
    struct idem_options o = options();
    open_both(&o);
    for (uint64_t n = 1; n <= 2000; n++)
        append(n, T0 + (int64_t) n * 30 * SECOND); /* several slices */
    settle();
    close_both();
    ck_assert_int_ge(damage(damages[_i].suffix, damages[_i].fn, damages[_i].at),
                     1);
    for (int again = 0; again < 2; again++) {
        open_both(&o);
        check_range(1, 2000, T0 + 20 * HOUR, 1);
        check_range(2001, 2100, T0 + 20 * HOUR, 0);
        struct idem_stats st;
        idem_stats(idem, &st);
        if (again)
            ck_assert_uint_eq(st.rebuilt, 0); /* it was mended */
        close_both();
    }
}
END_TEST

/* One of several runs, and of one any place. */
START_TEST(test_rebuilds_any_part)
{
    struct idem_options o = options();
    char path[160];
    struct idem_stats st;
    o.part_keys = 50;
    open_both(&o);
    for (uint64_t n = 1; n <= 400; n++) {
        append(n, T0 + (int64_t) n * 150 * SECOND);
        if (n % 50 == 0)
            settle();
    }
    settle();
    close_both();
    ck_assert_int_ge(files(".run"), 3);
    int which = 0;
    for (int i = 0; which < 1 + _i % 3; i++) {
        ck_assert_int_lt(i, 100);
        snprintf(path, sizeof path, "%s/%016x.run", idem_dir, i);
        which += access(path, F_OK) == 0;
    }
    if (_i < 3)
        gone(path, 0);
    else
        flip(path, _i < 20 ? 4 * (_i / 3) : -(_i * 20 % 1000));
    for (int again = 0; again < 2; again++) {
        open_both(&o);
        check_range(1, 400, T0 + 20 * HOUR, 1);
        check_range(401, 500, T0 + 20 * HOUR, 0);
        idem_stats(idem, &st);
        if (again)
            ck_assert_uint_eq(st.rebuilt, 0);
        close_both();
    }
}
END_TEST

/* Damage that is met while it runs: nothing is forgotten that the spool has,
 * what was added since included, and what it is in is written anew. */
START_TEST(test_damage_while_it_runs)
{
    struct idem_options o = options();
    char path[160];
    o.part_keys = 0;
    open_both(&o);
    for (uint64_t n = 1; n <= 3000; n++)
        append(n, T0);
    settle();
    close_both();
    snprintf(path, sizeof path, "%s/%016x.run", idem_dir, 1);
    for (int i = 1; access(path, F_OK) != 0; i++)
        snprintf(path, sizeof path, "%s/%016x.run", idem_dir, i);
    open_both(&o);
    usleep(50000);                                /* its lines were looked at */
    for (long at = -200; at >= -900; at -= 100) { /* behind the lines */
        int fd = open(path, O_RDWR);
        char byte;
        off_t where = lseek(fd, 0, SEEK_END) * -at / 1000;
        ck_assert_int_eq(pread(fd, &byte, 1, where), 1);
        byte ^= 16;
        ck_assert_int_eq(pwrite(fd, &byte, 1, where), 1);
        close(fd);
    }
    for (uint64_t n = 3001; n <= 3100; n++)
        append(n, T0);
    check_range(1, 3100, T0, 1);
    check_range(3101, 3200, T0, 0);
    ck_assert_ptr_nonnull(strstr(help_log, "damaged at byte"));
    for (int i = 0; i < 3000 && access(path, F_OK) == 0; i++) {
        usleep(1000);
        settle();
    }
    ck_assert_int_ne(access(path, F_OK), 0);
    check_range(1, 3100, T0, 1);
    close_both();
    help_log[0] = 0;
    open_both(&o);
    check_range(1, 3100, T0, 1);
    check_range(3101, 3200, T0, 0);
    struct idem_stats st;
    idem_stats(idem, &st);
    ck_assert_uint_eq(st.rebuilt, 0);
    close_both();
    ck_assert_str_eq(help_log, "");
}
END_TEST

/* Of a version before there were runs: its logs go, and the spool says what
 * they knew. */
START_TEST(test_older_versions_logs_go)
{
    struct idem_options o = options();
    char path[160];
    open_both(&o);
    for (uint64_t n = 1; n <= 100; n++)
        append(n, T0);
    settle();
    close_both();
    damage(".run", gone, 0);
    damage("RUNS", gone, 0);
    snprintf(path, sizeof path, "%s/00000001.log", idem_dir);
    garbage(path, 0);
    open_both(&o);
    ck_assert_ptr_nonnull(strstr(help_log, "of an older version"));
    check_range(1, 100, T0, 1);
    ck_assert_int_eq(files(".log"), 0);
    close_both();
}
END_TEST

static void
move(const char *from, const char *to)
{
    help_remove(to);
    ck_assert_int_eq(rename(from, to), 0);
}

START_TEST(test_of_another_spool_is_not_believed)
{
    struct idem_options o = options();
    char aside[160];
    open_both(&o);
    for (uint64_t n = 1; n <= 100; n++)
        append(n, T0);
    settle();
    close_both();
    snprintf(aside, sizeof aside, "%s/aside", help_dir);
    move(spool_dir, aside);
    open_both(&o);
    check_range(1, 100, T0, 0);
    append(5, T0);
    settle();
    ck_assert_int_eq(knows(5, T0), 1);
    close_both();
}
END_TEST

/* What could not be taken in at start is taken in by a thread, once there is
 * room: the gate waits for none of it. */
START_TEST(test_catches_up_aside)
{
    struct idem_options o = options();
    struct idem_hit hit;
    struct idem_stats st;
    struct rlimit was, tiny;
    char command[400];
    open_both(&o);
    for (uint64_t n = 1; n <= 2000; n++)
        append(n, T0);
    settle();
    close_both();
    o.part_keys = 200; /* of which some are in memory at a time */
    snprintf(command, sizeof command, "rm -f %s/*.run %s/RUNS", idem_dir,
             idem_dir);
    ck_assert_int_eq(system(command), 0);

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    tiny = was;
    tiny.rlim_cur = 1000;
    struct spool_options so = help_options();
    so.dir = spool_dir;
    so.segment_bytes = 1 << 20;
    ck_assert_int_eq(spool_open(&so, &spool, NULL), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    ck_assert_int_eq(idem_open(&o, spool, &idem), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    int refused = 0, rc;
    for (int i = 0; i < 3000 && (rc = idem_ready(idem, 1, T0)); i++) {
        if (rc == -EAGAIN) {
            refused++;
            rc = idem_find(idem, key_of(1), T0, &hit);
            ck_assert(rc == -EAGAIN || rc == 1);
        }
        idem_stats(idem, &st);
        ck_assert_uint_le(st.reread, st.to_reread);
        idem_durable(idem, spool_durable(spool), 0);
        usleep(1000);
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_gt(refused, 0);
    idem_stats(idem, &st);
    ck_assert_int_eq(st.rereads, 0);
    ck_assert_uint_gt(st.to_reread, 0);
    ck_assert_uint_eq(st.reread, st.to_reread);
    check_range(1, 2000, T0, 1);
    append(2001, T0);
    settle();
    check_range(1, 2001, T0, 1);
    close_both();
}
END_TEST

/* Nobody can know beforehand where a key is: each state_dir has a secret.  One
 * that is lost, or another's, costs no key that the spool still has. */
START_TEST(test_keys_are_hashed_with_a_secret)
{
    struct idem_options o = options();
    char path[160], byte = 'x';
    struct stat st;
    open_both(&o);
    for (uint64_t n = 1; n <= 100; n++)
        append(n, T0);
    settle();
    struct idem_key before =
        idem_key(idem, IDEM_SERVER, SLICE("app"), SLICE("k"));
    close_both();
    open_both(&o);
    struct idem_key again =
        idem_key(idem, IDEM_SERVER, SLICE("app"), SLICE("k"));
    ck_assert_uint_eq(again.lo, before.lo);
    check_range(1, 100, T0, 1);
    close_both();

    snprintf(path, sizeof path, "%s/SECRET", idem_dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, &byte, 1, 100), 1);
    close(fd);
    open_both(&o);
    struct idem_key other =
        idem_key(idem, IDEM_SERVER, SLICE("app"), SLICE("k"));
    ck_assert(other.lo != before.lo && other.hi != before.hi);
    ck_assert_ptr_nonnull(strstr(help_log, "SECRET is damaged"));
    check_range(1, 100, T0, 1);
    check_range(101, 200, T0, 0);
    close_both();

    ck_assert_int_eq(unlink(path), 0);
    open_both(&o);
    check_range(1, 100, T0, 1);
    close_both();
}
END_TEST

static void
copy_file(const char *from, const char *to)
{
    size_t len;
    char *bytes = help_slurp(from, &len);
    help_write(to, bytes, len);
    free(bytes);
}

static void
copy_dir(const char *from, const char *to)
{
    DIR *d = opendir(from);
    struct dirent *e;
    char a[512], b[512];
    mkdir(to, 0700);
    while ((e = readdir(d))) {
        struct stat st;
        snprintf(a, sizeof a, "%.200s/%.255s", from, e->d_name);
        snprintf(b, sizeof b, "%.200s/%.255s", to, e->d_name);
        if (stat(a, &st) || !S_ISREG(st.st_mode))
            continue;
        copy_file(a, b);
    }
    closedir(d);
}

/* A crash between letting a run go and removing its file. */
START_TEST(test_what_was_left_behind_goes)
{
    struct idem_options o = options();
    char first[160], aside[160];
    o.window_us = SECOND / 2;
    open_both(&o);
    append(1, T0);
    settle();
    close_both();
    snprintf(first, sizeof first, "%s/%016x.run", idem_dir, 1);
    snprintf(aside, sizeof aside, "%s/aside", help_dir);
    copy_file(first, aside);
    open_both(&o);
    for (int i = 0; i < 20; i++) {
        append((uint64_t) i + 2, T0 + 50 * SECOND);
        settle();
        idem_checkpoint(idem, T0 + 100 * SECOND);
        usleep(80000);
    }
    ck_assert_int_ne(access(first, F_OK), 0);
    close_both();
    copy_file(aside, first);
    help_log[0] = 0;
    open_both(&o);
    struct idem_stats st;
    idem_stats(idem, &st);
    ck_assert_uint_eq(st.keys, 20);
    ck_assert_uint_eq(st.rebuilt, 0);
    ck_assert_int_ne(access(first, F_OK), 0);
    close_both();
    ck_assert_str_eq(help_log, "");
}
END_TEST

/* A spool restored from a backup while the index is of today: its entries
 * behind the end of the spool are of events that are no more. */
START_TEST(test_ahead_of_a_restored_spool)
{
    struct idem_options o = options();
    char backup[160];
    open_both(&o);
    for (uint64_t n = 1; n <= 100; n++)
        append(n, T0);
    settle();
    close_both();
    snprintf(backup, sizeof backup, "%s/backup", help_dir);
    copy_dir(spool_dir, backup);
    open_both(&o);
    for (uint64_t n = 101; n <= 200; n++)
        append(n, T0);
    settle();
    close_both();
    move(backup, spool_dir);
    open_both(&o);
    check_range(1, 100, T0, 1);
    check_range(101, 200, T0, 0);
    for (uint64_t n = 201; n <= 400; n++)
        append(n, T0);
    settle();
    check_range(101, 200, T0, 0);
    close_both();
    open_both(&o);
    check_range(1, 100, T0, 1);
    check_range(101, 200, T0, 0);
    check_range(201, 400, T0, 1);
    close_both();
}
END_TEST

/* Where the key's event stands, for a window of two minutes; 0: past it. */
static uint64_t
known_at(uint64_t n, int64_t now_us)
{
    struct idem_hit hit;
    return find(n, now_us, 120 * SECOND, &hit) ? hit.position : 0;
}

/* A key that comes again after a window of its own is the later event's: while
 * it is pending, in the index, in one that grows, after a restart, and rebuilt
 * from the spool. */
START_TEST(test_shorter_windows)
{
    struct idem_options o = options();
    const int64_t unit = 6 * HOUR / 1024 + SECOND;
    open_both(&o);
    for (uint64_t n = 1; n <= 2; n++) {
        uint64_t first = append(n, T0);
        ck_assert_uint_eq(known_at(n, T0 + 119 * SECOND), first);
        ck_assert_uint_eq(known_at(n, T0 + 120 * SECOND + unit), 0);
        settle();
        ck_assert_uint_eq(known_at(n, T0 + 119 * SECOND), first);
        ck_assert_uint_eq(known_at(n, T0 + 120 * SECOND + unit), 0);
        ck_assert_int_eq(knows(n, T0 + 23 * HOUR), 1);
    }
    const int64_t t1 = T0 + 300 * SECOND;
    uint64_t second[3] = { 0, append(1, t1), append(2, t1) };
    for (int step = 0; step < 5; step++) {
        if (step == 1)
            settle();
        for (uint64_t n = 1000; step == 2 && n < 70000; n++) {
            append(n, t1);
            if (n % 5000 == 0)
                settle();
        }
        if (step == 2)
            settle();
        if (step > 2)
            close_both();
        if (step == 4)
            help_remove(idem_dir);
        if (step > 2)
            open_both(&o);
        for (uint64_t n = 1; n <= 2; n++) {
            ck_assert_uint_eq(known_at(n, t1 + 119 * SECOND), second[n]);
            ck_assert_uint_eq(known_at(n, t1 + 120 * SECOND + unit), 0);
        }
    }
    close_both();
}
END_TEST

static TCase *
all_tests(const char *name, void (*before)(void))
{
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, before, help_teardown);
    tcase_add_test(t, test_finds_on_the_way_and_after);
    tcase_add_test(t, test_sources_do_not_share_keys);
    tcase_add_test(t, test_catches_up_aside);
    tcase_add_test(t, test_survives_a_restart);
    tcase_add_test(t, test_survives_a_kill);
    tcase_add_test(t, test_grows);
    tcase_add_test(t, test_forgets_past_the_window);
    tcase_add_test(t, test_shorter_windows);
    tcase_add_test(t, test_clock_jumps);
    tcase_add_test(t, test_runs_go);
    tcase_add_test(t, test_damage_while_it_runs);
    tcase_add_test(t, test_older_versions_logs_go);
    tcase_add_test(t, test_cap_forgets_the_oldest);
    tcase_add_test(t, test_failure_forgets_what_was_withdrawn);
    tcase_add_loop_test(t, test_rebuilds_what_is_damaged, 0,
                        (int) (sizeof damages / sizeof damages[0]));
    tcase_add_loop_test(t, test_rebuilds_any_part, 0, slow(50, 8));
    tcase_add_test(t, test_what_was_left_behind_goes);
    tcase_add_test(t, test_withdrawn_while_growing);
    tcase_add_test(t, test_memory_does_not_grow);
    tcase_add_test(t, test_of_another_spool_is_not_believed);
    tcase_add_test(t, test_ahead_of_a_restored_spool);
    tcase_add_test(t, test_keys_are_hashed_with_a_secret);
    return t;
}

int
main(void)
{
    Suite *suite = suite_create("idem");
    suite_add_tcase(suite, all_tests("in memory", setup));
    suite_add_tcase(suite, all_tests("in runs", setup_parts));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
