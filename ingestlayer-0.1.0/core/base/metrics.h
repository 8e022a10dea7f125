/* SPDX-License-Identifier: MIT */
/* Counters and gauges, and their Prometheus text form (exposition format
 * 0.0.4).  Registration is for start-up; counting is lock-free, any thread. */
#ifndef METRICS_H
#define METRICS_H

#include "text.h"

struct il_counter; /* an atomic 64-bit value */

/* Find or make a series.  name without the "ingestlayer_" prefix; labels as
 * they stand between the braces, already escaped ("source=\"app\""), or "".
 * Same name and labels: same counter.  NULL: no memory.  What is called
 * *_seconds or *_seconds_total holds microseconds and is printed in seconds,
 * Prometheus's unit of time. */
struct il_counter *metric_counter(const char *name, const char *labels,
                                  const char *help);
struct il_counter *metric_gauge(const char *name, const char *labels,
                                const char *help);
void metric_add(struct il_counter *, uint64_t n); /* NULL is accepted */
void metric_set(struct il_counter *, uint64_t value);
uint64_t metric_get(const struct il_counter *);
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
