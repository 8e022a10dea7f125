/* SPDX-License-Identifier: MIT */
/* Lanes by their cursor files: those that are in no config any more keep theirs,
 * and with it what they have not delivered. */
#include "left.h"

#include "base/state_dir.h"
#include "spool/cursor.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENDING ".cursor"

/* The lane of a file; 0: it is none's. */
static int
lane_of(char *out, size_t size, const char *pipeline, const char *file)
{
    size_t len = strlen(file), ending = strlen(ENDING);
    if (*file == '.' || len <= ending
        || strcmp(file + len - ending, ENDING) != 0)
        return 0;
    int n =
        snprintf(out, size, "%s/%.*s", pipeline, (int) (len - ending), file);
    return n > 0 && (size_t) n < size;
}

static int
each_in(const char *state_dir, const char *folder, const char *pipeline,
        const uint8_t *spool, lane_left_fn *fn, void *arg)
{
    struct dirent *e;
    DIR *d = opendir(folder);
    int rc = 0;
    if (!d)
        return 0; /* a file, or just removed */
    while (!rc && (e = readdir(d))) {
        struct lane_left l = { .position = 0 };
        struct cursor c;
        if (!lane_of(l.name, sizeof l.name, pipeline, e->d_name))
            continue;
        l.known = spool_cursor_look(&c, state_dir, l.name, spool, &l.position);
        if (l.known < 0)
            rc = l.known;
        else if (l.known) {
            l.begun = c.begun;
            l.paused_us = c.paused_us;
            rc = fn(arg, &l);
        }
    }
    closedir(d);
    return rc;
}

int
lane_left_each(const char *state_dir, const uint8_t *spool, lane_left_fn *fn,
               void *arg)
{
    char lanes[4096], folder[4096];
    struct dirent *e;
    int rc = state_dir_path(lanes, sizeof lanes, state_dir, "lanes");
    DIR *d = rc ? NULL : opendir(lanes);
    if (!d)
        return rc || errno == ENOENT ? rc : -errno;
    while (!rc && (e = readdir(d)))
        if (*e->d_name != '.'
            && !state_dir_path(folder, sizeof folder, lanes, e->d_name))
            rc = each_in(state_dir, folder, e->d_name, spool, fn, arg);
    closedir(d);
    return rc;
}
