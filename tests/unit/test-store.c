/* SPDX-License-Identifier: MIT */
/* The wrapper around LMDB: one meaning of an error in both stores, files that
 * are damaged, and a disk that fails. */
#include "tempdir.h"
#include "store/dead_store.h"
#include "store/entity_store.h"

#include <check.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTITIES 400

static char *root;
static char dir[4096], data[4200];
static long page;

static void
setup(void)
{
    page = sysconf(_SC_PAGESIZE);
    root = tempdir_make();
    snprintf(dir, sizeof dir, "%s/store", root);
    snprintf(data, sizeof data, "%s/data.mdb", dir);
}

static void
teardown(void)
{
    tempdir_remove(root);
}

static off_t
size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) ? -1 : st.st_size;
}

/* How many files were set aside; the last one's size. */
static size_t
set_aside(off_t *size)
{
    char pattern[4300];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s.damaged-*", data);
    if (glob(pattern, 0, NULL, &found))
        return 0;
    size_t n = found.gl_pathc;
    if (size)
        *size = size_of(found.gl_pathv[n - 1]);
    globfree(&found);
    return n;
}

/* Keep what is in the standard error meanwhile. */
static char said[8192];
static int kept_stderr;

static void
listen_begin(void)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/stderr", root);
    fflush(stderr);
    kept_stderr = dup(2);
    ck_assert_ptr_nonnull(freopen(path, "w", stderr));
}

static void
listen_end(void)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/stderr", root);
    fflush(stderr);
    ck_assert_int_ge(dup2(kept_stderr, 2), 0);
    close(kept_stderr);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
}

static void
expect_said(const char *text)
{
    if (!strstr(said, text))
        ck_abort_msg("expected \"%s\" in \"%s\"", text, said);
}

static struct entities *
open_entities(void)
{
    struct entities *e;
    ck_assert_int_eq(entity_open(dir, 64 << 20, &e), 0);
    return e;
}

/* Entities of several sizes: on leaves, and with pages of their own. */
static void
fill(void)
{
    struct entities *e = open_entities();
    char *traits = malloc(20000);
    for (int i = 0; i < ENTITIES; i++) {
        char id[16];
        size_t len = i % 50 ? 100 : 18000;
        snprintf(id, sizeof id, "user-%d", i);
        memcpy(traits, "\x81\xa1t\xda", 4);
        traits[4] = (char) (len >> 8);
        traits[5] = (char) len;
        memset(traits + 6, 'x', len);
        struct entity_put put = { .kind = SLICE("user"),
                                  .id = slice_of(id, strlen(id)),
                                  .traits = slice_of(traits, len + 6) };
        ck_assert_int_eq(entity_put(e, &put, 1, NULL), 0);
    }
    free(traits);
    entity_close(e);
}

static int
count_one(void *arg, const struct entity *one)
{
    volatile char sum = 0;
    for (size_t i = 0; i < one->traits.len; i++)
        sum ^= one->traits.str[i];
    ++*(uint64_t *) arg;
    return 0;
}

/* All of them are looked at, every byte. */
static uint64_t
walk(struct entities *e)
{
    uint64_t n = 0;
    ck_assert_int_eq(entity_each(e, slice_of(NULL, 0), slice_of(NULL, 0),
                                 UINT32_MAX, count_one, &n),
                     0);
    return n;
}

static char *
file_read(off_t *size)
{
    *size = size_of(data);
    char *bytes = malloc((size_t) *size);
    FILE *f = fopen(data, "r");
    ck_assert_uint_eq(fread(bytes, 1, (size_t) *size, f), (size_t) *size);
    fclose(f);
    return bytes;
}

static void
file_write(const char *bytes, off_t size)
{
    FILE *f = fopen(data, "w");
    ck_assert_uint_eq(fwrite(bytes, 1, (size_t) size, f), (size_t) size);
    ck_assert_int_eq(fclose(f), 0);
}

static void
poke(off_t at, const void *bytes, size_t len)
{
    FILE *f = fopen(data, "r+");
    fseeko(f, at, SEEK_SET);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

/* --- errors --------------------------------------------------------------- */

/* Each reader holds a lock, and ThreadSanitizer's search for deadlocks knows 64
 * of a thread: it is done without here. */
const char *__tsan_default_options(void);
const char *
__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}

