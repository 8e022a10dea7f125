/* SPDX-License-Identifier: MIT */
/* What two processes say to each other when one takes the place of the other. */
#include "config.h"
#include "host/handover.h"
#include "http/inherited.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct handover ours, theirs;
static struct http_inherited *in;
static struct handover_facts facts;
static int lock;

static void
setup(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    ck_assert_int_eq(handover_open(&ours, ends[0]), 0);
    ck_assert_int_eq(handover_open(&theirs, ends[1]), 0);
    in = http_inherited_new();
    lock = -1;
    memset(&facts, 0, sizeof(facts));
}

static void
teardown(void)
{
    handover_close(&ours);
    handover_close(&theirs);
    http_inherited_free(in);
    if (lock >= 0)
        close(lock);
}

static int
files_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int
listening(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, sizeof(at)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

static void
add_connection(struct http_inherited *list, struct slice sent)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[1]);
    ck_assert_int_eq(http_inherited_add_conn(list, pair[0], "gate", sent), 0);
}

static const struct handover_facts sent_facts = { .id = 7,
                                                  .from = 42,
                                                  .from_version = "0.1.0",
                                                  .rested_us = 99,
                                                  .connections = 2,
                                                  .tls = 3,
                                                  .requests = 4 };

START_TEST(all_that_is_given_is_taken)
{
    struct http_inherited *list = http_inherited_new();
    struct http_heir heir;
    uint64_t cut = 0;
    int given = open("/dev/null", O_RDONLY);
    http_inherited_add(list, listening(), "x", "gate", 1);
    http_inherited_add(list, listening(), "x", NULL, 0);
    add_connection(list, slice_of("GET\0 /", 6));
    add_connection(list, slice_of(NULL, 0));
    ck_assert_int_eq(handover_give(&ours, given, list, &sent_facts, &cut), 0);
    ck_assert_uint_eq(cut, 0);
    ck_assert_int_eq(handover_take(&theirs, &lock, in, &facts), 0);
    ck_assert_int_ge(lock, 0);
    ck_assert_int_ne(fcntl(lock, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_uint_eq(http_inherited_count(in), 2);
    ck_assert_int_eq(http_inherited_get(in, 0, &heir), 1);
    ck_assert_str_eq(heir.server, "gate");
    ck_assert_int_eq(heir.ours, 1);
    ck_assert_int_eq(http_inherited_get(in, 1, &heir), 1);
    ck_assert_str_eq(heir.server, "");
    ck_assert_int_eq(http_inherited_get(in, 2, &heir), 1);
    ck_assert(heir.is_conn && heir.sent.len == 6);
    ck_assert(!memcmp(heir.sent.ptr, "GET\0 /", 6));
    ck_assert_int_eq(http_inherited_get(in, 3, &heir), 1);
    ck_assert_uint_eq(heir.sent.len, 0);
    ck_assert_int_eq(http_inherited_get(in, 4, &heir), 0);
    ck_assert(facts.id == 7 && facts.from == 42 && facts.rested_us == 99);
    ck_assert(facts.connections == 2 && facts.tls == 3 && facts.requests == 4);
    ck_assert_str_eq(facts.from_version, "0.1.0");
    close(given);
    http_inherited_free(list);
}
END_TEST

/* It is cut off, as it would be without a successor, and counted. */
START_TEST(who_has_sent_more_than_a_message_holds_is_cut_off)
{
    struct http_inherited *list = http_inherited_new();
    char *much = calloc(1, 200000);
    uint64_t cut = 0;
    add_connection(list, slice_of(much, 200000));
    add_connection(list, slice_of("x", 1));
    ck_assert_int_eq(handover_give(&ours, 0, list, &sent_facts, &cut), 0);
    ck_assert_uint_eq(cut, 1);
    ck_assert_int_eq(handover_take(&theirs, &lock, in, &facts), 0);
    ck_assert(facts.connections == 1 && facts.requests == 5);
    free(much);
    http_inherited_free(list);
}
END_TEST

START_TEST(without_its_end_nothing_is_taken)
{
    const int before = files_open();
    handover_say(&ours, "lock", slice_of(NULL, 0), STDIN_FILENO);
    handover_close(&ours);
    ck_assert_int_eq(handover_take(&theirs, &lock, in, &facts), -EPIPE);
    ck_assert_int_eq(handover_say(&theirs, "ready", slice_of(NULL, 0), -1),
                     -EPIPE);
    close(lock);
    lock = -1;
    ck_assert_int_eq(files_open(), before - 1); /* our end */
}
END_TEST

START_TEST(what_is_not_known_is_passed_over)
{
    const int before = files_open();
    struct handover_message m;
    handover_say(&ours, "farewell, in a later version", slice_of("x", 1),
                 STDIN_FILENO);
    handover_say(&ours, "lock", slice_of("and more", 8), STDIN_FILENO);
    handover_say(&ours, "lock", slice_of(NULL, 0), STDIN_FILENO);
    handover_say(&ours, "begin", slice_of("1 2 3 4 5 6 v more\0x", 20), -1);
    ck_assert_int_eq(handover_take(&theirs, &lock, in, &facts), 0);
    ck_assert_str_eq(facts.from_version, "v");
    ck_assert_int_eq(files_open(), before + 1);
    ck_assert_int_eq(handover_hear(&theirs, 0, &m), -ETIMEDOUT);
}
END_TEST

START_TEST(what_makes_no_sense_is_an_error)
{
    static const struct {
        const char *word, *data;
        size_t len;
        int fd;
    } bad[] = { { "begin", "1 2 3 4 5 6 v", 13, -1 }, /* no end */
                { "begin", "1 2 3 4 5 6\0", 12, -1 },
                { "begin", "one", 4, -1 },
                { "socket", "0 gate\0", 7, -1 },
                { "socket", "0gate\0", 6, 0 },
                { "socket", "0 gate", 6, 0 },
                { "socket", "0 gate\0", 7, 0 }, /* is none */
                { "connection", "", 0, 0 } };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const int before = files_open();
        handover_say(&ours, "lock", slice_of(NULL, 0), STDIN_FILENO);
        handover_say(&ours, bad[i].word, slice_of(bad[i].data, bad[i].len),
                     bad[i].fd);
        ck_assert_int_lt(handover_take(&theirs, &lock, in, &facts), 0);
        close(lock);
        lock = -1;
        ck_assert_int_eq(files_open(), before);
    }
}
END_TEST

START_TEST(without_a_lock_it_does_not_begin)
{
    handover_say(&ours, "begin", slice_of("1 2 3 4 5 6 v\0", 14), -1);
    ck_assert_int_eq(handover_take(&theirs, &lock, in, &facts), -EPROTO);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("handover");
    TCase *t = tcase_create("handover");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, all_that_is_given_is_taken);
    tcase_add_test(t, who_has_sent_more_than_a_message_holds_is_cut_off);
    tcase_add_test(t, without_its_end_nothing_is_taken);
    tcase_add_test(t, what_is_not_known_is_passed_over);
    tcase_add_test(t, what_makes_no_sense_is_an_error);
    tcase_add_test(t, without_a_lock_it_does_not_begin);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
