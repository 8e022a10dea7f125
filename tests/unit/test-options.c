/* SPDX-License-Identifier: MIT */
/* Option tables: what they refuse, how they say it, what they yield. */
#include "base/units.h"
#include "conf/options.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct il_option column_options[] = {
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .help = "Column." },
    { .name = "value", .type = IL_OPT_STRING, .help = "Value." },
    { 0 }
};

static const struct il_option limit_options[] = { { .name = "events",
                                                    .type = IL_OPT_INT,
                                                    .min = 1,
                                                    .max = 1000,
                                                    .def = "100",
                                                    .help = "Events." },
                                                  { .name = "wait",
                                                    .type = IL_OPT_DURATION,
                                                    .min = 0,
                                                    .max = 60000,
                                                    .def = "1s",
                                                    .help = "Time." },
                                                  { 0 } };

static const struct il_option options[] = {
    { .name = "table", .type = IL_OPT_STRING, .min = 1, .help = "Table." },
    { .name = "mode",
      .type = IL_OPT_STRING,
      .choices = "keep|drop",
      .def = "keep",
      .help = "Mode." },
    { .name = "password",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .help = "Password." },
    { .name = "pin",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_SECRET,
      .choices = "aa|bb",
      .help = "Pin." },
    { .name = "keys",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST | IL_OPT_SECRET,
      .help = "Keys." },
    { .name = "count",
      .type = IL_OPT_INT,
      .min = 1,
      .max = 10,
      .help = "Count." },
    { .name = "big", .type = IL_OPT_INT, .help = "Any number." },
    { .name = "create",
      .type = IL_OPT_BOOL,
      .def = "false",
      .help = "Create." },
    { .name = "timeout",
      .type = IL_OPT_DURATION,
      .min = 100,
      .max = 3600000,
      .def = "30s",
      .help = "Time." },
    { .name = "buffer", .type = IL_OPT_SIZE, .min = 1024, .help = "Size." },
    { .name = "limits",
      .type = IL_OPT_GROUP,
      .def = "{}",
      .children = limit_options,
      .help = "Limits." },
    { .name = "columns",
      .type = IL_OPT_GROUP,
      .flags = IL_OPT_LIST,
      .children = column_options,
      .help = "Columns." },
    { .name = "tags",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_LIST,
      .def = "a, b",
      .help = "Tags." },
    { .name = "name",
      .type = IL_OPT_STRING,
      .flags = OPTION_PLAIN,
      .help = "Name." },
    { .name = "price",
      .type = IL_OPT_NUMBER,
      .flags = IL_OPT_LIST,
      .help = "Any number." },
    { .name = "share",
      .type = IL_OPT_NUMBER,
      .min = -1,
      .max = 10,
      .def = "0.5",
      .help = "A number within limits." },
    { 0 }
};

static struct conf *conf;

static const struct il_conf *
read_with(const struct il_option *table, uint32_t stride, const char *text)
{
    conf = conf_new();
    conf_load_text(conf, "t.conf", ".", text, strlen(text));
    struct config_setting_t *root = conf_root(conf, 0);
    struct option_table t = { table, stride };
    return option_read_group(&(struct option_read){ .conf = conf,
                                                    .where = "step 1 (x)",
                                                    .groups = &root,
                                                    .group_count = 1,
                                                    .tables = &t,
                                                    .table_count = 1 });
}

static const struct il_conf *
read_text(const char *text)
{
    return read_with(options, sizeof(struct il_option), text);
}

static char *
findings(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    conf_print(conf, f);
    fclose(f);
    conf_free(conf);
    return text;
}

#define T "t.conf:1: step 1 (x): "

