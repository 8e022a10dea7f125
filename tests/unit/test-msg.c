/* SPDX-License-Identifier: MIT */
/* msgpack as we read and write it, against msgpack-c. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/msg_pack.h"

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

/* The same value, read by both. */

static void same(const msgpack_object *, const struct il_value *);

static void
same_items(const msgpack_object *o, const struct il_value *v)
{
    struct il_value key, item;
    size_t iter = 0;
    uint32_t n = 0;
    int map = o->type == MSGPACK_OBJECT_MAP;

    while (msg_item(v, &iter, &key, &item)) {
        ck_assert_uint_lt(n, v->count);
        if (map)
            same(&o->via.map.ptr[n].key, &key);
        same(map ? &o->via.map.ptr[n].val : &o->via.array.ptr[n], &item);
        n++;
    }
    ck_assert_uint_eq(n, v->count);
}

static void
same(const msgpack_object *o, const struct il_value *v)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        ck_assert_uint_eq(v->type, IL_NULL);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        ck_assert_uint_eq(v->type, IL_BOOL);
        ck_assert_int_eq(v->num.i, o->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        ck_assert_uint_eq(v->type,
                          o->via.u64 > INT64_MAX ? IL_UINT : IL_INT);
        ck_assert_uint_eq(v->num.u, o->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        ck_assert_uint_eq(v->type, IL_INT);
        ck_assert_int_eq(v->num.i, o->via.i64);
        break;
    case MSGPACK_OBJECT_STR:
        ck_assert_uint_eq(v->type, IL_STRING);
        ck_assert(slice_equal(slice_of(o->via.str.ptr, o->via.str.size),
                              slice_of(v->str, v->len)));
        break;
    case MSGPACK_OBJECT_EXT:
        ck_assert_uint_eq(v->type, IL_DECIMAL);
        ck_assert_int_eq(o->via.ext.type, MSG_EXT_DECIMAL);
        ck_assert(slice_equal(slice_of(o->via.ext.ptr, o->via.ext.size),
                              slice_of(v->str, v->len)));
        break;
    case MSGPACK_OBJECT_ARRAY:
        ck_assert_uint_eq(v->type, IL_ARRAY);
        ck_assert_uint_eq(v->count, o->via.array.size);
        same_items(o, v);
        break;
    case MSGPACK_OBJECT_MAP:
        ck_assert_uint_eq(v->type, IL_MAP);
        ck_assert_uint_eq(v->count, o->via.map.size);
        same_items(o, v);
        break;
    default:
        ck_abort_msg("a type that events do not have: %d", o->type);
    }
}

/* Both read all of these bytes, and alike. */
static void
both_read(const char *bytes, size_t len)
{
    msgpack_unpacked u;
    size_t used = 0;
    struct il_value v;
    const char *p = bytes;

    msgpack_unpacked_init(&u);
    ck_assert_int_eq(msgpack_unpack_next(&u, bytes, len, &used),
                     MSGPACK_UNPACK_SUCCESS);
    ck_assert_uint_eq(used, len);
    ck_assert_int_eq(msg_value(&p, bytes + len, &v), 0);
    ck_assert_ptr_eq(p, bytes + len);
    same(&u.data, &v);
    p = bytes;
    ck_assert_int_eq(msg_skip(&p, bytes + len), 0);
    ck_assert_ptr_eq(p, bytes + len);
    ck_assert_int_eq(msg_check(bytes, len), 0);
    msgpack_unpacked_destroy(&u);
}

/* Random values packed by msgpack-c. */

static uint64_t
random_bits(void)
{
    return (uint64_t) rand() << 42 ^ (uint64_t) rand() << 21
           ^ (uint64_t) rand();
}

static void
pack_text(msgpack_packer *pk, size_t prefix, size_t len)
{
    char text[70000];
    int n = snprintf(text, sizeof(text), "%zu", prefix);
    if (len < (size_t) n)
        len = (size_t) n;
    memset(text + n, 'x', len - (size_t) n);
    msgpack_pack_str(pk, len);
    msgpack_pack_str_body(pk, text, len);
}

