/* SPDX-License-Identifier: MIT */
#include "cursor.h"

#include "base/file.h"
#include "base/log.h"
#include "base/state_dir.h"

#define XXH_INLINE_ALL
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define CURSOR_MAGIC "ILCURS5" /* with its NUL: 8 bytes */
#define CURSOR_4 "ILCURS4"     /* ends with the checksum in place of paused */
#define CURSOR_3 "ILCURS3"     /* in place of begun */
#define CURSOR_SLOT 4096

struct slot {
    char magic[8];
    uint8_t spool[16];
    uint64_t sequence, position, fresh, letters, confirmed, begun, noted;
    uint64_t paused;
    char why[CURSOR_WHY];
    uint64_t sum;
};

_Static_assert(sizeof(struct slot) == 296, "no padding");

static uint64_t
slot_sum(const struct slot *s)
{
    return htole64(XXH3_64bits(s, offsetof(struct slot, sum)));
}

/* Its first len bytes with the checksum behind them; what follows is to be
 * nothing. */
static int
slot_read_old(struct slot *s, size_t len)
{
    uint64_t sum;
    memcpy(&sum, (const char *) s + len, sizeof sum);
    if (sum != htole64(XXH3_64bits(s, len)))
        return 0;
    memset((char *) s + len, 0, sizeof *s - len);
    return 1;
}

/* Is it whole?  What the version before the last has written had begun. */
static int
slot_read(struct slot *s)
{
    if (memcmp(s->magic, CURSOR_MAGIC, 8) == 0)
        return s->sum == slot_sum(s);
    if (memcmp(s->magic, CURSOR_4, 8) == 0)
        return slot_read_old(s, offsetof(struct slot, paused));
    if (memcmp(s->magic, CURSOR_3, 8) != 0
        || !slot_read_old(s, offsetof(struct slot, begun)))
        return 0;
    s->begun = htole64(1);
    return 1;
}

/* Make the folders above path, which lies in state_dir; each is there after a
 * power cut. */
static int
cursor_folders(const char *state_dir, char *path)
{
    char *slash = strrchr(path, '/');
    *slash = 0;
    int err = state_dir_make_below(state_dir, path);
    *slash = '/';
    return err;
}

/* A name is a path below STATE_DIR/lanes and must stay there. */
static int
cursor_name_ok(const char *lane)
{
    const char *slash = strchr(lane, '/');
    return slash && slash != lane && slash[1] && !strchr(slash + 1, '/')
           && lane[0] != '.' && slash[1] != '.' && strlen(lane) < 512;
}

/* Both slots take their room at once, so that a full disk meets no save. */
static int
cursor_make(struct cursor *c)
{
    static const char zeros[2 * CURSOR_SLOT];
    int err = file_pwrite(c->fd, zeros, sizeof zeros, 0);
    if (err)
        return err;
    if (fdatasync(c->fd))
        return -errno;
    char *slash = strrchr(c->path, '/');
    *slash = 0;
    err = file_sync_folder(c->path);
    *slash = '/';
    return err;
}

/* Take the newer of the slots that are whole and of this spool.  1 or 0. */
static int
cursor_read(struct cursor *c, uint64_t *position)
{
    int found = 0, foreign = 0, marks = 0;
    for (int i = 0; i < 2; i++) {
        struct slot s;
        if (file_pread(c->fd, &s, sizeof s, (uint64_t) i * CURSOR_SLOT)
            != sizeof s)
            continue;
        marks += s.magic[0] != 0;
        if (!slot_read(&s))
            continue;
        uint64_t sequence = le64toh(s.sequence);
        if (memcmp(s.spool, c->spool, 16) != 0) {
            foreign = 1;
        } else if (!found || sequence > c->sequence) {
            found = 1;
            *position = le64toh(s.position);
            c->fresh = le64toh(s.fresh);
            c->letters = le64toh(s.letters);
            c->confirmed = le64toh(s.confirmed);
            c->begun = le64toh(s.begun) != 0;
            c->noted = le64toh(s.noted);
            c->paused_us = (int64_t) le64toh(s.paused);
            memcpy(c->why, s.why, sizeof c->why - 1);
        }
        if (sequence > c->sequence)
            c->sequence = sequence;
    }
    c->made = !marks; /* a start that was killed has left zeros */
    if (!found && foreign)
        log_warn("%s counts in another spool: taken as missing", c->path);
    else if (!found && marks)
        log_warn("%s is damaged: taken as missing", c->path);
    return found;
}

static int
cursor_fail(struct cursor *c, int err)
{
    log_error("cannot open the cursor %s: %s", c->path ? c->path : "of a lane",
              strerror(-err));
    spool_cursor_close(c);
    return err;
}

static char *
cursor_path(const char *state_dir, const char *lane)
{
    size_t room = strlen(state_dir) + strlen(lane) + sizeof "/lanes/.cursor";
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s/lanes/%s.cursor", state_dir, lane);
    return path;
}

int
spool_cursor_exists(const char *state_dir, const char *lane)
{
    char *path = cursor_path(state_dir, lane);
    int there = path && cursor_name_ok(lane) && access(path, F_OK) == 0;
    free(path);
    return there;
}

