/* SPDX-License-Identifier: MIT */
/* The test host: what surrounds a plugin, be it of any kind. */
#include <config.h>

#include "private.h"
#include "base/clock.h"
#include "plugin/enter.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nobody measures it here, and a plugin's tests link no GnuTLS. */
static int
api_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (!a_len || memcmp(a, b, a_len) == 0);
}

/* --- violations ---------------------------------------------------------- */

void
testhost_violate(struct testhost *t, const char *fmt, ...)
{
    struct il_text line = { 0 };
    const char *callback;
    va_list ap;
    instance_current(&callback);
    if (callback)
        text_printf(&line, "%s: ", callback);
    va_start(ap, fmt);
    text_vprintf(&line, fmt, ap);
    va_end(ap);
    text_putc(&line, '\n');
    pthread_mutex_lock(&t->lock);
    if (!strstr(text_str(&t->violations), text_str(&line)))
        text_put(&t->violations, line.data, line.len);
    pthread_mutex_unlock(&t->lock);
    text_clear(&line);
}

const char *
testhost_violations(struct testhost *t)
{
    struct il_text *out = &t->shown[SHOW_VIOLATIONS];
    out->len = 0;
    pthread_mutex_lock(&t->lock);
    text_put(out, t->violations.data, t->violations.len);
    pthread_mutex_unlock(&t->lock);
    return text_str(out);
}

/* --- log and status ------------------------------------------------------ */

/* All of it is kept. */
static int
api_log_level(const struct il_host *h)
{
    (void) h;
    return IL_LOG_DEBUG;
}

static void
api_log_text(const struct il_host *h, int level, const char *text, size_t len)
{
    static const char *const names[] = { "?", "error", "warn", "info",
                                         "debug" };
    struct testhost *t = testhost_of(h);
    pthread_mutex_lock(&t->lock);
    text_printf(&t->log, "%s: ", names[level >= 1 && level <= 4 ? level : 0]);
    text_put(&t->log, text, len);
    text_putc(&t->log, '\n');
    pthread_mutex_unlock(&t->lock);
}

static void
api_status_text(const struct il_host *h, const char *text, size_t len)
{
    struct testhost *t = testhost_of(h);
    pthread_mutex_lock(&t->lock);
    t->status_text.len = 0;
    text_put(&t->status_text, text, len < 400 ? len : 400);
    pthread_mutex_unlock(&t->lock);
}

static void
api_hold_off(const struct il_host *h, const char *target, int64_t until_us,
             const char *why)
{
    struct testhost *t = testhost_of(h);
    const char *name = target ? target : "";
    (void) why;
    if (atomic_load(&t->life) < LIFE_STARTED)
        testhost_violate(t, "il_hold_off() before start()");
    struct held_off *n = malloc(sizeof(*n) + strlen(name) + 1);
    if (!n)
        return;
    *n = (struct held_off){ .until_us = until_us };
    strcpy(n->target, name);
    pthread_mutex_lock(&t->lock);
    n->next = t->held;
    t->held = n;
    pthread_mutex_unlock(&t->lock);
}

static int
api_pause(const struct il_host *h, const char *why)
{
    struct testhost *t = testhost_of(h);
    if (atomic_load(&t->life) < LIFE_STARTED) {
        testhost_violate(t, "il_pause() outside start() to stop()");
        return -EPERM;
    }
    pthread_mutex_lock(&t->lock);
    const int differs = !*t->paused;
    if (differs)
        snprintf(t->paused, sizeof(t->paused), "%s",
                 why && *why ? why : "it has not said why");
    pthread_mutex_unlock(&t->lock);
    return differs;
}

const char *
testhost_paused(struct testhost *t)
{
    pthread_mutex_lock(&t->lock);
    memcpy(t->paused_shown, t->paused, sizeof(t->paused));
    t->paused[0] = 0;
    pthread_mutex_unlock(&t->lock);
    return *t->paused_shown ? t->paused_shown : NULL;
}

int64_t
testhost_held(struct testhost *t, const char *target)
{
    const char *name = target ? target : "";
    int64_t until = 0;
    pthread_mutex_lock(&t->lock);
    for (const struct held_off *n = t->held; n; n = n->next)
        if (strcmp(n->target, name) == 0) {
            until = n->until_us;
            break;
        }
    pthread_mutex_unlock(&t->lock);
    return until;
}

static const char *
copied(struct testhost *t, int slot, const struct il_text *from)
{
    struct il_text *out = &t->shown[slot];
    out->len = 0;
    pthread_mutex_lock(&t->lock);
    text_put(out, from->data, from->len);
    pthread_mutex_unlock(&t->lock);
    return text_str(out);
}

