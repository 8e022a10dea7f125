/* SPDX-License-Identifier: MIT */
#include "codec/msg_pack.h"
#include "store/entity.h"
#include "store/entity_cache.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64], dir[80];
static struct entities *store;

static void
setup(void)
{
    strcpy(base, "/tmp/test-entity-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(dir, sizeof(dir), "%s/entities", base);
    ck_assert_int_eq(entity_open(dir, 64 << 20, &store), 0);
}

static void
teardown(void)
{
    char path[128];
    entity_close(store);
    store = NULL;
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/lock.mdb", dir);
    unlink(path);
    rmdir(dir);
    rmdir(base);
}

static void
reopen(void)
{
    entity_close(store);
    ck_assert_int_eq(entity_open(dir, 64 << 20, &store), 0);
}

static struct slice
text(const char *s)
{
    return slice_of(s, strlen(s));
}

static int
put_json(const char *kind, const char *id, const char *json, int64_t seen)
{
    struct il_text traits = { 0 };
    struct json_error error;
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &traits, &error), 0);
    struct entity_put put = { .kind = text(kind),
                              .id = text(id),
                              .seen_us = seen };
    put.traits = slice_of(traits.data, traits.len);
    int err = entity_put(store, &put, 1, NULL);
    text_clear(&traits);
    return err ? err : put.created;
}

/* The entity's traits as JSON; "" when there is none.  One buffer. */
static const char *
traits_of(const char *kind, const char *id)
{
    static struct il_text json;
    struct il_text copy = { 0 };
    struct entity one;
    json.len = 0;
    int found = entity_get(store, text(kind), text(id), &copy, &one);
    ck_assert_int_ge(found, 0);
    if (found)
        ck_assert_int_ge(json_write(&json, &one.traits, 0), 0);
    text_clear(&copy);
    return text_str(&json);
}

static void
times_of(const char *kind, const char *id, int64_t *first, int64_t *last)
{
    struct il_text copy = { 0 };
    struct entity one;
    ck_assert_int_eq(entity_get(store, text(kind), text(id), &copy, &one), 1);
    *first = one.first_seen_us;
    *last = one.last_seen_us;
    text_clear(&copy);
}

START_TEST(traits_merge_one_level_deep)
{
    ck_assert_int_eq(
        put_json("user", "u", "{\"a\":1,\"b\":{\"x\":1},\"c\":[1]}", 1), 1);
    ck_assert_int_eq(put_json("user", "u", "{\"d\":\"n\",\"b\":{\"y\":2}}", 1),
                     0);
    ck_assert_str_eq(traits_of("user", "u"),
                     "{\"a\":1,\"b\":{\"y\":2},\"c\":[1],\"d\":\"n\"}");
    put_json("user", "u", "{\"a\":null}", 1);
    put_json("user", "u", "{}", 1);
    ck_assert_str_eq(traits_of("user", "u"),
                     "{\"a\":null,\"b\":{\"y\":2},\"c\":[1],\"d\":\"n\"}");
}
END_TEST

START_TEST(numbers_and_text_stay_exact)
{
    const char *json = "{\"n\":1.10,\"big\":123456789012345678901234567890,"
                       "\"e\":1e400,\"s\":\"\\u0000\\ud800 \xF0\x9F\x98\x80\"}";
    put_json("user", "u", json, 1);
    put_json("user", "u", "{\"z\":-0}", 1);
    const char *got = traits_of("user", "u");
    ck_assert_ptr_nonnull(strstr(got, "\"n\":1.10,"));
    ck_assert_ptr_nonnull(strstr(got, ":123456789012345678901234567890,"));
    ck_assert_ptr_nonnull(strstr(got, "1e400"));
    ck_assert_ptr_nonnull(strstr(got, "\\u0000\\ud800 \xF0\x9F\x98\x80"));
    ck_assert_ptr_nonnull(strstr(got, "\"z\":-0}"));
}
END_TEST

struct told {
    const char *step, *id, *json;
    uint64_t position;
    int64_t seen;
};

/* What the steps `a` and `b` tell, each in order; how many were written. */
static int
apply(const char *was, const struct told *told, size_t n)
{
    struct entity_mark marks[2] = { { .name = text("x/a") },
                                    { .name = text("x/b") } };
    struct entity_put puts[8] = { { .mark = 0 } };
    struct il_text traits[8] = { { 0 } };
    struct json_error error;
    int written = 0;
    if (was)
        marks[0].was = text(was);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(json_to_msgpack(told[i].json, strlen(told[i].json),
                                         &traits[i], &error),
                         0);
        puts[i] = (struct entity_put){
            .kind = text("user"),
            .id = text(told[i].id),
            .traits = slice_of(traits[i].data, traits[i].len),
            .seen_us = told[i].seen,
            .position = told[i].position,
            .mark = told[i].step[0] == 'b',
            .flags = ENTITY_PUT_LENIENT | ENTITY_PUT_NEWS
        };
    }
    ck_assert_int_eq(entity_apply(store, marks, 2, puts, n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        written += puts[i].written;
        text_clear(&traits[i]);
    }
    return written;
}

START_TEST(what_was_told_up_to_a_mark_is_told_once)
{
    const struct told first[] = { { "a", "u", "{\"p\":1}", 5, 10 },
                                  { "a", "v", "{\"p\":1}", 7, 10 },
                                  { "b", "u", "{\"q\":1}", 5, 10 } };
    const struct told more[] = { { "a", "u", "{\"p\":1}", 5, 10 },
                                 { "a", "v", "{\"p\":1}", 7, 10 },
                                 { "b", "u", "{\"q\":2}", 6, 11 },
                                 { "a", "u", "{\"p\":3}", 8, 12 } };
    ck_assert_int_eq(apply(NULL, first, 3), 3);
    put_json("user", "u", "{\"p\":2}", 20);
    put_json("user", "v", "{\"p\":2}", 20);
    reopen();
    ck_assert_int_eq(apply(NULL, more, 3), 1);
    ck_assert_str_eq(traits_of("user", "u"), "{\"p\":2,\"q\":2}");
    ck_assert_str_eq(traits_of("user", "v"), "{\"p\":2}");
    ck_assert_int_eq(apply(NULL, more, 4), 1);
    ck_assert_str_eq(traits_of("user", "u"), "{\"p\":3,\"q\":2}");
    ck_assert_uint_eq(entity_count(store), 2);
}
END_TEST

