/* SPDX-License-Identifier: MIT */
/* clock: an event each time that a clock strikes.
 *
 * What a step remembers runs by the time of the stream, which stands still while
 * nothing comes; this source has it go on.  A tick is known by its time: its id
 * is made of that, and the mark that says up to where ticks were emitted is
 * durable with them.  So each is in the spool once, whatever died in between.
 *
 * A timer of the host wakes the thread; the thread emits. */
#include <ingestlayer/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define EVERY_MAX_MS (INT64_C(366) * 86400 * 1000)
/* The wall clock may be set meanwhile: it is looked at so often. */
#define LOOK_MS 10000
#define TICKS_MAX 100 /* of an emission */
#define TIME_TEXT 32  /* "2026-11-29T15:40:00Z", years beyond 9999 too */
#define ID_TEXT 160
#define PAYLOAD_TEXT 120
#define NAME_SHOWN 90 /* so that an id is no longer than one may be */
#define MARK "tick"

enum missed { MISSED_LAST, MISSED_ALL, MISSED_NONE };

struct clock {
    const struct il_host *host;
    struct il_counter *ticks, *skipped;
    int64_t every_us, offset_us;
    enum missed missed;
    int64_t last_us; /* the last tick that is durable; of the thread */
    pthread_t thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t wake;
    int woken;   /* by the timer, or as there is room */
    int settled; /* the emission: 0: not yet; 1: durable; -1: it was not taken */
    int stop;
};

/* Ticks as they are emitted. */
struct tick {
    char time[TIME_TEXT], id[ID_TEXT], payload[PAYLOAD_TEXT];
};

static const struct il_option clock_options[] = {
    { .name = "every",
      .type = IL_OPT_DURATION,
      .flags = IL_OPT_REQUIRED,
      .min = 1000,
      .max = EVERY_MAX_MS,
      .help =
          "How long it is from one tick to the next, in whole seconds; they "
          "are aligned to 1970, UTC." },
    { .name = "offset",
      .type = IL_OPT_DURATION,
      .def = "0s",
      .min = 0,
      .max = EVERY_MAX_MS,
      .help = "So much later than that is each of them." },
    { .name = "missed",
      .type = IL_OPT_STRING,
      .def = "last",
      .choices = "last|all|none",
      .help = "Which ticks are made up for that fell due while the daemon did "
              "not run." },
    IL_OPTIONS_END
};

static void
clock_close(void *self)
{
    struct clock *c = self;
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* 0 or after a finding. */
static int
check_times(const struct clock *c, const struct il_conf *conf)
{
    if (c->every_us % SECOND_US)
        return il_conf_error(conf, "every", -1, "has to be whole seconds");
    if (c->offset_us % SECOND_US)
        return il_conf_error(conf, "offset", -1, "has to be whole seconds");
    if (c->offset_us >= c->every_us)
        return il_conf_error(conf, "offset", -1,
                             "has to be less than every: ticks repeat after "
                             "that");
    return 0;
}

static int
clock_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct clock *c = calloc(1, sizeof *c);
    if (!c)
        return il_conf_error(conf, NULL, -1, "out of memory");
    const char *missed = il_conf_str(conf, "missed");
    c->host = host;
    c->every_us = il_conf_int(conf, "every") * 1000;
    c->offset_us = il_conf_int(conf, "offset") * 1000;
    c->missed = !strcmp(missed, "all")    ? MISSED_ALL
                : !strcmp(missed, "none") ? MISSED_NONE
                                          : MISSED_LAST;
    c->ticks = il_counter_new(host, "clock_ticks", IL_UNIT_NONE,
                              "Ticks that were emitted and are durable.");
    c->skipped =
        il_counter_new(host, "clock_skipped", IL_UNIT_NONE,
                       "Ticks that fell due and were not made up for.");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    int err = check_times(c, conf);
    if (err) {
        clock_close(c);
        return err;
    }
    *self = c;
    return 0;
}

