/* SPDX-License-Identifier: MIT */
/* The test host drives destinations and sources as the daemon does. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <testhost.h>
#include <unistd.h>

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

static void
destinations_settle(void)
{
    char out[] = "/tmp/test-testhost-XXXXXX", config[200], line[200] = "";
    close(mkstemp(out));
    snprintf(config, sizeof(config),
             "out = \"%s\"; outcomes = ( \"retry\", \"error\", \"reject\" );",
             out);
    struct testhost *t = testhost_new();
    if (testhost_open(t, NULL_PLUGIN, config))
        same("open", "", testhost_findings(t));
    equal("start", 0, testhost_start(t));
    equal("event", 0,
          testhost_event(t, "{\"type\":\"t\",\"id\":\"e1\","
                            "\"payload\":{\"big\":1e400}}"));
    equal("first attempt", IL_RETRY, testhost_write(t, 1000));
    same("why", "as the config says", testhost_why(t));
    equal("settled", 1, testhost_settled(t));
    equal("second attempt", -EIO, testhost_write(t, 1000));
    equal("third attempt", IL_REJECT, testhost_write(t, 1000));
    equal("fourth attempt", IL_OK, testhost_write(t, 1000));
    testhost_free(t); /* stops and closes */
    FILE *f = fopen(out, "r");
    if (!f || !fgets(line, sizeof(line), f))
        strcpy(line, "nothing");
    same("written", "e1 {\"big\":1e400}\n", line);
    if (f)
        fclose(f);
    unlink(out);
}

static void
sources_emit(void)
{
    struct testhost *t = testhost_new();
    if (testhost_open(t, LIST_PLUGIN,
                      "events = ( { type = \"a\"; id = \"1\";"
                      " payload = \"{\\\"x\\\":1}\"; }, { type = \"b\"; } );"
                      "repeat = 2;"))
        same("open", "", testhost_findings(t));
    testhost_emit_result(t, -EAGAIN);
    equal("start", 0, testhost_start(t));
    poll(NULL, 0, 20);
    same("while the gate is behind", "nothing",
         testhost_emitted(t, 0) ? "an event" : "nothing");
    testhost_emit_result(t, 0);
    for (int i = 0; i < 500 && !testhost_emitted(t, 3); i++)
        poll(NULL, 0, 10);
    same("first", "{\"id\":\"1\",\"type\":\"a\",\"payload\":{\"x\":1}}",
         testhost_emitted(t, 0));
    same("last", "{\"type\":\"b\",\"payload\":{}}", testhost_emitted(t, 3));
    testhost_settle_emitted(t, IL_OK);
    equal("settled", 2, (long) testhost_counter(t, "settled"));
    testhost_free(t);
}

static void
bad_input_is_refused(void)
{
    struct testhost *t = testhost_new();
    equal("no JSON", -EINVAL, testhost_event(t, "{"));
    equal("no payload", -EINVAL, testhost_event(t, "{\"type\":\"t\"}"));
    equal("unknown member", -EINVAL,
          testhost_event(t, "{\"typ\":\"t\",\"payload\":{}}"));
    if (!testhost_open(t, "/nowhere/none.so", ""))
        same("open", "an error", "0");
    if (!strstr(testhost_findings(t), "there is no plugin \"none\""))
        same("finding", "there is no plugin \"none\"", testhost_findings(t));
    testhost_free(t);

    t = testhost_new();
    testhost_open(t, NULL_PLUGIN, "dealy = \"1s\";");
    same("finding",
         "test:1: destination.null: dealy: no such option; did you mean "
         "\"delay\"?\n",
         testhost_findings(t));
    testhost_free(t);
}

/* One event that step.later is asked about; what becomes of it. */
static long
later(struct testhost *t, const char *what, uint32_t stopped, uint32_t attempts)
{
    const struct il_again again = { IL_SIZED(struct il_again),
                                    .attempts = attempts, .code = "later",
                                    .decided = "step", .stopped = stopped };
    testhost_clear(t);
    if (attempts)
        testhost_again(t, &again);
    equal(what, 0, testhost_event(t, "{\"type\":\"t\",\"payload\":{\"a\":1}}"));
    equal(what, 0, testhost_process(t));
    return testhost_state(t, 0);
}

static void
steps_put_events_aside(void)
{
    struct testhost *t = testhost_new();
    if (testhost_open(t, LATER_PLUGIN,
                      "where = \"a == 1\"; delay = \"7s\"; times = 2;"))
        same("open", "", testhost_findings(t));
    equal("start", 0, testhost_start(t));
    equal("event", 0, testhost_event(t, "{\"type\":\"t\",\"payload\":{}}"));
    equal("process", 0, testhost_process(t));
    equal("another", TESTHOST_KEPT, testhost_state(t, 0));
    equal("new", TESTHOST_DEFERRED, later(t, "new", 0, 0));
    const struct il_deferral *how = testhost_deferral(t, 0);
    equal("delay", 7000, how ? (long) how->delay_ms : 0);
    same("code", "later", how ? how->why->code : NULL);
    equal("here", TESTHOST_DEFERRED, later(t, "here", IL_STOPPED_HERE, 1));
    equal("here, the last time", TESTHOST_KEPT,
          later(t, "here", IL_STOPPED_HERE, 2));
    /* Of what it had passed it has no say, which it need not know. */
    equal("later", TESTHOST_KEPT, later(t, "later", IL_STOPPED_LATER, 1));
    equal("earlier", TESTHOST_DEFERRED,
          later(t, "earlier", IL_STOPPED_EARLIER, 2));
    same("violations", "", testhost_violations(t));
    testhost_free(t);
}

int
main(void)
{
    destinations_settle();
    steps_put_events_aside();
    sources_emit();
    bad_input_is_refused();
    return failed;
}
