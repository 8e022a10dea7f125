/* SPDX-License-Identifier: MIT */
#include "base/csv.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct csv csv;
static FILE *in;

static void
feed_bytes(const char *text, size_t len, char delimiter)
{
    in = tmpfile();
    ck_assert_ptr_nonnull(in);
    ck_assert_uint_eq(fwrite(text, 1, len, in), len);
    rewind(in);
    csv_open(&csv, in, delimiter);
}

static void
feed(const char *text)
{
    feed_bytes(text, strlen(text), ',');
}

static void
teardown(void)
{
    csv_clear(&csv);
    if (in)
        fclose(in);
    in = NULL;
}

/* The next record, its fields joined by '|'. */
static void
expect(uint64_t line, const char *joined)
{
    struct il_text got = { 0 };
    ck_assert_int_eq(csv_next(&csv), 1);
    for (size_t i = 0; i < csv.count; i++) {
        struct slice f = csv_field(&csv, i);
        ck_assert_int_eq(i ? text_putc(&got, '|') : 0, 0);
        ck_assert_int_eq(text_put(&got, f.ptr, f.len), 0);
    }
    ck_assert_str_eq(text_str(&got), joined);
    ck_assert_uint_eq(csv.line, line);
    text_clear(&got);
}

static void
expect_error(uint64_t line, const char *part)
{
    ck_assert_int_eq(csv_next(&csv), -EINVAL);
    ck_assert_uint_eq(csv.line, line);
    ck_assert_ptr_nonnull(csv.error);
    ck_assert_msg(strstr(csv.error, part), "%s", csv.error);
}

START_TEST(plain_records_with_either_line_end)
{
    feed("a,b\r\n1,2\n,\r\nlast,no end");
    expect(1, "a|b");
    expect(2, "1|2");
    expect(3, "|");
    expect(4, "last|no end");
    ck_assert_int_eq(csv_next(&csv), 0);
    ck_assert_int_eq(csv_next(&csv), 0);
}
END_TEST

START_TEST(quotes_hold_delimiters_quotes_and_line_ends)
{
    feed("\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\",\"\"\nnext,x,y,z\n");
    expect(1, "a,b|say \"hi\"|two\r\nlines|");
    expect(3, "next|x|y|z");
    ck_assert_int_eq(csv_next(&csv), 0);
}
END_TEST

START_TEST(the_byte_order_mark_is_skipped)
{
    feed("\xEF\xBB\xBFid,x\n");
    expect(1, "id|x");
}
END_TEST

START_TEST(text_that_begins_like_the_mark_is_kept)
{
    feed("\xEF\xBC\xA1,x\n");
    expect(1, "\xEF\xBC\xA1|x");
}
END_TEST

START_TEST(an_empty_stream_and_a_lone_mark_have_no_records)
{
    feed("");
    ck_assert_int_eq(csv_next(&csv), 0);
    teardown();
    feed("\xEF\xBB\xBF");
    ck_assert_int_eq(csv_next(&csv), 0);
}
END_TEST

START_TEST(empty_lines_are_skipped_but_counted)
{
    feed("a\n\n\r\n  \nb\n");
    expect(1, "a");
    expect(4, "  ");
    expect(5, "b");
}
END_TEST

START_TEST(bad_records_are_reported_and_the_next_is_read)
{
    feed("ok,1\n\"a\"b,2\nok,3\nx\"y,4\nok,5\na\rb,6\nok,7\n\"never");
    expect(1, "ok|1");
    expect_error(2, "behind a closing quote");
    expect(3, "ok|3");
    expect_error(4, "does not begin with one");
    expect(5, "ok|5");
    expect_error(6, "carriage return");
    expect(7, "ok|7");
    expect_error(8, "never closed");
    ck_assert_int_eq(csv_next(&csv), 0);
}
END_TEST

START_TEST(other_delimiters)
{
    feed_bytes("a;b,c\n", 6, ';');
    expect(1, "a|b,c");
}
END_TEST