static void
pack_random(msgpack_packer *pk, int depth)
{
    static const size_t sizes[] = { 0, 1, 15, 31, 32, 255, 256, 65535, 65536 };
    size_t n = sizes[rand() % (rand() % 50 ? 5 : 9)];
    char decimal[40];

    switch (rand() % (depth ? 8 : 6)) {
    case 0:
        msgpack_pack_nil(pk);
        break;
    case 1:
        rand() & 1 ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
        break;
    case 2:
        msgpack_pack_uint64(pk, random_bits() >> (rand() % 64));
        break;
    case 3:
        msgpack_pack_int64(pk, (int64_t) random_bits() >> (rand() % 64));
        break;
    case 4:
        pack_text(pk, 0, n);
        break;
    case 5:
        n = (size_t) snprintf(decimal, sizeof(decimal), "%.*f",
                              1 + rand() % 14, rand() / 1e3);
        msgpack_pack_ext(pk, n, MSG_EXT_DECIMAL);
        msgpack_pack_ext_body(pk, decimal, n);
        break;
    case 6:
        n = n > 32 ? 40 : n / 2;
        msgpack_pack_array(pk, n);
        while (n--)
            pack_random(pk, depth - 1);
        break;
    default:
        n = n > 32 ? 40 : n / 2;
        msgpack_pack_map(pk, n);
        while (n--) {
            pack_text(pk, n, (size_t) rand() % 40);
            pack_random(pk, depth - 1);
        }
    }
}

START_TEST(random_values_are_read_alike_and_survive_json)
{
    msgpack_sbuffer buf;
    msgpack_packer pk;
    struct il_text json = { 0 }, again = { 0 };
    struct il_value v;

    srand((unsigned) _i + 1);
    msgpack_sbuffer_init(&buf);
    msgpack_packer_init(&pk, &buf, msgpack_sbuffer_write);
    for (int i = 0; i < 200; i++) {
        buf.size = again.len = json.len = out.len = 0;
        pack_random(&pk, 3);
        both_read(buf.data, buf.size);

        const char *p = buf.data;
        ck_assert_int_eq(msg_head(&p, p + buf.size, &v), 0);
        ck_assert_int_eq(msg_pack_value(&again, &v), 0);
        /* msgpack-c writes the shortest form of all, as we do. */
        ck_assert(slice_equal(slice_of(again.data, again.len),
                              slice_of(buf.data, buf.size)));

        ck_assert_int_eq(json_write(&json, &v, 0), 0);
        ck_assert_int_eq(json_to_msgpack(json.data, json.len, &out, NULL), 0);
        both_read(out.data, out.len);
        again.len = 0;
        p = out.data;
        ck_assert_int_eq(msg_head(&p, p + out.len, &v), 0);
        ck_assert_int_eq(json_write(&again, &v, 0), 0);
        ck_assert_str_eq(text_str(&again), text_str(&json));
    }
    msgpack_sbuffer_destroy(&buf);
    text_clear(&json);
    text_clear(&again);
}
END_TEST

/* What we write. */

START_TEST(msgpack_c_reads_what_we_write)
{
    static const int64_t ints[]
        = { 0,      1,       127,    128,       255,        256,
            65535,  65536,   -1,     -32,       -33,        -128,
            -129,   -32768,  -32769, INT32_MIN, 4294967295, 4294967296,
            INT64_MAX, INT64_MIN, (int64_t) INT32_MIN - 1 };
    static char text[70000];
    memset(text, '1', sizeof(text));
    text[1] = '.';
    static const size_t lengths[]
        = { 3, 4, 5, 8, 15, 16, 17, 31, 32, 255, 256, 65535, 65536 };

    uint32_t count = sizeof(ints) / sizeof(ints[0]);
    msg_pack_map(&out, 5);
    msg_pack_str(&out, "ints", 4);
    msg_pack_array(&out, count);
    for (uint32_t i = 0; i < count; i++)
        msg_pack_int(&out, ints[i]);
    msg_pack_str(&out, "uint", 4);
    msg_pack_uint(&out, UINT64_MAX);
    msg_pack_str(&out, "texts", 5);
    count = sizeof(lengths) / sizeof(lengths[0]);
    msg_pack_array(&out, 2 * count);
    for (uint32_t i = 0; i < count; i++) {
        msg_pack_str(&out, text, lengths[i]);
        msg_pack_decimal(&out, text, lengths[i]);
    }
    msg_pack_str(&out, "rest", 4);
    msg_pack_array(&out, 3);
    msg_pack_nil(&out);
    msg_pack_bool(&out, 1);
    msg_pack_bool(&out, 0);
    msg_pack_str(&out, "many", 4);
    msg_pack_array(&out, 70000);
    for (int i = 0; i < 70000; i++)
        msg_pack_map(&out, 0);
    both_read(out.data, out.len);
}
END_TEST

