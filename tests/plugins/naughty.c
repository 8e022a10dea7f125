/* SPDX-License-Identifier: MIT */
/* source.naughty, step.naughty, destination.naughty: plugins that do what no
 * plugin may do, for the tests of those who have to notice.  Built once for
 * each kind (NAUGHTY_SOURCE, _STEP, _DESTINATION). */
#include <errno.h>
#include <fcntl.h>
#include <ingestlayer/plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct naughty {
    const struct il_host *host;
    const char *fault;
    struct il_field *payload;
    struct il_text *text;
    struct il_ack *last; /* settled already */
    struct il_counter *ticks;
    pthread_t thread;
    int calls;
};

static const struct il_option naughty_options[] = {
    { .name = "fault",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .choices = "none|hang-start|hang|hang-stop|exit-open|exit|exit-thread|"
                 "segv|overflow|leak|half-open|thread-in-open|"
                 "thread-after-stop|index|late|edits-differ|double-settle|"
                 "settle-and-error|never-settle|odd-outcome|no-memory-is-final|"
                 "prepare-is-nothing|answer-twice|no-answer|emit-early|"
                 "bad-emission|no-end|timers",
      .help = "What to do wrong." },
    { 0 }
};

static int
is(const struct naughty *n, const char *fault)
{
    return strcmp(n->fault, fault) == 0;
}

