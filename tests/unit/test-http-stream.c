/* SPDX-License-Identifier: MIT */
/* Answers that go on: piece by piece, for as long as somebody reads them. */
#include "config.h"
#include "http_server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

/* What the server is to say, and how far it is. */
static _Atomic int given, allowed, last, broken, gone, large;

static int
more(void *arg, struct il_text *out)
{
    (void) arg;
    if (broken)
        return -EIO;
    if (given == last)
        return 0;
    if (given == allowed)
        return 1;
    given++;
    ck_assert_int_eq(text_printf(out, "piece %d\n", (int) given), 0);
    for (int i = 0; i < large; i++)
        ck_assert_int_eq(text_put(out, "0123456789abcdef", 16), 0);
    return 1;
}

static void
count_gone(void *arg)
{
    (void) arg;
    gone++;
}

static void
begin(void *arg, struct il_request *req)
{
    (void) arg;
    const struct http_stream s = { more, count_gone, NULL };
    http_stream(req, 200, "text/plain", &s);
}

static void
handle(void *self, struct il_request *req)
{
    if (self)
        http_defer(req, begin, NULL);
    else
        begin(NULL, req);
}

static void
setup(void)
{
    given = allowed = broken = gone = large = 0;
    last = 3;
    server_new((struct http_options){ .timeout_ms = 300 }, "127.0.0.1:0");
    route("GET", "/stream", NULL, handle, NULL);
    route("GET", "/later", NULL, handle, http);
    route("HEAD", "/stream", NULL, handle, NULL);
    route("POST", "/echo", NULL, echo, NULL);
    ck_assert_int_eq(server_start(), 0);
}

static void
allow(int n)
{
    allowed = n;
    http_wake(http);
}

/* Read until there is this, or the connection ends; 1: it is there. */
static int
hear_until(int fd, const char *what)
{
    size_t len = 0;
    answer[0] = 0;
    while (!strstr(answer, what)) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0)
            return 0;
        len += (size_t) n;
        answer[len] = 0;
    }
    return 1;
}

static void
wait_for(_Atomic int *what, int n)
{
    for (int i = 0; *what != n && i < 5000; i++)
        usleep(1000);
    ck_assert_int_eq(*what, n);
}

#define H " HTTP/1.1\r\nHost: t\r\n"
#define PIECE(n) "8\r\npiece " n "\n\r\n"

static void
pieces_come_as_they_are_there(const char *request)
{
    int fd = dial();
    say(fd, request);
    ck_assert(hear_until(fd, "\r\n\r\n"));
    ck_assert(strstr(answer, "200 OK"));
    ck_assert(strstr(answer, "Transfer-Encoding: chunked"));
    ck_assert(!strstr(answer, "Content-Length"));
    for (int i = 1; i <= 2; i++) {
        char piece[32];
        allow(i);
        snprintf(piece, sizeof(piece), PIECE("%d"), i);
        ck_assert(hear_until(fd, "\r\n"));
        ck_assert_str_eq(answer, piece);
        usleep(400000); /* longer than anything else may take */
    }
    ck_assert_int_eq(gone, 0);
    allow(3);
    ck_assert(hear_until(fd, "0\r\n\r\n"));
    wait_for(&gone, 1);
    /* and the connection is there for the next */
    say(fd, "POST /echo" H "Content-Length: 2\r\n\r\nhi");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, "hi");
    close(fd);
}

START_TEST(pieces_come_as_soon_as_they_are_there)
{
    pieces_come_as_they_are_there("GET /stream" H "\r\n");
}
END_TEST

START_TEST(so_they_do_from_a_thread_that_may_wait)
{
    pieces_come_as_they_are_there("GET /later" H "\r\n");
}
END_TEST

START_TEST(what_is_there_at_once_comes_at_once)
{
    int fd = dial();
    allowed = 3;
    say(fd, "GET /stream" H "\r\n");
    ck_assert(hear_until(fd, PIECE("1") PIECE("2") PIECE("3") "0\r\n\r\n"));
    close(fd);
}
END_TEST

START_TEST(an_old_client_reads_to_the_end_of_the_connection)
{
    int fd = dial();
    allowed = 3;
    say(fd, "GET /stream HTTP/1.0\r\n\r\n");
    ck_assert(!hear_until(fd, "never"));
    ck_assert(!strstr(answer, "chunked"));
    ck_assert_str_eq(strstr(answer, "\r\n\r\n") + 4,
                     "piece 1\npiece 2\npiece 3\n");
    close(fd);
}
END_TEST

START_TEST(whoever_hangs_up_is_gone_at_once)
{
    int fd = dial();
    allowed = 1;
    say(fd, "GET /stream" H "\r\n");
    ck_assert(hear_until(fd, PIECE("1")));
    close(fd);
    wait_for(&gone, 1);
    allow(3); /* nobody is asked any more */
    usleep(20000);
    ck_assert_int_eq(given, 1);
    ck_assert_int_eq(gone, 1);
}
END_TEST

START_TEST(who_does_not_read_is_not_read_for)
{
    int fd = dial();
    large = 65536; /* a MiB each */
    allowed = last = 1000;
    say(fd, "GET /stream" H "\r\n");
    /* what the sockets hold is given; and no more then */
    int before = -1;
    for (int i = 0; before != given && i < 20; i++) {
        before = given;
        usleep(500000);
    }
    ck_assert_int_eq(given, before);
    ck_assert_int_lt(before, 20);
    ck_assert_int_eq(gone, 0);
    close(fd);
    wait_for(&gone, 1);
}
END_TEST

START_TEST(what_breaks_off_is_seen_not_to_be_whole)
{
    int fd = dial();
    allowed = 1;
    say(fd, "GET /stream" H "\r\n");
    ck_assert(hear_until(fd, PIECE("1")));
    broken = 1;
    http_wake(http);
    ck_assert(!hear_until(fd, "0\r\n\r\n"));
    wait_for(&gone, 1);
    close(fd);
}
END_TEST

START_TEST(a_stop_ends_it)
{
    int fd = dial();
    allowed = 1;
    say(fd, "GET /stream" H "\r\n");
    ck_assert(hear_until(fd, PIECE("1")));
    http_stop(http, clock_monotonic_us() + 100000);
    ck_assert_int_eq(gone, 1);
    ck_assert(!hear_until(fd, "0\r\n\r\n"));
    close(fd);
}
END_TEST

START_TEST(head_has_nothing_to_go_on)
{
    ck_assert_int_eq(ask("HEAD /stream" H "\r\n"), 200);
    wait_for(&gone, 1);
    ck_assert_int_eq(given, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("http-stream");
    TCase *t = tcase_create("streams");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, pieces_come_as_soon_as_they_are_there);
    tcase_add_test(t, so_they_do_from_a_thread_that_may_wait);
    tcase_add_test(t, what_is_there_at_once_comes_at_once);
    tcase_add_test(t, an_old_client_reads_to_the_end_of_the_connection);
    tcase_add_test(t, whoever_hangs_up_is_gone_at_once);
    tcase_add_test(t, who_does_not_read_is_not_read_for);
    tcase_add_test(t, what_breaks_off_is_seen_not_to_be_whole);
    tcase_add_test(t, a_stop_ends_it);
    tcase_add_test(t, head_has_nothing_to_go_on);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