const char *
testhost_log(struct testhost *t)
{
    return copied(t, SHOW_LOG, &t->log);
}

const char *
testhost_status(struct testhost *t)
{
    return copied(t, SHOW_STATUS, &t->status_text);
}

/* --- files and the end --------------------------------------------------- */

static int
api_state_dir(const struct il_host *h, const char **path)
{
    struct testhost *t = testhost_of(h);
    char made[] = "/tmp/testhost-XXXXXX";
    int err = 0;
    if (atomic_load(&t->life) < LIFE_STARTED) {
        testhost_violate(t, "asks for its state_dir before start()");
        return -EPERM;
    }
    if (testhost_alloc_fails(t))
        return -ENOMEM;
    pthread_mutex_lock(&t->lock);
    if (!t->state_dir && mkdtemp(made))
        t->state_dir = strdup(made);
    if (!t->state_dir)
        err = -ENOMEM;
    *path = t->state_dir;
    pthread_mutex_unlock(&t->lock);
    return err;
}

const char *
testhost_state_dir(struct testhost *t)
{
    return t->state_dir;
}

int
testhost_keep_state_dir(struct testhost *t, const char *path)
{
    t->state_dir = strdup(path);
    t->state_dir_stays = 1;
    return t->state_dir ? 0 : -ENOMEM;
}

static int
api_cancelled(const struct il_host *h)
{
    return atomic_load(&testhost_of(h)->cancelled);
}

void
testhost_cancel(struct testhost *t)
{
    atomic_store(&t->cancelled, 1);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void) st;
    (void) flag;
    (void) at;
    return remove(path);
}

/* --- time ---------------------------------------------------------------- */

int64_t
testhost_monotonic_us(const struct testhost *t)
{
    return clock_monotonic_us() + t->ahead_us;
}

int64_t
testhost_now_us(const struct testhost *t)
{
    return t->clock_us ? t->clock_us
                       : testhost_monotonic_us(t) + INT64_C(1700000000000000);
}

static int64_t
api_now_us(const struct il_host *h)
{
    struct testhost *t = testhost_of(h);
    pthread_mutex_lock(&t->lock);
    int64_t us = testhost_now_us(t);
    pthread_mutex_unlock(&t->lock);
    return us;
}

static int64_t
api_monotonic_us(const struct il_host *h)
{
    struct testhost *t = testhost_of(h);
    pthread_mutex_lock(&t->lock);
    int64_t us = testhost_monotonic_us(t);
    pthread_mutex_unlock(&t->lock);
    return us;
}

void
testhost_clock(struct testhost *t, int64_t us)
{
    pthread_mutex_lock(&t->lock);
    t->clock_us = us;
    pthread_mutex_unlock(&t->lock);
}

/* --- timers -------------------------------------------------------------- */

/* Take the timer of this function and argument out of the list.  With the lock
 * held. */
static struct test_timer *
timer_take(struct testhost *t, void (*fn)(void *arg), void *arg, int once)
{
    struct test_timer **at = &t->timers;
    while (*at
           && ((*at)->fn != fn || (*at)->arg != arg
               || ((*at)->interval_us == 0) != once))
        at = &(*at)->next;
    struct test_timer *found = *at;
    if (found)
        *at = found->next;
    return found;
}

