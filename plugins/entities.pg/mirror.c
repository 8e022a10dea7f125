/* SPDX-License-Identifier: MIT */
/* When a mirror runs.  The database may be away for days: then the store goes on
 * answering, the age of what it has is shown, and the thread tries again, each time
 * after twice the time, up to a minute. */
#include "mirror.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 1000
#define RETRY_MAX_MS 60000
#define SECOND_US INT64_C(1000000)

int
mirror_stops(const struct mirror *m)
{
    return atomic_load(&m->owner->stop.now) || il_cancelled(m->owner->host);
}

/* --- what is said ----------------------------------------------------------- */

static void
status_all(struct entities *e)
{
    char text[400];
    size_t used = 0;
    for (size_t i = 0; i < e->count && used < sizeof text; i++)
        if (*e->mirrors[i].status)
            used += (size_t) snprintf(
                text + used, sizeof text - used, "%s%s: %s", used ? "; " : "",
                e->mirrors[i].set.name, e->mirrors[i].status);
    il_status_text(e->host, text, used < sizeof text ? used : sizeof text - 1);
}

void
mirror_status(struct mirror *m, const char *fmt, ...)
{
    va_list ap;
    pthread_mutex_lock(&m->owner->lock);
    va_start(ap, fmt);
    vsnprintf(m->status, sizeof m->status, fmt, ap);
    va_end(ap);
    status_all(m->owner);
    pthread_mutex_unlock(&m->owner->lock);
}

static void
age_text(char out[40], int64_t us)
{
    long long s = us / SECOND_US;
    if (s < 120)
        snprintf(out, 40, "%lld s", s < 0 ? 0 : s);
    else if (s < 7200)
        snprintf(out, 40, "%lld min", s / 60);
    else if (s < 172800)
        snprintf(out, 40, "%lld h", s / 3600);
    else
        snprintf(out, 40, "%lld days", s / 86400);
}

/* How old it is, and what is the matter. */
static void
say_age(struct mirror *m)
{
    struct entities *e = m->owner;
    char age[40];
    int64_t oldest = INT64_MAX, now = il_now_us(e->host);
    age_text(age, now - m->seen_us);
    if (!m->seen_us)
        mirror_status(m, "never complete%s%s", m->failures ? ": " : "",
                      m->failures ? m->said : "");
    else
        mirror_status(m, "%s old, %llu rows%s%s", age,
                      (unsigned long long) m->done.full_rows,
                      m->failures ? ": " : "", m->failures ? m->said : "");
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->count; i++)
        if (__atomic_load_n(&e->mirrors[i].seen_us, __ATOMIC_RELAXED) < oldest)
            oldest = __atomic_load_n(&e->mirrors[i].seen_us, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&e->lock);
    il_gauge_set(e->host, e->age, oldest ? now - oldest : -1);
}

static void
say_failure(struct mirror *m)
{
    const char *why = m->link.fault.why;
    m->failures++;
    il_counter_add(m->owner->host, m->owner->failed, 1);
    if (m->failures > 1 && strcmp(m->said, why) == 0)
        return;
    snprintf(m->said, sizeof m->said, "%s", why);
    il_log(m->owner->host, IL_LOG_WARN, "mirror %s: %s; trying again",
           m->set.name, why);
}

static void
say_done(struct mirror *m, const struct run *run)
{
    const struct il_mirrored *n = &run->counts;
    if (m->failures)
        il_log(m->owner->host, IL_LOG_INFO, "mirror %s: works again",
               m->set.name);
    m->failures = 0;
    *m->said = 0;
    il_counter_add(m->owner->host, m->owner->runs, 1);
    il_log(m->owner->host, run->full ? IL_LOG_INFO : IL_LOG_DEBUG,
           "mirror %s: %llu %srows: %llu new, %llu changed, %llu as they "
           "were, %llu removed, %llu refused; %llu traits are somebody else's",
           m->set.name, (unsigned long long) run->rows,
           run->full ? "" : "newer ", (unsigned long long) n->added,
           (unsigned long long) n->changed, (unsigned long long) n->same,
           (unsigned long long) n->removed, (unsigned long long) n->refused,
           (unsigned long long) n->left);
}

/* --- the schedule ------------------------------------------------------------ */

/* What there is of it.  0 or a negative errno. */
static int
read_state(struct mirror *m, int first)
{
    struct il_mirror_state state = { .struct_size = sizeof state };
    struct il_text *mark = il_text_new(m->owner->host);
    unsigned long long hash = 0, rows = 0;
    long long full = 0, watermark = 0;
    char text[PROGRESS_TEXT] = "";
    int r = mark ? il_mirror_state(m->store, mark, &state) : -1;
    if (r == 1 && state.mark_len < sizeof text && state.mark_len)
        memcpy(text, state.mark, state.mark_len);
    if (r == 1)
        m->asked_us = state.asked_us;
    if (r == 1 && first
        && sscanf(text, "1 %llx %lld %llu %lld", &hash, &full, &rows,
                  &watermark)
               == 4) {
        m->done = (struct progress){ hash, full, rows, watermark };
        m->seen_us = m->started_us = state.seen_us;
    }
    il_text_free(m->owner->host, mark);
    return r < 0 ? r : 0;
}

/* Is a run due?  1, and whether it is to read everything. */
static int
is_due(struct mirror *m, int64_t now, int64_t retry_us, int *full)
{
    const int asked = m->asked_us > m->started_us;
    *full = asked || !m->set.watermark || !m->done.watermark_us
            || m->done.hash != m->set.hash
            || now - m->done.full_us >= m->set.full_us
            || now < m->done.full_us; /* the clock was set back */
    if (asked || (!m->seen_us && !m->failures))
        return 1;
    if (m->failures)
        return now >= retry_us || now < m->started_us;
    return *full != !m->set.watermark || now - m->seen_us >= m->set.every_us
           || now < m->seen_us || m->done.hash != m->set.hash;
}

static int64_t
retry_after_us(uint32_t failures)
{
    int64_t ms = failures > 6 ? RETRY_MAX_MS : INT64_C(1000) << (failures - 1);
    return (ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms) * 1000;
}

void *
mirror_run(void *arg)
{
    struct mirror *m = arg;
    int64_t retry_us = 0;
    int full, first = 1;
    while (!mirror_stops(m)) {
        int64_t now = il_now_us(m->owner->host);
        if (read_state(m, first) == 0)
            first = 0;
        if (!first && is_due(m, now, retry_us, &full)) {
            struct run run = { .full = full, .started_us = now };
            m->started_us = now;
            if (run_once(m, &run) == 0) {
                say_done(m, &run);
            } else if (!mirror_stops(m)) {
                say_failure(m);
                retry_us =
                    il_now_us(m->owner->host) + retry_after_us(m->failures);
            }
        }
        say_age(m);
        link_pause(&m->link, LOOK_MS);
    }
    return NULL;
}
