/* SPDX-License-Identifier: MIT */
#include "base/api.h"
#include "codec/batch.h"
#include "codec/json.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct il_batch *batch;
static struct il_text frames[4];

/* Bodies of their own, so that nothing depends on batch->frames. */
static void
add(uint64_t position, const char *json)
{
    static unsigned n;
    struct il_text payload = { 0 }, *body = &frames[n++ % 4];
    struct json_error error;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &payload, &error), 0);
    struct event ev = { .id = SLICE("evt_1"),
                        .type = SLICE("feature.used"),
                        .source_id = SLICE("app"),
                        .received_us = 1000,
                        .timestamp_us = EVENT_NO_TIME,
                        .payload = slice_of(payload.data, payload.len) };
    body->len = 0;
    ck_assert_int_eq(event_pack(body, &ev), 0);
    ck_assert_int_eq(batch_add(batch, position, body->data, body->len), 0);
    text_clear(&payload);
}

static void
setup(void)
{
    batch = batch_new();
    ck_assert_ptr_nonnull(batch);
}

static void
teardown(void)
{
    batch_free(batch);
    for (int i = 0; i < 4; i++)
        text_clear(&frames[i]);
}

static void
expect_json(const struct il_value *v, const char *want)
{
    struct il_text out = { 0 };
    ck_assert_int_ge(json_write(&out, v, 0), 0);
    ck_assert_str_eq(text_str(&out), want);
    text_clear(&out);
}

static void
expect_payload(uint32_t i, const char *want)
{
    struct slice s = batch->events[i].ev.payload;
    struct il_value v;
    const char *p = s.ptr;
    ck_assert_int_eq(msg_head(&p, s.ptr + s.len, &v), 0);
    expect_json(&v, want);
}

START_TEST(has_what_was_added)
{
    add(7, "{\"a\":1}");
    add(9, "{\"a\":2}");
    ck_assert_uint_eq(batch->count, 2);
    ck_assert_uint_eq(batch->live, 2);
    ck_assert_uint_eq(batch->id, 7);
    ck_assert_uint_eq(batch->last, 9);
    ck_assert(slice_equal(batch->events[1].ev.type, SLICE("feature.used")));
    expect_payload(1, "{\"a\":2}");
    ck_assert_int_eq(batch_add(batch, 10, "rubbish", 7), -EINVAL);
    ck_assert_uint_eq(batch->count, 2);
}
END_TEST

START_TEST(an_unreadable_frame_is_a_letter)
{
    add(7, "{}");
    ck_assert_int_eq(batch_add_unreadable(batch, 8, "rubbish", 7), 0);
    ck_assert_uint_eq(batch->live, 1);
    ck_assert_uint_eq(batch->letters, 1);
    ck_assert_uint_eq(batch->last, 8);
    ck_assert_str_eq(batch->events[1].reason->code, "unreadable");
    ck_assert(!memcmp(batch->events[1].body, "rubbish", 7));
    expect_payload(1, "{}");
}
END_TEST

START_TEST(dropping_counts_once)
{
    add(1, "{}");
    add(2, "{}");
    batch_drop(batch, 0);
    batch_drop(batch, 0);
    batch_drop(batch, 99);
    batch_reject(batch, 0, NULL);
    batch_elsewhere(batch, 1);
    batch_drop(batch, 1);
    ck_assert_uint_eq(batch->live, 0);
    ck_assert_uint_eq(batch->dropped, 1);
    ck_assert_uint_eq(batch->letters, 0);
    ck_assert_uint_eq(batch->events[1].state, BATCH_ELSEWHERE);
}
END_TEST

START_TEST(reasons_are_copied)
{
    char code[] = "23505", message[] = "duplicate", rule[] = "pk";
    struct il_reason why = { IL_SIZED(struct il_reason), .code = code,
                             .message = message, .rule = rule };
    add(1, "{}");
    add(2, "{}");
    batch_reject(batch, 0, &why);
    memset(code, 'x', 5);
    memset(message, 'x', 9);
    memset(rule, 'x', 2);
    const struct il_reason *kept = batch->events[0].reason;
    ck_assert_str_eq(kept->code, "23505");
    ck_assert_str_eq(kept->message, "duplicate");
    ck_assert_ptr_null(kept->field);
    ck_assert_str_eq(kept->rule, "pk");
    batch_reject(batch, 1, &(struct il_reason){ IL_SIZED(struct il_reason) });
    ck_assert_str_eq(batch->events[1].reason->code, "rejected");
}
END_TEST