/* --- the schedule ---------------------------------------------------------- */

/* The last tick at or before a time. */
static int64_t
tick_before(const struct clock *c, int64_t us)
{
    int64_t past = (us - c->offset_us) % c->every_us;
    return us - (past < 0 ? past + c->every_us : past);
}

/* Where the clock had run ahead, and was set back, its ticks do not wait until it
 * is there again: those that are emitted a second time are the gate's duplicates. */
static void
believe(struct clock *c, int64_t now)
{
    if (c->last_us <= now + c->every_us)
        return;
    il_log(
        c->host, IL_LOG_WARN,
        "the last tick is %lld s in the future: the clock was set back; ticks "
        "go on from now",
        (long long) ((c->last_us - now) / SECOND_US));
    c->last_us = tick_before(c, now);
}

/* The tick that comes next, where it is due: 1, and how many before it were
 * passed over. */
static int
due(const struct clock *c, int64_t now, int64_t *tick, int64_t *passed)
{
    const int64_t newest = tick_before(c, now);
    const int64_t next = tick_before(c, c->last_us) + c->every_us;
    if (next > now)
        return 0;
    *tick = c->missed == MISSED_ALL ? next : newest;
    *passed = (*tick - next) / c->every_us;
    return 1;
}

/* --- emission -------------------------------------------------------------- */

