/* SPDX-License-Identifier: MIT */
/* How far a replay is that sends events one by one, in files of its own:
 *
 *   state     how far it has read, the counts, and what is under way: replaced
 *   failed    a line of JSON for each event that was given up: grows, and counts as
 *             far as `state` says
 *   left-out  positions that were letters or parked at its beginning
 *
 * A folder that nobody has touched for a month goes when another replay begins. */
#include "replay_each.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/state_dir.h"
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEEP_US 100000
#define STALE_S (30 * 86400)

static int
failed(struct replay_each *x, int err)
{
    job_fail(x->r->job, "io",
             "how far it is cannot be kept in %s: %s; nothing more is sent",
             x->folder, state_dir_strerror(-err));
    return -1;
}

/* --- reading ---------------------------------------------------------------- */

/* All of a file that may be missing: 1, 0 or a negative errno. */
static int
read_file(int dir, const char *name, struct il_text *out)
{
    int err = file_read(dir, name, SIZE_MAX, out);
    return !err ? 1 : err == -ENOENT ? 0 : err;
}

static void
read_slot(struct replay_each *x, const char *line)
{
    struct replay_slot s = { .stage = REPLAY_ABSENT };
    if (x->used < REPLAY_SLOTS
        && sscanf(line,
                  "wait %" SCNu64 " %" SCNu32 " %" SCNd64 " %" SCNd64
                  " %" SCNd64 " %" SCNd64,
                  &s.position, &s.attempts, &s.first_us, &s.since_us, &s.set_us,
                  &s.delay_us)
               == 6)
        x->slots[x->used++] = s;
}

/* Of another spool nothing of it means anything. */
static void
read_state(struct replay_each *x, char *text)
{
    struct replay_each_counts *c = &x->counts;
    char spool[64] = "", *rest = NULL;
    uint64_t end = 0;
    char *line = strtok_r(text, "\n", &rest);
    if (!line || strcmp(line, "ingestlayer replay 1") != 0)
        return;
    line = strtok_r(NULL, "\n", &rest);
    if (!line
        || sscanf(line, "spool %63s end %" SCNu64 " at %" SCNu64, spool, &end,
                  &x->was_at)
               != 3
        || strcmp(spool, spool_id_text(x->r->h->spool)) != 0) {
        x->was_at = 0;
        return;
    }
    x->at = x->was_at;
    x->r->end = end;
    while ((line = strtok_r(NULL, "\n", &rest)))
        if (sscanf(line,
                   "counts %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &c->events, &c->taken, &c->sent, &c->failed, &c->left_out,
                   &x->failed_bytes)
            != 6)
            read_slot(x, line);
}

static int
load(struct replay_each *x)
{
    struct il_text text = { 0 };
    int have = read_file(x->dir, "state", &text);
    if (have > 0)
        read_state(x, text.data);
    text_clear(&text);
    if (have <= 0 || !x->was_at)
        return have < 0 ? have : 0;
    have = read_file(x->dir, "left-out", &text);
    for (size_t i = 0; have > 0 && i + 8 <= text.len; i += 8) {
        uint64_t position;
        memcpy(&position, text.data + i, 8);
        int err = host_replay_leave_out(x->r, position);
        have = err ? err : have;
    }
    text_clear(&text);
    return have < 0 ? have : 0;
}

/* What was named before is named again. */
static int
put_failed(struct replay_each *x)
{
    struct il_text text = { 0 };
    char *rest = NULL;
    int err = read_file(x->dir, "failed", &text);
    if (err > 0) {
        if (text.len > x->failed_bytes)
            text.data[x->failed_bytes] = 0;
        for (char *line = strtok_r(text.data, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest))
            job_put(x->r->job, slice_of(line, strlen(line)));
    }
    text_clear(&text);
    return err < 0 ? err : 0;
}

/* --- beginning ---------------------------------------------------------------- */

static void
remove_stale(const char *folder)
{
    char path[4096 + 300];
    struct stat st;
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (!lstat(path, &st) && st.st_mtime < time(NULL) - STALE_S)
            state_dir_remove_below(path);
    }
    if (d)
        closedir(d);
}

static int
open_files(struct replay_each *x)
{
    struct host *h = x->r->h;
    char all[4096];
    int n = snprintf(all, sizeof(all), "%s/replays", h->state_dir);
    int m = snprintf(x->folder, sizeof(x->folder), "%s/replays/%s",
                     h->state_dir, x->r->id);
    if (n >= (int) sizeof(all) || m >= (int) sizeof(x->folder))
        return -ENAMETOOLONG;
    int err = state_dir_make_below(h->state_dir, x->folder);
    if (err)
        return err;
    remove_stale(all);
    x->dir = open(x->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->dir < 0)
        return -errno;
    x->failed_fd = openat(x->dir, "failed",
                          O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return x->failed_fd < 0 ? -errno : 0;
}

int
host_replay_kept_open(struct replay_each *x)
{
    int err = open_files(x);
    if (!err)
        err = load(x);
    if (!err && ftruncate(x->failed_fd, (off_t) x->failed_bytes))
        err = -errno;
    if (!err && x->failed_bytes)
        err = put_failed(x);
    if (!err && !x->was_at)
        err = file_replace(x->dir, "left-out", x->r->letters,
                           x->r->letter_count * sizeof(*x->r->letters));
    if (err)
        return failed(x, err);
    x->changed = 1;
    return host_replay_kept_write(x, 1);
}

/* --- writing ------------------------------------------------------------------ */

static int
put_state(const struct replay_each *x, struct il_text *out)
{
    const struct replay_each_counts *c = &x->counts;
    int err =
        text_printf(out,
                    "ingestlayer replay 1\nspool %s end %" PRIu64 " at %" PRIu64
                    "\ncounts %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                    " %" PRIu64 " %" PRIu64 "\n",
                    spool_id_text(x->r->h->spool), x->r->end, x->at, c->events,
                    c->taken, c->sent, c->failed, c->left_out, x->failed_bytes);
    for (uint32_t i = 0; i < REPLAY_SLOTS && !err; i++) {
        const struct replay_slot *s = &x->slots[i];
        if (s->stage)
            err = text_printf(out,
                              "wait %" PRIu64 " %" PRIu32 " %" PRId64
                              " %" PRId64 " %" PRId64 " %" PRId64 "\n",
                              s->position, s->attempts, s->first_us,
                              s->since_us, s->set_us, s->delay_us);
    }
    return err;
}

int
host_replay_kept_write(struct replay_each *x, int now)
{
    struct il_text text = { 0 };
    const int64_t us = clock_monotonic_us();
    if (!x->changed || (!now && us - x->kept_us < KEEP_US))
        return 0;
    int err = put_state(x, &text);
    if (!err)
        err = file_replace(x->dir, "state", text.data, text.len);
    text_clear(&text);
    x->kept_us = us;
    x->changed = 0;
    return err ? failed(x, err) : 0;
}

int
host_replay_kept_fail(struct replay_each *x, const struct il_text *line)
{
    int err = file_pwrite(x->failed_fd, line->data, line->len, x->failed_bytes);
    x->failed_bytes += line->len;
    if (!err && fdatasync(x->failed_fd))
        err = -errno;
    return err ? failed(x, err) : 0;
}

void
host_replay_kept_end(struct replay_each *x, int done)
{
    if (x->failed_fd >= 0)
        close(x->failed_fd);
    if (x->dir >= 0)
        close(x->dir);
    if (done && x->dir >= 0)
        state_dir_remove_below(x->folder);
    x->failed_fd = x->dir = -1;
}