START_TEST(a_destination_takes_back_only_its_own)
{
    add(1, "{}");
    add(2, "{}");
    add(3, "{}");
    batch_reject(batch, 0, NULL);
    batch_drop(batch, 1);
    batch_seal(batch);
    batch_reject(
        batch, 2,
        &(struct il_reason){ IL_SIZED(struct il_reason), .code = "one" });
    batch_reject(
        batch, 2,
        &(struct il_reason){ IL_SIZED(struct il_reason), .code = "two" });
    ck_assert_str_eq(batch->events[2].reason->code, "two");
    ck_assert_uint_eq(batch->letters, 2);
    for (uint32_t i = 0; i < 3; i++)
        batch_unreject(batch, i);
    ck_assert_uint_eq(batch->events[0].state, BATCH_REFUSED);
    ck_assert_uint_eq(batch->events[1].state, BATCH_DROPPED);
    ck_assert_uint_eq(batch->events[2].state, BATCH_LIVE);
    ck_assert_uint_eq(batch->letters, 1);
    ck_assert_uint_eq(batch->live, 1);
}
END_TEST

START_TEST(what_is_kept_is_neither_live_nor_marked)
{
    for (uint64_t p = 1; p <= 3; p++)
        add(p, "{}");
    batch_reject(batch, 1, NULL);
    batch_seal(batch);
    batch_reject(
        batch, 0,
        &(struct il_reason){ IL_SIZED(struct il_reason), .code = "one" });
    for (uint32_t i = 0; i < 4; i++)
        batch_keep(batch, i);
    batch_keep(batch, 2);
    batch_reject(
        batch, 2,
        &(struct il_reason){ IL_SIZED(struct il_reason), .code = "two" });
    ck_assert_uint_eq(batch->kept, 3);
    ck_assert_uint_eq(batch->letters, 1); /* the step's */
    for (uint32_t i = 0; i < 3; i++)
        ck_assert(!batch_live(batch, i));
    ck_assert_ptr_null(batch->events[0].reason);
    ck_assert_ptr_null(batch->events[2].reason);
    batch_rewind(batch); /* another attempt */
    ck_assert_uint_eq(batch->kept, 0);
    ck_assert(batch_live(batch, 0) && batch_live(batch, 2));
    ck_assert_uint_eq(batch->events[1].state, BATCH_REFUSED);
}
END_TEST

START_TEST(endless_attempts_hold_no_more_than_one)
{
    add(1, "{}");
    add(2, "{}");
    batch_reject(batch, 1, NULL);
    ck_assert_ptr_nonnull(batch_alloc(batch, 300000));
    batch_seal(batch);
    size_t before = 0;
    for (int attempt = 0; attempt < 1000; attempt++) {
        batch_reject(
            batch, 0,
            &(struct il_reason){ IL_SIZED(struct il_reason), .code = "again" });
        ck_assert_ptr_nonnull(batch_alloc(batch, 100000));
        ck_assert_ptr_nonnull(batch_alloc(batch, 1000000));
        ck_assert(!before || batch->bytes == before);
        before = batch->bytes;
        batch_rewind(batch);
        ck_assert_uint_eq(batch->live, 1);
        ck_assert_uint_eq(batch->letters, 1);
    }
}
END_TEST

START_TEST(a_seal_before_any_memory_rewinds_too)
{
    add(1, "{}");
    batch_seal(batch);
    batch_alloc(batch, 500);
    batch_rewind(batch);
    ck_assert_uint_eq(batch->bytes, 0);
}
END_TEST

START_TEST(memory_is_aligned_and_apart)
{
    char *last = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        char *p = batch_alloc(batch, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t) p % 16, 0);
        ck_assert(p != last || size <= 7);
        memset(p, 0xff, size);
        last = p;
    }
    ck_assert_ptr_null(batch_alloc(batch, SIZE_MAX));
    ck_assert_ptr_null(batch_alloc(batch, SIZE_MAX / 2));
    batch_reset(batch);
    ck_assert_uint_le(batch->bytes, 256 * 1024);
    batch_trim(batch);
    ck_assert_uint_eq(batch->bytes, 0);
}
END_TEST

