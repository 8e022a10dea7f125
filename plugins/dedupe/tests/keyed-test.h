/* SPDX-License-Identifier: MIT */
/* What the tests of dedupe, throttle and count share: a test host with a step in
 * it, events at microseconds, and a stream of random ones.
 * COUNTERS: those of the step, { "name", 0 } each. */
#include <testhost.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define US 1000000LL
#define START_US (1767225600LL * US) /* 2026-01-01T00:00:00Z */
#define HOUR_US (3600 * US)

static struct testhost *t;

static struct {
    const char *name;
    uint64_t before;
} counters[] = { COUNTERS };

/* What a counter has counted since it was opened, or this was asked last: test
 * hosts of a process share them. */
static inline uint64_t
counted(const char *name)
{
    size_t i = 0;
    while (strcmp(counters[i].name, name) != 0)
        i++;
    const uint64_t now = testhost_counter(t, name), before = counters[i].before;
    counters[i].before = now;
    return now - before;
}

static int
open_plugin(const char *name, const char *config)
{
    char path[4096];
    const char *build = getenv("IL_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/%s/.libs/%s.so",
             build ? build : ".", name, name);
    int err = testhost_open(t, path, config);
    for (size_t i = 0; !err && i < sizeof counters / sizeof *counters; i++)
        counted(counters[i].name);
    return err;
}

static void
setup(void)
{
    t = testhost_new();
    ck_assert_ptr_nonnull(t);
}

static void
teardown(void)
{
    const char *violations = testhost_violations(t);
    ck_assert_msg(!*violations, "%s", violations);
    testhost_free(t);
}

#define TIME_TEXT 40

/* As events are written: without zeros at its end. */
static inline void
write_time(int64_t us, char out[TIME_TEXT])
{
    const time_t s = (time_t) (us / US);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t len = strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    len +=
        (size_t) snprintf(out + len, TIME_TEXT - len, ".%06d", (int) (us % US));
    while (out[len - 1] == '0')
        len--;
    len -= out[len - 1] == '.';
    memcpy(out + len, "Z", 2);
}

/* An event that was received so long after START_US. */
static void
add_at(int64_t after_us, const char *payload)
{
    char json[20000], when[TIME_TEXT];
    write_time(START_US + after_us, when);
    snprintf(json, sizeof json,
             "{\"type\":\"t\",\"received_at\":\"%s\",\"payload\":%s}", when,
             payload);
    ck_assert_msg(!testhost_event(t, json), "%s", json);
}

/* The events so far settle, and others come. */
static inline void
process(void)
{
    ck_assert_int_eq(testhost_process(t), 0);
}

/* Whether event i passed, and what was found out about it. */
static inline int
passed(uint32_t i)
{
    return testhost_state(t, i) == TESTHOST_KEPT;
}

static inline const char *
results(uint32_t i)
{
    const char *json = testhost_attached(t, i, "$step.test");
    return json ? json : "";
}

/* One event in a batch of its own. */
static inline int
one_passes(int64_t after_us, const char *payload)
{
    testhost_clear(t);
    add_at(after_us, payload);
    process();
    return passed(0);
}

/* Event of a position that `dead retry` brings again, in a batch of its own;
 * stopped: where it had. */
static inline int
again_passes(int64_t after_us, const char *payload, uint64_t origin,
             uint64_t position, uint32_t stopped)
{
    struct il_again again = { IL_SIZED(struct il_again), .attempts = 1,
                              .stopped = stopped };
    testhost_clear(t);
    testhost_position(t, position);
    testhost_origin(t, origin);
    testhost_again(t, &again);
    add_at(after_us, payload);
    process();
    return passed(0);
}

/* --- random events --------------------------------------------------------- */

static uint64_t random_state;

static inline uint32_t
random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005)
                   + UINT64_C(1442695040888963407);
    return (uint32_t) ((random_state >> 33) % n);
}

/* The time of the stream, as plugin.h has it. */
struct model_stream {
    int64_t us;
    int behind, jumped;
};

static inline void
model_pass(struct model_stream *s, int64_t us)
{
    if (us >= s->us) {
        s->jumped |= s->us && us - s->us > HOUR_US;
        s->us = us;
        s->behind = 0;
        return;
    }
    s->behind = s->us - us > 60 * US ? s->behind + 1 : 0;
    if (s->behind == 100 && s->jumped)
        *s = (struct model_stream){ us, 0, 0 };
}

/* A clock: it mostly goes on, now and then a little back, and rarely jumps. */
static inline int64_t
next_time(int64_t *clock)
{
    const uint32_t what = random_below(3000);
    *clock += what == 0   ? 3 * HOUR_US
              : what == 1 ? -3 * HOUR_US
                          : random_below(20) * US + random_below(US);
    return *clock - (random_below(4) ? 0 : random_below(90) * US);
}

/* Process the batch, with failures of memory at random before it works. */
static inline void
process_at_last(void)
{
    int err = -1;
    for (int tries = 0; err && tries < 20; tries++) {
        if (tries < 19 && random_below(3) == 0)
            testhost_fail_alloc(t, 1 + random_below(40));
        err = testhost_process(t);
        testhost_fail_alloc(t, 0);
    }
    ck_assert_int_eq(err, 0);
}

static inline int
run_tests(const char *name, TCase *c)
{
    Suite *suite = suite_create(name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
