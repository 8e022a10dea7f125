/* SPDX-License-Identifier: MIT */
/* How far a source has read: on disk together with the events, whatever dies,
 * and still there when their segment has gone.
 *
 * SEED=n repeats a run, TRIALS=n makes the last test longer. */
#include "disk.h"
#include "gate_world.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/event.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
reopen(void)
{
    world_close();
    world_open();
}

static char *
marks_path(void)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/spool/MARKS", world.dir);
    return path;
}

static char *
spool_path(void)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/spool", world.dir);
    return path;
}

static int
mark(const char *name, const char *value)
{
    struct il_mark m = world_mark(name, value);
    return world_emit(NULL, 0, &m, 1);
}

#define MARKED(name, value) ck_assert_pstr_eq(world_marked(name), value)

/* --- seeing them ---------------------------------------------------------- */

struct listed {
    char text[500];
    int64_t last_us;
};

static int
list(void *arg, const struct il_mark *m, int64_t written_us)
{
    struct listed *l = arg;
    size_t at = strlen(l->text);
    snprintf(l->text + at, sizeof(l->text) - at, "%.*s=%.*s ",
             (int) m->name_len, m->name, (int) m->value_len,
             (const char *) m->value);
    l->last_us = written_us;
    return !strncmp(m->name, "stop", 4) ? 7 : 0;
}

static int
each(struct listed *l)
{
    *l = (struct listed){ .last_us = 0 };
    return gate_marks_each(world.marks, SLICE("pull"), list, l);
}

START_TEST(marks_are_there_once_durable_and_after_a_restart)
{
    struct listed l;
    struct il_event e = world_event("t", "{}");
    struct il_mark two[] = { world_mark("b", "1"), world_mark("a", "2") };
    int64_t before = clock_wall_us();
    MARKED("a", NULL);
    ck_assert_int_eq(world_emit(&e, 1, two, 2), 0);
    ck_assert_uint_eq(world_heard(1), 1);
    MARKED("a", "2");
    MARKED("b", "1");
    ck_assert_int_eq(mark("b", "3"), 0);
    ck_assert_int_eq(mark("c", ""), 0); /* empty is a value */
    ck_assert_uint_eq(world_heard(3), 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(each(&l), 0);
        ck_assert_str_eq(l.text, "a=2 b=3 c= ");
        ck_assert_int_ge(l.last_us, before);
        ck_assert_int_le(l.last_us, clock_wall_us());
        reopen();
    }
    ck_assert_int_eq(mark("a", NULL), 0);
    ck_assert_int_eq(mark("stop", "x"), 0);
    ck_assert_int_eq(mark("z", "y"), 0);
    ck_assert_uint_eq(world_heard(3), 3);
    reopen();
    ck_assert_int_eq(each(&l), 7);
    ck_assert_str_eq(l.text, "b=3 c= stop=x ");
    ck_assert_int_eq(
        gate_marks_each(world.marks, SLICE("pul"), list, &l), 0);
}
END_TEST

