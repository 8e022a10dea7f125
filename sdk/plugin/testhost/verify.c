/* SPDX-License-Identifier: MIT */
/* The test host: a plugin that nobody has written a test for, run through what
 * goes wrong in the life of a daemon.
 *
 * Each round is a process of its own, since it may crash, exit or hang: that is
 * a finding as any other.  What a round finds goes through a pipe, a line
 * each. */
#include <config.h>

#include "private.h"
#include "plugin/enter.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A callback that takes longer hangs. */
#define HANG_US 10000000
#define SETTLE_MS 5000
/* Where allocations never stop failing: so many of them, and so long. */
#define FAIL_MAX 2000
#define FAIL_SECONDS 20

enum {
    ROUND_DONE,
    ROUND_BROKEN, /* by an exit or a crash */
    ROUND_ENOUGH, /* the others would wait as long, for the same */
    ROUND_REFUSED,
    ROUND_OTHER_KIND
};

static FILE *report; /* of this process: the pipe */

struct verify {
    const char *path, *config, *name;
    struct testhost *t;
    int waited; /* for what did not come */
};

/* --- exits, crashes, hangs ----------------------------------------------- */

static void
put(const char *text)
{
    ssize_t n = write(fileno(report), text, strlen(text));
    (void) n;
}

static void
put_callback(void)
{
    const char *callback;
    instance_current(&callback);
    put(callback ? callback : "a thread of its own");
}

static void
at_exit(void)
{
    put_callback();
    put(": calls exit()\n");
    _exit(ROUND_BROKEN);
}

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
static const char *const fatal_names[] = { "SIGSEGV", "SIGBUS", "SIGFPE",
                                           "SIGILL", "SIGABRT" };

static void
at_signal(int number)
{
    put_callback();
    put(": dies of ");
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        if (fatal[i] == number)
            put(fatal_names[i]);
    put("\n");
    _exit(ROUND_BROKEN);
}

static int
name_hung(void *arg, const struct il_host *h, const char *callback, int64_t us)
{
    int *hung = arg;
    (void) h;
    if (us < HANG_US)
        return 0;
    put(callback);
    put(": does not come back\n");
    *hung = 1;
    return 0;
}

static void *
watch(void *arg)
{
    int hung = 0;
    while (!hung) {
        poll(NULL, 0, 100);
        instance_each_call(name_hung, &hung);
    }
    _exit(ROUND_ENOUGH);
    return arg;
}

static void
be_watched(void)
{
    pthread_t thread;
    atexit(at_exit);
    /* Sanitizers say more of a crash than this does. */
#ifndef IL_SANITIZED
    static char stack[64 * 1024];
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
    struct sigaction act = { .sa_handler = at_signal, .sa_flags = SA_ONSTACK };
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        sigaction(fatal[i], &act, NULL);
#endif
    if (pthread_create(&thread, NULL, watch, NULL) == 0)
        pthread_detach(thread);
}

/* --- one life ------------------------------------------------------------ */

static void
open_instance(struct verify *v)
{
    v->t = testhost_new();
    if (!v->t) {
        put("no memory\n");
        _exit(ROUND_REFUSED);
    }
    if (testhost_open(v->t, v->path, v->config)) {
        put(testhost_findings(v->t));
        _exit(ROUND_REFUSED);
    }
}

static void
need(const struct verify *v, int kind)
{
    if (v->t->host.plugin->desc.kind != kind)
        _exit(ROUND_OTHER_KIND);
}

static void
start_instance(struct verify *v)
{
    open_instance(v);
    if (testhost_start(v->t))
        testhost_violate(v->t, "start(): fails; a far side that is away is no "
                               "error");
}

/* What it broke, after "with what". */
static void
tell(struct testhost *t, const char *with)
{
    const char *line = testhost_violations(t);
    while (*line) {
        size_t len = strcspn(line, "\n");
        fprintf(report, "%.*s%s%s\n", (int) len, line, *with ? ", " : "", with);
        line += len + (line[len] == '\n');
    }
    fflush(report);
}

