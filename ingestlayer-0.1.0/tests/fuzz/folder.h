/* SPDX-License-Identifier: MIT */
/* Folders of fuzz targets, in memory where there is such a place. */
#ifndef FUZZ_FOLDER_H
#define FUZZ_FOLDER_H

#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static inline void
folder_make(char path[64], const char *name)
{
    snprintf(path, 64, "/dev/shm/il-fuzz-%s-XXXXXX", name);
    if (mkdtemp(path))
        return;
    snprintf(path, 64, "/tmp/il-fuzz-%s-XXXXXX", name);
    CLAIM(mkdtemp(path));
}

static inline void
folder_remove(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char sub[400];
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%.120s/%.255s", path, e->d_name);
        if (unlink(sub))
            folder_remove(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static inline void
folder_put(const char *dir, const char *name, const void *bytes, size_t len)
{
    char path[400];
    snprintf(path, sizeof path, "%.120s/%.255s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CLAIM(fd >= 0 && write(fd, bytes, len) == (ssize_t) len);
    close(fd);
}

#endif