static const struct {
    const char *text, *want;
} cases[] = {
    { "", "" },
    { "tabel = \"x\";", T "tabel: no such option; did you mean \"table\"?\n" },
    { "zzzzzz = 1; ",
      T "zzzzzz: no such option; there are: table, mode, password, pin, keys, "
        "count, big, create, timeout, buffer, limits, columns, tags, "
        "name, price, share\n" },
    { "table = 1;",
      T "table: expected a text in double quotes, found a whole number\n" },
    { "table = \"\";", T "table: must not be empty\n" },
    { "table = (\"a\");",
      T "table: expected a text in double quotes, found a list ( )\n" },
    { "mode = \"dorp\";", T "mode: \"dorp\" is not one of: keep, drop; did "
                            "you mean \"drop\"?\n" },
    { "mode = \"\";", T "mode: \"\" is not one of: keep, drop\n" },
    { "pin = \"ab\";", T "pin: expected one of: aa, bb\n" },
    { "password = \"\";", T "password: must not be empty\n" },
    { "count = 11;", T "count: expected 1 to 10, found 11\n" },
    { "count = 1.5;", T "count: expected a whole number, found a number with "
                        "a point\n" },
    { "count = \"1\";", T "count: expected a whole number, found a text\n" },
    { "big = 9223372036854775807L;", "" },
    { "create = 1;",
      T "create: expected true or false, found a whole number\n" },
    { "timeout = 30;", T "timeout: expected a duration in double quotes, "
                         "like \"30s\", found a whole number\n" },
    { "timeout = \"30\";",
      T "timeout: expected a duration with its unit (ms, s, m, h, d, w), "
        "like \"30s\", found \"30\"\n" },
    { "timeout = \"2h\";", T "timeout: expected 100ms to 1h, found 2h\n" },
    { "buffer = \"1KB\";", T "buffer: expected 1KiB or more, found 1000B\n" },
    { "buffer = \"9999999999TiB\";",
      T "buffer: expected a smaller size, found \"9999999999TiB\"\n" },
    { "limits = { events = 0; wait = \"2m\"; even = 1; };",
      T "limits.even: no such option; did you mean \"events\"?\n" T
        "limits.events: expected 1 to 1000, found 0\n" T
        "limits.wait: expected 0ms to 1m, found 2m\n" },
    { "limits = 3;", T "limits: expected a group { }, found a whole number\n" },
    { "columns = { name = \"a\"; };",
      T "columns: expected a list of groups, ( { ... } ), found a group "
        "{ }\n" },
    { "columns = ( { name = \"a\"; }, { valeu = \"b\"; } );",
      T "columns #2.valeu: no such option; did you mean \"value\"?\n" T
        "columns #2.name: is required and missing: Column.\n" },
    { "columns = ( 3 );",
      T "columns: expected a group { }, found a whole number\n" },
    { "keys = ( \"a\", 2 );",
      T "keys: expected a text in double quotes, found a whole number\n" },
    { "table = \"env:IL_TEST_NOT_SET\";",
      T "table: the environment variable IL_TEST_NOT_SET is not set\n" },
    { "table = \"env:\";", T "table: env: names no variable\n" },
    { "table = \"file:/nonexistent/x\";",
      T "table: cannot read the file /nonexistent/x: No such file or "
        "directory\n" },
    { "table = \"credential:../x\";",
      T "table: credential: takes the name of a systemd credential\n" },
    { "timeout = \"env:IL_TEST_SECRET\";",
      T "timeout: expected a duration with its unit (ms, s, m, h, d, w), "
        "like \"30s\"\n" },
    { "mode = \"env:IL_TEST_SECRET\";",
      T "mode: expected one of: keep, drop\n" },
    { "share = true;", T "share: expected a number, found true or false\n" },
    { "share = \"half\";",
      T "share: expected a number, such as 1.5, found \"half\"\n" },
    { "share = \"1.\";",
      T "share: expected a number, such as 1.5, found \"1.\"\n" },
    { "share = \"01\";",
      T "share: expected a number, such as 1.5, found \"01\"\n" },
    { "share = \"1e\";",
      T "share: expected a number, such as 1.5, found \"1e\"\n" },
    { "share = \"0x10\";",
      T "share: expected a number, such as 1.5, found \"0x10\"\n" },
    { "share = \"\";",
      T "share: expected a number, such as 1.5, found \"\"\n" },
    { "share = \"env:IL_TEST_SECRET\";",
      T "share: expected a number, such as 1.5\n" },
    { "share = 10;", "" },
    { "share = 10.000;", "" },
    { "share = \"1000e-2\";", "" },
    { "share = 11;", T "share: expected -1 to 10, found 11\n" },
    { "share = \"-1.000000000000000000000000000001\";",
      T "share: expected -1 to 10, found "
        "-1.000000000000000000000000000001\n" },
    { "share = 10.000000000000000000000000000001;",
      T "share: expected -1 to 10, found "
        "10.000000000000000000000000000001\n" },
    { "share = \"1e400\";", T "share: expected -1 to 10, found 1e400\n" },
};

