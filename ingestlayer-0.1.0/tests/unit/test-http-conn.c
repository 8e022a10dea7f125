/* SPDX-License-Identifier: MIT */
/* What becomes of a connection: requests one behind the other, in pieces, held,
 * answered to those who hang up, read slowly or not at all. */
#include "config.h"
#include "http_server.h"
#include "base/metrics.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>


static int
ready(void *arg, struct il_request *req)
{
    const char *tag = il_request_header(req, "X-Tag");
    (void) arg;
    if (!may_answer)
        return 0;
    il_respond(req, 202, "text/plain", tag ? tag : "", tag ? strlen(tag) : 0);
    return 1;
}

static void
hold(void *self, struct il_request *req)
{
    (void) self;
    handled++;
    http_hold(req, ready, NULL);
}

static void
pause_a_little(void *arg)
{
    (void) arg;
    usleep(2000);
    may_answer = 1;
}

static void
pause_in_vain(void *arg)
{
    (void) arg;
    usleep(HTTP_PAUSE_US + 1000);
}

static void
brief(void *self, struct il_request *req)
{
    handled++;
    http_hold_brief(req, ready, self ? pause_in_vain : pause_a_little, NULL);
}

static void
nothing(void *self, struct il_request *req)
{
    (void) self;
    il_respond(req, 204, NULL, NULL, 0);
}

static void
arguments(void *self, struct il_request *req)
{
    static const char *const names[] = { "a", "b", "c", "d", "" };
    char text[200] = "";
    (void) self;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = il_request_query(req, names[i]);
        strcat(strcat(text, value ? value : "(none)"), ",");
    }
    il_respond(req, 200, "text/plain", text, strlen(text));
}

static void
setup(void)
{
    server_new((struct http_options){ .max_body = 20 << 20,
                                      .timeout_ms = 5000 },
               "127.0.0.1:0");
    route("POST", "/echo", NULL, echo, NULL);
    route("POST", "/hold", NULL, hold, NULL);
    route("POST", "/brief", NULL, brief, NULL);
    route("POST", "/vain", NULL, brief, http);
    route("POST", "/keyed", nobody, echo, NULL);
    route("GET", "/nothing", NULL, nothing, NULL);
    route("GET", "/arguments", NULL, arguments, NULL);
    ck_assert_int_eq(server_start(), 0);
}

static int
connections(void)
{
    struct il_text all = { 0 };
    const char *name = "\ningestlayer_http_connections{server=\"test\"} ";
    ck_assert_int_eq(metric_export(&all), 0);
    const char *at = strstr(text_str(&all), name);
    int n = at ? atoi(at + strlen(name)) : -1;
    text_clear(&all);
    return n;
}

#define H " HTTP/1.1\r\nHost: t\r\n"
#define N1 "Content-Length: 1\r\n\r\nx"
#define TAG(n) "X-Tag: t" n "\r\n"

/* So many answers, one behind the other. */
static void
hear_many(int fd, const char *const *bodies, size_t count)
{
    size_t len = 0;
    answer[0] = 0;
    for (size_t i = 0; i < count; i++) {
        const char *at;
        while (!(at = strstr(answer, bodies[i]))) {
            ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
            ck_assert_int_gt(n, 0);
            len += (size_t) n;
            answer[len] = 0;
        }
        len -= (size_t) (at - answer) + strlen(bodies[i]);
        memmove(answer, at + strlen(bodies[i]), len + 1);
    }
    ck_assert_uint_eq(len, 0);
}

START_TEST(those_behind_a_held_request_wait_for_it)
{
    static const char *const bodies[]
        = { "\r\n\r\nt1", "\r\n\r\nt2", "\r\n\r\nx", "\r\n\r\nt3" };
    int fd = dial();
    say(fd, "POST /hold" H TAG("1") N1 "POST /hold" H TAG("2") N1
            "POST /echo" H N1 "POST /hold" H TAG("3") N1);
    while (handled < 1)
        usleep(1000);
    usleep(20000);
    ck_assert_int_eq(handled, 1);
    may_answer = 1;
    http_wake(http);
    hear_many(fd, bodies, 4);
    close(fd);
}
END_TEST

