/* SPDX-License-Identifier: MIT */
/* Condition variables whose deadlines are clock_monotonic_us(): a wall clock
 * that is set neither ends a wait nor draws it out.  For those that are waited
 * on without a deadline pthread_cond_init() will do. */
#ifndef COND_H
#define COND_H

#include <pthread.h>
#include <stdint.h>

/* 0 or a negative errno.  pthread_cond_destroy() ends it. */
int cond_init(pthread_cond_t *);

/* Give the lock up and wait until somebody signals, or until this time
 * (INT64_MAX: for ever); 0 or -ETIMEDOUT.  Like pthread_cond_wait() it may
 * return for no reason. */
int cond_wait_until(pthread_cond_t *, pthread_mutex_t *, int64_t until_us);

#endif
