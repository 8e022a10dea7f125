/* SPDX-License-Identifier: MIT */
/* What the steps in other languages do.  argv: "rust" or "cxx", and the shared
 * object.  Compiles as C and as C++. */
#include <stdio.h>
#include <string.h>
#include <testhost.h>

static int failed;

static void
equal(const char *what, long expected, long actual)
{
    if (expected == actual)
        return;
    printf("%s: expected %ld, got %ld\n", what, expected, actual);
    failed = 1;
}

static struct testhost *
opened(const char *path, const char *config)
{
    struct testhost *t = testhost_new();
    if (testhost_open(t, path, config) || testhost_start(t)) {
        printf("open: %s", testhost_findings(t));
        failed = 1;
    }
    return t;
}

static void
ended(struct testhost *t)
{
    testhost_close(t);
    if (*testhost_violations(t)) {
        printf("violations: %s", testhost_violations(t));
        failed = 1;
    }
    testhost_free(t);
}

static void
a_step_in_rust_samples(const char *path)
{
    char event[80];
    int kept[2] = { 0, 0 };
    struct testhost *t = opened(path, "percent = 30;");
    equal("logged", 0, strcmp(testhost_log(t), "info: keeps 30 of 100\n"));
    for (int round = 0; round < 2; round++) {
        testhost_clear(t);
        for (int i = 0; i < 1000; i++) {
            snprintf(event, sizeof(event),
                     "{\"type\":\"t\",\"id\":\"e%d\",\"payload\":{}}", i);
            testhost_event(t, event);
        }
        equal("process", 0, testhost_process(t));
        for (uint32_t i = 0; i < 1000; i++)
            kept[round] += testhost_state(t, i) == TESTHOST_KEPT;
    }
    equal("the same again", kept[0], kept[1]);
    equal("about 300 of 1000", 1, kept[0] > 250 && kept[0] < 350);
    equal("counted", 2 * (1000 - kept[0]),
          (long) testhost_counter(t, "sampled_out"));
    ended(t);
}

static void
a_step_in_cxx_refuses(const char *path)
{
    struct testhost *t =
        opened(path, "field = \"$event.payload.name\"; max = 3;");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"name\":\"ada\"}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"name\":\"grace\"}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"name\":12345}}");
    equal("process", 0, testhost_process(t));
    equal("short", TESTHOST_KEPT, testhost_state(t, 0));
    equal("long", TESTHOST_REJECTED, testhost_state(t, 1));
    equal("a number", TESTHOST_KEPT, testhost_state(t, 2));
    equal("why", 0,
          strcmp(testhost_reason(t, 1)->message,
                 "the text has more than 3 bytes"));
    ended(t);

    t = testhost_new();
    equal("open", 1, testhost_open(t, path, "field = \"$event..x\";") != 0);
    equal("found", 1, strstr(testhost_findings(t), "field: ") != NULL);
    testhost_free(t);
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "rust") == 0)
        a_step_in_rust_samples(argv[2]);
    else
        a_step_in_cxx_refuses(argv[2]);
    return failed;
}
