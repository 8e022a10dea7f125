/* SPDX-License-Identifier: MIT */
/* The test host behaves as the daemon where something goes wrong, and names
 * what no plugin may do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <testhost.h>

static int failed;

static void
same(const char *what, const char *expected, const char *actual)
{
    if (actual && strcmp(expected, actual) == 0)
        return;
    printf("%s: expected %s\n%s: actual   %s\n", what, expected, what,
           actual ? actual : "nothing");
    failed = 1;
}

static void
equal(const char *what, long expected, long actual)
{
    if (expected == actual)
        return;
    printf("%s: expected %ld, got %ld\n", what, expected, actual);
    failed = 1;
}

static struct testhost *
opened(const char *path, const char *fault)
{
    char config[64];
    struct testhost *t = testhost_new();
    snprintf(config, sizeof(config), "fault = \"%s\";", fault);
    if (testhost_open(t, path, config) || testhost_start(t))
        same("open", "", testhost_findings(t));
    return t;
}

static void
three_events(struct testhost *t)
{
    for (int i = 0; i < 3; i++)
        testhost_event(t, "{\"type\":\"t\",\"payload\":{\"n\":1.10}}");
}

/* It drops event 1, and then there is no memory for its text. */
static void
edits_of_a_failed_process_are_undone(void)
{
    struct testhost *t = opened(STEP, "edits-differ");
    three_events(t);
    testhost_fail_alloc(t, 1);
    equal("without memory", -ENOMEM, testhost_process(t));
    equal("it has failed", 1, testhost_alloc_failed(t));
    equal("the event that was dropped", TESTHOST_KEPT, testhost_state(t, 1));
    equal("again", 0, testhost_process(t));
    equal("dropped by the second call", TESTHOST_DROPPED, testhost_state(t, 2));
    same("payload", "{\"n\":1.10}", testhost_payload(t, 0));
    testhost_close(t);
    same("violations", "", testhost_violations(t));
    testhost_free(t);
}

static void
breaks(const char *path, const char *fault, const char *violation)
{
    struct testhost *t = opened(path, fault);
    three_events(t);
    if (strcmp(path, STEP) == 0)
        testhost_process(t);
    else
        testhost_write(t, 200);
    testhost_close(t);
    same(fault, violation, testhost_violations(t));
    testhost_free(t);
}

static void
violations_are_named(void)
{
    breaks(STEP, "none", "");
    breaks(STEP, "index", "process(): il_drop() of event 3 in a batch of 3\n");
    breaks(STEP, "leak", "1 text is not given back\n");
    breaks(DESTINATION, "none", "");
    breaks(DESTINATION, "double-settle", "write(): settles a batch twice\n");
    breaks(DESTINATION, "settle-and-error",
           "write(): settled a batch and then returned an error\n");
    breaks(DESTINATION, "never-settle", "stop(): 1 batch is not settled\n");
    breaks(DESTINATION, "index",
           "write(): il_reject() of event 4294967295 in a batch of 3\n");
    breaks(DESTINATION, "late", "write(): il_drop() outside of process()\n");
}

/* As the daemon: the first outcome counts. */
static void
the_first_outcome_holds(void)
{
    struct testhost *t = opened(DESTINATION, "double-settle");
    three_events(t);
    equal("settled twice", IL_OK, testhost_write(t, 1000));
    testhost_free(t);
    t = opened(DESTINATION, "settle-and-error");
    three_events(t);
    equal("settled, and an error", IL_OK, testhost_write(t, 1000));
    testhost_free(t);
}

static void
several_batches_are_in_flight(void)
{
    struct testhost *t = opened(DESTINATION, "never-settle");
    three_events(t);
    int first = testhost_write_async(t);
    three_events(t);
    int second = testhost_write_async(t);
    equal("first", 1, first);
    equal("second", 2, second);
    equal("not settled", -ETIMEDOUT, testhost_await(t, first, 20));
    testhost_stop(t);
    same("at the end", "stop(): 2 batches are not settled\n",
         testhost_violations(t));
    equal("no such batch", -ENOENT, testhost_await(t, 3, 20));
    testhost_free(t);

    t = opened(DESTINATION, "none");
    three_events(t);
    first = testhost_write_async(t);
    three_events(t);
    second = testhost_write_async(t);
    equal("second settled", IL_OK, testhost_await(t, second, 1000));
    equal("first settled", IL_OK, testhost_await(t, first, 1000));
    equal("taken back", 0, testhost_take_back(t, first));
    equal("another attempt", IL_OK, testhost_write(t, 1000));
    testhost_free(t);
}

static void
what_is_killed_may_be_opened_again(void)
{
    static const uint8_t other[16] = "the other spool";
    uint64_t position = 7;
    struct testhost *t = opened(DESTINATION, "never-settle");
    three_events(t);
    int number = testhost_write_async(t);
    testhost_kill(t);
    same("killed in the middle", "", testhost_violations(t));
    testhost_spool(t, other, 2);
    equal("open again", 0, testhost_open(t, DESTINATION, "fault = \"none\";"));
    equal("start again", 0, testhost_start(t));
    testhost_resume(t, &position);
    same("resumed", "info: resumes at 7 of the other spool, set back 2 times\n",
         testhost_log(t));
    equal("the batch comes again", 0, testhost_take_back(t, number));
    equal("and is taken", IL_OK, testhost_write(t, 1000));
    testhost_close(t);
    same("violations", "", testhost_violations(t));
    testhost_free(t);
}

static void
the_clock_fires_timers(void)
{
    struct testhost *t = opened(STEP, "timers");
    long before = (long) testhost_counter(t, "ticks");
    testhost_advance(t, 500); /* the clock goes on by itself, too */
    equal("before it is due", 0, (long) testhost_counter(t, "ticks") - before);
    testhost_advance(t, 600);
    equal("once", 1, (long) testhost_counter(t, "ticks") - before);
    testhost_advance(t, 7000);
    equal("by its own wish", 3, (long) testhost_counter(t, "ticks") - before);
    testhost_advance(t, 23000);
    equal("every ten seconds", 303,
          (long) testhost_counter(t, "ticks") - before);
    testhost_stop(t);
    testhost_advance(t, 60000);
    equal("after stop", 303, (long) testhost_counter(t, "ticks") - before);
    testhost_free(t);
}

int
main(void)
{
    edits_of_a_failed_process_are_undone();
    violations_are_named();
    the_first_outcome_holds();
    several_batches_are_in_flight();
    what_is_killed_may_be_opened_again();
    the_clock_fires_timers();
    return failed;
}
