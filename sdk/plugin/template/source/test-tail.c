/* SPDX-License-Identifier: MIT */
/* What the source does, without a daemon.  argv: the shared object. */
#include <errno.h>
#include <ingestlayer/testhost.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed;
static char dir[] = "/tmp/template-XXXXXX", path[64], config[128];

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
append(const char *text)
{
    FILE *f = fopen(path, "a");
    if (f) {
        fputs(text, f);
        fclose(f);
    }
}

/* Until the n-th event was emitted; NULL: in vain. */
static const char *
emitted(struct testhost *t, size_t n)
{
    for (int i = 0; i < 500 && !testhost_emitted(t, n); i++)
        poll(NULL, 0, 10);
    return testhost_emitted(t, n);
}

static void
opened(struct testhost *t, const char *plugin)
{
    if (testhost_open(t, plugin, config) || testhost_start(t))
        same("open", "", testhost_findings(t));
}

static void
ended(struct testhost *t)
{
    testhost_close(t);
    same("violations", "", testhost_violations(t));
    testhost_free(t);
    unlink(path);
}

/* The process is killed before the second line is on disk: that one comes
 * again, and the first does not. */
static void
takes_each_line_once(const char *plugin)
{
    struct testhost *t = testhost_new();
    append("{\"n\":1}\n");
    opened(t, plugin);
    same("first", "{\"type\":\"t\",\"payload\":{\"n\":1}}", emitted(t, 0));
    testhost_settle_emitted(t, IL_OK);
    same("mark", "8", testhost_mark(t, "offset"));
    append("\n{\"n\":2}\n{\"n\":");
    same("second", "{\"type\":\"t\",\"payload\":{\"n\":2}}", emitted(t, 1));
    testhost_kill(t);
    same("the mark stays", "8", testhost_mark(t, "offset"));
    append("3}\n");
    opened(t, plugin);
    same("again", "{\"type\":\"t\",\"payload\":{\"n\":2}}", emitted(t, 2));
    same("third", "{\"type\":\"t\",\"payload\":{\"n\":3}}", emitted(t, 3));
    testhost_settle_emitted(t, IL_OK);
    same("mark", "25", testhost_mark(t, "offset"));
    same("no more", "nothing", testhost_emitted(t, 4) ? "an event" : "nothing");
    ended(t);
}

static void
waits_for_room(const char *plugin)
{
    struct testhost *t = testhost_new();
    testhost_emit_result(t, -EAGAIN);
    append("{\"n\":1}\n");
    opened(t, plugin);
    poll(NULL, 0, 50);
    same("while it is behind", "nothing",
         testhost_emitted(t, 0) ? "an event" : "nothing");
    same("room is owed", "1", testhost_room(t) ? "1" : "0");
    same("then", "{\"type\":\"t\",\"payload\":{\"n\":1}}", emitted(t, 0));
    testhost_settle_emitted(t, IL_RETRY);
    same("and again", "{\"type\":\"t\",\"payload\":{\"n\":1}}", emitted(t, 1));
    testhost_settle_emitted(t, IL_OK);
    ended(t);
}

static void
counts_what_is_refused(const char *plugin)
{
    struct testhost *t = testhost_new();
    append("no event\n");
    opened(t, plugin);
    emitted(t, 0);
    testhost_settle_emitted(t, IL_OK);
    same("refused", "1",
         testhost_counter(t, "lines_refused") == 1 ? "1" : "another number");
    ended(t);
}

static void
says_what_it_is_at(const char *plugin)
{
    char expected[128];
    struct testhost *t = testhost_new();
    snprintf(expected, sizeof(expected),
             "waiting for %s: No such file or directory", path);
    opened(t, plugin);
    for (int i = 0; i < 500 && !*testhost_status(t); i++)
        poll(NULL, 0, 10);
    same("status", expected, testhost_status(t));
    ended(t);
}

int
main(int argc, char **argv)
{
    const char *plugin = argc > 1 ? argv[1] : "./template.tail.so";
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/in", dir);
    snprintf(config, sizeof(config),
             "path = \"%s\"; type = \"t\"; poll = \"20ms\";", path);
    takes_each_line_once(plugin);
    waits_for_room(plugin);
    counts_what_is_refused(plugin);
    says_what_it_is_at(plugin);
    /* And what nobody has thought of. */
    append("{\"n\":1}\n{\"n\":2}\n");
    if (testhost_verify(plugin, config, stdout))
        same("verified", "nothing found", "the above");
    unlink(path);
    rmdir(dir);
    return failed;
}
