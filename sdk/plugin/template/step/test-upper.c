/* SPDX-License-Identifier: MIT */
/* What the step does, without a daemon.  argv: the shared object. */
#include <ingestlayer/testhost.h>
#include <stdio.h>
#include <string.h>

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
writes_capitals(const char *path)
{
    struct testhost *t = testhost_new();
    if (testhost_open(t, path, "field = \"name\"; missing = \"drop\";"))
        same("open", "", testhost_findings(t));
    testhost_event(t, "{\"type\":\"t\",\"payload\":"
                      "{\"n\":1.10,\"name\":\"ada \\u00e9\",\"a\":[\"x\"]}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"n\":2}}");
    if (testhost_process(t))
        same("process", "0", "an error");
    same("payload", "{\"n\":1.10,\"name\":\"ADA \xc3\xa9\",\"a\":[\"x\"]}",
         testhost_payload(t, 0));
    same("without", "dropped",
         testhost_state(t, 1) == TESTHOST_DROPPED ? "dropped" : "kept");
    same("counted", "1", testhost_counter(t, "changed") == 1 ? "1" : "?");
    testhost_free(t);
}

static void
refuses_paths(const char *path)
{
    struct testhost *t = testhost_new();
    testhost_open(t, path, "field = \"user.name\";");
    same("finding",
         "test:1: template.upper: field: only fields of the payload itself\n"
         "    user.name\n"
         "        ^\n",
         testhost_findings(t));
    testhost_free(t);
}

/* Where there is no memory, the same events come again, as they were. */
static void
comes_again_without_memory(const char *path)
{
    struct testhost *t = testhost_new();
    testhost_open(t, path, "field = \"name\"; missing = \"drop\";");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"a\":1}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"name\":\"x\"}}");
    testhost_fail_alloc(t, 1);
    same("without memory", "an error", testhost_process(t) ? "an error" : "0");
    same("undone", "kept",
         testhost_state(t, 0) == TESTHOST_KEPT ? "kept" : "dropped");
    same("again", "0", testhost_process(t) ? "an error" : "0");
    same("payload", "{\"name\":\"X\"}", testhost_payload(t, 1));
    testhost_close(t);
    same("violations", "", testhost_violations(t));
    testhost_free(t);
}

int
main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "./template.upper.so";
    writes_capitals(path);
    refuses_paths(path);
    comes_again_without_memory(path);
    /* And what nobody has thought of. */
    if (testhost_verify(path, "field = \"name\";", stdout))
        same("verified", "nothing found", "the above");
    return failed;
}