static void
write_tick(const struct clock *c, struct tick *t, struct il_event *e,
           int64_t tick, int64_t passed)
{
    struct tm tm;
    const time_t seconds = (time_t) (tick / SECOND_US);
    gmtime_r(&seconds, &tm);
    strftime(t->time, sizeof t->time, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int id = snprintf(t->id, sizeof t->id, "tick/%.*s/%s", NAME_SHOWN,
                      il_name(c->host), t->time);
    int payload = snprintf(t->payload, sizeof t->payload,
                           "{\"time\":\"%s\",\"missed\":%lld}", t->time,
                           (long long) passed);
    *e = (struct il_event){ IL_SIZED(struct il_event),
                            .encoding = IL_JSON,
                            .id = t->id,
                            .id_len = (size_t) id,
                            .type = "clock.tick",
                            .type_len = strlen("clock.tick"),
                            .timestamp = t->time,
                            .timestamp_len = strlen(t->time),
                            .payload = t->payload,
                            .payload_len = (size_t) payload };
}

static void
wake(struct clock *c, int settled)
{
    pthread_mutex_lock(&c->lock);
    c->woken = 1;
    if (settled
        && c->settled != 1) /* room that comes late takes nothing back */
        c->settled = settled;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void
clock_settled(void *self, uint64_t token, int outcome)
{
    (void) token;
    wake(self, outcome == IL_OK ? 1 : -1);
}

static void
clock_room(void *self)
{
    wake(self, -1);
}

static void
clock_struck(void *self)
{
    wake(self, 0);
}

/* Until there is an answer to what was emitted.  1: it is durable. */
static int
wait_for_answer(struct clock *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->settled && !c->stop)
        pthread_cond_wait(&c->wake, &c->lock);
    int settled = c->settled;
    pthread_mutex_unlock(&c->lock);
    return settled == 1;
}

/* Emit what is due, and the mark beside it.  1: go on at once; 0: nothing is due;
 * or a negative errno: there will be no more. */
static int
emit_due(struct clock *c)
{
    struct tick ticks[TICKS_MAX];
    struct il_event events[TICKS_MAX];
    const int64_t now = il_now_us(c->host), before = c->last_us;
    int64_t tick, passed, skipped = 0;
    size_t n = 0;
    char digits[24];
    for (; n < TICKS_MAX && due(c, now, &tick, &passed); n++) {
        write_tick(c, &ticks[n], &events[n], tick, passed);
        c->last_us = tick;
        skipped += passed;
    }
    if (!n)
        return 0;
    int len = snprintf(digits, sizeof digits, "%lld", (long long) c->last_us);
    const struct il_mark mark = { IL_SIZED(struct il_mark), .name = MARK,
                                  .name_len = strlen(MARK), .value = digits,
                                  .value_len = (size_t) len };
    const struct il_emission emission = {
        IL_SIZED(struct il_emission), .events = events, .count = n,
        .event_size = sizeof *events, .marks = &mark,   .mark_count = 1,
        .mark_size = sizeof mark,
    };
    pthread_mutex_lock(&c->lock);
    c->settled = 0;
    pthread_mutex_unlock(&c->lock);
    int err = il_emit(c->host, &emission);
    if ((!err || err == -EAGAIN) && wait_for_answer(c)) {
        il_counter_add(c->host, c->ticks, n);
        il_counter_add(c->host, c->skipped, (uint64_t) skipped);
        return 1;
    }
    c->last_us = before;
    if (!err || err == -EAGAIN)
        return 1;
    if (err != -ESHUTDOWN)
        il_log(c->host, IL_LOG_ERROR, "ticks cannot be emitted any more: %s",
               strerror(-err));
    return err;
}

/* --- the thread ------------------------------------------------------------ */

/* How far the ticks of before went.  0 or a negative errno. */
static int
begin(struct clock *c)
{
    const int64_t now = il_now_us(c->host);
    struct il_text *mark = il_text_new(c->host);
    int known = mark ? il_mark_get(c->host, MARK, strlen(MARK), mark) : -ENOMEM;
    char digits[24] = "";
    if (known == 1 && mark->len < sizeof digits)
        memcpy(digits, mark->data, mark->len);
    il_text_free(c->host, mark);
    if (known < 0) {
        il_log(c->host, IL_LOG_ERROR,
               "how far its ticks went cannot be read: %s", strerror(-known));
        return known;
    }
    c->last_us = strtoll(digits, NULL, 10);
    if (!known || c->missed == MISSED_NONE)
        c->last_us = tick_before(c, now);
    believe(c, now);
    return 0;
}

static int
stopped(struct clock *c)
{
    pthread_mutex_lock(&c->lock);
    int stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return stop;
}

/* Until the next tick, or until it is worth looking at the clock again. */
static void
wait_for_tick(struct clock *c)
{
    const int64_t now = il_now_us(c->host);
    const int64_t next = tick_before(c, c->last_us) + c->every_us;
    int64_t ms = next > now ? (next - now + 999) / 1000 : 1;
    if (ms > LOOK_MS)
        ms = LOOK_MS;
    /* Without memory for it the thread looks again by itself. */
    int err = il_timer_once(c->host, (uint32_t) ms, clock_struck, c);
    pthread_mutex_lock(&c->lock);
    while (!c->woken && !c->stop && !err)
        pthread_cond_wait(&c->wake, &c->lock);
    c->woken = 0;
    pthread_mutex_unlock(&c->lock);
    if (err)
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

static void *
clock_run(void *self)
{
    struct clock *c = self;
    int more = begin(c);
    while (more >= 0 && !stopped(c)) {
        more = emit_due(c);
        if (more)
            continue;
        wait_for_tick(c);
        believe(c, il_now_us(c->host));
    }
    return NULL;
}

static int
clock_start(void *self)
{
    struct clock *c = self;
    return -pthread_create(&c->thread, NULL, clock_run, c);
}

static void
clock_stop(void *self)
{
    struct clock *c = self;
    pthread_mutex_lock(&c->lock);
    c->stop = 1;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .threads = IL_SERIAL_INSTANCE,
    .flags = IL_TICKS,
    .name = "clock",
    .version = "1.0",
    .summary = "Have time go on for steps that remember, while nothing comes.",
    .options = clock_options,
    .open = clock_open,
    .start = clock_start,
    .settled = clock_settled,
    .room = clock_room,
    .stop = clock_stop,
    .close = clock_close,
};