START_TEST(several_at_one_position_are_all_told)
{
    const struct told told[] = { { "a", "u", "{\"p\":1}", 5, 10 },
                                 { "a", "v", "{\"p\":1}", 5, 10 } };
    ck_assert_int_eq(apply(NULL, told, 2), 2);
    ck_assert_int_eq(apply(NULL, told, 2), 0);
}
END_TEST

START_TEST(a_mark_goes_by_its_name_before_until_it_moves)
{
    struct entity_mark was = { .name = text("w/a") };
    const struct told told[] = { { "a", "u", "{\"p\":1}", 5, 10 },
                                 { "a", "u", "{\"p\":2}", 6, 10 } };
    struct entity_put put = { .kind = text("user"),
                              .id = text("u"),
                              .traits = slice_of("\x80", 1),
                              .position = 5 };
    ck_assert_int_eq(entity_apply(store, &was, 1, &put, 1, NULL), 0);
    ck_assert_int_eq(apply("w/a", told, 1), 0);
    ck_assert_int_eq(apply("w/a", told, 2), 1);
    ck_assert_int_eq(apply(NULL, told, 2), 0);
}
END_TEST

START_TEST(what_changes_nothing_is_written_once_in_an_hour)
{
    const int64_t hour = INT64_C(3600000000);
    int64_t first, last;
    const struct told same = { "a", "u", "{\"p\":1}", 1, 10 };
    const struct told soon = { "a", "u", "{\"p\":1}", 2, hour };
    const struct told late = { "a", "u", "{\"p\":1}", 3, hour + 10 };
    ck_assert_int_eq(apply(NULL, &same, 1), 1);
    ck_assert_int_eq(apply(NULL, &soon, 1), 0);
    times_of("user", "u", &first, &last);
    ck_assert_int_eq(last, 10);
    ck_assert_int_eq(apply(NULL, &late, 1), 1);
    times_of("user", "u", &first, &last);
    ck_assert_int_eq(first, 10);
    ck_assert_int_eq(last, hour + 10);
}
END_TEST

START_TEST(first_seen_stays_and_last_seen_never_goes_back)
{
    int64_t first, last;
    put_json("user", "u", "{}", 1000);
    put_json("user", "u", "{}", 3000);
    put_json("user", "u", "{}", 2000);
    times_of("user", "u", &first, &last);
    ck_assert_int_eq(first, 1000);
    ck_assert_int_eq(last, 3000);
    put_json("user", "u", "{}", 500);
    times_of("user", "u", &first, &last);
    ck_assert_int_eq(first, 1000);
    ck_assert_int_eq(last, 3000);
}
END_TEST

START_TEST(kinds_are_apart)
{
    put_json("user", "1", "{\"k\":\"user\"}", 1);
    put_json("account", "1", "{\"k\":\"account\"}", 1);
    ck_assert_str_eq(traits_of("user", "1"), "{\"k\":\"user\"}");
    ck_assert_str_eq(traits_of("account", "1"), "{\"k\":\"account\"}");
    ck_assert_str_eq(traits_of("use", "r1"), "");
    ck_assert_uint_eq(entity_count(store), 2);
}
END_TEST

START_TEST(bad_names_and_traits_are_refused)
{
    char long_kind[ENTITY_KIND_MAX + 2], long_id[ENTITY_ID_MAX + 2];
    memset(long_kind, 'k', sizeof(long_kind));
    memset(long_id, 'i', sizeof(long_id));
    long_kind[ENTITY_KIND_MAX + 1] = long_id[ENTITY_ID_MAX + 1] = 0;
    const char *const kinds[] = { "",    "User", "1user",    "_x",
                                  "a-b", "a b",  "\xC3\xA4", long_kind };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        ck_assert_int_eq(put_json(kinds[i], "u", "{}", 1), -EINVAL);
    ck_assert_int_eq(put_json("user", "", "{}", 1), -EINVAL);
    ck_assert_int_eq(put_json("user", long_id, "{}", 1), -EINVAL);
    ck_assert_int_eq(put_json("user", "u", "[]", 1), -EINVAL);
    long_kind[ENTITY_KIND_MAX] = long_id[ENTITY_ID_MAX] = 0;
    ck_assert_int_eq(put_json(long_kind, long_id, "{}", 1), 1);
    ck_assert_str_eq(traits_of(long_kind, long_id), "{}");
    struct entity_put nul = { .kind = text("user"),
                              .id = { "a\0b", 3 },
                              .traits = { "\x80", 1 } };
    ck_assert_int_eq(entity_put(store, &nul, 1, NULL), -EINVAL);
}
END_TEST

START_TEST(broken_msgpack_is_refused)
{
    const struct slice bad[] = {
        { "", 0 },                               /* nothing */
        { "\x81", 1 },                           /* a pair that is missing */
        { "\x81\xA1x", 3 },                      /* its value is missing */
        { "\x80\x80", 2 },                       /* something behind */
        { "\x81\x01\x01", 3 },                   /* a key that is no string */
        { "\xDF\xFF\xFF\xFF\xFF", 5 },           /* a count that lies */
        { "\x81\xA1\xFF\x01", 4 },               /* not UTF-8 */
        { "\x82\xA1x\x01\xA1x\x02", 7 },         /* a name twice */
        { "\x81\xA1x\xCB\0\0\0\0\0\0\0\0", 12 }, /* a float */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct entity_put put = { .kind = text("user"),
                                  .id = text("u"),
                                  .traits = bad[i] };
        ck_assert_msg(entity_put(store, &put, 1, NULL) == -EINVAL, "%zu", i);
    }
    ck_assert_uint_eq(entity_count(store), 0);
}
END_TEST

