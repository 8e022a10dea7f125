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
 *   FOLDER/epoch    two slots, written in turn: a torn one leaves the other.
 *                   They take their room at start(): what a full disk holds can
 *                   only be delivered by who can claim
 *
 * Versions before this one counted 1, 2, 3 and kept nothing: where there is no
 * slot, rows with so low an epoch are ours. */
#include "lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTED_MOST UINT32_MAX /* epochs of before there was a file */
#define SLOT 4096               /* a page each */

/* Native byte order: the folder does not leave the machine's kind. */
struct slot {
    char magic[8];
    uint64_t sequence, kept, count, meant[LANES_EPOCHS_MAX], sum;
};

/* FNV-1a of all before it. */
static uint64_t
slot_sum(const struct slot *s)
{
    const unsigned char *p = (const unsigned char *) s;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < offsetof(struct slot, sum); i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* All of it: a call may take less, and the next one goes on. */
static int
put_at(int fd, const void *bytes, size_t len, off_t at)
{
    const char *from = bytes;
    while (len) {
        ssize_t n = pwrite(fd, from, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -ENOSPC;
        from += n;
        at += n;
        len -= (size_t) n;
    }
    return 0;
}

/* The same; -ENODATA: the file ends before. */
static int
get_at(int fd, void *bytes, size_t len, off_t at)
{
    char *to = bytes;
    while (len) {
        ssize_t n = pread(fd, to, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -ENODATA;
        to += n;
        at += n;
        len -= (size_t) n;
    }
    return 0;
}

static void
epoch_read(struct lanes_epochs *e)
{
    e->kept = COUNTED_MOST;
    for (int i = 0; i < 2; i++) {
        struct slot s;
        if (get_at(e->fd, &s, sizeof s, i * SLOT)
            || memcmp(s.magic, "ILEPOCH", 8) != 0 || s.sum != slot_sum(&s)
            || s.count > LANES_EPOCHS_MAX || s.sequence < e->sequence)
            continue;
        e->sequence = s.sequence;
        e->kept = s.kept;
        e->count = (uint32_t) s.count;
        memcpy(e->meant, s.meant, sizeof s.meant);
    }
}

static int
make_room(int fd, const char *folder)
{
    static const char zeros[2 * SLOT];
    int err = put_at(fd, zeros, sizeof zeros, 0);
    if (!err && fdatasync(fd))
        err = -errno;
    if (err)
        return err;
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = dir < 0 || fsync(dir) ? -errno : 0;
    if (dir >= 0)
        close(dir);
    return err;
}

int
lanes_epoch_open(struct lanes *lanes)
{
    struct lanes_epochs *e = &lanes->epochs;
    const char *folder;
    char path[4096];
    struct stat st;
    if (e->fd >= 0)
        return 0;
    int err = il_state_dir(lanes->host, &folder);
    if (err)
        return err;
    if ((size_t) snprintf(path, sizeof path, "%s/epoch", folder) >= sizeof path)
        return -ENAMETOOLONG;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &st))
        err = -errno;
    else if (st.st_size < 2 * SLOT)
        err = make_room(fd, folder);
    if (err) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    e->fd = fd;
    epoch_read(e);
    return 0;
}

void
lanes_epoch_close(struct lanes *lanes)
{
    if (lanes->epochs.fd >= 0)
        close(lanes->epochs.fd);
    lanes->epochs.fd = -1;
}

static int
epoch_write(struct lanes_epochs *e)
{
    struct slot s = { .magic = "ILEPOCH",
                      .sequence = e->sequence + 1,
                      .kept = e->kept,
                      .count = e->count };
    memcpy(s.meant, e->meant, sizeof s.meant);
    s.sum = slot_sum(&s);
    int err = put_at(e->fd, &s, sizeof s, s.sequence % 2 ? SLOT : 0);
    if (err)
        return err;
    e->sequence++;
    return fdatasync(e->fd) ? -errno : 0;
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
mean(struct lanes_epochs *e, uint64_t newest)
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
    return epoch_write(e);
}

int
lanes_epoch_next(struct lanes *lanes, struct link *l, uint64_t newest,
                 uint64_t others, int take, uint64_t *epoch)
{
    struct lanes_epochs next;
    int err = lanes_epoch_open(lanes);
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
        err = mean(&next, newest > others ? newest : others);
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
