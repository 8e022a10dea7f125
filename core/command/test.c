/* SPDX-License-Identifier: MIT */
/* ingestlayer test: does a config do what its tests say?
 *
 * Nothing outside is touched: each test runs a daemon of its own in an empty
 * folder, with a clock of its own (host/trial.h).  All of that happens in a child:
 * whatever becomes of it, the folder goes. */
#include "test.h"

#include "host/assembly.h"
#include "host/catalog.h"

#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/state_dir.h"
#include "base/text.h"
#include "host/settings.h"
#include "lang/expr.h"

#include <errno.h>
#include <getopt.h>
#include <libconfig.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JUNIT = COMMAND_FLAG, JSON, FILTER, CATALOG, RECORD };

static const struct command_option options[] = {
    { 'c', "config", "FILE", "the config, instead of what the files name" },
    { FILTER, "filter", "GLOB", "only the tests with such a name" },
    { CATALOG, "catalog", "FILE",
      "what tables look like, as ddl --save has it" },
    { JUNIT, "junit", "FILE", "write a report in JUnit's form, too" },
    { JSON, "json", NULL, "one line of JSON a test" },
    { RECORD, "record", "ID",
      "print a file with a test made of an event in the spool" },
    { 's', "state-dir", "DIR", "with --record: where that is" },
    { 'v', "verbose", NULL, "also name the tests that pass" },
    { 0 }
};

const struct command_help command_test_help = {
    .text =
        "usage: ingestlayer test [-c FILE] [--filter GLOB] FILE...\n"
        "       ingestlayer test [-c FILE] --record ID\n"
        "Run the tests in files: events that are given, and what must come of\n"
        "them, with a clock of the test's and nothing outside touched.\n"
        "For example: ingestlayer test -v pipeline.tests.conf\n"
        "             ingestlayer test --record "
        "evt_01JDK3V6Q8ZJ4T5M7N9P2R3S4W\n",
    .options = options,
};

struct test_job {
    const char *config, *filter, *junit, *record;
    const char *state_dir;
    const char *catalog_file;
    struct catalog *catalog; /* NULL: none */
    char folder[4096];       /* for the state_dirs of tests */
    struct test_report report;
    size_t runs; /* names their folders */
    /* Of the file at hand: */
    struct conf *conf; /* a file of tests; NULL: it is a config */
    struct assembly *assembly;
    struct trial_case *cases;
    size_t count;
};

/* --- the environment of a file --------------------------------------------------- */

static void
say_env(struct conf *conf, const config_setting_t *s, const char *message)
{
    const struct conf_finding f = { .place = conf_place(conf, s),
                                    .key = "env",
                                    .offset = -1 };
    conf_add(conf, &f, "%s", message);
}

/* Put the variables of `env` into the environment; without set, take them out. */
static void
use_env(struct conf *conf, config_setting_t *env, int set)
{
    if (env && !config_setting_is_group(env)) {
        say_env(conf, env, "expected a group { } with a text for each name");
        return;
    }
    for (int i = 0; env && i < config_setting_length(env); i++) {
        const config_setting_t *s = config_setting_get_elem(env, (unsigned) i);
        if (config_setting_type(s) != CONFIG_TYPE_STRING)
            say_env(conf, s, "expected a text in double quotes");
        else if (set)
            setenv(s->name, config_setting_get_string(s), 1);
        else
            unsetenv(s->name);
    }
}

/* --- a file ------------------------------------------------------------------------- */

/* Has it what a config has? */
static int
is_config(const struct conf *conf)
{
    const config_setting_t *root = conf_root(conf, 0);
    return config_setting_get_member(root, "pipelines")
           || config_setting_get_member(root, "sources")
           || config_setting_get_member(root, "include_dir");
}

static const char *
config_of(const struct test_job *j, struct conf *conf, const struct il_conf *g)
{
    const char *named = option_str(g, "config", 0);
    if (j->config)
        return j->config;
    if (!named) {
        const struct conf_finding f = { .place = conf_place_main(conf),
                                        .key = "config",
                                        .offset = -1 };
        conf_add(
            conf, &f,
            "which config are the tests about? write config = \"FILE\", or "
            "give -c FILE");
        return NULL;
    }
    const char *dir = conf_place_main(conf).dir;
    return *named == '/' || strcmp(dir, ".") == 0
               ? named
               : conf_printf(conf, "%s/%s", dir, named);
}