START_TEST(marks_that_are_wrong_are_told)
{
    static char long_text[600];
    memset(long_text, 'x', sizeof(long_text) - 1);
    struct il_mark m = world_mark("n", "v");
    m.name_len = 0;
    ck_assert_int_eq(world_emit(NULL, 0, &m, 1), -EINVAL);
    m = world_mark(long_text, "v");
    m.name_len = 129;
    ck_assert_int_eq(world_emit(NULL, 0, &m, 1), -EINVAL);
    ck_assert_ptr_nonnull(strstr(world_fault, "name"));
    m.name_len = 128;
    ck_assert_int_eq(world_emit(NULL, 0, &m, 1), 0);
    m = world_mark("n", long_text);
    m.value_len = 513;
    ck_assert_int_eq(world_emit(NULL, 0, &m, 1), -EINVAL);
    ck_assert_ptr_nonnull(strstr(world_fault, "value"));
    m.value_len = 512;
    ck_assert_int_eq(world_emit(NULL, 0, &m, 1), 0);
    m.struct_size = 4;
    ck_assert_int_eq(world_emit(NULL, 0, &m, 1), -EINVAL);
    ck_assert_uint_eq(world_heard(2), 2);
    ck_assert_uint_eq(strlen(world_marked("n")), 512);

    static struct il_mark many[10000];
    static char names[10000][8];
    for (int i = 0; i < 10000; i++) {
        snprintf(names[i], sizeof(names[i]), "m%d", i);
        many[i] = world_mark(names[i], "1");
    }
    ck_assert_int_eq(world_emit(NULL, 0, many, 9998), 0);
    ck_assert_uint_eq(world_heard(3), 3);
    ck_assert_int_eq(mark("one too many", "1"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(world_fault, "10,000"));
    ck_assert_int_eq(mark("m0", "2"), 0);
}
END_TEST

/* --- what they pass over -------------------------------------------------- */

START_TEST(letters_come_before_the_mark_that_passes_over_them)
{
    struct il_event e[] = { world_event("t", "[]"), world_event("t", "{}") };
    struct il_mark m = world_mark("n", "1");
    ck_assert_int_eq(world_emit(e, 2, &m, 1), 0);
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 1); /* already */
    ck_assert_uint_eq(world_heard(1), 1);
    m = world_mark("n", "2");
    ck_assert_int_eq(world_emit(e, 1, &m, 1), 0); /* nothing else */
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 2);
    ck_assert_uint_eq(world_heard(2), 2);
    MARKED("n", "2");
}
END_TEST

START_TEST(without_a_letter_nothing_is_taken)
{
    char path[512];
    struct dead *none;
    struct il_event e[] = { world_event("t", "[]"), world_event("t", "{}") };
    struct il_mark m = world_mark("n", "1");
    snprintf(path, sizeof(path), "%s/dead", world.dir);
    dead_close(world.dead);
    ck_assert_int_eq(dead_open(path, 1, &none), 0);
    world.gate->options.dead = none; /* it cannot be written */
    ck_assert_int_eq(world_emit(e, 2, &m, 1), -EAGAIN);
    dead_close(none);
    ck_assert_int_eq(dead_open(path, 0, &world.dead), 0);
    world.gate->options.dead = world.dead;
    usleep(20000);
    ck_assert_uint_eq(spool_durable(world.spool), 0);
    MARKED("n", NULL);
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 0);
    ck_assert_uint_eq(world_rooms(1), 1);
    ck_assert_int_eq(world_emit(e, 2, &m, 1), 0);
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 1);
    ck_assert_uint_eq(world_heard(1), 1);
    MARKED("n", "1");
}
END_TEST

START_TEST(letters_of_what_is_not_taken_go_again)
{
    struct il_event e[] = { world_event("t", "[]"), world_event("t", "{}") };
    struct il_mark m = world_mark("n", "1");
    atomic_store(&world.gate->closed, 1);
    ck_assert_int_eq(world_emit(e, 2, &m, 1), -ESHUTDOWN);
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 0);
    atomic_store(&world.gate->closed, 0);
    ck_assert_int_eq(world_emit(e, 2, &m, 1), 0);
    ck_assert_uint_eq(dead_count(world.dead, "gate/pull"), 1);
}
END_TEST

START_TEST(a_full_disk_takes_the_mark_back_with_its_events)
{
    struct il_event e = world_event("t", "{}");
    struct il_mark m = world_mark("n", "1");
    ck_assert_int_eq(world_emit(&e, 1, &m, 1), 0);
    ck_assert_uint_eq(world_heard(1), 1);
    disk_record(spool_path());
    disk_full_after(0);
    m = world_mark("n", "2");
    ck_assert_int_eq(world_emit(&e, 1, &m, 1), 0);
    ck_assert_uint_eq(world_heard(2), 2);
    ck_assert_int_eq(world_outcome(2), IL_RETRY);
    MARKED("n", "1");
    ck_assert_int_eq(world_emit(&e, 1, &m, 1), -EAGAIN);
    usleep(300000);
    ck_assert_uint_eq(world.rooms, 0);
    disk_full_after(-1);
    disk_stop();
    ck_assert_uint_eq(world_rooms(1), 1);
    ck_assert_int_eq(world_emit(&e, 1, &m, 1), 0);
    ck_assert_uint_eq(world_heard(3), 3);
    ck_assert_int_eq(world_outcome(4), IL_OK);
    MARKED("n", "2");
    reopen();
    MARKED("n", "2");
}
END_TEST