/* Ours and msgpack-c's own packer, byte for byte. */

static msgpack_sbuffer theirs;
static msgpack_packer packer;

static void
same_bytes(const char *what, uint64_t n)
{
    ck_assert_msg(slice_equal(slice_of(out.data, out.len),
                              slice_of(theirs.data, theirs.size)),
                  "%s %" PRIu64 " differs", what, n);
    out.len = theirs.size = 0;
}

/* A number and all that it may be the length of. */
static void
same_packed(uint64_t n)
{
    static char text[66000];

    msg_pack_int(&out, (int64_t) n);
    msgpack_pack_int64(&packer, (int64_t) n);
    same_bytes("int", n);
    msg_pack_uint(&out, n);
    msgpack_pack_uint64(&packer, n);
    same_bytes("uint", n);
    if (n > UINT32_MAX)
        return;
    msg_pack_map(&out, (uint32_t) n);
    msgpack_pack_map(&packer, n);
    same_bytes("map", n);
    msg_pack_array(&out, (uint32_t) n);
    msgpack_pack_array(&packer, n);
    same_bytes("array", n);
    if (n > sizeof(text))
        return;
    msg_pack_str(&out, text, n);
    msgpack_pack_str(&packer, n);
    msgpack_pack_str_body(&packer, text, n);
    same_bytes("str", n);
    msg_pack_decimal(&out, text, n);
    msgpack_pack_ext(&packer, n, MSG_EXT_DECIMAL);
    msgpack_pack_ext_body(&packer, text, n);
    same_bytes("ext", n);
}

START_TEST(packs_byte_for_byte_as_msgpack_c_does)
{
    msgpack_sbuffer_init(&theirs);
    msgpack_packer_init(&packer, &theirs, msgpack_sbuffer_write);
    for (int bit = 0; bit < 64; bit++)
        for (uint64_t near = 0; near < 7; near++) {
            same_packed(((uint64_t) 1 << bit) + near - 3);
            same_packed(0 - ((uint64_t) 1 << bit) + near - 3);
        }
    msg_pack_nil(&out);
    msgpack_pack_nil(&packer);
    same_bytes("nil", 0);
    msg_pack_bool(&out, 0);
    msgpack_pack_false(&packer);
    same_bytes("bool", 0);
    msg_pack_bool(&out, 2);
    msgpack_pack_true(&packer);
    same_bytes("bool", 1);
    msgpack_sbuffer_destroy(&theirs);
}
END_TEST

START_TEST(times_become_strings)
{
    struct il_value v = { .type = IL_TIME, .num.i = 0 };
    ck_assert_int_eq(msg_pack_value(&out, &v), 0);
    ck_assert_str_eq(text_str(&out), "\xb4"
                                     "1970-01-01T00:00:00Z");
    v.type = IL_MISSING;
    out.len = 0;
    ck_assert_int_eq(msg_pack_value(&out, &v), 0);
    ck_assert_str_eq(text_str(&out), "\xc0");
}
END_TEST

/* Looking things up. */

static struct il_value
parsed(const char *json)
{
    struct il_value v;
    out.len = 0;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &out, NULL), 0);
    const char *p = out.data;
    ck_assert_int_eq(msg_head(&p, p + out.len, &v), 0);
    return v;
}