static void
end_instance(struct verify *v, const char *with)
{
    testhost_close(v->t);
    tell(v->t, with);
    if (v->t->threads_left || (v->waited && v->t->violations.len))
        _exit(ROUND_ENOUGH);
    testhost_free(v->t);
    v->t = NULL;
}

/* Descriptors; outside: of those only what leads out of the process, files and
 * connections, and not what wakes its threads. */
static int
count_files(int outside)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], to[16] = "";
        snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(path, to, sizeof(to) - 1);
        n += len > 0
             && (!outside || *to == '/' || strncmp(to, "socket:", 7) == 0);
    }
    if (d)
        closedir(d);
    return n;
}

/* --- rounds for all ------------------------------------------------------ */

static void
round_open(struct verify *v)
{
    open_instance(v);
    end_instance(v, "");
    /* The first may have set libraries up. */
    int before = count_files(0), outside = count_files(1);
    open_instance(v);
    if (count_files(1) > outside)
        testhost_violate(v->t, "open(): opens files or connections");
    end_instance(v, "");
    if (count_files(0) > before)
        fprintf(report, "close(): leaves files open\n");
}

/* The same plugin may be configured more than once. */
static void
round_two(struct verify *v)
{
    struct verify other = *v;
    start_instance(v);
    start_instance(&other);
    end_instance(v, "beside another instance");
    end_instance(&other, "beside another instance");
}

static void
round_start(struct verify *v)
{
    start_instance(v);
    testhost_advance(v->t, 120000); /* its timers */
    end_instance(v, "");
    int before = count_files(0);
    start_instance(v);
    end_instance(v, "");
    if (count_files(0) > before)
        fprintf(report, "stop(): leaves files open\n");
}

static int
time_is_over(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - begin->tv_sec >= FAIL_SECONDS;
}

static void
round_open_without_memory(struct verify *v)
{
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint64_t n = 1, failed = 1;
         failed && n < FAIL_MAX && !time_is_over(&begin); n++) {
        struct testhost *t = testhost_new();
        testhost_fail_alloc(t, n);
        testhost_open(t, v->path, v->config);
        failed = (uint64_t) testhost_alloc_failed(t);
        testhost_fail_alloc(t, 0);
        testhost_close(t);
        tell(t, failed ? "open() without memory" : "");
        testhost_free(t);
    }
}

/* --- steps --------------------------------------------------------------- */

static const char *const events[] = {
    "{\"type\":\"t\",\"payload\":{}}",
    "{\"type\":\"t\",\"payload\":{\"n\":1,\"a\":\"x\",\"b\":true,\"c\":null}}",
    "{\"type\":\"orders.placed\",\"payload\":{\"n\":1.10,\"name\":\"ada "
    "\\u00e9\","
    "\"items\":[{\"sku\":\"a\",\"count\":2},{\"sku\":\"b\"}]}}",
    "{\"type\":\"t\",\"payload\":{\"n\":12345678901234567890,\"m\":-1e400}}",
    "{\"type\":\"t\",\"payload\":{\"name\":\"\\ud800 \\u0000\",\"\":1}}",
    "{\"type\":\"t\",\"payload\":{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":[[[1]]]}}}}"
    "}}",
    "{\"type\":\"t\",\"payload\":{\"user\":{\"id\":\"u1\"},\"user_id\":\"u1\","
    "\"id\":\"u1\",\"customer_id\":7}}",
    "{\"type\":\"t\",\"timestamp\":\"2026-01-02T03:04:05Z\","
    "\"payload\":{\"name\":\"\",\"n\":\"12\",\"list\":[],\"map\":{}}}",
    "{\"type\":\"u\",\"id\":\"evt_same\",\"payload\":{\"n\":-0,\"name\":7}}"
};
enum { EVENTS = sizeof(events) / sizeof(events[0]) };

static void
add_events(struct testhost *t, size_t rounds)
{
    for (size_t i = 0; i < rounds * EVENTS; i++)
        testhost_event(t, events[i % EVENTS]);
}

