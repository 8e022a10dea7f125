/* SPDX-License-Identifier: MIT */
/* What the daemon keeps in its state_dir. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/state_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SMALL_MAP (UINT64_C(256) << 20)

static int
open_spool(struct host *h, const char *dir)
{
    const struct il_conf *g = option_group(h->root, "spool", 0);
    struct spool_recovery found;
    struct spool_options o = {
        .dir = dir,
        .segment_bytes = (uint64_t) option_int(g, "segment", 0),
        .buffer_bytes = 8 << 20,
        .retain_us = option_int(g, "retain", 0) * 1000,
        .retain_bytes = (uint64_t) option_int(g, "retain_size", 0),
        .max_bytes = (uint64_t) option_int(g, "max_size", 0),
        .min_free = h->small ? 0 : (uint64_t) option_int(g, "min_free", 0)
    };
    int err = spool_open(&o, &h->spool, &found);
    if (err)
        return err;
    /* Reading the keys in may take its time, and the lanes come after that:
     * what they need must not go meanwhile. */
    h->keeps = spool_hold_new(h->spool, "start", 0);
    return h->keeps ? gate_marks_open(dir, h->spool, &h->marks) : -ENOMEM;
}

static void
idem_gauges(void *arg)
{
    struct host *h = arg;
    struct idem_stats st;
    idem_stats(h->idem, &st);
    metric_set(h->idem_keys, st.keys);
    metric_set(h->idem_slices, st.slices);
    metric_set(h->idem_disk, st.bytes);
    metric_set(h->idem_heap, st.heap);
    metric_set(h->idem_mapped, st.mapped);
}

static int
idem_metrics(struct host *h)
{
    h->idem_keys =
        metric_gauge("idempotency_keys", "", IL_UNIT_NONE, "Keys remembered.");
    h->idem_slices =
        metric_gauge("idempotency_slices", "", IL_UNIT_NONE,
                     "Files and tables that keys are looked up in.");
    h->idem_disk = metric_gauge("idempotency_disk_bytes", "", IL_UNIT_BYTES,
                                "Bytes of the disk that the keys take.");
    h->idem_heap = metric_gauge("idempotency_memory_bytes", "", IL_UNIT_BYTES,
                                "Bytes of memory that the keys take.");
    h->idem_mapped =
        metric_gauge("idempotency_mapped_bytes", "", IL_UNIT_BYTES,
                     "Bytes of the disk that look-ups of new keys read, in "
                     "memory as far as the system has room.");
    return h->idem_keys && h->idem_slices && h->idem_disk && h->idem_heap
                   && h->idem_mapped
               ? metric_refresh(idem_gauges, h)
               : -ENOMEM;
}

static int
open_idem(struct host *h, const char *dir)
{
    const struct il_conf *g = option_group(h->root, "idempotency", 0);
    int64_t window = option_int(g, "window", 0) * 1000;
    int64_t longest = schema_longest_window(h->assembly->plan->schema);
    h->longest_window_us = longest > window ? longest : window;
    struct idem_options o = { .dir = dir,
                              .window_us = h->longest_window_us,
                              .max_keys =
                                  (uint64_t) option_int(g, "max_keys", 0) };
    int err = idem_open(&o, h->spool, &h->idem);
    return err ? err : idem_metrics(h);
}

static int
open_dead(struct host *h, const char *dir)
{
    struct spool_stats st;
    int err = dead_open(dir, 0, &h->dead);
    if (err)
        return err;
    spool_stats(h->spool, &st);
    err = dead_claims_end(h->dead, st.last);
    if (!err)
        err = dead_counted_trim(h->dead, st.first, st.last);
    if (err)
        log_error("dead letters: cannot write to %s: %s", dir, strerror(-err));
    return err ? err : retry_new(h->spool, h->dead, &h->retry);
}

/* Made where a lane needs it; where one of an earlier config left something
 * behind it is told of. */
int
host_open_parked(struct host *h)
{
    if (h->parked)
        return 0;
    const struct assembly *a = h->assembly;
    enum parked_use use = PARKED_CHANGE;
    for (size_t i = 0; i < a->lane_count; i++)
        if (a->lanes[i]->destination.plugin
            && (a->lanes[i]->destination.plugin->desc.flags & IL_PER_EVENT))
            use = PARKED_MAKE;
    int err = parked_open(h->state_dir, use, NULL, &h->parked);
    return err == -ENOENT ? 0 : err;
}

int
host_open_stores(struct host *h)
{
    char dir[4096];
    uint64_t map = (uint64_t) option_int(option_group(h->root, "entities", 0),
                                         "map_size", 0);
    if (h->small && map > SMALL_MAP)
        map = SMALL_MAP;
    int err = state_dir_path(dir, sizeof(dir), h->state_dir, "spool");
    if (!err)
        err = open_spool(h, dir);
    if (!err)
        err = host_start_gauges(h);
    if (!err)
        err = state_dir_path(dir, sizeof(dir), h->state_dir, "idem");
    if (!err)
        err = open_idem(h, dir);
    if (!err)
        err = state_dir_path(dir, sizeof(dir), h->state_dir, "dead");
    if (!err)
        err = open_dead(h, dir);
    if (!err)
        err = host_open_parked(h);
    if (!err)
        err = state_dir_path(dir, sizeof(dir), h->state_dir, "entities");
    if (!err)
        err = entity_open(dir, map, &h->entities);
    return err ? err : state_dir_sync(h->state_dir);
}

void
host_close_stores(struct host *h)
{
    if (h->idem)
        idem_checkpoint(h->idem, clock_wall_us());
    metric_refresh_remove(idem_gauges, h);
    host_stop_gauges(h);
    idem_close(h->idem);
    if (h->marks)
        gate_marks_checkpoint(h->marks, 1);
    gate_marks_close(h->marks);
    host_free_left(h);
    spool_close(h->spool);
    gate_free(h->gate); /* the spool's last syncs told it things */
    retry_free(h->retry);
    dead_close(h->dead);
    parked_close(h->parked);
    entity_close(h->entities);
    h->idem = NULL;
    h->marks = NULL;
    h->keeps = NULL; /* the spool freed it, if nobody did */
    h->spool = NULL;
    h->gate = NULL;
    h->retry = NULL;
    h->dead = NULL;
    h->parked = NULL;
    h->entities = NULL;
}
