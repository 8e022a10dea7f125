/* SPDX-License-Identifier: MIT */
/* Rows: whatever the payloads are like, and whatever came before, each cell is
 * what its reference or template is by itself. */
#include <check.h>
#include <stdlib.h>

#include "event_fixture.h"
#include "lang/row.h"
#include "lang/template.h"

#define CELLS 16

static const char *const references[] = {
    "$event.payload.user_id", "$event.payload.plan",    "$event.payload.count",
    "$event.payload.a.b",     "$event.payload.a.c[1]",  "$event.payload.a",
    "$event.id",              "$event.received_at",     "$entity.user.seats",
    "$event.payload",         "$event.payload.user_id", "x {{ plan }} y",
    "constant",
};
#define REFERENCES (sizeof references / sizeof *references)

struct world {
    struct event_fixture f;
    struct il_batch *batch;
    struct batch_event *mine;
    struct il_template *templates[REFERENCES];
    struct il_field *any[2];
    struct il_cell cells[CELLS];
    size_t count;
    struct il_row *row;
};

static void
world_open(struct world *w)
{
    struct lang_error error;
    memset(w, 0, sizeof *w);
    fixture_open(&w->f, "{}");
    w->batch = batch_new();
    ck_assert_ptr_nonnull(w->batch);
    w->mine = w->batch->events;
    w->batch->events = &w->f.event;
    w->batch->count = 1;
    for (size_t i = 0; i < REFERENCES; i++) {
        ck_assert_int_eq(template_compile(references[i], strlen(references[i]),
                                          &w->templates[i], &error), 0);
        w->cells[w->count++] = (struct il_cell){ IL_SIZED(struct il_cell),
                                                 .value = w->templates[i] };
    }
    /* A column's name: of the payload, else a trait. */
    ck_assert_int_eq(ref_named(IL_FIELD_ANY, "plan", &w->any[0]), 0);
    ck_assert_int_eq(ref_named(IL_FIELD_ANY, "seats", &w->any[1]), 0);
    w->cells[w->count++] =
        (struct il_cell){ IL_SIZED(struct il_cell), .field = w->any[0] };
    w->cells[w->count++] =
        (struct il_cell){ IL_SIZED(struct il_cell), .field = w->any[1] };
    ck_assert_int_eq(row_new(NULL, w->cells, w->count, sizeof *w->cells,
                             &w->row), 0);
}

static void
world_close(struct world *w)
{
    row_free(w->row);
    for (size_t i = 0; i < REFERENCES; i++)
        template_free(w->templates[i]);
    ref_free(w->any[0]);
    ref_free(w->any[1]);
    w->batch->events = w->mine;
    w->batch->count = 0;
    batch_free(w->batch);
    fixture_close(&w->f);
}

static void
as_text(struct il_text *out, const struct il_value *v)
{
    out->len = 0;
    ck_assert_int_eq(text_printf(out, "%u ", v->type), 0);
    if (v->type != IL_MISSING)
        ck_assert_int_ge(json_write(out, v, 0), 0);
}

static void
check_payload(struct world *w, const char *bytes, size_t len)
{
    const struct il_value *got;
    struct il_text a = { 0 }, b = { 0 };
    w->f.event.ev.payload = slice_of(bytes, len);
    ck_assert_int_eq(row_read(w->row, w->batch, 0, &got), 0);
    for (size_t k = 0; k < w->count; k++) {
        struct il_value want;
        if (k == 9 || k == 5)
            continue; /* containers that may be damaged are not written */
        if (w->cells[k].value)
            ck_assert_int_eq(
                template_render(w->cells[k].value, w->batch, 0, &want), 0);
        else
            ref_get(w->cells[k].field, &w->f.event, &want);
        as_text(&a, &want);
        as_text(&b, &got[k]);
        ck_assert_msg(a.len == b.len && memcmp(a.data, b.data, a.len) == 0,
                      "cell %zu: expected %s, got %s", k, text_str(&a),
                      text_str(&b));
    }
    text_clear(&a);
    text_clear(&b);
}

static void
check_json(struct world *w, const char *json)
{
    struct il_text bytes = { 0 };
    const struct il_value *got;
    fixture_map(&bytes, json);
    check_payload(w, bytes.data, bytes.len);
    ck_assert_int_eq(row_read(w->row, w->batch, 0, &got), 0);
    ck_assert_uint_eq(got[9].type, IL_MAP);
    text_clear(&bytes);
}

START_TEST(cells_are_their_references)
{
    struct world w;
    struct il_text long_one = { 0 };
    world_open(&w);
    for (int round = 0; round < 2; round++) {
        check_json(&w, "{\"user_id\":\"u_1\",\"count\":3,\"plan\":\"pro\"}");
        check_json(&w, "{\"user_id\":\"u_2\",\"count\":-3,\"plan\":null}");
        check_json(&w, "{\"plan\":\"pro\",\"user_id\":\"u_1\"}");
        check_json(&w, "{}");
        check_json(&w, "{\"a\":{\"b\":1,\"c\":[1,[2],3]},\"plan\":true}");
        check_json(&w, "{\"a\":7,\"count\":1.50,\"seats\":\"own\"}");
        check_json(&w, "{\"plan2\":1,\"pla\":2,\"user_ie\":3,\"\":4}");
        check_json(&w, "{\"a key that is longer than thirty-one bytes is\":1,"
                       "\"user_id\":{\"x\":[]},\"plan\":[1,2]}");
    }
    /* more keys than are remembered */
    text_puts(&long_one, "{");
    for (int i = 0; i < 50; i++)
        text_printf(&long_one, "\"k%d\":[%d],", i, i);
    text_puts(&long_one, "\"user_id\":\"last\",\"plan\":\"p\"}");
    check_json(&w, text_str(&long_one));
    check_json(&w, text_str(&long_one));
    text_clear(&long_one);
    world_close(&w);
}
END_TEST

/* A plugin may have made such a payload: of a key that comes twice the first
 * one counts, whatever stands in it. */
START_TEST(first_of_a_key_counts)
{
    static const char twice[] = "\x84\xa4plan\x01\xa1" "a\x80"
                                "\xa4plan\x02\xa1" "a\x81\xa1" "b\x05";
    struct world w;
    world_open(&w);
    check_payload(&w, twice, sizeof twice - 1);
    check_payload(&w, twice, sizeof twice - 1);
    world_close(&w);
}
END_TEST

START_TEST(damage_is_not_followed)
{
    static const char json[] = "{\"user_id\":\"u_1\",\"count\":70000,\"a\":"
                               "{\"b\":\"x\",\"c\":[1,2]},\"plan\":\"pro\"}";
    struct world w;
    struct il_text bytes = { 0 };
    world_open(&w);
    fixture_map(&bytes, json);
    for (size_t len = 0; len <= bytes.len; len++) {
        /* so that reading beyond its end is seen */
        char *copy = malloc(len + !len);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes.data, len);
        check_payload(&w, copy, len);
        check_payload(&w, bytes.data, bytes.len);
        for (size_t at = 0; at < len; at++) {
            char kept = copy[at];
            copy[at] = (char) 0xc1;
            check_payload(&w, copy, len);
            copy[at] = (char) 0x05;
            check_payload(&w, copy, len);
            copy[at] = kept;
        }
        free(copy);
    }
    text_clear(&bytes);
    world_close(&w);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("row");
    TCase *t = tcase_create("row");
    tcase_add_test(t, cells_are_their_references);
    tcase_add_test(t, first_of_a_key_counts);
    tcase_add_test(t, damage_is_not_followed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