/* What became of the batch, as text. */
static void
remember(struct testhost *t, struct il_text *out)
{
    out->len = 0;
    for (uint32_t i = 0; i < t->current->batch->count; i++) {
        const struct batch_event *e = &t->current->batch->events[i];
        text_printf(out, "%d ", testhost_state(t, i));
        text_puts(out, testhost_payload(t, i));
        for (const struct entity_link *l = e->entities; l; l = l->next) {
            text_puts(out, l->kind->name);
            text_puts(out, testhost_show(t, SHOW_ATTACHED, &l->traits));
        }
        text_putc(out, '\n');
    }
}

static int
equal_texts(const struct il_text *a, const struct il_text *b)
{
    return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

/* Something fails at first: what comes of the events in the end is to be the
 * same as where nothing did.  1: it has failed. */
static int
process_again(struct verify *v, const struct il_text *expected)
{
    struct il_text actual = { 0 };
    int err = testhost_process(v->t), failed = testhost_alloc_failed(v->t);
    testhost_fail_alloc(v->t, 0);
    testhost_fail_entities(v->t, 0);
    if (err && testhost_process(v->t))
        testhost_violate(v->t, "process(): fails again where nothing does");
    remember(v->t, &actual);
    if (!equal_texts(expected, &actual))
        testhost_violate(v->t, err ? "process(): makes something else of the "
                                     "same events when they come again"
                                   : "process(): returns 0 and makes something "
                                     "else of events");
    text_clear(&actual);
    return failed;
}

static void
round_process(struct verify *v)
{
    struct il_text expected = { 0 };
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    start_instance(v);
    need(v, IL_STEP);
    add_events(v->t, 1);
    if (testhost_process(v->t))
        testhost_violate(v->t, "process(): fails where nothing else does");
    remember(v->t, &expected);
    testhost_clear(v->t);
    add_events(v->t, 100);
    testhost_process(v->t);
    end_instance(v, "");
    for (uint64_t n = 1, failed = 1;
         failed && n < FAIL_MAX && !time_is_over(&begin); n++) {
        start_instance(v);
        add_events(v->t, 1);
        testhost_fail_alloc(v->t, n);
        failed = (uint64_t) process_again(v, &expected);
        end_instance(v, "process() without memory");
    }
    start_instance(v);
    add_events(v->t, 1);
    testhost_fail_entities(v->t, -EIO);
    process_again(v, &expected);
    end_instance(v, "without the entity store");
    text_clear(&expected);
}

/* --- destinations -------------------------------------------------------- */

static void
round_write(struct verify *v)
{
    start_instance(v);
    need(v, IL_DESTINATION);
    uint64_t position = 0;
    testhost_resume(v->t, &position);
    add_events(v->t, 1);
    v->waited = testhost_write(v->t, SETTLE_MS) == -ETIMEDOUT;
    if (!v->waited)
        testhost_write(v->t, SETTLE_MS); /* another attempt */
    testhost_flush(v->t, 1000);
    end_instance(v, "");

    start_instance(v); /* as many as it takes, and a stop meanwhile */
    uint32_t most = v->t->host.plugin->desc.in_flight;
    for (uint32_t i = 0; i < (most ? most : 1) && i < 16; i++) {
        add_events(v->t, 3);
        if (testhost_write_async(v->t) < 0)
            break;
    }
    end_instance(v, "stopped with batches in flight");
}

static int
count_rejected(struct testhost *t)
{
    int n = 0;
    for (uint32_t i = 0; i < t->current->batch->count; i++)
        n += testhost_state(t, i) == TESTHOST_REJECTED;
    return n;
}

static void
round_write_without_memory(struct verify *v)
{
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    start_instance(v);
    need(v, IL_DESTINATION);
    add_events(v->t, 1);
    int usual = testhost_write(v->t, SETTLE_MS);
    int rejected = count_rejected(v->t);
    /* One that takes its time, for its far side's sake, has the batch still. */
    const uint64_t most = usual == -ETIMEDOUT ? 0 : FAIL_MAX;
    for (uint64_t n = 1; n < most && !time_is_over(&begin); n++) {
        testhost_fail_alloc(v->t, n);
        int outcome = testhost_write(v->t, SETTLE_MS);
        if (!testhost_alloc_failed(v->t) || outcome == -ETIMEDOUT)
            break;
        if ((outcome == IL_REJECT && usual != IL_REJECT)
            || (outcome == IL_OK && usual == IL_OK
                && count_rejected(v->t) > rejected))
            testhost_violate(v->t, "write(): makes dead letters of good events "
                                   "where there is no memory");
    }
    testhost_fail_alloc(v->t, 0);
    end_instance(v, "write() without memory");
}

static void
round_write_without_letters(struct verify *v)
{
    start_instance(v);
    need(v, IL_DESTINATION);
    add_events(v->t, 1);
    testhost_fail_prepare(v->t, -EIO);
    if (testhost_write(v->t, SETTLE_MS) == IL_OK && testhost_prepared(v->t))
        testhost_violate(v->t, "write(): settles IL_OK though il_prepare() has "
                               "failed");
    end_instance(v, "");
}

static void
round_killed(struct verify *v)
{
    static const uint8_t other[16] = "another spool..";
    struct il_position p = { .position = 0 };
    start_instance(v);
    need(v, IL_DESTINATION);
    testhost_resume_at(v->t, &p);
    add_events(v->t, 3);
    testhost_write_async(v->t);
    testhost_kill(v->t);
    testhost_spool(v->t, other, 1);
    if (testhost_open(v->t, v->path, v->config) || testhost_start(v->t))
        testhost_violate(v->t, "open(): fails after a process that was killed");
    p = (struct il_position){ .position = 5,
                              .given = 5,
                              .flags = IL_POSITION_REWIND };
    testhost_resume_at(v->t, &p);
    add_events(v->t, 1);
    testhost_write(v->t, SETTLE_MS);
    end_instance(v, "after a process that was killed");
}

static void
round_ddl(struct verify *v)
{
    struct il_text first = { 0 };
    int err;
    open_instance(v);
    need(v, IL_DESTINATION);
    const char *text = testhost_ddl(v->t, &err);
    if (text)
        text_puts(&first, text);
    if (err != -ENOSYS && (text = testhost_ddl(v->t, &err))
        && strcmp(text, text_str(&first)) != 0)
        testhost_violate(v->t, "ddl(): says something else the second time");
    testhost_probe(v->t, &err);
    text_clear(&first);
    end_instance(v, "");
}

/* --- sources ------------------------------------------------------------- */

static void
ask(struct testhost *t, const struct il_route *route)
{
    static const char *const bodies[] = { "",
                                          "{}",
                                          "[]",
                                          "{",
                                          "nonsense",
                                          "\xff\xfe",
                                          "[{\"type\":\"t\"}]",
                                          "{\"type\":\"t\",\"payload\":{}}",
                                          "a=1&b=%zz" };
    static const char *const heads[] = {
        NULL, "Content-Type: application/json",
        "Content-Type: application/json\nAuthorization: Bearer nobody\n"
        "Origin: https://elsewhere.example"
    };
    char path[512];
    size_t len = strlen(route->path);
    snprintf(path, sizeof(path), "%s", route->path);
    if (len && len < sizeof(path) - 4 && path[len - 1] == '*')
        strcpy(path + len - 1, "a/b");
    for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++)
        for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++)
            testhost_request(t, route->method, path, heads[h], bodies[b],
                             strlen(bodies[b]));
}