START_TEST(brief_ones_are_answered_together)
{
    int fd[50];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            fd[i] = dial();
            say(fd[i], "POST /brief" H TAG("9") N1);
        }
        for (int i = 0; i < 50; i++) {
            ck_assert_int_eq(hear(fd[i], answer, sizeof(answer)), 202);
            ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nt9"));
            close(fd[i]);
        }
        may_answer = 0;
    }
}
END_TEST

START_TEST(brief_ones_that_take_long_hold_up_nobody)
{
    int fd = dial();
    say(fd, "POST /vain" H TAG("7") N1);
    while (handled < 1)
        usleep(1000);
    usleep(100000);
    ck_assert_int_eq(ask("POST /echo" H N1), 200);
    may_answer = 1;
    http_wake(http);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 202);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nt7"));
    close(fd);
}
END_TEST

START_TEST(who_sends_no_more_is_answered)
{
    static const char *const paths[] = { "/echo", "/brief", "/hold" };
    char text[200];
    for (int i = 0; i < 3; i++) {
        int fd = dial();
        snprintf(text, sizeof(text), "POST %s" H N1, paths[i]);
        say(fd, text);
        shutdown(fd, SHUT_WR);
        if (i == 2) {
            usleep(50000);
            may_answer = 1;
            http_wake(http);
        }
        int status = hear(fd, answer, sizeof(answer));
        ck_assert_int_eq(status, i ? 202 : 200);
        ck_assert_int_eq(recv(fd, answer, 1, 0), 0);
        close(fd);
        may_answer = 0;
    }
}
END_TEST

START_TEST(who_hangs_up_is_forgotten)
{
    struct linger reset = { .l_onoff = 1 };
    for (int i = 0; i < 20; i++) {
        int fd = dial();
        say(fd, i % 2 ? "POST /hold" H N1 : "POST /echo" H
                                            "Content-Length: 9\r\n\r\nx");
        if (i % 4 < 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    for (int i = 0; i < 100 && handled < 5; i++)
        usleep(10000);
    may_answer = 1;
    for (int i = 0; i < 200 && connections(); i++) {
        http_wake(http);
        usleep(10000);
    }
    ck_assert_int_eq(connections(), 0);
    ck_assert_int_eq(ask("POST /echo" H N1), 200);
}
END_TEST

START_TEST(pieces_make_the_same_requests)
{
    static const char *const bodies[] = { "\r\n\r\nabc", "\r\n\r\nxyz",
                                          "\r\n\r\nx" };
    const char *text = "POST /echo" H "Content-Length: 3\r\n\r\nabc\r\n"
                       "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n"
                       "1\r\nx\r\n2\r\nyz\r\n0\r\n\r\nPOST /echo" H N1;
    for (size_t piece = 1; piece < 30; piece += piece < 4 ? 1 : 5) {
        int fd = dial();
        for (size_t at = 0; at < strlen(text); at += piece) {
            size_t left = strlen(text + at);
            say_bytes(fd, text + at, left < piece ? left : piece);
            usleep(100);
        }
        hear_many(fd, bodies, 3);
        close(fd);
    }
}
END_TEST

START_TEST(old_clients_say_whether_they_stay)
{
    int fd = dial();
    say(fd, "POST /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n" N1);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: keep-alive\r\n"));
    say(fd, "POST /echo HTTP/1.0\r\n" N1);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
    ck_assert_int_eq(recv(fd, answer, 1, 0), 0);
    close(fd);
    fd = dial();
    say(fd, "POST /echo" H "Connection: x , CLOSE\r\n" N1);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_int_eq(recv(fd, answer, 1, 0), 0);
    close(fd);
}
END_TEST

START_TEST(answers_without_a_body_end_with_their_head)
{
    static const char *const bodies[] = { "\r\n\r\n", "\r\n\r\n",
                                          "\r\n\r\nx" };
    int fd = dial();
    say(fd, "GET /nothing" H "\r\nHEAD /arguments" H "\r\nPOST /echo" H N1);
    hear_many(fd, bodies, 3);
    close(fd);
    fd = dial();
    say(fd, "GET /nothing" H "Connection: close\r\n\r\n");
    ssize_t n = recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL);
    ck_assert_int_gt(n, 0);
    answer[n] = 0;
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 204 No Content\r\nDate: ", 31),
                     0);
    ck_assert_ptr_null(strstr(answer, "Content-Length"));
    close(fd);
}
END_TEST

