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

enum { COUNTER = 1, GAUGE, HISTOGRAM };

/* One set for all: a request takes milliseconds and a row, while a destination
 * is away, hours. */
static const struct {
    int64_t us;
    const char *text;
} bounds[] = {
    { 1000, "0.001" },    { 2500, "0.0025" },   { 5000, "0.005" },
    { 10000, "0.01" },    { 25000, "0.025" },   { 50000, "0.05" },
    { 100000, "0.1" },    { 250000, "0.25" },   { 500000, "0.5" },
    { 1000000, "1" },     { 2500000, "2.5" },   { 5000000, "5" },
    { 10000000, "10" },   { 30000000, "30" },   { 60000000, "60" },
    { 300000000, "300" }, { 900000000, "900" }, { 3600000000, "3600" },
};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

/* A cache line each: lanes and gate threads count side by side. */
struct series {
    uint64_t value; /* atomic; of a gauge the bits of an int64_t, of a
                     * histogram the sum */
    int kind, unit;
    char *name, *labels, *help;
    struct series *next; /* ordered by name, then labels */
} __attribute__((aligned(64)));

struct il_counter {
    struct series series;
};

struct il_gauge {
    struct series series;
};

struct il_histogram {
    struct series series;
    uint64_t buckets[BOUNDS + 1]; /* atomic; the last has no bound */
};

struct refresher {
    void (*fn)(void *arg);
    void *arg;
    struct refresher *next;
};

/* Protects the two lists; values are atomic and need none. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct series *first;
static struct refresher *refreshers;

static struct series *
series_make(const char *name, const char *labels, const char *help, int kind,
            int unit)
{
    void *memory;
    const size_t size =
        kind == HISTOGRAM ? sizeof(struct il_histogram) : sizeof(struct series);
    if (posix_memalign(&memory, 64, size))
        return NULL;
    memset(memory, 0, size);
    struct series *s = memory;
    *s = (struct series){ .kind = kind,
                          .unit = unit,
                          .name = strdup(name),
                          .labels = strdup(labels),
                          .help = strdup(help) };
    if (s->name && s->labels && s->help)
        return s;
    free(s->name);
    free(s->labels);
    free(s->help);
    free(s);
    return NULL;
}

/* Where it is, or would be: *found says which.  With the lock. */
static struct series **
series_place(const char *name, const char *labels, int *found)
{
    struct series **at = &first;
    *found = 0;
    for (; *at; at = &(*at)->next) {
        int order = strcmp((*at)->name, name);
        if (order == 0)
            order = strcmp((*at)->labels, labels);
        *found = order == 0;
        if (order >= 0)
            break;
    }
    return at;
}

static struct series *
series_get(const char *name, const char *labels, const char *help, int kind,
           int unit)
{
    int found;
    if (!labels)
        labels = "";
    pthread_mutex_lock(&lock);
    struct series **at = series_place(name, labels, &found), *s = *at;
    if (!found) {
        s = series_make(name, labels, help ? help : "", kind, unit);
        if (s) {
            s->next = *at;
            *at = s;
        }
    } else if (s->kind != kind || s->unit != unit) {
        s = NULL;
    }
    pthread_mutex_unlock(&lock);
    return s;
}

struct il_counter *
metric_counter(const char *name, const char *labels, int unit, const char *help)
{
    return (struct il_counter *) series_get(name, labels, help, COUNTER, unit);
}

struct il_gauge *
metric_gauge(const char *name, const char *labels, int unit, const char *help)
{
    return (struct il_gauge *) series_get(name, labels, help, GAUGE, unit);
}

struct il_histogram *
metric_histogram(const char *name, const char *labels, const char *help)
{
    return (struct il_histogram *) series_get(name, labels, help, HISTOGRAM,
                                              IL_UNIT_MICROSECONDS);
}

int
metric_find(const char *name, const char *labels, int64_t *value)
{
    int found;
    pthread_mutex_lock(&lock);
    const struct series *s = *series_place(name, labels, &found);
    pthread_mutex_unlock(&lock);
    if (found && value)
        *value = (int64_t) __atomic_load_n(&s->value, __ATOMIC_RELAXED);
    return found;
}

