/* SPDX-License-Identifier: MIT */
/* Durations and sizes as people write them: "30s", "0.5h", "64MiB". */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

/* 0, or -EINVAL with a message that completes "expected". */
int units_parse_duration(const char *text, int64_t *ms, const char **why);
int units_parse_size(const char *text, int64_t *bytes, const char **why);

/* In the largest unit that leaves no fraction. */
void units_format_duration(char out[32], int64_t ms);
void units_format_size(char out[32], int64_t bytes);

#endif