static void
round_requests(struct verify *v)
{
    start_instance(v);
    need(v, IL_SOURCE);
    for (const struct instance_route *i = v->t->host.routes; i; i = i->next)
        ask(v->t, &i->route);
    for (uint64_t n = 1; n < 200 && v->t->host.routes; n++) {
        testhost_fail_alloc(v->t, n);
        ask(v->t, &v->t->host.routes->route);
        if (!testhost_alloc_failed(v->t))
            break;
    }
    testhost_fail_alloc(v->t, 0);
    end_instance(v, "");
}

/* Let it run for a while, settling what it emits. */
static void
settle_for(struct testhost *t, int outcome, int ms)
{
    for (int i = 0; i < ms; i += 5) {
        testhost_settle_emitted(t, outcome);
        poll(NULL, 0, 5);
    }
}

static void
round_emission(struct verify *v)
{
    open_instance(v);
    need(v, IL_SOURCE);
    testhost_emit_result(v->t, -EAGAIN);
    if (testhost_start(v->t))
        testhost_violate(v->t, "start(): fails; a far side that is away is no "
                               "error");
    poll(NULL, 0, 100);
    testhost_room(v->t);
    settle_for(v->t, IL_RETRY, 100);
    for (uint64_t n = 1; n <= 20; n++) {
        testhost_fail_alloc(v->t, n);
        settle_for(v->t, IL_OK, 10);
        testhost_room(v->t);
    }
    testhost_fail_alloc(v->t, 0);
    settle_for(v->t, IL_OK, 100);
    testhost_advance(v->t, 120000);
    testhost_cancel(v->t);
    end_instance(v, ""); /* with whatever it has emitted by now */
}

