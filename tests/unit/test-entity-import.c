/* SPDX-License-Identifier: MIT */
#include "tempdir.h"
#include "store/entity_import.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *base, dir[256];
static struct entities *store;
static struct entity_import job;
static char *problems;
static size_t problems_len;

static void
setup(void)
{
    base = tempdir_make();
    snprintf(dir, sizeof(dir), "%s/entities", base);
    ck_assert_int_eq(entity_open(dir, 64 << 20, &store), 0);
    job = (struct entity_import){ .store = store,
                                  .name = "in",
                                  .kind = { "user", 4 } };
}

static void
teardown(void)
{
    entity_close(store);
    free(problems);
    problems = NULL;
    tempdir_remove(base);
}

static int
import_bytes(const char *text, size_t len)
{
    free(problems);
    job.in = fmemopen((void *) (uintptr_t) text, len, "r");
    job.problems = open_memstream(&problems, &problems_len);
    int err = entity_import(&job);
    fclose(job.in);
    fclose(job.problems);
    return err;
}

static int
import(const char *text)
{
    return import_bytes(text, strlen(text));
}

static void
expect(size_t created, size_t merged, size_t refused, const char *problem)
{
    ck_assert_msg(job.created == created && job.merged == merged
                      && job.refused == refused,
                  "%zu %zu %zu: %s", job.created, job.merged, job.refused,
                  problems);
    ck_assert_str_eq(problems, problem);
}

static void
expect_traits(const char *kind, const char *id, const char *traits)
{
    struct il_text copy = { 0 }, out = { 0 };
    struct entity one;
    int found = entity_get(store, slice_of(kind, strlen(kind)),
                           slice_of(id, strlen(id)), &copy, &one);
    ck_assert_msg(found == (traits != NULL), "%s %s: %d", kind, id, found);
    if (found) {
        json_write(&out, &one.traits, 0);
        ck_assert_str_eq(text_str(&out), traits);
    }
    text_clear(&copy);
    text_clear(&out);
}

START_TEST(csv_rows_become_entities)
{
    ck_assert_int_eq(
        import("user_id,plan,note\r\nu1,pro,\"a, \"\"b\"\"\nc\"\r\n"
               "u2,,007\r\n"),
        0);
    expect(2, 0, 0, "");
    expect_traits("user", "u1",
                  "{\"plan\":\"pro\",\"note\":\"a, \\\"b\\\"\\nc\"}");
    expect_traits("user", "u2", "{\"plan\":\"\",\"note\":\"007\"}");
    ck_assert_int_eq(import("\xEF\xBB\xBFplan,id\nfree,u1\n"), 0);
    expect(0, 1, 0, "");
    expect_traits("user", "u1",
                  "{\"plan\":\"free\",\"note\":\"a, \\\"b\\\"\\nc\"}");
}
END_TEST

START_TEST(typed_cells_become_json_values)
{
    job.typed = 1;
    ck_assert_int_eq(import("id,a,b,c,d,e,f,g,h,i\n"
                            "1,1.10,-5,true,null,,007,2024-01-01,1e3,1.\n"),
                     0);
    expect(1, 0, 0, "");
    expect_traits("user", "1",
                  "{\"a\":1.10,\"b\":-5,\"c\":true,\"d\":null,"
                  "\"e\":null,\"f\":\"007\",\"g\":\"2024-01-01\",\"h\":1e3,"
                  "\"i\":\"1.\"}");
}
END_TEST

START_TEST(other_formats_are_named)
{
    ck_assert_int_eq(import_bytes("\xFF\xFEi\0d\0", 6), -EINVAL);
    expect(0, 0, 0,
           "in:1: this is UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)\n");
    ck_assert_int_eq(import("[{\"external_id\":\"u1\"}]"), -EINVAL);
    expect(0, 0, 0,
           "in:1: this is one array of JSON; write an object a line, as jq -c "
           "'.[]' does\n");
    ck_assert_int_eq(import("id,a\ru1,1\r"), -EINVAL);
    expect(0, 0, 0,
           "in:1: the header: a carriage return that no line feed follows; "
           "save it with the line ends of Windows or Unix\n");
}
END_TEST

START_TEST(semicolons_part_cells_where_the_header_has_them)
{
    ck_assert_int_eq(import("user_id;share\r\nu1;1,5\r\n"), 0);
    expect(1, 0, 0, "");
    expect_traits("user", "u1", "{\"share\":\"1,5\"}");
}
END_TEST

START_TEST(bad_lines_are_named_and_the_others_imported)
{
    job.id_column = "key";
    ck_assert_int_eq(import("key,x\na,1\nb\nc,1,2\n,1\n\"d\"d,1\ne,\"2\n2\"\n"
                            "f,\xFF\ng,3\n\xFF,1\n"),
                     0);
    expect(3, 0, 6,
           "in:3: 1 field where the header has 2\n"
           "in:4: 3 fields where the header has 2\n"
           "in:5: column \"key\": an id has 1 to 256 bytes of UTF-8\n"
           "in:6: text behind a closing quote\n"
           "in:9: the text is not UTF-8\n"
           "in:11: column \"key\": an id has 1 to 256 bytes of UTF-8\n");
    expect_traits("user", "a", "{\"x\":\"1\"}");
    expect_traits("user", "e", "{\"x\":\"2\\n2\"}");
    expect_traits("user", "g", "{\"x\":\"3\"}");
}
END_TEST

