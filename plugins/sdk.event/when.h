/* SPDX-License-Identifier: MIT */
/* Times as Segment's clients write them. */
#ifndef EVENT_WHEN_H
#define EVENT_WHEN_H

#include <stddef.h>

/* More than this is no time. */
#define WHEN_MAX 64

/* A date, or date and time with "T" or blanks between; seconds, a fraction and
 * the zone may be missing (UTC then), the zone may be Z, UTC, GMT, +hh, +hhmm or
 * +hh:mm, blanks before it; or a number since 1970, which by its size is one of
 * seconds, ms, us or ns.  Written to out as RFC 3339, whose ranges (a 30th of
 * February, say) are left to who reads that.  Returns its length; 0: is none of
 * them. */
size_t when_read(const char *text, size_t len, char out[WHEN_MAX]);

#endif