/* Take every slot for readers; how many there were. */
static size_t
take_slots(struct store *s, MDB_txn **taken, size_t max)
{
    size_t n = 0;
    while (n < max && !store_begin(s, MDB_RDONLY, &taken[n]))
        n++;
    return n;
}

static void
give_slots(struct store *s, MDB_txn **taken, size_t n)
{
    while (n)
        store_abort(s, taken[--n]);
}

START_TEST(no_slot_for_a_reader_is_the_same_error_in_both_stores)
{
    static MDB_txn *taken[4096];
    struct entities *e = open_entities();
    struct il_text text = { 0 };
    struct entity one;
    size_t n = take_slots(&e->store, taken, 4096);
    ck_assert_uint_lt(n, 4096);
    int entities = entity_get(e, SLICE("user"), SLICE("u"), &text, &one);
    give_slots(&e->store, taken, n);
    ck_assert_int_eq(entity_get(e, SLICE("user"), SLICE("u"), &text, &one), 0);
    entity_close(e);
    text_clear(&text);

    char path[4200];
    struct dead *d;
    uint64_t last;
    snprintf(path, sizeof path, "%s/dead", root);
    ck_assert_int_eq(dead_open(path, 0, &d), 0);
    n = take_slots(&d->store, taken, 4096);
    ck_assert_uint_lt(n, 4096);
    int letters = dead_last(d, "a/b", &last);
    give_slots(&d->store, taken, n);
    ck_assert_int_eq(dead_last(d, "a/b", &last), 0);
    dead_close(d);
    ck_assert_int_eq(entities, -EAGAIN);
    ck_assert_int_eq(letters, -EAGAIN);
}
END_TEST