/* {"t0": 0, ...}: many small traits. */
static void
many_traits(struct il_text *out, const char *name, uint32_t count)
{
    char key[32];
    out->len = 0;
    msg_pack_map(out, count);
    for (uint32_t i = 0; i < count; i++) {
        int n = snprintf(key, sizeof(key), "%s%u", name, i);
        msg_pack_str(out, key, (size_t) n);
        msg_pack_int(out, i);
    }
}

START_TEST(merged_traits_have_a_largest_size)
{
    struct il_text t = { 0 };
    struct entity_put put = { .kind = text("user"), .id = text("u") };
    for (int i = 0;; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d_", i);
        many_traits(&t, name, 20000);
        put.traits = slice_of(t.data, t.len);
        int err = entity_put(store, &put, 1, NULL);
        if (err) {
            ck_assert_int_eq(err, -EMSGSIZE);
            ck_assert_int_ge(i, 3);
            break;
        }
        ck_assert_int_lt(i, 10);
    }
    text_clear(&t);
    ck_assert_int_eq(put_json("user", "u", "{\"n0_1\":true}", 1), 0);
}
END_TEST

START_TEST(several_are_put_in_order_all_or_none)
{
    struct entity_put puts[] = {
        { .kind = text("user"),
          .id = text("a"),
          .traits = { "\x81\xA1x\1", 4 } },
        { .kind = text("user"),
          .id = text("a"),
          .traits = { "\x81\xA1x\2", 4 } },
        { .kind = text("User"), .id = text("b"), .traits = { "\x80", 1 } },
    };
    size_t bad = 99;
    ck_assert_int_eq(entity_put(store, puts, 3, &bad), -EINVAL);
    ck_assert_uint_eq(bad, 2);
    ck_assert_uint_eq(entity_count(store), 0);
    puts[2].flags = ENTITY_PUT_LENIENT;
    ck_assert_int_eq(entity_put(store, puts, 3, NULL), 0);
    ck_assert_int_eq(puts[0].created, 1);
    ck_assert_int_eq(puts[1].created, 0);
    ck_assert_int_eq(puts[2].error, -EINVAL);
    ck_assert_str_eq(traits_of("user", "a"), "{\"x\":2}");
    puts[1].id = text("new");
    puts[1].flags = ENTITY_PUT_EXISTING;
    ck_assert_int_eq(entity_put(store, puts, 2, &bad), -ENOENT);
    ck_assert_uint_eq(bad, 1);
    ck_assert_str_eq(traits_of("user", "a"), "{\"x\":2}");
}
END_TEST

START_TEST(deleting)
{
    put_json("user", "u", "{\"a\":1}", 5);
    ck_assert_int_eq(entity_delete(store, text("user"), text("v")), 0);
    ck_assert_int_eq(entity_delete(store, text("User"), text("u")), 0);
    ck_assert_int_eq(entity_delete(store, text("user"), text("u")), 1);
    ck_assert_int_eq(entity_delete(store, text("user"), text("u")), 0);
    ck_assert_str_eq(traits_of("user", "u"), "");
    ck_assert_int_eq(put_json("user", "u", "{\"b\":1}", 9), 1);
    ck_assert_str_eq(traits_of("user", "u"), "{\"b\":1}");
}
END_TEST

START_TEST(a_restart_finds_everything)
{
    put_json("user", "u", "{\"a\":1}", 5);
    reopen();
    ck_assert_str_eq(traits_of("user", "u"), "{\"a\":1}");
    ck_assert_uint_eq(entity_count(store), 1);
}
END_TEST

