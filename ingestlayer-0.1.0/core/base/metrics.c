/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PREFIX "ingestlayer_"

enum { COUNTER = 1, GAUGE };

/* A cache line each: lanes and gate threads count side by side. */
struct il_counter {
    uint64_t value; /* atomic */
    int kind;
    char *name, *labels, *help;
    struct il_counter *next; /* ordered by name, then labels */
} __attribute__((aligned(64)));

struct refresher {
    void (*fn)(void *arg);
    void *arg;
    struct refresher *next;
};

/* Protects the two lists; values are atomic and need none. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct il_counter *series;
static struct refresher *refreshers;

static struct il_counter *
series_make(const char *name, const char *labels, const char *help, int kind)
{
    void *memory;
    if (posix_memalign(&memory, 64, sizeof(struct il_counter)))
        return NULL;
    struct il_counter *c = memory;
    *c = (struct il_counter){ .kind = kind,
                              .name = strdup(name),
                              .labels = strdup(labels),
                              .help = strdup(help) };
    if (c->name && c->labels && c->help)
        return c;
    free(c->name);
    free(c->labels);
    free(c->help);
    free(c);
    return NULL;
}

static struct il_counter *
series_get(const char *name, const char *labels, const char *help, int kind)
{
    if (!labels)
        labels = "";
    pthread_mutex_lock(&lock);
    struct il_counter **at = &series, *found = NULL;
    for (; *at; at = &(*at)->next) {
        int order = strcmp((*at)->name, name);
        if (order == 0)
            order = strcmp((*at)->labels, labels);
        if (order == 0)
            found = *at;
        if (order >= 0)
            break;
    }
    if (!found) {
        found = series_make(name, labels, help ? help : "", kind);
        if (found) {
            found->next = *at;
            *at = found;
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

struct il_counter *
metric_counter(const char *name, const char *labels, const char *help)
{
    return series_get(name, labels, help, COUNTER);
}

struct il_counter *
metric_gauge(const char *name, const char *labels, const char *help)
{
    return series_get(name, labels, help, GAUGE);
}

void
metric_add(struct il_counter *c, uint64_t n)
{
    if (c)
        __atomic_fetch_add(&c->value, n, __ATOMIC_RELAXED);
}

void
metric_set(struct il_counter *c, uint64_t value)
{
    if (c)
        __atomic_store_n(&c->value, value, __ATOMIC_RELAXED);
}

uint64_t
metric_get(const struct il_counter *c)
{
    return c ? __atomic_load_n(&c->value, __ATOMIC_RELAXED) : 0;
}

/* Backslash and newline, and in label values the quote, are escaped. */
static int
put_escaped(struct il_text *out, const char *text, int quotes)
{
    for (; *text; text++) {
        int err;
        if (*text == '\n')
            err = text_puts(out, "\\n");
        else if (*text == '\\')
            err = text_puts(out, "\\\\");
        else if (*text == '"' && quotes)
            err = text_puts(out, "\\\"");
        else
            err = text_putc(out, *text);
        if (err)
            return err;
    }
    return 0;
}

int
metric_label(struct il_text *out, const char *key, const char *value)
{
    if (text_printf(out, "%s=\"", key) || put_escaped(out, value, 1)
        || text_putc(out, '"'))
        return -ENOMEM;
    return 0;
}

int
metric_refresh(void (*fn)(void *arg), void *arg)
{
    struct refresher *r = malloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct refresher){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&lock);
    r->next = refreshers;
    refreshers = r;
    pthread_mutex_unlock(&lock);
    return 0;
}

void
metric_refresh_remove(void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    for (struct refresher **at = &refreshers; *at; at = &(*at)->next) {
        if ((*at)->fn != fn || (*at)->arg != arg)
            continue;
        struct refresher *gone = *at;
        *at = gone->next;
        free(gone);
        break;
    }
    pthread_mutex_unlock(&lock);
}

static int
is_time(const char *name)
{
    const char *unit = strstr(name, "_seconds");
    return unit && (!unit[8] || strcmp(unit + 8, "_total") == 0);
}