START_TEST(versions_of_another_time)
{
    ck_assert_int_eq(ask("GET /nothing HTTP/2.0\r\nHost: t\r\n\r\n"), 505);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"unsupported_version\""));
    ck_assert_int_eq(ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
}
END_TEST

START_TEST(arguments_are_unescaped_once)
{
    static const struct {
        const char *query, *seen;
    } asked[] = {
        { "", "(none),(none),(none),(none),(none)," },
        { "?", "(none),(none),(none),(none),(none)," },
        { "?a=1&b=2&c=&d", "1,2,,(none),(none)," },
        { "?a=1+2%2B%26&%62=%2541&a=3", "1 2+&,%41,(none),(none),(none)," },
        { "?a=%&b=%4&c=%zz&d=%41%", "%,%4,%zz,A%,(none)," },
        { "?&&=x&a==y&B=u=v", "=y,u=v,(none),(none),x," },
    };
    char text[200];
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        snprintf(text, sizeof(text), "GET /arguments%s" H "\r\n",
                 asked[i].query);
        ck_assert_int_eq(ask(text), 200);
        ck_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, asked[i].seen);
    }
}
END_TEST

/* Else one answer could wait until the one before it is acknowledged. */
START_TEST(answers_leave_at_once)
{
    int fd = dial(), seen = 0;
    say(fd, "POST /echo" H N1);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    for (int i = 3; i < 200; i++) {
        struct sockaddr_in here, there;
        socklen_t len = sizeof(here), len2 = sizeof(there);
        int on = 0;
        if (getsockname(i, (struct sockaddr *) &here, &len)
            || getpeername(i, (struct sockaddr *) &there, &len2)
            || ntohs(here.sin_port) != port)
            continue;
        len = sizeof(on);
        ck_assert_int_eq(getsockopt(i, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        ck_assert_int_ne(on, 0);
        seen++;
    }
    ck_assert_int_eq(seen, 1);
    close(fd);
}
END_TEST

/* The answer comes before all of the request has gone; were the connection
 * closed there and then, a reset would overtake it. */
START_TEST(a_refusal_reaches_who_is_still_sending)
{
    const size_t size = 8 << 20;
    char *body = calloc(1, size);
    for (int i = 0; i < 5; i++) {
        int fd = dial();
        say(fd, "POST /keyed" H "Content-Length: 9000000\r\n\r\n");
        say_bytes(fd, body, size);
        ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 401);
        ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
        close(fd);
    }
    free(body);
}
END_TEST

START_TEST(a_large_answer_arrives_in_the_end)
{
    const size_t size = 10 << 20;
    char head[100], *body = malloc(size), *got = malloc(size + 1000);
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        body[i] = (char) (i * 2654435761u >> 13);
    int fd = dial();
    snprintf(head, sizeof(head), "POST /echo" H "Connection: close\r\n"
             "Content-Length: %zu\r\n\r\n", size);
    say(fd, head);
    say_bytes(fd, body, size);
    for (ssize_t more; (more = recv(fd, got + n, size + 1000 - n, 0)) > 0;) {
        n += (size_t) more;
        if (n < 1 << 20)
            usleep(1000);
    }
    ck_assert_uint_gt(n, size);
    ck_assert_int_eq(memcmp(got + n - size, body, size), 0);
    close(fd);
    free(body);
    free(got);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("http-conn");
    TCase *t = tcase_create("served");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, those_behind_a_held_request_wait_for_it);
    tcase_add_test(t, brief_ones_are_answered_together);
    tcase_add_test(t, brief_ones_that_take_long_hold_up_nobody);
    tcase_add_test(t, who_sends_no_more_is_answered);
    tcase_add_test(t, who_hangs_up_is_forgotten);
    tcase_add_test(t, pieces_make_the_same_requests);
    tcase_add_test(t, old_clients_say_whether_they_stay);
    tcase_add_test(t, answers_without_a_body_end_with_their_head);
    tcase_add_test(t, versions_of_another_time);
    tcase_add_test(t, arguments_are_unescaped_once);
    tcase_add_test(t, answers_leave_at_once);
    tcase_add_test(t, a_refusal_reaches_who_is_still_sending);
    tcase_add_test(t, a_large_answer_arrives_in_the_end);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