START_TEST(finds_keys_behind_anything)
{
    struct il_value v, map = parsed("{\"a\":[[1],{\"z\":2}],\"b\":{\"z\":3},"
                                    "\"ab\":1.5,\"z\":4,\"\":5}");
    ck_assert_int_eq(msg_find(&map, "z", 1, &v), 1);
    ck_assert_int_eq(v.num.i, 4);
    ck_assert_int_eq(msg_find(&map, "", 0, &v), 1);
    ck_assert_int_eq(v.num.i, 5);
    ck_assert_int_eq(msg_find(&map, "ab", 2, &v), 1);
    ck_assert_uint_eq(v.type, IL_DECIMAL);
    ck_assert_int_eq(msg_find(&map, "b", 1, &v), 1);
    ck_assert_uint_eq(v.type, IL_MAP);
    ck_assert_int_eq(msg_find(&v, "z", 1, &v), 1);
    ck_assert_int_eq(v.num.i, 3);
    ck_assert_int_eq(msg_find(&map, "zz", 2, &v), 0);
    v = parsed("[\"z\",1]");
    ck_assert_int_eq(msg_find(&v, "z", 1, &v), 0);
}
END_TEST

START_TEST(elements_from_both_ends)
{
    struct il_value v, array = parsed("[10,[[]],{\"a\":1},13]");
    static const struct {
        int64_t i, want;
    } at[] = { { 0, 10 }, { 3, 13 }, { -1, 13 }, { -4, 10 } };
    static const int64_t none[] = { 4, -5, INT64_MAX, INT64_MIN };

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(msg_at(&array, at[i].i, &v), 1);
        ck_assert_int_eq(v.num.i, at[i].want);
        ck_assert_int_eq(msg_at(&array, none[i], &v), 0);
    }
    ck_assert_int_eq(msg_at(&array, -2, &v), 1);
    ck_assert_uint_eq(v.type, IL_MAP);
    v = parsed("{\"0\":1}");
    ck_assert_int_eq(msg_at(&v, 0, &v), 0);
}
END_TEST

START_TEST(walks_end_at_the_count_not_at_the_bytes)
{
    static const char bytes[] = "\x92\x01\x02\x03\x04";
    struct il_value v, item;
    const char *p = bytes;
    size_t iter = 0;

    ck_assert_int_eq(msg_head(&p, bytes + 5, &v), 0);
    struct il_value key = { .type = IL_STRING };
    ck_assert_int_eq(msg_item(&v, &iter, &key, &item), 1);
    ck_assert_int_eq(key.type, IL_MISSING);
    ck_assert_int_eq(item.num.i, 1);
    ck_assert_int_eq(msg_item(&v, &iter, NULL, &item), 1);
    ck_assert_int_eq(item.num.i, 2);
    ck_assert_int_eq(msg_item(&v, &iter, NULL, &item), 0);
    ck_assert_int_eq(msg_item(&v, &iter, NULL, &item), 0);
    iter = 0;
    v.type = IL_INT;
    ck_assert_int_eq(msg_item(&v, &iter, NULL, &item), 0);
}
END_TEST

/* Hostile bytes. */

START_TEST(every_cut_is_refused)
{
    parsed("{\"a\":[1,300,70000,5000000000,-5,-500,-70000,-5000000000,1.5,"
           "1.25,1.125,true,null,\"\",\"0123456789abcdef0123456789abcdef\"],"
           "\"b\":{\"c\":{}}}");
    for (size_t cut = 0; cut < out.len; cut++) {
        char *copy = malloc(cut + 1);
        struct il_value v;
        memcpy(copy, out.data, cut);
        const char *p = copy;
        ck_assert_int_eq(msg_skip(&p, copy + cut), -EINVAL);
        ck_assert_ptr_eq(p, copy);
        ck_assert_int_eq(msg_value(&p, copy + cut, &v), -EINVAL);
        ck_assert_ptr_eq(p, copy);
        ck_assert_int_eq(msg_check(copy, cut), -EINVAL);
        free(copy);
    }
}
END_TEST

