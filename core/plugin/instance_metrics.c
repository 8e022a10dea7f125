/* SPDX-License-Identifier: MIT */
/* Counters and gauges of instances: names that a scrape can read. */
#include "instance.h"

#include "private.h"
#include "base/log.h"
#include "base/metrics.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 64

static const char *const endings[] = { "", "_seconds", "_bytes" };
enum { UNITS = sizeof(endings) / sizeof(endings[0]) };

int
plugin_metric_labels(const struct il_host *h, struct il_text *out)
{
    int err = metric_label(out, "plugin_instance", h->instance);
    if (!err && h->lane)
        err = text_putc(out, ',');
    return err || !h->lane ? err : metric_label(out, "lane", h->lane);
}

/* Name and labels as they are exported.  0 or -ENOMEM. */
static int
metric_names(const struct il_host *h, const char *name, int unit, int gauge,
             struct il_text *full, struct il_text *labels)
{
    full->len = labels->len = 0;
    int err = text_printf(full, "plugin_%s%s%s", name, endings[unit],
                          gauge ? "" : "_total");
    return err ? err : plugin_metric_labels(h, labels);
}

static int
ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name), n = strlen(ending);
    return len >= n && strcmp(name + len - n, ending) == 0;
}

static const char *
name_fault(const char *name)
{
    size_t len = strlen(name);
    if (*name < 'a' || *name > 'z'
        || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return "a name is [a-z][a-z0-9_]*";
    if (len > NAME_MAX_BYTES)
        return "a name has at most 64 bytes";
    if (ends_with(name, "_total") || ends_with(name, "_seconds")
        || ends_with(name, "_bytes"))
        return "the host adds _total and what belongs to the unit";
    return NULL;
}

/* Has this instance such a name already, as something else?  0, 1 or
 * -ENOMEM. */
static int
is_other(const struct il_host *h, const char *name, int unit, int gauge)
{
    struct il_text full = { 0 }, labels = { 0 };
    int known = 0;
    for (int i = 0; i < 2 * UNITS && !known; i++) {
        if (i / 2 == unit && i % 2 == gauge)
            continue;
        known = metric_names(h, name, i / 2, i % 2, &full, &labels);
        if (!known)
            known = metric_find(text_str(&full), text_str(&labels), NULL);
    }
    text_clear(&full);
    text_clear(&labels);
    return known;
}

static const char *
metric_fault(const struct il_host *h, const char *name, int unit, int gauge,
             const char *help)
{
    if (unit < 0 || unit >= UNITS)
        return "a unit that this host does not know";
    if (!help || !*help || strpbrk(help, "\r\n"))
        return "help is one line";
    const char *fault = name_fault(name);
    if (!fault && is_other(h, name, unit, gauge) == 1)
        fault = "the instance has another of this name, of another unit or "
                "kind";
    return fault;
}

static void
metric_say(const struct il_host *h, const char *name, int gauge,
           const char *fault)
{
    const char *what = gauge ? "gauge" : "counter";
    if (atomic_load(&h->phase) == INSTANCE_OPENING)
        option_error(h->options, NULL, 0,
                     "%s \"%s\": %s (a fault of the plugin)", what, name,
                     fault);
    else
        instance_fault(h, "%s \"%s\": %s", what, name, fault);
}

/* 0; or -EINVAL after the fault was reported, or -ENOMEM. */
static int
metric_prepare(const struct il_host *h, const char *name, int unit, int gauge,
               const char *help, struct il_text *full, struct il_text *labels)
{
    const char *fault = metric_fault(h, name, unit, gauge, help);
    if (!fault)
        return metric_names(h, name, unit, gauge, full, labels);
    metric_say(h, name, gauge, fault);
    return -EINVAL;
}

static struct il_counter *
api_counter_new(const struct il_host *h, const char *name, int unit,
                const char *help)
{
    struct il_text full = { 0 }, labels = { 0 };
    struct il_counter *c = NULL;
    if (!metric_prepare(h, name, unit, 0, help, &full, &labels))
        c = metric_counter(text_str(&full), text_str(&labels), unit, help);
    text_clear(&full);
    text_clear(&labels);
    return c;
}

static struct il_gauge *
api_gauge_new(const struct il_host *h, const char *name, int unit,
              const char *help)
{
    struct il_text full = { 0 }, labels = { 0 };
    struct il_gauge *g = NULL;
    if (!metric_prepare(h, name, unit, 1, help, &full, &labels))
        g = metric_gauge(text_str(&full), text_str(&labels), unit, help);
    text_clear(&full);
    text_clear(&labels);
    return g;
}

int
instance_metric(const struct il_host *h, const char *name, int gauge,
                int64_t *value)
{
    struct il_text full = { 0 }, labels = { 0 };
    int found = 0;
    for (int unit = 0; unit < UNITS && !found; unit++)
        found = !metric_names(h, name, unit, gauge, &full, &labels)
                && metric_find(text_str(&full), text_str(&labels), value);
    text_clear(&full);
    text_clear(&labels);
    return found;
}

void
plugin_fill_metrics_api(struct il_api *api)
{
    api->counter_new = api_counter_new;
    api->counter_add = metric_add;
    api->gauge_new = api_gauge_new;
    api->gauge_set = metric_set;
}
