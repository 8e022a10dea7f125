/* SPDX-License-Identifier: MIT */
/* template.tail: take the lines of a file as events, as it grows.
 *
 * A complete source to begin your own with.  It reads elsewhere from a thread
 * of its own, offers what it reads together with a mark that says how far that
 * is, and reads on once both are on disk.  So each line is taken exactly once,
 * whatever dies in between. */
#include <errno.h>
#include <fcntl.h>
#include <ingestlayer/plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX (256 * 1024) /* a line is no longer than this */
#define LINES_MAX 1000

/* One instance: a place in the config.  All state is here. */
struct tail {
    const struct il_host *host;
    const char *path, *type; /* options: live until close */
    int64_t poll_ms;
    struct il_counter *refused;
    struct il_gauge *behind;

    /* The thread's own. */
    pthread_t thread;
    int fd; /* -1: not open */
    int64_t offset;
    char *lines;
    struct il_event *events;

    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t changed;
    int waiting; /* for settled() or room() */
    int outcome; /* what settled() said; IL_RETRY after room() */
    int stop;
};

static const struct il_option tail_options[] = {
    { .name = "path",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 4000,
      .help = "File to read; it may be made later." },
    { .name = "type",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 128,
      .help = "Type of the events." },
    { .name = "poll",
      .type = IL_OPT_DURATION,
      .min = 10,
      .max = 3600000,
      .def = "1s",
      .help = "How often to look for new lines." },
    IL_OPTIONS_END
};

static void
tail_close(void *self)
{
    struct tail *t = self;
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t->events);
    free(t->lines);
    free(t);
}

/* Touches nothing outside the process: it also runs for `ingestlayer check`. */
static int
tail_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct tail *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->host = host;
    t->fd = -1;
    t->path = il_conf_str(conf, "path");
    t->type = il_conf_str(conf, "type");
    t->poll_ms = il_conf_int(conf, "poll");
    t->refused = il_counter_new(host, "lines_refused", IL_UNIT_NONE,
                                "Lines that were no event.");
    t->behind =
        il_gauge_new(host, "behind", IL_UNIT_BYTES, "Bytes not yet read.");
    t->lines = malloc(READ_MAX);
    t->events = calloc(LINES_MAX, sizeof(*t->events));
    int err = t->lines && t->events ? 0 : -ENOMEM;
    if (!err && *t->path != '/')
        err = il_conf_error(conf, "path", 0, "expected an absolute path");
    if (err) {
        tail_close(t);
        return err;
    }
    *self = t;
    return 0;
}

/* --- waiting, and being woken -------------------------------------------- */