/* For ever, as a far side that never answers. */
static void *
naughty_hang(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void *
naughty_exit(void *arg)
{
    usleep(100000);
    exit(0);
    return arg;
}

/* Deeper than any stack. */
static int
naughty_overflow(int depth)
{
    volatile char frame[4096];
    frame[0] = (char) depth;
    return depth ? naughty_overflow(depth - 1) + frame[0] : 0;
}

/* What goes wrong in the work of any kind. */
static void
naughty_work(struct naughty *n)
{
    n->calls++;
    if (is(n, "hang"))
        naughty_hang(NULL);
    if (is(n, "exit"))
        exit(0);
    if (is(n, "segv"))
        raise(SIGSEGV);
    if (is(n, "overflow"))
        n->calls = naughty_overflow(1000000);
}

/* No fault, but for tests of those who call timers: one that comes again by its
 * own wish, three times. */
static void
naughty_tick(void *self)
{
    struct naughty *n = self;
    il_counter_add(n->host, n->ticks, 1);
    if (++n->calls < 3)
        il_timer_once(n->host, 1000, naughty_tick, n);
}

static void
naughty_every(void *self)
{
    struct naughty *n = self;
    il_counter_add(n->host, n->ticks, 100);
}

static int
naughty_timers(struct naughty *n)
{
    n->ticks = il_counter_new(n->host, "ticks", IL_UNIT_NONE, "Calls.");
    int err = il_timer_once(n->host, 60000, naughty_tick, n);
    if (!err)
        err = il_timer_once(n->host, 1000, naughty_tick, n); /* moved */
    if (!err)
        err = il_timer_every(n->host, 10000, naughty_every, n);
    return err;
}

static void
naughty_close(void *self)
{
    struct naughty *n = self;
    il_field_free(n->host, n->payload);
    if (!is(n, "leak"))
        il_text_free(n->host, n->text);
    free(n);
}

#ifdef NAUGHTY_SOURCE
static void
naughty_handle(void *self, struct il_request *request)
{
    struct naughty *n = self;
    naughty_work(n);
    if (is(n, "no-answer"))
        return;
    il_respond_error(request, 400, "naughty", "no such thing");
    if (is(n, "answer-twice"))
        il_respond_error(request, 400, "naughty", "no such thing");
}

static int
naughty_offer(struct naughty *n, uint32_t size)
{
    struct il_event event = { IL_SIZED(struct il_event),
                              .encoding = IL_JSON,
                              .type = "t",
                              .type_len = 1,
                              .payload = "{}",
                              .payload_len = 2 };
    struct il_emission e = { .struct_size = size,
                             .events = &event,
                             .count = 1,
                             .event_size = sizeof event };
    return il_emit(n->host, &e);
}
#endif

static int
naughty_open(const struct il_host *host, const struct il_conf *conf,
             void **self)
{
    struct naughty *n = calloc(1, sizeof *n);
    int err = n ? 0 : -ENOMEM;
    if (err)
        return err;
    n->host = host;
    n->fault = il_conf_str(conf, "fault");
    n->text = il_text_new(host);
    if (is(n, "exit-open"))
        exit(0);
    if (!n->text)
        err = -ENOMEM;
    if (!err)
        err = il_field_named(host, IL_FIELD_ANY, "payload", &n->payload);
#ifdef NAUGHTY_SOURCE
    const struct il_route route = { IL_SIZED(struct il_route), .method = "POST",
                                    .path = "/naughty",
                                    .handle = naughty_handle };
    if (!err)
        err = il_route_add(host, &route, n);
    if (is(n, "emit-early"))
        naughty_offer(n, sizeof(struct il_emission));
#endif
    if (!err && is(n, "timers"))
        err = naughty_timers(n);
    if (is(n, "thread-in-open")
        && pthread_create(&n->thread, NULL, naughty_hang, NULL))
        err = -EAGAIN;
    if (err && is(n, "half-open"))
        return err; /* and what there is stays */
    if (err) {
        naughty_close(n);
        return err;
    }
    *self = n;
    return 0;
}

static int
naughty_start(void *self)
{
    struct naughty *n = self;
    if (is(n, "hang-start"))
        naughty_hang(NULL);
    if (is(n, "exit-thread"))
        return -pthread_create(&n->thread, NULL, naughty_exit, NULL);
    if (is(n, "thread-after-stop") || is(n, "no-end"))
        return -pthread_create(&n->thread, NULL, naughty_hang, NULL);
#ifdef NAUGHTY_SOURCE
    if (is(n, "bad-emission"))
        naughty_offer(n, 4);
#endif
    return 0;
}

static void
naughty_stop(void *self)
{
    struct naughty *n = self;
    if (is(n, "hang-stop"))
        naughty_hang(NULL);
    if (is(n, "no-end"))
        pthread_join(n->thread, NULL);
}

#ifdef NAUGHTY_STEP
static int
naughty_process(void *self, struct il_batch *batch)
{
    struct naughty *n = self;
    struct il_value payload;
    naughty_work(n);
    if (is(n, "index"))
        il_drop(batch, il_batch_count(batch));
    if (is(n, "edits-differ"))
        il_drop(batch, (uint32_t) n->calls);
    /* Something that can fail. */
    for (uint32_t i = 0; i < il_batch_count(batch); i++) {
        n->text->len = 0;
        if (il_live(batch, i) && il_get(batch, i, n->payload, &payload)
            && il_write_json(n->host, n->text, &payload, 0) < 0)
            return -ENOMEM;
    }
    return 0;
}
#endif

#ifdef NAUGHTY_DESTINATION
static int
naughty_resume(void *self, struct il_position *p)
{
    struct naughty *n = self;
    il_log(n->host, IL_LOG_INFO, "resumes at %llu of %.16s, set back %u times",
           (unsigned long long) p->position, (const char *) p->spool,
           (unsigned) p->set_backs);
    return 0;
}

static int
naughty_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct naughty *n = self;
    void *memory = il_batch_alloc(batch, 100);
    int outcome = IL_OK, err = 0;
    naughty_work(n);
    if (is(n, "never-settle"))
        return 0;
    if (is(n, "index"))
        il_reject(batch, UINT32_MAX, NULL);
    if (is(n, "late"))
        il_drop(batch, 0);
    if (!memory)
        outcome = is(n, "no-memory-is-final") ? IL_REJECT : IL_RETRY;
    else if (is(n, "prepare-is-nothing"))
        il_prepare(batch);
    else
        err = il_prepare(batch);
    if (err)
        outcome = IL_RETRY;
    if (is(n, "odd-outcome"))
        outcome = 77;
    il_settle(ack, outcome, outcome ? "naughty" : NULL);
    if (is(n, "double-settle"))
        il_settle(ack, IL_RETRY, "once more");
    return is(n, "settle-and-error") ? -EIO : 0;
}
#endif

#ifdef NAUGHTY_SOURCE
#define NAUGHTY_KIND IL_SOURCE
#define NAUGHTY_NAME "source.naughty"
#elif defined(NAUGHTY_STEP)
#define NAUGHTY_KIND IL_STEP
#define NAUGHTY_NAME "step.naughty"
#else
#define NAUGHTY_KIND IL_DESTINATION
#define NAUGHTY_NAME "destination.naughty"
#endif

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = NAUGHTY_KIND,
#ifdef NAUGHTY_DESTINATION
    .in_flight = 4,
#endif
    .name = NAUGHTY_NAME,
    .version = "1.0",
    .summary = "Do what no plugin may do, for tests.",
    .options = naughty_options,
    .open = naughty_open,
    .start = naughty_start,
#ifdef NAUGHTY_STEP
    .process = naughty_process,
#endif
#ifdef NAUGHTY_DESTINATION
    .write = naughty_write,
    .resume = naughty_resume,
#endif
    .stop = naughty_stop,
    .close = naughty_close,
};