int
spool_cursor_look(struct cursor *c, const char *state_dir, const char *lane,
                  const uint8_t *spool, uint64_t *position)
{
    struct slot s;
    *c = (struct cursor){ .fd = -1 };
    *position = 0;
    if (!cursor_name_ok(lane))
        return 0;
    if (!(c->path = cursor_path(state_dir, lane)))
        return -ENOMEM;
    c->fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int err = c->fd < 0 && errno != ENOENT ? -errno : 0;
    /* The spool of any slot that is whole will do. */
    for (int i = 0; !spool && c->fd >= 0 && i < 2; i++)
        if (file_pread(c->fd, &s, sizeof s, (uint64_t) i * CURSOR_SLOT)
                == sizeof s
            && slot_read(&s))
            memcpy(c->spool, s.spool, 16);
    if (spool)
        memcpy(c->spool, spool, 16);
    int known = c->fd < 0 ? err : cursor_read(c, position);
    spool_cursor_close(c);
    return known;
}

/* The folder of a path, durably. */
static int
cursor_sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = 0;
    int err = file_sync_folder(path);
    *slash = '/';
    return err;
}

int
spool_cursor_remove(const char *state_dir, const char *lane)
{
    char *path = cursor_path(state_dir, lane);
    if (!path || !cursor_name_ok(lane)) {
        free(path);
        return path ? -EINVAL : -ENOMEM;
    }
    int err = unlink(path) ? -errno : cursor_sync_folder(path);
    free(path);
    return err;
}

static int
cursor_is_at(const struct cursor *c, const char *path)
{
    struct stat ours, there;
    int err = errno;
    int is = !fstat(c->fd, &ours) && !lstat(path, &there)
             && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
    errno = err;
    return is;
}

int
spool_cursor_rename(struct cursor *c, const char *state_dir, const char *lane)
{
    char *path = cursor_path(state_dir, lane);
    if (!path)
        return -ENOMEM;
    /* Or an earlier try has, and failed behind it. */
    int renamed =
        !rename(c->path, path) || (errno == ENOENT && cursor_is_at(c, path));
    int err = renamed ? cursor_sync_folder(path) : -errno;
    if (!err)
        err = cursor_sync_folder(c->path);
    if (!err) {
        char *was = c->path;
        c->path = path;
        path = was;
    }
    free(path);
    return err;
}

int
spool_cursor_open(struct cursor *c, const char *state_dir, const char *lane,
                  const uint8_t spool[16], uint64_t *position)
{
    struct stat st;
    *c = (struct cursor){ .fd = -1 };
    *position = 0;
    memcpy(c->spool, spool, 16);
    if (!cursor_name_ok(lane)) {
        log_error("lane \"%s\": the name cannot be that of a file", lane);
        return -EINVAL;
    }
    if (!(c->path = cursor_path(state_dir, lane)))
        return cursor_fail(c, -ENOMEM);
    int err = cursor_folders(state_dir, c->path);
    if (err)
        return cursor_fail(c, err);
    c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->fd < 0 || fstat(c->fd, &st))
        return cursor_fail(c, -errno);
    if (st.st_size >= CURSOR_SLOT + (off_t) sizeof(struct slot))
        return cursor_read(c, position);
    if (st.st_size)
        log_warn("%s is damaged: taken as missing", c->path);
    c->made = !st.st_size;
    err = cursor_make(c);
    return err ? cursor_fail(c, err) : 0;
}

/* It becomes the newest, in place of the older one. */
static int
slot_write(struct cursor *c, struct slot *s, int sync)
{
    uint64_t sequence = c->sequence + 1;
    memcpy(s->magic, CURSOR_MAGIC, 8);
    memcpy(s->spool, c->spool, 16);
    s->sequence = htole64(sequence);
    s->sum = slot_sum(s);
    int err = file_pwrite(c->fd, s, sizeof *s, sequence % 2 ? CURSOR_SLOT : 0);
    if (err)
        return err;
    c->sequence = sequence;
    return sync && fdatasync(c->fd) ? -errno : 0;
}

int
spool_cursor_save(struct cursor *c, uint64_t position, int sync)
{
    struct slot s = { .position = htole64(position),
                      .fresh = htole64(c->fresh),
                      .letters = htole64(c->letters),
                      .confirmed = htole64(c->confirmed),
                      .begun = htole64((uint64_t) c->begun),
                      .noted = htole64(c->noted),
                      .paused = htole64((uint64_t) c->paused_us) };
    memcpy(s.why, c->why, sizeof s.why);
    return slot_write(c, &s, sync);
}

/* Is what was saved what the disk gives back? */
static int
slot_newest(const struct cursor *c, struct slot *s)
{
    uint64_t at = c->sequence % 2 ? CURSOR_SLOT : 0;
    return file_pread(c->fd, s, sizeof *s, at) == sizeof *s && slot_read(s)
           && le64toh(s->sequence) == c->sequence
           && memcmp(s->spool, c->spool, 16) == 0;
}

int
spool_cursor_again(struct cursor *c)
{
    struct slot s;
    return slot_newest(c, &s) ? slot_write(c, &s, 0) : 0;
}

int
spool_cursor_sync(const struct cursor *c)
{
    return fdatasync(c->fd) ? -errno : 0;
}

int
spool_cursor_pause(struct cursor *c, int64_t paused_us, const char *why)
{
    struct slot s;
    if (!slot_newest(c, &s))
        return -EIO;
    s.paused = htole64((uint64_t) paused_us);
    memset(s.why, 0, sizeof s.why);
    if (why)
        memcpy(s.why, why, strnlen(why, sizeof s.why - 1));
    int err = slot_write(c, &s, 1);
    if (err)
        return err;
    c->paused_us = paused_us;
    memcpy(c->why, s.why, sizeof c->why);
    return 0;
}

void
spool_cursor_close(struct cursor *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->path);
    c->path = NULL;
}