START_TEST(errors_are_errnos)
{
    static const struct {
        int rc, err;
    } cases[] = { { 0, 0 },
                  { MDB_NOTFOUND, -ENOENT },
                  { MDB_MAP_FULL, -ENOSPC },
                  { MDB_TXN_FULL, -ENOSPC },
                  { MDB_READERS_FULL, -EAGAIN },
                  { MDB_MAP_RESIZED, -EAGAIN },
                  { MDB_BAD_RSLOT, -EAGAIN },
                  { MDB_VERSION_MISMATCH, -EPROTO },
                  { MDB_BAD_VALSIZE, -EINVAL },
                  { MDB_CORRUPTED, -EIO },
                  { MDB_BAD_DBI, -EIO },
                  { MDB_KEYEXIST, -EIO },
                  { ENOSPC, -ENOSPC },
                  { -EMSGSIZE, -EMSGSIZE } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(store_errno(cases[i].rc), cases[i].err);
}
END_TEST

/* --- a disk that fails at the end of a transaction ------------------------- */

/* So many of LMDB's writes to its first two pages, which end a transaction. */
static int heads_fail;

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (heads_fail && at < 2 * page) {
        heads_fail--;
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static int
put_entity(struct entities *e, const char *id)
{
    struct entity_put put = { .kind = slice_of("user", 4),
                              .id = slice_of(id, strlen(id)),
                              .traits = slice_of("\x80", 1) };
    return entity_put(e, &put, 1, NULL);
}

static int
reads(struct entity_reader *r, const char *id)
{
    const struct il_kind user = { "user", 4 };
    struct entity one;
    ck_assert_int_eq(entity_reader_begin(r), 0);
    int found = entity_reader_get(r, &user, slice_of(id, strlen(id)), &one);
    entity_reader_end(r);
    return found;
}

START_TEST(a_store_goes_on_after_a_commit_that_failed)
{
    struct entity_reader *r, *other;
    struct entities *e;
    ck_assert_int_eq(entity_open(dir, 64 << 20, &e), 0);
    ck_assert_int_eq(entity_reader_new(e, &r), 0);
    ck_assert_int_eq(entity_reader_new(e, &other), 0);
    ck_assert_int_eq(put_entity(e, "a"), 0);
    ck_assert_int_eq(reads(r, "a"), 1);
    heads_fail = 2; /* LMDB tries to put back what was there */
    ck_assert_int_eq(put_entity(e, "b"), -EIO);
    heads_fail = 0;
    listen_begin();
    ck_assert_int_eq(reads(r, "b"), 0);
    listen_end();
    expect_said("was opened again after a failed write");
    ck_assert_int_eq(reads(other, "a"), 1);
    ck_assert_int_eq(put_entity(e, "b"), 0);
    ck_assert_int_eq(reads(r, "b"), 1);
    ck_assert_int_eq(reads(other, "b"), 1);
    /* While it goes on failing all calls end, and nothing is lost. */
    for (int i = 0; i < 5; i++) {
        heads_fail = 2;
        ck_assert_int_eq(put_entity(e, "c"), -EIO);
        heads_fail = 0;
    }
    ck_assert_int_eq(put_entity(e, "d"), 0);
    ck_assert_int_eq(reads(r, "a"), 1);
    ck_assert_int_eq(reads(r, "c"), 0);
    ck_assert_int_eq(reads(other, "d"), 1);
    entity_reader_free(other);
    heads_fail = 2;
    ck_assert_int_eq(put_entity(e, "e"), -EIO);
    heads_fail = 0;
    entity_reader_free(r); /* of an environment that refuses everything */
    entity_close(e);
}
END_TEST

/* --- a map that grows ----------------------------------------------------- */

static MDB_dbi table;

static int
open_table(void *arg)
{
    MDB_txn *txn;
    int rc = store_begin(arg, 0, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, "table", MDB_CREATE, &table);
    return rc ? rc : store_commit(arg, txn);
}

static int
put_page(void *arg, MDB_txn *txn)
{
    static char page_of_it[3000];
    MDB_val key = { sizeof(int), arg };
    MDB_val value = { sizeof page_of_it, page_of_it };
    return mdb_put(txn, table, &key, &value, 0);
}

static int
delete_page(void *arg, MDB_txn *txn)
{
    MDB_val key = { sizeof(int), arg };
    return mdb_del(txn, table, &key, NULL);
}

/* Keys from *n on, until there is no room. */
static void
fill_map(struct store *s, int *n)
{
    int err;
    while (!(err = store_update(s, put_page, n)))
        ++*n;
    ck_assert_int_eq(err, -ENOSPC);
}

static void
open_growing(struct store *s, uint64_t map, uint64_t limit)
{
    const struct store_options o = { .what = "growing",
                                     .lost = "all",
                                     .map_bytes = map,
                                     .databases = 1,
                                     .grows = 1,
                                     .limit_bytes = limit };
    ck_assert_int_eq(store_open(s, dir, &o, open_table, s), 0);
}

START_TEST(a_map_that_grows_stops_at_its_limit)
{
    struct store s;
    int n = 0;
    open_growing(&s, 1 << 20, 3 << 20);
    fill_map(&s, &n);
    ck_assert_int_gt(size_of(data), 2 << 20);
    ck_assert_int_le(size_of(data), 3 << 20);
    /* What goes past it leaves no room for others to do so. */
    for (int round = 0; round < 100; round++) {
        int first = round;
        while (!store_update_past(&s, put_page, &n) && n % 16)
            n++;
        n++;
        ck_assert_int_eq(store_update_past(&s, delete_page, &first), 0);
        int more = n;
        fill_map(&s, &more);
        ck_assert_int_le(more - n, 4);
        n = more;
    }
    store_close(&s);
    /* Nor is it in the way of one that was larger. */
    open_growing(&s, 1 << 20, 1 << 20);
    ck_assert_int_eq(store_update(&s, put_page, &n), -ENOSPC);
    n = 200;
    ck_assert_int_eq(store_update_past(&s, delete_page, &n), 0);
    store_close(&s);
    /* Without a limit it grows on. */
    open_growing(&s, 1 << 20, 0);
    for (n = 100000; n < 104000; n += 10)
        ck_assert_int_eq(store_update(&s, put_page, &n), 0);
    store_close(&s);
}
END_TEST

/* --- damage --------------------------------------------------------------- */

/* Wherever it ends: nothing is mapped that is not there, and either all is
 * found or the file is beside the new one, named. */
START_TEST(a_file_that_is_cut_is_set_aside)
{
    fill();
    off_t size, aside;
    char *bytes = file_read(&size);
    size_t damaged = 0;
    for (off_t cut = size - 1; cut > 200; cut -= page - 1) {
        file_write(bytes, cut);
        size_t before = set_aside(NULL);
        listen_begin();
        struct entities *e = open_entities();
        listen_end();
        uint64_t n = walk(e);
        if (set_aside(&aside) > before) {
            ck_assert_uint_eq(n, 0);
            ck_assert_int_eq(e->store.made, 1);
            expect_said("entities: ");
            expect_said("; set aside as ");
            expect_said("all entities are gone");
            damaged++;
        } else {
            ck_assert_uint_eq(n, ENTITIES);
        }
        entity_close(e);
    }
    ck_assert_uint_gt(damaged, 40);
    ck_assert_int_eq(size_of(data) > 0, 1);
    free(bytes);
}
END_TEST

START_TEST(what_is_set_aside_keeps_its_bytes)
{
    off_t aside = 0;
    fill();
    ck_assert_int_eq(truncate(data, 10 * page + 17), 0);
    entity_close(open_entities());
    ck_assert_uint_eq(set_aside(&aside), 1);
    ck_assert_int_eq(aside, 10 * page + 17);
    struct entities *e = open_entities(); /* and only once */
    ck_assert_int_eq(e->store.made, 0);
    entity_close(e);
    ck_assert_uint_eq(set_aside(NULL), 1);
}
END_TEST

START_TEST(a_foreign_file_is_set_aside)
{
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    FILE *f = fopen(data, "w");
    for (int i = 0; i < 4096; i++)
        fputs("not a database ", f);
    fclose(f);
    listen_begin();
    struct entities *e = open_entities();
    listen_end();
    expect_said("its first pages are not what LMDB writes; set aside as ");
    ck_assert_uint_eq(walk(e), 0);
    entity_close(e);
    ck_assert_uint_eq(set_aside(NULL), 1);
}
END_TEST

/* Where the second page begins, and what its meta page says: read by the
 * test's own offsets, for machines of 64 bits. */
START_TEST(garbage_in_a_head_is_set_aside_and_another_version_is_not)
{
    static const uint32_t other = 7;
    static const uint64_t far = UINT64_C(1) << 40;
    off_t size;
    fill();
    char *bytes = file_read(&size);
    poke(16, "garb", 4);
    entity_close(open_entities());
    ck_assert_uint_eq(set_aside(NULL), 1);
    if (sizeof(size_t) == 8) {
        file_write(bytes, size);
        poke(16 + 24 + 96, &far, 8); /* the last page, in both */
        poke(page + 16 + 24 + 96, &far, 8);
        entity_close(open_entities());
        ck_assert_uint_eq(set_aside(NULL), 2);
    }
    struct entities *e;
    file_write(bytes, size);
    poke(20, &other, 4);
    poke(page + 20, &other, 4);
    listen_begin();
    ck_assert_int_eq(entity_open(dir, 64 << 20, &e), -EPROTO);
    listen_end();
    expect_said("not a store that this version can read");
    ck_assert_int_eq(size_of(data), size);
    free(bytes);
}
END_TEST

static int
prepare_plain(void *arg)
{
    struct store *s = arg;
    MDB_txn *txn;
    MDB_dbi dbi;
    int rc = store_begin(s, 0, &txn);
    if (!rc)
        rc = mdb_dbi_open(txn, NULL, 0, &dbi);
    return rc ? rc : store_commit(s, txn);
}

static int
put_small(void *arg, MDB_txn *txn)
{
    MDB_val key = { 5, (void *) "small" }, value = { 5, arg };
    return mdb_put(txn, 1, &key, &value, 0);
}

/* Pages that are taken and given back in one transaction are never written,
 * if it has pages from before to hold them among. */
static int
put_and_take_back(void *arg, MDB_txn *txn)
{
    char *big = calloc(1, 200000);
    MDB_val key = { 3, (void *) "big" }, value = { 200000, big };
    int rc = put_small(arg, txn);
    if (!rc)
        rc = mdb_put(txn, 1, &key, &value, 0);
    if (!rc)
        rc = mdb_del(txn, 1, &key, NULL);
    free(big);
    return rc;
}

START_TEST(a_file_without_its_free_end_is_whole)
{
    const struct store_options o = {
        .what = "things", .lost = "all", .map_bytes = 8 << 20, .databases = 0
    };
    struct store s;
    MDB_envinfo info;
    ck_assert_int_eq(store_open(&s, dir, &o, prepare_plain, &s), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(store_update(&s, put_small, (void *) "12345"), 0);
    ck_assert_int_eq(store_update(&s, put_and_take_back, (void *) "67890"), 0);
    mdb_env_info(s.env, &info);
    ck_assert_int_lt(size_of(data), ((off_t) info.me_last_pgno + 1) * page);
    store_close(&s);
    ck_assert_int_eq(store_open(&s, dir, &o, prepare_plain, &s), 0);
    ck_assert_int_eq(s.made, 0);
    MDB_stat st;
    mdb_env_stat(s.env, &st);
    ck_assert_uint_eq(st.ms_entries, 1);
    store_close(&s);
    ck_assert_uint_eq(set_aside(NULL), 0);
}
END_TEST

START_TEST(who_only_reads_sets_nothing_aside)
{
    struct dead *d;
    struct dead_letter l = { .lane = "a/b",
                             .position = 7,
                             .reason = { .code = "x", .message = "m" },
                             .event = SLICE("\x97 frame") };
    ck_assert_int_eq(dead_open(dir, 0, &d), 0);
    ck_assert_int_eq(dead_settle(d, "a/b", 0, 10, &l, 1), 0);
    dead_close(d);
    ck_assert_int_eq(truncate(data, 4 * page), 0);
    listen_begin();
    ck_assert_int_eq(dead_open(dir, 1, &d), -EIO);
    listen_end();
    expect_said("the daemon sets it aside when it starts");
    ck_assert_int_eq(size_of(data), 4 * page);
    ck_assert_int_eq(truncate(data, 0), 0);
    ck_assert_int_eq(truncate(data, 2 * page), 0); /* never finished */
    ck_assert_int_eq(dead_open(dir, 1, &d), -ENOENT);
    ck_assert_int_eq(size_of(data), 2 * page);
}
END_TEST

START_TEST(what_another_process_uses_is_not_set_aside)
{
    int ready[2], done[2];
    char c;
    fill();
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(done), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        struct entities *e;
        if (entity_open(dir, 64 << 20, &e) || write(ready[1], "r", 1) != 1
            || read(done[0], &c, 1) != 1)
            _exit(1);
        entity_close(e);
        _exit(0);
    }
    struct entities *e = NULL;
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(truncate(data, 10 * page), 0);
    listen_begin();
    int err = entity_open(dir, 64 << 20, &e);
    listen_end();
    ck_assert_int_eq(write(done[1], "d", 1), 1);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(err, -EIO);
    expect_said("while another process uses it");
    ck_assert_uint_eq(set_aside(NULL), 0);
    ck_assert_int_eq(size_of(data), 10 * page);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("store");
    TCase *c = tcase_create("lmdb");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    tcase_add_test(c, no_slot_for_a_reader_is_the_same_error_in_both_stores);
    tcase_add_test(c, errors_are_errnos);
    tcase_add_test(c, a_store_goes_on_after_a_commit_that_failed);
    tcase_add_test(c, a_map_that_grows_stops_at_its_limit);
    tcase_add_test(c, a_file_that_is_cut_is_set_aside);
    tcase_add_test(c, what_is_set_aside_keeps_its_bytes);
    tcase_add_test(c, a_foreign_file_is_set_aside);
    tcase_add_test(c,
                   garbage_in_a_head_is_set_aside_and_another_version_is_not);
    tcase_add_test(c, a_file_without_its_free_end_is_whole);
    tcase_add_test(c, who_only_reads_sets_nothing_aside);
    tcase_add_test(c, what_another_process_uses_is_not_set_aside);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