/* 0, or 1 after the findings were printed. */
static int
read_tests(struct test_job *j, struct conf *conf, const char **config)
{
    config_setting_t *root = conf_root(conf, 0);
    const struct option_table table = OPTION_TABLE(settings_tests);
    const struct il_conf *g =
        option_read_group(&(struct option_read){ .conf = conf,
                                                 .groups = &root,
                                                 .group_count = 1,
                                                 .tables = &table,
                                                 .table_count = 1 });
    use_env(conf, option_setting(g, "env", 0), 1);
    *config = config_of(j, conf, g);
    if (*config && access(*config, R_OK))
        option_error(g, "config", 0, "cannot read %s: %s", *config,
                     strerror(errno));
    else if (*config)
        j->assembly = command_assemble(*config);
    const struct plan *plan = j->assembly ? j->assembly->plan : NULL;
    j->cases = trial_cases(conf, g, plan, &j->count);
    conf_print(conf, stderr);
    return !j->assembly || conf_errors(conf);
}

/* Its own tests are checked as a config's are. */
static int
read_config(struct test_job *j, const char *path)
{
    j->assembly = command_assemble(path);
    if (!j->assembly)
        return 1;
    struct plan *plan = j->assembly->plan;
    j->cases = trial_cases(plan->conf, plan->root, plan, &j->count);
    if (!j->count)
        fprintf(stderr, "%s: there are no tests in it\n", path);
    return !j->count;
}

static void
run_test(struct test_job *j, const char *config, const struct trial_case *c)
{
    char folder[4200];
    snprintf(folder, sizeof(folder), "%s/%zu", j->folder, j->runs++);
    const struct trial_options o = { .config = config,
                                     .folder = folder,
                                     .catalog = j->catalog,
                                     .log_level = j->report.verbose > 1
                                                      ? IL_LOG_INFO
                                                      : IL_LOG_ERROR };
    const int64_t began_us = clock_monotonic_us();
    struct test_verdict v = { .test = c };
    mkdir(folder, 0700);
    struct trial_result *r = trial_run(&o, c);
    v.result = r;
    v.took_us = clock_monotonic_us() - began_us;
    command_test_judge(&v);
    command_test_report(&j->report, &v);
    trial_free(r);
    state_dir_remove_below(folder);
}

static int
is_wanted(const struct test_job *j, const struct trial_case *c)
{
    return !j->filter
           || expr_glob_match(slice_of(j->filter, strlen(j->filter)),
                              slice_of(c->name, strlen(c->name)));
}

static void
run_file(struct test_job *j, const char *path)
{
    const char *config = path;
    struct conf *conf = conf_new();
    int failed = conf_load(conf, path);
    j->assembly = NULL;
    j->count = 0;
    j->report.file = path;
    if (failed)
        conf_print(conf, stderr);
    else
        failed = is_config(conf) ? read_config(j, path)
                                 : read_tests(j, conf, &config);
    for (size_t i = 0; i < j->count && !failed; i++)
        if (is_wanted(j, &j->cases[i]))
            run_test(j, config, &j->cases[i]);
    if (failed)
        command_test_report_broken(&j->report);
    else
        command_test_report_file(&j->report);
    assembly_free(j->assembly);
    if (conf_file_count(conf))
        use_env(conf, config_setting_get_member(conf_root(conf, 0), "env"), 0);
    conf_free(conf);
}

/* --- all of them ----------------------------------------------------------------------- */

static int
read_catalog(struct test_job *j)
{
    struct il_text why = { 0 };
    if (!j->catalog_file)
        return 0;
    j->catalog = catalog_read(j->catalog_file, &why);
    if (!j->catalog)
        fprintf(stderr, "ingestlayer test: %s\n", text_str(&why));
    text_clear(&why);
    return !j->catalog;
}

static int
record(struct test_job *j)
{
    const struct test_recording r = { .event = j->record,
                                      .config = j->config,
                                      .state_dir = j->state_dir,
                                      .folder = j->folder,
                                      .catalog = j->catalog };
    int failed = command_test_record(&r);
    catalog_free(j->catalog);
    return failed;
}

