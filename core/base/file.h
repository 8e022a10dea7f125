/* SPDX-License-Identifier: MIT */
/* All of a read or write, in however many pieces the system serves it; files
 * and names that stay. */
#ifndef FILE_H
#define FILE_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* 0 or a negative errno. */
int file_pwrite(int fd, const void *bytes, size_t len, uint64_t offset);
/* How many there were: fewer than len only at the end of the file.  Or a
 * negative errno. */
int64_t file_pread(int fd, void *to, size_t len, uint64_t offset);

/* All of dirfd/name, behind what out has; a zero byte that does not count follows.
 * No link is followed.  0; -EINVAL: it is no regular file; -EFBIG: it has more
 * than `most` bytes; or another negative errno. */
int file_read(int dirfd, const char *name, size_t most, struct il_text *out);

/* Does this error (of open or read, positive) say something of the file itself: it
 * is not there, it is no file, its blocks cannot be read?  What else there is (no
 * right, nothing left of something, a folder that is mounted otherwise) somebody
 * mends, and the file is as it was: what it holds must not be given up for that. */
int file_is_lost(int error);

/* Make dirfd/name hold these bytes, durably, mode 0600: whatever happens,
 * there is the old one or the new one.  It is written as "name.tmp", synced and
 * renamed.  For one process at a time.  0 or a negative errno. */
int file_replace(int dirfd, const char *name, const void *bytes, size_t len);

/* Make a folder, mode 0700, where it is missing; that it is there outlives a power
 * cut.  0 or a negative errno. */
int file_make_folder(const char *path);

/* Make the names in a folder durable.  0 or a negative errno. */
int file_sync_folder(const char *path);

#endif
