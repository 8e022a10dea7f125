/* SPDX-License-Identifier: MIT */
/* The probe, built against a frozen header, runs in the host of today.
 * argv: the probe's shared object. */
#include <stdio.h>
#include <string.h>
#include <testhost.h>

static int failed;

static void
same(const char *what, const char *expected, const char *actual)
{
    if (actual && strcmp(expected, actual) == 0)
        return;
    printf("%s: expected %s, got %s\n", what, expected,
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

int
main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : PROBE;
    struct testhost *t = testhost_new();
    testhost_entity(t, "user", "ada", "{\"plan\":\"pro\"}");
    int err = testhost_open(t, path,
                            "field = \"$event.payload.name\";"
                            "drop = \"count > 5\";");
    if (err) {
        printf("open: %s", testhost_findings(t));
        return 1;
    }
    equal("start", 0, testhost_start(t));
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"name\":\"ada\"}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"count\":6}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"count\":5}}");
    equal("process", 0, testhost_process(t));
    equal("event 0", TESTHOST_KEPT, testhost_state(t, 0));
    same("payload 0", "{\"label\":\"x-t\"}", testhost_payload(t, 0));
    same("attached 0", "{\"plan\":\"pro\"}", testhost_attached(t, 0, "user"));
    equal("event 1", TESTHOST_DROPPED, testhost_state(t, 1));
    equal("event 2", TESTHOST_REJECTED, testhost_state(t, 2));
    if (testhost_reason(t, 2))
        same("reason 2", "no-name", testhost_reason(t, 2)->code);
    equal("counter", 3, (long) testhost_counter(t, "seen"));
    testhost_free(t);
    return failed;
}