START_TEST(files_are_the_owners_alone)
{
    struct stat st;
    char path[128];
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    snprintf(path, sizeof(path), "%s/lock.mdb", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(no_folder_is_no_store)
{
    struct entities *none;
    ck_assert_int_eq(entity_open("/nonexistent/place", 0, &none), -ENOENT);
    ck_assert_ptr_null(none);
}
END_TEST

struct walk {
    struct il_text names;
    uint32_t stop_after, seen;
};

static int
walk_one(void *arg, const struct entity *one)
{
    struct walk *w = arg;
    text_put(&w->names, one->kind.ptr, one->kind.len);
    text_putc(&w->names, '/');
    text_put(&w->names, one->id.ptr, one->id.len);
    text_putc(&w->names, ' ');
    return ++w->seen == w->stop_after ? 7 : 0;
}

static void
expect_walk(const char *kind, const char *after, uint32_t limit,
            const char *names)
{
    struct walk w = { 0 };
    struct slice none = { 0 };
    ck_assert_int_eq(entity_each(store, kind ? text(kind) : none,
                                 after ? text(after) : none, limit, walk_one,
                                 &w),
                     0);
    ck_assert_str_eq(text_str(&w.names), names);
    text_clear(&w.names);
}

START_TEST(walking)
{
    expect_walk(NULL, NULL, 10, "");
    const char *const ids[] = { "b", "a", "c", "a/x" };
    for (int i = 0; i < 4; i++)
        put_json("user", ids[i], "{}", 1);
    put_json("account", "z", "{}", 1);
    put_json("userx", "q", "{}", 1);
    expect_walk("user", NULL, 10, "user/a user/a/x user/b user/c ");
    expect_walk("user", NULL, 2, "user/a user/a/x ");
    expect_walk("user", "a/x", 10, "user/b user/c ");
    expect_walk("user", "aa", 1, "user/b ");
    expect_walk("user", "c", 10, "");
    expect_walk("nobody", NULL, 10, "");
    expect_walk(NULL, NULL, 10,
                "account/z user/a user/a/x user/b user/c userx/q ");
    expect_walk(NULL, "user/a/x", 10, "user/b user/c userx/q ");
    struct walk w = { .stop_after = 2 };
    struct slice none = { 0 };
    ck_assert_int_eq(entity_each(store, none, none, 10, walk_one, &w), 7);
    ck_assert_uint_eq(w.seen, 2);
    ck_assert_int_eq(
        entity_each(store, none, text("no-slash"), 10, walk_one, &w), -EINVAL);
    text_clear(&w.names);
}
END_TEST

START_TEST(a_reader_sees_one_snapshot)
{
    struct entity_reader *r;
    struct entity one;
    struct il_kind user = { "user", 4 };
    put_json("user", "u", "{\"v\":1}", 1);
    ck_assert_int_eq(entity_reader_new(store, &r), 0);
    ck_assert_int_eq(entity_reader_get(r, &user, text("u"), &one), -EINVAL);
    ck_assert_int_eq(entity_reader_begin(r), 0);
    ck_assert_int_eq(entity_reader_get(r, &user, text("u"), &one), 1);
    for (int i = 2; i < 200; i++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"v\":%d,\"w\":%d}", i, i);
        put_json("user", "u", json, i);
    }
    entity_delete(store, text("user"), text("u"));
    /* the first view still stands, and so does a new one */
    size_t iter = 0;
    struct il_value key, value;
    ck_assert_int_eq(msg_item(&one.traits, &iter, &key, &value), 1);
    ck_assert_int_eq(value.num.i, 1);
    ck_assert_int_eq(entity_reader_get(r, &user, text("u"), &one), 1);
    ck_assert_int_eq(one.last_seen_us, 1);
    ck_assert_int_eq(entity_reader_get(r, &user, text("v"), &one), 0);
    entity_reader_end(r);
    ck_assert_int_eq(entity_reader_begin(r), 0);
    ck_assert_int_eq(entity_reader_get(r, &user, text("u"), &one), 0);
    entity_reader_free(r);
}
END_TEST

#define MANY 6000

/* Every step-th, in transactions of up to CHUNK; every 97th is large enough
 * for pages of its own. */
#define CHUNK 1000

static void
put_numbered(int step, int version)
{
    static struct entity_put puts[CHUNK];
    static struct il_text traits[CHUNK];
    static char ids[CHUNK][32], filler[6000];
    for (int i = 0, n = 0; i < MANY; i += step) {
        traits[n].len = 0;
        msg_pack_map(&traits[n], 2);
        msg_pack_str(&traits[n], "v", 1);
        msg_pack_uint(&traits[n], (uint64_t) (i + version));
        msg_pack_str(&traits[n], "filler", 6);
        msg_pack_str(&traits[n], filler, i % 97 ? (size_t) i % 50 : 6000);
        snprintf(ids[n], sizeof(ids[n]), "number-%d", i);
        puts[n] =
            (struct entity_put){ .kind = text("user"), .id = text(ids[n]) };
        puts[n].traits = slice_of(traits[n].data, traits[n].len);
        if (++n == CHUNK || i + step >= MANY) {
            ck_assert_int_eq(entity_put(store, puts, (size_t) n, NULL), 0);
            n = 0;
        }
    }
}

/* Look all of them up; every hundredth has been deleted where that is set. */
static void
expect_numbered(struct entity_reader *r, int version, int some_gone)
{
    struct il_kind user = { "user", 4 };
    struct entity one;
    struct il_value value;
    char id[32], soon[32];
    ck_assert_int_eq(entity_reader_begin(r), 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(soon, sizeof(soon), "number-%d", i + 12);
        entity_reader_hint(r, &user, text(soon));
        snprintf(id, sizeof(id), "number-%d", i);
        int found = entity_reader_get(r, &user, text(id), &one);
        ck_assert_int_eq(found, !some_gone || i % 100 != 0);
        if (!found)
            continue;
        ck_assert_int_eq(msg_find(&one.traits, "v", 1, &value), 1);
        ck_assert_int_eq(value.num.i, i + (i % 5 ? 0 : version));
    }
    entity_reader_end(r);
}

START_TEST(a_reader_that_remembers_sees_every_change)
{
    struct entity_reader *r;
    ck_assert_int_eq(entity_reader_new(store, &r), 0);
    put_numbered(1, 0);
    for (int round = 0; round < 3; round++)
        expect_numbered(r, 0, 0);
    put_numbered(5, 1000000);
    for (int round = 0; round < 2; round++)
        expect_numbered(r, 1000000, 0);
    char id[32];
    for (int i = 0; i < MANY; i += 100) {
        snprintf(id, sizeof(id), "number-%d", i);
        ck_assert_int_eq(entity_delete(store, text("user"), text(id)), 1);
    }
    for (int round = 0; round < 2; round++)
        expect_numbered(r, 1000000, 1);
    entity_reader_trim(r);
    expect_numbered(r, 1000000, 1);
    entity_reader_free(r);
}
END_TEST

START_TEST(what_is_remembered_holds_for_one_snapshot)
{
    static char pair[] = "user\0uvalue";
    struct entity_cache c = { 0 };
    MDB_val key = { 6, pair }, value = { 5, pair + 6 }, got = { 0, NULL };
    MDB_val other = { 6, (char *) "user\0v" };
    uint64_t hash = entity_cache_hash(&key);
    for (size_t txn = 1; txn < 140000; txn++) {
        entity_cache_begin(&c, txn, 0);
        ck_assert_int_eq(entity_cache_get(&c, hash, &key, &got), 0);
        if (txn % 70000 < 3)
            entity_cache_add(&c, hash, &key, &value);
    }
    entity_cache_add(&c, hash, &key, &value);
    ck_assert_int_eq(entity_cache_get(&c, hash, &key, &got), 1);
    ck_assert_ptr_eq(got.mv_data, pair + 6);
    ck_assert_uint_eq(got.mv_size, 5);
    /* another key of the same hash is another key */
    ck_assert_int_eq(entity_cache_get(&c, hash, &other, &got), 0);
    entity_cache_begin(&c, 139999, 1); /* the map was laid anew */
    ck_assert_int_eq(entity_cache_get(&c, hash, &key, &got), 0);
    entity_cache_clear(&c);
}
END_TEST

/* Far more entities than it holds, none of them twice: then it rests, and
 * begins again. */
START_TEST(a_memory_that_helps_nobody_rests)
{
    static char bytes[300000][12];
    struct entity_cache c = { 0 };
    MDB_val got;
    int i = 0;
    entity_cache_limit(0);
    entity_cache_begin(&c, 1, 0);
    for (; !c.rest; i++) {
        ck_assert_int_lt(i, 300000);
        snprintf(bytes[i], sizeof(bytes[i]), "k%06dv", i);
        MDB_val key = { 7, bytes[i] }, value = { 1, bytes[i] + 7 };
        uint64_t hash = entity_cache_hash(&key);
        ck_assert_int_eq(entity_cache_get(&c, hash, &key, &got), 0);
        entity_cache_add(&c, hash, &key, &value);
    }
    ck_assert_int_gt(i, 100000);
    MDB_val key = { 7, bytes[0] }, value = { 1, bytes[0] + 7 };
    uint64_t hash = entity_cache_hash(&key);
    while (c.rest) {
        ck_assert_int_eq(entity_cache_get(&c, hash, &key, &got), 0);
        entity_cache_add(&c, hash, &key, &value);
    }
    entity_cache_add(&c, hash, &key, &value);
    ck_assert_int_eq(entity_cache_get(&c, hash, &key, &got), 1);
    ck_assert_ptr_eq(got.mv_data, value.mv_data);
    entity_cache_clear(&c);
    entity_cache_limit(ENTITY_CACHE_SHARED);
}
END_TEST

#define LOTS 600000

/* How many of the entities it finds; those that it does not it is told. */
static int
remember_many(struct entity_cache *c, char (*bytes)[12])
{
    int found = 0;
    for (int i = 0; i < LOTS; i++) {
        MDB_val key = { 7, bytes[i] }, value = { 2, bytes[i] + 7 }, got;
        uint64_t hash = entity_cache_hash(&key);
        if (!entity_cache_get(c, hash, &key, &got)) {
            entity_cache_add(c, hash, &key, &value);
            continue;
        }
        ck_assert_ptr_eq(got.mv_data, bytes[i] + 7);
        ck_assert_uint_eq(got.mv_size, 2);
        found++;
    }
    return found;
}

/* Two that want more than there is for both. */
START_TEST(large_memories_share_what_there_is)
{
    static char bytes[LOTS][12];
    struct entity_cache a = { 0 }, b = { 0 };
    for (int i = 0; i < LOTS; i++)
        snprintf(bytes[i], sizeof(bytes[i]), "k%06dvv", i);
    entity_cache_limit((size_t) 8 << 20);
    entity_cache_begin(&a, 1, 0);
    entity_cache_begin(&b, 1, 0);
    ck_assert_int_eq(remember_many(&a, bytes), 0);
    ck_assert_int_gt(remember_many(&a, bytes), LOTS * 8 / 10);
    ck_assert_uint_eq(a.count * 64, 8 << 20);
    remember_many(&b, bytes);
    ck_assert_int_lt(remember_many(&b, bytes), LOTS / 2);
    ck_assert_uint_eq(b.count * 64, 2 << 20);
    entity_cache_clear(&a);
    while (b.rest)
        remember_many(&b, bytes);
    for (int i = 0; i < 4; i++)
        remember_many(&b, bytes);
    ck_assert_uint_eq(b.count * 64, 8 << 20);
    ck_assert_int_gt(remember_many(&b, bytes), LOTS * 8 / 10);
    entity_cache_clear(&b);
    entity_cache_limit(ENTITY_CACHE_SHARED);
}
END_TEST

START_TEST(a_full_store_refuses_and_recovers)
{
    entity_close(store);
    store = NULL;
    ck_assert_int_eq(entity_open(dir, 1 << 20, &store), 0);
    char *big = malloc(20001), json[20100], id[16];
    memset(big, 'x', 20000);
    big[20000] = 0;
    snprintf(json, sizeof(json), "{\"big\":\"%s\"}", big);
    free(big);
    int n = 0, err = 0;
    for (; n < 100 && err >= 0; n++) {
        snprintf(id, sizeof(id), "u%d", n);
        err = put_json("user", id, json, 1);
    }
    ck_assert_int_eq(err, -ENOSPC);
    ck_assert_uint_eq(entity_count(store), (uint64_t) n - 1);
    ck_assert_str_eq(traits_of("user", id), "");
    ck_assert_str_eq(traits_of("user", "u0"), json);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "u%d", i);
        ck_assert_int_eq(entity_delete(store, text("user"), text(id)), 1);
    }
    ck_assert_int_eq(put_json("user", "again", json, 1), 1);
    /* a larger limit is enough, too */
    entity_close(store);
    ck_assert_int_eq(entity_open(dir, 8 << 20, &store), 0);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "v%d", i);
        ck_assert_int_eq(put_json("user", id, json, 1), 1);
    }
}
END_TEST