void
metric_add(struct il_counter *c, uint64_t n)
{
    if (c)
        __atomic_fetch_add(&c->series.value, n, __ATOMIC_RELAXED);
}

uint64_t
metric_get(const struct il_counter *c)
{
    return c ? __atomic_load_n(&c->series.value, __ATOMIC_RELAXED) : 0;
}

void
metric_set(struct il_gauge *g, int64_t value)
{
    if (g)
        __atomic_store_n(&g->series.value, (uint64_t) value, __ATOMIC_RELAXED);
}

int64_t
metric_value(const struct il_gauge *g)
{
    return g ? (int64_t) __atomic_load_n(&g->series.value, __ATOMIC_RELAXED)
             : 0;
}

static size_t
bucket_of(int64_t us)
{
    size_t i = 0;
    while (i < BOUNDS && us > bounds[i].us)
        i++;
    return i;
}

int64_t
metric_bucket(int64_t us, int64_t *above)
{
    size_t i = bucket_of(us);
    *above = i ? bounds[i - 1].us : INT64_MIN;
    return i < BOUNDS ? bounds[i].us : INT64_MAX;
}

void
metric_observe(struct il_histogram *h, int64_t us, uint64_t n, uint64_t sum_us)
{
    if (!h || !n)
        return;
    __atomic_fetch_add(&h->buckets[bucket_of(us)], n, __ATOMIC_RELAXED);
    __atomic_fetch_add(&h->series.value, sum_us, __ATOMIC_RELAXED);
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

/* What a series holds, as it is printed. */
static int
export_value(struct il_text *out, const struct series *s)
{
    uint64_t n = __atomic_load_n(&s->value, __ATOMIC_RELAXED);
    if (s->kind == GAUGE && (int64_t) n < 0) {
        if (text_putc(out, '-'))
            return -ENOMEM;
        n = 0 - n;
    }
    if (s->unit == IL_UNIT_MICROSECONDS)
        return text_printf(out, "%" PRIu64 ".%06" PRIu64 "\n", n / 1000000,
                           n % 1000000);
    return text_printf(out, "%" PRIu64 "\n", n);
}

static int
export_name(struct il_text *out, const struct series *s, const char *part,
            const char *le)
{
    const int labels = *s->labels || le;
    if (text_printf(out, PREFIX "%s%s%s%s", s->name, part, labels ? "{" : "",
                    s->labels))
        return -ENOMEM;
    if (le && text_printf(out, "%sle=\"%s\"", *s->labels ? "," : "", le))
        return -ENOMEM;
    return text_puts(out, labels ? "} " : " ");
}

/* Counted one after the other: what comes meanwhile may be in the sum only. */
static int
export_histogram(struct il_text *out, const struct il_histogram *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        n += __atomic_load_n(&h->buckets[i], __ATOMIC_RELAXED);
        if (export_name(out, &h->series, "_bucket",
                        i < BOUNDS ? bounds[i].text : "+Inf")
            || text_printf(out, "%" PRIu64 "\n", n))
            return -ENOMEM;
    }
    if (export_name(out, &h->series, "_sum", NULL)
        || export_value(out, &h->series)
        || export_name(out, &h->series, "_count", NULL))
        return -ENOMEM;
    return text_printf(out, "%" PRIu64 "\n", n);
}

static int
export_series(struct il_text *out, const struct series *s, int head)
{
    static const char *const kinds[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"
    };
    if (head) {
        if (text_printf(out, "# HELP " PREFIX "%s ", s->name)
            || put_escaped(out, s->help, 0)
            || text_printf(out, "\n# TYPE " PREFIX "%s %s\n", s->name,
                           kinds[s->kind]))
            return -ENOMEM;
    }
    if (s->kind == HISTOGRAM)
        return export_histogram(out, (const struct il_histogram *) s);
    int err = export_name(out, s, "", NULL);
    return err ? err : export_value(out, s);
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
    for (struct series *s = first; s && !err; s = s->next) {
        err = export_series(out, s, strcmp(last, s->name) != 0);
        last = s->name;
    }
    pthread_mutex_unlock(&lock);
    if (!err)
        err = export_process(out);
    return err ? err : export_descriptors(out);
}
