/* SPDX-License-Identifier: MIT */
/* What a key costs as the index fills: find + add + durable, in batches of
 * 500, the keys spread evenly over one window.
 *   bench-idem DIR [MILLIONS...] */
#include "clock.h"
#include "idem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 500
#define WINDOW INT64_C(86400000000)

static struct idem_key
key_of(uint64_t n)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%026llu", (unsigned long long) n);
    return idem_key(SLICE("app"), slice_of(text, (size_t) len));
}

static struct idem_key keys[BATCH];

/* One batch as the gate does it; returns nanoseconds without making keys. */
static double
batch(struct idem *d, uint64_t from, int64_t now_us, uint64_t *hits)
{
    struct idem_hit hit;
    for (uint64_t i = 0; i < BATCH; i++)
        keys[i] = key_of(from + i);
    int64_t start = clock_monotonic_us();
    if (idem_ready(d, BATCH))
        exit(1);
    for (int i = 0; i < BATCH; i++)
        idem_prefetch(d, keys[i]);
    for (uint64_t i = 0; i < BATCH; i++) {
        if (idem_find(d, keys[i], now_us, &hit))
            ++*hits;
        else
            idem_add(d, keys[i], now_us, from + i, slice_of(NULL, 0));
    }
    idem_durable(d, from + BATCH - 1, 0);
    return (double) (clock_monotonic_us() - start) * 1e3;
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: bench-idem DIR MILLIONS...\n", stderr);
        return 2;
    }
    char dir[2][512];
    struct spool *spool;
    struct idem *idem;
    snprintf(dir[0], sizeof dir[0], "%s/spool", argv[1]);
    snprintf(dir[1], sizeof dir[1], "%s/idem", argv[1]);
    struct spool_options so = { .dir = dir[0] };
    struct idem_options io = { .dir = dir[1], .window_us = WINDOW };
    if (spool_open(&so, &spool, NULL) || idem_open(&io, spool, &idem))
        return 1;
    double most = atof(argv[argc - 1]) * 1e6;
    uint64_t n = 1, hits = 0;
    int64_t checkpoint = clock_monotonic_us();
    for (int a = 2; a < argc; a++) {
        uint64_t goal = (uint64_t) (atof(argv[a]) * 1e6);
        uint64_t tail = goal - goal / 10, count = 0;
        double all = 0, last = 0, worst = 0;
        for (; n < goal; n += BATCH) {
            int64_t now = (int64_t) ((double) n / most * WINDOW);
            double ns = batch(idem, n, now, &hits);
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
        struct idem_stats st;
        idem_stats(idem, &st);
        printf("%8.1f M keys: %6.1f ns per key, last tenth %6.1f, worst batch "
               "%6.0f us, %llu slices, %llu MB, %llu false hits\n",
               (double) goal / 1e6, all / (double) count,
               last / ((double) goal / 10), worst / 1e3,
               (unsigned long long) st.slices,
               (unsigned long long) st.bytes >> 20,
               (unsigned long long) hits);
        fflush(stdout);
    }
    idem_close(idem);
    spool_close(spool);
    return 0;
}
