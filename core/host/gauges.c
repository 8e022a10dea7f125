/* SPDX-License-Identifier: MIT */
/* What /metrics tells of the spool and of the program itself. */
#include <config.h>

#include "private.h"

#include "base/metrics.h"

#include <errno.h>

static const struct {
    const char *name;
    int unit;
    const char *help;
} gauges[HOST_GAUGES] = {
    { "spool_bytes", IL_UNIT_BYTES,
      "What the spool takes of the disk, in bytes." },
    { "spool_segments", IL_UNIT_NONE, "Files that the events are in." },
    { "spool_position", IL_UNIT_NONE,
      "The position of the last event that is durable." },
    { "spool_disk_free_bytes", IL_UNIT_BYTES,
      "What the disk of the spool has left." },
    { "spool_min_free_bytes", IL_UNIT_BYTES,
      "With less left, events are refused." },
    { "spool_damaged_ranges", IL_UNIT_NONE,
      "Places in the spool found damaged so far." },
};

static void
refresh(void *arg)
{
    struct host *h = arg;
    struct spool_stats st;
    spool_stats(h->spool, &st);
    const int64_t min_free = atomic_load(&h->min_free);
    const int64_t values[HOST_GAUGES] = { (int64_t) st.bytes,
                                          (int64_t) st.segments,
                                          (int64_t) st.durable,
                                          (int64_t) st.free_bytes,
                                          min_free,
                                          (int64_t) st.damaged };
    for (int i = 0; i < HOST_GAUGES; i++)
        metric_set(h->gauges[i], values[i]);
}

int
host_start_gauges(struct host *h)
{
    struct il_gauge *build =
        metric_gauge("build_info", "version=\"" PACKAGE_VERSION "\"",
                     IL_UNIT_NONE, "1, with the version as a label.");
    if (!build)
        return -ENOMEM;
    metric_set(build, 1);
    if (host_reload_metrics())
        return -ENOMEM;
    for (int i = 0; i < HOST_GAUGES; i++) {
        h->gauges[i] =
            metric_gauge(gauges[i].name, "", gauges[i].unit, gauges[i].help);
        if (!h->gauges[i])
            return -ENOMEM;
    }
    return metric_refresh(refresh, h);
}

void
host_stop_gauges(struct host *h)
{
    metric_refresh_remove(refresh, h);
}