static int
export_series(struct il_text *out, const struct il_counter *c, int head)
{
    if (head) {
        if (text_printf(out, "# HELP " PREFIX "%s ", c->name)
            || put_escaped(out, c->help, 0)
            || text_printf(out, "\n# TYPE " PREFIX "%s %s\n", c->name,
                           c->kind == COUNTER ? "counter" : "gauge"))
            return -ENOMEM;
    }
    const uint64_t n = metric_get(c);
    int err = text_printf(out, PREFIX "%s%s%s%s ", c->name,
                          *c->labels ? "{" : "", c->labels,
                          *c->labels ? "}" : "");
    if (!err && is_time(c->name))
        err = text_printf(out, "%" PRIu64 ".%06" PRIu64 "\n", n / 1000000,
                          n % 1000000);
    else if (!err)
        err = text_printf(out, "%" PRIu64 "\n", n);
    return err;
}

/* Field n (from 1, as proc(5) counts) of /proc/self/stat; 0 where there is
 * none.  The second field is a name in parentheses that may hold blanks. */
static uint64_t
stat_field(int n)
{
    char buffer[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return 0;
    size_t len = fread(buffer, 1, sizeof(buffer) - 1, f);
    fclose(f);
    buffer[len] = 0;
    char *p = strrchr(buffer, ')');
    for (int i = 2; p && i < n; i++) {
        p = strchr(p, ' ');
        if (p)
            p++;
    }
    return p ? strtoull(p, NULL, 10) : 0;
}

static double
start_time(void)
{
    /* Both clocks count from boot, one of them in ticks. */
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    double since_boot = (double) stat_field(22) / (double) sysconf(_SC_CLK_TCK);
    double now = (double) clock_wall_us() / 1e6;
    return now - ((double) boot.tv_sec + (double) boot.tv_nsec / 1e9)
           + since_boot;
}

static unsigned
open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder's own */
}

static int
export_descriptors(struct il_text *out)
{
    struct rlimit limit = { 0 };
    getrlimit(RLIMIT_NOFILE, &limit);
    return text_printf(out,
                       "# HELP process_open_fds Descriptors that are open.\n"
                       "# TYPE process_open_fds gauge\n"
                       "process_open_fds %u\n"
                       "# HELP process_max_fds Descriptors that may be open.\n"
                       "# TYPE process_max_fds gauge\n"
                       "process_max_fds %" PRIu64 "\n",
                       open_descriptors(), (uint64_t) limit.rlim_cur);
}

/* Names that every Prometheus client library uses. */
static int
export_process(struct il_text *out)
{
    struct rusage use = { 0 };
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double) (use.ru_utime.tv_sec + use.ru_stime.tv_sec)
                 + (double) (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    return text_printf(
        out,
        "# HELP process_cpu_seconds_total CPU time used, in seconds.\n"
        "# TYPE process_cpu_seconds_total counter\n"
        "process_cpu_seconds_total %.6f\n"
        "# HELP process_resident_memory_bytes Memory in use, in bytes.\n"
        "# TYPE process_resident_memory_bytes gauge\n"
        "process_resident_memory_bytes %" PRIu64 "\n"
        "# HELP process_start_time_seconds Start, in seconds since 1970.\n"
        "# TYPE process_start_time_seconds gauge\n"
        "process_start_time_seconds %.2f\n",
        cpu, stat_field(24) * (uint64_t) sysconf(_SC_PAGESIZE), start_time());
}

int
metric_export(struct il_text *out)
{
    pthread_mutex_lock(&lock);
    struct refresher *r = refreshers;
    pthread_mutex_unlock(&lock);
    /* Outside the lock: a refresher may register series. */
    for (; r; r = r->next)
        r->fn(r->arg);

    int err = 0;
    const char *last = "";
    pthread_mutex_lock(&lock);
    for (struct il_counter *c = series; c && !err; c = c->next) {
        err = export_series(out, c, strcmp(last, c->name) != 0);
        last = c->name;
    }
    pthread_mutex_unlock(&lock);
    if (!err)
        err = export_process(out);
    return err ? err : export_descriptors(out);
}