START_TEST(replaces_a_payload)
{
    add(1, "{\"a\":1}");
    const char *body = batch->events[0].body;
    ck_assert_int_eq(batch_set_payload(batch, 0, IL_JSON, "{\"b\":1.10}", 10),
                     0);
    expect_payload(0, "{\"b\":1.10}");
    ck_assert_int_eq(
        batch_set_payload(batch, 0, IL_MSGPACK, "\x81\xa1z\x07", 4), 0);
    expect_payload(0, "{\"z\":7}");
    ck_assert_ptr_eq(batch->events[0].body, body); /* for dead letters */
    static const char *const bad[] = { "[1]", "1", "{\"a\":}", "{}{}", "" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(
            batch_set_payload(batch, 0, IL_JSON, bad[i], strlen(bad[i])),
            -EINVAL);
    ck_assert_int_eq(batch_set_payload(batch, 0, IL_MSGPACK, "\x93", 1),
                     -EINVAL);
    ck_assert_int_eq(batch_set_payload(batch, 0, IL_MSGPACK, "\x07", 1),
                     -EINVAL);
    ck_assert_int_eq(batch_set_payload(batch, 0, 9, "{}", 2), -EINVAL);
    ck_assert_int_eq(batch_set_payload(batch, 1, IL_JSON, "{}", 2), -EINVAL);
    expect_payload(0, "{\"z\":7}");
}
END_TEST

/* --- entities --- */

static void
attach(uint32_t i, const char *kind, const char *json)
{
    struct il_text t = { 0 };
    struct json_error error;
    struct il_value v;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &t, &error), 0);
    ck_assert_int_eq(text_puts(&t, "more that is not of the map"), 0);
    const char *p = t.data;
    /* msg_head: its length is a bound only */
    ck_assert_int_eq(msg_head(&p, t.data + t.len, &v), 0);
    ck_assert_int_eq(batch_attach(batch, i, batch_kind(kind, strlen(kind)), &v),
                     0);
    memset(t.data, 0, t.len); /* it was copied */
    text_clear(&t);
}

START_TEST(kinds_are_interned)
{
    char name[] = "user";
    struct il_kind *k = batch_kind(name, 4);
    name[0] = 'x';
    ck_assert_ptr_eq(batch_kind("user", 4), k);
    ck_assert_ptr_ne(batch_kind("use", 3), k);
    ck_assert_ptr_ne(batch_kind("xser", 4), k);
    ck_assert_str_eq(k->name, "user");
}
END_TEST

START_TEST(attached_traits_are_kept)
{
    add(1, "{}");
    add(2, "{}");
    attach(1, "user", "{\"plan\":\"pro\",\"n\":[1,{\"a\":null}]}");
    ck_assert_ptr_null(batch->events[0].entities);
    struct entity_link *link = batch->events[1].entities;
    ck_assert_ptr_nonnull(link);
    ck_assert_str_eq(link->kind->name, "user");
    expect_json(&link->traits, "{\"plan\":\"pro\",\"n\":[1,{\"a\":null}]}");
    ck_assert_ptr_null(link->next);
}
END_TEST

START_TEST(attaching_again_merges_one_level)
{
    add(1, "{}");
    attach(0, "user", "{\"a\":{\"x\":1},\"b\":2,\"c\":3}");
    attach(0, "account", "{\"a\":9}");
    attach(0, "user", "{\"d\":4,\"a\":{\"y\":2},\"c\":null}");
    struct entity_link *link = batch->events[0].entities;
    expect_json(&link->traits, "{\"b\":2,\"d\":4,\"a\":{\"y\":2},\"c\":null}");
    expect_json(&link->next->traits, "{\"a\":9}");
    ck_assert_ptr_null(link->next->next);
    attach(0, "user", "{}");
    expect_json(&link->traits, "{\"b\":2,\"d\":4,\"a\":{\"y\":2},\"c\":null}");
}
END_TEST

START_TEST(only_maps_are_attached)
{
    struct il_kind *kind = batch_kind("user", 4);
    struct il_value v = { .type = IL_STRING, .str = "x", .len = 1 };
    add(1, "{}");
    ck_assert_int_eq(batch_attach(batch, 0, kind, &v), -EINVAL);
    v = (struct il_value){
        .type = IL_MAP, .count = 2, .str = "\xa1x\x01", .len = 3
    };
    ck_assert_int_eq(batch_attach(batch, 0, kind, &v), -EINVAL);
    ck_assert_int_eq(batch_attach(batch, 1, kind, &v), -EINVAL);
    ck_assert_ptr_null(batch->events[0].entities);
}
END_TEST

START_TEST(forgetting_starts_anew)
{
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 1; i <= 500; i++)
            add(i, "{\"a\":1}");
        attach(3, "user", "{\"a\":1}");
        batch_reject(batch, 4, NULL);
        batch_drop(batch, 5);
        batch_seal(batch);
        batch_clear(batch);
        ck_assert_uint_eq(batch->count + batch->live + batch->dropped
                              + batch->letters + batch->sealed,
                          0);
        ck_assert_uint_eq(batch->last, 0);
    }
}
END_TEST