/* Put one in, the earliest first.  With the lock held. */
static void
timer_put(struct testhost *t, struct test_timer *timer)
{
    struct test_timer **at = &t->timers;
    while (*at && (*at)->due_us <= timer->due_us)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

static int
timer_add(struct testhost *t, uint32_t ms, int once, void (*fn)(void *arg),
          void *arg)
{
    struct test_timer *timer = NULL, *before = NULL;
    if (atomic_load(&t->life) == LIFE_STOPPING)
        return 0; /* nothing comes any more */
    if (testhost_alloc_fails(t) || !(timer = calloc(1, sizeof(*timer))))
        return -ENOMEM;
    timer->fn = fn;
    timer->arg = arg;
    timer->interval_us = once ? 0 : (int64_t) ms * 1000;
    pthread_mutex_lock(&t->lock);
    timer->due_us = (int64_t) ms * 1000;
    if (atomic_load(&t->life) == LIFE_STARTED)
        timer->due_us += testhost_monotonic_us(t);
    if (once)
        before = timer_take(t, fn, arg, 1);
    if (!once || ms != IL_NEVER) {
        timer_put(t, timer);
        timer = NULL;
    }
    pthread_mutex_unlock(&t->lock);
    free(before);
    free(timer);
    return 0;
}

static int
api_timer_every(const struct il_host *h, uint32_t ms, void (*fn)(void *arg),
                void *arg)
{
    return ms ? timer_add(testhost_of(h), ms, 0, fn, arg) : -EINVAL;
}

static int
api_timer_once(const struct il_host *h, uint32_t ms, void (*fn)(void *arg),
               void *arg)
{
    return timer_add(testhost_of(h), ms, 1, fn, arg);
}

/* Call the first timer that is due by then; 0: there is none. */
static int
timer_fire(struct testhost *t, int64_t by_us)
{
    pthread_mutex_lock(&t->lock);
    struct test_timer *first = t->timers;
    if (!first || first->due_us > by_us
        || atomic_load(&t->life) != LIFE_STARTED) {
        pthread_mutex_unlock(&t->lock);
        return 0;
    }
    t->timers = first->next;
    int64_t late_us = testhost_monotonic_us(t) - first->due_us;
    if (late_us < 0) { /* the clocks move on to it */
        t->ahead_us -= late_us;
        t->clock_us -= t->clock_us ? late_us : 0;
    }
    void (*fn)(void *) = first->fn;
    void *arg = first->arg;
    if (first->interval_us) {
        first->due_us += first->interval_us;
        timer_put(t, first);
    } else {
        free(first);
    }
    pthread_mutex_unlock(&t->lock);
    instance_timer(&t->host, fn, arg);
    return 1;
}

void
testhost_advance(struct testhost *t, uint32_t ms)
{
    pthread_mutex_lock(&t->lock);
    int64_t until = testhost_monotonic_us(t) + (int64_t) ms * 1000;
    pthread_mutex_unlock(&t->lock);
    while (timer_fire(t, until))
        ;
    pthread_mutex_lock(&t->lock);
    int64_t left = until - testhost_monotonic_us(t);
    if (left > 0) {
        t->ahead_us += left;
        t->clock_us += t->clock_us ? left : 0;
    }
    pthread_mutex_unlock(&t->lock);
}

void
testhost_tick(struct testhost *t)
{
    void (*fns[64])(void *);
    void *args[64];
    size_t n = 0;
    pthread_mutex_lock(&t->lock);
    for (struct test_timer **at = &t->timers, *i; (i = *at) && n < 64;) {
        fns[n] = i->fn;
        args[n++] = i->arg;
        if (i->interval_us) {
            at = &i->next;
            continue;
        }
        *at = i->next;
        free(i);
    }
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < n; i++)
        instance_timer(&t->host, fns[i], args[i]);
}

/* --- numbers ------------------------------------------------------------- */

static int
may_make_number(struct testhost *t, const char *name)
{
    if (atomic_load(&t->life) != LIFE_OPENING)
        testhost_violate(t, "makes the counter or gauge \"%s\" after open()",
                         name);
    return !testhost_alloc_fails(t);
}

static struct il_counter *
api_counter_new(const struct il_host *h, const char *name, int unit,
                const char *help)
{
    return may_make_number(testhost_of(h), name)
               ? testhost_plain.counter_new(h, name, unit, help)
               : NULL;
}

static struct il_gauge *
api_gauge_new(const struct il_host *h, const char *name, int unit,
              const char *help)
{
    return may_make_number(testhost_of(h), name)
               ? testhost_plain.gauge_new(h, name, unit, help)
               : NULL;
}

uint64_t
testhost_counter(struct testhost *t, const char *name)
{
    int64_t value = 0;
    instance_metric(&t->host, name, 0, &value);
    return (uint64_t) value;
}

int64_t
testhost_gauge(struct testhost *t, const char *name)
{
    int64_t value = 0;
    instance_metric(&t->host, name, 1, &value);
    return value;
}

void
testhost_fill_around(struct il_api *api)
{
    api->equal = api_equal;
    api->log_level = api_log_level;
    api->log_text = api_log_text;
    api->status_text = api_status_text;
    api->hold_off = api_hold_off;
    api->pause = api_pause;
    api->state_dir = api_state_dir;
    api->cancelled = api_cancelled;
    api->now_us = api_now_us;
    api->monotonic_us = api_monotonic_us;
    api->timer_every = api_timer_every;
    api->timer_once = api_timer_once;
    api->counter_new = api_counter_new;
    api->gauge_new = api_gauge_new;
}

void
testhost_free_around(struct testhost *t)
{
    while (t->timers) {
        struct test_timer *gone = t->timers;
        t->timers = gone->next;
        free(gone);
    }
    if (t->state_dir && !t->state_dir_stays)
        nftw(t->state_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(t->state_dir);
    text_clear(&t->log);
    text_clear(&t->violations);
    text_clear(&t->status_text);
    while (t->held) {
        struct held_off *n = t->held;
        t->held = n->next;
        free(n);
    }
}
