/* SPDX-License-Identifier: MIT */
/* A time that is read is written in one form, which reads as the same time;
 * and every number has a text. */
#include <string.h>

#include "fuzz.h"
#include "base/time.h"
#include "codec/event.h"

#define FIRST_US (-62135596800000000) /* 0001-01-01 */
#define LAST_US 253402300799999999

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TIME_TEXT], again[TIME_TEXT];
    int64_t us, same;

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