/* --- all of them --------------------------------------------------------- */

static void (*const rounds[])(struct verify *) = { round_open,
                                                   round_open_without_memory,
                                                   round_start,
                                                   round_two,
                                                   round_process,
                                                   round_write,
                                                   round_write_without_memory,
                                                   round_write_without_letters,
                                                   round_killed,
                                                   round_ddl,
                                                   round_requests,
                                                   round_emission };

/* In the child. */
static void
run_round(const struct verify *v, size_t i, int fd)
{
    struct verify mine = *v;
    report = fdopen(fd, "w");
    if (!report)
        _exit(ROUND_REFUSED);
    be_watched();
    rounds[i](&mine);
    fflush(report);
    _exit(ROUND_DONE);
}

/* Is it there already, perhaps without what it happened with? */
static int
known(struct il_text *found, const char *line)
{
    for (const char *p = text_str(found); *p;) {
        size_t len = strcspn(p, "\n");
        if (strncmp(p, line, len) == 0
            && (line[len] == '\n' || line[len] == ','))
            return 1;
        p += len + (p[len] == '\n');
    }
    return 0;
}

/* Line by line. */
static void
gather(struct il_text *found, FILE *from)
{
    char line[4096];
    while (fgets(line, sizeof(line), from))
        if (!known(found, line))
            text_puts(found, line);
}

/* A ROUND_..., or a negative errno. */
static int
one_round(const struct verify *v, size_t i, struct il_text *found)
{
    int fds[2], status;
    if (pipe(fds))
        return -errno;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (!pid) {
        close(fds[0]);
        run_round(v, i, fds[1]);
    }
    close(fds[1]);
    FILE *from = fdopen(fds[0], "r");
    if (from) {
        gather(found, from);
        fclose(from);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) <= ROUND_OTHER_KIND)
        return WEXITSTATUS(status);
    text_printf(found, "it ends the process with %s %d\n",
                WIFSIGNALED(status) ? "signal" : "code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return ROUND_BROKEN;
}

int
testhost_verify(const char *path, const char *config, FILE *out)
{
    const char *slash = strrchr(path, '/');
    const struct verify v = { .path = path,
                              .config = config,
                              .name = slash ? slash + 1 : path };
    struct il_text found = { 0 };
    int result = 0;
    for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]) && result >= 0;
         i++) {
        int r = one_round(&v, i, &found);
        if (r < 0)
            result = r;
        else if (r == ROUND_REFUSED)
            result = -EINVAL;
        else if (r == ROUND_ENOUGH)
            break;
    }
    for (const char *line = text_str(&found); *line;) {
        size_t len = strcspn(line, "\n");
        fprintf(out, "%s: %.*s\n", v.name, (int) len, line);
        line += len + (line[len] == '\n');
    }
    if (!result && found.len)
        result = 1;
    text_clear(&found);
    return result;
}
