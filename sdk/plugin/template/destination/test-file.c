/* SPDX-License-Identifier: MIT */
/* What the destination does, without a daemon.  argv: the shared object. */
#include <errno.h>
#include <ingestlayer/testhost.h>
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
equal(const char *what, long expected, long actual)
{
    if (expected == actual)
        return;
    printf("%s: expected %ld, got %ld\n", what, expected, actual);
    failed = 1;
}

static const char *
contents(void)
{
    static char text[1024];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = 0;
    if (f)
        fclose(f);
    return text;
}

static struct testhost *
started(const char *plugin)
{
    struct testhost *t = testhost_new();
    if (testhost_open(t, plugin, config) || testhost_start(t))
        same("open", "", testhost_findings(t));
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"n\":1.10}}");
    testhost_event(t, "{\"type\":\"t\",\"payload\":{\"n\":2}}");
    return t;
}

static void
ended(struct testhost *t)
{
    testhost_close(t);
    same("violations", "", testhost_violations(t));
    testhost_free(t);
    unlink(path);
}

static void
writes_a_line_for_each(const char *plugin)
{
    struct testhost *t = started(plugin);
    equal("outcome", IL_OK, testhost_write(t, 5000));
    same("file", "{\"n\":1.10}\n{\"n\":2}\n", contents());
    equal("counted", 19, (long) testhost_counter(t, "written"));
    ended(t);
}

static void
without_memory_it_comes_again(const char *plugin)
{
    struct testhost *t = started(plugin);
    testhost_fail_alloc(t, 1);
    equal("without memory", -ENOMEM, testhost_write(t, 5000));
    same("nothing is written", "", contents());
    equal("again", IL_OK, testhost_write(t, 5000));
    same("written once", "{\"n\":1.10}\n{\"n\":2}\n", contents());
    ended(t);
}

static void
a_path_that_cannot_be_is_for_a_person(const char *plugin)
{
    struct testhost *t = testhost_new();
    testhost_open(t, plugin, "path = \"/nowhere/at/all\";");
    testhost_start(t);
    testhost_event(t, "{\"type\":\"t\",\"payload\":{}}");
    equal("outcome", IL_PAUSE, testhost_write(t, 5000));
    same("why", "No such file or directory", testhost_why(t));
    ended(t);
}

static void
refuses_relative_paths(const char *plugin)
{
    struct testhost *t = testhost_new();
    testhost_open(t, plugin, "path = \"out\";");
    same("finding",
         "test:1: template.file: path: expected an absolute path\n"
         "    out\n"
         "    ^\n",
         testhost_findings(t));
    testhost_free(t);
}

int
main(int argc, char **argv)
{
    const char *plugin = argc > 1 ? argv[1] : "./template.file.so";
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/out", dir);
    snprintf(config, sizeof(config), "path = \"%s\";", path);
    writes_a_line_for_each(plugin);
    without_memory_it_comes_again(plugin);
    a_path_that_cannot_be_is_for_a_person(plugin);
    refuses_relative_paths(plugin);
    /* And what nobody has thought of. */
    equal("verified", 0, testhost_verify(plugin, config, stdout));
    unlink(path);
    rmdir(dir);
    return failed;
}