/* --- when segments go ----------------------------------------------------- */

static uint64_t
first_position(void)
{
    struct spool_stats st;
    spool_stats(world.spool, &st);
    return st.first;
}

/* So much that what was there before is in segments that may go. */
static void
fill(void)
{
    static char payload[20000];
    memset(payload, 'x', sizeof(payload) - 1);
    memcpy(payload, "{\"a\":\"", 6);
    memcpy(payload + sizeof(payload) - 3, "\"}", 3);
    struct il_event e = world_event("t", payload);
    uint32_t heard = world_heard(0);
    for (uint32_t i = 0; i < 20; i++) {
        ck_assert_int_eq(world_emit(&e, 1, NULL, 0), 0);
        ck_assert_uint_ge(world_heard(heard + i + 1), heard + i + 1);
    }
    idem_checkpoint(world.idem, clock_wall_us());
}

static int
first_gets_past(uint64_t position)
{
    for (int i = 0; i < 5000 && first_position() <= position; i++)
        usleep(1000);
    return first_position() > position;
}

static void
small_segments(void)
{
    world.segment_bytes = 65536;
    reopen();
}

START_TEST(a_segment_stays_until_its_marks_are_copied)
{
    small_segments();
    ck_assert_int_eq(mark("n", "5"), 0);
    ck_assert_uint_eq(world_heard(1), 1);
    fill();
    usleep(2500000); /* retention has looked */
    ck_assert_uint_eq(first_position(), 1);
    gate_marks_checkpoint(world.marks, 0);
    ck_assert(first_gets_past(1));
    reopen();
    MARKED("n", "5");
    /* and what comes later counts */
    ck_assert_int_eq(mark("n", "6"), 0);
    ck_assert_uint_eq(world_heard(1), 1);
    reopen();
    MARKED("n", "6");
}
END_TEST

/* The last message, with LOG_ERROR and LOG_WARN. */
static char logged[4096];

