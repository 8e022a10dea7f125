/* SPDX-License-Identifier: MIT */
/* What a key costs as the index fills: find + add + durable, in batches of
 * 500, the keys spread evenly over one window; seconds of CPU, what the index'
 * own thread needs included and what the spool's needs not, and the memory the
 * process has for itself.  Then how long it takes to open again.
 *   bench-idem MILLIONS... */
#include "scratch.h"
#include "base/clock.h"
#include "idem/idem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 500
#define AHEAD 8 /* as the gate does */
#define WINDOW INT64_C(86400000000)

static struct idem_key
key_of(const struct idem *d, uint64_t n)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%026llu", (unsigned long long) n);
    return idem_key(d, IDEM_SERVER, SLICE("app"), slice_of(text, (size_t) len));
}

/* CPU, so that other work on the machine does not count. */
static double
clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static double
cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* --- the index' own threads --- */

#define TASKS "/proc/self/task"
#define THREADS_MAX 16

static long before[THREADS_MAX]; /* threads that were there before the index */
static size_t before_count;

static int
was_before(long tid)
{
    for (size_t i = 0; i < before_count; i++)
        if (before[i] == tid)
            return 1;
    return 0;
}

static double
thread_ns(long tid)
{
    char path[64];
    double ns = 0;
    snprintf(path, sizeof path, TASKS "/%ld/schedstat", tid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lf", &ns) != 1)
        ns = 0;
    if (f)
        fclose(f);
    return ns;
}

/* What they have used; the first time: nothing, as these are others'. */
static double
others_ns(void)
{
    int first = !before_count;
    struct dirent *e;
    double ns = 0;
    DIR *dir = opendir(TASKS);
    while (dir && (e = readdir(dir))) {
        long tid = strtol(e->d_name, NULL, 10);
        if (tid && first && before_count < THREADS_MAX)
            before[before_count++] = tid;
        else if (tid && !was_before(tid))
            ns += thread_ns(tid);
    }
    if (dir)
        closedir(dir);
    return ns;
}

static double
memory_mb(void)
{
    char line[128];
    double kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %lf", &kb) == 1)
            break;
    fclose(f);
    return kb / 1024;
}

static struct idem_key keys[BATCH];

/* One batch as the gate does it; returns nanoseconds without making keys. */
static double
batch(struct idem *d, struct spool *spool, uint64_t from, int64_t now_us,
      uint64_t *hits)
{
    struct idem_hit hit;
    struct slice frame = SLICE("all of the batch");
    uint64_t position;
    for (uint64_t i = 0; i < BATCH; i++)
        keys[i] = key_of(d, from + i);
    /* One frame, so that the spool is no smaller than the index thinks. */
    if (spool_append(spool, &frame, 1, &position))
        exit(1);
    double start = cpu_ns();
    int rc;
    while ((rc = idem_ready(d, BATCH, now_us)) == -ENOSPC)
        ; /* the disk is slower; this waited for it */
    if (rc)
        exit(1);
    for (int i = 0; i < AHEAD; i++)
        idem_prefetch(d, keys[i]);
    for (uint64_t i = 0; i < BATCH; i++) {
        if (i + AHEAD < BATCH)
            idem_prefetch(d, keys[i + AHEAD]);
        if (idem_find(d, keys[i], now_us, &hit))
            ++*hits;
        else
            idem_add(d, keys[i], now_us, position, slice_of(NULL, 0));
    }
    idem_durable(d, position, 0);
    return cpu_ns() - start;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: bench-idem MILLIONS...\n", stderr);
        return 2;
    }
    char dir[2][300];
    const char *base = scratch_dir();
    struct spool *spool;
    struct idem *idem;
    snprintf(dir[0], sizeof dir[0], "%s/spool", base);
    snprintf(dir[1], sizeof dir[1], "%s/idem", base);
    struct spool_options so = { .dir = dir[0] };
    struct idem_options io = { .dir = dir[1], .window_us = WINDOW };
    if (spool_open(&so, &spool, NULL))
        return 1;
    others_ns();
    if (idem_open(&io, spool, &idem))
        return 1;
    double most = atof(argv[argc - 1]) * 1e6;
    uint64_t n = 1, hits = 0;
    int64_t checkpoint = clock_monotonic_us();
    for (int a = 1; a < argc; a++) {
        uint64_t goal = (uint64_t) (atof(argv[a]) * 1e6);
        uint64_t tail = goal - goal / 10, count = 0;
        double all = 0, own = -others_ns(), last = 0, worst = 0;
        for (; n < goal; n += BATCH) {
            int64_t now = (int64_t) ((double) n / most * WINDOW);
            double ns = batch(idem, spool, n, now, &hits);
            all += ns;
            count += BATCH;
            if (n >= tail)
                last += ns;
            if (ns > worst)
                worst = ns;
            if (clock_monotonic_us() - checkpoint > 5000000) {
                idem_checkpoint(idem, now);
                checkpoint = clock_monotonic_us();
            }
        }
        own += others_ns();
        all += own;
        struct idem_stats st;
        idem_stats(idem, &st);
        printf(
            "%8.1f M keys: %6.1f ns per key, of them %.1f in its own thread, "
            "last tenth %6.1f, worst batch "
            "%6.0f us, %llu slices, %llu MB on disk, %.1f MB of memory, "
            "%llu false hits\n",
            (double) goal / 1e6, all / (double) count, own / (double) count,
            last / ((double) goal / 10), worst / 1e3,
            (unsigned long long) st.slices, (unsigned long long) st.bytes >> 20,
            memory_mb(), (unsigned long long) hits);
        fflush(stdout);
    }
    spool_flush(spool, 60000000);
    idem_close(idem);
    double cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t began = clock_monotonic_us();
    if (idem_open(&io, spool, &idem))
        return 1;
    struct idem_stats st;
    idem_stats(idem, &st);
    if (st.keys != n - 1)
        return 1;
    printf("opened again in %.2f s, %.2f s of CPU, %.1f MB of memory\n",
           (double) (clock_monotonic_us() - began) / 1e6,
           (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9, memory_mb());
    idem_close(idem);
    spool_close(spool);
    return 0;
}