static struct entities
    *volatile inherited; /* so that checkers see it is not lost */

/* In a process of its own, which leaves without destructors. */
static pid_t
child(void (*fn)(void))
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        inherited = store; /* the parent's; not for use here */
        if (entity_open(dir, 64 << 20, &store))
            _exit(9);
        fn();
        _exit(0);
    }
    return pid;
}

static void
expect_exit(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "the other process failed: %d", status);
}

static void
count_up(void)
{
    char id[16];
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "%d-%d", (int) getpid(), i);
        if (put_json("user", id, "{\"x\":1}", 1) != 1)
            _exit(1);
    }
    entity_close(store);
}

START_TEST(several_processes_write_at_once)
{
    pid_t one = child(count_up), two = child(count_up);
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof(id), "p-%d", i);
        ck_assert_int_eq(put_json("user", id, "{}", 1), 1);
    }
    expect_exit(one);
    expect_exit(two);
    ck_assert_uint_eq(entity_count(store), 600);
}
END_TEST

static void
grow(void)
{
    entity_close(store);
    if (entity_open(dir, 256 << 20, &store))
        _exit(2);
    char *json = malloc(1000100);
    strcpy(json, "{\"big\":\"");
    memset(json + 8, 'x', 1000000);
    strcpy(json + 1000008, "\"}");
    for (int i = 0; i < 80; i++) {
        char id[16];
        snprintf(id, sizeof(id), "u%d", i);
        if (put_json("user", id, json, 1) != 1)
            _exit(3);
    }
    free(json);
    entity_close(store);
}

