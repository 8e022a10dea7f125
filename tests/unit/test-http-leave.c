/* SPDX-License-Identifier: MIT */
/* One server takes the place of another: sockets and plain connections go on,
 * and the other ends see nothing of it. */
#include "config.h"
#include "http_server.h"
#include "http/inherited.h"
#include "tempdir.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#define GET "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"

static struct http_inherited *in;
static struct http_left left;

static int
ready(void *arg, struct il_request *req)
{
    (void) arg;
    if (!may_answer)
        return 0;
    il_respond(req, 202, NULL, NULL, 0);
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
serve(const char *listen, uint32_t threads)
{
    server_new((struct http_options){ .threads = threads, .inherited = in },
               listen);
    route("GET", "/echo", NULL, echo, NULL);
    route("POST", "/echo", NULL, echo, NULL);
    route("GET", "/hold", NULL, hold, NULL);
    ck_assert_int_eq(server_start(), 0);
}

static void
leave(int64_t wait_us)
{
    in = http_inherited_new();
    left = (struct http_left){ 0 };
    http_rest(http);
    http_stop(http, clock_monotonic_us() + wait_us);
    ck_assert_int_eq(http_leave(http, in, &left), 0);
    http_free(http);
    http = NULL;
}

static void
end(void)
{
    teardown();
    http_inherited_free(in);
    in = NULL;
}

static void
listen_text(char out[32])
{
    snprintf(out, 32, "127.0.0.1:%d", port);
}

START_TEST(an_idle_connection_goes_on)
{
    serve("127.0.0.1:0", 1);
    char listen[32];
    listen_text(listen);
    int fd = dial();
    say(fd, POST);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    leave(1000000);
    ck_assert_uint_eq(left.connections, 1);
    say(fd, GET); /* while nobody is there */
    serve(listen, 1);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    ck_assert_ptr_null(strstr(answer, "close"));
    close(fd);
    ck_assert_int_eq(ask(POST), 200);
    end();
}
END_TEST

/* From the first byte to the last one of a head, and with a request behind the
 * one that is answered. */
START_TEST(what_has_come_goes_along)
{
    char listen[32];
    for (size_t cut = 1; cut < sizeof(GET) - 1; cut++) {
        serve("127.0.0.1:0", 1);
        listen_text(listen);
        int fd = dial(), other = dial();
        say_bytes(fd, GET, cut);
        say_bytes(other, POST GET, sizeof(POST) - 1 + cut);
        ck_assert_int_eq(hear(other, answer, sizeof(answer)), 200);
        usleep(500);
        leave(1000000);
        ck_assert_uint_eq(left.connections, 2);
        serve(listen, 1);
        say(fd, GET + cut);
        say(other, GET + cut);
        ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
        ck_assert_int_eq(hear(other, answer, sizeof(answer)), 200);
        close(fd);
        close(other);
        end();
    }
}
END_TEST

START_TEST(who_waits_is_answered_and_goes_on)
{
    char listen[32];
    serve("127.0.0.1:0", 1);
    listen_text(listen);
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!handled)
        usleep(1000);
    http_rest(http);
    usleep(50000);
    may_answer = 1;
    http_wake(http);
    leave(1000000);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 202);
    ck_assert_ptr_null(strstr(answer, "close"));
    serve(listen, 1);
    say(fd, GET);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    close(fd);
    end();
}
END_TEST

START_TEST(who_is_late_is_cut_off_and_counted)
{
    char listen[32];
    serve("127.0.0.1:0", 1);
    listen_text(listen);
    int fd = dial();
    say_bytes(fd, POST, sizeof(POST) - 3);
    usleep(20000);
    leave(100000);
    ck_assert_uint_eq(left.requests, 1);
    ck_assert_uint_eq(left.connections, 0);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 0);
    serve(listen, 1);
    close(fd);
    end();
}
END_TEST

/* Each socket's queue is served, however many loops there were and are. */
START_TEST(who_comes_meanwhile_is_served)
{
    static const uint32_t was[] = { 1, 3, 2, 4 }, is[] = { 3, 1, 2, 2 };
    char listen[32];
    int fds[32];
    for (size_t k = 0; k < 4; k++) {
        serve("127.0.0.1:0", was[k]);
        listen_text(listen);
        leave(1000000);
        for (int i = 0; i < 32; i++) {
            fds[i] = dial();
            say(fds[i], GET);
        }
        serve(k % 2 ? listen : "127.0.0.1:0", is[k]);
        ck_assert_int_eq(port, atoi(strchr(listen, ':') + 1));
        for (int i = 0; i < 32; i++) {
            ck_assert_int_eq(hear(fds[i], answer, sizeof(answer)), 200);
            close(fds[i]);
        }
        end();
    }
}
END_TEST

START_TEST(a_path_stays_and_goes_with_the_last)
{
    char listen[128];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    struct stat st;
    char *dir = tempdir_make();
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/gate", dir);
    snprintf(listen, sizeof(listen), "unix:%s", at.sun_path);
    serve(listen, 2);
    leave(1000000);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &at, sizeof(at)), 0);
    say(fd, GET);
    serve(listen, 2);
    ck_assert_int_eq(hear(fd, answer, sizeof(answer)), 200);
    close(fd);
    ck_assert_int_eq(lstat(at.sun_path, &st), 0);
    end();
    ck_assert_int_ne(lstat(at.sun_path, &st), 0);
    tempdir_remove(dir);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("http-leave");
    TCase *t = tcase_create("leave");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_idle_connection_goes_on);
    tcase_add_test(t, what_has_come_goes_along);
    tcase_add_test(t, who_waits_is_answered_and_goes_on);
    tcase_add_test(t, who_is_late_is_cut_off_and_counted);
    tcase_add_test(t, who_comes_meanwhile_is_served);
    tcase_add_test(t, a_path_stays_and_goes_with_the_last);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
