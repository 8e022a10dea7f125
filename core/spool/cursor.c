/* SPDX-License-Identifier: MIT */
#include "cursor.h"

#include "base/file.h"
#include "base/log.h"

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

#define CURSOR_MAGIC "ILCURS3" /* with its NUL: 8 bytes */
#define CURSOR_SLOT 4096

struct slot {
    char magic[8];
    uint8_t spool[16];
    uint64_t sequence, position, fresh, letters, confirmed, sum;
};

_Static_assert(sizeof(struct slot) == 72, "no padding");

static uint64_t
slot_sum(const struct slot *s)
{
    return htole64(XXH3_64bits(s, offsetof(struct slot, sum)));
}

/* Make the folders above path, which lies in state_dir. */
static int
cursor_folders(char *path, size_t from)
{
    for (char *p = path + from; (p = strchr(p, '/')); p++) {
        *p = 0;
        int err = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
        *p = '/';
        if (err)
            return err;
    }
    return 0;
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
        if (memcmp(s.magic, CURSOR_MAGIC, 8) != 0 || s.sum != slot_sum(&s))
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
        }
        if (sequence > c->sequence)
            c->sequence = sequence;
    }
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
    size_t room = strlen(state_dir) + strlen(lane) + sizeof "/lanes/.cursor";
    if (!(c->path = malloc(room)))
        return cursor_fail(c, -ENOMEM);
    snprintf(c->path, room, "%s/lanes/%s.cursor", state_dir, lane);
    int err = cursor_folders(c->path, strlen(state_dir) + 1);
    if (err)
        return cursor_fail(c, err);
    c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->fd < 0 || fstat(c->fd, &st))
        return cursor_fail(c, -errno);
    if (st.st_size >= CURSOR_SLOT + (off_t) sizeof(struct slot))
        return cursor_read(c, position);
    if (st.st_size)
        log_warn("%s is damaged: taken as missing", c->path);
    err = cursor_make(c);
    return err ? cursor_fail(c, err) : 0;
}

int
spool_cursor_save(struct cursor *c, uint64_t position, int sync)
{
    struct slot s = { .sequence = htole64(c->sequence + 1),
                      .position = htole64(position),
                      .fresh = htole64(c->fresh),
                      .letters = htole64(c->letters),
                      .confirmed = htole64(c->confirmed) };
    memcpy(s.magic, CURSOR_MAGIC, 8);
    memcpy(s.spool, c->spool, 16);
    s.sum = slot_sum(&s);
    uint64_t at = (c->sequence + 1) % 2 ? CURSOR_SLOT : 0;
    int err = file_pwrite(c->fd, &s, sizeof s, at);
    if (err)
        return err;
    c->sequence++;
    return sync && fdatasync(c->fd) ? -errno : 0;
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
