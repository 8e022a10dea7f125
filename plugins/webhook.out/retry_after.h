/* SPDX-License-Identifier: MIT */
/* Retry-After, as RFC 9110 has it: a number of seconds, or a date in any of its
 * three forms. */
#ifndef RETRY_AFTER_H
#define RETRY_AFTER_H

#include <stddef.h>
#include <stdint.h>

/* How long to wait from now_s (seconds since 1970) on: 0 for a date that has
 * passed, never more than max_ms.  0, or -EINVAL: it is neither, and nothing is
 * known.  text need not end with NUL. */
int retry_after_parse(const char *text, size_t len, int64_t now_s,
                      int64_t max_ms, int64_t *wait_ms);

#endif
