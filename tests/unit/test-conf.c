/* SPDX-License-Identifier: MIT */
/* What is wrong in the text of a config file is named with its line, and
 * worded for a person. */
#include "base/nearest.h"
#include "conf/conf.h"
#include "conf/scan.h"

#include <check.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
printed(struct conf *conf)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    conf_print(conf, f);
    fclose(f);
    return text;
}

static char *
load(const char *text)
{
    struct conf *conf = conf_new();
    conf_load_text(conf, "t.conf", ".", text, strlen(text));
    char *out = printed(conf);
    conf_free(conf);
    return out;
}

#define GLUED                                                                  \
    "the text that begins here ends where more text follows: its closing "     \
    "quote is missing, or a quote inside of it is not written \\\"\n"
#define NAMELESS(bracket)                                                      \
    "expected a name and '=' before '" bracket                                 \
    "', like http = { listen = ...; };\n"

static const struct {
    const char *text, *want;
} cases[] = {
    { "a = 1;\n", "" },
    { "a = 1 b = 2, c : \"x\" \"y\";\nd = ( 1, ( ), [ ], { } );", "" },
    { "/* \" */ # '\n// (\na = \"2147483648\";", "" },
    /* integers */
    { "a = 2147483647; b = -2147483648; c = 0x7fffffff;", "" },
    { "\na = 2147483648;",
      "t.conf:2: 2147483648 does not fit 32 bits and would be wrapped "
      "silently; write 2147483648L\n" },
    { "a = -2147483649;",
      "t.conf:1: -2147483649 does not fit 32 bits and would be wrapped "
      "silently; write -2147483649L\n" },
    { "a = 0x80000000;",
      "t.conf:1: 0x80000000 does not fit 32 bits and would be wrapped "
      "silently; write 0x80000000L\n" },
    { "a = 2147483648L; b = 0xffffffffLL; c = 9223372036854775807L;", "" },
    { "a = 9223372036854775808L;",
      "t.conf:1: 9223372036854775808L does not fit 64 bits\n" },
    { "a = ( 1,\n 4000000000 );\nb = 5000000000;",
      "t.conf:2: 4000000000 does not fit 32 bits and would be wrapped "
      "silently; write 4000000000L\n"
      "t.conf:3: 5000000000 does not fit 32 bits and would be wrapped "
      "silently; write 5000000000L\n" },
    /* what libconfig calls "syntax error" */
    { "a = ( 1,\n2,\n);",
      "t.conf:2: no comma may follow the last element before ')'\n" },
    { "a = [ 1, ];",
      "t.conf:1: no comma may follow the last element before ']'\n" },
    { "http.listen = \"x\";",
      "t.conf:1: names have no dots: instead of http.listen write groups, "
      "like http = { listen = ...; };\n" },
    { "a = 1;\na = 2;",
      "t.conf:2: \"a\" is set twice; the first is in line 1\n" },
    { "g = {\n a = 1;\n b = { a = 2; };\n a = 3;\n};",
      "t.conf:4: \"a\" is set twice; the first is in line 2\n" },
    { "a = ( { x = 1; }\n { x = 2; } );",
      "t.conf:2: a ',' is missing between two elements\n" },
    { "a = ( 1; 2 );", "t.conf:1: elements are parted by ',' and not by "
                       "';'\n" },
    { "a = {\n b = 1;\n", "t.conf:1: the '{' here is never closed\n" },
    { "a = (\n 1,\n 2\n", "t.conf:1: the '(' here is never closed\n" },
    { "a = { b = 1; );",
      "t.conf:1: expected '}' to close the '{' in line 1, found ')'\n" },
    { "a = 1; }", "t.conf:1: nothing is open that '}' could close\n" },
    { "a = \"x;\nb = 1;\n",
      "t.conf:1: the text that begins here has no closing quote\n" },
    { "z = 1;\na = \"x;\nb = \"y\";\nc = 1;\n",
      "t.conf:2: the text that begins here goes on in the next line; is "
      "its closing quote missing?\n" },
    { "a = ( \"x, \"y\" );\nb = { c = \"u;\n d = \"1\"; };\ne = \"/v\";",
      "t.conf:1: " GLUED },
    { "a = { name = \"app; plugin = \"sdk.event\"; };", "t.conf:1: " GLUED },
    { "a = 1;\nwhen = \"plan == \"free\"\";", "t.conf:2: " GLUED },
    { "a = \"30\"s;", "t.conf:1: " GLUED },
    { "a = \"x\" \"y\" b = \"z\"", "" },
    { "{ \"a\": 1 }", "t.conf:1: " NAMELESS("{") },
    { "[http]\nlisten = 1;", "t.conf:1: " NAMELESS("[") },
    { "a = 1;\ng = { ( 1 ); };", "t.conf:2: " NAMELESS("(") },
    { "state_dir: /var/lib/x", "t.conf:1: the value of \"state_dir\" is text "
                               "and must stand in double quotes\n" },
    { "a = ( ~/x );", "t.conf:1: text must stand in double quotes\n" },
    { "\xff\xfe"
      "a\0",
      "t.conf:1: the file is UTF-16; save it as UTF-8\n" },
    { "b = { c = \"u;\n d = \"/1\"; };\ne = \"/v\";",
      "t.conf:1: the text that begins here goes on in the next line; is "
      "its closing quote missing?\n" },
    { "k = ( \"x );\n l = ( \"y\" );\n",
      "t.conf:1: the text that begins here goes on in the next line; is "
      "its closing quote missing?\n" },
    { "a = { b = \"x\ny\" );",
      "t.conf:2: expected '}' to close the '{' in line 1, found ')'\n" },
    { "a = 1;\n/* b\n",
      "t.conf:2: the comment that begins here has no closing */\n" },
    { "status = paused;", "t.conf:1: the value of \"status\" is text and must "
                          "stand in double quotes\n" },
    { "a = yes;", "t.conf:1: write true instead of yes\n" },
    { "a = 'x';", "t.conf:1: text stands in plain double quotes: \"...\"\n" },
    { "a = \xe2\x80\x9cx\xe2\x80\x9d;",
      "t.conf:1: text stands in plain double quotes: \"...\"\n" },
    { "timeout = 30s;", "t.conf:1: a value with a unit stands in quotes, "
                        "like \"30s\" or \"64MiB\"\n" },
    { "a = ;", "t.conf:1: \"a\" has no value\n" },
    { "a =\nb = 1;", "t.conf:1: \"a\" has no value\n" },
    { "a \"x\";", "t.conf:1: expected '=' after \"a\", found a value\n" },
    { "a = 1;;", "t.conf:1: one ';' too many\n" },
    { "a = 1 2;", "t.conf:1: expected ';' and the next name, found a value\n" },
    { "a = [ { b = 1; } ];",
      "t.conf:1: [ ] holds plain values only; a list of groups stands in "
      "( )\n" },
    { "@include \"x\"", "t.conf:1: @include is not supported; name a "
                        "directory with include_dir in the main file "
                        "instead\n" },
    { "\xef\xbb\xbf"
      "a = 1;",
      "t.conf:1: the file begins with a byte order "
      "mark; save it as UTF-8 without one\n" },
};

