/* SPDX-License-Identifier: MIT */
/* Stopped at any moment, again and again: what was acknowledged is read once
 * and as it was, in the next process and in all later ones; what was not may be
 * there, but only if it was on its way at that very moment.  So nothing comes
 * back out of a file that was used before, neither delivered events nor groups
 * that were given up.
 *
 * SEED=n repeats a run, TRIALS=n makes it longer. */
#include "disk.h"
#include "spool-help.h"

#define POSITIONS 4000000
#define ROUNDS 12 /* crashes of one spool */
#define GROUPS 60 /* between two of them, at most */
#define BODY_MAX 3000

enum { MARK_OPEN = 1, MARK_DURABLE };

/* What a position was given for. */
struct given {
    uint32_t run, number; /* of the process, and of the event in it; 0: none */
};

static struct given fixed[POSITIONS]; /* acknowledged, or read at a start */
static uint64_t durable;              /* all up to here were acknowledged */
static uint64_t passed;               /* all up to here may be gone */
static struct offer {
    uint64_t position;
    struct given what;
    int found; /* by the start that followed */
    uint32_t group;  /* so many frames from here on count together only */
} offers[2][100000]; /* in the run that crashed, and in the one at hand */
static size_t offer_count[2];
static uint64_t seed;
static uint32_t run;
static int gaps;           /* a group whose middle has not got to the disk */
static uint64_t delivered; /* in the run at hand */
static uint64_t parts;     /* appends that are whole or not there: are not */
static uint64_t reused;    /* segments in files that were others' before */

static uint64_t
chance(uint64_t n)
{
    return disk_random(&seed) % n;
}

static size_t
make_body(char out[BODY_MAX], struct given g)
{
    uint64_t s = (uint64_t) g.run << 32 | g.number;
    uint64_t len = disk_random(&s) % 8 ? disk_random(&s) % 300
                                       : disk_random(&s) % BODY_MAX;
    memset(out, 'a' + (int) (s % 26), BODY_MAX);
    int n = snprintf(out, BODY_MAX, "%u.%u.", g.run, g.number);
    out[n] = 'x';
    return len < (uint64_t) n ? (size_t) n : (size_t) len;
}

static int
is_body(struct given g, const char *body, size_t len)
{
    char want[BODY_MAX];
    return g.run && make_body(want, g) == len && memcmp(want, body, len) == 0;
}

struct reading {
    struct il_text text;
    uint64_t last, count;
};

static int
each(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct reading *g = arg;
    const char *body = g->text.data + offset;
    ck_assert_uint_gt(position, g->last);
    g->last = position;
    g->count++;
    if (fixed[position].run) {
        ck_assert_msg(is_body(fixed[position], body, len),
                      "position %" PRIu64 " was %u.%u and is %.12s", position,
                      fixed[position].run, fixed[position].number, body);
        return 0;
    }
    for (size_t i = 0; i < offer_count[0]; i++)
        if (offers[0][i].position == position
            && is_body(offers[0][i].what, body, len)) {
            fixed[position] = offers[0][i].what;
            offers[0][i].found = 1;
            return 0;
        }
    ck_abort_msg("position %" PRIu64 " has come back as %.12s", position, body);
}

/* Read all there is; every fixed position must be there. */
static void
read_all(struct spool *s)
{
    struct reading g = { .last = passed };
    struct spool_reader *r;
    uint64_t last = passed, end = spool_durable(s), there = 0, must = durable;
    /* What was known to be missing at the end may be behind it now. */
    while (must && !fixed[must].run)
        must--;
    ck_assert_uint_ge(end, must);
    ck_assert_int_eq(spool_reader_open(s, passed, &r), 0);
    while (last < end) {
        g.text.len = 0;
        int n = spool_reader_read(r, &g.text, 1 + chance(20000), 1000, 2000,
                                  &last, each, &g);
        ck_assert_int_ge(n, 0);
    }
    spool_reader_close(r);
    text_clear(&g.text);
    for (size_t i = 0; i < offer_count[0]; i++) {
        uint32_t n = offers[0][i].group, found = 0;
        for (uint32_t k = 0; k < n; k++) {
            uint64_t p = offers[0][i].position + k;
            found +=
                p <= end
                && memcmp(&fixed[p], &offers[0][i + k].what, sizeof fixed[p])
                       == 0;
        }
        if (offers[0][i].position <= passed)
            continue; /* some of them may be gone */
        ck_assert_msg(!n || !found || found == n,
                      "of %u frames from %" PRIu64 " on that count together "
                      "%u are there",
                      n, offers[0][i].position, found);
        parts += n > 1 && !found;
    }
    for (uint64_t p = passed + 1; p <= end; p++)
        there += fixed[p].run != 0;
    ck_assert_uint_eq(g.count, there);
}