static const struct {
    const char *bytes;
    size_t len;
    int ok;
} outside[] = {
#define T(s, ok) { s, sizeof(s) - 1, ok }
    T("\xc0", 1),
    T("", 0),
    T("\xc0\xc0", 0),                        /* two values */
    T("\xc1", 0),                            /* never used */
    T("\xca\0\0\0\0", 0),                    /* float */
    T("\xcb\0\0\0\0\0\0\0\0", 0),
    T("\xc4\x01x", 0),                       /* bin */
    T("\xd6\xff\0\0\0\0", 0),                /* timestamp */
    T("\x81\x01\x02", 0),                    /* key is no string */
    T("\x82\xa1" "a\x01\xa1" "a\x02", 0),    /* key twice */
    T("\x82\xa1" "a\x01\xd9\x01" "a\x02", 0), /* also in a longer form */
    T("\x82\xa1" "a\x01\xa1" "b\x02", 1),
    T("\x82\xa0\x01\xa1" "b\x02", 1),
    T("\x82\xa0\x01\xd9\0\x02", 0),
    T("\xd9\x01" "a", 1),                    /* longer than needed */
    T("\xa1\x80", 0),                        /* not UTF-8 */
    T("\xa3\xed\xa0\x80", 1),                /* lone surrogates */
    T("\xa3\xed\xbf\xbf", 1),
    T("\xa6\xed\xa0\xbd\xed\xb8\x80", 0),    /* a pair, not joined */
    T("\xa6\xed\xb8\x80\xed\xa0\xbd", 1),
    T("\xa7\xed\xa0\xbd" "x\xed\xb8\x80", 1),
    T("\xa2\xed\xa0", 0),
    T("\xa3\xed\xa0" "x", 0),
    T("\xd5\x01-0", 1),                      /* decimals */
    T("\xc7\x03\x01" "1.5", 1),
    T("\xd4\x01" "5", 0),                    /* an integer in disguise */
    T("\xd4\x01" "x", 0),
    T("\xc7\x00\x01", 0),
    T("\xd5\x01" "1.", 0),
    T("\xd5\x01" " 1", 0),
    T("\xdd\xff\xff\xff\xff", 0),
    T("\xdf\xff\xff\xff\xff\xa0", 0),
#undef T
};

START_TEST(bytes_from_outside_are_checked)
{
    ck_assert_int_eq(msg_check(outside[_i].bytes, outside[_i].len),
                     outside[_i].ok ? 0 : -EINVAL);
}
END_TEST

START_TEST(depth_limit_is_exact)
{
    char bytes[MSG_DEPTH_MAX + 2];
    memset(bytes, 0x91, sizeof(bytes));
    bytes[MSG_DEPTH_MAX] = 1;
    ck_assert_int_eq(msg_check(bytes, MSG_DEPTH_MAX + 1), 0);
    bytes[MSG_DEPTH_MAX] = (char) 0x91;
    bytes[MSG_DEPTH_MAX + 1] = 1;
    ck_assert_int_eq(msg_check(bytes, MSG_DEPTH_MAX + 2), -EINVAL);
    bytes[MSG_DEPTH_MAX - 1] = (char) 0x90;
    ck_assert_int_eq(msg_check(bytes, MSG_DEPTH_MAX), 0);
}
END_TEST

#define COUNT(table) ((int) (sizeof(table) / sizeof((table)[0])))

int
main(void)
{
    Suite *suite = suite_create("msg");
    TCase *tc = tcase_create("msgpack");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, random_values_are_read_alike_and_survive_json, 0,
                        5);
    tcase_add_test(tc, msgpack_c_reads_what_we_write);
    tcase_add_test(tc, packs_byte_for_byte_as_msgpack_c_does);
    tcase_add_test(tc, times_become_strings);
    tcase_add_test(tc, finds_keys_behind_anything);
    tcase_add_test(tc, elements_from_both_ends);
    tcase_add_test(tc, walks_end_at_the_count_not_at_the_bytes);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_loop_test(tc, bytes_from_outside_are_checked, 0,
                        COUNT(outside));
    tcase_add_test(tc, depth_limit_is_exact);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
