/* SPDX-License-Identifier: MIT */
/* Times as text. */
#ifndef TIME_H
#define TIME_H

#include <stddef.h>
#include <stdint.h>

/* RFC 3339 date-time to microseconds (finer fractions are cut; a leap second
 * is the next second; year 0001-9999; "T", "t" or a blank).  0 or -EINVAL. */
int time_parse(const char *, size_t len, int64_t *us);

/* "2026-11-23T07:09:00.123456Z", fraction only as long as needed (0, 3 or 6
 * digits).  Returns the length; out needs TIME_TEXT bytes and gets a NUL. */
#define TIME_TEXT 40
size_t time_format(char out[TIME_TEXT], int64_t us);

#endif
