/* SPDX-License-Identifier: MIT */
/* What would survive a power cut: file contents as of their last sync, folders
 * as of theirs.  Plain system calls, so that nothing here is counted. */
#define _GNU_SOURCE
#include "inject.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[512];

int
shadow_on(void)
{
    return root[0] != 0;
}

void
shadow_start(const char *dir)
{
    if (dir && strlen(dir) < sizeof root)
        strcpy(root, dir);
}

void
shadow_lock(void)
{
    if (shadow_on())
        pthread_mutex_lock(&lock);
}

void
shadow_unlock(void)
{
    if (shadow_on())
        pthread_mutex_unlock(&lock);
}

static int
key_of(int dirfd, const char *name, char key[64], mode_t *mode)
{
    struct statx x;
    if (syscall(SYS_statx, dirfd, name,
                *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH,
                STATX_BASIC_STATS | STATX_BTIME, &x))
        return -1;
    snprintf(key, 64, "%llu-%lld.%u", (unsigned long long) x.stx_ino,
             (long long) x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
    *mode = x.stx_mode;
    return 0;
}

static int
create(const char *kind, const char *key)
{
    char path[640];
    snprintf(path, sizeof path, "%s/%s/%s", root, kind, key);
    return (int) syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600);
}

/* A process that is killed while it copies leaves the copy of before: what was
 * durable once stays so. */
static int
copy_begin(void)
{
    char path[640];
    snprintf(path, sizeof path, "%s/new", root);
    return (int) syscall(SYS_openat, AT_FDCWD, path,
                         O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void
copy_end(int fd, const char *kind, const char *key)
{
    char from[640], to[640];
    snprintf(from, sizeof from, "%s/new", root);
    snprintf(to, sizeof to, "%s/%s/%s", root, kind, key);
    syscall(SYS_close, fd);
    if (syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to))
        abort();
}

static void
put(int fd, const char *bytes, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = syscall(SYS_pwrite64, fd, bytes, len, at);
        if (n <= 0)
            abort();
        bytes += n;
        at += n;
        len -= (size_t) n;
    }
}

static void
copy_file(int fd, const char *key)
{
    static char block[1 << 16], zeros[1 << 16];
    off_t at = 0;
    ssize_t n;
    /* The descriptor may be for writing only. */
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int in = (int) syscall(SYS_openat, AT_FDCWD, self, O_RDONLY, 0);
    int out = copy_begin();
    if (in < 0 || out < 0)
        abort();
    while ((n = syscall(SYS_pread64, in, block, sizeof block, at)) > 0) {
        if (memcmp(block, zeros, (size_t) n) != 0)
            put(out, block, (size_t) n, at);
        at += n;
    }
    if (syscall(SYS_ftruncate, out, at))
        abort();
    syscall(SYS_close, in);
    copy_end(out, "i", key);
}

struct entry { /* as getdents64 has it */
    uint64_t ino;
    int64_t off;
    uint16_t len;
    uint8_t type;
    char name[];
};

static void
copy_folder(int fd, const char *key)
{
    static char entries[1 << 16] __attribute__((aligned(8)));
    char line[400], of[64], self[64];
    off_t at = 0;
    mode_t mode;
    long n;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int in = (int) syscall(SYS_openat, AT_FDCWD, self, O_RDONLY | O_DIRECTORY,
                           0);
    int out = copy_begin();
    if (in < 0 || out < 0)
        abort();
    while ((n = syscall(SYS_getdents64, in, entries, sizeof entries)) > 0)
        for (long i = 0; i < n;) {
            struct entry *e = (struct entry *) (entries + i);
            i += e->len;
            if (!strcmp(e->name, ".") || !strcmp(e->name, "..")
                || key_of(in, e->name, of, &mode))
                continue;
            int len = snprintf(line, sizeof line, "%s %c %s\n", of,
                               S_ISDIR(mode) ? 'd' : 'f', e->name);
            put(out, line, (size_t) len, at);
            at += len;
        }
    syscall(SYS_close, in);
    copy_end(out, "d", key);
}

void
shadow_synced(int fd)
{
    char key[64];
    mode_t mode;
    if (!shadow_on() || key_of(fd, "", key, &mode))
        return;
    if (S_ISDIR(mode))
        copy_folder(fd, key);
    else if (S_ISREG(mode))
        copy_file(fd, key);
}

void
shadow_through(int fd, const void *bytes, size_t len, off_t at)
{
    char key[64];
    mode_t mode;
    int flags = (int) syscall(SYS_fcntl, fd, F_GETFL);
    if (!shadow_on() || !(flags & O_DSYNC) || key_of(fd, "", key, &mode))
        return;
    int out = create("i", key);
    if (out < 0)
        abort();
    put(out, bytes, len, at);
    syscall(SYS_close, out);
}