START_TEST(values_are_judged)
{
    setenv("IL_TEST_SECRET", "hunter2", 1);
    read_text(cases[_i].text);
    char *out = findings();
    ck_assert_msg(strcmp(out, cases[_i].want) == 0,
                  "for: %s\nexpected: %s\nactual:   %s", cases[_i].text,
                  cases[_i].want, out);
    free(out);
}
END_TEST

START_TEST(values_are_read)
{
    const struct il_conf *c = read_text(
        "table = \"t\"; keys = ( \"a\", \"b\" ); count = 3; create = true;"
        "timeout = \"1.5s\"; buffer = \"2MiB\"; limits = { events = 7; };"
        "columns = ( { name = \"x\"; value = \"y\"; }, { name = \"z\"; } );");
    ck_assert_str_eq(option_str(c, "table", 0), "t");
    ck_assert_uint_eq(option_count(c, "keys"), 2);
    ck_assert_str_eq(option_str(c, "keys", 1), "b");
    ck_assert_ptr_null(option_str(c, "keys", 2));
    ck_assert_int_eq(option_int(c, "count", 0), 3);
    ck_assert_int_eq(option_int(c, "create", 0), 1);
    ck_assert_int_eq(option_int(c, "timeout", 0), 1500);
    ck_assert_int_eq(option_int(c, "buffer", 0), 2 << 20);
    const struct il_conf *g = option_group(c, "limits", 0);
    ck_assert_int_eq(option_int(g, "events", 0), 7);
    ck_assert_int_eq(option_int(g, "wait", 0), 1000);
    ck_assert_uint_eq(option_count(c, "columns"), 2);
    g = option_group(c, "columns", 1);
    ck_assert_str_eq(option_str(g, "name", 0), "z");
    ck_assert(!option_has(g, "value"));
    char *out = findings();
    ck_assert_str_eq(out, "");
    free(out);
}
END_TEST

/* What is written, with quotes or without, and what is read. */
static const struct {
    const char *written, *read;
} numbers[] = {
    { "1.10", "1.10" },
    { "0.1", "0.1" },
    { "\"1.10\"", "1.10" },
    { "\"1e400\"", "1e400" },
    { "\"-0\"", "-0" },
    { "-0.0", "-0.0" },
    { "\"12345678901234567890.5\"", "12345678901234567890.5" },
    { "12345678901234567890.50", "12345678901234567890.50" },
    { "1.5e-3", "1.5e-3" },
    { "+1.5E+3", "1.5E+3" },
    { ".5", "0.5" },
    { "-.5", "-0.5" },
    { "2.", "2.0" },
    { "007.50", "7.50" },
    { "42", "42" },
    { "-42", "-42" },
    { "0x10", "16" },
    { "9223372036854775807L", "9223372036854775807" },
    { "\"env:IL_TEST_NUMBER\"", "3.140" },
    { "\"literal:3.1\"", "3.1" },
};