static int
run_files(struct test_job *j, char **files)
{
    if (read_catalog(j))
        return 1;
    if (j->record)
        return record(j);
    for (; *files; files++)
        run_file(j, *files);
    catalog_free(j->catalog);
    int failed = command_test_report_end(&j->report);
    if (j->filter && !j->report.passed && !j->report.failed
        && !j->report.errors) {
        fprintf(stderr, "ingestlayer test: no test has a name like \"%s\"\n",
                j->filter);
        failed = 1;
    }
    return failed || j->report.errors || j->report.failed;
}

static pid_t child;

static void
pass_on(int signal)
{
    if (child > 0)
        kill(child, signal);
}

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP };

/* The child's exit code, and its folder is gone.  mask: of signals, from here. */
static int
watch(struct test_job *j, const sigset_t *mask)
{
    const struct sigaction act = { .sa_handler = pass_on };
    int status = 0;
    struct sigaction was;
    /* What is ignored, as with nohup, the child ignores too. */
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
        if (!sigaction(passed_on[i], NULL, &was) && was.sa_handler != SIG_IGN)
            sigaction(passed_on[i], &act, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    state_dir_remove_below(j->folder);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "ingestlayer test: died of %s; the last test did not end\n",
            strsignal(WTERMSIG(status)));
    return 1;
}

static int
run_in_child(struct test_job *j, char **files)
{
    const char *tmp = getenv("TMPDIR");
    sigset_t held, before;
    /* One that comes before there is somebody to pass it on to would leave the
     * folder, or the child without anybody. */
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
        sigaddset(&held, passed_on[i]);
    sigprocmask(SIG_BLOCK, &held, &before);
    snprintf(j->folder, sizeof(j->folder), "%s/ingestlayer-test.XXXXXX",
             tmp && *tmp == '/' ? tmp : "/tmp");
    if (!mkdtemp(j->folder)) {
        fprintf(stderr, "ingestlayer test: cannot make a folder in %s: %s\n",
                tmp && *tmp == '/' ? tmp : "/tmp", strerror(errno));
        sigprocmask(SIG_SETMASK, &before, NULL);
        return 1;
    }
    fflush(stdout);
    fflush(stderr);
    child = fork();
    if (child > 0)
        return watch(j, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child == 0)
        return run_files(j, files);
    fprintf(stderr, "ingestlayer test: %s\n", strerror(errno));
    state_dir_remove_below(j->folder);
    return 1;
}

/* --- the command ------------------------------------------------------------------------- */

static int
open_junit(struct test_job *j)
{
    if (!j->junit)
        return 0;
    j->report.junit = fopen(j->junit, "we");
    if (j->report.junit)
        return 0;
    fprintf(stderr, "ingestlayer test: cannot write %s: %s\n", j->junit,
            strerror(errno));
    return 1;
}

/* -1 to go on, else the exit code. */
static int
read_line(struct test_job *j, int argc, char **argv)
{
    for (int c; (c = command_next(argc, argv, &command_test_help)) != -1;) {
        if (c == 'c')
            j->config = optarg;
        else if (c == 'v')
            j->report.verbose++;
        else if (c == JSON)
            j->report.json = 1;
        else if (c == JUNIT)
            j->junit = optarg;
        else if (c == RECORD)
            j->record = optarg;
        else if (c == 's')
            j->state_dir = optarg;
        else if (c == FILTER)
            j->filter = optarg;
        else if (c == CATALOG)
            j->catalog_file = optarg;
        else
            return c == 'h' ? 0 : 2;
    }
    if (j->record && optind < argc)
        return command_unexpected("test --record", argv[optind],
                                  &command_test_help);
    if (j->record || optind < argc)
        return -1;
    fputs("ingestlayer test: which file?\n", stderr);
    command_print_help(&command_test_help, stderr);
    return 2;
}

int
command_test(int argc, char **argv)
{
    struct test_job j = { .config = NULL };
    char dir[4096];
    int code = read_line(&j, argc, argv);
    if (code >= 0)
        return code;
    if (j.record && !j.config)
        j.config = COMMAND_CONF_DEFAULT;
    if (j.record
        && command_find_daemon(j.state_dir, j.config, dir, sizeof(dir)))
        return 1;
    j.state_dir = dir;
    return open_junit(&j) ? 1 : run_in_child(&j, argv + optind);
}
