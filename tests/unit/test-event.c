/* SPDX-License-Identifier: MIT */
/* The event's form in the spool, its id, and times as text. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "codec/event.h"

static struct il_text out;

static void
setup(void)
{
    out = (struct il_text){ 0 };
}

static void
teardown(void)
{
    text_clear(&out);
}

static const struct event sample = {
    .id = { "evt_1", 5 },
    .type = { "feature.used", 12 },
    .source_id = { "app", 3 },
    .key = { "k-1", 3 },
    .received_us = 1700000000123456,
    .timestamp_us = -1,
    .payload = { "\x81\xa1n\x01", 4 },
};

static void
same_event(const struct event *a, const struct event *b)
{
    ck_assert(slice_equal(a->id, b->id));
    ck_assert(slice_equal(a->type, b->type));
    ck_assert(slice_equal(a->source_id, b->source_id));
    ck_assert(slice_equal(a->key, b->key));
    ck_assert_int_eq(a->key.ptr == NULL, b->key.ptr == NULL);
    ck_assert_int_eq(a->received_us, b->received_us);
    ck_assert_int_eq(a->timestamp_us, b->timestamp_us);
    ck_assert(slice_equal(a->payload, b->payload));
}

START_TEST(marks_are_no_event_and_come_back_as_they_were)
{
    static const struct event_mark marks[] = {
        { { "a", 1 }, { "17", 2 } },
        { { "empty", 5 }, { "", 0 } },
        { { "gone", 4 }, { NULL, 0 } },
        { { "\xff\0\xc0", 3 }, { "\0\xfe", 2 } },
    };
    struct event_marks m;
    struct event_mark one;
    struct event e;
    struct event_retry retry;
    size_t iter = 0;
    ck_assert_int_eq(event_marks_begin(&out, SLICE("src"), 1700000000123456, 4),
                     0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(event_marks_add(&out, &marks[i]), 0);
    ck_assert(event_is_marks(out.data, out.len));
    ck_assert_int_eq(event_unpack(out.data, out.len, &e), -EINVAL);
    ck_assert_int_ne(event_retry(out.data, out.len, &retry), 1);
    ck_assert_int_eq(event_marks_unpack(out.data, out.len, &m), 0);
    ck_assert(slice_equal(m.source_id, SLICE("src")));
    ck_assert_int_eq(m.written_us, 1700000000123456);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(event_marks_next(&m, &iter, &one), 1);
        ck_assert(slice_equal(one.name, marks[i].name));
        ck_assert(slice_equal(one.value, marks[i].value));
        ck_assert_int_eq(!one.value.ptr, !marks[i].value.ptr);
    }
    ck_assert_int_eq(event_marks_next(&m, &iter, &one), 0);
    for (size_t n = 0; n < out.len; n++)
        ck_assert_int_eq(event_marks_unpack(out.data, n, &m), -EINVAL);
    ck_assert_int_eq(text_putc(&out, 0), 0);
    ck_assert_int_eq(event_marks_unpack(out.data, out.len, &m), -EINVAL);
    out.len = 0;
    ck_assert_int_eq(event_pack(&out, &sample), 0);
    ck_assert(!event_is_marks(out.data, out.len));
}
END_TEST

START_TEST(what_is_packed_is_unpacked)
{
    struct event e = sample, got;
    ck_assert_int_eq(event_pack(&out, &e), 0);
    ck_assert_int_eq(event_unpack(out.data, out.len, &got), 0);
    same_event(&e, &got);

    out.len = 0;
    e.key = (struct slice){ 0 };
    e.timestamp_us = EVENT_NO_TIME;
    ck_assert_int_eq(event_pack(&out, &e), 0);
    ck_assert_int_eq(event_unpack(out.data, out.len, &got), 0);
    same_event(&e, &got);
}
END_TEST

/* Spools outlive the version that wrote them. */
START_TEST(a_frame_has_these_bytes)
{
    static const char body[] = "\x97\xa5"
                               "evt_1"
                               "\xac"
                               "feature.used"
                               "\xa3"
                               "app"
                               "\xcf\x00\x06\x0a\x24\x18\x20\x22\x40"
                               "\xff\xa3"
                               "k-1"
                               "\x81\xa1n\x01";
    static const char mark[] = "\x93\xa1l\xcd\x01\x00\x02";
    const struct event_retry retry = { .lane = SLICE("l"), .letter = 256,
                                       .attempts = 2 };
    struct il_text again = { 0 };

    ck_assert_int_eq(event_pack(&out, &sample), 0);
    ck_assert_uint_eq(out.len, sizeof(body) - 1);
    ck_assert_mem_eq(out.data, body, out.len);

    ck_assert_int_eq(event_retry_pack(&again, out.data, out.len, &retry), 0);
    ck_assert_uint_eq(again.len, out.len + sizeof(mark) - 1);
    ck_assert_int_eq((unsigned char) again.data[0], 0x98);
    ck_assert_mem_eq(again.data + 1, body + 1, out.len - 1);
    ck_assert_mem_eq(again.data + out.len, mark, sizeof(mark) - 1);
    text_clear(&again);
}
END_TEST

