/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
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