START_TEST(the_delimiter_is_guessed_from_the_first_line)
{
    static const struct {
        const char *text, *first, *second;
        uint64_t line;
    } cases[] = {
        { "a;b\r\n1,5;2\r\n", "a|b", "1,5|2", 1 },
        { "a\tb;c\n1\t2\n", "a\tb|c", "1\t2", 1 },
        { "a\tb\n1;\t2\n", "a|b", "1;|2", 1 },
        { "\xEF\xBB\xBF\"a,x\";b\n1;2\n", "a,x|b", "1|2", 1 },
        { "a,b;c\n1;,2\n", "a|b;c", "1;|2", 1 },
        { "a\n1;2\n", "a", "1;2", 1 },
        { "sep=;\r\na,b;c\r\n1;2\r\n", "a,b|c", "1|2", 2 },
        { "\xEF\xBB\xBFsep=|\na|b\n1|2\n", "a|b", "1|2", 2 },
        { "sep=\na\n", "sep=", "a", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        feed_bytes(cases[i].text, strlen(cases[i].text), 0);
        expect(cases[i].line, cases[i].first);
        expect(cases[i].line + 1, cases[i].second);
        ck_assert_int_eq(csv_next(&csv), 0);
        teardown();
    }
    feed_bytes("", 0, 0);
    ck_assert_int_eq(csv_next(&csv), 0);
    teardown();
    feed("sep=;\na,b;\n"); /* who was told knows better */
    expect(2, "a|b;");
}
END_TEST

START_TEST(a_folder_is_told_as_one)
{
    in = fopen("/", "r");
    ck_assert_ptr_nonnull(in);
    csv_open(&csv, in, 0);
    ck_assert_int_eq(csv_next(&csv), -EISDIR);
}
END_TEST

START_TEST(a_nul_byte_is_a_byte)
{
    feed_bytes("a\0b,c\n", 6, ',');
    ck_assert_int_eq(csv_next(&csv), 1);
    ck_assert_uint_eq(csv.count, 2);
    ck_assert_uint_eq(csv_field(&csv, 0).len, 3);
}
END_TEST

START_TEST(records_have_a_largest_size)
{
    size_t len = CSV_RECORD_MAX + 10;
    char *big = malloc(len);
    memset(big, 'x', len);
    memcpy(big + len - 4, "\nok\n", 4);
    feed_bytes(big, len, ',');
    free(big);
    expect_error(1, "longer than 1 MiB");
    expect(2, "ok");
}
END_TEST

START_TEST(records_have_a_largest_number_of_fields)
{
    char *big = malloc(CSV_FIELDS_MAX + 5);
    memset(big, ',', CSV_FIELDS_MAX + 1);
    strcpy(big + CSV_FIELDS_MAX + 1, "\nok");
    feed(big);
    free(big);
    expect_error(1, "more than 4096 fields");
    expect(2, "ok");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("csv");
    TCase *c = tcase_create("csv");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_add_test(c, plain_records_with_either_line_end);
    tcase_add_test(c, quotes_hold_delimiters_quotes_and_line_ends);
    tcase_add_test(c, the_byte_order_mark_is_skipped);
    tcase_add_test(c, text_that_begins_like_the_mark_is_kept);
    tcase_add_test(c, an_empty_stream_and_a_lone_mark_have_no_records);
    tcase_add_test(c, empty_lines_are_skipped_but_counted);
    tcase_add_test(c, bad_records_are_reported_and_the_next_is_read);
    tcase_add_test(c, other_delimiters);
    tcase_add_test(c, the_delimiter_is_guessed_from_the_first_line);
    tcase_add_test(c, a_folder_is_told_as_one);
    tcase_add_test(c, a_nul_byte_is_a_byte);
    tcase_add_test(c, records_have_a_largest_size);
    tcase_add_test(c, records_have_a_largest_number_of_fields);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