/* Told from a mark by its type, and kept by a mark. */
START_TEST(flags_follow_the_payload)
{
    struct event e = sample, got;
    struct event_retry mark = { .lane = SLICE("l"), .letter = 256,
                                .attempts = 2 }, again;
    struct il_text once = { 0 }, head = { 0 };
    e.flags = EVENT_PUBLISHABLE | EVENT_MADE;
    ck_assert_int_eq(event_pack(&out, &e), 0);
    ck_assert_int_eq((unsigned char) out.data[0], 0x98);
    ck_assert_int_eq(out.data[out.len - 1], 3);
    ck_assert_int_eq(event_unpack(out.data, out.len, &got), 0);
    same_event(&e, &got);
    ck_assert_uint_eq(got.flags, 3);
    ck_assert_int_eq(event_retry(out.data, out.len, &again), 0);

    ck_assert_int_eq(event_retry_pack(&once, out.data, out.len, &mark), 0);
    ck_assert_int_eq((unsigned char) once.data[0], 0x99);
    ck_assert_int_eq(event_unpack(once.data, once.len, &got), 0);
    same_event(&e, &got);
    ck_assert_uint_eq(got.flags, 3);
    ck_assert_int_eq(event_retry(once.data, once.len, &again), 1);
    ck_assert_uint_eq(again.letter, 256);

    /* the payload, and what follows it, may come by themselves */
    e.payload = SLICE("");
    ck_assert_int_eq(event_pack(&head, &e), 0);
    ck_assert_int_eq(text_put(&head, sample.payload.ptr, sample.payload.len),
                     0);
    ck_assert_int_eq(event_pack_flags(&head, e.flags), 0);
    ck_assert_uint_eq(head.len, out.len);
    ck_assert_mem_eq(head.data, out.data, out.len);
    text_clear(&once);
    text_clear(&head);
}
END_TEST

START_TEST(long_members_fit)
{
    static char text[70000];
    struct event e = sample, got;
    memset(text, 'x', sizeof(text));
    e.id = slice_of(text, EVENT_ID_MAX);
    e.type = slice_of(text, sizeof(text));
    e.source_id = slice_of(text, 300);
    ck_assert_int_eq(event_pack(&out, &e), 0);
    ck_assert_int_eq(event_unpack(out.data, out.len, &got), 0);
    same_event(&e, &got);
}
END_TEST

START_TEST(members_after_the_payload_are_ignored)
{
    struct event e = sample, got;
    ck_assert_int_eq(event_pack(&out, &e), 0);
    out.data[0] = (char) 0x99; /* nine */
    text_put(&out, "\xa5later\x81\xa1x\xc0", 10);
    ck_assert_int_eq(event_unpack(out.data, out.len, &got), 0);
    same_event(&e, &got);
}
END_TEST

