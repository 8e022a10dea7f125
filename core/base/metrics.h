/* SPDX-License-Identifier: MIT */
/* Counters, gauges and histograms of times, and their Prometheus text form (exposition format
 * 0.0.4).  Registration is for start-up; counting is lock-free, any thread. */
#ifndef METRICS_H
#define METRICS_H

#include "text.h"

struct il_counter; /* an atomic 64-bit value that only grows */
struct il_gauge;   /* one that goes up and down, below zero as well */
struct il_histogram; /* how many times were how long */

/* Find or make a series.  name without the "ingestlayer_" prefix, with the
 * ending of its unit; labels as they stand between the braces, already escaped
 * ("source=\"app\""), or "".  unit is IL_UNIT_...: what is called *_seconds or
 * *_seconds_total holds IL_UNIT_MICROSECONDS and is printed in seconds,
 * Prometheus's unit of time.  Same name and labels: same series.  NULL: no
 * memory, or they are those of another kind or unit. */
struct il_counter *metric_counter(const char *name, const char *labels,
                                  int unit, const char *help);
struct il_gauge *metric_gauge(const char *name, const char *labels, int unit,
                              const char *help);
/* name is called *_seconds; its buckets end between 1 ms and an hour. */
struct il_histogram *metric_histogram(const char *name, const char *labels,
                                      const char *help);
/* Is there such a series, of any kind?  1, with what it holds in *value (or
 * NULL; of a histogram the sum), or 0. */
int metric_find(const char *name, const char *labels, int64_t *value);
/* All of these accept NULL. */
void metric_add(struct il_counter *, uint64_t n);
uint64_t metric_get(const struct il_counter *);
void metric_set(struct il_gauge *, int64_t value);
int64_t metric_value(const struct il_gauge *);
/* n times of the bucket that us is in, sum_us together. */
void metric_observe(struct il_histogram *, int64_t us, uint64_t n,
                    uint64_t sum_us);
/* That bucket, for a caller with many times: those over *above and not over
 * what is returned are in it. */
int64_t metric_bucket(int64_t us, int64_t *above);
/* Append key="value" with the value escaped; the comma between two is the
 * caller's. */
int metric_label(struct il_text *, const char *key, const char *value);
/* Called before each export to refresh gauges.  Removing is for shutdown,
 * once nothing exports any more. */
int metric_refresh(void (*fn)(void *arg), void *arg);
void metric_refresh_remove(void (*fn)(void *arg), void *arg);
/* Append all, in name order.  0 or -ENOMEM. */
int metric_export(struct il_text *);

#endif
