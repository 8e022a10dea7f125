/* SPDX-License-Identifier: MIT */
/* A bundle of any bytes: what is read of it lies in it, positions ascend, and what
 * is whole is as it was written; behind what is damaged it goes on, and comes to
 * an end.  And numbers of headers. */
#include "fuzz.h"
#include "../../plugins/stream.nats/bundle.h"

#include <stdio.h>
#include <string.h>

static void
number(const uint8_t *data, size_t size)
{
    char text[64], again[24];
    uint64_t n;
    if (size >= sizeof(text))
        return;
    memcpy(text, data, size);
    text[size] = 0;
    if (!bundle_number(text, UINT64_MAX, &n))
        return;
    const char *digits = text + strspn(text, "0");
    snprintf(again, sizeof(again), "%llu", (unsigned long long) n);
    CLAIM(!strcmp(*digits ? digits : "0", again));
    CLAIM(n <= UINT32_MAX || !bundle_number(text, UINT32_MAX, &n));
}

/* As it came, or, where rewrite is set, with heads that are right. */
static void
read_all(char *data, size_t size, int rewrite)
{
    const char *p = data, *end = data + size;
    struct bundle_frame f;
    uint64_t last = 0;
    int got;
    for (const char *before = p; (got = bundle_next(&p, end, last, &f));
         before = p) {
        if (got > 0) {
            char head[BUNDLE_HEAD];
            CLAIM(f.position > last && f.len > 0);
            CLAIM(f.body == before + BUNDLE_HEAD && f.body + f.len == p);
            bundle_put_head(head, f.position, f.body, f.len);
            CLAIM(!memcmp(head, before, BUNDLE_HEAD));
            last = f.position;
        } else if (p == before) {
            return; /* cut off */
        } else if (rewrite && f.len && f.position > last) {
            const uint64_t position = f.position;
            bundle_put_head((char *) before, position, f.body, f.len);
            p = before;
            CLAIM(bundle_next(&p, end, last, &f) == 1);
            CLAIM(f.position == position);
            last = position;
        }
        CLAIM(p > before && p <= end);
    }
    CLAIM(p == end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    CLAIM(copy);
    memcpy(copy, data, size);
    number(data, size);
    CLAIM(bundle_partition(copy, size, 7) < 7);
    read_all(copy, size, 0);
    read_all(copy, size, 1);
    read_all(copy, size, 0);
    free(copy);
    return 0;
}
