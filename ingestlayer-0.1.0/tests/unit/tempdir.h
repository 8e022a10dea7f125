/* SPDX-License-Identifier: MIT */
/* A folder of a test's own, under TMPDIR. */
#ifndef TEMPDIR_H
#define TEMPDIR_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline char *
tempdir_make(void)
{
    const char *tmp = getenv("TMPDIR"), *name = "/il-test-XXXXXX";
    tmp = tmp && *tmp ? tmp : "/tmp";
    char *dir = malloc(strlen(tmp) + strlen(name) + 1);
    if (!dir || !mkdtemp(strcat(strcpy(dir, tmp), name))) {
        perror("mkdtemp");
        abort();
    }
    return dir;
}

static inline void
tempdir_empty(int fd)
{
    DIR *d = fdopendir(fd);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")
            || !unlinkat(fd, e->d_name, 0))
            continue;
        int sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sub >= 0)
            tempdir_empty(sub);
        unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

static inline void
tempdir_remove(char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        tempdir_empty(fd);
    rmdir(dir);
    free(dir);
}

#endif
