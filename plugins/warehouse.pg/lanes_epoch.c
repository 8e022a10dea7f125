/* SPDX-License-Identifier: MIT */
/* Whose the rows are.
 *
 * A state_dir that was copied looks like the one it is a copy of, and so does
 * an old backup of it.  So the folder of this instance remembers which epochs
 * it has given: the last one that was read back from the rows, and those that
 * it meant to give after that.  They are written before the claim is sent,
 * because nobody may be left to hear its answer.  Half of an epoch is random,
 * so that two copies never mean the same one.  A higher one that is not among
 * them is somebody else's: what the rows say is not how far this spool is.
 *
 *   FOLDER/epoch    numbers, one a line: the one read, then those meant
 *
 * Versions before this one counted 1, 2, 3 and kept nothing: where there is no
 * file, rows with so low an epoch are ours. */
#include "lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define COUNTED_MOST UINT32_MAX /* epochs of before there was a file */

static int
epoch_path(const struct lanes *lanes, char *out, size_t size, const char *name)
{
    const char *folder;
    int err = il_state_dir(lanes->host, &folder);
    if (err)
        return err;
    return (size_t) snprintf(out, size, "%s/%s", folder, name) < size
               ? 0
               : -ENAMETOOLONG;
}

/* 0 where there is none, too. */
static int
epoch_read(struct lanes *lanes)
{
    struct lanes_epochs *e = &lanes->epochs;
    char path[4096];
    int err = epoch_path(lanes, path, sizeof path, "epoch");
    if (err || e->read)
        return err;
    FILE *f = fopen(path, "re");
    if (!f && errno != ENOENT)
        return -errno;
    e->kept = COUNTED_MOST;
    if (f && fscanf(f, "%" SCNu64, &e->kept) != 1)
        il_log(lanes->host, IL_LOG_WARN, "%s is damaged: taken as missing",
               path);
    while (f && e->count < LANES_EPOCHS_MAX
           && fscanf(f, "%" SCNu64, &e->meant[e->count]) == 1)
        e->count++;
    if (f)
        fclose(f);
    e->read = 1;
    return 0;
}

static int
write_synced(const char *path, const char *text, size_t len)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, len);
    int err = n < 0                ? -errno
              : (size_t) n != len  ? -ENOSPC
              : fdatasync(fd) != 0 ? -errno
                                   : 0;
    close(fd);
    return err;
}

static int
sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

/* The old file or the new one, whatever happens. */
static int
epoch_write(const struct lanes *lanes, const struct lanes_epochs *e)
{
    char path[4096], made[4096], folder[4096];
    char text[(LANES_EPOCHS_MAX + 1) * 24];
    int err = epoch_path(lanes, path, sizeof path, "epoch");
    if (!err)
        err = epoch_path(lanes, made, sizeof made, "epoch.tmp");
    if (!err)
        err = epoch_path(lanes, folder, sizeof folder, "");
    if (err)
        return err;
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", e->kept);
    for (uint32_t i = 0; i < e->count; i++)
        len += snprintf(text + len, sizeof text - (size_t) len, "%" PRIu64 "\n",
                        e->meant[i]);
    err = write_synced(made, text, (size_t) len);
    if (!err && rename(made, path))
        err = -errno;
    return err ? err : sync_folder(folder);
}

static int
is_ours(const struct lanes_epochs *e, uint64_t epoch)
{
    int ours = epoch <= e->kept;
    for (uint32_t i = 0; i < e->count; i++)
        ours |= e->meant[i] == epoch;
    return ours;
}

/* A claim of ours that may still be on its way in Postgres stays among those
 * that were meant, until a later one is read.  As many as that are only there
 * if each met a connection that broke at this very moment: then the last one is
 * meant again. */
static int
mean(const struct lanes *lanes, struct lanes_epochs *e, uint64_t newest)
{
    uint32_t low, count = 0;
    if (getrandom(&low, sizeof low, 0) != sizeof low)
        return -EIO;
    if (newest > e->kept || e->kept == COUNTED_MOST)
        e->kept = newest;
    for (uint32_t i = 0; i < e->count; i++)
        if (e->meant[i] > e->kept)
            e->meant[count++] = e->meant[i];
    e->count = count;
    if (count == LANES_EPOCHS_MAX)
        return 0;
    e->meant[e->count++] = ((e->kept >> 32) + 1) << 32 | low;
    return epoch_write(lanes, e);
}

int
lanes_epoch_next(struct lanes *lanes, struct link *l, uint64_t newest,
                 uint64_t others, int take, uint64_t *epoch)
{
    struct lanes_epochs next;
    int err = epoch_read(lanes);
    if (!err && !take && !is_ours(&lanes->epochs, newest)) {
        fault_set(&l->fault, PG_ACT_FENCED,
                  "another process owns lane %s: in %s it is at %" PRIu64
                  ", with epoch %" PRIu64 ", which is not of this state_dir; a "
                  "copy of that has run, or it is an older backup",
                  lanes->name, lanes->opt->lanes, lanes_read_floor(lanes),
                  newest);
        return -1;
    }
    next = lanes->epochs;
    if (!err)
        err = mean(lanes, &next, newest > others ? newest : others);
    if (err) {
        fault_set(&l->fault, PG_ACT_RETRY,
                  "cannot keep the epoch of this lane in state_dir: %s",
                  strerror(-err));
        return -1;
    }
    lanes->epochs = next;
    *epoch = next.meant[next.count - 1];
    return 0;
}
