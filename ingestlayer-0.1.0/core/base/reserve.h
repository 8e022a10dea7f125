/* SPDX-License-Identifier: MIT */
/* Memory for libraries that do not look at what malloc() returns. */
#ifndef RESERVE_H
#define RESERVE_H

#include <stddef.h>

/* See that the process could have so many bytes more: libconfig, libtasn1 and
 * GMP crash or end the process where there are none, so the host asks first and
 * gives up in its own words.  0 or -ENOMEM. */
int reserve_check(size_t bytes);

#endif
