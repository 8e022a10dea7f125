/* SPDX-License-Identifier: MIT */
/* The life of a lane's cells: opened from what is on the disk, and closed; and how
 * much memory they may take beside those of other lanes. */
#include "private.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ONE_OF 4u /* parts that a lane may have, where others have little */

/* --- the memory of all lanes ----------------------------------------------- */

static struct {
    _Atomic uint64_t bytes, most;
    _Atomic uint32_t lanes;
} cells_together = { .most = CELLS_MEMORY };

void
cells_memory(uint64_t bytes)
{
    atomic_store(&cells_together.most, bytes);
}

/* Those that have much give way to those that come, down to an equal share.  Where
 * many come at once none has seen the others: so at first each has its share, and
 * with each checkpoint it may have twice as much as it had. */
void
cells_share(struct cells *c)
{
    const uint64_t most = atomic_load(&cells_together.most);
    const uint64_t one = c->bytes_max ? c->bytes_max : most / ONE_OF;
    const uint64_t bytes = c->bytes + c->listing_bytes;
    const uint64_t before =
        atomic_fetch_add(&cells_together.bytes, bytes - c->counted);
    const uint64_t others = before - c->counted;
    const uint64_t share = most / atomic_load(&cells_together.lanes);
    const uint64_t grown = c->room_most > share ? c->room_most : share;
    uint64_t room = share;
    c->counted = bytes;
    if (others < most && most - others > room)
        room = most - others < grown ? most - others : grown;
    c->room = room < one ? room : one;
}

/* --- life ----------------------------------------------------------------- */

/* What is in memory goes. */
static void
forget_all(struct cells *c)
{
    for (size_t i = 0; i < c->chunk_count; i++)
        free(c->chunks[i]);
    free(c->chunks);
    cells_values_clear(&c->values);
    free(c->left);
    c->left = NULL;
    c->left_count = c->left_room = 0;
    c->left_bytes = 0;
    c->chunks = NULL;
    c->chunk_count = c->spare_count = c->changed_count = c->writing_count = 0;
    c->cell_count = c->hand = 0;
    c->bytes = c->changed_bytes = c->writing_bytes = c->listing_bytes = 0;
    c->stretch += 2;
    c->last.where = LAST_UNKNOWN;
    table_clear(&c->table);
}

int
cells_rest(struct cells *c)
{
    if (c->asked || c->changed_count)
        return 0;
    forget_all(c);
    free(c->spare);
    free(c->changed);
    c->spare = c->changed = NULL;
    c->spare_room = c->changed_room = 0;
    c->undo = NULL;
    cells_share(c);
    return 1;
}

/* Is the i-th memory covered?  One that is not, behind one that is, cannot be made
 * of events that are before the checkpoint: what the step before it remembers is
 * ahead of them, and would decide them another way than it did.  So it begins
 * empty there. */
static void
cover(struct cells *c, size_t i, const struct cells_meta *meta)
{
    struct il_memory *m = c->memories[i];
    m->covered = 0;
    for (uint32_t k = 0; k < meta->count; k++)
        m->covered |= meta->lineages[k] == m->lineage;
    for (size_t k = 0; k < i && !m->covered; k++) {
        if (!c->memories[k]->covered)
            continue;
        log_warn("lane %s: what step %s remembers begins with event %" PRIu64
                 ": step %s before it knows what came of the others",
                 c->lane, m->step, c->set.complete + 1, c->memories[k]->step);
        m->covered = 1;
    }
}

/* Which memories the files cover, and the time of the stream. */
static void
read_meta(struct cells *c)
{
    const struct runs_key key = { CELLS_META_HI, CELLS_META_LO };
    struct cells_meta meta = { .count = 0 };
    struct runs_hit hit;
    for (uint32_t i = c->run_count; i-- > 0;)
        if (runs_find(c->runs[i], key, &hit) == 1) {
            if (hit.value.len == sizeof meta)
                memcpy(&meta, hit.value.ptr, sizeof meta);
            break;
        }
    if (meta.version != CELLS_META_VERSION || meta.count > CELLS_MEMORIES_MAX)
        meta = (struct cells_meta){ .count = 0 };
    c->stream = (struct batch_stream){ .us = meta.stream_us,
                                       .behind = meta.behind,
                                       .jumped = meta.jumped };
    for (size_t i = 0; i < c->count; i++)
        cover(c, i, &meta);
}

