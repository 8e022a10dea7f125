/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* nftw() */
#include "state_dir.h"

#include "file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
state_dir_path(char *out, size_t size, const char *path, const char *name)
{
    int n = snprintf(out, size, "%s/%s", path, name);
    return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

const char *
state_dir_strerror(int err)
{
    if (err == EACCES || err == -EACCES)
        return "permission denied: this is for root and the user that runs the "
               "daemon";
    return strerror(err < 0 ? -err : err);
}

int
state_dir_sync(const char *folder)
{
    int err = file_sync_folder(folder);
    if (err)
        log_error("cannot sync the folder %s: %s", folder, strerror(-err));
    return err;
}

int
state_dir_make(const char *path, uid_t uid, gid_t gid)
{
    if (mkdir(path, 0750) == 0) {
        if (uid != (uid_t) -1 && chown(path, uid, gid)) {
            int err = -errno;
            log_error("state_dir %s: cannot give it to the user: %s", path,
                      strerror(errno));
            rmdir(path);
            return err;
        }
        return 0;
    }
    if (errno != EEXIST) {
        int err = -errno;
        log_error("state_dir %s: cannot make it: %s", path, strerror(errno));
        return err;
    }
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        log_error("state_dir %s: is not a directory", path);
        return -ENOTDIR;
    }
    return 0;
}

/* 1: it was there; 0: it was not. */
static int
make_folder(const char *path)
{
    struct stat st;
    int err = mkdir(path, 0700) == 0 ? 0 : -errno;
    const int was = err == -EEXIST;
    if (was)
        err = lstat(path, &st) ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    if (err)
        log_error("cannot make the folder %s: %s", path, strerror(-err));
    return err ? err : was;
}

/* Whoever made what was there may have been killed before it synced the folder
 * that it is in; once that is done, it is done for all that was there.  A daemon
 * with many lanes comes by the same few folders for each of them. */
static int
sync_once(const char *folder)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of these */
    static struct {
        dev_t device;
        ino_t inode;
    } done[32];
    static size_t count;
    struct stat st;
    int known = 0, err = 0;
    if (stat(folder, &st))
        return state_dir_sync(folder);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++)
        known |= done[i].device == st.st_dev && done[i].inode == st.st_ino;
    if (!known)
        err = state_dir_sync(folder);
    if (!known && !err && count < sizeof(done) / sizeof(done[0])) {
        done[count].device = st.st_dev;
        done[count++].inode = st.st_ino;
    }
    pthread_mutex_unlock(&lock);
    return err;
}

int
state_dir_make_below(const char *state_dir, const char *path)
{
    char *here = strdup(path);
    int err = here ? 0 : -ENOMEM;
    char *p = here ? here + strlen(state_dir) : NULL;
    while (!err && *p) {
        char *end = strchr(p + 1, '/'); /* p: the slash before a name */
        if (end)
            *end = 0;
        const int was = make_folder(here);
        *p = 0;
        err = was < 0 ? was : was ? sync_once(here) : state_dir_sync(here);
        *p = '/';
        if (!end)
            break;
        *end = '/';
        p = end;
    }
    free(here);
    return err;
}

int
state_dir_lock_note(const char *path, int lock)
{
    char pid[32];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long) getpid());
    int err =
        ftruncate(lock, 0) ? -errno : file_pwrite(lock, pid, (size_t) n, 0);
    if (err)
        log_warn("state_dir %s: cannot write the process id into its lock: %s",
                 path, strerror(-err));
    return err;
}

int
state_dir_lock(const char *path)
{
    char name[4096], pid[32] = "";
    int err = state_dir_path(name, sizeof(name), path, "lock");
    int fd = err ? -1 : open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err = err ? err : -errno;
        log_error("state_dir %s: cannot open its lock: %s", path,
                  strerror(-err));
        return err;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        err = -errno;
        int64_t n = file_pread(fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = 0;
        if (err == -EWOULDBLOCK)
            log_error("state_dir %s is in use by process %.*s; stop it first, "
                      "or give this one a state_dir of its own",
                      path, (int) strspn(pid, "0123456789"), pid);
        else
            log_error("state_dir %s: cannot lock it: %s", path, strerror(-err));
        close(fd);
        return err;
    }
    state_dir_lock_note(path, fd);
    return fd;
}

/* --- its format ------------------------------------------------------------ */

#define FORMAT_NAME "format"

static int
read_format(const char *path, char text[16])
{
    char name[4096];
    int err = state_dir_path(name, sizeof(name), path, FORMAT_NAME);
    int fd = err ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err ? err : -errno;
    int64_t n = file_pread(fd, text, 15, 0);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n < 0 ? (int) n : 0;
}

int
state_dir_format(const char *path, unsigned *out)
{
    char text[16], *end = text;
    int err = read_format(path, text);
    *out = STATE_DIR_FORMAT;
    if (err == -ENOENT)
        return 0;
    if (!err) {
        unsigned long n = strtoul(text, &end, 10);
        if (end == text || strcmp(end, "\n") != 0)
            err = -EINVAL;
        *out = (unsigned) n;
    }
    if (err)
        log_error("state_dir %s: cannot read what is in \"" FORMAT_NAME
                  "\": %s",
                  path, strerror(-err));
    else if (*out > STATE_DIR_FORMAT) {
        log_error("state_dir %s has format %u, of a newer version of "
                  "ingestlayer; this one knows up to %u, and leaves it as it "
                  "is: install the newer one again, or restore a copy from "
                  "before",
                  path, *out, STATE_DIR_FORMAT);
        err = -ENOTSUP;
    }
    return err;
}

int
state_dir_format_take(const char *path)
{
    char text[16];
    unsigned format;
    int err = state_dir_format(path, &format);
    if (err || (format == STATE_DIR_FORMAT && !read_format(path, text)))
        return err;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int n = snprintf(text, sizeof(text), "%u\n", STATE_DIR_FORMAT);
    err = file_replace(dir, FORMAT_NAME, text, (size_t) n);
    close(dir);
    if (err)
        log_error("state_dir %s: cannot write \"" FORMAT_NAME "\": %s", path,
                  strerror(-err));
    return err;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void) st;
    (void) kind;
    (void) at;
    return remove(path);
}

int
state_dir_remove_below(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT
               ? -errno
               : 0;
}