START_TEST(headers_that_do_not_do)
{
    ck_assert_int_eq(import("\n"), -EINVAL);
    expect(0, 0, 0, "in: there is no header line\n");
    ck_assert_int_eq(import("a,b\n1,2\n"), -EINVAL);
    expect(0, 0, 0,
           "in:1: which column is the id?  Say --id-column; there "
           "are \"a\", \"b\"\n");
    job.id_column = "c";
    ck_assert_int_eq(import("a,b\n1,2\n"), -EINVAL);
    expect(0, 0, 0,
           "in:1: there is no column \"c\"; there are \"a\", "
           "\"b\"\n");
    ck_assert_int_eq(import("c,a,a\n1,2,3\n"), -EINVAL);
    expect(0, 0, 0, "in:1: there are two columns \"a\"\n");
    ck_assert_int_eq(import("c,,a\n1,2,3\n"), -EINVAL);
    expect(0, 0, 0, "in:1: column 2 has no name\n");
    ck_assert_uint_eq(entity_count(store), 0);
}
END_TEST

START_TEST(ndjson_lines_become_entities)
{
    ck_assert_int_eq(
        import("{\"external_id\":\"u1\",\"traits\":{\"n\":1.0}}\n\n"
               "{\"kind\":\"account\",\"external_id\":7}\r\n"
               "{\"external_id\":\"u1\",\"traits\":{\"n\":2}} x\n"
               "{\"external_id\":\"u1\",\"trait\":1}\n"
               "{\"external_id\":\"u2\"}"),
        0);
    ck_assert_uint_eq(job.created, 3);
    ck_assert_uint_eq(job.refused, 2);
    ck_assert_ptr_nonnull(strstr(problems, "in:4: not JSON: "));
    ck_assert_ptr_nonnull(strstr(problems, "in:5: unknown field \"trait\""));
    expect_traits("user", "u1", "{\"n\":1.0}");
    expect_traits("account", "7", "{}");
    expect_traits("user", "u2", "{}");
}
END_TEST

START_TEST(ndjson_may_begin_with_a_mark)
{
    job.format = IMPORT_NDJSON;
    ck_assert_int_eq(import("\xEF\xBB\xBF{\"external_id\":\"u1\"}\n"), 0);
    expect(1, 0, 0, "");
}
END_TEST

START_TEST(a_mark_does_not_hide_the_format)
{
    job.format = IMPORT_GUESS;
    ck_assert_int_eq(import("\xEF\xBB\xBF{\"external_id\":\"u1\"}\n"), 0);
    ck_assert_int_eq(import("\xEF\xBB\xBFid\nu2\n"), 0);
    /* a full-width letter begins like one */
    ck_assert_int_eq(import("\xEF\xBB\xA1,id\nx,u3\n"), 0);
    ck_assert_uint_eq(entity_count(store), 3);
    expect_traits("user", "u3", "{\"\xEF\xBB\xA1\":\"x\"}");
}
END_TEST

START_TEST(many_rows_take_several_transactions)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    fputs("id,n\n", f);
    for (int i = 0; i < 12345; i++)
        fprintf(f, "u%d,%d\n", i, i);
    fclose(f);
    ck_assert_int_eq(import_bytes(text, len), 0);
    expect(12345, 0, 0, "");
    ck_assert_uint_eq(entity_count(store), 12345);
    expect_traits("user", "u12344", "{\"n\":\"12344\"}");
    ck_assert_int_eq(import_bytes(text, len), 0);
    expect(0, 12345, 0, "");
    free(text);
}
END_TEST

START_TEST(a_full_store_says_so)
{
    entity_close(store);
    ck_assert_int_eq(entity_open(dir, 1 << 20, &store), 0);
    job.store = store;
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    fputs("id,n\n", f);
    for (int i = 0; i < 40000; i++)
        fprintf(f, "u%d,%050d\n", i, i);
    fclose(f);
    ck_assert_int_eq(import_bytes(text, len), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(problems, "the entity store is full"));
    ck_assert_uint_eq(entity_count(store), job.created);
    free(text);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("entity-import");
    TCase *c = tcase_create("entity-import");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, csv_rows_become_entities);
    tcase_add_test(c, typed_cells_become_json_values);
    tcase_add_test(c, bad_lines_are_named_and_the_others_imported);
    tcase_add_test(c, other_formats_are_named);
    tcase_add_test(c, semicolons_part_cells_where_the_header_has_them);
    tcase_add_test(c, headers_that_do_not_do);
    tcase_add_test(c, ndjson_lines_become_entities);
    tcase_add_test(c, ndjson_may_begin_with_a_mark);
    tcase_add_test(c, a_mark_does_not_hide_the_format);
    tcase_add_test(c, many_rows_take_several_transactions);
    tcase_add_test(c, a_full_store_says_so);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
