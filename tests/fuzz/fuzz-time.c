/* SPDX-License-Identifier: MIT */
/* A time that is read is written in one form, which reads as the same time;
 * and every number has a text.  What sdk.event makes of the times of Segment's
 * clients is at most WHEN_MAX bytes, and one that RFC 3339 takes stays itself. */
#include "../../plugins/sdk.event/when.c"

#include <string.h>

#include "fuzz.h"
#include "base/time.h"
#include "codec/event.h"

static void
claim_when(const char *data, size_t size)
{
    char text[WHEN_MAX];
    int64_t strict, us;
    size_t len = when_read(data, size, text);
    CLAIM(len < WHEN_MAX);
    if (time_parse(data, size, &strict) == 0 && size <= WHEN_MAX) {
        CLAIM(len > 0);
        CLAIM(time_parse(text, len, &us) == 0);
        CLAIM(us == strict);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TIME_TEXT], again[TIME_TEXT];
    int64_t us, same;

    claim_when((const char *) data, size);
    if (time_parse((const char *) data, size, &us) == 0) {
        CLAIM(us >= FIRST_US && us <= LAST_US);
        size_t len = time_format(text, us);
        CLAIM(len == strlen(text) && len < TIME_TEXT);
        CLAIM(time_parse(text, len, &same) == 0);
        CLAIM(same == us);
    }
    if (size >= sizeof(us)) {
        memcpy(&us, data, sizeof(us));
        size_t len = time_format(text, us);
        CLAIM(len == strlen(text) && len < TIME_TEXT);
        if (us >= FIRST_US && us <= LAST_US) {
            CLAIM(time_parse(text, len, &same) == 0);
            CLAIM(same == us);
            CLAIM(time_format(again, same) == len);
        } else {
            CLAIM(time_parse(text, len, &same) != 0);
        }
    }
    return 0;
}