static void
told(void *arg, uint64_t up_to, int error)
{
    int *failed = arg;
    if (error)
        __atomic_store_n(failed, error, __ATOMIC_RELEASE);
    else
        disk_mark(MARK_DURABLE, up_to);
}

/* One group; 1 if it is durable. */
static int
append_group(struct spool *s, uint32_t *number)
{
    static char bodies[40][BODY_MAX];
    struct slice slices[40];
    struct given g[40];
    uint64_t first = 0;
    uint32_t n = 1 + (uint32_t) chance(chance(4) ? 4 : 40);
    for (uint32_t i = 0; i < n; i++) {
        g[i] = (struct given){ run, ++*number };
        slices[i] = slice_of(bodies[i], make_body(bodies[i], g[i]));
    }
    int whole = chance(2) == 0;
    int rc = whole ? spool_gather_whole(s, slices, n, &first)
                   : spool_append(s, slices, n, &first);
    if (rc)
        return 0;
    ck_assert_uint_gt(first, durable);
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_lt(first + i, POSITIONS);
        ck_assert_uint_eq(fixed[first + i].run, 0);
        offers[1][offer_count[1]++] =
            (struct offer){ first + i, g[i], 0, whole && !i ? n : 0 };
    }
    spool_flush(s, 5000000);
    return spool_durable(s) >= first + n - 1;
}

static struct spool_options
options(void)
{
    struct spool_options o = help_options();
    o.segment_bytes = 32768;
    o.buffer_bytes = 200000;
    o.retain_us = -1;
    return o;
}

static uint64_t
count_reused(void)
{
    uint64_t n = 0;
    char path[400], header[16];
    DIR *d = opendir(help_dir);
    struct dirent *e;
    while ((e = readdir(d))) {
        if (!strstr(e->d_name, ".seg"))
            continue;
        snprintf(path, sizeof path, "%s/%s", help_dir, e->d_name);
        int fd = open(path, O_RDONLY);
        n += read(fd, header, 16) == 16 && header[8] == 2;
        close(fd);
    }
    closedir(d);
    return n;
}

/* A crash may tear a group, but it changes no segment into another. */
static void
check_names(void)
{
    static const char *const never[] = { "is really", "same first", "moved to",
                                         "the file is missing",
                                         "a segment after it" };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strstr(help_log, never[i]))
            ck_abort_msg("%s", help_log);
    /* A start that took away what was not whole may have been the last. */
    if (!gaps && strstr(help_log, "the end of the spool"))
        ck_abort_msg("%s", help_log);
}

/* A process: opens, writes, and is cut off somewhere.  whole: the one before
 * was not cut off within a write. */