static struct il_deferral
deferral(const char *order)
{
    return (struct il_deferral){ IL_SIZED(struct il_deferral), .delay_ms = 1500,
                                 .order = order,
                                 .order_len = order ? strlen(order) : 0 };
}

START_TEST(what_is_said_of_one_outlives_a_rewind)
{
    struct il_reason why = { IL_SIZED(struct il_reason), .code = "503",
                             .message = "busy" };
    struct il_deferral how = deferral("u_1");
    add(1, "{}");
    add(2, "{}");
    add(3, "{}");
    batch_seal(batch);
    how.why = &why;
    how.target = "https://there\xff";
    how.target_len = 14;
    batch_done(batch, 0);
    ck_assert_int_eq(batch_defer(batch, 1, &how), 0);
    batch_reject(batch, 2, &why);
    batch_reject(batch, 0, &why); /* too late, both */
    batch_done(batch, 1);
    ck_assert_uint_eq(batch->live, 0);
    ck_assert_uint_eq(batch->done, 1);
    ck_assert_uint_eq(batch->deferred, 1);
    batch_rewind(batch);
    memset(batch_alloc(batch, 4096), 'x', 4096);
    ck_assert_uint_eq(batch->live, 1);
    ck_assert_int_eq(batch_live(batch, 0), 0);
    ck_assert_int_eq(batch_live(batch, 1), 0);
    ck_assert_int_eq(batch_live(batch, 2), 1);
    const struct batch_deferral *d = batch->events[1].deferral;
    ck_assert_int_eq(d->delay_us, 1500000);
    ck_assert_str_eq(d->why->code, "503");
    ck_assert_str_eq(d->why->message, "busy");
    ck_assert_uint_eq(d->order, batch_order("u_1", 3));
    ck_assert_int_eq(strncmp(d->target, "https://there", 13), 0);
    ck_assert_int_eq((unsigned char) d->target[13] != 0xff, 1);
    batch_reset(batch);
    ck_assert_uint_eq(batch->done + batch->deferred, 0);
}
END_TEST

START_TEST(a_deferral_has_its_bounds)
{
    struct il_deferral how = deferral(NULL);
    char target[400];
    memset(target, 'a', sizeof target);
    add(1, "{}");
    add(2, "{}");
    how.delay_ms = UINT64_MAX;
    how.target = target;
    how.target_len = sizeof target;
    how.flags = IL_OUT_OF_ORDER;
    how.order = "u_1";
    how.order_len = 3;
    ck_assert_int_eq(batch_defer(batch, 0, &how), 0);
    ck_assert_int_eq(batch_defer(batch, 9, &how), 0);
    const struct batch_deferral *d = batch->events[0].deferral;
    ck_assert_int_eq(d->delay_us, (int64_t) BATCH_DELAY_MAX_MS * 1000);
    ck_assert_uint_eq(strlen(d->target), BATCH_TARGET_MAX);
    ck_assert_uint_eq(d->order, 0);
    ck_assert_ptr_null(d->why);
    ck_assert_uint_eq(batch->live, 1);
}
END_TEST

START_TEST(begins_with_the_host_table)
{
    static const struct il_api table;
    api_use(&table);
    struct il_batch *b = batch_new();
    ck_assert_ptr_eq(*(void **) b, &table);
    batch_free(b);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("batch");
    TCase *t = tcase_create("batch");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, has_what_was_added);
    tcase_add_test(t, an_unreadable_frame_is_a_letter);
    tcase_add_test(t, dropping_counts_once);
    tcase_add_test(t, reasons_are_copied);
    tcase_add_test(t, a_destination_takes_back_only_its_own);
    tcase_add_test(t, what_is_kept_is_neither_live_nor_marked);
    tcase_add_test(t, endless_attempts_hold_no_more_than_one);
    tcase_add_test(t, a_seal_before_any_memory_rewinds_too);
    tcase_add_test(t, memory_is_aligned_and_apart);
    tcase_add_test(t, replaces_a_payload);
    tcase_add_test(t, kinds_are_interned);
    tcase_add_test(t, attached_traits_are_kept);
    tcase_add_test(t, attaching_again_merges_one_level);
    tcase_add_test(t, only_maps_are_attached);
    tcase_add_test(t, forgetting_starts_anew);
    tcase_add_test(t, what_is_said_of_one_outlives_a_rewind);
    tcase_add_test(t, a_deferral_has_its_bounds);
    tcase_add_test(t, begins_with_the_host_table);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
