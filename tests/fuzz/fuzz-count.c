/* SPDX-License-Identifier: MIT */
/* count: numbers that are added, and cells.  Any text is a number or none; what
 * is written of one is read as the same.  Any bytes are a cell or none, and one
 * takes an event and is stored within its bounds. */
#include "../../plugins/count/cell.c"
#include "../../plugins/count/sum.c"

#include "fuzz.h"

static void
try_sum(const char *text, size_t size)
{
    struct sum s, again, twice;
    char room[SUM_TEXT];
    if (sum_read(text, size, &s))
        return;
    CLAIM(sum_is_one(&s));
    size_t len = sum_write(&s, room);
    CLAIM(len && len < SUM_TEXT && !sum_read(room, len, &again));
    CLAIM(again.whole == s.whole && again.nano == s.nano);
    twice = s;
    if (!sum_add(&twice, &s)) {
        CLAIM(sum_is_one(&twice));
        negate(&s);
        CLAIM(!sum_add(&twice, &s) && twice.whole == again.whole
              && twice.nano == again.nano);
    }
}

static void
try_counts(const char *bytes, size_t size, int has_sums)
{
    unsigned char stored[IL_MEMORY_VALUE_MAX];
    const uint32_t buckets = has_sums ? BUCKETS_MOST_SUMMED : BUCKETS_MOST;
    const struct sum one = { 1, 0 };
    struct counts c = { .has_sums = has_sums }, again = c;
    if (size > IL_MEMORY_VALUE_MAX || counts_load(&c, bytes, size))
        return;
    const int64_t now = c.used ? c.buckets[0].number : 0;
    for (int64_t later = now > 1; later >= -1; later--) {
        counts_slide(&c, now + later, buckets);
        CLAIM(c.used <= buckets);
        counts_add(&c, now + later, 5, &one);
        CLAIM(c.used && c.used <= buckets);
        size_t len = counts_store(&c, stored);
        CLAIM(len <= sizeof stored && !counts_load(&again, stored, len));
        CLAIM(again.used == c.used && again.nth == c.nth);
        if (now + later <= 0)
            break;
    }
}

static void
try_values(const char *bytes, size_t size)
{
    unsigned char stored[IL_MEMORY_VALUE_MAX], hash[VALUE_BYTES] = { 1 };
    struct values s, again;
    if (values_load(&s, bytes, size))
        return;
    const int64_t now = s.used ? s.values[0].bucket : 0;
    values_slide(&s, now, BUCKETS_MOST);
    for (unsigned char i = 0; i < 2 * VALUES_MOST; i++) {
        hash[1] = i;
        values_add(&s, now, hash);
    }
    CLAIM(s.used == VALUES_MOST && s.lost >= 0);
    size_t len = values_store(&s, stored);
    CLAIM(len <= sizeof stored && !values_load(&again, stored, len));
    CLAIM(again.used == s.used && again.lost == s.lost);
    CLAIM(!memcmp(again.values[0].hash, hash, VALUE_BYTES));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size ? size : 1); /* of just that size, for asan */
    CLAIM(bytes);
    if (size)
        memcpy(bytes, data, size);
    try_sum(bytes, size);
    try_counts(bytes, size, 0);
    try_counts(bytes, size, 1);
    try_values(bytes, size);
    free(bytes);
    return 0;
}
