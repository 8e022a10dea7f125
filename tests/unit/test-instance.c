/* SPDX-License-Identifier: MIT */
/* One instance and its surroundings: what it counts, times, says, keeps, and
 * does wrong. */
#include "base/api.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/timers.h"
#include "plugin/instance.h"
#include "tempdir.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>

static struct il_api table;
static struct il_host host;
static struct plugin plugin;
static struct conf *conf;
static void (*in_open)(const struct il_host *, const struct il_conf *);
static void (*in_start)(void);
static FILE *log_file;

static int
test_open(const struct il_host *h, const struct il_conf *c, void **self)
{
    *self = &host;
    if (in_open)
        in_open(h, c);
    return 0;
}

static int
test_start(void *self)
{
    ck_assert_ptr_eq(self, &host);
    if (in_start)
        in_start();
    return 0;
}

static const char config[] = "columns = ( \"$event.id\",\n"
                             "            \"$event.payload.a[\",\n"
                             "            \"$event.payload.b\" );\n"
                             "spec = \"id=$event.id;x=$event.payload.x[\";";

static void
set_up(void)
{
    static const struct il_option options[] = {
        { .name = "columns",
          .type = IL_OPT_STRING,
          .flags = IL_OPT_LIST,
          .help = "References." },
        { .name = "spec", .type = IL_OPT_STRING, .help = "Has references." },
        { 0 }
    };
    static const struct option_table tables = { options, sizeof(options[0]) };
    instance_fill_api(&table);
    api_use(&table);
    conf = conf_new();
    conf_load_text(conf, "t.conf", ".", config, strlen(config));
    plugin = (struct plugin){ .desc = { .kind = IL_STEP,
                                        .name = "test.step",
                                        .open = test_open,
                                        .start = test_start } };
    struct config_setting_t *root = conf_root(conf, 0);
    host = (struct il_host){ .api = &table,
                             .conf = conf,
                             .plugin = &plugin,
                             .name = "1",
                             .instance = "pipeline \"p\", step 1 (test.step)",
                             .lane = "p/d",
                             .options = option_read_group(
                                 &(struct option_read){ .conf = conf,
                                                        .where = "step 1",
                                                        .groups = &root,
                                                        .group_count = 1,
                                                        .tables = &tables,
                                                        .table_count = 1 }) };
    in_open = NULL;
    in_start = NULL;
    /* the log goes to a file that can be read back */
    log_file = tmpfile();
    ck_assert_ptr_nonnull(log_file);
    ck_assert_int_ge(dup2(fileno(log_file), STDERR_FILENO), 0);
}

static void
tear_down(void)
{
    instance_stop(&host);
    instance_close(&host);
    conf_free(conf);
    fclose(log_file);
}