START_TEST(numbers_are_read_digit_for_digit)
{
    /* others before it, so that it has to be found */
    struct il_text text = { 0 };
    setenv("IL_TEST_NUMBER", "3.140", 1);
    text_printf(&text,
                "share = 1.1; /* 9.9 */ price = ( 1.10, \"2.2\", 1.1, %s );",
                numbers[_i].written);
    const struct il_conf *c = read_text(text_str(&text));
    text_clear(&text);
    const char *read = option_number(c, "price", 3);
    ck_assert_msg(read && !strcmp(read, numbers[_i].read),
                  "%s: expected %s, actual %s", numbers[_i].written,
                  numbers[_i].read, read ? read : "none");
    ck_assert_str_eq(option_number(c, "price", 0), "1.10");
    ck_assert_str_eq(option_number(c, "price", 2), "1.1");
    ck_assert_ptr_null(option_number(c, "price", 4));
    char *out = findings();
    ck_assert_str_eq(out, "");
    free(out);
}
END_TEST

START_TEST(whole_numbers_come_in_lists)
{
    static const struct il_option list[] = { { .name = "ports",
                                               .type = IL_OPT_INT,
                                               .flags = IL_OPT_LIST,
                                               .min = 1,
                                               .help = "Ports." },
                                             { 0 } };
    const struct il_conf *c =
        read_with(list, sizeof(list[0]), "ports = [ 80, 443 ];");
    ck_assert_int_eq(option_int(c, "ports", 0), 80);
    ck_assert_int_eq(option_int(c, "ports", 1), 443);
    ck_assert_int_eq(option_int(c, "ports", 2), 0);
    ck_assert_uint_eq(conf_errors(conf), 0);
    conf_free(conf);
}
END_TEST

START_TEST(another_type_is_a_finding)
{
    const struct il_conf *c = read_text("count = 3; price = 1.5;");
    ck_assert_str_eq(option_number(c, "share", 0), "0.5");
    ck_assert_uint_eq(conf_errors(conf), 0);
    ck_assert_ptr_null(option_str(c, "count", 0));
    ck_assert_int_eq(option_int(c, "price", 0), 0);
    ck_assert_ptr_null(option_number(c, "mode", 0));
    ck_assert_ptr_null(option_group(c, "count", 0));
    char *out = findings();
#define F "t.conf: step 1 (x): "
#define AS " as another type (a fault of the plugin)\n"
    ck_assert_str_eq(out, F "count: the plugin reads this int" AS F
                            "price: the plugin reads this number" AS F
                            "mode: the plugin reads this string" AS);
    free(out);
}
END_TEST

START_TEST(an_element_of_a_list_is_named)
{
    const struct il_conf *c = read_text("\ntags = (\n\"one\",\n\"two >\" );"
                                        " price = 1.0;");
    option_error_at(c, "tags", 1, 4, "expected a value");
    option_error(c, "tags", 7, "there are too few");
    char *out = findings();
    ck_assert_str_eq(out, "t.conf:3: step 1 (x): tags: there are too few\n"
                          "t.conf:4: step 1 (x): tags #2: expected a value\n"
                          "    two >\n"
                          "        ^\n");
    free(out);
}
END_TEST

START_TEST(findings_turn_no_text_around)
{
    const struct il_conf *c =
        read_text("table = \"a\xe2\x80\xae>\"; mode = \"x\xc2\x85\xff\";");
    option_error_at(c, "table", 0, 4, "expected a value");
    char *out = findings();
    ck_assert_str_eq(out, T "mode: \"x??\" is not one of: keep, drop\n" T
                            "table: expected a value\n"
                            "    a?>\n"
                            "      ^\n");
    free(out);
}
END_TEST

START_TEST(defaults_are_filled_in)
{
    const struct il_conf *c = read_text("");
    ck_assert(!option_has(c, "table"));
    ck_assert_ptr_null(option_str(c, "table", 0));
    ck_assert_str_eq(option_str(c, "mode", 0), "keep");
    ck_assert_int_eq(option_int(c, "timeout", 0), 30000);
    ck_assert_int_eq(option_int(c, "create", 0), 0);
    ck_assert(option_has(c, "create"));
    ck_assert_int_eq(option_int(option_group(c, "limits", 0), "events", 0),
                     100);
    ck_assert_uint_eq(option_count(c, "tags"), 2);
    ck_assert_str_eq(option_str(c, "tags", 1), "b");
    ck_assert_uint_eq(option_count(c, "columns"), 0);
    conf_free(conf);
}
END_TEST