START_TEST(a_retry_is_the_same_event_with_a_mark)
{
    struct il_text once = { 0 };
    struct event_retry mark = { .lane = SLICE("feature-usage/warehouse.pg"),
                                .letter = UINT64_MAX,
                                .attempts = UINT32_MAX },
                       got;
    struct event e;
    ck_assert_int_eq(event_pack(&out, &sample), 0);
    ck_assert_int_eq(event_retry(out.data, out.len, &got), 0);
    ck_assert_int_eq(event_retry_pack(&once, out.data, out.len, &mark), 0);
    ck_assert_int_eq(event_unpack(once.data, once.len, &e), 0);
    same_event(&sample, &e);
    ck_assert_int_eq(event_retry(once.data, once.len, &got), 1);
    ck_assert(slice_equal(got.lane, mark.lane));
    ck_assert_uint_eq(got.letter, UINT64_MAX);
    ck_assert_uint_eq(got.attempts, UINT32_MAX);
    ck_assert_uint_eq(got.origin.position, 0);

    /* Once more: the newer mark takes the place of the older. */
    struct event_retry next = { .lane = SLICE("a/b"),
                                .letter = 5,
                                .origin = { .position = UINT64_MAX,
                                            .set_backs = UINT32_MAX } };
    memcpy(next.origin.spool, "\0\1\2\xff 567890123456", 16);
    out.len = 0;
    ck_assert_int_eq(event_retry_pack(&out, once.data, once.len, &next), 0);
    ck_assert_int_eq(event_unpack(out.data, out.len, &e), 0);
    same_event(&sample, &e);
    ck_assert_int_eq(event_retry(out.data, out.len, &got), 1);
    ck_assert_uint_eq(got.letter, 5);
    ck_assert_uint_eq(got.origin.position, UINT64_MAX);
    ck_assert_uint_eq(got.origin.set_backs, UINT32_MAX);
    ck_assert_mem_eq(got.origin.spool, next.origin.spool, 16);
    for (size_t cut = 1; cut < out.len; cut++) {
        char *copy = malloc(cut);
        memcpy(copy, out.data, cut);
        ck_assert_int_eq(event_retry(copy, cut, &got), -EINVAL);
        free(copy);
    }
    text_clear(&once);
}
END_TEST

/* What was decided, and how it came to this. */
START_TEST(a_mark_says_what_was_decided)
{
    static char longer[3000];
    struct il_text once = { 0 }, packed = { 0 };
    struct event_decided d = { .place = EVENT_AFTER_STEP,
                               .step = SLICE("look-up"),
                               .plugin = SLICE("enrich.entity"),
                               .results = SLICE("\x81\xa1n\x03") },
                         same;
    struct event_retry mark = { .lane = SLICE("l"),
                                .letter = 5,
                                .attempts = 2,
                                .first_us = -7,
                                .since_us = 1763887500083775,
                                .code = SLICE("23514") },
                       got;
    struct event e;
    memset(longer, 'x', sizeof longer);
    memcpy(longer + 1023, "\xe2\x82\xac", 3);
    mark.message = slice_of(longer, sizeof longer);
    ck_assert_int_eq(event_decided_pack(&packed, &d), 0);
    mark.decided = slice_of(packed.data, packed.len);
    ck_assert_int_eq(event_pack(&out, &sample), 0);
    ck_assert_int_eq(event_retry_pack(&once, out.data, out.len, &mark), 0);
    ck_assert_int_eq(event_unpack(once.data, once.len, &e), 0);
    same_event(&sample, &e);
    ck_assert_int_eq(event_retry(once.data, once.len, &got), 1);
    ck_assert_uint_eq(got.letter, 5);
    ck_assert_int_eq(got.first_us, -7);
    ck_assert_int_eq(got.since_us, mark.since_us);
    ck_assert(slice_equal(got.code, mark.code));
    ck_assert_uint_eq(got.message.len, 1023);
    ck_assert_int_eq(event_decided_read(got.decided, &same), 0);
    ck_assert_uint_eq(same.place, d.place);
    ck_assert(slice_equal(same.step, d.step));
    ck_assert(slice_equal(same.plugin, d.plugin));
    ck_assert(slice_equal(same.results, d.results));
    for (size_t cut = 1; cut < once.len; cut++) {
        char *copy = malloc(cut);
        memcpy(copy, once.data, cut);
        ck_assert_int_eq(event_retry(copy, cut, &got), -EINVAL);
        free(copy);
    }
    for (size_t cut = 1; cut < packed.len; cut++)
        ck_assert_int_eq(event_decided_read(slice_of(packed.data, cut), &same),
                         -EINVAL);
    /* Nothing is nothing, and results have a limit. */
    packed.len = 0;
    d.results = slice_of(longer, EVENT_RESULTS_MAX + 1);
    ck_assert_int_eq(event_decided_pack(&packed, &d), -EINVAL);
    d.place = EVENT_NOWHERE;
    ck_assert_int_eq(event_decided_pack(&packed, &d), 0);
    ck_assert_uint_eq(packed.len, 0);
    ck_assert_int_eq(event_decided_read(SLICE(""), &same), 0);
    ck_assert_uint_eq(same.place, EVENT_NOWHERE);
    ck_assert_int_eq(event_decided_read(SLICE("\x92\x02\xc0"), &same),
                     -ENOTSUP);
    text_clear(&once);
    text_clear(&packed);
}
END_TEST