/* What the set has is what the lane looks into. */
static void
take_set(struct cells *c)
{
    memcpy(c->runs, c->set.list, c->set.count * sizeof c->runs[0]);
    c->run_count = c->set.count;
    memcpy(c->shown, c->runs, sizeof c->runs);
    c->shown_count = c->run_count;
    c->position = c->shown_position = c->set.complete;
    read_meta(c);
    c->shown_stream = c->stream;
}

int
cells_open(const struct cells_options *o, uint64_t end, struct cells **out)
{
    struct cells *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return -ENOMEM;
    c->lane = o->lane;
    c->bytes_max = o->bytes_max;
    atomic_fetch_add(&cells_together.lanes, 1);
    cells_share(c);
    c->sync = o->sync;
    c->sync_arg = o->sync_arg;
    c->seed = table_seed();
    c->stretch = 1;
    c->set.dirfd = -1;
    c->set.what = "memory of steps";
    c->set.exact = 1;
    memcpy(c->set.spool, o->spool, sizeof c->set.spool);
    pthread_mutex_init(&c->lock, NULL);
    cond_init(&c->wake);
    cond_init(&c->done);
    c->memories = calloc(o->count + 1, sizeof *c->memories);
    c->dir = strdup(o->dir);
    int err = c->memories && c->dir ? 0 : -ENOMEM;
    if (!err) {
        c->count = o->count;
        memcpy(c->memories, o->memories, o->count * sizeof *c->memories);
        c->set.dir = c->dir;
        c->set.dirfd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        err = c->set.dirfd < 0 ? -errno : runs_open(&c->set, end);
    }
    if (!err) {
        /* What cannot be read of a file is lost, and not looked for again. */
        for (uint32_t i = 0; i < c->set.count; i++)
            atomic_store(&c->set.list[i]->leave_out, 1);
        take_set(c);
        c->begun_us = clock_monotonic_us();
        err = cells_worker_start(c);
    }
    if (err) {
        log_error("lane %s: cannot open what its steps remember, %s: %s",
                  o->lane, o->dir, strerror(-err));
        cells_close(c);
        return err;
    }
    for (size_t i = 0; i < c->count; i++)
        c->memories[i]->cells = c;
    *out = c;
    return 0;
}

void
cells_close(struct cells *c)
{
    if (!c)
        return;
    cells_worker_stop(c);
    for (size_t i = 0; c->memories && i < c->count; i++)
        c->memories[i]->cells = NULL;
    runs_close(&c->set);
    if (c->set.dirfd >= 0)
        close(c->set.dirfd);
    forget_all(c);
    cells_share(c);
    atomic_fetch_sub(&cells_together.lanes, 1);
    free(c->changed);
    free(c->writing);
    free(c->spare);
    free(c->memories);
    free(c->dir);
    pthread_cond_destroy(&c->done);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

uint64_t
cells_position(const struct cells *c)
{
    return c->position;
}

struct batch_stream
cells_stream(const struct cells *c)
{
    return c->stream;
}

int
cells_uncovered(const struct cells *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (!c->memories[i]->covered)
            return 1;
    return 0;
}

void
cells_cover(struct cells *c)
{
    for (size_t i = 0; i < c->count; i++)
        c->memories[i]->covered = 1;
}

int
cells_reload(struct cells *c, int empty)
{
    cells_worker_stop(c);
    forget_all(c);
    c->undo = NULL;
    /* As the disk is: whether the last naming was done is not known. */
    runs_close(&c->set);
    c->run_count = 0;
    int err = runs_open(&c->set, UINT64_MAX);
    if (err)
        return err;
    for (uint32_t i = 0; i < c->set.count; i++)
        atomic_store(&c->set.list[i]->leave_out, 1);
    if (empty && (c->set.count || c->set.complete)) {
        struct run *out[RUNS_MAX];
        uint32_t count = c->set.count;
        memcpy(out, c->set.list, count * sizeof out[0]);
        err = runs_name(&c->set, out, count, NULL, 0);
        for (uint32_t i = 0; i < count && !err; i++)
            runs_free(out[i]);
    }
    take_set(c);
    int started = cells_worker_start(c);
    return err ? err : started;
}

void
cells_stats(struct cells *c, struct cells_stats *out)
{
    memset(out, 0, sizeof *out);
    out->bytes = c->bytes + c->listing_bytes;
    out->changed = c->changed_bytes + c->writing_bytes;
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->shown_count; i++) {
        uint64_t lines;
        out->keys += c->shown[i]->header.keys;
        out->disk_bytes += runs_bytes(c->shown[i], &lines);
    }
    out->position = c->shown_position;
    out->written_us = c->written_us;
    pthread_mutex_unlock(&c->lock);
}
