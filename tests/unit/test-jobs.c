/* SPDX-License-Identifier: MIT */
/* Requests that take long: what their clients hear, that they end when nobody
 * wants to hear it any more, and that all of them end with the daemon. */
#include "config.h"
#include "http_server.h"

#include "codec/json_out.h"
#include "host/jobs.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

static struct host_jobs *jobs;
static _Atomic int worked, puts_done, saw_cancel, niceness;
static struct job *_Atomic kept;

static int
refused(struct il_request *req, int err)
{
    if (err)
        il_respond_error(req, 503, "refused", "%s", strerror(-err));
    return err;
}

/* A number of lines, and a message. */
static void
count(struct job *job, void *arg)
{
    char line[32];
    niceness = getpriority(PRIO_PROCESS, 0); /* of this thread */
    for (int i = 1; i <= 3; i++) {
        job_progress(job, (uint64_t) i, 3, "lines");
        snprintf(line, sizeof(line), "{\"n\":%d}", i);
        ck_assert_int_eq(job_put(job, slice_of(line, strlen(line))), 0);
    }
    job_say(job, "so \"%s\"", (const char *) arg);
    worked++;
}

static void
until_cancelled(struct job *job, void *arg)
{
    (void) arg;
    worked++;
    job_progress(job, 7, 70, "events");
    while (!job_cancelled(job))
        usleep(1000);
    saw_cancel++;
}

/* More than anybody keeps for a client that does not read. */
static void
flood(struct job *job, void *arg)
{
    static char line[16 << 10];
    memset(line, ' ', sizeof(line));
    memcpy(line, "{}", 2);
    (void) arg;
    while (!job_put(job, slice_of(line, sizeof(line))))
        puts_done++;
    saw_cancel++;
}

static void
no_luck(struct job *job, void *arg)
{
    (void) arg;
    job_fail(job, "no_luck", "it is %s", "so");
    job_fail(job, "other", "not this");
}

static void
handle(void *self, struct il_request *req)
{
    static void (*const work[])(
        struct job *, void *) = { count, until_cancelled, flood, no_luck };
    struct job *job;
    static char said[] = "it is";
    const char *kind = self;
    if (refused(req, host_jobs_begin(jobs, req, "test", &job)))
        return;
    if (*kind == 'k')
        kept = job;
    else
        job_run(job, work[*kind - '0'], said);
}

static void
setup(void)
{
    worked = puts_done = saw_cancel = 0;
    kept = NULL;
    jobs = host_jobs_new();
    ck_assert_ptr_nonnull(jobs);
    server_new((struct http_options){ .timeout_ms = 5000 }, "127.0.0.1:0");
    route("GET", "/count", NULL, handle, "0");
    route("GET", "/wait", NULL, handle, "1");
    route("GET", "/flood", NULL, handle, "2");
    route("GET", "/fail", NULL, handle, "3");
    route("GET", "/kept", NULL, handle, "k");
    ck_assert_int_eq(server_start(), 0);
}

static void
end(void)
{
    host_jobs_stop(jobs);
    teardown();
    host_jobs_free(jobs);
}

static int
begin(const char *path)
{
    char text[64];
    int fd = dial();
    snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", path);
    say(fd, text);
    return fd;
}

/* All that comes until the connection ends. */
static const char *
hear_all(int fd)
{
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
        len += (size_t) n;
    answer[len] = 0;
    close(fd);
    const char *body = strstr(answer, "\r\n\r\n");
    return body ? body + 4 : "";
}

static void
wait_for(_Atomic int *what, int n)
{
    for (int i = 0; *what < n && i < 5000; i++)
        usleep(1000);
    ck_assert_int_eq(*what, n);
}

static const char *
listed(void)
{
    static struct il_text text;
    struct json_out o;
    text.len = 0;
    json_out_begin(&o, &text);
    json_out_object(&o, NULL);
    host_jobs_put(jobs, &o);
    json_out_end(&o);
    ck_assert_int_eq(json_out_done(&o), 0);
    return text_str(&text);
}

START_TEST(a_job_tells_its_lines_and_that_it_is_done)
{
    const char *said = hear_all(begin("/count"));
    ck_assert(strstr(answer, "application/x-ndjson"));
    ck_assert_int_eq(strncmp(said, "{\"job\":\"1\",\"kind\":\"test\",", 25), 0);
    const char *n1 = strstr(said, "\n{\"n\":1}\n"),
               *n3 = strstr(said, "{\"n\":3}");
    const char *message = strstr(said, "\n{\"say\":\"so \\\"it is\\\"\"}\n");
    const char *last = strstr(said, "\n{\"done\":true}\n");
    ck_assert(n1 && n1 < n3 && n3 < message && message < last);
    ck_assert_str_eq(last, "\n{\"done\":true}\n");
    /* those who deliver come first */
    const int ours = getpriority(PRIO_PROCESS, 0);
    ck_assert(niceness > ours || ours == 19);
    ck_assert_str_eq(listed(), "{\"jobs\":[]}");
}
END_TEST

