/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
file_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
    const char *from = bytes;
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, (off_t) offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -ENOSPC;
        from += n;
        len -= (size_t) n;
        offset += (uint64_t) n;
    }
    return 0;
}

int64_t
file_pread(int fd, void *to, size_t len, uint64_t offset)
{
    char *at = to;
    size_t have = 0;
    while (have < len) {
        ssize_t n = pread(fd, at + have, len - have, (off_t) (offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t) n;
    }
    return (int64_t) have;
}

int
file_read(int dirfd, const char *name, size_t most, struct il_text *out)
{
    struct stat st;
    int fd = openat(dirfd, name,
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int err = fstat(fd, &st) ? -errno : 0;
    if (!err && !S_ISREG(st.st_mode))
        err = -EINVAL;
    if (!err && (uint64_t) st.st_size > most)
        err = -EFBIG;
    if (!err)
        err = text_reserve(out, (size_t) st.st_size + 1);
    int64_t n =
        err ? err
            : file_pread(fd, out->data + out->len, (size_t) st.st_size, 0);
    close(fd);
    if (n < 0)
        return (int) n;
    out->len += (size_t) n;
    out->data[out->len] = 0;
    return 0;
}

static int
write_synced(int dirfd, const char *name, const void *bytes, size_t len)
{
    int fd =
        openat(dirfd, name,
               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int err = file_pwrite(fd, bytes, len, 0);
    if (!err && fsync(fd))
        err = -errno;
    close(fd);
    return err;
}

int
file_is_lost(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EISDIR
           || error == ELOOP || error == ENXIO || error == EIO
           || error == EUCLEAN || error == EBADMSG;
}

int
file_replace(int dirfd, const char *name, const void *bytes, size_t len)
{
    char tmp[256];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp", name);
    if (n < 0 || (size_t) n >= sizeof tmp)
        return -ENAMETOOLONG;
    int err = write_synced(dirfd, tmp, bytes, len);
    if (!err && renameat(dirfd, tmp, dirfd, name))
        err = -errno;
    if (err) {
        unlinkat(dirfd, tmp, 0);
        return err;
    }
    return fsync(dirfd) ? -errno : 0;
}

int
file_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = fsync(fd) ? -errno : 0;
    close(fd);
    return err;
}

int
file_make_folder(const char *path)
{
    char parent[4096];
    const char *slash = strrchr(path, '/');
    int len = slash && slash > path ? (int) (slash - path) : 1;
    int n = snprintf(parent, sizeof parent, "%.*s", len, slash ? path : ".");
    if (n < 0 || (size_t) n >= sizeof parent)
        return -ENAMETOOLONG;
    if (mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    /* Also where it was there: whoever made it may have been killed before it
     * came to this. */
    return file_sync_folder(parent);
}
