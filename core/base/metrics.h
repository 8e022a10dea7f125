/* SPDX-License-Identifier: MIT */
/* Counters and gauges, and their Prometheus text form (exposition format
 * 0.0.4).  Registration is for start-up; counting is lock-free, any thread. */
#ifndef METRICS_H
#define METRICS_H

#include "text.h"

struct il_counter; /* an atomic 64-bit value that only grows */
struct il_gauge;   /* one that goes up and down, below zero as well */

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
/* Is there such a series, of any kind?  1, with what it holds in *value (or
 * NULL), or 0. */
int metric_find(const char *name, const char *labels, int64_t *value);
/* All of these accept NULL. */
void metric_add(struct il_counter *, uint64_t n);
uint64_t metric_get(const struct il_counter *);
void metric_set(struct il_gauge *, int64_t value);
int64_t metric_value(const struct il_gauge *);
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