START_TEST(a_store_that_outgrows_this_map_is_mapped_anew)
{
    struct entity_reader *r;
    struct entity one;
    struct il_kind user = { "user", 4 };
    put_json("user", "u79", "{\"old\":1}", 1);
    ck_assert_int_eq(entity_reader_new(store, &r), 0);
    ck_assert_int_eq(entity_reader_begin(r), 0);
    ck_assert_int_eq(entity_reader_get(r, &user, text("u79"), &one), 1);
    entity_reader_end(r);
    ck_assert_int_eq(entity_delete(store, text("user"), text("u79")), 1);
    expect_exit(child(grow));
    ck_assert_int_eq(entity_reader_begin(r), 0);
    ck_assert_int_eq(entity_reader_get(r, &user, text("u79"), &one), 1);
    entity_reader_free(r);
    ck_assert_int_eq(put_json("user", "mine", "{}", 1), 1);
    ck_assert_uint_eq(entity_count(store), 81);
}
END_TEST

/* Each transaction writes the same number into a hundred entities: whoever
 * looks must find a hundred equal ones. */
#define ROUND 100

static int
put_round(int number)
{
    static char ids[ROUND][16];
    struct entity_put puts[ROUND];
    struct il_text traits = { 0 };
    msg_pack_map(&traits, 1);
    msg_pack_str(&traits, "round", 5);
    msg_pack_int(&traits, number);
    for (int i = 0; i < ROUND; i++) {
        snprintf(ids[i], sizeof(ids[i]), "u%d", i);
        puts[i] = (struct entity_put){ .kind = { "user", 4 } };
        puts[i].id = text(ids[i]);
        puts[i].traits = slice_of(traits.data, traits.len);
    }
    int err = entity_put(store, puts, ROUND, NULL);
    text_clear(&traits);
    return err;
}

static int64_t
round_of(struct entity_reader *r, int i)
{
    struct il_kind user = { "user", 4 };
    struct entity one;
    struct il_value key, value;
    size_t iter = 0;
    char id[16];
    snprintf(id, sizeof(id), "u%d", i);
    int found = entity_reader_get(r, &user, text(id), &one);
    ck_assert_int_ge(found, 0);
    if (!found)
        return -1;
    ck_assert_int_eq(msg_item(&one.traits, &iter, &key, &value), 1);
    return value.num.i;
}

static int64_t
expect_whole_round(void)
{
    struct entity_reader *r;
    ck_assert_int_eq(entity_reader_new(store, &r), 0);
    ck_assert_int_eq(entity_reader_begin(r), 0);
    int64_t first = round_of(r, 0);
    for (int i = 1; i < ROUND; i++)
        ck_assert_int_eq(round_of(r, i), first);
    entity_reader_free(r);
    return first;
}

static void
write_rounds(void)
{
    for (int i = 0;; i++) {
        if (put_round(i))
            _exit(1);
    }
}

START_TEST(kill_9_leaves_whole_transactions)
{
    int64_t highest = -1;
    for (int trial = 0; trial < 15; trial++) {
        pid_t pid = child(write_rounds);
        usleep((useconds_t) (3000 + trial * 2500));
        for (int i = 0; i < 5; i++)
            expect_whole_round(); /* while it writes */
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        int64_t got = expect_whole_round();
        if (got > highest)
            highest = got;
        reopen();
        /* One that was on disk and never acknowledged may show only now. */
        int64_t later = expect_whole_round();
        ck_assert(later == got || later == got + 1);
        ck_assert_int_eq(put_round(-1), 0); /* the lock was left in order */
    }
    ck_assert_int_ge(highest, 0);
}
END_TEST

static void
read_for_ever(void)
{
    struct entity_reader *r;
    if (entity_reader_new(store, &r) || entity_reader_begin(r))
        _exit(1);
    raise(SIGKILL);
}

START_TEST(a_killed_reader_does_not_fill_the_store)
{
    entity_close(store);
    store = NULL;
    ck_assert_int_eq(entity_open(dir, 1 << 20, &store), 0);
    ck_assert_int_eq(put_round(0), 0);
    waitpid(child(read_for_ever), NULL, 0);
    for (int i = 0; i < 500; i++)
        ck_assert_int_eq(put_round(i), 0);
}
END_TEST

static void *
thread_reads(void *arg)
{
    int *stop = arg;
    intptr_t passes = 0;
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        expect_whole_round();
        passes++;
    }
    return (void *) passes;
}

START_TEST(threads_read_while_one_writes)
{
    pthread_t threads[3];
    int stop = 0;
    ck_assert_int_eq(put_round(0), 0);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, thread_reads, &stop);
    for (int i = 1; i < 100; i++)
        ck_assert_int_eq(put_round(i), 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) {
        void *passes;
        pthread_join(threads[i], &passes);
        ck_assert_int_gt((intptr_t) passes, 0);
    }
}
END_TEST

START_TEST(json_shows_everything)
{
    struct il_text copy = { 0 }, out = { 0 };
    struct entity one;
    put_json("user", "\"1\"", "{\"a\":[1.0,null]}", 1764000000000000);
    put_json("user", "\"1\"", "{}", 1764000000500000);
    ck_assert_int_eq(
        entity_get(store, text("user"), text("\"1\""), &copy, &one), 1);
    ck_assert_int_eq(entity_json(&out, &one), 0);
    ck_assert_str_eq(text_str(&out),
                     "{\"kind\":\"user\",\"external_id\":\"\\\"1\\\"\","
                     "\"traits\":{\"a\":[1.0,null]},"
                     "\"first_seen\":\"2025-11-24T16:00:00Z\","
                     "\"last_seen\":\"2025-11-24T16:00:00.500Z\"}");
    text_clear(&copy);
    text_clear(&out);
}
END_TEST