/* Until something happened or so long.  With the lock held. */
static void
sleep_ms(struct tail *t, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t) (ms / 1000);
    until.tv_nsec += (long) (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

static void
wake(struct tail *t, int outcome)
{
    pthread_mutex_lock(&t->lock);
    t->waiting = 0;
    t->outcome = outcome;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* From a thread of the host: it must not block. */
static void
tail_settled(void *self, uint64_t token, int outcome)
{
    (void) token; /* one emission is under way at a time */
    wake(self, outcome);
}

static void
tail_room(void *self)
{
    wake(self, IL_RETRY);
}

/* 1: what was offered is on disk. */
static int
wait_for_outcome(struct tail *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->waiting && !t->stop)
        sleep_ms(t, 1000);
    int taken = !t->waiting && t->outcome == IL_OK;
    pthread_mutex_unlock(&t->lock);
    return taken;
}

/* --- reading ------------------------------------------------------------- */

/* Where an earlier process has come to; 0 at first. */
static int
find_offset(struct tail *t)
{
    struct il_text *mark = il_text_new(t->host);
    int found = mark ? il_mark_get(t->host, "offset", 6, mark) : -ENOMEM;
    t->offset = 0;
    for (size_t i = 0; found == 1 && i < mark->len; i++)
        t->offset = t->offset * 10 + (mark->data[i] - '0');
    il_text_free(t->host, mark);
    return found < 0 ? found : 0;
}

/* Bytes that are there beyond the offset, read into t->lines; 0: none. */
static size_t
read_more(struct tail *t)
{
    struct stat st;
    if (t->fd < 0)
        t->fd = open(t->path, O_RDONLY | O_CLOEXEC);
    if (t->fd < 0 || fstat(t->fd, &st)) {
        il_status(t->host, "waiting for %s: %s", t->path, strerror(errno));
        return 0;
    }
    if (st.st_size < t->offset) {
        il_log(t->host, IL_LOG_WARN,
               "%s is a new file: reading it from its "
               "beginning",
               t->path);
        t->offset = 0;
    }
    il_status(t->host, "at %lld of %lld bytes", (long long) t->offset,
              (long long) st.st_size);
    il_gauge_set(t->host, t->behind, st.st_size - t->offset);
    ssize_t n = pread(t->fd, t->lines, READ_MAX, (off_t) t->offset);
    return n > 0 ? (size_t) n : 0;
}

/* Make events of the complete lines among len bytes.  How many bytes they are
 * with those that are passed over. */
static size_t
cut_lines(struct tail *t, size_t len, size_t *count)
{
    const size_t type_len = strlen(t->type);
    size_t at = 0;
    *count = 0;
    while (*count < LINES_MAX) {
        const char *line = t->lines + at;
        const char *end = memchr(line, '\n', len - at);
        if (!end)
            break;
        at += (size_t) (end - line) + 1;
        if (end == line)
            continue; /* an empty line is no event */
        t->events[(*count)++] = (struct il_event){
            IL_SIZED(struct il_event), .encoding = IL_JSON,
            .type = t->type,           .type_len = type_len,
            .payload = line,           .payload_len = (size_t) (end - line)
        };
    }
    return at;
}

/* --- offering ------------------------------------------------------------ */

/* What the gate made of one line.  A refused one is a dead letter already, and
 * no reason to stop. */
static void
tail_outcome(void *arg, size_t i, const struct il_outcome *outcome)
{
    struct tail *t = arg;
    (void) i;
    if (outcome->what == IL_REFUSED)
        il_counter_add(t->host, t->refused, 1);
}

/* Offer events, and the mark that all before `offset` was taken.  1: both are
 * on disk; 0: nothing is, read it again; or a negative errno. */
static int
offer(struct tail *t, size_t count, int64_t offset)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long) offset);
    const struct il_mark mark = { IL_SIZED(struct il_mark), .name = "offset",
                                  .name_len = 6, .value = digits,
                                  .value_len = (size_t) len };
    const struct il_emission e = { IL_SIZED(struct il_emission),
                                   .events = t->events,
                                   .count = count,
                                   .event_size = sizeof(*t->events),
                                   .marks = &mark,
                                   .mark_count = 1,
                                   .mark_size = sizeof(mark),
                                   .outcome = tail_outcome,
                                   .arg = t };
    pthread_mutex_lock(&t->lock);
    t->waiting = 1;
    pthread_mutex_unlock(&t->lock);
    int err = il_emit(t->host, &e);
    if (!err || err == -EAGAIN)
        return wait_for_outcome(t); /* settled(), or room() */
    if (err != -ESHUTDOWN)
        il_log(t->host, IL_LOG_ERROR, "cannot emit: %s", strerror(-err));
    return err;
}

static void *
tail_run(void *arg)
{
    struct tail *t = arg;
    int err = find_offset(t);
    if (err)
        il_log(t->host, IL_LOG_ERROR, "cannot read the mark: %s",
               strerror(-err));
    while (!err && !il_cancelled(t->host)) {
        size_t count, len = read_more(t), used = cut_lines(t, len, &count);
        if (len == READ_MAX && !used) {
            il_log(t->host, IL_LOG_ERROR, "a line at byte %lld is too long",
                   (long long) t->offset);
            break;
        }
        if (used) {
            int taken = offer(t, count, t->offset + (int64_t) used);
            if (taken == 1)
                t->offset += (int64_t) used;
            err = taken < 0 ? taken : 0;
            continue;
        }
        pthread_mutex_lock(&t->lock);
        if (!t->stop)
            sleep_ms(t, t->poll_ms);
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

static int
tail_start(void *self)
{
    struct tail *t = self;
    return -pthread_create(&t->thread, NULL, tail_run, t);
}

/* By now il_cancelled() is 1, and nothing waits for settled() any more. */
static void
tail_stop(void *self)
{
    struct tail *t = self;
    pthread_mutex_lock(&t->lock);
    t->stop = 1;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_SOURCE,
    .threads = IL_SERIAL_INSTANCE,
    .name = "template.tail",
    .version = "1.0",
    .summary = "Take the lines of a file as events.",
    .options = tail_options,
    .open = tail_open,
    .start = tail_start,
    .settled = tail_settled,
    .room = tail_room,
    .stop = tail_stop,
    .close = tail_close,
};