static void
log_begin(void)
{
    fflush(stderr);
    char path[512];
    snprintf(path, sizeof(path), "%s/log", world.dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    logged[0] = 0;
    log_level_set(IL_LOG_WARN);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    close(fd);
}

static const char *
log_read(void)
{
    int64_t n = pread(STDERR_FILENO, logged, sizeof(logged) - 1, 0);
    logged[n > 0 ? n : 0] = 0;
    return logged;
}

START_TEST(a_copy_that_is_lost_is_made_from_the_spool_as_far_as_it_goes)
{
    small_segments();
    ck_assert_int_eq(mark("old", "1"), 0);
    fill();
    gate_marks_checkpoint(world.marks, 0);
    ck_assert(first_gets_past(1));
    ck_assert_int_eq(mark("new", "2"), 0);
    ck_assert_uint_eq(world_heard(22), 22);
    world_close();
    ck_assert_int_eq(unlink(marks_path()), 0);
    log_begin();
    world_open();
    ck_assert_ptr_nonnull(strstr(log_read(), "a source whose mark is older "
                                             "begins anew"));
    MARKED("old", NULL);
    MARKED("new", "2");
}
END_TEST

START_TEST(a_torn_copy_is_not_believed)
{
    struct stat st;
    ck_assert_int_eq(mark("n", "1"), 0);
    ck_assert_uint_eq(world_heard(1), 1);
    world_close();
    ck_assert_int_eq(stat(marks_path(), &st), 0);
    for (off_t cut = 0; cut < st.st_size; cut++) {
        log_begin();
        int fd = open(marks_path(), O_RDWR);
        char byte;
        ck_assert_int_eq(pread(fd, &byte, 1, cut), 1);
        byte ^= 0x41;
        ck_assert_int_eq(pwrite(fd, &byte, 1, cut), 1);
        if (cut % 3 == 0)
            ck_assert_int_eq(ftruncate(fd, cut), 0);
        close(fd);
        world_open();
        ck_assert_ptr_nonnull(strstr(log_read(), "MARKS cannot be used"));
        MARKED("n", "1");
        world_close();
    }
    world_open();
}
END_TEST

START_TEST(a_copy_that_is_ahead_of_the_spool_is_believed_as_far_as_that)
{
    char old[600], copy[600];
    ck_assert_int_eq(mark("n", "1"), 0);
    ck_assert_uint_eq(world_heard(1), 1);
    world_close();
    /* a backup of the spool is taken, and later put back without MARKS */
    snprintf(old, sizeof(old), "cp -a %s/spool %s/backup", world.dir,
             world.dir);
    ck_assert_int_eq(system(old), 0);
    world_open();
    ck_assert_int_eq(mark("n", "2"), 0);
    ck_assert_int_eq(mark("m", "3"), 0);
    ck_assert_uint_eq(world_heard(2), 2);
    world_close();
    snprintf(copy, sizeof(copy),
             "cp %s %s/backup/MARKS && rm -rf %s/spool %s/idem && mv "
             "%s/backup %s/spool",
             marks_path(), world.dir, world.dir, world.dir, world.dir,
             world.dir);
    ck_assert_int_eq(system(copy), 0);
    log_begin();
    world_open();
    ck_assert_ptr_nonnull(strstr(log_read(), "restored from a backup"));
    MARKED("n", "1");
    MARKED("m", NULL);
    reopen();
    MARKED("n", "1");
}
END_TEST

/* --- stopped anywhere ----------------------------------------------------- */

/* What the spool has: whole numbers, each once, in order. */
struct counted {
    const struct il_text *text;
    uint64_t last, events, alone;
};

static int
count_frame(void *arg, uint64_t position, size_t offset, size_t len)
{
    struct counted *c = arg;
    struct event ev;
    struct il_value payload, n;
    (void) position;
    if (event_is_marks(c->text->data + offset, len))
        return 0;
    ck_assert_int_eq(event_unpack(c->text->data + offset, len, &ev), 0);
    const char *p = ev.payload.ptr;
    ck_assert_int_eq(msg_head(&p, p + ev.payload.len, &payload), 0);
    ck_assert_int_eq(msg_find(&payload, "n", 1, &n), 1);
    ck_assert_msg(!c->last || n.num.u == c->last + 1,
                  "%llu comes after %llu", (unsigned long long) n.num.u,
                  (unsigned long long) c->last);
    c->last = n.num.u;
    c->events++;
    return 0;
}

static uint64_t
last_counted(void)
{
    struct il_text text = { 0 };
    struct counted c = { .text = &text };
    struct spool_reader *r;
    uint64_t last = 0, end = spool_durable(world.spool);
    ck_assert_int_eq(spool_reader_open(world.spool, 0, &r), 0);
    while (last < end) {
        text.len = 0;
        ck_assert_int_ge(spool_reader_read(r, &text, 1 << 20, 10000, 0, &last,
                                           count_frame, &c),
                         0);
    }
    spool_reader_close(r);
    text_clear(&text);
    return c.last;
}

static uint64_t seed;

static uint64_t
chance(uint64_t n)
{
    return disk_random(&seed) % n;
}

/* Some numbers, and the mark that they were taken. */
static void
count_on(uint64_t *n)
{
    static char payloads[40][2100];
    struct il_event events[40];
    char value[24];
    size_t k = 1 + chance(chance(3) ? 3 : 40);
    for (size_t i = 0; i < k; i++) {
        size_t fill_len = chance(4) ? chance(40) : chance(2000);
        int at = snprintf(payloads[i], sizeof(payloads[i]), "{\"n\":%llu,\"x\":\"",
                          (unsigned long long) (*n + i + 1));
        memset(payloads[i] + at, 'x', fill_len);
        memcpy(payloads[i] + at + fill_len, "\"}", 3);
        events[i] = world_event("t", payloads[i]);
    }
    snprintf(value, sizeof(value), "%llu", (unsigned long long) (*n + k));
    struct il_mark m = world_mark("n", value);
    uint32_t heard = world_heard(0);
    int err = world_emit(events, k, &m, 1);
    if (err == -EAGAIN) {
        uint32_t rooms = world.rooms;
        disk_full_after(-1);
        if (!rooms)
            world_rooms(1);
        return;
    }
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(world_heard(heard + 1), heard + 1);
    if (world.outcomes[heard] == IL_OK) {
        *n += k;
        disk_mark(1, *n);
    }
}

static void
run_once(uint64_t least)
{
    disk_record(spool_path());
    world_open();
    const char *text = world_marked("n");
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;
    uint64_t last = last_counted();
    /* segments that have gone leave none to compare with */
    ck_assert_msg(n == last || (!last && n), "the mark is %llu, the last event "
                  "%llu", (unsigned long long) n, (unsigned long long) last);
    ck_assert_uint_ge(n, least);
    for (uint64_t i = chance(40); i-- > 0;) {
        if (!chance(30))
            disk_full_after((int64_t) chance(6000));
        count_on(&n);
        disk_full_after(-1);
        if (!chance(8))
            gate_marks_checkpoint(world.marks, (int) chance(2));
        if (!chance(8))
            idem_checkpoint(world.idem, clock_wall_us());
    }
    disk_stop();
    world_close();
}

START_TEST(each_number_is_there_once_wherever_it_stops)
{
    const char *given = getenv("SEED"), *trials = getenv("TRIALS");
    uint64_t base = given && *given ? strtoull(given, NULL, 10)
                                    : (uint64_t) getpid() << 16;
    world_close();
    log_level_set(getenv("SHOW_LOG") ? IL_LOG_WARN : 0);
    for (int i = trials ? atoi(trials) : 6; i-- > 0; base++) {
        char command[600];
        uint64_t least = 0, value;
        printf("SEED=%llu TRIALS=1\n", (unsigned long long) base);
        fflush(stdout);
        seed = base;
        snprintf(command, sizeof(command), "rm -rf %s/*", world.dir);
        ck_assert_int_eq(system(command), 0);
        world.segment_bytes = 32768;
        ck_assert_int_eq(mkdir(spool_path(), 0700), 0);
        for (int round = 0; round < 12; round++) {
            run_once(least);
            size_t steps = chance(disk_steps() + 1);
            if (chance(2)) /* soon after something that happens rarely */
                for (size_t k = steps; k < disk_steps(); k++)
                    if (disk_is_rare(k)) {
                        steps = k + chance(3);
                        break;
                    }
            steps = steps > disk_steps() ? disk_steps() : steps;
            for (size_t k = 0; k < steps; k++)
                if (disk_marked(k, &value))
                    least = value;
            int power = (int) chance(2);
            disk_crash(steps, power, !power && chance(2), chance(1 << 30));
        }
    }
    snprintf(logged, sizeof(logged), "rm -rf %s/*", world.dir);
    ck_assert_int_eq(system(logged), 0);
    world_open();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("gate-marks");
    TCase *t = tcase_create("gate-marks");
    tcase_set_timeout(t, 3600);
    tcase_add_checked_fixture(t, world_setup, world_teardown);
    tcase_add_test(t, marks_are_there_once_durable_and_after_a_restart);
    tcase_add_test(t, marks_that_are_wrong_are_told);
    tcase_add_test(t, letters_come_before_the_mark_that_passes_over_them);
    tcase_add_test(t, without_a_letter_nothing_is_taken);
    tcase_add_test(t, letters_of_what_is_not_taken_go_again);
    tcase_add_test(t, a_full_disk_takes_the_mark_back_with_its_events);
    tcase_add_test(t, a_segment_stays_until_its_marks_are_copied);
    tcase_add_test(
        t, a_copy_that_is_lost_is_made_from_the_spool_as_far_as_it_goes);
    tcase_add_test(t, a_torn_copy_is_not_believed);
    tcase_add_test(
        t, a_copy_that_is_ahead_of_the_spool_is_believed_as_far_as_that);
    tcase_add_test(t, each_number_is_there_once_wherever_it_stops);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