START_TEST(one_that_failed_says_why_first)
{
    const char *said = hear_all(begin("/fail"));
    ck_assert(strstr(said, "\n{\"error\":{\"message\":\"it is so\","
                           "\"code\":\"no_luck\"}}\n"));
    ck_assert(!strstr(said, "done"));
}
END_TEST

START_TEST(it_is_listed_and_can_be_cancelled)
{
    int fd = begin("/wait");
    wait_for(&worked, 1);
    ck_assert(strstr(listed(), "{\"jobs\":[{\"id\":\"1\",\"kind\":\"test\","));
    ck_assert(strstr(listed(), "\"cancelled\":false,\"progress\":{\"done\":7,"
                               "\"total\":70,\"unit\":\"events\"}}]}"));
    ck_assert_int_eq(host_jobs_cancel(jobs, "2"), -ENOENT);
    ck_assert_int_eq(host_jobs_cancel(jobs, "1"), 0);
    ck_assert(strstr(hear_all(fd), "\"code\":\"cancelled\"}}\n"));
    ck_assert_int_eq(host_jobs_cancel(jobs, "1"), -ENOENT);
}
END_TEST

START_TEST(who_hangs_up_cancels_it)
{
    int fd = begin("/wait");
    wait_for(&worked, 1);
    close(fd);
    wait_for(&saw_cancel, 1);
}
END_TEST

START_TEST(one_waits_for_the_other)
{
    int first = begin("/wait");
    wait_for(&worked, 1);
    int second = begin("/count");
    usleep(100000);
    ck_assert_int_eq(worked, 1);
    close(first);
    ck_assert(strstr(hear_all(second), "\"ahead\":1}\n"));
    ck_assert_int_eq(worked, 2);
}
END_TEST

START_TEST(who_does_not_read_makes_it_wait_and_not_grow)
{
    int fd = begin("/flood"), before;
    do {
        before = puts_done;
        usleep(500000);
        ck_assert_int_lt(puts_done,
                         2000); /* 32 MiB: what sockets hold, and more */
    } while (!before || puts_done != before);
    close(fd);
    wait_for(&saw_cancel, 1);
}
END_TEST

START_TEST(there_are_not_more_than_so_many)
{
    int fds[JOBS_MAX];
    for (int i = 0; i < JOBS_MAX; i++)
        fds[i] = begin("/wait");
    wait_for(&worked, 1);
    for (int i = 0; i < 5000 && !strstr(listed(), "\"id\":\"16\""); i++)
        usleep(1000);
    ck_assert_int_eq(ask("GET /wait HTTP/1.0\r\n\r\n"), 503);
    for (int i = 0; i < JOBS_MAX; i++)
        close(fds[i]);
    wait_for(&saw_cancel, JOBS_MAX);
}
END_TEST

START_TEST(another_thread_may_have_one_and_is_never_kept)
{
    static char large[JOB_ROOM];
    int fd = begin("/kept");
    for (int i = 0; !kept && i < 5000; i++)
        usleep(1000);
    memset(large, 'x', sizeof(large));
    int err, n = 0;
    while (!(err = job_try(kept, slice_of(large, sizeof(large)))) && n++ < 1000)
        ;
    ck_assert_int_eq(err, -EAGAIN);
    job_say(kept, "not kept");
    close(fd);
    while (!job_cancelled(kept))
        usleep(1000);
    ck_assert_int_eq(job_try(kept, SLICE("{}")), -ECANCELED);
    job_end(kept);
}
END_TEST

START_TEST(all_end_with_the_daemon)
{
    int first = begin("/wait");
    wait_for(&worked, 1);
    int second = begin("/wait");
    for (int i = 0; i < 5000 && !strstr(listed(), "\"id\":\"2\""); i++)
        usleep(1000);
    host_jobs_stop(jobs);
    ck_assert_int_eq(saw_cancel, 2);
    ck_assert_int_eq(ask("GET /wait HTTP/1.0\r\n\r\n"), 503);
    ck_assert(strstr(hear_all(first), "\"cancelled\"}}\n"));
    ck_assert(strstr(hear_all(second), "\"cancelled\"}}\n"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("jobs");
    TCase *t = tcase_create("jobs");
    tcase_add_checked_fixture(t, setup, end);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, a_job_tells_its_lines_and_that_it_is_done);
    tcase_add_test(t, one_that_failed_says_why_first);
    tcase_add_test(t, it_is_listed_and_can_be_cancelled);
    tcase_add_test(t, who_hangs_up_cancels_it);
    tcase_add_test(t, one_waits_for_the_other);
    tcase_add_test(t, who_does_not_read_makes_it_wait_and_not_grow);
    tcase_add_test(t, there_are_not_more_than_so_many);
    tcase_add_test(t, another_thread_may_have_one_and_is_never_kept);
    tcase_add_test(t, all_end_with_the_daemon);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