static void
run_once(int whole)
{
    struct spool_options o = options();
    int failed = 0;
    uint32_t number = 0;
    run++;
    offer_count[1] = 0;
    help_log[0] = '\0';
    disk_record(help_dir);
    struct spool *s = help_open_with(&o, NULL);
    disk_mark(MARK_OPEN, spool_durable(s));
    struct spool_hold *hold = spool_hold_new(s, "lane", delivered);
    spool_notify(s, told, &failed);
    read_all(s);
    /* Between what was taken away damage is left, which is cut off then. */
    if (whole && gaps)
        ck_assert(!strstr(help_log, "cut off")
                  || strstr(help_log, "the end of the spool"));
    else if (whole)
        ck_assert_str_eq(help_log, "");
    check_names();
    gaps |= strstr(help_log, "damaged at") != NULL;
    for (uint64_t i = chance(GROUPS) + 1; i-- > 0;) {
        if (chance(60) == 0)
            disk_full_after((int64_t) chance(8000));
        int rc = append_group(s, &number);
        disk_full_after(-1);
        if (!rc) {
            for (int k = 0; k < 500 && spool_health(s); k++)
                usleep(10000);
            ck_assert_int_eq(spool_health(s), 0);
        } else if (chance(3) == 0) {
            delivered += chance(spool_durable(s) - delivered + 1);
            spool_hold_move(hold, delivered);
        }
    }
    disk_stop();
    reused += count_reused();
    spool_close(s);
}

/* Every other time soon after something that happens rarely. */
static size_t
choose_step(void)
{
    size_t end = disk_steps(), rare = 0, which = 0;
    if (chance(2))
        return chance(end + 1);
    for (size_t i = 0; i < end; i++)
        if (disk_is_rare(i) && chance(++rare) == 0)
            which = i;
    which += chance(8);
    return which < end ? which : end;
}

/* Nobody knows of what comes after the crash.  1: neither was it within a
 * write, nor one before it that no start has dealt with. */
static int
crash(int whole)
{
    size_t steps = choose_step();
    int power = (int) chance(2), torn = !power && chance(2), opened = 0;
    uint64_t value, acknowledged = durable;
    for (size_t i = 0; i < steps; i++) {
        int what = disk_marked(i, &value);
        opened |= what == MARK_OPEN;
        if (what)
            acknowledged = value;
    }
    if (getenv("SHOW_LOG"))
        fprintf(stderr, "run %u: %s at step %zu of %zu, durable %" PRIu64
                        "\n", run, power ? "power cut" : "killed", steps,
                disk_steps(), acknowledged);
    size_t loose = disk_crash(steps, power, torn, chance(1 << 30));
    for (size_t i = 0; i < offer_count[0]; i++)
        if (!opened && offers[0][i].found)
            fixed[offers[0][i].position].run = offers[0][i].found = 0;
    if (opened) {
        memcpy(offers[0], offers[1], sizeof offers[0]);
        offer_count[0] = offer_count[1];
        for (size_t i = 0; i < offer_count[0]; i++)
            if (offers[0][i].position <= acknowledged)
                fixed[offers[0][i].position] = offers[0][i].what;
    }
    durable = acknowledged;
    if (delivered > durable)
        delivered = durable;
    passed = delivered;
    return loose == 0 && (opened || whole);
}

START_TEST(test_nothing_is_lost_and_nothing_comes_back)
{
    const char *given_seed = getenv("SEED"), *trials = getenv("TRIALS");
    uint64_t base = given_seed && *given_seed ? strtoull(given_seed, NULL, 10)
                                              : (uint64_t) getpid() << 16;
    for (int i = trials ? atoi(trials) : 10; i-- > 0; base++) {
        printf("SEED=%" PRIu64 " TRIALS=1\n", base);
        fflush(stdout);
        seed = base;
        run = 0;
        gaps = 0;
        durable = passed = delivered = 0;
        offer_count[0] = 0;
        memset(fixed, 0, sizeof fixed);
        help_remove(help_dir);
        ck_assert_int_eq(mkdir(help_dir, 0700), 0);
        int whole = 1;
        for (int k = 0; k < ROUNDS; k++) {
            run_once(whole);
            whole = crash(whole);
        }
    }
    printf("%" PRIu64 " appends were taken away as a whole\n", parts);
    printf("%" PRIu64 " segments in files that were used again\n", reused);
    ck_assert_uint_gt(reused, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spool-crash");
    TCase *t = tcase_create("spool-crash");
    tcase_set_timeout(t, 3600);
    tcase_add_checked_fixture(t, help_setup, help_teardown);
    tcase_add_test(t, test_nothing_is_lost_and_nothing_comes_back);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