/* --- mirrors --------------------------------------------------------------- */

static struct entity_mirrored mirrored;

/* A mirror's row; seen_us 0: what there is of the mirror stays. */
static int
mirror_json(const char *name, uint32_t flags, const char *id, const char *json,
            int64_t seen_us, const char *mark)
{
    struct il_text traits = { 0 };
    struct json_error error;
    const struct entity_mirror now = { .seen_us = seen_us,
                                       .mark = text(mark ? mark : "") };
    ck_assert_int_eq(json_to_msgpack(json, strlen(json), &traits, &error), 0);
    struct entity_put put = { .kind = text("user"),
                              .id = text(id),
                              .seen_us = 5,
                              .traits = slice_of(traits.data, traits.len) };
    memset(&mirrored, 0, sizeof mirrored);
    int err = entity_mirror_put(store, text(name), flags, &put, 1,
                                mark ? &now : NULL, &mirrored);
    text_clear(&traits);
    return err;
}

static int
is_u1(void *arg, struct slice id)
{
    (void) arg;
    return slice_equal(id, text("u1"));
}

static uint64_t
mirror_gone(const char *name)
{
    const struct entity_gone job = { .name = text(name),
                                     .kind = text("user"),
                                     .is_there = is_u1 };
    memset(&mirrored, 0, sizeof mirrored);
    ck_assert_int_eq(entity_mirror_gone(store, &job, &mirrored), 0);
    return mirrored.removed;
}

START_TEST(a_mirror_has_its_own_traits_alone)
{
    put_json("user", "u1", "{\"score\":1,\"plan\":\"csv\"}", 1);
    ck_assert_int_eq(mirror_json("m", 0, "u1",
                                 "{\"plan\":\"pro\",\"owner\":\"ann\"}", 0,
                                 NULL),
                     0);
    ck_assert_uint_eq(mirrored.changed, 1);
    ck_assert_uint_eq(mirrored.left, 1);
    ck_assert_str_eq(traits_of("user", "u1"),
                     "{\"score\":1,\"plan\":\"csv\",\"owner\":\"ann\"}");
    /* the column is another one now: what it had is gone, and nothing else */
    mirror_json("m", 0, "u1", "{\"team\":\"x\"}", 0, NULL);
    ck_assert_str_eq(traits_of("user", "u1"),
                     "{\"score\":1,\"plan\":\"csv\",\"team\":\"x\"}");
    mirror_json("m", ENTITY_MIRROR_TAKE, "u1", "{\"plan\":\"pro\"}", 0, NULL);
    ck_assert_str_eq(traits_of("user", "u1"), "{\"score\":1,\"plan\":\"pro\"}");
    /* another mirror takes nothing of it */
    mirror_json("n", ENTITY_MIRROR_TAKE, "u1", "{\"plan\":\"n\"}", 0, NULL);
    ck_assert_uint_eq(mirrored.left, 1);
    ck_assert_str_eq(traits_of("user", "u1"), "{\"score\":1,\"plan\":\"pro\"}");
}
END_TEST

START_TEST(who_writes_another_value_into_a_mirrors_trait_has_it)
{
    mirror_json("m", 0, "u1", "{\"plan\":\"pro\",\"owner\":\"ann\"}", 0, NULL);
    put_json("user", "u1", "{\"plan\":\"pro\"}", 1); /* the same: no claim */
    mirror_json("m", 0, "u1", "{\"plan\":\"free\",\"owner\":\"ann\"}", 0, NULL);
    ck_assert_str_eq(traits_of("user", "u1"),
                     "{\"plan\":\"free\",\"owner\":\"ann\"}");
    put_json("user", "u1", "{\"plan\":\"gift\"}", 1);
    mirror_json("m", 0, "u1", "{\"plan\":\"pro\",\"owner\":\"bob\"}", 0, NULL);
    ck_assert_str_eq(traits_of("user", "u1"),
                     "{\"plan\":\"gift\",\"owner\":\"bob\"}");
    reopen();
    ck_assert_str_eq(traits_of("user", "u1"),
                     "{\"plan\":\"gift\",\"owner\":\"bob\"}");
}
END_TEST

START_TEST(what_a_mirror_finds_as_it_is_counts_as_seen)
{
    int64_t first, last;
    mirror_json("m", 0, "u1", "{\"a\":1}", 0, NULL);
    mirror_json("m", 0, "u1", "{\"a\":1}", 0, NULL);
    ck_assert_uint_eq(mirrored.same, 1);
    times_of("user", "u1", &first, &last);
    ck_assert_int_eq(last, 5);
    mirror_json("m", 0, "u1", "{\"a\":1}", 77, "w");
    times_of("user", "u1", &first, &last);
    ck_assert_int_eq(first, 5);
    ck_assert_int_eq(last, 77);
    /* the oldest of several counts */
    mirror_json("n", 0, "u1", "{\"b\":1}", 60, "w");
    times_of("user", "u1", &first, &last);
    ck_assert_int_eq(last, 60);
}
END_TEST

START_TEST(what_is_gone_leaves_what_is_others)
{
    put_json("user", "u3", "{\"score\":3}", 1);
    put_json("user", "u4", "{\"score\":4}", 1);
    mirror_json("m", 0, "u1", "{\"a\":1}", 0, NULL);
    mirror_json("m", 0, "u2", "{\"a\":2}", 0, NULL);
    mirror_json("m", 0, "u3", "{\"a\":3}", 0, NULL);
    ck_assert_uint_eq(entity_count(store), 4);
    ck_assert_uint_eq(mirror_gone("m"), 2);
    ck_assert_str_eq(traits_of("user", "u1"), "{\"a\":1}");
    ck_assert_str_eq(traits_of("user", "u2"), "");
    ck_assert_str_eq(traits_of("user", "u3"), "{\"score\":3}");
    ck_assert_str_eq(traits_of("user", "u4"), "{\"score\":4}");
    ck_assert_uint_eq(entity_count(store), 3);
    ck_assert_uint_eq(mirror_gone("unknown"), 0);
}
END_TEST