START_TEST(wrong_marks_are_refused)
{
#define HEAD "\x98\xa1i\xa1t\xa1s\x01\xc0\xc0\x80"
    static const char *const wrong[] = {
        HEAD "\xc0",               /* none */
        HEAD "\x92\xa1l\x05",      /* too short */
        HEAD "\x93\x01\x05\x05",   /* lane */
        HEAD "\x93\xa1l\xff\x05",  /* letter below 0 */
        HEAD "\x93\xa1l\xa1x\x05", /* letter */
        HEAD "\x93\xa1l\x05\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        HEAD "\x96\xa1l\x05\x05\x07\xc4\x0f"
             "0123456789abcde\x01",
        HEAD "\x96\xa1l\x05\x05\x07\xb0"
             "0123456789abcdef\x01",
        HEAD "\x96\xa1l\x05\x05\x07\xc4\x10"
             "0123456789abcdef\xff",
    };
    struct event_retry got;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(event_retry(wrong[i], strlen(wrong[i]), &got),
                         -EINVAL);
    ck_assert_int_eq(event_retry(HEAD "\x93\xa1l\x05\x05", 16, &got), 1);
#undef HEAD
}
END_TEST

START_TEST(every_cut_of_the_head_is_refused)
{
    struct event got;
    ck_assert_int_eq(event_pack(&out, &sample), 0);
    for (size_t cut = 0; cut <= out.len - sample.payload.len; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, out.data, cut);
        ck_assert_int_eq(event_unpack(copy, cut, &got), -EINVAL);
        free(copy);
    }
}
END_TEST

START_TEST(wrong_members_are_refused)
{
    static const char *const wrong[] = {
        "\x87\xa1i\xa1t\xa1s\x01\xc0\xc0\x80",  /* map */
        "\x96\xa1i\xa1t\xa1s\x01\xc0\xc0",      /* six */
        "\x97\x01\xa1t\xa1s\x01\xc0\xc0\x80",   /* id */
        "\x97\xa1i\xc0\xa1s\x01\xc0\xc0\x80",   /* type */
        "\x97\xa1i\xa1t\x90\x01\xc0\xc0\x80",   /* source */
        "\x97\xa1i\xa1t\xa1s\xc0\xc0\xc0\x80",  /* received_at */
        "\x97\xa1i\xa1t\xa1s\x01\xa1x\xc0\x80", /* timestamp */
        "\x97\xa1i\xa1t\xa1s\x01\xc0\x05\x80",  /* key */
        "\x97\xa1i\xa1t\xa1s\x01\xc0\xc0\x90",  /* payload */
        "\x97\xa1i\xa1t\xa1s\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc0\xc0\x80",
    };
    struct event got;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(event_unpack(wrong[i], strlen(wrong[i]), &got),
                         -EINVAL);
    ck_assert_int_eq(
        event_unpack("\x97\xa1i\xa1t\xa1s\x01\xc0\xc0\x80", 11, &got), 0);
}
END_TEST

