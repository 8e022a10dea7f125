/* SPDX-License-Identifier: MIT */
/* source.count: a source for tests.  Emits the whole numbers, `each` at a time,
 * with a mark that says how far it is, and nothing else by which an event could
 * be told from another.  So what is in the spool shows whether each was taken
 * once, whatever died. */
#include <errno.h>
#include <ingestlayer/plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EACH_MAX 1000

struct count {
    const struct il_host *host;
    struct il_counter *settled;
    unsigned long until;
    int64_t each, refuse, pad;
    char *payloads; /* of an emission, EACH_MAX apart by payload_size */
    size_t payload_size;
    struct il_event *events;
    pthread_t thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t changed;
    int waiting; /* for settled() or room() */
    int outcome; /* what settled() said; IL_RETRY at first */
    unsigned long taken, heard; /* emissions, and settled() of them */
    int stopped;
};

static const struct il_option count_options[] = {
    { .name = "each",
      .type = IL_OPT_INT,
      .min = 1,
      .max = EACH_MAX,
      .def = "1",
      .help = "How many numbers are emitted at a time." },
    { .name = "until",
      .type = IL_OPT_INT,
      .min = 0,
      .max = INT64_MAX,
      .def = "0",
      .help = "The last number to emit; 0: go on." },
    { .name = "refuse",
      .type = IL_OPT_INT,
      .min = 0,
      .max = INT64_MAX,
      .def = "0",
      .help = "Numbers that it divides are refused; 0: none." },
    { .name = "pad",
      .type = IL_OPT_INT,
      .min = 0,
      .max = 100000,
      .def = "0",
      .help = "Bytes of text beside each number." },
    { 0 }
};

static void
count_close(void *self)
{
    struct count *c = self;
    free(c->payloads);
    free(c->events);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static int
count_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct count *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->host = host;
    c->settled =
        il_counter_new(host, "settled", IL_UNIT_NONE, "Calls of settled().");
    c->each = il_conf_int(conf, "each");
    c->until = (unsigned long) il_conf_int(conf, "until");
    c->refuse = il_conf_int(conf, "refuse");
    c->pad = il_conf_int(conf, "pad");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->payload_size = (size_t) c->pad + 64;
    c->payloads = malloc((size_t) c->each * c->payload_size);
    c->events = calloc((size_t) c->each, sizeof(*c->events));
    if (!c->payloads || !c->events) {
        count_close(c);
        return -ENOMEM;
    }
    *self = c;
    return 0;
}

static void
count_wake(struct count *c, int outcome)
{
    pthread_mutex_lock(&c->lock);
    c->waiting = 0;
    c->outcome = outcome;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void
count_settled(void *self, uint64_t token, int outcome)
{
    struct count *c = self;
    (void) token;
    pthread_mutex_lock(&c->lock);
    c->heard++;
    if (c->stopped)
        il_log(c->host, IL_LOG_ERROR, "settled after the stop");
    pthread_mutex_unlock(&c->lock);
    il_counter_add(c->host, c->settled, 1);
    count_wake(c, outcome);
}

static void
count_room(void *self)
{
    count_wake(self, IL_RETRY);
}

/* Until settled() or room() was called, or the host stops. */
static int
count_wait(struct count *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->waiting && !il_cancelled(c->host)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
    }
    int outcome = c->waiting ? IL_RETRY : c->outcome;
    pthread_mutex_unlock(&c->lock);
    return outcome;
}

/* The event of a number: an object that has it, or, where it is to be refused,
 * the number alone. */
static void
count_event(struct count *c, struct il_event *e, char *payload,
            unsigned long number)
{
    int len = snprintf(payload, c->payload_size, "%lu", number);
    if (!c->refuse || number % (unsigned long) c->refuse) {
        len =
            snprintf(payload, c->payload_size, "{\"n\":%lu,\"pad\":\"", number);
        memset(payload + len, 'x', (size_t) c->pad);
        len += (int) c->pad;
        memcpy(payload + len, "\"}", 2);
        len += 2;
    }
    *e = (struct il_event){
        IL_SIZED(struct il_event), .encoding = IL_JSON,
        .type = "counted",         .type_len = 7,
        .payload = payload,        .payload_len = (size_t) len
    };
}