/* All of the log so far. */
static const char *
logged(void)
{
    static char text[65536];
    ssize_t n = pread(fileno(log_file), text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static size_t
lines(void)
{
    size_t n = 0;
    for (const char *p = logged(); (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

static const char *
findings(void)
{
    static char text[8192];
    FILE *f = fmemopen(text, sizeof(text), "w");
    conf_print(conf, f);
    fclose(f);
    return text;
}

static void
expect(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "expected: %s\n  actual: %s",
                  part, text);
}

/* --- the log -------------------------------------------------------------- */

START_TEST(a_line_of_the_log_stays_one_line)
{
    char text[5000];
    memset(text, 'x', sizeof(text));
    memcpy(text, "a\nb\x1b[2J\x7f\xff", 9);
    ck_assert_int_eq(instance_open(&host), 0);
    il_log_text(&host, IL_LOG_WARN, text, sizeof(text));
    ck_assert_uint_eq(lines(), 1);
    expect(logged(), "step 1 (test.step): a\\x0ab\\x1b[2J\\x7f\\xffxxx");
    ck_assert_uint_lt(strlen(logged()), 4100);
}
END_TEST

START_TEST(a_log_turns_no_text_around)
{
    log_text(IL_LOG_ERROR, NULL,
             "a\xe2\x80\xae"
             "b\xc2\x85"
             "c\xd8\x9c"
             "d\xe2\x81\xa6"
             "e\xe2\x80\xa8"
             "\xc3\xa9\xe2\x82\xac",
             23);
    expect(logged(), "a\\xe2\\x80\\xaeb\\xc2\\x85c\\xd8\\x9cd\\xe2\\x81\\xa6e"
                     "\\xe2\\x80\\xa8\xc3\xa9\xe2\x82\xac\n");
}
END_TEST

START_TEST(a_cut_text_ends_between_characters)
{
    char text[1100];
    memset(text, 'x', sizeof(text));
    memcpy(text + 1022, "\xc3\xa9", 3);
    ck_assert_int_eq(instance_open(&host), 0);
    il_log(&host, IL_LOG_ERROR, "%s", text);
    expect(logged(), "xxx\n");
    ck_assert_ptr_null(strstr(logged(), "\\x"));
}
END_TEST

START_TEST(nothing_below_the_level_is_written)
{
    log_level_set(IL_LOG_WARN);
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(il_log_level(&host), IL_LOG_WARN);
    il_log(&host, IL_LOG_INFO, "hidden");
    il_log_text(&host, IL_LOG_DEBUG, "hidden", 6);
    ck_assert_uint_eq(lines(), 0);
}
END_TEST

/* --- what it says --------------------------------------------------------- */

START_TEST(a_status_is_what_was_said_last)
{
    char now[400], text[500];
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(instance_start(&host), 0);
    il_status(&host, "copying %d of %d", 1, 40);
    instance_doing(&host, now, sizeof(now));
    ck_assert_str_eq(now, "copying 1 of 40");
    memset(text, 'x', sizeof(text));
    memcpy(text, "a\n\xff", 3);
    il_status_text(&host, text, sizeof(text));
    instance_doing(&host, now, sizeof(now));
    ck_assert_uint_eq(strlen(now), 399);
    ck_assert_int_eq(strncmp(now, "a\\x0a\\xffxx", 11), 0);
    il_status_text(&host, "", 0);
    instance_doing(&host, now, sizeof(now));
    ck_assert_str_eq(now, "");
    il_status(&host, "still");
    instance_stop(&host);
    instance_doing(&host, now, sizeof(now));
    ck_assert_str_eq(now, "");
    ck_assert_uint_eq(lines(), 0);
}
END_TEST

START_TEST(faults_are_counted_and_told_once)
{
    int64_t n = 0;
    const char *labels = "plugin_instance=\"pipeline \\\"p\\\", step 1 "
                         "(test.step)\",lane=\"p/d\"";
    ck_assert_int_eq(instance_open(&host), 0);
    for (int i = 0; i < 1000; i++)
        instance_fault(&host, "il_get() past the end: %d", i);
    instance_fault(&host, "il_drop() outside process()");
    ck_assert_int_eq(metric_find("instance_faults_total", labels, &n), 1);
    ck_assert_int_eq(n, 1001);
    ck_assert_uint_eq(lines(), 2);
    expect(logged(), "error pipeline \"p\", step 1 (test.step): fault of the "
                     "plugin: il_get() past the end: 0\n");
    expect(logged(), "fault of the plugin: il_drop() outside process()\n");
}
END_TEST

START_TEST(it_is_cancelled_once_it_was_told)
{
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(instance_start(&host), 0);
    ck_assert_int_eq(il_cancelled(&host), 0);
    instance_cancel(&host);
    ck_assert_int_eq(il_cancelled(&host), 1);
}
END_TEST

/* --- references ----------------------------------------------------------- */

static struct il_field *fields[8];

static void
resolve(const struct il_host *h, const struct il_conf *c)
{
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(il_field_from_at(h, c, "columns", i, &fields[i]),
                         i == 1 ? -EINVAL : 0);
    /* past the end there is nothing, as of an option that is absent */
    ck_assert_int_eq(il_field_from_at(h, c, "columns", 3, &fields[3]), 0);
    ck_assert_ptr_null(fields[3]);
    const char *spec = il_conf_str(c, "spec");
    ck_assert_int_eq(
        il_field_parse(h, c, "spec", 0, 3, spec + 3, 9, &fields[4]), 0);
    ck_assert_int_eq(
        il_field_parse(h, c, "spec", 0, 15, spec + 15, 17, &fields[5]),
        -EINVAL);
    ck_assert_int_eq(il_field_parse(h, c, "spec", 0, -1, "$event.nonsense..",
                                    17, &fields[6]),
                     -EINVAL);
    ck_assert_int_eq(
        il_field_parse(h, NULL, NULL, 0, -1, "$event.y[", 9, &fields[7]),
        -EINVAL);
    ck_assert_ptr_null(fields[7]);
}

START_TEST(references_are_told_by_their_place)
{
    in_open = resolve;
    ck_assert_int_eq(instance_open(&host), -EINVAL);
    expect(findings(), "t.conf:2: step 1: columns #2: ");
    expect(findings(), "\n    $event.payload.a[\n                     ^\n");
    expect(findings(), "t.conf:4: step 1: spec: ");
    expect(findings(), "\n    id=$event.id;x=$event.payload.x[\n"
                       "                                    ^\n");
    expect(findings(), "t.conf:4: step 1: spec: \"$event.nonsense..\": ");
    ck_assert_uint_eq(conf_errors(conf), 3);
    ck_assert_ptr_nonnull(fields[0]);
    ck_assert_ptr_nonnull(fields[2]);
    ck_assert_ptr_nonnull(fields[4]);
    for (size_t i = 0; i < 8; i++) {
        il_field_free(&host, fields[i]);
        fields[i] = NULL;
    }
}
END_TEST

/* --- counters and gauges -------------------------------------------------- */

static const struct {
    const char *name;
    int unit;
    const char *help, *finding;
} bad_metrics[] = {
    { "a b", IL_UNIT_NONE, "A.", "counter \"a b\": a name is [a-z]" },
    { "1x", IL_UNIT_NONE, "A.", "counter \"1x\": a name is [a-z]" },
    { "", IL_UNIT_NONE, "A.", "counter \"\": a name is [a-z]" },
    { "Rows", IL_UNIT_NONE, "A.", "counter \"Rows\": a name is [a-z]" },
    { "rows{x=\"\"}", IL_UNIT_NONE, "A.", "a name is [a-z]" },
    { "wait_seconds", IL_UNIT_NONE, "A.", "the host adds _total" },
    { "rows_total", IL_UNIT_NONE, "A.", "the host adds _total" },
    { "sent_bytes", IL_UNIT_BYTES, "A.", "the host adds _total" },
    { "rows", 3, "A.", "a unit that this host does not know" },
    { "rows", -1, "A.", "a unit that this host does not know" },
    { "rows", IL_UNIT_NONE, "A.\nB.", "help is one line" },
    { "rows", IL_UNIT_NONE, "", "help is one line" },
    { "a23456789_123456789_123456789_123456789_123456789_123456789_12345",
      IL_UNIT_NONE, "A.", "a name has at most 64 bytes" },
};
static int which;

static void
make_bad(const struct il_host *h, const struct il_conf *c)
{
    (void) c;
    ck_assert_ptr_null(il_counter_new(h, bad_metrics[which].name,
                                      bad_metrics[which].unit,
                                      bad_metrics[which].help));
}

START_TEST(a_bad_counter_fails_open)
{
    which = _i;
    in_open = make_bad;
    ck_assert_int_eq(instance_open(&host), -EINVAL);
    expect(findings(), bad_metrics[_i].finding);
    expect(findings(), "a fault of the plugin");
}
END_TEST

static void
make_two(const struct il_host *h, const struct il_conf *c)
{
    (void) c;
    ck_assert_ptr_nonnull(il_counter_new(h, "twice", IL_UNIT_NONE, "T."));
    ck_assert_ptr_eq(il_counter_new(h, "twice", IL_UNIT_NONE, "T."),
                     il_counter_new(h, "twice", IL_UNIT_NONE, "T."));
    if (which == 0)
        ck_assert_ptr_null(il_counter_new(h, "twice", IL_UNIT_BYTES, "T."));
    else
        ck_assert_ptr_null(il_gauge_new(h, "twice", IL_UNIT_NONE, "T."));
}

START_TEST(a_name_has_one_unit_and_kind)
{
    which = _i;
    in_open = make_two;
    ck_assert_int_eq(instance_open(&host), -EINVAL);
    expect(findings(), "\"twice\": the instance has another of this name");
}
END_TEST

static struct il_counter *bytes, *wait;
static struct il_gauge *depth, *age;

static void
make_good(const struct il_host *h, const struct il_conf *c)
{
    (void) c;
    bytes = il_counter_new(h, "sent", IL_UNIT_BYTES, "Sent.");
    wait = il_counter_new(h, "wait", IL_UNIT_MICROSECONDS, "Waited.");
    depth = il_gauge_new(h, "depth", IL_UNIT_NONE, "Depth.");
    age = il_gauge_new(h, "age", IL_UNIT_MICROSECONDS, "Age.");
}

START_TEST(metrics_are_exported_with_their_unit)
{
    struct il_text out = { 0 };
    int64_t value = 0;
    in_open = make_good;
    ck_assert_int_eq(instance_open(&host), 0);
    il_counter_add(&host, bytes, 7);
    il_counter_add(&host, wait, 1500000);
    il_gauge_set(&host, depth, -3);
    il_gauge_set(&host, age, 250000);
    il_gauge_set(&host, NULL, 1);
    il_counter_add(&host, NULL, 1);
    ck_assert_int_eq(metric_export(&out), 0);
#define OF \
    "{plugin_instance=\"pipeline \\\"p\\\", step 1 (test.step)\",lane=\"p/d\"} "
    expect(text_str(&out), "\ningestlayer_plugin_sent_bytes_total" OF "7\n");
    expect(text_str(&out),
           "\ningestlayer_plugin_wait_seconds_total" OF "1.500000\n");
    expect(text_str(&out), "\ningestlayer_plugin_depth" OF "-3\n");
    expect(text_str(&out), "\ningestlayer_plugin_age_seconds" OF "0.250000\n");
    expect(text_str(&out), "# TYPE ingestlayer_plugin_depth gauge\n");
    text_clear(&out);
    ck_assert_int_eq(instance_metric(&host, "sent", 0, &value), 1);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(instance_metric(&host, "depth", 1, &value), 1);
    ck_assert_int_eq(value, -3);
    ck_assert_int_eq(instance_metric(&host, "depth", 0, &value), 0);
}
END_TEST

START_TEST(a_bad_counter_after_open_is_a_fault)
{
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_ptr_null(il_counter_new(&host, "a b", IL_UNIT_NONE, "A."));
    expect(logged(), "fault of the plugin: counter \"a b\"");
    ck_assert_uint_eq(conf_errors(conf), 0);
}
END_TEST

/* --- timers --------------------------------------------------------------- */

static atomic_int ticks, more;
static struct timers *timers;

static void
tick(void *arg)
{
    (void) arg;
    atomic_fetch_add(&ticks, 1);
}

/* Asks for itself again, as often as more says. */
static void
chain(void *arg)
{
    atomic_fetch_add(&ticks, 1);
    if (atomic_fetch_sub(&more, 1) > 0)
        ck_assert_int_eq(il_timer_once(&host, 1, chain, arg), 0);
}

static void
wait_for(int n)
{
    for (int i = 0; i < 5000 && atomic_load(&ticks) < n; i++)
        poll(NULL, 0, 1);
    ck_assert_int_eq(atomic_load(&ticks), n);
}

static void
start_with_timers(void)
{
    atomic_store(&ticks, 0);
    timers = timers_new();
    ck_assert_int_eq(timers_start(timers), 0);
    host.timers = timers;
    if (atomic_load(&host.phase) == INSTANCE_NONE)
        ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(instance_start(&host), 0);
}

static void
stop_with_timers(void)
{
    instance_stop(&host);
    timers_free(timers);
    host.timers = NULL;
}

START_TEST(no_timer_has_an_interval_of_nothing)
{
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(il_timer_every(&host, 0, tick, NULL), -EINVAL);
}
END_TEST

START_TEST(once_is_once)
{
    start_with_timers();
    ck_assert_int_eq(il_timer_once(&host, 1, tick, NULL), 0);
    wait_for(1);
    poll(NULL, 0, 20);
    wait_for(1);
    stop_with_timers();
}
END_TEST

START_TEST(asking_again_moves_a_timer)
{
    start_with_timers();
    ck_assert_int_eq(il_timer_once(&host, 3600000, tick, NULL), 0);
    ck_assert_int_eq(il_timer_once(&host, 1, tick, NULL), 0);
    /* another argument is another timer */
    ck_assert_int_eq(il_timer_once(&host, 1, tick, &ticks), 0);
    wait_for(2);
    ck_assert_int_eq(il_timer_once(&host, 30, tick, NULL), 0);
    ck_assert_int_eq(il_timer_once(&host, IL_NEVER, tick, NULL), 0);
    poll(NULL, 0, 60);
    wait_for(2);
    stop_with_timers();
}
END_TEST

START_TEST(a_timer_asks_for_itself_again)
{
    atomic_store(&more, 4);
    start_with_timers();
    ck_assert_int_eq(il_timer_once(&host, 1, chain, NULL), 0);
    wait_for(5);
    stop_with_timers();
}
END_TEST

static void
ask_early(const struct il_host *h, const struct il_conf *c)
{
    (void) c;
    ck_assert_int_eq(il_timer_once(h, 3600000, tick, NULL), 0);
    ck_assert_int_eq(il_timer_once(h, 1, tick, NULL), 0);
    ck_assert_int_eq(il_timer_once(h, 1, chain, NULL), 0);
    ck_assert_int_eq(il_timer_once(h, IL_NEVER, chain, NULL), 0);
}

START_TEST(timers_wait_for_the_start)
{
    in_open = ask_early;
    atomic_store(&ticks, 0);
    ck_assert_int_eq(instance_open(&host), 0);
    poll(NULL, 0, 20);
    ck_assert_int_eq(atomic_load(&ticks), 0);
    start_with_timers();
    wait_for(1);
    poll(NULL, 0, 20);
    wait_for(1);
    stop_with_timers();
}
END_TEST

START_TEST(no_timer_runs_after_stop)
{
    atomic_store(&more, 1000000);
    start_with_timers();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(il_timer_once(&host, 1, chain, &timers + i), 0);
    ck_assert_int_eq(il_timer_every(&host, 1, tick, NULL), 0);
    poll(NULL, 0, 20);
    instance_stop(&host);
    int n = atomic_load(&ticks);
    ck_assert_int_eq(il_timer_once(&host, 0, tick, NULL), 0);
    ck_assert_int_eq(il_timer_every(&host, 1, tick, NULL), 0);
    poll(NULL, 0, 30);
    ck_assert_int_eq(atomic_load(&ticks), n);
    stop_with_timers();
}
END_TEST

/* --- its folder ----------------------------------------------------------- */

static const char *found;

static void
ask_folder(void)
{
    ck_assert_int_eq(il_state_dir(&host, &found), 0);
}

START_TEST(its_folder_is_there_from_start_on)
{
    char *dir = tempdir_make(), own[4096];
    struct stat st;
    snprintf(own, sizeof(own), "%s/instances/lanes/p/d/steps/1", dir);
    host.state_dir = dir;
    host.folder = own;
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(il_state_dir(&host, &found), -EPERM);
    ck_assert_int_ne(stat(own, &st), 0);
    in_start = ask_folder;
    ck_assert_int_eq(instance_start(&host), 0);
    ck_assert_str_eq(found, own);
    ck_assert_int_eq(stat(own, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(il_state_dir(&host, &found), 0);
    tempdir_remove(dir);
}
END_TEST

START_TEST(a_link_is_no_folder)
{
    char *dir = tempdir_make(), own[4096], link[2048];
    snprintf(link, sizeof(link), "%s/instances", dir);
    snprintf(own, sizeof(own), "%s/x", link);
    ck_assert_int_eq(symlink("/tmp", link), 0);
    host.state_dir = dir;
    host.folder = own;
    ck_assert_int_eq(instance_open(&host), 0);
    ck_assert_int_eq(instance_start(&host), 0);
    ck_assert_int_eq(il_state_dir(&host, &found), -ENOTDIR);
    expect(logged(), "cannot make the folder");
    tempdir_remove(dir);
}
END_TEST

/* --- structures that cross ------------------------------------------------ */

START_TEST(structures_are_taken_by_their_size)
{
    struct {
        struct il_reason known;
        const char *later;
    } theirs = { .known = { .struct_size = sizeof(theirs),
                            .code = "c",
                            .message = "m",
                            .field = "f",
                            .rule = "r" },
                 .later = "unknown" };
    struct il_reason own;
    ck_assert_int_eq(api_copy(&own, sizeof(own), &theirs, API_REASON_1_0), 0);
    ck_assert_uint_eq(own.struct_size, sizeof(own));
    ck_assert_str_eq(own.rule, "r");
    /* smaller than ours, as one of an older version is: the rest is 0 */
    theirs.known.struct_size = API_SIZE_WITH(struct il_reason, message);
    ck_assert_int_eq(api_copy(&own, sizeof(own), &theirs,
                              API_SIZE_WITH(struct il_reason, message)),
                     0);
    ck_assert_str_eq(own.message, "m");
    ck_assert_ptr_null(own.field);
    ck_assert_int_eq(api_copy(&own, sizeof(own), &theirs, API_REASON_1_0),
                     -EINVAL);
    ck_assert_ptr_null(own.code);
    theirs.known.struct_size = 0;
    ck_assert_int_eq(api_copy(&own, sizeof(own), &theirs, API_REASON_1_0),
                     -EINVAL);
}
END_TEST

START_TEST(arrays_are_walked_by_their_distance)
{
    struct longer {
        struct il_reason known;
        const char *later;
    } theirs[3];
    struct il_reason own;
    for (size_t i = 0; i < 3; i++)
        theirs[i] = (struct longer){ .known = { .struct_size = sizeof theirs[0],
                                                .code = "abc" + i } };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(api_copy_at(&own, sizeof(own), theirs, i,
                                     sizeof(theirs[0]), API_REASON_1_0),
                         0);
        ck_assert_str_eq(own.code, &"abc"[i]);
    }
    ck_assert_int_eq(
        api_copy_at(&own, sizeof(own), theirs, 1, 8, API_REASON_1_0), -EINVAL);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("instance");
    TCase *t = tcase_create("instance");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_line_of_the_log_stays_one_line);
    tcase_add_test(t, a_log_turns_no_text_around);
    tcase_add_test(t, a_cut_text_ends_between_characters);
    tcase_add_test(t, nothing_below_the_level_is_written);
    tcase_add_test(t, a_status_is_what_was_said_last);
    tcase_add_test(t, faults_are_counted_and_told_once);
    tcase_add_test(t, it_is_cancelled_once_it_was_told);
    tcase_add_test(t, references_are_told_by_their_place);
    tcase_add_loop_test(t, a_bad_counter_fails_open, 0,
                        sizeof(bad_metrics) / sizeof(bad_metrics[0]));
    tcase_add_loop_test(t, a_name_has_one_unit_and_kind, 0, 2);
    tcase_add_test(t, metrics_are_exported_with_their_unit);
    tcase_add_test(t, a_bad_counter_after_open_is_a_fault);
    tcase_add_test(t, no_timer_has_an_interval_of_nothing);
    tcase_add_test(t, once_is_once);
    tcase_add_test(t, asking_again_moves_a_timer);
    tcase_add_test(t, a_timer_asks_for_itself_again);
    tcase_add_test(t, timers_wait_for_the_start);
    tcase_add_test(t, no_timer_runs_after_stop);
    tcase_add_test(t, its_folder_is_there_from_start_on);
    tcase_add_test(t, a_link_is_no_folder);
    tcase_add_test(t, structures_are_taken_by_their_size);
    tcase_add_test(t, arrays_are_walked_by_their_distance);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
