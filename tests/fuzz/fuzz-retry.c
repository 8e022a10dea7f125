/* SPDX-License-Identifier: MIT */
/* Retry-After as receivers may send it.  The first eight bytes are the time it
 * comes at.  What is understood lies between nothing and the most; a date is
 * what C's library takes it for. */
#define _GNU_SOURCE
#include "../../plugins/webhook.out/retry_after.c"

#include "fuzz.h"

#include <time.h>

#define MOST INT64_C(86400000)

static void
as_a_date(const char *text, size_t len, int64_t now, int64_t wait)
{
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
                                         "%a %b %e %H:%M:%S %Y" };
    char copy[64] = "";
    if (len >= sizeof(copy))
        return;
    memcpy(copy, text, len);
    char *start = copy + strspn(copy, " \t");
    char *end = start + strlen(start);
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = 0;
    for (int i = 0; i < 2; i++) {
        struct tm tm = { 0 };
        char *rest = strptime(start, forms[i], &tm);
        if (!rest || *rest)
            continue;
        int64_t expected = ((int64_t) timegm(&tm) - now) * 1000;
        expected = expected < 0 ? 0 : expected > MOST ? MOST : expected;
        CLAIM(wait == expected);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t now = 0, wait = -1;
    if (size < 8)
        return 0;
    memcpy(&now, data, 8);
    now &= INT64_C(0xffffffffff); /* 36,000 years */
    size -= 8;
    char *text = malloc(size + 1); /* of just that size, for asan */
    CLAIM(text);
    memcpy(text, data + 8, size);
    text[size] = 0;
    char *exact = realloc(text, size ? size : 1);
    CLAIM(exact);
    int err = retry_after_parse(exact, size, now, MOST, &wait);
    CLAIM(err == 0 || err == -EINVAL);
    if (!err) {
        CLAIM(wait >= 0 && wait <= MOST);
        if (!memchr(exact, 0, size))
            as_a_date(exact, size, now, wait);
    }
    free(exact);
    return 0;
}