/* Offer the numbers after n, and the mark that they were taken.  How many are
 * durable. */
static int64_t
count_offer(struct count *c, unsigned long n)
{
    char digits[24];
    for (int64_t i = 0; i < c->each; i++)
        count_event(c, &c->events[i],
                    c->payloads + (size_t) i * c->payload_size,
                    n + 1 + (unsigned long) i);
    int digit_count =
        snprintf(digits, sizeof digits, "%lu", n + (unsigned long) c->each);
    const struct il_mark mark = { IL_SIZED(struct il_mark), .name = "n",
                                  .name_len = 1, .value = digits,
                                  .value_len = (size_t) digit_count };
    const struct il_emission offer = { IL_SIZED(struct il_emission),
                                       .events = c->events,
                                       .count = (size_t) c->each,
                                       .event_size = sizeof *c->events,
                                       .marks = &mark,
                                       .mark_count = 1,
                                       .mark_size = sizeof mark };
    pthread_mutex_lock(&c->lock);
    c->waiting = 1;
    pthread_mutex_unlock(&c->lock);
    int err = il_emit(c->host, &offer);
    pthread_mutex_lock(&c->lock);
    c->taken += !err;
    pthread_mutex_unlock(&c->lock);
    if (!err || err == -EAGAIN)
        return count_wait(c) == IL_OK ? c->each : 0;
    if (err != -ESHUTDOWN)
        il_log(c->host, IL_LOG_ERROR, "cannot emit: %s", strerror(-err));
    return err;
}

static void *
count_run(void *self)
{
    struct count *c = self;
    struct il_text *last = il_text_new(c->host);
    unsigned long n = 0;
    int64_t taken = last ? il_mark_get(c->host, "n", 1, last) : -ENOMEM;
    for (size_t i = 0; taken == 1 && i < last->len; i++)
        n = n * 10 + (unsigned long) (last->data[i] - '0');
    il_log(c->host, IL_LOG_INFO, "goes on after %lu", n);
    while (taken >= 0 && !il_cancelled(c->host)
           && (!c->until || n < c->until)) {
        taken = count_offer(c, n);
        n += taken > 0 ? (unsigned long) taken : 0;
    }
    il_text_free(c->host, last);
    return NULL;
}

static int
count_start(void *self)
{
    struct count *c = self;
    return -pthread_create(&c->thread, NULL, count_run, c);
}

/* What it has at hand is still taken. */
static int
count_flush(void *self, uint32_t deadline_ms)
{
    struct count *c = self;
    il_log(c->host, IL_LOG_INFO, "flush: cancelled %d, %s",
           il_cancelled(c->host), deadline_ms ? "with time" : "at once");
    return 0;
}

static void
count_stop(void *self)
{
    struct count *c = self;
    const struct il_mark mark = {
        IL_SIZED(struct il_mark),
        .name = "late",
        .name_len = 4,
        .value = "",
    };
    const struct il_emission late = { IL_SIZED(struct il_emission),
                                      .marks = &mark, .mark_count = 1,
                                      .mark_size = sizeof mark };
    int err = il_emit(c->host, &late);
    pthread_join(c->thread, NULL);
    pthread_mutex_lock(&c->lock);
    il_log(c->host, IL_LOG_INFO, "stop: %s, %lu of %lu settled",
           err == -ESHUTDOWN ? "nothing is taken" : "still taken", c->heard,
           c->taken);
    c->stopped = 1;
    pthread_mutex_unlock(&c->lock);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .name = "source.count",
    .version = "1.0",
    .summary = "Emit the whole numbers, each exactly once, for tests.",
    .options = count_options,
    .open = count_open,
    .start = count_start,
    .settled = count_settled,
    .room = count_room,
    .flush = count_flush,
    .stop = count_stop,
    .close = count_close,
};
