/* SPDX-License-Identifier: MIT */
/* The clocks, in one place so that tests can own them: INGESTLAYER_CLOCK_FILE
 * names a file whose text (microseconds) is added to the wall clock. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void);      /* since 1970 UTC; may jump */
int64_t clock_monotonic_us(void); /* never jumps */

/* From now on the wall clock stands at this, for all threads, until the next
 * call; 0: it is the system's again.  What waits for a time has to be woken. */
void clock_own(int64_t us);

#endif