START_TEST(text_is_judged)
{
    char *out = load(cases[_i].text);
    ck_assert_msg(strcmp(out, cases[_i].want) == 0,
                  "for: %s\nexpected: %s\nactual:   %s", cases[_i].text,
                  cases[_i].want, out);
    free(out);
}
END_TEST

START_TEST(syntax_errors_never_show_values)
{
    char *out = load("password = hunter2;");
    ck_assert_ptr_null(strstr(out, "hunter2"));
    free(out);
    out = load("password = \"hunter2;\n");
    ck_assert_ptr_null(strstr(out, "hunter2"));
    free(out);
}
END_TEST

START_TEST(deep_nesting_is_an_error)
{
    char text[5000] = "a = ";
    memset(text + 4, '(', 4500);
    char *out = load(text);
    ck_assert_str_ne(out, "");
    free(out);
}
END_TEST

/* --- files --- */

static char dir[] = "/tmp/test-conf-XXXXXX";

static void
put(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void
setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    char sub[200];
    snprintf(sub, sizeof(sub), "%s/d", dir);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
}

static void
teardown(void)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
}

START_TEST(include_dir_is_read_in_name_order)
{
    char path[200];
    put("main.conf", "include_dir = \"d\";");
    put("d/b.conf", "b = 2;");
    put("d/a.conf", "a = 1;");
    put("d/.hidden.conf", "x = (;");
    put("d/readme.txt", "x = (;");
    struct conf *conf = conf_new();
    snprintf(path, sizeof(path), "%s/main.conf", dir);
    ck_assert_int_eq(conf_load(conf, path), 0);
    ck_assert_uint_eq(conf_file_count(conf), 3);
    ck_assert_ptr_nonnull(config_setting_get_member(conf_root(conf, 1), "a"));
    ck_assert_ptr_nonnull(config_setting_get_member(conf_root(conf, 2), "b"));
    conf_free(conf);
}
END_TEST