START_TEST(as_json)
{
    struct event e = sample;
    ck_assert_int_eq(event_json(&out, &e), 0);
    ck_assert_str_eq(text_str(&out),
                     "{\"id\":\"evt_1\",\"type\":\"feature.used\",\"source_id"
                     "\":\"app\",\"received_at\":\"2023-11-14T22:13:20.123456Z"
                     "\",\"timestamp\":\"1969-12-31T23:59:59.999999Z\","
                     "\"payload\":{\"n\":1}}");
    out.len = 0;
    e.timestamp_us = EVENT_NO_TIME;
    ck_assert_int_eq(event_json(&out, &e), 0);
    ck_assert_ptr_null(strstr(text_str(&out), "timestamp"));
    out.len = 0;
    e.payload = SLICE("\x81\xa1n");
    ck_assert_int_eq(event_json(&out, &e), -EINVAL);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(made_ids_are_ulids)
{
    char id[EVENT_MADE_ID + 1] = { 0 };
    uint8_t random[10] = { 0 };

    /* The example of the ULID specification's reference implementation. */
    event_make_id(id, 1469918176385000, random);
    ck_assert_str_eq(id, "evt_01ARYZ6S410000000000000000");
    memset(random, 0xff, sizeof(random));
    event_make_id(id, 0, random);
    ck_assert_str_eq(id, "evt_0000000000ZZZZZZZZZZZZZZZZ");
    event_make_id(id, -5, random);
    ck_assert_str_eq(id, "evt_0000000000ZZZZZZZZZZZZZZZZ");
    for (int i = 0; i < 10; i++)
        random[i] = (uint8_t) (i == 0 ? 0x08 : i == 9 ? 0x21 : 0);
    event_make_id(id, 281474976710655999, random); /* the last millisecond */
    ck_assert_str_eq(id, "evt_7ZZZZZZZZZ1000000000000011");
    uint8_t bits[16] = { 0x01, 0x56, 0x3e, 0x3a, 0xb5, 0xd3, 0xd6, 0x76,
                         0x4c, 0x61, 0xef, 0xb9, 0x93, 0x02, 0xbd, 0x5b };
    event_id_of(id, bits); /* and that of github.com/oklog/ulid */
    ck_assert_str_eq(id, "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV");
}
END_TEST

/* Times. */

#define S INT64_C(1000000)

static const struct {
    const char *text;
    int64_t us;
    const char *again; /* NULL: the same */
} times[] = {
    { "1970-01-01T00:00:00Z", 0, NULL },
    { "1969-12-31T23:59:59.999999Z", -1, NULL },
    { "2026-11-23T07:09:00.123456Z", 1795417740123456, NULL },
    { "2026-11-23T07:09:00.123Z", 1795417740123000, NULL },
    { "2026-11-23t07:09:00.5z", 1795417740500000, "2026-11-23T07:09:00.500Z" },
    { "2026-11-23 07:09:00Z", 1795417740000000, "2026-11-23T07:09:00Z" },
    { "2026-11-23T07:09:00.1234569999999999999999Z", 1795417740123456,
      "2026-11-23T07:09:00.123456Z" },
    { "2026-11-23T07:09:00.000000Z", 1795417740000000, "2026-11-23T07:09:00Z" },
    { "2026-11-23T09:09:00+02:00", 1795417740000000, "2026-11-23T07:09:00Z" },
    { "2026-11-23T01:39:00-05:30", 1795417740000000, "2026-11-23T07:09:00Z" },
    { "2026-11-23T07:09:00-00:00", 1795417740000000, "2026-11-23T07:09:00Z" },
    { "2026-11-24T07:08:00+23:59", 1795417740000000, "2026-11-23T07:09:00Z" },
    { "2024-02-29T00:00:00Z", 1709164800 * S, NULL },
    { "2000-02-29T12:00:00Z", 951825600 * S, NULL },
    { "1900-03-01T00:00:00Z", -2203891200 * S, NULL },
    { "0001-01-01T00:00:00Z", -62135596800 * S, NULL },
    { "9999-12-31T23:59:59.999999Z", 253402300799 * S + 999999, NULL },
    { "0001-01-01T00:00:00-00:01", -62135596740 * S, "0001-01-01T00:01:00Z" },
    { "2016-12-31T23:59:60Z", 1483228800 * S, "2017-01-01T00:00:00Z" },
    { "2016-12-31T23:59:60.25Z", 1483228800 * S + 250000,
      "2017-01-01T00:00:00.250Z" },
    { "2016-12-31T15:59:60-08:00", 1483228800 * S, "2017-01-01T00:00:00Z" },
    { "2015-07-01T01:59:60+02:00", 1435708800 * S, "2015-07-01T00:00:00Z" },
};

START_TEST(times_are_read_and_written)
{
    const char *text = times[_i].text;
    const char *again = times[_i].again ? times[_i].again : text;
    char got[TIME_TEXT];
    int64_t us;

    ck_assert_msg(time_parse(text, strlen(text), &us) == 0, "%s", text);
    ck_assert_int_eq(us, times[_i].us);
    ck_assert_uint_eq(time_format(got, us), strlen(again));
    ck_assert_str_eq(got, again);
}
END_TEST

static const char *const no_times[] = {
    "",
    "2026",
    "2026-11-23",
    "2026-11-23T07:09Z",
    "2026-11-23T07:09:00",
    "2026-11-23T07:09:00.Z",
    "2026-11-23T07:09:00,5Z",
    "2026-11-23T07:09:00.5",
    "2026-11-23T07:09:00X",
    "2026-11-23T07:09:00ZZ",
    "2026-11-23T07:09:00Z ",
    " 2026-11-23T07:09:00Z",
    "2026-11-23_07:09:00Z",
    "2026-11-23T07:09:00+0200",
    "2026-11-23T07:09:00+02",
    "2026-11-23T07:09:00+02:0",
    "2026-11-23T07:09:00+24:00",
    "2026-11-23T07:09:00+02:60",
    "2026-11-23T24:00:00Z",
    "2026-11-23T07:60:00Z",
    "2026-11-23T07:09:61Z",
    "2026-11-23T07:09:60Z",
    "2016-12-30T23:59:60Z",
    "2016-12-31T23:59:60+01:00",
    "2026-1-23T07:09:00Z",
    "2026-00-23T07:09:00Z",
    "2026-13-23T07:09:00Z",
    "2026-11-00T07:09:00Z",
    "2026-11-31T07:09:00Z",
    "2026-02-29T07:09:00Z",
    "1900-02-29T07:09:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "9999-12-31T23:59:60Z",
    "12026-11-23T07:09:00Z",
    "-2026-11-23T07:09:00Z",
    "20261123T070900Z",
    "2026-11-23T07:09:-1Z",
    "2026-11-2\xb2T07:09:00Z",
};

START_TEST(what_is_no_time_is_refused)
{
    int64_t us = 7;
    ck_assert_msg(time_parse(no_times[_i], strlen(no_times[_i]), &us)
                      == -EINVAL,
                  "%s", no_times[_i]);
    ck_assert_int_eq(us, 7);
}
END_TEST

START_TEST(every_day_has_its_own_text)
{
    char text[TIME_TEXT];
    int64_t us;
    for (int64_t day = -719162; day < 2932897; day += 13) {
        int64_t want = day * 86400 * S + (day + 719162) * 7;
        size_t len = time_format(text, want);
        ck_assert_msg(time_parse(text, len, &us) == 0, "%s", text);
        ck_assert_int_eq(us, want);
    }
}
END_TEST

START_TEST(extreme_numbers_have_a_text)
{
    char text[TIME_TEXT];
    ck_assert_uint_lt(time_format(text, INT64_MIN), TIME_TEXT);
    ck_assert_str_eq(text, "-290308-12-21T19:59:05.224192Z");
    ck_assert_uint_lt(time_format(text, INT64_MAX), TIME_TEXT);
    ck_assert_str_eq(text, "+294247-01-10T04:00:54.775807Z");
}
END_TEST

#define COUNT(table) ((int) (sizeof(table) / sizeof((table)[0])))

int
main(void)
{
    Suite *suite = suite_create("event");
    TCase *tc = tcase_create("event");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, marks_are_no_event_and_come_back_as_they_were);
    tcase_add_test(tc, what_is_packed_is_unpacked);
    tcase_add_test(tc, a_frame_has_these_bytes);
    tcase_add_test(tc, flags_follow_the_payload);
    tcase_add_test(tc, long_members_fit);
    tcase_add_test(tc, members_after_the_payload_are_ignored);
    tcase_add_test(tc, a_retry_is_the_same_event_with_a_mark);
    tcase_add_test(tc, a_mark_says_what_was_decided);
    tcase_add_test(tc, wrong_marks_are_refused);
    tcase_add_test(tc, every_cut_of_the_head_is_refused);
    tcase_add_test(tc, wrong_members_are_refused);
    tcase_add_test(tc, as_json);
    tcase_add_test(tc, made_ids_are_ulids);
    tcase_add_loop_test(tc, times_are_read_and_written, 0, COUNT(times));
    tcase_add_loop_test(tc, what_is_no_time_is_refused, 0, COUNT(no_times));
    tcase_add_test(tc, every_day_has_its_own_text);
    tcase_add_test(tc, extreme_numbers_have_a_text);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
