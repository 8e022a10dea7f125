/* SPDX-License-Identifier: MIT */
/* The HTTP server on its own: routes, limits, framing, holding, stopping. */
#include "config.h"

#include "http_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>


static void
path(void *self, struct il_request *req)
{
    const char *p = il_request_path(req), *q = il_request_query(req, "q");
    char text[300];
    (void) self;
    snprintf(text, sizeof(text), "%s|%s|%s", p, q ? q : "-",
             il_request_peer(req));
    il_respond_header(req, "X-Test", "yes");
    il_respond(req, 200, "text/plain", text, strlen(text));
}

static int
ready(void *arg, struct il_request *req)
{
    (void) arg;
    if (!may_answer)
        return 0;
    il_respond(req, 202, "text/plain", "late", 4);
    return 1;
}

static void
hold(void *self, struct il_request *req)
{
    (void) self;
    handled++;
    http_hold(req, ready, NULL);
}

static int
admit_key(void *self, struct il_request *req)
{
    const char *value = il_request_header(req, "authorization");
    return value && !strcmp(value + 7, self) ? 0 : IL_NOT_MINE;
}

static void
who(void *self, struct il_request *req)
{
    il_respond(req, 200, "text/plain", self, strlen(self));
}

static void
silent(void *self, struct il_request *req)
{
    (void) self;
    (void) req;
}

static atomic_int worked;

static void
work(void *arg, struct il_request *req)
{
    const char *q = il_request_query(req, "q");
    (void) arg;
    worked = 1;
    q = q ? q : "no query";
    il_respond(req, 200, "text/plain", q, strlen(q));
}

/* The loop looks at the request still; so may whoever called. */
static void
defer(void *self, struct il_request *req)
{
    worked = 0;
    http_defer(req, work, NULL);
    for (int i = 0; i < 100 && !worked; i++)
        usleep(1000);
    handled = worked;
    if (self)
        il_respond(req, 200, "text/plain", self, strlen(self));
}

static void
twice(void *self, struct il_request *req)
{
    (void) self;
    il_respond(req, 200, "text/plain", "one", 3);
    il_respond(req, 500, "text/plain", "two", 3);
}

static void
serve(uint32_t threads, uint32_t timeout_ms, uint64_t max_buffered)
{
    server_new((struct http_options){ .threads = threads,
                                      .max_body = 100000,
                                      .timeout_ms = timeout_ms,
                                      .max_buffered = max_buffered },
               "127.0.0.1:0");
    route("POST", "/echo", NULL, echo, NULL);
    route("GET", "/path/*", NULL, path, NULL);
    route("POST", "/hold", NULL, hold, NULL);
    route("POST", "/who", admit_key, who, "alpha");
    route("POST", "/who", admit_key, who, "beta");
    route("GET", "/silent", NULL, silent, NULL);
    route("GET", "/defer", NULL, defer, NULL);
    route("GET", "/answered", NULL, defer, "at once");
    route("GET", "/twice", NULL, twice, NULL);
    ck_assert_int_eq(server_start(), 0);
    ck_assert_int_gt(port, 0);
}

static void
setup(void)
{
    serve(1, 5000, 0);
}

#define H " HTTP/1.1\r\nHost: t\r\n"