START_TEST(one_value_stands_for_a_list_of_one)
{
    const struct il_conf *c = read_text("keys = \"a\";");
    ck_assert_uint_eq(option_count(c, "keys"), 1);
    ck_assert_str_eq(option_str(c, "keys", 0), "a");
    conf_free(conf);
}
END_TEST

START_TEST(texts_come_from_elsewhere)
{
    char path[] = "/tmp/test-options-XXXXXX", text[300];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "s3cret\n", 7), 7);
    fchmod(fd, 0600);
    setenv("IL_TEST_SECRET", "hunter2", 1);
    setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
    snprintf(text, sizeof(text),
             "password = \"file:%s\"; table = \"env:IL_TEST_SECRET\";"
             "name = \"env:X\"; tags = ( \"literal:env:X\", "
             "\"credential:%s\" );",
             path, path + 5);
    const struct il_conf *c = read_text(text);
    ck_assert_str_eq(option_str(c, "password", 0), "s3cret");
    ck_assert_str_eq(option_str(c, "table", 0), "hunter2");
    ck_assert_str_eq(option_str(c, "name", 0), "env:X");
    ck_assert_str_eq(option_str(c, "tags", 0), "env:X");
    ck_assert_str_eq(option_str(c, "tags", 1), "s3cret");
    char *out = findings();
    ck_assert_str_eq(out, "");
    free(out);

    fchmod(fd, 0644);
    read_text(text);
    out = findings();
    ck_assert_str_eq(out, "t.conf:1: warning: step 1 (x): password: the file "
                          "with this secret can be read by every user; chmod "
                          "0640 it\n");
    free(out);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(secrets_that_look_like_references_are_warned_of)
{
    static const struct {
        const char *text, *say;
    } texts[] = {
        { "$KEY", "write env:NAME for a variable of the environment" },
        { "${DB_KEY_2}", "write env:NAME for a variable of the environment" },
        { "ENV:KEY", "write env:, file: and credential: in lower case" },
        { "File:/etc/key", "write env:, file: and credential: in lower case" },
        { "$KEY!", NULL },
        { "${KEY", "write env:NAME for a variable of the environment" },
        { "$", NULL },
        { "$url", NULL },
        { "literal:$KEY", NULL },
        { "environment:1", NULL },
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[100], want[300] = "";
        snprintf(text, sizeof(text), "table = \"$KEY\"; password = \"%s\";",
                 texts[i].text);
        if (texts[i].say)
            snprintf(want, sizeof(want),
                     "t.conf:1: warning: step 1 (x): password: this is taken "
                     "for the secret itself; %s, or literal: before it if it "
                     "is\n",
                     texts[i].say);
        read_text(text);
        char *out = findings();
        ck_assert_str_eq(out, want);
        free(out);
    }
}
END_TEST

START_TEST(plugins_point_into_texts)
{
    const struct il_conf *c =
        read_text("\ntable = \"amount >= and\"; password = \"hunter2\";");
    option_error_at(c, "table", 0, 10, "expected a value");
    option_error_at(c, "password", 0, 3, "too short");
    char *out = findings();
    ck_assert_str_eq(out, "t.conf:2: step 1 (x): table: expected a value\n"
                          "    amount >= and\n"
                          "              ^\n"
                          "t.conf:2: step 1 (x): password: too short\n");
    free(out);
}
END_TEST

START_TEST(reading_an_unknown_option_is_a_finding)
{
    const struct il_conf *c = read_text("");
    ck_assert_ptr_null(option_str(c, "tablle", 0));
    ck_assert_uint_eq(conf_errors(conf), 1);
    conf_free(conf);
}
END_TEST

