/* SPDX-License-Identifier: MIT */
/* Comparing what a sender says with what it should be. */
#ifndef SECRET_H
#define SECRET_H

#include <stddef.h>

/* 1: the same bytes.  The time depends on how long `said` is, which whoever
 * sent it knows, and on nothing else: neither where the two differ nor how
 * long the secret is. */
int secret_equal(const void *said, size_t said_len, const void *secret,
                 size_t secret_len);

#endif
