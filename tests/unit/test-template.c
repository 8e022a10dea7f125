/* SPDX-License-Identifier: MIT */
/* Templates: a lone reference keeps its type, text is rendered. */
#include <check.h>
#include <stdlib.h>

#include "event_fixture.h"
#include "lang/template.h"

static const char payload[] =
    "{\"n\":1.50,\"i\":-7,\"u\":18446744073709551615,\"s\":\"x\\u0000y\","
    "\"t\":true,\"f\":false,\"z\":null,\"a\":[1,{\"b\":\"c\"}],"
    "\"cap\":\"\\u00c4\\u023a!\",\"e\":\"\"}";

static struct il_template *
compile(const char *text)
{
    struct il_template *t = NULL;
    struct lang_error error;
    if (template_compile(text, strlen(text), &t, &error))
        ck_abort_msg("%s: at %zu: %s", text, error.offset, error.message);
    return t;
}

static int
join(void *arg, const char *text, size_t len, int of_event)
{
    struct il_text *joined = arg;
    text_puts(joined, of_event ? "<" : "");
    text_put(joined, text, len);
    text_puts(joined, of_event ? ">" : "");
    return 0;
}

static int
join_plain(void *arg, const char *text, size_t len, int of_event)
{
    (void) of_event;
    text_put(arg, text, len);
    return 0;
}

static int
stop(void *arg, const char *text, size_t len, int of_event)
{
    (void) text;
    (void) len;
    (void) of_event;
    return --*(int *) arg ? 0 : 7;
}

START_TEST(renders)
{
    static const struct {
        const char *text, *rendered;
        size_t len; /* where it holds a NUL */
    } rows[] = {
        { "", "", 0 },
        { "constant", "constant", 0 },
        { "$5 off {} } {", "$5 off {} } {", 0 },
        { "a }} b", "a }} b", 0 },
        { "{{ n }}", "1.50", 0 },
        { "{{n}}", "1.50", 0 },
        { "{{ i }}/{{ u }}", "-7/18446744073709551615", 0 },
        { "{{ t }} {{ f }}", "true false", 0 },
        { "[{{ z }}{{ none }}{{ e }}]", "[]", 0 },
        { "<{{ s }}>", "<x\0y>", 5 },
        { "{{ a }}{{ a[1] }}", "[1,{\"b\":\"c\"}]{\"b\":\"c\"}", 0 },
        { "{{ $event.payload.n }}", "1.50", 0 },
        { "{{ $event.type }}: {{ $entity.user.plan }}", "feature.used: pro",
          0 },
        { "{{ $event.received_at }}", "2026-11-23T07:09:00Z", 0 },
        { "{{ lower(cap) }}", "\xc3\xa4\xe2\xb1\xa5!", 0 },
        { "{{ lower('ABC') }} ", "abc ", 0 },
        { "{{ len(a) }} {{ len(cap) }}", "2 3", 0 },
        { "{{ number('1.50') }}", "1.50", 0 },
        { "{{ 'quoted' }}{{ \"}}\" }}", "quoted}}", 0 },
        { "{{ '{{' }}", "{{", 0 },
        { "{{ 5 }} {{ true }}", "5 true", 0 },
        { "  {{ n }}  \n ", "  1.50  \n ", 0 },
        { "{{ n }}\xf0\x9f\x98\x80", "1.50\xf0\x9f\x98\x80", 0 },
    };
    struct il_batch *batch = batch_new();
    struct event_fixture f;
    fixture_open(&f, payload);
    ck_assert_ptr_nonnull(batch);
    struct batch_event *own = batch->events;
    batch->events = &f.event;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_template *t = compile(rows[i].text);
        struct il_value v;
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].rendered);
        ck_assert_int_eq(template_render(t, batch, 0, &v), 0);
        ck_assert_uint_eq(v.type, IL_STRING);
        ck_assert_msg(v.len == len && memcmp(v.str, rows[i].rendered, len) == 0,
                      "%s: expected %s, got %.*s", rows[i].text,
                      rows[i].rendered, (int) v.len, v.str);
        struct il_text joined = { 0 };
        ck_assert_int_eq(template_pieces(t, batch->events, join_plain, &joined),
                         0);
        ck_assert_msg(
            joined.len == len && (!len || !memcmp(joined.data, v.str, len)),
            "%s: pieces: %.*s", rows[i].text, (int) joined.len, joined.data);
        text_clear(&joined);
        template_free(t);
    }
    batch->events = own;
    batch_free(batch);
    fixture_close(&f);
}
END_TEST

