/* SPDX-License-Identifier: MIT */
/* What there was of each key in a window, told once the window is over.
 *
 * The windows that are open stand in a queue, in the order in which they were
 * begun, which is that in which they end: 'h' says where it begins and ends, 'q' and
 * a number is one of them, 'k' and a key says which one the key has.  So whoever
 * sees time go on finds those that are over at its head, and nothing is ever
 * searched for. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <ingestlayer/plugin.h>

#define SUMMARY_TYPE "throttle.summary"
#define SUMMARY_KEY 400u /* bytes of a key that are shown */

struct summary {
    const struct il_host *host;
    struct il_memory *memory;
    int64_t window_us, max;
    struct il_text *key, *items, *time;
    struct il_counter *made;
    uint64_t ended; /* windows, in the batch at hand */
};

/* 0 or -ENOMEM; close it in any case. */
int summary_open(struct summary *, const struct il_host *);
void summary_close(struct summary *);

/* Tell of the windows that are over at event i, which may be a tick.  0 or a
 * negative errno. */
int summary_end(struct summary *, struct il_batch *, uint32_t i);

/* An event of a key in the window at hand: *nth gets which it is in it, from 1 on,
 * or 0 where that is not known any more.  0 or a negative errno. */
int summary_count(struct summary *, struct il_batch *, uint32_t i,
                  const char *key, size_t len, int64_t *nth);

/* As show() of a step. */
int summary_show(struct summary *, const char *key, size_t len,
                 const struct il_remembered *, struct il_text *out);

#endif