START_TEST(every_broken_file_is_named)
{
    char path[200], want[1000];
    put("main.conf", "include_dir = \"d\";");
    put("d/a.conf", "\na = (1,);");
    put("d/b.conf", "include_dir = \"e\";");
    put("d/c.conf", "c.d = 1;");
    struct conf *conf = conf_new();
    snprintf(path, sizeof(path), "%s/main.conf", dir);
    ck_assert_int_ne(conf_load(conf, path), 0);
    char *out = printed(conf);
    snprintf(want, sizeof(want),
             "%s/d/a.conf:2: no comma may follow the last element before "
             "')'\n"
             "%s/d/b.conf:1: include_dir: only the main file, %s/main.conf, "
             "can have it\n"
             "%s/d/c.conf:1: names have no dots: instead of c.d write groups, "
             "like http = { listen = ...; };\n",
             dir, dir, dir, dir);
    ck_assert_str_eq(out, want);
    free(out);
    conf_free(conf);
}
END_TEST

START_TEST(missing_files_are_named)
{
    char path[200], want[1000];
    struct conf *conf = conf_new();
    snprintf(path, sizeof(path), "%s/none.conf", dir);
    ck_assert_int_ne(conf_load(conf, path), 0);
    char *out = printed(conf);
    snprintf(want, sizeof(want),
             "%s: cannot read the config file: No such file or directory\n",
             path);
    ck_assert_str_eq(out, want);
    free(out);
    conf_free(conf);
}
END_TEST

/* --- findings --- */

START_TEST(findings_come_in_file_order_each_once)
{
    struct conf *conf = conf_new();
    conf_load_text(conf, "t.conf", ".", "a = 1;", 6);
    struct conf_finding at = { .place = conf_place_main(conf), .offset = -1 };
    at.place.line = 9;
    conf_add(conf, &at, "late");
    at.place.line = 2;
    at.where = "pipeline \"p\"";
    at.key = "k";
    conf_add(conf, &at, "early");
    conf_add(conf, &at, "early");
    at.warning = 1;
    conf_add(conf, &at, "careful");
    char *out = printed(conf);
    ck_assert_str_eq(out, "t.conf:2: pipeline \"p\": k: early\n"
                          "t.conf:2: warning: pipeline \"p\": k: careful\n"
                          "t.conf:9: late\n");
    ck_assert_uint_eq(conf_errors(conf), 2);
    ck_assert_uint_eq(conf_warnings(conf), 1);
    free(out);
    conf_free(conf);
}
END_TEST

START_TEST(carets_stand_below_characters)
{
    struct conf *conf = conf_new();
    conf_load_text(conf, "t.conf", ".", "", 0);
    struct conf_finding at = { .place = conf_place_main(conf) };
    at.text = "first\n\xc3\xa9\xc3\xa9 = 1";
    at.offset = 6 + 5;
    conf_add(conf, &at, "one");
    char *out = printed(conf);
    ck_assert_str_eq(out, "t.conf: one\n"
                          "    \xc3\xa9\xc3\xa9 = 1\n"
                          "       ^\n");
    free(out);
    conf_free(conf);
}
END_TEST

START_TEST(near_names_are_found)
{
    static const char *const names[] = { "table", "columns", "connection" };
    ck_assert_str_eq(nearest_name("tabel", names, 3), "table");
    ck_assert_str_eq(nearest_name("Colums", names, 3), "columns");
    ck_assert_str_eq(nearest_name("conection", names, 3), "connection");
    ck_assert_ptr_null(nearest_name("zzz", names, 3));
    ck_assert_ptr_null(nearest_name("", names, 3));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("conf");
    TCase *t = tcase_create("text");
    tcase_add_loop_test(t, text_is_judged, 0,
                        (int) (sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(t, syntax_errors_never_show_values);
    tcase_add_test(t, deep_nesting_is_an_error);
    suite_add_tcase(s, t);
    t = tcase_create("files");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, include_dir_is_read_in_name_order);
    tcase_add_test(t, every_broken_file_is_named);
    tcase_add_test(t, missing_files_are_named);
    suite_add_tcase(s, t);
    t = tcase_create("findings");
    tcase_add_test(t, findings_come_in_file_order_each_once);
    tcase_add_test(t, carets_stand_below_characters);
    tcase_add_test(t, near_names_are_found);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
