/* SPDX-License-Identifier: MIT */
/* Sums of decimal numbers: exact to the ninth digit behind the point. */
#ifndef PLUGINS_COUNT_SUM_H
#define PLUGINS_COUNT_SUM_H

#include <ingestlayer/plugin.h>

#include <stddef.h>
#include <stdint.h>

#define SUM_LIMIT                                                              \
    INT64_C(100000000000000000) /* no sum gets to it, nor to -it */
#define SUM_NANO 1000000000
#define SUM_TEXT 32 /* "-99999999999999999.999999999" and a NUL */

/* whole + nano / 1,000,000,000; nano is less than that and not negative. */
struct sum {
    int64_t whole;
    uint32_t nano;
};

/* A JSON number, rounded to the ninth digit, half away from zero.  0, or -ERANGE:
 * it is too large, or no number. */
int sum_read(const char *text, size_t len, struct sum *out);
/* The number that a value is; -EINVAL: it is none. */
int sum_of(const struct il_value *, struct sum *out);
/* 0, or -ERANGE: it would get too large, and is as it was. */
int sum_add(struct sum *to, const struct sum *more);
/* Was it made by these functions?  1 or 0. */
int sum_is_one(const struct sum *);
/* As JSON, without zeros that say nothing; how long it is. */
size_t sum_write(const struct sum *, char room[SUM_TEXT]);

#endif
