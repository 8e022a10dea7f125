/* SPDX-License-Identifier: MIT */
/* All of a read or write, in however many pieces the system serves it. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>
#include <stdint.h>

/* 0 or a negative errno. */
int file_pwrite(int fd, const void *bytes, size_t len, uint64_t offset);
/* How many there were: fewer than len only at the end of the file.  Or a
 * negative errno. */
int64_t file_pread(int fd, void *to, size_t len, uint64_t offset);

#endif
