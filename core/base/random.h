/* SPDX-License-Identifier: MIT */
/* Randomness that others see: ids, secrets.  In one place so that tests can own
 * it. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fill it from the system's generator.  0 or a negative errno.  Any thread. */
int random_fill(void *bytes, size_t len);

/* From now on what random_fill() gives follows from this seed alone; 0: from the
 * system again.  While nobody is in random_fill(). */
void random_own(uint64_t seed);

#endif