START_TEST(a_body_comes_back)
{
    ck_assert_int_eq(ask("POST /echo" H "Content-Length: 5\r\n\r\nhello"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nhello"));
}
END_TEST

START_TEST(a_connection_serves_many)
{
    int fd = dial();
    for (int i = 0; i < 100; i++) {
        say(fd, "POST /echo" H "Content-Length: 2\r\n\r\nab");
        ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    }
    close(fd);
    ck_assert_int_eq(handled, 100);
}
END_TEST

START_TEST(pipelined_requests_are_all_answered)
{
    int fd = dial(), seen = 0;
    say(fd, "POST /echo" H "Content-Length: 1\r\n\r\nx"
            "POST /echo" H "Content-Length: 1\r\n\r\ny"
            "GET /path/z" H "Connection: close\r\n\r\n");
    while (hear(fd, answer, sizeof(answer))) {
        for (char *p = answer; (p = strstr(p, "HTTP/1.1 200")); p++)
            seen++;
        if (seen >= 3)
            break;
    }
    close(fd);
    ck_assert_int_eq(seen, 3);
}
END_TEST

START_TEST(chunks_make_one_body)
{
    ck_assert_int_eq(ask("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n"
                         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
                     200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nabcde"));
}
END_TEST

START_TEST(path_query_and_peer_are_seen)
{
    ck_assert_int_eq(ask("GET /path/a%2Fb%20c?q=1%262" H "\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "/path/a/b c|1&2|127.0.0.1"));
    ck_assert_ptr_nonnull(strstr(answer, "X-Test: yes\r\n"));
    ck_assert_int_eq(ask("GET /path/a%00b" H "\r\n"), 400);
}
END_TEST

START_TEST(unknown_path_and_method)
{
    ck_assert_int_eq(ask("GET /nothing" H "\r\n"), 404);
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"not_found\""));
    ck_assert_ptr_nonnull(strstr(answer, "application/json"));
    ck_assert_ptr_null(strstr(answer, "slash"));
    ck_assert_int_eq(ask("POST //echo/" H "\r\n"), 404);
    ck_assert_ptr_nonnull(strstr(answer, "; it has a slash too many"));
    ck_assert_int_eq(ask("GET //" H "\r\n"), 404);
    ck_assert_ptr_null(strstr(answer, "slash"));
    ck_assert_int_eq(ask("GET /echo" H "\r\n"), 405);
    ck_assert_ptr_nonnull(strstr(answer, "Allow: OPTIONS, POST\r\n"));
    ck_assert_int_eq(ask("OPTIONS /path/x" H "\r\n"), 204);
    ck_assert_ptr_nonnull(strstr(answer, "Allow: OPTIONS, GET, HEAD\r\n"));
    ck_assert_int_eq(ask("HEAD /path/x" H "Connection: close\r\n\r\n"), 0);
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 200", 12), 0);
    ck_assert_ptr_null(strstr(answer, "/path/x|"));
}
END_TEST

START_TEST(the_first_that_admits_has_it)
{
    const char *fmt = "POST /who" H "Authorization: Bearer %s\r\n"
                      "Content-Length: 0\r\n\r\n";
    char text[200];
    snprintf(text, sizeof(text), fmt, "beta");
    ck_assert_int_eq(ask(text), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nbeta"));
    snprintf(text, sizeof(text), fmt, "gamma");
    ck_assert_int_eq(ask(text), 401);
    ck_assert_ptr_nonnull(strstr(answer, "WWW-Authenticate: Bearer\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "not known"));
    ck_assert_ptr_null(strstr(answer, "gamma"));
    ck_assert_int_eq(ask("POST /who" H "Content-Length: 3\r\n\r\nabc"), 401);
    ck_assert_ptr_nonnull(strstr(answer, "no Authorization header"));
}
END_TEST

START_TEST(a_refused_small_body_keeps_the_connection)
{
    int fd = dial();
    say(fd, "POST /nowhere" H "Content-Length: 3\r\n\r\nabc");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 404);
    say(fd, "POST /echo" H "Content-Length: 3\r\n\r\nabc");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    close(fd);
}
END_TEST

START_TEST(a_stranger_cannot_make_us_read)
{
    ck_assert_int_eq(ask("POST /who" H "Content-Length: 99999999\r\n\r\n"),
                     401);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close"));
}
END_TEST

START_TEST(bodies_have_a_limit)
{
    static char body[150000];
    char head[100];
    ck_assert_int_eq(ask("POST /echo" H "Content-Length: 100001\r\n"
                         "Expect: 100-continue\r\n\r\n"),
                     413);
    int fd = dial();
    snprintf(head, sizeof(head),
             "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
             sizeof(body));
    say(fd, head);
    say_bytes(fd, body, sizeof(body));
    say(fd, "\r\n0\r\n\r\n");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 413);
    ck_assert_ptr_nonnull(strstr(answer, "body_too_large"));
    close(fd);
    fd = dial();
    say(fd, "POST /echo" H "Content-Length: 100000\r\n\r\n");
    say_bytes(fd, body, 100000);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    close(fd);
}
END_TEST

START_TEST(lengths_are_required)
{
    ck_assert_int_eq(ask("POST /echo" H "\r\n"), 411);
    ck_assert_ptr_nonnull(strstr(answer, "length_required"));
}
END_TEST

static size_t
gzip(const void *data, size_t len, char *out, size_t size)
{
    z_stream z = { 0 };
    deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *) (uintptr_t) data;
    z.avail_in = (uInt) len;
    z.next_out = (Bytef *) out;
    z.avail_out = (uInt) size;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    return n;
}

static int
ask_gzip(const char *packed, size_t len)
{
    char head[120];
    int fd = dial();
    snprintf(head, sizeof(head),
             "POST /echo" H "Content-Encoding: gzip\r\n"
             "Content-Length: %zu\r\n\r\n",
             len);
    say(fd, head);
    say_bytes(fd, packed, len);
    int status = hear(fd, answer, sizeof(answer));
    close(fd);
    return status;
}

START_TEST(gzip_is_unpacked)
{
    char packed[1000];
    size_t n = gzip("hello hello", 11, packed, sizeof(packed));
    ck_assert_int_eq(ask_gzip(packed, n), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nhello hello"));
    /* two members are one body */
    memcpy(packed + n, packed, n);
    ck_assert_int_eq(ask_gzip(packed, 2 * n), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nhello hellohello hello"));
}
END_TEST

START_TEST(bad_gzip_is_refused)
{
    char packed[1000];
    size_t n = gzip("hello hello", 11, packed, sizeof(packed));
    ck_assert_int_eq(ask_gzip(packed, n - 1), 400);
    ck_assert_ptr_nonnull(strstr(answer, "ends too early"));
    ck_assert_int_eq(ask_gzip("garbage", 7), 400);
    memcpy(packed + n, "tail", 4);
    ck_assert_int_eq(ask_gzip(packed, n + 4), 400);
    packed[n / 2] ^= 0x55;
    ck_assert_int_eq(ask_gzip(packed, n), 400);
    ck_assert_int_eq(ask("POST /echo" H "Content-Encoding: br\r\n"
                         "Content-Length: 3\r\n\r\nabc"),
                     415);
}
END_TEST

START_TEST(gzip_bombs_are_refused)
{
    size_t size = 20 << 20;
    char *zeros = calloc(1, size), *packed = malloc(100000);
    size_t n = gzip(zeros, size, packed, 100000);
    ck_assert_int_eq(ask_gzip(packed, n), 413);
    n = gzip(zeros, 100000, packed, 100000);
    ck_assert_int_eq(ask_gzip(packed, n), 200);
    n = gzip(zeros, 100001, packed, 100000);
    ck_assert_int_eq(ask_gzip(packed, n), 413);
    free(zeros);
    free(packed);
}
END_TEST

START_TEST(held_requests_are_answered_when_woken)
{
    int fd[300];
    for (int i = 0; i < 300; i++) {
        fd[i] = dial();
        say(fd[i], "POST /hold" H "Content-Length: 1\r\n\r\nx");
    }
    while (handled < 300)
        usleep(1000);
    http_wake(http); /* nothing is ready: all stay */
    usleep(20000);
    ck_assert_int_eq(recv(fd[0], answer, 1, MSG_DONTWAIT), -1);
    may_answer = 1;
    http_wake(http);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(hear(fd[i], answer, sizeof(answer)), 202);
        ck_assert_ptr_nonnull(strstr(answer, "late"));
        say(fd[i], "POST /echo" H "Content-Length: 1\r\n\r\nx");
        ck_assert_int_eq(hear(fd[i], answer, sizeof(answer)), 200);
        close(fd[i]);
    }
}
END_TEST

START_TEST(a_deferred_request_is_worked_on_once_handle_has_returned)
{
    int fd = dial();
    say(fd, "GET /defer?q=yes" H "\r\n");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_ptr_nonnull(strstr(answer, "yes"));
    ck_assert_int_eq(handled, 0);
    /* One that was answered by then is not worked on. */
    say(fd, "GET /answered" H "\r\n");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_ptr_nonnull(strstr(answer, "at once"));
    ck_assert_int_eq(worked, 0);
    say(fd, "GET /defer" H "\r\n");
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_ptr_nonnull(strstr(answer, "no query"));
    close(fd);
}
END_TEST

START_TEST(a_forgotten_answer_is_500)
{
    ck_assert_int_eq(ask("GET /silent" H "\r\n"), 500);
}
END_TEST

START_TEST(the_first_answer_counts)
{
    /* the second is reported in the log */
    log_level_set(0);
    ck_assert_int_eq(ask("GET /twice" H "\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\none"));
}
END_TEST

START_TEST(several_loops_share_a_port)
{
    serve(3, 5000, 0);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(ask("POST /echo" H "Content-Length: 1\r\n\r\nx"), 200);
    ck_assert_int_eq(handled, 60);
    teardown();
}
END_TEST

START_TEST(slow_senders_are_cut_off)
{
    serve(1, 1000, 0);
    int body = dial(), head = dial();
    int64_t begin = clock_monotonic_us();
    say(body, "POST /echo" H "Content-Length: 50\r\n\r\n");
    say(head, "POST /echo HTTP/1.1\r\n");
    int body_open = 1, head_open = 1;
    for (int i = 0; i < 60 && (body_open || head_open); i++) {
        char c;
        usleep(100000);
        if (i < 45)
            say(body, "x");
        say(head, "X-A: b\r\n");
        body_open = body_open && recv(body, &c, 1, MSG_DONTWAIT) < 0
                    && errno == EAGAIN;
        head_open = head_open && recv(head, &c, 1, MSG_DONTWAIT) < 0
                    && errno == EAGAIN;
    }
    ck_assert(!body_open);
    ck_assert(!head_open);
    ck_assert_int_gt(clock_monotonic_us() - begin, 900000);
    close(body);
    close(head);
    ck_assert_int_eq(handled, 0);
    teardown();
}
END_TEST

START_TEST(bodies_in_memory_are_bounded)
{
    serve(1, 5000, 150000);
    int one = dial(), two = dial();
    static char body[90000];
    say(one, "POST /echo" H "Content-Length: 90000\r\n\r\n");
    say_bytes(one, body, 80000);
    usleep(100000);
    say(two, "POST /echo" H "Content-Length: 90000\r\n\r\n");
    say_bytes(two, body, 90000);
    ck_assert_int_eq(hear(two, answer, sizeof(answer)), 503);
    ck_assert_ptr_nonnull(strstr(answer, "Retry-After: 1\r\n"));
    say_bytes(one, body, 10000);
    ck_assert_int_eq(hear(one, answer, sizeof(answer)), 200);
    say(two, "POST /echo" H "Content-Length: 90000\r\n\r\n");
    say_bytes(two, body, 90000);
    ck_assert_int_eq(hear(two, answer, sizeof(answer)), 200);
    close(one);
    close(two);
    teardown();
}
END_TEST

START_TEST(stopping_finishes_what_is_at_hand)
{
    int held = dial(), half = dial(), idle = dial();
    say(idle, "POST /echo" H "Content-Length: 1\r\n\r\nx");
    ck_assert_int_eq(hear(idle, answer, sizeof(answer)), 200);
    say(held, "POST /hold" H "Content-Length: 1\r\n\r\nx");
    say(half, "POST /echo" H "Content-Length: 4\r\n\r\nab");
    while (handled < 2)
        usleep(1000);
    usleep(50000);
    http_quiesce(http);
    usleep(50000);
    ck_assert_int_eq(recv(idle, answer, 1, 0), 0);
    say(half, "cd");
    ck_assert_int_eq(hear(half, answer, sizeof(answer)), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close"));
    may_answer = 1;
    http_wake(http);
    ck_assert_int_eq(hear(held, answer, sizeof(answer)), 202);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close"));
    http_stop(http, clock_monotonic_us() + 3000000);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) port) };
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    ck_assert_int_lt(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
    close(fd);
    close(idle);
    close(half);
    close(held);
}
END_TEST

START_TEST(stopping_does_not_wait_past_the_deadline)
{
    int held = dial();
    say(held, "POST /hold" H "Content-Length: 1\r\n\r\nx");
    while (handled < 1)
        usleep(1000);
    usleep(20000);
    http_stop(http, clock_monotonic_us() + 100000);
    ck_assert_int_eq(hear(held, answer, sizeof(answer)), 503);
    close(held);
}
END_TEST

START_TEST(a_thousand_idle_connections_do_not_disturb)
{
    static int fd[1000];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2100)
        return;
    for (int i = 0; i < 1000; i++) {
        fd[i] = dial();
        say(fd[i], i % 2 ? "POST /echo" H "Content-Length: 9\r\n\r\nx"
                         : "POST /echo HT");
    }
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ask("POST /echo" H "Content-Length: 1\r\n\r\nx"), 200);
    for (int i = 0; i < 1000; i++)
        close(fd[i]);
}
END_TEST

START_TEST(addresses_are_checked)
{
    static const char *const bad[]
        = { "8080", "127.0.0.1", "::1:80", "[::1:80", "127.0.0.1:x",
            "127.0.0.1:99999", "no.such.host.invalid:80", "203.0.113.7:80" };
    log_level_set(0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct http_options o = { .name = "test", .listen = &bad[i],
                                  .listen_count = 1 };
        ck_assert_int_eq(http_new(&o, &http), 0);
        ck_assert_int_lt(http_start(http), 0);
        http_free(http);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("served");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_body_comes_back);
    tcase_add_test(t, a_connection_serves_many);
    tcase_add_test(t, pipelined_requests_are_all_answered);
    tcase_add_test(t, chunks_make_one_body);
    tcase_add_test(t, path_query_and_peer_are_seen);
    tcase_add_test(t, unknown_path_and_method);
    tcase_add_test(t, the_first_that_admits_has_it);
    tcase_add_test(t, a_refused_small_body_keeps_the_connection);
    tcase_add_test(t, a_stranger_cannot_make_us_read);
    tcase_add_test(t, bodies_have_a_limit);
    tcase_add_test(t, lengths_are_required);
    tcase_add_test(t, gzip_is_unpacked);
    tcase_add_test(t, bad_gzip_is_refused);
    tcase_add_test(t, gzip_bombs_are_refused);
    tcase_add_test(t, held_requests_are_answered_when_woken);
    tcase_add_test(t, a_deferred_request_is_worked_on_once_handle_has_returned);
    tcase_add_test(t, a_forgotten_answer_is_500);
    tcase_add_test(t, the_first_answer_counts);
    tcase_add_test(t, stopping_finishes_what_is_at_hand);
    tcase_add_test(t, stopping_does_not_wait_past_the_deadline);
    tcase_add_test(t, a_thousand_idle_connections_do_not_disturb);
    suite_add_tcase(s, t);
    t = tcase_create("own");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, several_loops_share_a_port);
    tcase_add_test(t, slow_senders_are_cut_off);
    tcase_add_test(t, bodies_in_memory_are_bounded);
    tcase_add_test(t, addresses_are_checked);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