START_TEST(a_mirrors_mark_is_durable_with_its_entities)
{
    struct il_text mark = { 0 };
    struct entity_mirror m;
    ck_assert_int_eq(entity_mirror_get(store, text("m"), &mark, &m), 0);
    ck_assert_int_eq(entity_mirror_ask(store, text("m"), 9), 0);
    mirror_json("m", 0, "u1", "{\"a\":1}", 7, "2026-01-02");
    reopen();
    ck_assert_int_eq(entity_mirror_ask(store, text("m"), 9), 1);
    ck_assert_int_eq(entity_mirror_get(store, text("m"), &mark, &m), 1);
    ck_assert(slice_equal(m.mark, text("2026-01-02")));
    ck_assert_int_eq(m.seen_us, 7);
    ck_assert_int_eq(m.asked_us, 9);
    /* a batch without a state leaves it */
    mirror_json("m", 0, "u2", "{\"a\":1}", 0, NULL);
    mark.len = 0;
    ck_assert_int_eq(entity_mirror_get(store, text("m"), &mark, &m), 1);
    ck_assert(slice_equal(m.mark, text("2026-01-02")));
    text_clear(&mark);
}
END_TEST

START_TEST(a_row_that_cannot_be_leaves_the_others)
{
    ck_assert_int_eq(mirror_json("m", 0, "", "{\"a\":1}", 0, NULL), 0);
    ck_assert_uint_eq(mirrored.refused, 1);
    ck_assert_uint_eq(mirrored.added, 0);
}
END_TEST

/* The version that a store says it has. */
static char
format_of(void)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key = { 7, (void *) "\0format" }, value;
    entity_close(store);
    store = NULL;
    ck_assert_int_eq(mdb_env_create(&env), 0);
    ck_assert_int_eq(mdb_env_open(env, dir, MDB_RDONLY, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    ck_assert_int_eq(mdb_get(txn, dbi, &key, &value), 0);
    ck_assert_uint_eq(value.mv_size, 1);
    char format = *(const char *) value.mv_data;
    mdb_txn_abort(txn);
    mdb_env_close(env);
    ck_assert_int_eq(entity_open(dir, 64 << 20, &store), 0);
    return format;
}

START_TEST(a_store_has_the_newer_format_once_it_has_a_mirror)
{
    put_json("user", "u1", "{\"a\":1}", 1);
    ck_assert_int_eq(format_of(), '1');
    mirror_json("m", 0, "u1", "{\"b\":1}", 0, NULL);
    ck_assert_int_eq(format_of(), '2');
    ck_assert_str_eq(traits_of("user", "u1"), "{\"a\":1,\"b\":1}");
    put_json("user", "u2", "{\"a\":1}", 1);
    ck_assert_uint_eq(entity_count(store), 2);
}
END_TEST

START_TEST(there_are_so_many_mirrors_and_no_more)
{
    char name[16];
    for (int i = 0; i < ENTITY_MIRRORS_MAX; i++) {
        snprintf(name, sizeof name, "m%d", i);
        ck_assert_int_eq(mirror_json(name, 0, "u1", "{\"a\":1}", 0, NULL), 0);
    }
    ck_assert_int_eq(mirror_json("x", 0, "u1", "{\"a\":1}", 0, NULL), -EMLINK);
    ck_assert_uint_eq(entity_count(store), 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("entity");
    TCase *c = tcase_create("entity");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, traits_merge_one_level_deep);
    tcase_add_test(c, numbers_and_text_stay_exact);
    tcase_add_test(c, first_seen_stays_and_last_seen_never_goes_back);
    tcase_add_test(c, what_was_told_up_to_a_mark_is_told_once);
    tcase_add_test(c, several_at_one_position_are_all_told);
    tcase_add_test(c, a_mark_goes_by_its_name_before_until_it_moves);
    tcase_add_test(c, what_changes_nothing_is_written_once_in_an_hour);
    tcase_add_test(c, kinds_are_apart);
    tcase_add_test(c, bad_names_and_traits_are_refused);
    tcase_add_test(c, broken_msgpack_is_refused);
    tcase_add_test(c, merged_traits_have_a_largest_size);
    tcase_add_test(c, several_are_put_in_order_all_or_none);
    tcase_add_test(c, deleting);
    tcase_add_test(c, a_restart_finds_everything);
    tcase_add_test(c, files_are_the_owners_alone);
    tcase_add_test(c, no_folder_is_no_store);
    tcase_add_test(c, walking);
    tcase_add_test(c, a_reader_sees_one_snapshot);
    tcase_add_test(c, a_reader_that_remembers_sees_every_change);
    tcase_add_test(c, what_is_remembered_holds_for_one_snapshot);
    tcase_add_test(c, a_memory_that_helps_nobody_rests);
    tcase_add_test(c, large_memories_share_what_there_is);
    tcase_add_test(c, a_full_store_refuses_and_recovers);
    tcase_add_test(c, several_processes_write_at_once);
    tcase_add_test(c, a_store_that_outgrows_this_map_is_mapped_anew);
    tcase_add_test(c, kill_9_leaves_whole_transactions);
    tcase_add_test(c, a_killed_reader_does_not_fill_the_store);
    tcase_add_test(c, threads_read_while_one_writes);
    tcase_add_test(c, json_shows_everything);
    tcase_add_test(c, a_mirror_has_its_own_traits_alone);
    tcase_add_test(c, who_writes_another_value_into_a_mirrors_trait_has_it);
    tcase_add_test(c, what_a_mirror_finds_as_it_is_counts_as_seen);
    tcase_add_test(c, what_is_gone_leaves_what_is_others);
    tcase_add_test(c, a_mirrors_mark_is_durable_with_its_entities);
    tcase_add_test(c, a_row_that_cannot_be_leaves_the_others);
    tcase_add_test(c, a_store_has_the_newer_format_once_it_has_a_mirror);
    tcase_add_test(c, there_are_so_many_mirrors_and_no_more);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