START_TEST(a_lone_reference_keeps_its_type)
{
    static const struct {
        const char *text;
        uint32_t type;
    } rows[] = {
        { "$event.payload.n", IL_DECIMAL },
        { "$event.i", IL_INT },
        { "$event.payload.u", IL_UINT },
        { "$event.payload.t", IL_BOOL },
        { "$event.payload.z", IL_NULL },
        { "$event.payload.none", IL_MISSING },
        { "$event.payload.a", IL_ARRAY },
        { "$event.payload.a[1]", IL_MAP },
        { "$event.received_at", IL_TIME },
        { "$event.payload", IL_MAP },
        { "$entity.user.seats", IL_INT },
        { "$entity.user", IL_MAP },
    };
    struct il_batch *batch = batch_new();
    struct event_fixture f;
    fixture_open(&f, payload);
    ck_assert_ptr_nonnull(batch);
    struct batch_event *own = batch->events;
    batch->events = &f.event;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_template *t = compile(rows[i].text);
        struct il_value v;
        ck_assert_int_eq(template_render(t, batch, 0, &v), 0);
        ck_assert_msg(v.type == rows[i].type, "%s: expected %u, got %u",
                      rows[i].text, rows[i].type, v.type);
        template_free(t);
    }
    batch->events = own;
    batch_free(batch);
    fixture_close(&f);
}
END_TEST

START_TEST(pieces_of_the_event_are_told)
{
    static const struct {
        const char *text, *joined;
    } rows[] = {
        { "a {{ n }} b{{ a[1] }}", "a <1.50> b<{\"b\":\"c\"}>" },
        { "{{ z }}{{ none }}.", "<><>." },
        { "{{ lower('ABC') }}", "<abc>" },
        { "$event.payload.n", "<1.50>" },
        { "$event.payload.a[1]", "<{\"b\":\"c\"}>" },
        { "$event.received_at", "<2026-11-23T07:09:00Z>" },
        { "$event.payload.none", "<>" },
        { "", "" },
    };
    struct event_fixture f;
    fixture_open(&f, payload);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_template *t = compile(rows[i].text);
        struct il_text joined = { 0 };
        ck_assert_int_eq(template_pieces(t, &f.event, join, &joined), 0);
        ck_assert_str_eq(text_str(&joined), rows[i].joined);
        text_clear(&joined);
        template_free(t);
    }
    struct il_template *t = compile("a{{ n }}b{{ n }}");
    int calls = 2;
    ck_assert_int_eq(template_pieces(t, &f.event, stop, &calls), 7);
    ck_assert_int_eq(calls, 0);
    template_free(t);
    fixture_close(&f);
}
END_TEST

START_TEST(mistakes)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *says;
    } rows[] = {
        { "$event", 6, "expected a field" },
        { "$entity", 7, "kind" },
        { "$evnt.a", 0, "begins with" },
        { "$event.a b", 8, "in braces" },
        { "hello $event.a", 6, "in braces" },
        { "hello $entity.user.name", 6, "in braces" },
        { "{{", 2, "expected a field or a value" },
        { "a {{ b", 2, "no closing }}" },
        { "a {{ b }", 7, "expected }}" },
        { "a {{ b c }}", 7, "expected }}" },
        { "{{ }}", 3, "expected a field or a value" },
        { "{{ foo(a) }}", 3, "unknown function" },
        { "{{ len(5) }}", 7, "takes text" },
        { "{{ 'x }}", 3, "no closing '" },
        { "{{ $x }}", 3, "begins with" },
        { "a\xff", 1, "UTF-8" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct il_template *t = NULL;
        struct lang_error error = { 0 };
        const char *text = rows[i].text;
        ck_assert_msg(template_compile(text, strlen(text), &t, &error) == -22,
                      "%s: no error", text);
        ck_assert_msg(error.offset == rows[i].offset
                          && strstr(error.message, rows[i].says),
                      "%s: expected %zu, %s; got %zu, %s", text, rows[i].offset,
                      rows[i].says, error.offset, error.message);
    }
}
END_TEST

START_TEST(parts_are_bounded)
{
    struct il_text text = { 0 };
    struct il_template *t = NULL;
    struct lang_error error;
    for (int i = 0; i < 64; i++)
        text_puts(&text, "{{ n }}");
    t = compile(text_str(&text));
    template_free(t);
    text_puts(&text, "x");
    ck_assert_int_eq(template_compile(text.data, text.len, &t, &error), -22);
    ck_assert_ptr_nonnull(strstr(error.message, "more than 64 parts"));
    text_clear(&text);
}
END_TEST

static int
count_field(void *arg, const struct il_field *field, size_t offset)
{
    (void) field;
    *(size_t *) arg += offset;
    return 0;
}

START_TEST(fields_are_listed)
{
    size_t sum = 0;
    struct il_template *t = compile("{{ a }} {{ lower(b) }}");
    ck_assert_int_eq(template_fields(t, count_field, &sum), 0);
    ck_assert_uint_eq(sum, 3 + 17);
    template_free(t);
    sum = 100;
    t = compile("$event.payload.a");
    ck_assert_int_eq(template_fields(t, count_field, &sum), 0);
    ck_assert_uint_eq(sum, 100);
    template_free(t);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("template");
    TCase *tc = tcase_create("template");
    tcase_add_test(tc, renders);
    tcase_add_test(tc, pieces_of_the_event_are_told);
    tcase_add_test(tc, a_lone_reference_keeps_its_type);
    tcase_add_test(tc, mistakes);
    tcase_add_test(tc, parts_are_bounded);
    tcase_add_test(tc, fields_are_listed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