/* A table of a later minor version: entries are wider than ours. */
struct wide_option {
    struct il_option option;
    const void *appended[3];
};

START_TEST(tables_are_walked_by_their_stride)
{
    static const struct wide_option children[] = {
        { .option = { .name = "inner", .type = IL_OPT_INT, .help = "I." },
          .appended = { "x", "y", "z" } },
        { { 0 }, { 0 } }
    };
    static const struct wide_option wide[] = {
        { .option = { .name = "one", .type = IL_OPT_INT, .help = "O." },
          .appended = { "x", "y", "z" } },
        { .option = { .name = "two",
                      .type = IL_OPT_GROUP,
                      .help = "T.",
                      .children = &children[0].option },
          .appended = { "x", "y", "z" } },
        { { 0 }, { 0 } }
    };
    const struct il_conf *c = read_with(&wide[0].option, sizeof(wide[0]),
                                        "one = 1; two = { inner = 2; };");
    ck_assert_int_eq(option_int(c, "one", 0), 1);
    ck_assert_int_eq(option_int(option_group(c, "two", 0), "inner", 0), 2);
    ck_assert_uint_eq(conf_errors(conf), 0);
    conf_free(conf);
}
END_TEST

START_TEST(units_are_exact)
{
    static const struct {
        const char *text;
        int64_t value; /* -1: refused */
    } times[] = { { "0", 0 },
                  { "100ms", 100 },
                  { "0.5s", 500 },
                  { "7d", 604800000 },
                  { "1w", 604800000 },
                  { "2 h", 7200000 },
                  { "0.5ms", -1 },
                  { "", -1 },
                  { "s", -1 },
                  { "-1s", -1 },
                  { "1", -1 },
                  { "1S", -1 },
                  { "1.s", -1 },
                  { ".5s", -1 },
                  { "1.2.3s", -1 },
                  { "1s ", -1 },
                  { "99999999999999999w", -1 } };
    const char *why;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t v;
        if (units_parse_duration(times[i].text, &v, &why))
            v = -1;
        ck_assert_msg(v == times[i].value, "%s: expected %lld, got %lld",
                      times[i].text, (long long) times[i].value, (long long) v);
    }
    int64_t v;
    ck_assert_int_eq(units_parse_size("64MiB", &v, &why), 0);
    ck_assert_int_eq(v, 64 << 20);
    ck_assert_int_eq(units_parse_size("1.5GB", &v, &why), 0);
    ck_assert_int_eq(v, 1500000000);
    ck_assert_int_ne(units_parse_size("64M", &v, &why), 0);
    ck_assert_int_ne(units_parse_size("64mib", &v, &why), 0);
    char out[32];
    option_format(out, IL_OPT_DURATION, 90000);
    ck_assert_str_eq(out, "90s");
    option_format(out, IL_OPT_SIZE, 64 << 20);
    ck_assert_str_eq(out, "64MiB");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("options");
    tcase_add_loop_test(t, values_are_judged, 0,
                        (int) (sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(t, values_are_read);
    tcase_add_loop_test(t, numbers_are_read_digit_for_digit, 0,
                        sizeof(numbers) / sizeof(numbers[0]));
    tcase_add_test(t, whole_numbers_come_in_lists);
    tcase_add_test(t, another_type_is_a_finding);
    tcase_add_test(t, an_element_of_a_list_is_named);
    tcase_add_test(t, findings_turn_no_text_around);
    tcase_add_test(t, defaults_are_filled_in);
    tcase_add_test(t, one_value_stands_for_a_list_of_one);
    tcase_add_test(t, texts_come_from_elsewhere);
    tcase_add_test(t, secrets_that_look_like_references_are_warned_of);
    tcase_add_test(t, plugins_point_into_texts);
    tcase_add_test(t, reading_an_unknown_option_is_a_finding);
    tcase_add_test(t, tables_are_walked_by_their_stride);
    tcase_add_test(t, units_are_exact);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
